/* SPDX-License-Identifier: BSD-2-Clause */

/* Reading entries back: to see what stands at a path, and for the verify pass. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

void
sink_fill_stat(struct entry *e, const struct stat *st)
{
    e->type = sink_type_of(st->st_mode);
    e->mode = st->st_mode & 07777u;
    e->uid = st->st_uid;
    e->gid = st->st_gid;
    e->mtime = (struct entry_time){st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec};
    e->ctime = (struct entry_time){st->st_ctim.tv_sec, (uint32_t)st->st_ctim.tv_nsec};
    e->inode = st->st_ino;
    e->nlink = S_ISDIR(st->st_mode) ? 1 : st->st_nlink;
    e->size = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (uint64_t)st->st_size : 0;
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
        e->flags |= ENTRY_HAS_DEVICE;
        e->major = major(st->st_rdev);
        e->minor = minor(st->st_rdev);
    }
}

static enum vv_rc
read_target(const struct sink_object *o, struct vv_arena *arena, struct entry *e,
            struct vv_error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(o->fd, "", target, sizeof(target));

    if (n < 0) {
        return sink_error(err, errno, "read the symbolic link", e->path);
    }
    e->target = vv_span(vv_arena_copy(arena, target, (size_t)n), (size_t)n);
    if (e->target.data == NULL) {
        return vv_error_nomem(err);
    }
    e->flags |= ENTRY_HAS_TARGET;
    return VV_OK;
}

/* Drop a file's pages, so that what is read next comes from the device. */
static void
drop_pages(struct sink *s, const struct sink_object *o)
{
    if (!atomic_load_explicit(&s->uncache, memory_order_relaxed)) {
        return;
    }
    if (o->st.st_dev != s->device) { /* another file system: sink_uncache did not sync that one */
        (void)fdatasync(o->fd);
    }
    (void)posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* All there is to know about an open object. */
static enum vv_rc
read_object(struct sink *s, const struct sink_object *o, enum sink_depth depth,
            struct vv_arena *arena, struct entry *e, struct vv_error *err)
{
    uint32_t flags = 0;

    sink_fill_stat(e, &o->st);
    if (e->type == ENTRY_SYMLINK) {
        VV_TRY(read_target(o, arena, e, err));
    }
    if (sink_flags_read(o, &flags)) {
        e->inode_flags = flags & INODE_FLAGS_KEPT;
    } else if (e->type == ENTRY_FILE || e->type == ENTRY_DIRECTORY) {
        e->flags |= SINK_NO_FLAGS;
    }
    VV_TRY(sink_xattr_read(o, arena, e, err));
    if (depth == SINK_READ && e->type == ENTRY_FILE) {
        if (o->path_only) {
            return sink_error(err, EACCES, "read back", e->path);
        }
        drop_pages(s, o);
        VV_TRY(sink_extents_read(o->fd, e->size, e->path, arena, e, err));
    }
    return VV_OK;
}

enum vv_rc
sink_look(const struct sink_place *place, struct vv_span path, enum sink_depth depth,
          struct vv_arena *arena, struct entry *ret, int *ret_fd, struct vv_error *err)
{
    struct entry e = {0};
    struct sink_object o;
    enum vv_rc rc;
    int sys = sink_object_open(place->parent->fd, place->name, &o);

    if (sys != 0) {
        return sink_error(err, sys, "inspect", path);
    }
    e.path = vv_span(vv_arena_copy(arena, path.data, path.len), path.len);
    rc = e.path.data == NULL ? vv_error_nomem(err)
                             : read_object(place->sink, &o, depth, arena, &e, err);
    if (rc == VV_OK && e.type == ENTRY_FILE && ret_fd != NULL) {
        *ret_fd = o.fd;
    } else {
        vv_fd_close(o.fd);
    }
    VV_TRY(rc);
    *ret = e;
    return VV_OK;
}

/* The target itself. */
static enum vv_rc
look_at_root(struct sink *s, struct vv_arena *arena, struct entry *ret, struct vv_error *err)
{
    struct sink_object o = {.fd = s->root, .path_only = s->root_path_only};
    struct entry e = {.path = vv_span("", 0)};

    if (s->root < 0) {
        return sink_error(err, ENOENT, "inspect", e.path);
    }
    if (fstat(s->root, &o.st) != 0) {
        return sink_error(err, errno, "inspect", e.path);
    }
    VV_TRY(read_object(s, &o, SINK_READ, arena, &e, err));
    *ret = e;
    return VV_OK;
}

enum vv_rc
sink_inspect(struct sink *s, struct vv_span path, struct vv_arena *arena, struct entry *ret,
             int *ret_fd, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};
    int fd = -1;

    VV_TRY(vv_cancel_check(s->cancel, err));
    if (path.len == 0) {
        VV_TRY(look_at_root(s, arena, ret, err));
    } else {
        VV_TRY(sink_locate(s, path, &place, err));
        VV_TRY(sink_look(&place, path, SINK_READ, arena, ret, &fd, err));
    }
    *ret_fd = fd;
    return VV_OK;
}

/* The full comparison behind sink_existing, once the cheap one found no difference. */
static enum vv_rc
compare_closely(struct sink *s, const struct sink_place *place, const struct entry *e, bool *equal,
                struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct vv_buf differences = {0};
    struct entry found = {0};
    enum vv_rc rc = sink_look(place, e->path, SINK_LOOK, &arena, &found, NULL, err);

    if (rc == VV_OK) {
        sink_compare_stat(s, e, &found, &differences);
        sink_compare_rest(s, e, &found, &differences);
        rc = vv_buf_check(&differences, err);
    }
    *equal = rc == VV_OK && differences.len == 0;
    vv_buf_release(&differences);
    vv_arena_release(&arena);
    return rc;
}

enum vv_rc
sink_existing(struct sink *s, const struct entry *e, enum sink_existing *ret, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};
    struct vv_buf differences = {0};
    struct entry found = {0};
    struct stat st;
    bool equal;
    enum vv_rc rc;

    if (e->path.len == 0) {
        *ret = s->root < 0 ? SINK_ABSENT : SINK_DIFFERENT;
        return VV_OK;
    }
    rc = sink_locate(s, e->path, &place, err);
    if (rc == VV_ENOTFOUND || (rc == VV_EREFUSED && err != NULL && err->sys == ELOOP)) {
        vv_error_clear(err); /* no such directory, or a link in its place */
        *ret = SINK_ABSENT;
        return VV_OK;
    }
    VV_TRY(rc);
    if (place.parent->fresh) {
        *ret = SINK_ABSENT;
        return VV_OK;
    }
    if (fstatat(place.parent->fd, place.name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) {
            return sink_error(err, errno, "inspect", e->path);
        }
        *ret = SINK_ABSENT;
        return VV_OK;
    }
    sink_fill_stat(&found, &st);
    sink_compare_stat(s, e, &found, &differences);
    equal = differences.len == 0;
    rc = vv_buf_check(&differences, err);
    vv_buf_release(&differences);
    VV_TRY(rc);
    if (equal) {
        rc = compare_closely(s, &place, e, &equal, err);
        if (rc == VV_ENOMEM) {
            return rc;
        }
        if (rc != VV_OK) { /* cannot be looked at: whatever it is, it is not known to be equal */
            vv_error_clear(err);
        }
    }
    *ret = equal ? SINK_EQUAL : SINK_DIFFERENT;
    return VV_OK;
}

void
sink_uncache(struct sink *s, bool *ret_from_memory)
{
    *ret_from_memory = false;
    if (s->root < 0) {
        return;
    }
    if (sink_systems_sync(s, NULL) != VV_OK) {
        sync();
    }
    *ret_from_memory = sink_systems_in_memory(s);
    atomic_store_explicit(&s->uncache, true, memory_order_relaxed);
}
