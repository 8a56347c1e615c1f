/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_STATUS_NOTIFY_H
#define VARVE_CMD_STATUS_NOTIFY_H

#include "app.h"
#include "config/settings.h"
#include "service/status.h"

/** status_notify(app, job, report): tell, as its section [notify] says, of a job that is CRITICAL; or that it is not
 *  any more, to who was told that it was, once everything could be looked at.  What could not be told is a problem on
 *  standard error, and nothing else. */
void status_notify(struct app *app, const struct settings_section *job,
                   const struct status_report *report);

#endif
