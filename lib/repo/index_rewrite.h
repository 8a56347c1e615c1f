/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_INDEX_REWRITE_H
#define VARVE_REPO_INDEX_REWRITE_H

#include "repo/index_records.h"
#include "repo/pack_list.h"

/*
 * Index segments without the records of packs that go, in two steps: new segments first, and, when
 * the caller may, the old ones away.
 *
 * N1  a record moves byte for byte; its body stays sealed and its signature with it;
 * N2  a record is left behind if its pack is in the caller's list of those that go, or is not in a
 *     listing begun after its segment was read;
 * N3  a segment is dropped only after every record it held that stays is in a segment that is
 *     durable, so a listing may show both and never neither;
 * N4  a segment that is damaged is left where it is.
 */
struct index_rewrite;

/** index_rewrite_begin(r, wanted, ret, err): which segments have to be rewritten: those with records
 *  of packs that go or that are said to be gone (which N2 decides), and small ones, where there are
 *  many. */
struct index_rewrite_wanted {
    const struct pack_name *go; /* sorted, both; borrowed for the call */
    size_t go_count;
    const struct pack_name *gone;
    size_t gone_count;
};
MUST_CHECK enum vv_rc index_rewrite_begin(struct repo *r, const struct index_rewrite_wanted *wanted,
                                          struct index_rewrite **ret, struct vv_error *err);
void index_rewrite_free(struct index_rewrite *w);
VV_DEFINE_CLEANUP(struct index_rewrite, index_rewrite_free);

/** What it does, or would do. */
struct index_rewrite_counts {
    uint64_t segments_old;
    uint64_t bytes_old; /* sizes of those that are dropped */
    uint64_t segments_new;
    uint64_t bytes_new;
    uint64_t records_dropped;
};
/** index_rewrite_publish(w, go, go_count, way, ret, err): the new segments, without the records of
 *  packs in ${go}: all that were named at the beginning, or fewer.  VV_ENOTFOUND if an old one has
 *  vanished: begin again. */
enum index_rewrite_way { INDEX_REWRITE_COUNT, INDEX_REWRITE_PUBLISH };
MUST_CHECK enum vv_rc index_rewrite_publish(struct index_rewrite *w, const struct pack_name *go,
                                            size_t go_count, enum index_rewrite_way way,
                                            struct index_rewrite_counts *ret, struct vv_error *err);
/** index_rewrite_drop(w, err): delete the old ones. */
MUST_CHECK enum vv_rc index_rewrite_drop(struct index_rewrite *w, struct vv_error *err);

#endif
