/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_FUZZ_SUPPORT_H
#define VARVE_TESTS_FUZZ_SUPPORT_H

/* What fuzz targets of lib/format share.  A target decodes its input; whatever decodes must encode
 * to the same bytes again, since equal things may have one encoding only. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "format/common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REPOSITORY                                                                            \
    {                                                                                              \
        {                                                                                          \
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16                                  \
        }                                                                                          \
    }

/** fuzz_require(ok): a broken promise ends the process, which the fuzzer reports. */
static inline void
fuzz_require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/** fuzz_container(kind, data, size, out): an object around a body: no fuzzer guesses a SHA-256. */
static inline void
fuzz_container(enum format_kind kind, const uint8_t *data, size_t size, struct vv_buf *out)
{
    static const struct vv_uuid repository = FUZZ_REPOSITORY;
    container_begin(out, kind, &repository);
    vv_buf_put(out, data, size);
    fuzz_require(container_finish(out, NULL) == VV_OK);
}

/** fuzz_same(a, b): both are the same bytes. */
static inline void
fuzz_same(struct vv_span a, struct vv_span b)
{
    fuzz_require(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

/** fuzz_signed_again(object, out): sign ${out} as ${object} was and finish it. */
static inline void
fuzz_signed_again(struct vv_span object, struct vv_buf *out)
{
    struct vv_span message;
    struct vv_span signature;
    fuzz_require(container_signed_part(object, &message, &signature));
    vv_buf_put(out, signature.data, signature.len);
    fuzz_require(container_finish(out, NULL) == VV_OK);
}

#endif
