/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_INDEX_RECORDS_H
#define VARVE_REPO_INDEX_RECORDS_H

#include "format/index.h"
#include "repo/repo.h"

/* Index segments as plain lists of records, whose bodies stay sealed: needs no key. */

/** index_segments_list(r, ret, err): append the ids of all segments (32 bytes each, sorted). */
MUST_CHECK enum vv_rc index_segments_list(struct repo *r, struct vv_buf *ret, struct vv_error *err);

typedef enum vv_rc index_record_fn(void *ctx, const struct index_record *record,
                                   struct vv_error *err);
/** index_segment_reader_new(r, ids, ret, err): the segments with these ids (32 bytes each, borrowed),
 *  to be gone through one after the other; on a long line they are read ahead. */
struct index_segment_reader;
MUST_CHECK enum vv_rc index_segment_reader_new(struct repo *r, struct vv_span ids,
                                               struct index_segment_reader **ret,
                                               struct vv_error *err);
void index_segment_reader_free(struct index_segment_reader *s); /* NULL is allowed */
VV_DEFINE_CLEANUP(struct index_segment_reader, index_segment_reader_free);
/** index_segment_next_each(s, fn, ctx, ret_damaged, err): every record of the next segment; borrowed
 *  during the call.  VV_ENOTFOUND: it vanished (merged into another).  What is damaged is reported
 *  (event "index-damaged") and *ret_damaged set: some records may not have been told. */
MUST_CHECK enum vv_rc index_segment_next_each(struct index_segment_reader *s, index_record_fn *fn,
                                              void *ctx, bool *ret_damaged, struct vv_error *err);
/** index_segments_each(r, ids, fn, ctx, ret_damaged, err): all of them, up to the first failure. */
MUST_CHECK enum vv_rc index_segments_each(struct repo *r, struct vv_span ids, index_record_fn *fn,
                                          void *ctx, bool *ret_damaged, struct vv_error *err);

#endif
