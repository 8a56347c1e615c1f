/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_POINT_RESTORE_H
#define VARVE_ENGINE_POINT_RESTORE_H

#include "repo/snapshots.h"

/*
 * Restoring a PostgreSQL cluster to a point in time: is the WAL there that this needs, and what makes the
 * restored data directory recover to that point when it is started.
 *
 * N1  nothing is written before it is certain that all WAL from where the base backup is consistent up to
 *     the target, on every timeline on the way, is in the repository; if not, the range that is missing is
 *     named;
 * N2  the timeline is decided here and written down as a number: what is published later changes nothing.
 */
enum point_kind {
    POINT_NONE,      /* an ordinary restore */
    POINT_IMMEDIATE, /* as soon as it is consistent */
    POINT_LATEST,
    POINT_TIME,
    POINT_LSN,
    POINT_XID,
    POINT_NAME,
};
struct point_target {
    enum point_kind kind;
    const char *text; /* XID, NAME: as given */
    int64_t time;     /* ns since 1970 */
    uint64_t lsn;
    uint32_t timeline; /* 0: the newest that comes from the base backup's; UINT32_MAX: that one */
};
/** point_time_parse(text, ret): "2026-11-26 14:00:00.5+01:00", with 'T' or a blank, "Z" or a zone in hours
 *  and minutes; a time without zone is none. */
MUST_CHECK bool point_time_parse(const char *text, int64_t *ret);

struct point_tablespace {
    uint32_t oid;
    char *location; /* on the server it was copied from; may be NULL */
};
/** What is to be done; owns its members. */
struct point_plan {
    char *root; /* "postgres/NAME" in the snapshot */
    struct snapshot_wal base;
    uint32_t timeline; /* N2 */
    uint64_t reach;    /* up to where WAL is there on it */
    int64_t newest;    /* time of the publication that holds its end; 0: of the snapshot alone */
    struct point_tablespace *tablespaces;
    size_t tablespace_count;
};
void point_plan_release(struct point_plan *p);
/** point_plan_make(r, l, snap, path, target, ret, err): N1.  ${path}: empty if the snapshot has one
 *  base backup, else postgres/NAME, or postgres/NAME/data.  VV_EREFUSED: WAL is missing, or the
 *  target lies before the base backup is consistent; VV_EUSAGE: no base backup is there, or it is not
 *  clear which. */
MUST_CHECK enum vv_rc point_plan_make(struct repo *r, const struct snapshot_list *l,
                                      const struct snapshot *snap, struct vv_span path,
                                      const struct point_target *target, struct point_plan *ret,
                                      struct vv_error *err);

/** A tablespace's new place. */
struct point_mapping {
    uint32_t oid;
    const char *directory; /* absolute */
};
struct point_finish_options {
    const char *directory;       /* the restored data directory */
    const char *restore_command; /* with %f and %p */
    const struct point_mapping *mappings;
    size_t mapping_count;
};
/* A server does not start without this file.  It is the first to go and the last to come, so that a
 * restore that is killed leaves nothing that starts without its recovery. */
#define POINT_CONTROL "global/pg_control"
/** point_begin(directory, replace, err): make sure that ${directory}, if there is one, holds no cluster
 *  that starts; durably.  VV_EREFUSED: it does, and is not to be replaced, or a server is at work in it. */
MUST_CHECK enum vv_rc point_begin(const char *directory, bool replace, struct vv_error *err);
/** point_finish(p, target, o, err): set the restored directory up for recovery: links of tablespaces,
 *  settings at the end of postgresql.auto.conf, recovery.signal; durably.  standby.signal goes.
 *  POINT_CONTROL is to be restored after that. */
MUST_CHECK enum vv_rc point_finish(const struct point_plan *p, const struct point_target *target,
                                   const struct point_finish_options *o, struct vv_error *err);

#endif
