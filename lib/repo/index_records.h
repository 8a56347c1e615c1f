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
/** index_segment_each(r, id, fn, ctx, ret_damaged, err): every record of one segment; borrowed
 *  during the call.  VV_ENOTFOUND: it vanished (merged into another).  What is damaged is reported
 *  (event "index-damaged") and *ret_damaged set: some records may not have been told. */
MUST_CHECK enum vv_rc index_segment_each(struct repo *r, const struct vv_id *id,
                                         index_record_fn *fn, void *ctx, bool *ret_damaged,
                                         struct vv_error *err);

#endif
