/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_JOB_LOCK_H
#define VARVE_CMD_JOB_LOCK_H

#include "app.h"

/* One run of a job at a time: a lock of the kernel's on <state>/run-JOB.lock, gone with its process. */

/** job_lock_take(app, job, wait, ret, err): VV_EREFUSED, and which process has it, unless ${wait}.  Held
 *  until the descriptor is closed. */
MUST_CHECK enum vv_rc job_lock_take(struct app *app, const char *job, bool wait, int *ret,
                                    struct vv_error *err);
/** job_lock_held(job): does a run go on now?  False, too, if that cannot be found out. */
bool job_lock_held(const char *job);

#endif
