/* SPDX-License-Identifier: BSD-2-Clause */

/* Symbolic links, FIFOs and devices (made under a temporary name), and hard links. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

static bool
is_device(const struct entry *e)
{
    return e->type == ENTRY_CHARACTER_DEVICE || e->type == ENTRY_BLOCK_DEVICE;
}

/* 0 or an errno.  Devices start without any permission (K2). */
static int
make_node(int dir, const char *name, const struct entry *e)
{
    char target[PATH_MAX];
    mode_t mode;
    dev_t device;

    switch (e->type) {
    case ENTRY_SYMLINK:
        if (e->target.len == 0 || e->target.len >= sizeof(target)) {
            return ENAMETOOLONG;
        }
        if (memchr(e->target.data, 0, e->target.len) != NULL) {
            return EINVAL;
        }
        memcpy(target, e->target.data, e->target.len);
        target[e->target.len] = '\0';
        return symlinkat(target, dir, name) == 0 ? 0 : errno;
    case ENTRY_FIFO:
        return mknodat(dir, name, S_IFIFO | 0600, 0) == 0 ? 0 : errno;
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        mode = e->type == ENTRY_BLOCK_DEVICE ? S_IFBLK : S_IFCHR;
        device = makedev(e->major, e->minor);
        return mknodat(dir, name, mode, device) == 0 ? 0 : errno;
    case ENTRY_FILE:
    case ENTRY_DIRECTORY:
    default:
        return EINVAL;
    }
}

/* Is the node just opened the one just made?  Somebody who may write to the directory could have
 * put another in its place, to have it given away. */
static bool
is_ours(const struct sink *s, const struct entry *e, const struct stat *st)
{
    return sink_type_of(st->st_mode) == e->type && st->st_nlink == 1 && st->st_uid == s->uid &&
           (!is_device(e) || st->st_rdev == makedev(e->major, e->minor));
}

/* A device whose owner could not be set must not appear. */
static bool
may_appear(const struct sink *s, const struct entry *e, const struct sink_wanted *w,
           const struct stat *st)
{
    return !is_device(e) || s->owner == SINK_OWNER_NONE || !w->owner_known ||
           sink_owner_right(w, st);
}

static enum vv_rc
complete_node(struct sink_place *place, const char *temp, const struct entry *e,
              struct vv_error *err)
{
    struct sink *s = place->sink;
    struct sink_wanted w = sink_wanted_of(s, e);
    struct sink_object o = {.path_only = true};
    enum vv_rc rc;

    o.fd = openat(place->parent->fd, temp, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (o.fd < 0) {
        return sink_error(err, errno, "open", e->path);
    }
    if (fstat(o.fd, &o.st) != 0 || !is_ours(s, e, &o.st)) {
        rc = sink_error(err, ESTALE, "create", e->path);
    } else {
        rc = sink_apply(s, &w, &o, e->path, err);
    }
    vv_fd_close(o.fd);
    VV_TRY(rc);
    if (!may_appear(s, e, &w, &o.st)) {
        sink_refuse(s, REFUSED_DEVICE);
        (void)unlinkat(place->parent->fd, temp, 0);
        return VV_OK;
    }
    return sink_publish(place, temp, e->path, err);
}

enum vv_rc
sink_other(struct sink *s, const struct entry *e, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};
    char temp[SINK_TEMP_NAME];
    int sys;
    int tries = 0;
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(s->cancel, err));
    if (s->dry_run || (s->inert && is_device(e))) {
        return VV_OK;
    }
    VV_TRY(sink_locate(s, e->path, &place, err));
    do {
        sink_temp_name(s, temp);
        sys = make_node(place.parent->fd, temp, e);
    } while (sys == EEXIST && ++tries < 100);
    if (sys == EPERM && is_device(e)) {
        sink_refuse(s, REFUSED_DEVICE);
        return VV_OK;
    }
    if (sys != 0) {
        return sink_error(err, sys, "create", e->path);
    }
    rc = complete_node(&place, temp, e, err);
    if (rc != VV_OK) {
        (void)unlinkat(place.parent->fd, temp, 0);
    }
    return rc;
}

bool
sink_withheld(struct sink *s, const struct entry *e)
{
    return is_device(e) && (s->inert || sink_refused(s, REFUSED_DEVICE));
}

/* Put a further name beside the taken one and move it over that. */
static enum vv_rc
link_over(const struct sink_place *from, const struct sink_place *to, const struct stat *source,
          struct vv_span path, struct vv_error *err)
{
    char temp[SINK_TEMP_NAME];
    struct stat st;
    enum vv_rc rc;

    if (fstatat(to->parent->fd, to->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_ino == source->st_ino && st.st_dev == source->st_dev) {
        return VV_OK; /* a rename over itself would leave both names */
    }
    if (to->sink->overwrite == SINK_NEVER) {
        return sink_kept(err, path, "exists and differs");
    }
    sink_temp_name(to->sink, temp);
    if (linkat(from->parent->fd, from->name, to->parent->fd, temp, 0) != 0) {
        return sink_error(err, errno, "link", path);
    }
    rc = sink_publish(to, temp, path, err);
    if (rc != VV_OK) {
        (void)unlinkat(to->parent->fd, temp, 0);
    }
    return rc;
}

enum vv_rc
sink_link(struct sink *s, const struct entry *e, struct vv_span existing, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place from = {.sink = s};
    VV_CLEANUP(sink_place_release) struct sink_place to = {.sink = s};
    struct stat st;
    uint32_t flags = 0;

    VV_TRY(vv_cancel_check(s->cancel, err));
    if (s->dry_run || sink_withheld(s, e)) {
        return VV_OK;
    }
    VV_TRY(sink_locate(s, existing, &from, err));
    VV_TRY(sink_locate(s, e->path, &to, err));
    if (fstatat(from.parent->fd, from.name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return sink_error(err, errno, "link to", existing);
    }
    if (sink_type_of(st.st_mode) != e->type || S_ISDIR(st.st_mode)) {
        return sink_error(err, ESTALE, "link to", existing);
    }
    for (int tries = 0; tries < 2; tries++) {
        /* Flags 0: a symbolic link planted there would be linked to, not followed. */
        if (linkat(from.parent->fd, from.name, to.parent->fd, to.name, 0) == 0) {
            return VV_OK;
        }
        if (errno != EPERM || !sink_unlock(&from, &flags)) {
            break;
        }
        VV_TRY(sink_defer_flags(s, existing, flags, err));
        errno = EEXIST;
    }
    if (errno == EEXIST) {
        return link_over(&from, &to, &st, e->path, err);
    }
    return sink_error(err, errno, "link", e->path);
}
