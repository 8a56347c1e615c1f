/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_WATCH_JOB_H
#define VARVE_CMD_WATCH_JOB_H

#include "app.h"
#include "backup_plan.h"
#include "core/arena.h"
#include "job_plan.h"
#include "service/watch.h"
#include "service/watch_pace.h"

/*
 * A job that is watched: what changes in its files, and the snapshots that are made of that.  What is taken
 * from the watch is given up only when a snapshot has it.
 */
struct watch_job {
    struct app *app;
    const struct settings_section *section;
    bool inotify;
    struct vv_arena arena; /* the words of the plan */
    struct backup_command_line line;
    struct arguments args;
    struct backup_plan plan;
    struct job_plan parts; /* of which forgetting is taken */
    struct source *paths;  /* only tells what they are called */
    char *own[3];          /* repository, state, cache */
    size_t own_count;
    struct watch *watch;
    struct change_set *pending;   /* taken, not saved */
    struct change_set *unsettled; /* what the last snapshot left to look at again */
    bool has_since;               /* since: the snapshot that `pending` counts from */
    struct vv_uuid since;
    bool was_open;  /* the repository could be opened once */
    bool told_away; /* that it cannot be reached was said */
    struct vv_progress progress;
};

/** watch_job_open(app, section, inotify, j, err): begin to watch.  ${j} must be released in any case. */
MUST_CHECK enum vv_rc watch_job_open(struct app *app, const struct settings_section *section,
                                     bool inotify, struct watch_job *j, struct vv_error *err);
void watch_job_release(struct watch_job *j);
/** watch_job_again(j, err): watch anew, after there were not enough watches. */
MUST_CHECK enum vv_rc watch_job_again(struct watch_job *j, struct vv_error *err);

enum watch_outcome {
    WATCH_MADE,      /* there is a new snapshot */
    WATCH_UNCHANGED, /* the last one is as good */
    WATCH_BUSY,      /* 'varve run' is at it: later */
    WATCH_FAILED,    /* has been told, if it is news */
    WATCH_ENDS,      /* app->err says why this cannot go on */
};
/** watch_job_snapshot(j, step): of what has changed, or of everything. */
enum watch_outcome watch_job_snapshot(struct watch_job *j, const struct watch_step *step);
/** watch_job_may_forget(j): there are rules; watch_job_forget(j): run 'varve forget' by them. */
bool watch_job_may_forget(const struct watch_job *j);
void watch_job_forget(struct watch_job *j);

#endif
