/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SCHEDULE_JOBS_H
#define VARVE_CMD_SCHEDULE_JOBS_H

#include "app.h"
#include "core/arena.h"
#include "service/scheduled_job.h"

/* Who runs jobs at their times. */
enum schedule_manager { SCHEDULE_SYSTEMD, SCHEDULE_CRONTAB };

/* The jobs of the configuration that have a schedule, in its order, as one of them runs them. */
struct schedule_jobs {
    struct vv_arena arena; /* everything below */
    struct scheduled_job *items;
    size_t count;
    const char *const *missed_words; /* the command line that makes up what was missed */
    const char *const *environment;
};

/** schedule_of(section, ret): does this job have a schedule? */
bool schedule_of(const struct settings_section *section, struct schedule *ret);
/** schedule_jobs_make(app, c, manager, user, ret, err): they run this program, with the configuration, and
 *  the directories for state and cache, that it has now; ${user}: for a user's own manager.  ${ret} must be
 *  released in any case. */
MUST_CHECK enum vv_rc schedule_jobs_make(struct app *app, const struct settings *c,
                                         enum schedule_manager manager, bool user,
                                         struct schedule_jobs *ret, struct vv_error *err);
void schedule_jobs_release(struct schedule_jobs *j);

#endif
