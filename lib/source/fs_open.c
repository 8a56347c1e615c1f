/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening an item, by any thread, long after the walk saw it: in its directory's descriptor,
 * without following a link, and then compared with what the walk saw.  Only regular files and
 * directories are opened for reading; everything else by O_PATH, which has no side effects (a FIFO
 * would block, a tape would rewind).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

#define BIG_FILE ((uint64_t)1 << 20) /* worth telling the kernel that it is read in order */

/* Open the item in its directory.  A descriptor, or -errno. */
static int
open_in_directory(struct fs_source *fs, const struct source_item *item, int flags)
{
    const struct fs_item *handle = item->handle;
    int dir = fs_dir_pin(&fs->handles, handle->dir);
    if (dir < 0) {
        return dir;
    }
    bool noatime = (flags & O_PATH) == 0 && (fs->euid == 0 || fs->euid == item->entry.uid);
    int fd = fs_openat(&fs->handles, dir, handle->name, flags | O_NOFOLLOW, noatime);
    fs_dir_unpin(&fs->handles, handle->dir);
    return fd;
}

/* See that ${fd} is what the walk saw, and take over what stat tells now.  0 or an errno.  A file
 * put in place of a file (as editors and servers do, by renaming) is a file of that name all the
 * same; anything else that was exchanged is not what the walk decided about. */
static int
check_and_refresh(struct fs_source *fs, struct source_item *item, int fd, struct fs_stat *ret)
{
    const struct fs_item *handle = item->handle;
    fs_stat_fd(fd, ret);
    if (ret->error != 0) {
        return ret->error;
    }
    if (ret->device != handle->device || fs_type(ret->mode) != item->entry.type ||
        (ret->inode != item->entry.inode && item->entry.type != ENTRY_FILE)) {
        return ESTALE;
    }
    item->entry.flags &= ~ENTRY_RACY;
    item->entry.flags |= fs_racy(ret) ? ENTRY_RACY : 0;
    fs_entry_fill(fs, ret, &item->entry);
    return 0;
}

/* Attributes that cannot be read are told, but are no reason to leave out the rest. */
static void
read_xattrs(struct fs_source *fs, struct source_item *item, const struct fs_object *object,
            struct vv_arena *arena)
{
    struct entry *e = &item->entry;
    int error = fs_read_xattrs(object, arena, e);
    if (error == 0) {
        return;
    }
    if (object->path_only && error == ENOENT) {
        if (!atomic_exchange(&fs->proc_missing_said, true)) {
            vv_emit(fs->options.events, VV_EVENT_PROBLEM, "proc-missing", e->path,
                    "/proc is not mounted: extended attributes of symbolic links and special "
                    "files are not stored");
        }
        return;
    }
    if ((e->flags & ENTRY_IMPLIED) != 0 && (error == EACCES || error == EPERM)) {
        return; /* above the sources, and not asked for */
    }
    struct source_problem problem;
    (void)fs_problem(&problem, error, NULL);
    vv_emit(fs->options.events, VV_EVENT_PROBLEM, "xattr-unreadable", e->path,
            "extended attributes cannot be read completely: %s", problem.text);
}

static struct fs_file *
file_new(int fd, const struct fs_stat *stat, bool racy)
{
    struct fs_file *f = vv_alloc_array(1, sizeof(*f));
    if (f == NULL) {
        vv_fd_close(fd);
        return NULL;
    }
    f->fd = fd;
    f->stat = *stat;
    f->racy = racy;
    atomic_init(&f->end, UINT64_MAX);
    return f;
}

/* Give the entry its own copy of the extents: it outlives the file. */
static bool
copy_extents(const struct fs_file *f, struct vv_arena *arena, struct entry *e)
{
    if (!f->sparse) {
        return true;
    }
    size_t size = f->extent_count * sizeof(*f->extents);
    e->extents = vv_arena_alloc(arena, size + 1);
    if (e->extents == NULL) {
        return false;
    }
    if (size > 0) {
        memcpy(e->extents, f->extents, size);
    }
    e->extent_count = f->extent_count;
    e->flags |= ENTRY_HAS_EXTENTS;
    return true;
}

static enum source_status
open_file(struct fs_source *fs, struct source_item *item, struct vv_arena *arena,
          struct source_file **ret, struct source_problem *problem)
{
    struct fs_stat stat;
    int fd = open_in_directory(fs, item, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return fs_problem(problem, -fd, "cannot open");
    }
    int error = check_and_refresh(fs, item, fd, &stat);
    if (error != 0) {
        vv_fd_close(fd);
        return fs_problem(problem, error, "cannot open");
    }
    struct fs_file *f = file_new(fd, &stat, (item->entry.flags & ENTRY_RACY) != 0);
    if (f == NULL) {
        return fs_problem(problem, ENOMEM, "cannot open");
    }
    f->base.ops = fs->base.ops;
    read_xattrs(fs, item, &(struct fs_object){.fd = fd}, arena);
    fs_read_inode_flags(fd, &item->entry);
    error = fs_map_extents(f);
    if (error == 0 && !copy_extents(f, arena, &item->entry)) {
        error = ENOMEM;
    }
    if (error != 0) {
        fs_file_free(f);
        return fs_problem(problem, error, "cannot find holes");
    }
    if (stat.size >= BIG_FILE) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    *ret = &f->base;
    return SOURCE_OK;
}

static enum source_status
open_directory(struct fs_source *fs, struct source_item *item, struct vv_arena *arena,
               struct source_problem *problem)
{
    const struct fs_item *handle = item->handle;
    struct fs_stat stat;
    struct fs_object object = {.path_only = handle->hands_off};
    object.fd = object.path_only ? -EACCES
                                 : open_in_directory(fs, item, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (object.fd == -EACCES) {
        object.path_only = true;
        object.fd = open_in_directory(fs, item, O_PATH | O_DIRECTORY);
    }
    if (object.fd < 0) {
        return fs_problem(problem, -object.fd, "cannot open");
    }
    int error = check_and_refresh(fs, item, object.fd, &stat);
    if (error == 0) {
        read_xattrs(fs, item, &object, arena);
        if (!object.path_only) {
            fs_read_inode_flags(object.fd, &item->entry);
        }
    }
    vv_fd_close(object.fd);
    return error == 0 ? SOURCE_OK : fs_problem(problem, error, "cannot open");
}

/* Symbolic links, FIFOs, devices. */
static enum source_status
open_other(struct fs_source *fs, struct source_item *item, struct vv_arena *arena,
           struct source_problem *problem)
{
    struct fs_stat stat;
    struct fs_object object = {.fd = open_in_directory(fs, item, O_PATH), .path_only = true};
    if (object.fd < 0) {
        return fs_problem(problem, -object.fd, "cannot open");
    }
    int error = check_and_refresh(fs, item, object.fd, &stat);
    if (error == 0 && item->entry.type == ENTRY_SYMLINK) {
        error = fs_read_target(object.fd, arena, &item->entry);
    }
    if (error == 0) {
        read_xattrs(fs, item, &object, arena);
    }
    vv_fd_close(object.fd);
    return error == 0 ? SOURCE_OK : fs_problem(problem, error, "cannot open");
}

enum source_status
fs_open(struct source *s, struct source_item *item, struct vv_arena *arena,
        struct source_file **ret, struct source_problem *problem)
{
    struct fs_source *fs = (struct fs_source *)s;
    const struct fs_item *handle = item->handle;
    struct entry *e = &item->entry;
    *ret = NULL;
    if (handle->dir == NULL || e->type == 0) {
        return fs_problem(problem, item->problem.sys == 0 ? ENOENT : item->problem.sys, NULL);
    }
    e->flags &= ~(ENTRY_HAS_TARGET | ENTRY_HAS_EXTENTS | ENTRY_HAS_XATTRS);
    e->xattrs = NULL;
    e->xattr_count = 0;
    e->extents = NULL;
    e->extent_count = 0;
    e->target = (struct vv_span){0};
    e->inode_flags = 0;
    if (e->type == ENTRY_FILE) {
        return open_file(fs, item, arena, ret, problem);
    }
    if (e->type == ENTRY_DIRECTORY) {
        return open_directory(fs, item, arena, problem);
    }
    return open_other(fs, item, arena, problem);
}
