/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_STATUS_H
#define VARVE_SERVICE_STATUS_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/bytes.h"

/*
 * How a job is doing: what is known of it, judged.  Asks nobody and no clock; times are ns since 1970.
 *
 * Invariants
 * Z1  Green is earned: a job is STATUS_OK only if its last run ended well, its newest snapshot is young
 *     enough in its repository and in every copy, and each of those was reached just now.
 * Z2  What is not known is never taken for good: no history, or a damaged one, is no green; a place that
 *     cannot be reached is at least a warning, and its age is judged by what was known of it last.
 * Z3  A place that answers, but cannot be used (wrong key, no repository, refused, damaged) is critical: that
 *     does not pass by itself.
 * Z4  A time in the future is not an age of zero, but a finding; and a last run that is older than the newest
 *     snapshot may be is one, too: those behind it are not on record.
 */
enum status_level { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN }; /* exit codes */

/** ns; 0: not asked for. */
struct status_rules {
    int64_t age_most; /* of the newest snapshot, here and in each copy */
    int64_t full_age_most;
    int64_t unread_age_most; /* everything was read back within this time */
    int64_t rehearsal_age_most;
    int64_t space_least; /* how long the space must last */
};

enum status_reach {
    STATUS_REACHED,
    STATUS_AWAY,     /* not reached: that may pass */
    STATUS_UNUSABLE, /* see Z3 */
};
/** What is known of a repository of the job. */
struct status_place {
    const char *name;
    enum status_reach reach;
    const char *why; /* not STATUS_REACHED */
    int64_t known;   /* when the rest was found out; 0: never, and the rest counts for nothing */
    int64_t newest;  /* the job's newest snapshot of this host; 0: there is none */
    int64_t newest_full; /* 0: there is none */
    uint64_t snapshots;  /* of the job */
    uint64_t marked;     /* of those */
    uint64_t damaged;    /* records of any snapshot */
    bool forged;         /* forged or missing records */
    bool remote;
    uint64_t bytes;
    uint64_t bytes_recent; /* read back in the last 30 days */
    uint64_t never_read;   /* objects */
    int64_t oldest_read;   /* 0: nothing was read, or there is nothing */
    int64_t last_read;     /* when something was read last; 0: never */
    int64_t oldest;        /* the job's oldest snapshot; 0: there is none */
    bool space_known;
    uint64_t space_free;
    uint64_t space_total;
    int64_t space_lasts; /* ns from now; -1: it does not shrink, or is not known */
};
enum status_history {
    STATUS_HISTORY_READ,
    STATUS_HISTORY_UNWRITABLE, /* it was read; but runs do not get into it */
    STATUS_HISTORY_MISSING,
    STATUS_HISTORY_DAMAGED,
};
/** The last run that ended, and one that goes on. */
struct status_run {
    int64_t began; /* 0: there is none */
    int64_t ended;
    int exit_code;
    const char *failed; /* names of parts, with blanks between them */
};
struct status_rehearsal {
    int64_t time; /* 0: never */
    int64_t milliseconds;
    int exit_code;
};
/** What 'varve wal check' said of a database. */
struct status_wal {
    const char *database;
    bool asked; /* else `text` says why not */
    bool well;
    const char *text; /* what is wrong */
};
struct status_job {
    const char *name;
    struct status_rules rules;
    int64_t now;
    enum status_history history;
    const char *history_text; /* STATUS_HISTORY_DAMAGED, STATUS_HISTORY_UNWRITABLE */
    bool has_source;          /* it makes snapshots */
    bool only_watched;        /* it makes them without being run */
    struct status_run last;
    int64_t running_since; /* 0: it does not run */
    int64_t
        cut_off; /* when a run began that has no end, and does not go on; 0: none after `last` */
    struct status_rehearsal rehearsal;
    const struct status_place *places; /* the first is the job's own repository */
    size_t place_count;
    const struct status_wal *wal;
    size_t wal_count;
};

struct status_finding {
    enum status_level level;
    const char
        *topic; /* stable: "run", "snapshot", "full", "copy", "reach", "records", "marked", "space",
                          "read-back", "rehearsal", "wal", "history", "copies" */
    const char *place; /* name of a repository or database; "" if it is about the job */
    const char *text;
};
struct status_report {
    enum status_level level; /* the worst */
    struct status_finding *findings;
    size_t count;
    struct vv_arena arena; /* of the texts */
};
/** status_judge(j, ret, err): VV_ENOMEM only; ${ret} points into ${j}, and is released in any case. */
MUST_CHECK enum vv_rc status_judge(const struct status_job *j, struct status_report *ret,
                                   struct vv_error *err);
void status_report_release(struct status_report *r);
/** status_worse(a, b): critical, warning, unknown, ok. */
enum status_level status_worse(enum status_level a, enum status_level b);
/** status_level_name(l): "OK", "WARNING", "CRITICAL", "UNKNOWN". */
const char *status_level_name(enum status_level l);

/** A sample of free space. */
struct status_sample {
    int64_t time;
    int64_t free_bytes;
};
/** status_space_lasts(samples, count, now): ns until the line through the samples reaches nothing (least
 *  squares); -1 if it does not fall, or the samples are of less than a day. */
int64_t status_space_lasts(const struct status_sample *samples, size_t count, int64_t now);

#endif
