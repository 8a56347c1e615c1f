/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SCHEDULE_PLACE_H
#define VARVE_CMD_SCHEDULE_PLACE_H

#include "schedule_jobs.h"

/* Where what systemd and cron read about jobs stands. */
struct schedule_options {
    bool systemd;
    bool crontab;
    bool system;
    bool user;
    bool dry_run;
    const char *directory;
};
struct schedule_place {
    enum schedule_manager manager;
    bool user;
    bool live; /* the manager reads there: it is told of changes; else a directory that was named */
    struct vv_buf directory; /* empty: the crontab of this user */
};
void schedule_place_release(struct schedule_place *p);

/** schedule_place_choose(app, o, ret): where jobs are to be installed: as the options say, else systemd if it
 *  is running, else cron if that is there.  VV_EUNSUPPORTED if neither is. */
MUST_CHECK enum vv_rc schedule_place_choose(struct app *app, const struct schedule_options *o,
                                            struct schedule_place *ret);
/** schedule_place_all(app, o, ret, ret_count): all places where something may stand, as far as the options
 *  do not leave some out. */
MUST_CHECK enum vv_rc schedule_place_all(struct app *app, const struct schedule_options *o,
                                         struct schedule_place ret[2], unsigned *ret_count);
/** schedule_place_running(p): the systemd that would read there is running. */
bool schedule_place_running(const struct schedule_place *p);
/** schedule_place_path(p, name, out, err): of a file there, for messages too. */
MUST_CHECK enum vv_rc schedule_place_path(const struct schedule_place *p, const char *name,
                                          struct vv_buf *out, struct vv_error *err);

/** One file (or what is ours of a user's crontab). */
struct schedule_file {
    char *name;
    struct vv_buf text;
    bool foreign; /* it does not have our mark */
    struct schedule_file *next;
};
void schedule_files_release(struct schedule_file **files);
/** schedule_files_wanted(p, jobs, ret, err): what is to stand there; nothing if there are no jobs. */
MUST_CHECK enum vv_rc schedule_files_wanted(const struct schedule_place *p,
                                            const struct schedule_jobs *jobs,
                                            struct schedule_file **ret, struct vv_error *err);
/** schedule_files_present(p, ret, err): what stands there under such names. */
MUST_CHECK enum vv_rc schedule_files_present(const struct schedule_place *p,
                                             struct schedule_file **ret, struct vv_error *err);
/** schedule_files_find(files, name): NULL if it is not among them. */
const struct schedule_file *schedule_files_find(const struct schedule_file *files,
                                                const char *name);
/** schedule_file_write(p, name, text, err): atomically; schedule_file_remove(p, name, err). */
MUST_CHECK enum vv_rc schedule_file_write(const struct schedule_place *p, const char *name,
                                          struct vv_span text, struct vv_error *err);
MUST_CHECK enum vv_rc schedule_file_remove(const struct schedule_place *p, const char *name,
                                           struct vv_error *err);

#endif
