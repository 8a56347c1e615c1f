/* SPDX-License-Identifier: BSD-2-Clause */
/* Trying a command on an old version of a file. */
#include "history_test.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "engine/look.h"
#include "signals.h"

static enum vv_rc
put_bytes(void *ctx, struct vv_span data, struct vv_error *err)
{
    const int *fd = ctx;

    VV_TRY(vv_cancel_check(signals_cancel(), err));
    return vv_fd_write_full(*fd, data.data, data.len, "a temporary file", err);
}

static enum vv_rc
extract(struct app *app, const struct snapshot *s, struct vv_span path, const char *to,
        struct vv_error *err)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum vv_rc rc;

    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot create '%s'", to);
    }
    rc = look_cat(app->repo, s, path, put_bytes, &fd, err);
    vv_fd_close(fd);
    return rc;
}

static enum vv_rc
run_command(const char *command, const char *file, int *ret_status, struct vv_error *err)
{
    char shell[] = "sh";
    char dash_c[] = "-c";
    char *text = strdup(command);
    char *name = strdup(file);
    char *const argv[] = {shell, dash_c, text, shell, name, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    int status = 0;
    int sys = text != NULL && name != NULL ? posix_spawn_file_actions_init(&actions) : ENOMEM;

    if (sys == 0) {
        (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        sys = posix_spawn(&child, "/bin/sh", &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    free(text);
    free(name);
    if (sys != 0) {
        return vv_error_sys(err, sys, "cannot run the test command");
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return vv_error_sys(err, errno, "cannot wait for the test command");
        }
    }
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    VV_TRY(vv_cancel_check(signals_cancel(), err));
    if (*ret_status == 126 || *ret_status == 127) {
        return vv_error_set(err, VV_EIO, "the test command cannot be run (exit %d)", *ret_status);
    }
    return VV_OK;
}

/** The last component of a path. */
static struct vv_span
base_name(struct vv_span path)
{
    size_t from = path.len;

    while (from > 0 && path.data[from - 1] != '/') {
        from--;
    }
    return vv_span(path.data + from, path.len - from);
}

enum vv_rc
history_test(struct app *app, const struct snapshot *s, struct vv_span path, const char *command,
             int *ret_status, struct vv_error *err)
{
    const char *base = getenv("TMPDIR");
    struct vv_span name = base_name(path);
    struct vv_buf directory = {0};
    struct vv_buf file = {0};
    enum vv_rc rc;

    vv_buf_printf(&directory, "%s/varve-test.XXXXXX",
                  base != NULL && base[0] == '/' ? base : "/tmp");
    (void)vv_buf_text(&directory);
    VV_TRY(vv_buf_check(&directory, err));
    if (mkdtemp((char *)directory.data) == NULL) {
        rc = vv_error_sys(err, errno, "cannot create a directory in '%s'",
                          base != NULL ? base : "/tmp");
        vv_buf_release(&directory);
        return rc;
    }
    vv_buf_printf(&file, "%s/", (const char *)directory.data);
    vv_buf_put(&file, name.data, name.len);
    (void)vv_buf_text(&file);
    rc = vv_buf_check(&file, err);
    if (rc == VV_OK) {
        rc = extract(app, s, path, (const char *)file.data, err);
    }
    if (rc == VV_OK) {
        rc = run_command(command, (const char *)file.data, ret_status, err);
    }
    if (!file.failed) {
        (void)unlink((const char *)file.data);
    }
    (void)rmdir((const char *)directory.data);
    vv_buf_release(&directory);
    vv_buf_release(&file);
    return rc;
}
