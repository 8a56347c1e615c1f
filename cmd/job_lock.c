/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of a job at a time. */
#include "job_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "directories.h"
#include "signals.h"

#define WAIT_STEP_US 200000u
#define TRIES 3u /* job_lock_held, too, has the lock, for a moment */

static enum vv_rc
busy(int fd, const char *job, struct vv_error *err)
{
    char who[128];
    ssize_t n = pread(fd, who, sizeof(who) - 1, 0);

    who[n > 0 ? n : 0] = '\0';
    who[strcspn(who, "\n")] = '\0';
    (void)vv_error_set(err, VV_EREFUSED, "job '%s' is running already%s%s", job,
                       who[0] != '\0' ? ": " : "", who);
    vv_error_hint(err, "with --wait the next run begins when that one has ended");
    return VV_EREFUSED;
}

static enum vv_rc
path_of(const struct vv_buf *directory, const char *job, struct vv_buf *out, struct vv_error *err)
{
    vv_buf_put(out, directory->data, directory->len);
    vv_buf_printf(out, "/run-%s.lock", job);
    (void)vv_buf_text(out);
    return vv_buf_check(out, err);
}

enum vv_rc
job_lock_take(struct app *app, const char *job, bool wait, int *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    char when[VV_TIME_TEXT];
    bool got = false;

    vv_buf_reset(&app->state_dir);
    VV_TRY(directories_find(DIRECTORY_STATE, &app->state_dir, err));
    VV_TRY(directories_make(&app->state_dir, err));
    VV_TRY(path_of(&app->state_dir, job, &path, err));
    fd = open(vv_buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", vv_buf_text(&path));
    }
    for (unsigned tries = 0;; tries++) {
        VV_TRY(vv_file_lock(fd, false, &got, err));
        if (got) {
            break;
        }
        if (!wait && tries == TRIES) {
            return busy(fd, job, err);
        }
        VV_TRY(vv_cancel_check(signals_cancel(), err));
        (void)usleep(WAIT_STEP_US);
    }
    vv_time_format(vv_clock_system()->realtime(vv_clock_system()), when);
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "process %ld, since %s\n", (long)getpid(), when) < 0) {
        /* nobody depends on it */
    }
    *ret = fd;
    fd = -1;
    return VV_OK;
}

bool
job_lock_held(const char *job)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    bool got = true;

    if (directories_find(DIRECTORY_STATE, &directory, NULL) != VV_OK ||
        path_of(&directory, job, &path, NULL) != VV_OK) {
        return false;
    }
    fd = open(vv_buf_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && vv_file_lock(fd, false, &got, NULL) == VV_OK && !got;
}
