/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are put in their places when they are whole; see wal_target.h. */
#include "engine/wal_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

#define MODE 0600
#define LINK_TEXT 40

/** How an open file without a name is called when it is to be given one. */
static void
link_text(int fd, char out[LINK_TEXT])
{
    (void)snprintf(out, LINK_TEXT, "/proc/self/fd/%d", fd);
}

/** -1: this file system, or this system, cannot do that. */
static int
open_unnamed(const char *path)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    const char *slash = strrchr(path, '/');
    char text[LINK_TEXT];
    int fd;

    vv_buf_put_text(&directory, slash == NULL ? "." : slash == path ? "/" : "");
    if (slash != NULL && slash != path) {
        vv_buf_put(&directory, path, (size_t)(slash - path));
    }
    (void)vv_buf_text(&directory);
    fd = directory.failed ? -1
                          : open(vv_buf_text(&directory), O_WRONLY | O_TMPFILE | O_CLOEXEC, MODE);
    if (fd < 0) {
        return -1;
    }
    link_text(fd, text);
    if (access(text, F_OK) != 0) {
        vv_fd_close(fd);
        return -1;
    }
    return fd;
}

enum vv_rc
wal_target_open(const char *path, struct wal_target *ret, struct vv_error *err)
{
    struct wal_target t = {.fd = -1};
    const char *text;

    vv_buf_printf(&t.temporary, "%s.varve-%ld", path, (long)getpid());
    text = vv_buf_text(&t.temporary);
    if (vv_buf_check(&t.temporary, err) != VV_OK) {
        wal_target_release(&t);
        return VV_ENOMEM;
    }
    t.fd = open_unnamed(path);
    if (t.fd < 0) {
        t.fd = open(text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, MODE);
        t.named = t.fd >= 0;
    }
    if (t.fd < 0) {
        enum vv_rc rc = vv_error_sys(err, errno, "cannot create '%s'", text);
        wal_target_release(&t);
        return rc;
    }
    *ret = t;
    return VV_OK;
}

/** A name, in the place of what another process with our number has left under it. */
static enum vv_rc
give_name(struct wal_target *t, struct vv_error *err)
{
    const char *text = vv_buf_text(&t->temporary);
    char from[LINK_TEXT];
    int rc;

    link_text(t->fd, from);
    rc = linkat(AT_FDCWD, from, AT_FDCWD, text, AT_SYMLINK_FOLLOW);
    if (rc != 0 && errno == EEXIST && unlink(text) == 0) {
        rc = linkat(AT_FDCWD, from, AT_FDCWD, text, AT_SYMLINK_FOLLOW);
    }
    if (rc != 0) {
        return vv_error_sys(err, errno, "cannot create '%s'", text);
    }
    t->named = true;
    return VV_OK;
}

enum vv_rc
wal_target_finish(struct wal_target *t, const char *path, struct vv_error *err)
{
    const char *text = vv_buf_text(&t->temporary);
    int fd;

    if (!t->named) {
        VV_TRY(give_name(t, err));
    }
    fd = t->fd;
    t->fd = -1;
    if (close(fd) != 0) {
        return vv_error_sys(err, errno, "cannot write '%s'", text);
    }
    if (rename(text, path) != 0) {
        return vv_error_sys(err, errno, "cannot put '%s' in place", path);
    }
    t->named = false;
    return VV_OK;
}

void
wal_target_release(struct wal_target *t)
{
    vv_fd_close(t->fd);
    if (t->named) {
        (void)unlink(vv_buf_text(&t->temporary));
    }
    vv_buf_release(&t->temporary);
    *t = (struct wal_target){.fd = -1};
}
