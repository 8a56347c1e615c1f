/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_SCHEDULED_JOB_H
#define VARVE_SERVICE_SCHEDULED_JOB_H

#include "service/schedule.h"

/*
 * A job as systemd and cron run it: text of unit files and crontabs.  Nothing here is read from or written
 * to anywhere.
 */
enum scheduled_kind {
    SCHEDULED_RUN,    /* 'varve run JOB' at its times */
    SCHEDULED_WATCH,  /* 'varve watch JOB' all the time; no schedule, no timer; systemd only */
    SCHEDULED_STATUS, /* 'varve status --notify' every hour; of no job */
};
struct scheduled_job {
    enum scheduled_kind kind;
    const char *name; /* letters, digits, '_', '-' and '.'; SCHEDULED_STATUS: "" */
    struct schedule schedule;
    const char *schedule_text;
    uint64_t jitter_s;
    const char *const *words; /* the command line; NULL-terminated, the first an absolute path */
    const char *const *environment; /* "NAME=VALUE"; NULL-terminated */
    const char *const *writable;    /* directories that it writes to; NULL-terminated */
    bool state_directory;           /* state is in /var/lib/varve */
    bool cache_directory;           /* and the cache in /var/cache/varve */
    bool restores; /* it rehearses: owners, modes and devices are set, a server may be started */
    bool commands; /* it has commands of its own, hooks and the like, that nothing is known of */
};

/** The first line of what is written: only files that begin so are ever replaced or removed. */
#define SCHEDULE_MARK "# Written by 'varve schedule install'"
/** schedule_marked(text): does it begin so? */
bool schedule_marked(struct vv_span text);

/** schedule_text_fits(text): it can stand in a unit file and a crontab, which know no escape for the end of a
 *  line. */
bool schedule_text_fits(const char *text);

/*
 * Units: varve-run-NAME.service and varve-run-NAME.timer, varve-watch-NAME.service, varve-status.service and
 * varve-status.timer.  One pair for each job, no template: what a job may write to differs, and settings for
 * all of them can be given in varve-run-.service.d.
 */
/** unit_put_name(j, out): "varve-run-NAME"; unit_is_ours(file): does such a name begin so, and end as a unit? */
void unit_put_name(const struct scheduled_job *j, struct vv_buf *out);
bool unit_is_ours(const char *file);
/** unit_is_enabled(file): a timer, or a service that has none: is it to be enabled and started? */
bool unit_is_enabled(const char *file);
/** unit_put_service(j, user, out): ${user}: for a user's own manager, which cannot restrict anything. */
void unit_put_service(const struct scheduled_job *j, bool user, struct vv_buf *out);
void unit_put_timer(const struct scheduled_job *j, struct vv_buf *out);

/* Crontabs. */
/** crontab_put_begin(out): of a file in /etc/cron.d: mark, shell, path. */
void crontab_put_begin(struct vv_buf *out);
/** crontab_put_title(j, out): "job 'NAME': ", which tells its line from others'. */
void crontab_put_title(const struct scheduled_job *j, struct vv_buf *out);
/** crontab_put_job(j, user, out): its lines; ${user}: "root" in /etc/cron.d; NULL in the crontab of a user. */
void crontab_put_job(const struct scheduled_job *j, const char *user, struct vv_buf *out);
/** crontab_put_missed(words, environment, user, out): the line that makes up at start what was missed. */
void crontab_put_missed(const char *const *words, const char *const *environment, const char *user,
                        struct vv_buf *out);

/** crontab_block(text, ret, err): what stands between our marks in a user's crontab, empty if they are not
 *  there; VV_EREFUSED if one of them is missing. */
MUST_CHECK enum vv_rc crontab_block(struct vv_span text, struct vv_span *ret, struct vv_error *err);
/** crontab_replace_block(text, block, out, err): the crontab with ${block} between our marks; without both if
 *  that is empty.  Everything else stays as it is. */
MUST_CHECK enum vv_rc crontab_replace_block(struct vv_span text, struct vv_span block,
                                            struct vv_buf *out, struct vv_error *err);

#endif
