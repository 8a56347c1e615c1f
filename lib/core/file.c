/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files read whole, written atomically and durably; directories; temporary files. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/random.h"

#define READ_STEP ((size_t)64 * 1024)
#define RANDOM_BYTES 8
/* "." NAME ".tmp-" and the random digits. */
#define TEMP_EXTRA (1 + 5 + 2 * RANDOM_BYTES)
#define TEMP_ATTEMPTS 16

static int
open_retry(int dir, const char *path, int flags, mode_t mode)
{
    int fd;

    do {
        fd = openat(dir, path, flags | O_CLOEXEC | O_NOCTTY, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* Append the rest of ${fd} to ${out}, whose content begins at ${start}. */
static enum vv_rc
read_rest(int fd, const char *path, size_t limit, size_t start, struct vv_buf *out,
          struct vv_error *err)
{
    for (;;) {
        size_t have = out->len - start;
        size_t want = READ_STEP;
        size_t got = 0;

        if (have > limit) {
            return vv_error_set(err, VV_ELIMIT, "'%s' is larger than %zu bytes", path, limit);
        }
        /* One byte beyond the limit is enough to know. */
        if (want > limit - have) {
            want = limit - have + 1;
        }
        VV_TRY(vv_buf_reserve(out, want, err));
        VV_TRY(vv_fd_read_full(fd, out->data + out->len, want, path, &got, err));
        out->len += got;
        if (got < want) {
            return VV_OK;
        }
    }
}

enum vv_rc
vv_file_read(int dir, const char *path, size_t limit, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int fd = open_retry(dir, path, O_RDONLY, 0);
    size_t start = out->len;
    struct stat st;

    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", path);
    }
    /* What stat says is a hint for the buffer, no more. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size <= limit) {
        VV_TRY(vv_buf_reserve(out, (size_t)st.st_size, err));
    }
    enum vv_rc rc = read_rest(fd, path, limit, start, out, err);
    if (rc != VV_OK) {
        out->len = start;
    }
    return rc;
}

/* Where a file is to be put: its directory, held open, and its name there. */
struct place {
    int dir;
    const char *base;
};

static enum vv_rc
place_open(int dir, const char *path, struct place *ret, struct vv_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    VV_CLEANUP(vv_freep) char *parent = NULL;

    if (*base == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
        return vv_error_set(err, VV_EUSAGE, "'%s' does not name a file", path);
    }
    if (slash != NULL) {
        /* "/name" is in "/": keep the slash if there is nothing before it. */
        parent = vv_memdup(path, slash == path ? 1 : (size_t)(slash - path));
        if (parent == NULL) {
            return vv_error_nomem(err);
        }
    }
    int fd = open_retry(dir, parent != NULL ? parent : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open the directory of '%s'", path);
    }
    *ret = (struct place){.dir = fd, .base = base};
    return VV_OK;
}

/* Create an empty temporary file beside ${base} and give its name. */
static int
temp_create(int dir, const char *base, mode_t mode, char ret_name[NAME_MAX + 1])
{
    size_t keep = strnlen(base, NAME_MAX - TEMP_EXTRA);
    int fd = -1;

    for (unsigned i = 0; i < TEMP_ATTEMPTS && fd < 0; i++) {
        uint8_t bytes[RANDOM_BYTES];
        char digits[2 * RANDOM_BYTES + 1];

        vv_random(bytes, sizeof(bytes));
        vv_hex(digits, bytes, sizeof(bytes));
        snprintf(ret_name, NAME_MAX + 1, ".%.*s.tmp-%s", (int)keep, base, digits);
        fd = open_retry(dir, ret_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (fd < 0 && errno != EEXIST) {
            break;
        }
    }
    return fd;
}

/* Write, flush and close.  After a failed fsync the kernel has dropped the dirty pages: a second
 * fsync would report success for lost data, so nothing here is tried again. */
static enum vv_rc
fill_and_close(int fd, struct vv_span data, const char *path, struct vv_error *err)
{
    enum vv_rc rc = vv_fd_write_full(fd, data.data, data.len, path, err);

    if (rc == VV_OK && fsync(fd) != 0) {
        rc = vv_error_sys(err, errno, "cannot flush '%s' to disk", path);
    }
    if (rc != VV_OK) {
        vv_fd_close(fd);
        return rc;
    }
    if (close(fd) != 0 && errno != EINTR) {
        return vv_error_sys(err, errno, "cannot close '%s'", path);
    }
    return VV_OK;
}

/* Give the temporary file its name, which must be free.  0, or an errno value. */
static int
publish_exclusively(const struct place *at, const char *temp)
{
    if (linkat(at->dir, temp, at->dir, at->base, 0) == 0) {
        /* Published; a name left behind is litter, not damage. */
        (void)unlinkat(at->dir, temp, 0);
        return 0;
    }
    int sys = errno;
    if (sys != EPERM && sys != EOPNOTSUPP && sys != ENOSYS && sys != EMLINK) {
        return sys;
    }
    /* A file system without hard links. */
    if (renameat2(at->dir, temp, at->dir, at->base, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    return errno == EEXIST ? EEXIST : sys;
}

static enum vv_rc
fsync_directory(int dir, const char *path, struct vv_error *err)
{
    if (fsync(dir) != 0) {
        return vv_error_sys(err, errno, "cannot flush the directory of '%s' to disk", path);
    }
    return VV_OK;
}

static enum vv_rc
put_file(int dir, const char *path, struct vv_span data, mode_t mode, bool exclusive,
         struct vv_error *err)
{
    char temp[NAME_MAX + 1];
    struct place at;

    VV_TRY(place_open(dir, path, &at, err));
    VV_CLEANUP(vv_fd_closep) int dir_fd = at.dir;
    int fd = temp_create(dir_fd, at.base, mode, temp);
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot create a temporary file for '%s'", path);
    }
    enum vv_rc rc = fill_and_close(fd, data, path, err);
    if (rc == VV_OK) {
        int sys = 0;
        if (exclusive) {
            sys = publish_exclusively(&at, temp);
        } else if (renameat(dir_fd, temp, dir_fd, at.base) != 0) {
            sys = errno;
        }
        if (sys != 0) {
            rc = vv_error_sys(err, sys, "cannot %s '%s'", exclusive ? "create" : "replace", path);
        }
    }
    if (rc != VV_OK) {
        (void)unlinkat(dir_fd, temp, 0);
        return rc;
    }
    return fsync_directory(dir_fd, path, err);
}

enum vv_rc
vv_file_replace(int dir, const char *path, struct vv_span data, mode_t mode, struct vv_error *err)
{
    return put_file(dir, path, data, mode, false, err);
}

enum vv_rc
vv_file_create(int dir, const char *path, struct vv_span data, mode_t mode, struct vv_error *err)
{
    return put_file(dir, path, data, mode, true, err);
}

/* Make the name of the new directory ${path} durable. */
static enum vv_rc
fsync_parent(const char *path, struct vv_error *err)
{
    struct place at;
    struct vv_error why = {0};
    enum vv_rc rc = place_open(AT_FDCWD, path, &at, &why);

    if (rc == VV_EIO && why.sys == EACCES) {
        return VV_OK; /* a parent one may write to but not read cannot be flushed by name */
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    VV_CLEANUP(vv_fd_closep) int fd = at.dir;
    return fsync_directory(fd, path, err);
}

static enum vv_rc
make_one(const char *path, mode_t mode, struct vv_error *err)
{
    struct stat st;

    if (mkdir(path, mode) == 0) {
        return fsync_parent(path, err);
    }
    int sys = errno;
    /* Existing directories may also show as EACCES, EROFS and the like. */
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return VV_OK;
        }
        sys = ENOTDIR;
    }
    return vv_error_sys(err, sys, "cannot create directory '%s'", path);
}

enum vv_rc
vv_mkdir_all(const char *path, mode_t mode, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) char *copy = vv_strdup(path);

    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/') {
        copy[--len] = '\0';
    }
    for (size_t i = 1; i < len; i++) {
        if (copy[i] != '/' || copy[i - 1] == '/') {
            continue;
        }
        copy[i] = '\0';
        VV_TRY(make_one(copy, mode, err));
        copy[i] = '/';
    }
    return make_one(copy, mode, err);
}

enum vv_rc
vv_temp_file(const char *dir_path, int *ret_fd, struct vv_error *err)
{
    char name[NAME_MAX + 1];
    int fd = open_retry(AT_FDCWD, dir_path, O_TMPFILE | O_EXCL | O_RDWR, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        /* A file system without unnamed files. */
        VV_CLEANUP(vv_fd_closep) int dir = open_retry(AT_FDCWD, dir_path, O_PATH | O_DIRECTORY, 0);
        fd = dir >= 0 ? temp_create(dir, "varve", 0600, name) : -1;
        if (fd >= 0 && unlinkat(dir, name, 0) != 0) {
            int sys = errno;
            vv_fd_close(fd);
            errno = sys;
            fd = -1;
        }
    }
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot create a temporary file in '%s'", dir_path);
    }
    *ret_fd = fd;
    return VV_OK;
}

enum vv_rc
vv_memory_file(int *ret_fd, struct vv_error *err)
{
    int fd = memfd_create("varve", MFD_CLOEXEC);

    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot create a temporary file in memory");
    }
    *ret_fd = fd;
    return VV_OK;
}
