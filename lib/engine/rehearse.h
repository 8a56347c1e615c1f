/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REHEARSE_H
#define VARVE_ENGINE_REHEARSE_H

#include "engine/point_restore.h"
#include "engine/restore.h"

/*
 * Rehearsal of a restore: into a scratch directory, which goes afterwards.  A PostgreSQL cluster is
 * started there, away from everything (a socket only its user reaches, no archiving, none of the
 * cluster's own settings but what recovery needs, no background workers of others), recovers to the
 * point, and is examined.
 *
 * H1  what was not looked at, or not to its end, is never REHEARSE_PROVEN;
 * H2  when rehearse_run returns, whatever it returns, no process of it runs.
 */
enum rehearse_step {
    REHEARSE_FILES,     /* restored, and read back */
    REHEARSE_MANIFEST,  /* pg_verifybackup */
    REHEARSE_REPLAY,    /* the server recovers to the point */
    REHEARSE_STRUCTURE, /* pg_amcheck */
    REHEARSE_QUESTIONS, /* the user's queries return no row */
    REHEARSE_PAGES,     /* pg_checksums */
    REHEARSE_STEPS
};
enum rehearse_verdict {
    REHEARSE_NOT_PROVEN, /* could not be looked at */
    REHEARSE_PROVEN,
    REHEARSE_NOT_APPLICABLE, /* there is nothing of the kind */
    REHEARSE_FAILED,
    REHEARSE_DAMAGED,
};
struct rehearse_result {
    enum rehearse_verdict verdict;
    uint64_t ns;
    struct vv_buf detail; /* lines for people; may be empty */
};
struct rehearse_report {
    bool database;
    struct restore_summary restored;
    struct rehearse_result steps[REHEARSE_STEPS];
    char user[64];        /* who ran the server; "" if it was not */
    char position[24];    /* replayed up to here; "" if it is not known */
    char last_commit[64]; /* time of the last transaction replayed, as the server says; "" */
    unsigned databases;   /* examined by pg_amcheck */
    unsigned questions;   /* asked */
    unsigned answers;     /* of them, how many returned rows, or failed */
    struct vv_buf left;   /* the scratch directory if it could not be removed */
};
void rehearse_report_release(struct rehearse_report *r);
/** rehearse_step_name(s), rehearse_verdict_name(v): stable, for JSON. */
const char *rehearse_step_name(enum rehearse_step s);
const char *rehearse_verdict_name(enum rehearse_verdict v);
/** rehearse_worst(r): PROVEN if all steps are proven or not applicable, else DAMAGED if one is, else
 *  FAILED or NOT_PROVEN. */
enum rehearse_verdict rehearse_worst(const struct rehearse_report *r);

struct rehearse_options {
    const struct snapshot *snap;
    struct vv_span path; /* as of struct restore_options */
    bool path_given;
    const struct point_plan *plan;     /* NULL: files only */
    const struct point_target *target; /* kind POINT_NONE: to the end of the base backup */
    const char *restore_command;       /* with a target */
    const char *scratch;               /* an absolute directory to make the scratch directory in */
    struct vv_span questions;          /* SQL; empty: none */
    const char *database;              /* where they are asked */
    const char *role;                  /* a superuser of the cluster */
    uint64_t limit_ms;                 /* for recovery */
    unsigned threads;
    struct vv_cancel *cancel;
};
/** rehearse_run(r, o, progress, ret, err): VV_OK when there is a report, however bad; ${ret} may be
 *  filled, and is the caller's to release, in any case. */
MUST_CHECK enum vv_rc rehearse_run(struct repo *r, const struct rehearse_options *o,
                                   struct vv_progress *progress, struct rehearse_report *ret,
                                   struct vv_error *err);

#endif
