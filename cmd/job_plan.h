/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_JOB_PLAN_H
#define VARVE_CMD_JOB_PLAN_H

#include "app.h"
#include "core/arena.h"
#include "service/job.h"

/* From a job's section of the configuration to commands. */
struct job_plan {
    struct job job;
    struct vv_arena arena; /* everything the job points to */
};

/** job_plan_make(app, section, ret, err): the parts are, as far as the section asks for them: backup,
 *  replicate, forget, prune, scrub, verify, rehearse (if it is time).  ${ret} must be released in any case. */
MUST_CHECK enum vv_rc job_plan_make(struct app *app, const struct settings_section *section,
                                    struct job_plan *ret, struct vv_error *err);
void job_plan_release(struct job_plan *p);

/** job_plan_files(section, arena, ret_count, ret, err): options and arguments of a 'varve backup' of the job's
 *  files alone. */
MUST_CHECK enum vv_rc job_plan_files(const struct settings_section *section, struct vv_arena *arena,
                                     int *ret_count, const char *const **ret, struct vv_error *err);
/** job_plan_receiver(app, section, database, arena, ret, err): the 'varve wal receive' of a database. */
MUST_CHECK enum vv_rc job_plan_receiver(struct app *app, const struct settings_section *section,
                                        const char *database, struct vv_arena *arena,
                                        const char *const **ret, struct vv_error *err);

#endif
