/* SPDX-License-Identifier: BSD-2-Clause */
/* The crontab of this user. */
#include "user_crontab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "service/process.h"
#include "signals.h"

bool
program_available(const char *name)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    const char *given = getenv("PATH");
    bool found = false;

    VV_CLEANUP(vv_buf_release) struct vv_buf all = {0};
    vv_buf_printf(&all, "%s:/usr/sbin:/usr/bin:/sbin:/bin", given != NULL ? given : "");
    for (const char *at = vv_buf_text(&all); !found && *at != '\0';) {
        size_t len = strcspn(at, ":");
        vv_buf_reset(&path);
        vv_buf_printf(&path, "%.*s/%s", (int)len, at, name);
        found = len > 0 && access(vv_buf_text(&path), X_OK) == 0;
        at += len + (at[len] == ':' ? 1 : 0);
    }
    return found;
}

bool
user_crontab_available(void)
{
    return program_available("crontab");
}

/* Through a shell, for its redirections. */
static enum vv_rc
ask(const char *command, struct process_result *ret, struct vv_error *err)
{
    const char *const words[] = {"/bin/sh", "-c", command, NULL};
    static const char *const environment[] = {"LC_ALL=C", NULL};
    const struct process_spec spec = {.words = words, .environment = environment, .capture = true};

    return process_run(&spec, signals_cancel(), ret, err);
}

static enum vv_rc
why_not(struct vv_error *err)
{
    VV_CLEANUP(process_result_release) struct process_result r = {0};

    VV_TRY(ask("exec crontab -l 2>&1 >/dev/null", &r, err));
    if (r.code != 0 && memmem(r.output.data, r.output.len, "no crontab", 10) != NULL) {
        return VV_OK;
    }
    while (r.output.len > 0 && r.output.data[r.output.len - 1] == '\n') {
        r.output.len--;
    }
    return vv_error_set(err, VV_EIO, "cannot read this user's crontab: %s",
                        r.output.len > 0 ? vv_buf_text(&r.output) : "crontab -l fails");
}

enum vv_rc
user_crontab_read(struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(process_result_release) struct process_result r = {0};

    VV_TRY(ask("exec crontab -l 2>/dev/null", &r, err));
    if (r.code != 0) {
        return why_not(err);
    }
    if (r.output.len >= PROCESS_OUTPUT_MOST) {
        return vv_error_set(err, VV_ELIMIT, "this user's crontab is too long");
    }
    vv_buf_put(out, r.output.data, r.output.len);
    return vv_buf_check(out, err);
}

static enum vv_rc
write_file(int fd, const char *path, struct vv_span text, struct vv_error *err)
{
    const char *const words[] = {"crontab", path, NULL};
    const struct process_spec spec = {.words = words};
    VV_CLEANUP(process_result_release) struct process_result r = {0};

    VV_TRY(vv_fd_write_full(fd, text.data, text.len, path, err));
    VV_TRY(process_run(&spec, signals_cancel(), &r, err));
    if (r.code != 0) {
        (void)vv_error_set(err, VV_EIO, "crontab refuses the new crontab (exit code %d)", r.code);
        vv_error_hint(err, "what it says stands above; nothing was changed");
        return VV_EIO;
    }
    return VV_OK;
}

enum vv_rc
user_crontab_write(struct vv_span text, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    const char *directory = getenv("TMPDIR");
    enum vv_rc rc;
    int fd;

    vv_buf_printf(&path, "%s/varve-crontab.XXXXXX",
                  directory != NULL && directory[0] == '/' ? directory : "/tmp");
    VV_TRY(vv_buf_check(&path, err));
    (void)vv_buf_text(&path); /* ends it with a NUL */
    fd = mkostemp((char *)path.data, O_CLOEXEC);
    if (fd < 0) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_sys(err, errno, "cannot make '%s'", vv_buf_text(&path)));
    }
    rc = write_file(fd, vv_buf_text(&path), text, err);
    vv_fd_close(fd);
    (void)unlink(vv_buf_text(&path));
    return rc;
}
