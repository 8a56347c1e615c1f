/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_JOB_LOG_H
#define VARVE_CMD_JOB_LOG_H

#include "app.h"
#include "service/job.h"

/* A run of a job in the log for programs: its id, its steps as they happen, and what its parts and hooks find in
 * their environment: VARVE_RUN, and where the log goes.  Initialise with job_log_begin. */
struct job_log {
    struct job_observer observer; /* first */
    struct app *app;
    char run[RUN_ID_TEXT];
    uint64_t began; /* ns, monotonic */
    struct vv_buf texts[3];
    const char *environment[4]; /* for struct job */
};

/** job_log_begin(l, app, job, err): a new run of that job: "run.begin". */
MUST_CHECK enum vv_rc job_log_begin(struct job_log *l, struct app *app, const char *job,
                                    struct vv_error *err);
/** job_log_end(l, code): "run.end". */
void job_log_end(struct job_log *l, enum exit_code code);
void job_log_release(struct job_log *l);

#endif
