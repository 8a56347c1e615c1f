/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_RUN_TIMES_H
#define VARVE_CMD_RUN_TIMES_H

#include "app.h"

/* When 'varve run' begins: --jitter and --missed. */

/** run_times_jitter(app, jitter): wait for a random time up to ${jitter} (NULL: none); a request to stop ends
 *  that. */
MUST_CHECK enum vv_rc run_times_jitter(struct app *app, const char *jitter);
/** run_times_missed(job): should it have begun since it last did, by its schedule?  Of what the history does not
 *  know it never did; one that was stopped or cut off does not count, one that goes on does.  A last run in the
 *  future tells nothing.  Without a schedule: false. */
bool run_times_missed(const struct settings_section *job);

#endif
