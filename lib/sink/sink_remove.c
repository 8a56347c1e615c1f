/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Listing and removing.  Removal is descriptor-relative, follows no link, stays on one file system,
 * and uses a bounded number of descriptors: what lies deeper is first moved up.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

#define OPEN_LEVELS 48u

/* A directory being emptied, and those it was reached through. */
struct level {
    DIR *dir;
    const struct level *top;
    unsigned depth;
};

/* Get write permission to a directory of ours. */
static void
make_writable(int parent, const char *name)
{
    struct sink_object o = {.path_only = true};

    o.fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (o.fd >= 0) {
        (void)sink_object_chmod(&o, 0700);
        vv_fd_close(o.fd);
    }
}

static DIR *
open_level(struct sink *s, int parent, const char *name)
{
    int fd = sink_open_child(s, parent, name);
    struct stat st;
    DIR *dir;
    int sys;

    if (fd < 0 && errno == EACCES) {
        make_writable(parent, name);
        fd = sink_open_child(s, parent, name);
    }
    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700 && st.st_uid == s->uid) {
        (void)fchmod(fd, 0700);
    }
    dir = fdopendir(fd);
    if (dir == NULL) {
        sys = errno;
        vv_fd_close(fd);
        errno = sys;
    }
    return dir;
}

/* Directories yield no longer names than LIMIT_NAME. */
static void
set_name(struct sink_place *place, const char *name)
{
    memcpy(place->name, name, strnlen(name, LIMIT_NAME));
}

/* unlinkat, taking locking flags away if they are in the way; 0 or an errno. */
static int
unlink_at(struct sink *s, int parent, const char *name, int flags)
{
    struct sink_parent p = {.fd = parent};
    struct sink_place place = {.sink = s, .parent = &p};
    uint32_t lock;

    if (unlinkat(parent, name, flags) == 0) {
        return 0;
    }
    if (errno != EPERM) {
        return errno;
    }
    set_name(&place, name);
    if (!sink_unlock(&place, &lock)) {
        return EPERM;
    }
    return unlinkat(parent, name, flags) == 0 ? 0 : errno;
}

static int empty_level(struct sink *s, const struct level *level);

/* Remove the directory ${name} of ${parent} with all that is in it; 0 or an errno. */
static int
remove_directory(struct sink *s, const struct level *parent, int fd, const char *name)
{
    struct level level = {.depth = parent == NULL ? 0 : parent->depth + 1};
    struct sink_parent p = {.fd = fd};
    struct sink_place place = {.sink = s, .parent = &p};
    char temp[SINK_TEMP_NAME];
    uint32_t lock;
    int sys;

    if (level.depth >= OPEN_LEVELS) {
        sink_temp_name(s, temp);
        if (renameat(fd, name, dirfd(parent->top->dir), temp) == 0) {
            return 0; /* met again there */
        }
        if (errno != EACCES) {
            return errno;
        }
        make_writable(fd, name); /* its ".." changes, too */
        return renameat(fd, name, dirfd(parent->top->dir), temp) == 0 ? 0 : errno;
    }
    set_name(&place, name);
    (void)sink_unlock(&place, &lock);
    level.dir = open_level(s, fd, name);
    if (level.dir == NULL) {
        return errno == EXDEV ? EBUSY : errno; /* a mount point */
    }
    level.top = parent == NULL ? &level : parent->top;
    sys = empty_level(s, &level);
    (void)closedir(level.dir);
    return sys != 0 ? sys : unlink_at(s, fd, name, AT_REMOVEDIR);
}

static bool
is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* One pass over a directory; ${*removed} counts. */
static int
empty_once(struct sink *s, const struct level *level, uint64_t *removed)
{
    int fd = dirfd(level->dir);
    struct dirent *d;
    int sys;

    for (;;) {
        if (vv_cancel_check(s->cancel, NULL) != VV_OK) {
            return ECANCELED;
        }
        errno = 0;
        d = readdir(level->dir);
        if (d == NULL) {
            return errno;
        }
        if (is_dots(d->d_name)) {
            continue;
        }
        sys = d->d_type == DT_DIR ? EISDIR : unlink_at(s, fd, d->d_name, 0);
        if (sys == EISDIR) {
            sys = remove_directory(s, level, fd, d->d_name);
        }
        if (sys != 0 && sys != ENOENT) {
            return sys;
        }
        ++*removed;
    }
}

/* Passes until one finds nothing: what was moved up may come behind the reading position. */
static int
empty_level(struct sink *s, const struct level *level)
{
    uint64_t removed;
    int sys;

    do {
        removed = 0;
        rewinddir(level->dir);
        sys = empty_once(s, level, &removed);
    } while (sys == 0 && removed > 0);
    return sys;
}

enum vv_rc
sink_remove(struct sink *s, struct vv_span path, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};
    int sys;

    VV_TRY(vv_cancel_check(s->cancel, err));
    if (s->dry_run) {
        return VV_OK;
    }
    VV_TRY(sink_locate(s, path, &place, err));
    sys = unlink_at(s, place.parent->fd, place.name, 0);
    if (sys == EISDIR) {
        sys = remove_directory(s, NULL, place.parent->fd, place.name);
        sink_parents_forget(s);
    }
    if (sys == ECANCELED) {
        VV_TRY(vv_cancel_check(s->cancel, err));
    }
    return sys == 0 ? VV_OK : sink_error(err, sys, "remove", path);
}

enum vv_rc
sink_list(struct sink *s, struct vv_span directory, sink_list_fn *fn, void *ctx,
          struct vv_error *err)
{
    enum vv_rc rc = VV_OK;
    struct dirent *d;
    DIR *dir;
    int fd = -1;
    int sys;

    if (directory.len > 0 && !path_valid(directory)) {
        return vv_error_set(err, VV_EREFUSED, "a path that is not allowed");
    }
    sys = sink_open_directory(s, directory, O_RDONLY, &fd);
    if (sys != 0) {
        return sink_error(err, sys, "list", directory);
    }
    dir = fdopendir(fd);
    if (dir == NULL) {
        sys = errno;
        vv_fd_close(fd);
        return sink_error(err, sys, "list", directory);
    }
    while (rc == VV_OK) {
        bool is_directory;
        errno = 0;
        d = readdir(dir);
        if (d == NULL) {
            rc = errno == 0 ? VV_OK : sink_error(err, errno, "list", directory);
            break;
        }
        if (is_dots(d->d_name) || sink_temp_is_ours(s, d->d_name)) {
            continue;
        }
        is_directory = d->d_type == DT_DIR;
        if (d->d_type == DT_UNKNOWN) {
            struct stat st;
            is_directory = fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                           S_ISDIR(st.st_mode);
        }
        rc = fn(ctx, vv_span(d->d_name, strlen(d->d_name)), is_directory, err);
    }
    (void)closedir(dir);
    return rc;
}
