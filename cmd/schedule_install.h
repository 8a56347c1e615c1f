/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SCHEDULE_INSTALL_H
#define VARVE_CMD_SCHEDULE_INSTALL_H

#include "schedule_place.h"

/* Making what stands in a place what it should be. */
struct schedule_changes {
    unsigned written;
    unsigned removed;
    unsigned unchanged;
};

/** schedule_install(app, p, jobs, dry_run, ret): write what is wanted for ${jobs} and not there, remove what is
 *  ours and not wanted (all of it, if there are no jobs), and tell systemd.  VV_EREFUSED, and nothing is
 *  changed, if something of another's stands under one of the names.  What was done, or with ${dry_run}
 *  would be, goes to standard output, or into the array "files" that is open in the JSON document. */
MUST_CHECK enum vv_rc schedule_install(struct app *app, const struct schedule_place *p,
                                       const struct schedule_jobs *jobs, bool dry_run,
                                       struct schedule_changes *ret);

#endif
