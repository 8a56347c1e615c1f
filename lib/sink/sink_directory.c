/* SPDX-License-Identifier: BSD-2-Clause */

/* Directories: made with mode 0700, given their attributes by sink_finish (K3). */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

static enum vv_rc
copy_xattrs(struct vv_arena *arena, struct sink_wanted *w, struct vv_error *err)
{
    struct xattr *copy;

    if (w->xattr_count == 0) {
        w->xattrs = NULL;
        return VV_OK;
    }
    copy = vv_arena_alloc(arena, w->xattr_count * sizeof(*copy));
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < w->xattr_count; i++) {
        const struct xattr *x = &w->xattrs[i];
        copy[i].name = vv_span(vv_arena_copy(arena, x->name.data, x->name.len), x->name.len);
        copy[i].value = vv_span(vv_arena_copy(arena, x->value.data, x->value.len), x->value.len);
        if (copy[i].name.data == NULL || copy[i].value.data == NULL) {
            return vv_error_nomem(err);
        }
    }
    w->xattrs = copy;
    return VV_OK;
}

/* The nearest directory above ${path} among the newest and those above it; how much of the
 * path it covers, slash included.  With the lock held. */
static struct sink_deferred *
deferred_above(struct sink *s, struct vv_span path, size_t *ret_covered)
{
    size_t common = 0;
    struct sink_deferred *d = s->deferred;

    *ret_covered = 0;
    while (common < path.len && common < s->deferred_path.len &&
           path.data[common] == s->deferred_path.data[common]) {
        common++;
    }
    while (d != NULL) {
        if (d->path_len > 0 && d->path_len <= common && d->path_len < path.len &&
            path.data[d->path_len] == '/') {
            *ret_covered = d->path_len + 1;
            return d;
        }
        d = d->parent;
    }
    return NULL;
}

/* Notes the attributes for sink_finish. */
static enum vv_rc
remember(struct sink *s, const struct entry *e, struct vv_error *err)
{
    struct sink_wanted w = sink_wanted_of(s, e);
    struct sink_deferred *parent;
    struct sink_deferred *d;
    size_t covered;
    enum vv_rc rc;

    vv_mutex_lock(&s->lock);
    rc = copy_xattrs(&s->arena, &w, err);
    if (rc == VV_OK) {
        parent = deferred_above(s, e->path, &covered);
        vv_buf_reset(&s->deferred_path);
        rc = vv_buf_reserve(&s->deferred_path, e->path.len + 1, err);
    }
    if (rc == VV_OK) {
        d = vv_arena_alloc(&s->arena, sizeof(*d) + e->path.len - covered);
        if (d == NULL) {
            rc = vv_error_nomem(err);
        } else {
            *d = (struct sink_deferred){.next = s->deferred,
                                        .parent = parent,
                                        .wanted = w,
                                        .path_len = e->path.len,
                                        .suffix_len = e->path.len - covered};
            if (d->suffix_len > 0) {
                memcpy(d->suffix, e->path.data + covered, d->suffix_len);
            }
            s->deferred = d;
            vv_buf_put(&s->deferred_path, e->path.data, e->path.len);
        }
    }
    vv_mutex_unlock(&s->lock);
    return rc;
}

/* Get a directory that was there ready: writable for us, nothing left over in it. */
static void
prepare_existing(struct sink *s, const struct sink_place *place, const struct statx *stx)
{
    uint32_t flags;
    int fd;

    if ((stx->stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0) {
        (void)sink_unlock(place, &flags);
    }
    if ((stx->stx_mode & 0700u) != 0700u && stx->stx_uid == s->uid &&
        !sink_capable(s, CAP_DAC_OVERRIDE)) {
        fd = openat(place->parent->fd, place->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            struct sink_object o = {.fd = fd, .path_only = true};
            (void)sink_object_chmod(&o, (stx->stx_mode & 07777u) | 0700u);
            vv_fd_close(fd);
        }
    }
    fd = openat(place->parent->fd, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        sink_sweep(s, fd);
    }
}

/* Something stands at the name; ${*ret_done} if it is a directory already. */
static enum vv_rc
meet_existing(struct sink *s, const struct sink_place *place, struct vv_span path, bool *ret_done,
              struct vv_error *err)
{
    struct statx stx;
    uint32_t flags;

    *ret_done = false;
    if (statx(place->parent->fd, place->name, AT_SYMLINK_NOFOLLOW,
              STATX_TYPE | STATX_MODE | STATX_UID, &stx) != 0) {
        return errno == ENOENT ? VV_OK : sink_error(err, errno, "inspect", path);
    }
    if (S_ISDIR(stx.stx_mode)) {
        prepare_existing(s, place, &stx);
        *ret_done = true;
        return VV_OK;
    }
    if (s->overwrite == SINK_NEVER) {
        return sink_kept(err, path,
                         S_ISLNK(stx.stx_mode) ? "is a symbolic link, not a directory"
                                               : "is not a directory");
    }
    for (int tries = 0; tries < 2; tries++) {
        if (unlinkat(place->parent->fd, place->name, 0) == 0 || errno == ENOENT) {
            return VV_OK;
        }
        if (errno != EPERM || !sink_unlock(place, &flags)) {
            break;
        }
        errno = EPERM;
    }
    return sink_error(err, errno, "replace", path);
}

static enum vv_rc
make_directory(struct sink *s, const struct sink_place *place, struct vv_span path,
               struct vv_error *err)
{
    bool done = false;
    int fd;

    for (int tries = 0; tries < 3; tries++) {
        if (mkdirat(place->parent->fd, place->name, 0700) == 0) {
            fd = openat(place->parent->fd, place->name,
                        O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (fd >= 0) {
                sink_parent_add(s, path, fd);
            }
            return VV_OK;
        }
        if (errno != EEXIST) {
            return sink_error(err, errno, "create directory", path);
        }
        VV_TRY(meet_existing(s, place, path, &done, err));
        if (done) {
            return VV_OK;
        }
    }
    return sink_error(err, ESTALE, "create directory", path);
}

enum vv_rc
sink_directory(struct sink *s, const struct entry *e, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};

    VV_TRY(vv_cancel_check(s->cancel, err));
    if (s->dry_run) {
        return VV_OK;
    }
    if (e->path.len > 0) {
        VV_TRY(sink_locate(s, e->path, &place, err));
        VV_TRY(make_directory(s, &place, e->path, err));
    }
    return remember(s, e, err);
}
