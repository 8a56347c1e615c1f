/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_JOB_REPORT_H
#define VARVE_CMD_JOB_REPORT_H

#include "app.h"
#include "job_notify.h"
#include "service/job.h"

/** job_report_code(r): the worst of all parts and commands. */
enum exit_code job_report_code(const struct job_report *r);
/** job_report_print(app, name, r, began, code, n): what a job did: as an object of the open JSON array, or as
 *  text, unless --quiet and nothing to say.  ${began}: ns since 1970. */
void job_report_print(struct app *app, const char *name, const struct job_report *r, int64_t began,
                      enum exit_code code, const struct job_notify *n);
/** job_report_summary(r, out): a line for each part, without the commands of hooks: for others to read. */
void job_report_summary(const struct job_report *r, struct vv_buf *out);
/** job_state_name(s): "ok", "problems", "failed", "left out". */
const char *job_state_name(enum job_state s);

#endif
