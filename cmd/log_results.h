/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_LOG_RESULTS_H
#define VARVE_CMD_LOG_RESULTS_H

#include "app.h"
#include "engine/backup.h"
#include "engine/forget.h"
#include "engine/prune.h"
#include "engine/replicate.h"

/* What a command has done, in the log for programs; nothing of a dry run.  "backup.saved", "replicate.done" or
 * "replicate.failed", "forget.done", "prune.done". */
void log_backup(struct app *app, const struct backup_summary *s);
void log_replicate(struct app *app, const struct replicate_destination *d);
void log_forget(struct app *app, const struct forget_summary *s);
void log_prune(struct app *app, const struct prune_summary *s);

#endif
