/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_INDEX_H
#define VARVE_FORMAT_INDEX_H

#include "format/common.h"

/*
 * Index segment `index/<SHA-256 of the object>` (kind X): u32 count, then per record:
 *   48 B full pack name | 16 B client | u32 body length | body (envelope) | 64 B signature
 * The body's plaintext is u64 pack file size | u8 pack class | u32 directory length | the pack's
 * directory as in the pack | zeros up to a multiple of 1024.  Envelope: sub-key = BLAKE2b-256(key =
 * index key, "varve index" | pack hash), purpose "index", additional data = pack hash.
 * The signature covers "varve index record" | repository id | pack hash | client | body; never the
 * full name, so that a record can be attached to another instance of the same bytes.
 */
#define INDEX_SEGMENT_TARGET (8u << 20)
#define INDEX_SEGMENT_OVERHEAD                                                                     \
    (FORMAT_HEADER_LEN + 4u + FORMAT_TRAILER_LEN) /* beside its records */

struct index_record {
    struct pack_name name;
    struct vv_uuid client;
    struct vv_span body;      /* borrowed */
    struct vv_span signature; /* borrowed, 64 bytes */
};
/** index_record_append(r, out): one record; count records yourself and pass it to the encoder. */
void index_record_append(const struct index_record *r, struct vv_buf *out);
struct pack_directory; /* format/pack.h */
/** index_record_size(d): bytes that the record of a pack with this directory takes. */
uint64_t index_record_size(const struct pack_directory *d);
/** index_segment_encode(repo, count, records, out, err): a whole object from appended records. */
MUST_CHECK enum vv_rc index_segment_encode(const struct vv_uuid *repo, uint32_t count,
                                           struct vv_span records, struct vv_buf *out,
                                           struct vv_error *err);
/** index_segment_open / index_segment_next: iterate; next yields false at the end, and afterwards
 *  index_segment_ok tells whether the end was the right one. */
struct index_iter {
    struct vv_reader in;
    uint32_t left;
};
MUST_CHECK enum vv_rc index_segment_open(struct vv_span object, const struct vv_uuid *repo,
                                         struct index_iter *ret, struct vv_error *err);
MUST_CHECK bool index_segment_next(struct index_iter *it, struct index_record *ret);
MUST_CHECK bool index_segment_ok(const struct index_iter *it);
/** index_record_signed(r, repo, out): append the bytes the signature covers. */
void index_record_signed(const struct index_record *r, const struct vv_uuid *repo,
                         struct vv_buf *out);

/** The plaintext of a body. */
struct index_body {
    uint64_t file_size;
    uint8_t pack_class;
    struct vv_span directory; /* borrowed; see pack_directory_decode */
};
MUST_CHECK enum vv_rc index_body_encode(const struct index_body *b, struct vv_buf *out,
                                        struct vv_error *err);
MUST_CHECK enum vv_rc index_body_decode(struct vv_span plain, struct index_body *ret,
                                        struct vv_error *err);

#endif
