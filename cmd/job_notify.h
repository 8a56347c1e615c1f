/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_JOB_NOTIFY_H
#define VARVE_CMD_JOB_NOTIFY_H

#include "app.h"
#include "core/arena.h"
#include "service/job.h"
#include "service/notify.h"

/*
 * Telling what becomes of a job, as its section [notify] says.  Nothing here fails: what could not be told is a
 * problem (exit code 3) on standard error, in the log, and in the report.
 */
struct job_notify {
    struct app *app;
    const struct settings_section *job;
    const char *run;
    bool wanted; /* there is a section, with a channel */
    struct vv_arena arena;
    struct notify_settings settings;
    struct output_tail tail;         /* for struct job */
    struct notify_report reports[2]; /* of start and end */
    bool told[2];
};

/** job_notify_init(n, app, job, run): ${run} stays borrowed.  Must be released. */
void job_notify_init(struct job_notify *n, struct app *app, const struct settings_section *job,
                     const char *run);
/** job_notify_start(n): it begins. */
void job_notify_start(struct job_notify *n);
/** job_notify_end(n, report, code): it is over; ${report} NULL: it did not even begin, and app->err says why.
 *  The code that it ends with now. */
enum exit_code job_notify_end(struct job_notify *n, const struct job_report *report,
                              enum exit_code code);
/** job_notify_status(n, event, critical, text): as 'varve status' has found it.  NOTIFY_SILENCE: it has not gone
 *  well for too long, or the like: ${critical} is what makes it so, and another ${critical} another trouble.
 *  NOTIFY_RECOVERY: it is not so any more; only who was told of the silence is told.  ${text}: lines. */
void job_notify_status(struct job_notify *n, enum notify_event event, const char *critical,
                       const char *text);
/** job_notify_was_silent(job): was anybody told of a silence that is not over? */
bool job_notify_was_silent(const struct settings_section *job);
/** job_notify_print(n): a line for each channel that was to be told of the end.  job_notify_json: the array
 *  "notifications", of the start too. */
void job_notify_print(const struct job_notify *n);
void job_notify_json(const struct job_notify *n, struct json *j);
void job_notify_release(struct job_notify *n);

/** notify_outcome_name(o): "sent", "failed", "held back". */
const char *notify_outcome_name(enum notify_outcome o);

#endif
