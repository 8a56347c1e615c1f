/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_ENTRY_INTERNAL_H
#define VARVE_FORMAT_ENTRY_INTERNAL_H

#include "format/entry.h"

/* What the codecs of entries, leaves, inner nodes and lists share. */

#define VARINT_MAX 10u

/** varint_put(at, v): write ${v} at ${at} (room for VARINT_MAX); returns what follows. */
static inline uint8_t *
varint_put(uint8_t *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}

/** varint_get(r): vv_get_varint with the usual case, one byte, inline. */
static inline uint64_t
varint_get(struct vv_reader *r)
{
    if (!r->failed && r->at < r->end && *r->at < 0x80) {
        return *r->at++;
    }
    return vv_get_varint(r);
}

/** varint_get_u32(r): one that fits 32 bits; anything larger fails the reader. */
static inline uint32_t
varint_get_u32(struct vv_reader *r)
{
    uint64_t v = varint_get(r);
    if (v > UINT32_MAX) {
        r->failed = true;
        return 0;
    }
    return (uint32_t)v;
}

/** Stream roots inside entries.  stream_root_get: VV_ECORRUPT or VV_ENOMEM. */
bool stream_root_valid(const struct stream_root *s);
void stream_root_put(struct vv_buf *out, const struct stream_root *s);
MUST_CHECK enum vv_rc stream_root_get(struct vv_reader *r, struct vv_arena *arena,
                                      struct stream_root *ret, struct vv_error *err);

/** Extended attributes and extents from the middle of an entry; values are borrowed from ${r}. */
bool xattrs_valid(const struct xattr *xattrs, uint32_t count);
MUST_CHECK enum vv_rc xattrs_get(struct vv_reader *r, struct vv_arena *arena, struct xattr **ret,
                                 uint32_t *ret_count, struct vv_error *err);
bool extents_valid(const struct extent *extents, uint64_t count, uint64_t size);
MUST_CHECK enum vv_rc extents_get(struct vv_reader *r, uint64_t size, struct vv_arena *arena,
                                  struct extent **ret, uint32_t *ret_count, struct vv_error *err);

/** The name table of a leaf as it is read; names must come into use in the table's order. */
struct leaf_names {
    struct vv_span *names;
    uint32_t count;
    uint32_t used;
};

/** entry_body_encode(e, user, group, out, err): append the body; user and group are places in the
 *  name table.  VV_EUSAGE if the entry breaks a rule a reader checks. */
MUST_CHECK enum vv_rc entry_body_encode(const struct entry *e, uint32_t user, uint32_t group,
                                        struct vv_buf *out, struct vv_error *err);

/** entry_body_decode(body, names, arena, e, err): fill all of ${e} but the path. */
MUST_CHECK enum vv_rc entry_body_decode(struct vv_span body, struct leaf_names *names,
                                        struct vv_arena *arena, struct entry *e,
                                        struct vv_error *err);

/** node_path_put(out, last, path): "shared, rest" against the path before, which then becomes
 *  this one.  False (and nothing written) if ${path} is no valid key behind ${last}. */
MUST_CHECK bool node_path_put(struct vv_buf *out, struct vv_buf *last, struct vv_span path,
                              bool first);

#endif
