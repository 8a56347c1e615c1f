/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_FETCH_H
#define VARVE_ENGINE_WAL_FETCH_H

#include "engine/wal_catalog.h"
#include "engine/wal_publish.h"

/*
 * Reading WAL back.  A server that is told "there is no such segment" ends its recovery there and goes
 * into production, so that absence has to be proven:
 *
 * G1  absent is what a complete and authenticated list of snapshots does not hold;
 * G2  a segment that is missing between others, or ends early before others, is a gap, and no absence;
 * G3  a segment is handed out with exactly the segment size; the last one, if only its beginning is
 *     there, is filled up with zeros, which a server takes for the end of the log;
 * G4  a history is not absent if WAL of its timeline is there: without it the newest timeline would be
 *     passed over;
 * G5  two publications of a segment that differ are handed out to nobody.
 */
struct wal_fetcher;
/** wal_fetcher_open(r, l, ret, err): ${l} must outlive it. */
MUST_CHECK enum vv_rc wal_fetcher_open(struct repo *r, const struct snapshot_list *l,
                                       struct wal_fetcher **ret, struct vv_error *err);
void wal_fetcher_free(struct wal_fetcher *f);
VV_DEFINE_CLEANUP(struct wal_fetcher, wal_fetcher_free);
const struct wal_catalog *wal_fetcher_catalog(const struct wal_fetcher *f);

/** What was found under a name. */
struct wal_found {
    bool absent;                     /* proven: G1 */
    bool gap;                        /* absent, but later WAL of the timeline is there */
    uint64_t stored;                 /* bytes that are there */
    uint64_t size;                   /* bytes to hand out: the segment size, or a file's */
    const struct snapshot *snapshot; /* NULL: absent */
};
/** wal_fetch_find(f, system, name, ret, err): VV_EUSAGE if ${name} is no name of WAL, VV_EREFUSED if
 *  the repository has nothing at all of this system, or two differing segments (G5), VV_ECORRUPT or
 *  VV_EFORGED if nobody can tell (G1); VV_EREFUSED also for G2 and G4, with ret->gap set. */
MUST_CHECK enum vv_rc wal_fetch_find(struct wal_fetcher *f, uint64_t system, const char *name,
                                     struct wal_found *ret, struct vv_error *err);
/** wal_fetch_write(f, system, name, found, fd, target, err): what was found, from the beginning of
 *  ${fd}, which messages call ${target}. */
MUST_CHECK enum vv_rc wal_fetch_write(struct wal_fetcher *f, uint64_t system, const char *name,
                                      const struct wal_found *found, int fd, const char *target,
                                      struct vv_error *err);
/** wal_fetch_read(f, system, name, found, limit, out, err): append it to ${out}; VV_ECORRUPT if it is
 *  larger than ${limit}. */
MUST_CHECK enum vv_rc wal_fetch_read(struct wal_fetcher *f, uint64_t system, const char *name,
                                     const struct wal_found *found, uint64_t limit,
                                     struct vv_buf *out, struct vv_error *err);
/** wal_fetch_compare(f, system, name, found, file, ret, err): are the first min(stored, size) bytes
 *  the same as ${file}'s? */
MUST_CHECK enum vv_rc wal_fetch_compare(struct wal_fetcher *f, uint64_t system, const char *name,
                                        const struct wal_found *found, const struct wal_file *file,
                                        bool *ret, struct vv_error *err);

#endif
