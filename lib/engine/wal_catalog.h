/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_CATALOG_H
#define VARVE_ENGINE_WAL_CATALOG_H

#include "repo/snapshots.h"

/* Which WAL a repository holds, from its list of snapshots alone; computes only. */

/** One publication. */
struct wal_stretch {
    const struct snapshot *snapshot;
    struct snapshot_wal wal;
};
struct wal_catalog {
    struct wal_stretch
        *items; /* by system, timeline, beginning, then the longest first, then the oldest */
    size_t count;
    const struct snapshot_list *list; /* borrowed */
};
/** wal_catalog_read(l, ret, err): ${l} must outlive it.  VV_ENOMEM only. */
MUST_CHECK enum vv_rc wal_catalog_read(const struct snapshot_list *l, struct wal_catalog *ret,
                                       struct vv_error *err);
void wal_catalog_release(struct wal_catalog *c);

/** wal_catalog_complete(l, err): can absence be believed?  VV_ECORRUPT or VV_EFORGED if snapshots are
 *  damaged, forged or missing. */
MUST_CHECK enum vv_rc wal_catalog_complete(const struct snapshot_list *l, struct vv_error *err);

/** wal_catalog_knows(c, system): is there any WAL or base backup of this cluster? */
bool wal_catalog_knows(const struct wal_catalog *c, uint64_t system);
/** wal_catalog_segment_size(c, system): 0 if there is none. */
uint32_t wal_catalog_segment_size(const struct wal_catalog *c, uint64_t system);

/** wal_catalog_find(c, system, timeline, at, limit, ret_to): the publication that holds ${at} and most
 *  of what follows up to ${limit}; ${ret_to}: up to where.  Of several the oldest.  NULL: none. */
const struct wal_stretch *wal_catalog_find(const struct wal_catalog *c, uint64_t system,
                                           uint32_t timeline, uint64_t at, uint64_t limit,
                                           uint64_t *ret_to);
/** wal_catalog_end(c, system, timeline): the last position on that timeline; 0: there is none. */
uint64_t wal_catalog_end(const struct wal_catalog *c, uint64_t system, uint32_t timeline);

/** A stretch without a gap, of any number of publications. */
struct wal_run {
    uint64_t system;
    uint32_t timeline;
    uint32_t segment_size;
    uint64_t from;
    uint64_t to;
    size_t publications;
    int64_t newest;  /* time of the newest of them */
    bool gap_before; /* there is an earlier one on this timeline */
};
/** wal_catalog_runs(c, ret, ret_count, err): by system, timeline, position; freed with vv_free. */
MUST_CHECK enum vv_rc wal_catalog_runs(const struct wal_catalog *c, struct wal_run **ret,
                                       size_t *ret_count, struct vv_error *err);

#endif
