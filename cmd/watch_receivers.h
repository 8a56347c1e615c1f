/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_WATCH_RECEIVERS_H
#define VARVE_CMD_WATCH_RECEIVERS_H

#include "app.h"

/* The 'varve wal receive' of each database of a watched job, started again when it ends: after a second, twice
 * as long each time, at most five minutes; at once again after one that ran for ten minutes. */
struct watch_receivers;
/** watch_receivers_begin(app, job, ret, err): *ret NULL: the job has no database. */
MUST_CHECK enum vv_rc watch_receivers_begin(struct app *app, const struct settings_section *job,
                                            struct watch_receivers **ret, struct vv_error *err);
/** watch_receivers_end(r): stop them, and wait for that. */
void watch_receivers_end(struct watch_receivers *r);

#endif
