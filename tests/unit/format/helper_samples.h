/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_HELPER_SAMPLES_H
#define VARVE_TESTS_HELPER_SAMPLES_H

#include <stdbool.h>

#include "core/bytes.h"
#include "format/common.h"

/* One valid example of everything format/ can decode, for tests of robustness and as seeds for the
 * fuzzers. */

struct sample {
    const char *name; /* of the fuzz target too */
    const char *variant;
    bool container; /* header, body, trailer: a fuzzer is given the body only */
    void (*build)(struct vv_buf *out);
    enum vv_rc (*decode)(struct vv_span bytes, struct vv_error *err);
};
extern const struct sample samples[];
extern const size_t sample_count;

/** The repository all samples belong to. */
extern const struct vv_uuid sample_repository;
struct vv_uuid sample_uuid(uint8_t seed);
struct vv_id sample_id(uint8_t seed);

/** sample_reseal(object): make the trailer right again after a change. */
void sample_reseal(uint8_t *object, size_t len);
/** sample_ok(ok): abort (outside of a cmocka test too) unless true. */
void sample_ok(bool ok, const char *what);
/** sample_text(s): borrow a string's bytes without the NUL. */
struct vv_span sample_text(const char *s);

#endif
