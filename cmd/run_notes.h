/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_RUN_NOTES_H
#define VARVE_CMD_RUN_NOTES_H

#include "app.h"
#include "service/job.h"
#include "service/run_history.h"

/*
 * What this process adds to the history of runs.  Nothing here fails a command (run_history.h, H1): what
 * cannot be noted is a warning ("history-unusable"), and a damaged history is set aside with one
 * ("history-damaged").  Processes that belong to a run find it in VARVE_RUN and VARVE_JOB.
 */

/** run_notes_begin(app, id, job, began) / run_notes_end(..., code): H2; ${report} tells the parts. */
void run_notes_begin(struct app *app, const char *id, const char *job, int64_t began);
void run_notes_end(struct app *app, const char *id, const char *job, int64_t began,
                   const struct job_report *report, enum exit_code code);
/** run_notes_event(app, e): its run, job, time and repository are filled in where they are not set. */
void run_notes_event(struct app *app, const struct history_event *e);
/** run_notes_incident(app, code): a command ends with ${code}: noted if that is 12 or 14. */
void run_notes_incident(struct app *app, enum exit_code code);
/** run_notes_open(ret, err): to read it; VV_ENOTFOUND: nothing was noted yet. */
MUST_CHECK enum vv_rc run_notes_open(struct run_history **ret, struct vv_error *err);
/** run_notes_fact(app, about, document, err): what is known now; here the caller is told. */
MUST_CHECK enum vv_rc run_notes_fact(struct app *app, const char *about, const char *document,
                                     struct vv_error *err);

#endif
