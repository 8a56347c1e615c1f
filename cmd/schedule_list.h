/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SCHEDULE_LIST_H
#define VARVE_CMD_SCHEDULE_LIST_H

#include "schedule_place.h"

/** schedule_list(app, c, places, count, now): every job: its schedule, next run, jitter, and by what it is
 *  installed; on standard output or in the JSON document. */
MUST_CHECK enum vv_rc schedule_list(struct app *app, const struct settings *c,
                                    const struct schedule_place *places, unsigned count,
                                    int64_t now);

#endif
