/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A repository in a directory: reading, listing, removing.  Everything is relative to descriptors
 * of the directories, so renaming the root or changing the working directory does no harm.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/random.h"
#include "storage/local_internal.h"

static int
system_open(int directory, const char *name, int flags, mode_t mode)
{
    return openat(directory, name, flags, mode);
}

static int
system_link(int from_directory, const char *from, int to_directory, const char *to)
{
    return linkat(from_directory, from, to_directory, to, 0);
}

static int
system_unlink(int directory, const char *name)
{
    return unlinkat(directory, name, 0);
}

const struct local_calls local_system_calls = {
    .open = system_open,
    .write = write,
    .fsync = fsync,
    .close = close,
    .link = system_link,
    .unlink = system_unlink,
    .renameat2 = renameat2,
};

void
storage_local_set_calls(struct storage *s, const struct local_calls *calls)
{
    ((struct local *)s)->calls = calls;
}

/* The category of errno ${sys}, where the general one, ${rc}, is too coarse for a repository. */
static enum vv_rc
category(int sys, enum vv_rc rc)
{
    switch (sys) {
    case ESTALE:
    case EAGAIN:
    case EINTR:
    case EBUSY:
    case ETIMEDOUT:
    case ENOTCONN:
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case ENOLCK:
    case ENFILE:
        return VV_ETRANSIENT;
    case EFBIG: /* a limit on the size of files is a quota */
        return VV_ENOSPACE;
    default:
        return rc;
    }
}

enum vv_rc
local_error(struct local *l, struct vv_error *err, int sys, const char *action, const char *name)
{
    if (sys == ESTALE) {
        local_directory_forget_all(l);
    }
    const char *slash = name[0] == '\0' ? "" : "/";
    enum vv_rc rc =
        category(sys, vv_error_sys(err, sys, "cannot %s '%s%s%s'", action, l->path, slash, name));
    if (err != NULL) {
        err->rc = rc;
    }
    if (sys == EACCES || sys == EPERM) {
        vv_error_hint(err, "check who owns '%s' and whether this user may write there", l->path);
    } else if (sys == EMFILE) {
        vv_error_hint(err, "this process has too many files open: raise its limit (ulimit -n)");
    } else if (sys == EROFS) {
        vv_error_hint(err, "the file system is mounted read-only");
    }
    return rc;
}

static enum vv_rc
not_a_file(struct local *l, const char *name, struct vv_error *err)
{
    return vv_error_set(err, VV_EIO, "'%s/%s' is not a regular file", l->path, name);
}

/* What stat says of object ${name}: a directory is no object, anything else odd is an error. */
static enum vv_rc
check_type(struct local *l, const char *name, const struct stat *st, struct vv_error *err)
{
    if (S_ISREG(st->st_mode)) {
        return VV_OK;
    }
    if (S_ISDIR(st->st_mode)) {
        return vv_error_set(err, VV_ENOTFOUND, "'%s/%s' is a directory", l->path, name);
    }
    return not_a_file(l, name, err);
}

/* Open an object for reading. */
static enum vv_rc
object_open(struct local *l, const char *name, int *ret_fd, struct stat *ret_st,
            struct vv_error *err)
{
    VV_CLEANUP(local_directory_releasep) struct local_directory directory = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_of(l, name, &directory, err));
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    do { /* O_NONBLOCK: a FIFO must not stop us */
        fd = openat(directory.fd, storage_leaf(name),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        bool odd = errno == ELOOP || errno == ENXIO; /* a symbolic link, a socket */
        return odd ? not_a_file(l, name, err) : local_error(l, err, errno, "open", name);
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return local_error(l, err, errno, "examine", name);
    }
    VV_TRY(check_type(l, name, &st, err));
    *ret_fd = fd;
    *ret_st = st;
    fd = -1;
    return VV_OK;
}

static enum vv_rc
local_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
           size_t *ret_len, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    struct stat st;
    VV_TRY(object_open(l, name, &fd, &st, err));
    uint64_t size = (uint64_t)st.st_size;
    uint64_t there = offset < size ? size - offset : 0;
    size_t want = len < there ? len : (size_t)there;
    size_t done = 0;
    while (done < want) {
        ssize_t n = pread(fd, buf + done, want - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return local_error(l, err, errno, "read", name);
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_len = done;
    return VV_OK;
}

static enum vv_rc
local_size(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(local_directory_releasep) struct local_directory directory = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_of(l, name, &directory, err));
    struct stat st;
    if (fstatat(directory.fd, storage_leaf(name), &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return local_error(l, err, errno, "examine", name);
    }
    VV_TRY(check_type(l, name, &st, err));
    *ret = (uint64_t)st.st_size;
    return VV_OK;
}

static void
closedirp(DIR **dir)
{
    if (*dir != NULL) {
        closedir(*dir);
    }
}

/* Open ${directory} for reading its names, from the start and for this call alone. */
static enum vv_rc
open_listing(struct local *l, const char *directory, DIR **ret, struct vv_error *err)
{
    VV_CLEANUP(local_directory_releasep) struct local_directory d = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_open(l, directory, strlen(directory), &d, err));
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    do {
        fd = openat(d.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        return local_error(l, err, errno, "list", directory);
    }
    fd = -1; /* closedir closes it */
    *ret = dir;
    return VV_OK;
}

static enum vv_rc
local_list(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
           struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(closedirp) DIR *dir = NULL;
    VV_TRY(open_listing(l, directory, &dir, err));
    assert(dir != NULL);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? VV_OK : local_error(l, err, errno, "list", directory);
        }
        if (entry->d_type == DT_DIR) {
            continue;
        }
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) {
                continue; /* removed since: it need not be listed */
            }
            return local_error(l, err, errno, "examine the entries of", directory);
        }
        if (!S_ISDIR(st.st_mode)) {
            VV_TRY(fn(ctx, entry->d_name, (uint64_t)st.st_size, err));
        }
    }
}

/* Remove object ${name} of the directory that is open as ${fd}; not durable yet. */
static enum vv_rc
unlink_object(struct local *l, int fd, const char *name, struct vv_error *err)
{
    if (l->calls->unlink(fd, storage_leaf(name)) == 0) {
        return VV_OK;
    }
    if (errno == EISDIR) {
        return vv_error_set(err, VV_ENOTFOUND, "'%s/%s' is a directory", l->path, name);
    }
    return local_error(l, err, errno, "remove", name);
}

static enum vv_rc
local_remove(struct storage *s, const char *name, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(local_directory_releasep) struct local_directory directory = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_of(l, name, &directory, err));
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    VV_TRY(local_directory_begin_sync(l, &directory, name, &fd, err));
    VV_TRY(unlink_object(l, fd, name, err));
    int sys = local_directory_sync(l, fd);
    return sys == 0 ? VV_OK : local_error(l, err, sys, "make durable the removal of", name);
}

static enum vv_rc
local_remove_many(struct storage *s, const char *const *names, size_t count, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(local_directory_releasep) struct local_directory directory = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_of(l, names[0], &directory, err));
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    VV_TRY(local_directory_begin_sync(l, &directory, names[0], &fd, err));
    for (size_t i = 0; i < count; i++) {
        enum vv_rc rc = unlink_object(l, fd, names[i], err);
        if (rc != VV_ENOTFOUND) {
            VV_TRY(rc);
        }
        vv_error_clear(err);
    }
    int sys = local_directory_sync(l, fd);
    return sys == 0 ? VV_OK
                    : local_error(l, err, sys, "make durable removals like that of", names[0]);
}

static enum vv_rc
local_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(local_directory_releasep) struct local_directory root = LOCAL_NO_DIRECTORY;
    VV_TRY(local_directory_open(l, "", 0, &root, err));
    struct statvfs st;
    if (fstatvfs(root.fd, &st) != 0) {
        return local_error(l, err, errno, "ask for the free space of", "");
    }
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    return VV_OK;
}

static bool
local_identity(struct storage *s, uint64_t *ret_device, uint64_t *ret_inode)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(local_directory_releasep) struct local_directory root = LOCAL_NO_DIRECTORY;
    struct stat st;
    if (local_directory_open(l, "", 0, &root, NULL) != VV_OK || fstat(root.fd, &st) != 0) {
        return false;
    }
    *ret_device = st.st_dev;
    *ret_inode = st.st_ino;
    return true;
}

static void
local_uncache(struct storage *s, const char *name)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    struct stat st;
    if (object_open(l, name, &fd, &st, NULL) == VV_OK) {
        (void)fdatasync(fd); /* dirty pages cannot be dropped */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
}

static void
local_set_session(struct storage *s, const char *session_text)
{
    struct local *l = (struct local *)s;
    vv_mutex_lock(&l->mutex);
    snprintf(l->session, sizeof(l->session), "%s", session_text);
    vv_mutex_unlock(&l->mutex);
}

static void
local_free(struct storage *s)
{
    struct local *l = (struct local *)s;
    local_directory_close_all(l);
    vv_mutex_release(&l->mutex);
    vv_free(l->path);
    vv_free(l);
}

static const struct storage_ops local_ops = {
    .scheme = "local",
    .publish = local_publish,
    .read = local_read,
    .size = local_size,
    .list = local_list,
    .remove = local_remove,
    .remove_many = local_remove_many,
    .make_layout = local_make_layout,
    .complete_layout = local_complete_layout,
    .abilities = local_abilities,
    .free = local_free,
    .space = local_space,
    .local_identity = local_identity,
    .uncache = local_uncache,
    .set_session = local_set_session,
};

/* Drop empty and "." components of an absolute path: "/a//b/./" is "/a/b". */
static void
drop_dots(struct vv_buf *path)
{
    size_t to = 0;
    for (size_t at = 0; at < path->len;) {
        size_t end = at + 1; /* at a slash: a component is what follows */
        while (end < path->len && path->data[end] != '/') {
            end++;
        }
        if (end - at > 1 && !(end - at == 2 && path->data[at + 1] == '.')) {
            memmove(path->data + to, path->data + at, end - at);
            to += end - at;
        }
        at = end;
    }
    path->len = to > 0 ? to : 1;
}

/* ${path} as an absolute one without slashes at the end and components that say nothing; links, and
 * "..", are not resolved, as it need not exist. */
static enum vv_rc
absolute(const char *path, char **ret, struct vv_error *err)
{
    char cwd[4096] = "";
    if (path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL) {
        return vv_error_sys(err, errno, "cannot find out the working directory for '%s'", path);
    }
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    if (path[0] != '/') {
        vv_buf_printf(&text, "%s/", strcmp(cwd, "/") == 0 ? "" : cwd);
    }
    vv_buf_put_text(&text, path);
    if (!text.failed) {
        drop_dots(&text);
    }
    char *copy = text.failed ? NULL : vv_memdup(text.data, text.len);
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    *ret = copy;
    return VV_OK;
}

enum vv_rc
storage_local_new(const char *path, struct storage **ret, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) char *whole = NULL;
    enum vv_rc rc = path[0] == '\0' ? vv_error_set(err, VV_EUSAGE, "the repository's path is empty")
                                    : absolute(path, &whole, err);
    struct local *l = rc == VV_OK ? vv_alloc_array(1, sizeof(*l)) : NULL;
    if (rc == VV_OK && l == NULL) {
        rc = vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    l->calls = &local_system_calls;
    l->path = TAKE(whole);
    l->base = (struct storage){.ops = &local_ops, .url = l->path};
    vv_mutex_init(&l->mutex);
    uint8_t random[8];
    vv_random(random, sizeof(random));
    memcpy(l->session, "unnamed-", 8);
    vv_hex(l->session + 8, random, sizeof(random));
    *ret = &l->base;
    return VV_OK;
}
