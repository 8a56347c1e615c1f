/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_RUN_HISTORY_H
#define VARVE_SERVICE_RUN_HISTORY_H

#include "core/bytes.h"
#include "sqlite/database.h"

/*
 * What this host did: <state>/runs.db, an SQLite database.
 *
 * H1  losing it loses history only: no backup, replication or restore needs it, or fails for it;
 * H2  a run stands in it from its beginning; one without an end either goes on or was cut off (the lock
 *     of its job tells which);
 * H3  a damaged file is never written over: it is set aside, and a new one begun;
 * H4  what is older than RUN_HISTORY_AGE goes, with each run that ends.
 *
 * Times are nanoseconds since 1970; ids, names and texts are copied.
 */
#define RUN_HISTORY_FILE "runs.db"
#define RUN_HISTORY_AGE (INT64_C(2) * 366 * 24 * 3600 * 1000000000)

struct history_run {
    const char *id;
    const char *job;
    int64_t began;
    int64_t ended; /* 0: it has not, as far as is known */
    int exit_code;
};
/** A part of a run, or a command before or behind. */
struct history_part {
    const char *name;    /* "backup", or the moment: "before" */
    const char *command; /* of a moment; NULL or "": a part */
    const char *state;   /* ok, problems, failed, left out */
    const char *why;
    int exit_code;
    int64_t milliseconds;
};
enum history_kind {
    HISTORY_REPLICATION, /* other: the destination; bytes: sent */
    HISTORY_REHEARSAL,   /* other: the snapshot; bytes: restored */
    HISTORY_INCIDENT, /* exit code 12 or 14 of any command; other: the command; text: what it said */
    HISTORY_SPACE,    /* bytes: free; total */
    HISTORY_KINDS,
};
struct history_event {
    enum history_kind kind;
    int64_t time;
    const char *run;        /* id; "": by hand */
    const char *job;        /* "": none */
    const char *repository; /* as it was named */
    const char *other;
    int exit_code;
    int64_t milliseconds;
    int64_t bytes;
    int64_t total;
    const char *text;
};

struct run_history;
/** run_history_open(directory, use, ret, err): DATABASE_READ: VV_ENOTFOUND if there is none yet.
 *  VV_EUNSUPPORTED: of a newer varve.  Otherwise as database_open, but damage is found here. */
MUST_CHECK enum vv_rc run_history_open(const char *directory, enum database_use use,
                                       struct run_history **ret, struct vv_error *err);
void run_history_free(struct run_history *h);
VV_DEFINE_CLEANUP(struct run_history, run_history_free);
/** run_history_set_aside(directory, err): H3: to "runs.db.damaged"; an older one there goes.  Nothing if it is
 *  not damaged any more: another process came first. */
MUST_CHECK enum vv_rc run_history_set_aside(const char *directory, struct vv_error *err);

/** run_history_put_run(h, run, err): add it, or replace the one of that id. */
MUST_CHECK enum vv_rc run_history_put_run(struct run_history *h, const struct history_run *run,
                                          struct vv_error *err);
/** run_history_end_run(h, run, parts, count, err): the run with its parts, in one transaction; H4. */
MUST_CHECK enum vv_rc run_history_end_run(struct run_history *h, const struct history_run *run,
                                          const struct history_part *parts, size_t count,
                                          struct vv_error *err);
MUST_CHECK enum vv_rc run_history_put_event(struct run_history *h, const struct history_event *e,
                                            struct vv_error *err);
/** run_history_put_fact(h, about, time, document, err): what was last known of something, in place of what
 *  was known before. */
MUST_CHECK enum vv_rc run_history_put_fact(struct run_history *h, const char *about, int64_t time,
                                           const char *document, struct vv_error *err);

/** What is found is lent for the call; anything but VV_OK stops, and is returned. */
typedef enum vv_rc history_run_fn(void *ctx, const struct history_run *run, struct vv_error *err);
typedef enum vv_rc history_part_fn(void *ctx, const struct history_part *part,
                                   struct vv_error *err);
typedef enum vv_rc history_event_fn(void *ctx, const struct history_event *event,
                                    struct vv_error *err);
/** run_history_runs(h, job, most, fn, ctx, err): what was noted last first, ${most} of them; ${job} NULL: of all
 *  jobs.  Nobody is kept from writing while ${fn} is at work; so with parts and events. */
MUST_CHECK enum vv_rc run_history_runs(struct run_history *h, const char *job, size_t most,
                                       history_run_fn *fn, void *ctx, struct vv_error *err);
/** run_history_parts(h, run, fn, ctx, err): in the order they had. */
MUST_CHECK enum vv_rc run_history_parts(struct run_history *h, const char *run, history_part_fn *fn,
                                        void *ctx, struct vv_error *err);
/** run_history_events(h, kind, repository, since, most, fn, ctx, err): what was noted last first; ${repository} NULL: of
 *  all. */
MUST_CHECK enum vv_rc run_history_events(struct run_history *h, enum history_kind kind,
                                         const char *repository, int64_t since, size_t most,
                                         history_event_fn *fn, void *ctx, struct vv_error *err);
/** run_history_fact(h, about, ret_time, ret, err): *ret_time 0: nothing is known. */
MUST_CHECK enum vv_rc run_history_fact(struct run_history *h, const char *about, int64_t *ret_time,
                                       struct vv_buf *ret, struct vv_error *err);

/** history_kind_name(k): "replication", "rehearsal", "incident", "space". */
const char *history_kind_name(enum history_kind k);

#endif
