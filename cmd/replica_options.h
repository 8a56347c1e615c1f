/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_REPLICA_OPTIONS_H
#define VARVE_CMD_REPLICA_OPTIONS_H

#include "app.h"

/* Where damaged or missing objects may come from, and what was said about it at the end. */

/** replica_options_read(app, err): --replica, then VARVE_REPLICAS, into app->replicas.  Nothing is
 *  opened.  VV_EUSAGE for an empty name. */
MUST_CHECK enum vv_rc replica_options_read(struct app *app, struct vv_error *err);
void replica_options_release(struct app *app);
/** replica_options_report(app): say what came from which replica, and the command that brings it
 *  back; returns the exit code that refused replicas call for. */
enum exit_code replica_options_report(struct app *app);

#endif
