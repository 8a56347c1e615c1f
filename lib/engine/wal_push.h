/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_PUSH_H
#define VARVE_ENGINE_WAL_PUSH_H

#include "repo/snapshots.h"

/* One finished file of pg_wal into the repository, as a server's archive command does it. */
struct wal_push_options {
    const char *path; /* .../pg_wal/NAME, or whatever lies beside a data directory's global/ */
    uint64_t system;  /* of a file that does not say it (a history); 0: ask global/pg_control */
    const char *host;
    const char *user;
    int level;
};
struct wal_push_summary {
    uint64_t system;
    uint64_t bytes;
    bool already;             /* the same was there */
    bool compared;            /* with what is there: a writer's key cannot read that */
    struct snapshot snapshot; /* if it was not there: id, time */
};
/** wal_push(r, o, ret, err): VV_OK when the file is safe, whether by this run or an earlier one.
 *  VV_EREFUSED if a file of this name with another content is there; VV_ECORRUPT (of the source) if
 *  it is not what its name says. */
MUST_CHECK enum vv_rc wal_push(struct repo *r, const struct wal_push_options *o,
                               struct wal_push_summary *ret, struct vv_error *err);

#endif
