/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_FORMAT_INTERNAL_H
#define VARVE_FORMAT_FORMAT_INTERNAL_H

#include "format/common.h"

/* Shared by the files of format/ only. */

#define FORMAT_MAGIC "varve"
#define FORMAT_MAGIC_LEN 5u
#define FORMAT_SNAPSHOT_RECORD 'R' /* not an object of its own, but has the same header */

/** header_put(out, kind, repo): the 24 bytes every object starts with. */
void header_put(struct vv_buf *out, uint8_t kind, const struct vv_uuid *repo);

/** header_check(object, kind, repo, err): magic, kind, version and (unless NULL) repository id.
 *  VV_EUNSUPPORTED for a newer version, else VV_ECORRUPT. */
MUST_CHECK enum vv_rc header_check(struct vv_span object, uint8_t kind, const struct vv_uuid *repo,
                                   struct vv_error *err);

/** header_repository(object): the repository id in a checked header. */
struct vv_uuid header_repository(struct vv_span object);

/** label_get(r, out): u8 length and bytes to a NUL-terminated label; false if it has a NUL or is
 *  not UTF-8. */
MUST_CHECK bool label_get(struct vv_reader *r, char out[LIMIT_LABEL + 1]);
void label_put(struct vv_buf *out, const char *label);

/** span_copy(out, span): memcpy that allows an empty span. */
void span_copy(void *out, struct vv_span span);

/** path_common(a, b): how many bytes both begin with. */
size_t path_common(struct vv_span a, struct vv_span b);
/** path_byte_order(b): a byte's place in the order of tree keys. */
static inline unsigned
path_byte_order(uint8_t b)
{
    return b == '/' ? 0u : (unsigned)b + 1u;
}
/** path_valid_from(path, checked): path_valid, given that the first ${checked} bytes are those of
 *  a valid path. */
bool path_valid_from(struct vv_span path, size_t checked);

#endif
