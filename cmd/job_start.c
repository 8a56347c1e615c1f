/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes before a job is run or watched: which one, may it be, and is nobody else at it? */
#include "job_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "directories.h"
#include "signals.h"

#define WAIT_STEP_US 200000u
#define SETTLE_STEPS 5u /* who holds it may not have said so yet */
#define WATCH_WORD "watch, "

enum vv_rc
job_find(struct app *app, const struct settings *c, const char *name,
         const struct settings_section **ret)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};
    const struct settings_section *job = settings_find(c, "job", name);

    if (job != NULL) {
        if (ret != NULL) {
            *ret = job;
        }
        return VV_OK;
    }
    (void)app_usage(app, "there is no job '%s' in the configuration", name);
    if (settings_names(c, "job", &names, NULL) == VV_OK) {
        vv_error_hint(&app->err, names.len > 0 ? "there are: %s" : "there is none at all%s",
                      vv_buf_text(&names));
    }
    return VV_EUSAGE;
}

enum vv_rc
job_check_global(struct app *app)
{
    const struct global_options *g = &app->global;
    const struct ssh_given *s = &g->ssh;

    if (g->repository != NULL) {
        return app_usage(app, "a job says by itself which repository it is for: no -r");
    }
    if (g->key_file != NULL || g->passphrase_file != NULL || g->passphrase_command != NULL ||
        g->recovery_file != NULL || g->replicas.count > 0 || s->transport >= 0 ||
        s->command != NULL || s->identity != NULL || s->known_hosts != NULL ||
        s->fingerprint != NULL || s->passphrase_file != NULL || s->passphrase_command != NULL ||
        s->accept_new_host_key) {
        return app_usage(app, "how a repository is opened and reached stands in the configuration, "
                              "not on this command line");
    }
    if (g->expect_head != NULL || g->accept_head) {
        return app_usage(app,
                         "--expect-head and --accept-head are for a command on one repository");
    }
    return VV_OK;
}

static enum vv_rc
check_repository(struct app *app, const char *name, struct vv_error *err)
{
    struct settings *c = NULL;
    unsigned known;

    VV_TRY(settings_input_read(app, &c, err));
    known = settings_problem_count(c); /* of jobs before this one */
    VV_TRY(settings_check_secrets(c, settings_find(c, "repository", name), err));
    return settings_input_refuse(c, known, err);
}

enum vv_rc
job_check_secrets(struct app *app, const struct settings_section *job)
{
    return check_repository(app, settings_get(job, "repository"), &app->err);
}

bool
job_check_sites(struct app *app, const struct settings_section *job)
{
    const struct settings_value *v = NULL;
    bool well = true;

    while ((v = settings_next(job, "replicate-to", v)) != NULL) {
        struct vv_error err = {0};
        if (check_repository(app, v->text, &err) != VV_OK) {
            vv_emit(&app->messages.events, VV_EVENT_PROBLEM, "site-secret", vv_span(NULL, 0),
                    "%s%s%s%s", err.message, err.hint[0] != '\0' ? " (" : "", err.hint,
                    err.hint[0] != '\0' ? ")" : "");
            well = false;
        }
    }
    return well;
}

/* ---- one at a time ---- */

/* By a lock that others may have, too: two that ask do not see each other. */
static bool
is_held(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

/* 'varve watch' holds it for the time of a snapshot: that is waited for. */
static bool
held_by_watch(int fd)
{
    char who[sizeof(WATCH_WORD)] = "";

    return pread(fd, who, sizeof(who) - 1, 0) > 0 && strcmp(who, WATCH_WORD) == 0;
}

static enum vv_rc
busy(struct app *app, int fd, const char *job)
{
    char who[128];
    ssize_t n = pread(fd, who, sizeof(who) - 1, 0);

    who[n > 0 ? n : 0] = '\0';
    who[strcspn(who, "\n")] = '\0';
    (void)vv_error_set(&app->err, VV_EREFUSED, "job '%s' is running already%s%s", job,
                       who[0] != '\0' ? ": " : "", who);
    vv_error_hint(&app->err, "with --wait the next run begins when that one has ended");
    return VV_EREFUSED;
}

/* "KIND-JOB.lock" in the state directory. */
static enum vv_rc
open_lock(struct app *app, const char *kind, const char *job, int *ret)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    vv_buf_reset(&app->state_dir);
    VV_TRY(directories_find(DIRECTORY_STATE, &app->state_dir, &app->err));
    VV_TRY(directories_make(&app->state_dir, &app->err));
    vv_buf_printf(&path, "%s/%s-%s.lock", vv_buf_text(&app->state_dir), kind, job);
    VV_TRY(vv_buf_check(&path, &app->err));
    *ret = open(vv_buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *ret >= 0 ? VV_OK
                     : vv_error_sys(&app->err, errno, "cannot open '%s'", vv_buf_text(&path));
}

enum vv_rc
job_watch_lock(struct app *app, const char *job, int *ret)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    bool got = false;

    VV_TRY(open_lock(app, "watch", job, &fd));
    for (unsigned steps = 0; !got && steps <= SETTLE_STEPS; steps++) {
        if (steps > 0) {
            (void)usleep(WAIT_STEP_US); /* somebody may only ask: job_is_watched */
        }
        VV_TRY(vv_file_lock(fd, false, &got, &app->err));
    }
    if (!got) {
        return vv_error_set(&app->err, VV_EREFUSED, "job '%s' is watched already", job);
    }
    *ret = fd;
    fd = -1;
    return VV_OK;
}

bool
job_is_watched(struct app *app, const char *job)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;

    if (open_lock(app, "watch", job, &fd) != VV_OK) {
        vv_error_clear(&app->err);
        return false;
    }
    return is_held(fd);
}

enum vv_rc
job_lock(struct app *app, const char *job, enum job_lock_use use, int *ret)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    char when[VV_TIME_TEXT];
    bool got = false;
    unsigned steps = 0;

    VV_TRY(open_lock(app, "run", job, &fd));
    for (;;) {
        VV_TRY(vv_file_lock(fd, false, &got, &app->err));
        if (got) {
            break;
        }
        if (use == JOB_LOCK_WATCH) {
            return vv_error_set(&app->err, VV_EREFUSED, "job '%s' is running", job);
        }
        if (use == JOB_LOCK_RUN && ++steps > SETTLE_STEPS && !held_by_watch(fd)) {
            return busy(app, fd, job);
        }
        VV_TRY(vv_cancel_check(signals_cancel(), &app->err));
        (void)usleep(WAIT_STEP_US);
    }
    vv_time_format(vv_clock_system()->realtime(vv_clock_system()), when);
    if (ftruncate(fd, 0) != 0 ||
        dprintf(fd, "%sprocess %ld, since %s\n", use == JOB_LOCK_WATCH ? WATCH_WORD : "",
                (long)getpid(), when) < 0) {
        /* nobody depends on it */
    }
    *ret = fd;
    fd = -1;
    return VV_OK;
}

bool
job_is_running(const char *job)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_fd_closep) int fd = -1;

    if (directories_find(DIRECTORY_STATE, &path, NULL) != VV_OK) {
        return false;
    }
    vv_buf_printf(&path, "/run-%s.lock", job);
    fd = open(vv_buf_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && is_held(fd) && !held_by_watch(fd);
}
