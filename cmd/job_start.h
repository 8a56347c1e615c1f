/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_JOB_START_H
#define VARVE_CMD_JOB_START_H

#include "app.h"

/** job_find(app, c, name, ret): VV_EUSAGE, with the names there are; ${ret} may be NULL. */
MUST_CHECK enum vv_rc job_find(struct app *app, const struct settings *c, const char *name,
                               const struct settings_section **ret);
/** job_check_global(app): VV_EUSAGE for options that would reach none of the job's parts: what each must
 *  know stands in the configuration. */
MUST_CHECK enum vv_rc job_check_global(struct app *app);
/** job_check_secrets(app, job): of the job's own repository; another's missing key is not its business. */
MUST_CHECK enum vv_rc job_check_secrets(struct app *app, const struct settings_section *job);
/** job_check_sites(app, job): of those it is copied to.  What is wrong is told as a problem, and is no reason not
 *  to back up: false. */
MUST_CHECK bool job_check_sites(struct app *app, const struct settings_section *job);

enum job_lock_use {
    JOB_LOCK_RUN,   /* VV_EREFUSED, and who, if a run holds it; a watch's snapshot is waited for */
    JOB_LOCK_WAIT,  /* wait for whoever holds it */
    JOB_LOCK_WATCH, /* for one snapshot; VV_EREFUSED if anybody holds it */
};
/** job_lock(app, job, use, ret): held until the descriptor *ret is closed, or we are gone. */
MUST_CHECK enum vv_rc job_lock(struct app *app, const char *job, enum job_lock_use use, int *ret);
/** job_is_running(job): does a run of it go on now?  A watch's snapshot is none.  False, too, if that cannot be
 *  found out. */
bool job_is_running(const char *job);
/** job_watch_lock(app, job, ret): likewise, of the one watch a job may have; VV_EREFUSED: it has one.
 *  job_is_watched(app, job): has it? */
MUST_CHECK enum vv_rc job_watch_lock(struct app *app, const char *job, int *ret);
bool job_is_watched(struct app *app, const char *job);

#endif
