/* SPDX-License-Identifier: BSD-2-Clause */
/* The directories of a local repository, kept open. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storage/local_internal.h"

enum { OPEN_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* openat(2) without EINTR; negative errno on failure. */
static int
open_directory(int parent, const char *name, int flags)
{
    int fd;
    do {
        fd = openat(parent, name, flags);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* Look ${key} up, -1 if it is not there.  Mutex held. */
static int
find(const struct local *l, const char key[STORAGE_LAYOUT_NAME])
{
    for (size_t i = 0; i < l->cached_count; i++) {
        const struct local_cached *c = &l->cached[i];
        if (!c->stale && memcmp(c->name, key, STORAGE_LAYOUT_NAME) == 0) {
            return c->fd;
        }
    }
    return -1;
}

/* Put ${fd} into the cache if there is room; takes it over in any case. */
static struct local_directory
keep(struct local *l, const char *name, size_t len, int fd)
{
    struct local_directory d = {.fd = fd, .owned = true};
    char key[STORAGE_LAYOUT_NAME] = {0};
    if (len >= sizeof(key)) {
        return d;
    }
    memcpy(key, name, len);
    vv_mutex_lock(&l->mutex);
    int other = find(l, key);
    if (other < 0 && l->cached_count < LOCAL_CACHED_DIRECTORIES) {
        struct local_cached *c = &l->cached[l->cached_count++];
        memcpy(c->name, key, sizeof(key));
        c->fd = fd;
        c->stale = false;
        d.owned = false;
    }
    vv_mutex_unlock(&l->mutex);
    if (other >= 0) {
        vv_fd_close(fd);
        d = (struct local_directory){.fd = other};
    }
    return d;
}

/* Turn a failed opening of a directory below the root into an error. */
static enum vv_rc
explain(struct local *l, int parent, const char *leaf, const char *name, int sys,
        struct vv_error *err)
{
    struct stat st;
    if (sys == ENOTDIR && fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode)) {
        vv_error_set(err, VV_EIO, "'%s/%s' is a symbolic link, not a directory", l->path, name);
        vv_error_hint(err, "inside a repository links are not followed; mount the whole repository "
                           "where there is room");
        return VV_EIO;
    }
    return local_error(l, err, sys, "open directory", name);
}

enum vv_rc
local_directory_open(struct local *l, const char *name, size_t len, struct local_directory *ret,
                     struct vv_error *err)
{
    char path[STORAGE_NAME_MAX + 1] = "";
    if (len >= sizeof(path)) {
        return vv_error_set(err, VV_EUSAGE, "directory name too long");
    }
    memcpy(path, name, len);
    path[len] = '\0';
    if (len < STORAGE_LAYOUT_NAME) {
        char key[STORAGE_LAYOUT_NAME] = {0};
        memcpy(key, name, len);
        vv_mutex_lock(&l->mutex);
        int fd = find(l, key);
        vv_mutex_unlock(&l->mutex);
        if (fd >= 0) {
            *ret = (struct local_directory){.fd = fd};
            return VV_OK;
        }
    }
    if (len == 0) {
        int fd = open_directory(AT_FDCWD, l->path, OPEN_FLAGS);
        if (fd < 0) {
            return local_error(l, err, -fd, "open directory", "");
        }
        *ret = keep(l, "", 0, fd);
        return VV_OK;
    }
    /* at most two levels: the depth of names is bounded */
    VV_CLEANUP(local_directory_releasep) struct local_directory parent = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_of(l, path, &parent, err));
    const char *leaf = storage_leaf(path);
    int fd = open_directory(parent.fd, leaf, OPEN_FLAGS | O_NOFOLLOW);
    if (fd < 0) {
        return explain(l, parent.fd, leaf, path, -fd, err);
    }
    *ret = keep(l, path, len, fd);
    return VV_OK;
}

enum vv_rc
local_directory_of(struct local *l, const char *object, struct local_directory *ret,
                   struct vv_error *err)
{
    return local_directory_open(l, object, storage_directory_len(object), ret, err);
}

enum vv_rc
local_directory_begin_sync(struct local *l, const struct local_directory *d, const char *object,
                           int *ret_fd, struct vv_error *err)
{
    int fd;
    do {
        fd = l->calls->open(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return local_error(l, err, errno, "open the directory of", object);
    }
    *ret_fd = fd;
    return VV_OK;
}

int
local_directory_sync(struct local *l, int fd)
{
    if (l->calls->fsync(fd) == 0) {
        return 0;
    }
    if (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS) {
        atomic_store(&l->no_directory_sync, true);
        return 0;
    }
    return errno;
}

void
local_directory_forget_all(struct local *l)
{
    vv_mutex_lock(&l->mutex);
    for (size_t i = 0; i < l->cached_count; i++) {
        l->cached[i].stale = true;
    }
    vv_mutex_unlock(&l->mutex);
}

void
local_directory_close_all(struct local *l)
{
    for (size_t i = 0; i < l->cached_count; i++) {
        vv_fd_close(l->cached[i].fd);
    }
    l->cached_count = 0;
}
