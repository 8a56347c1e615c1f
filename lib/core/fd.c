/* SPDX-License-Identifier: BSD-2-Clause */
/* Complete reads and writes on descriptors, and locks (the vv_fd_ and lock part of file.h). */
#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

void
vv_fd_close(int fd)
{
    if (fd >= 0) {
        /* Callers are often about to report errno.  EINTR closes, too: never try again. */
        int saved = errno;
        (void)close(fd);
        errno = saved;
    }
}

/* One read at ${offset}, or at the file position if ${offset} is negative. */
static ssize_t
read_once(int fd, void *buf, size_t len, off_t offset)
{
    ssize_t n;

    do {
        n = offset < 0 ? read(fd, buf, len) : pread(fd, buf, len, offset);
    } while (n < 0 && errno == EINTR);
    return n;
}

static enum vv_rc
read_full(int fd, uint8_t *buf, size_t len, off_t offset, const char *name, size_t *ret_len,
          struct vv_error *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read_once(fd, buf + done, len - done, offset < 0 ? -1 : offset + (off_t)done);
        if (n < 0) {
            return vv_error_sys(err, errno, "cannot read '%s'", name);
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
write_full(int fd, const uint8_t *buf, size_t len, off_t offset, const char *name,
           struct vv_error *err)
{
    while (len > 0) {
        ssize_t n = offset < 0 ? write(fd, buf, len) : pwrite(fd, buf, len, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return vv_error_sys(err, n < 0 ? errno : EIO, "cannot write '%s'", name);
        }
        buf += n;
        len -= (size_t)n;
        if (offset >= 0) {
            offset += n;
        }
    }
    return VV_OK;
}

/* Whether ${len} bytes at ${offset} are within what off_t can say. */
static bool
range_fits(uint64_t offset, size_t len)
{
    return offset <= INT64_MAX && len <= (uint64_t)INT64_MAX - offset;
}

bool
vv_fd_is(int fd, const char *text, const char **ret_rest)
{
    char *end;
    uintmax_t device = strtoumax(text, &end, 10);
    uintmax_t inode = 0;
    struct stat st;

    if (end == text || *end != ':') {
        return false;
    }
    text = end + 1;
    inode = strtoumax(text, &end, 10);
    if (end == text || fstat(fd, &st) != 0 || device != st.st_dev || inode != st.st_ino) {
        return false;
    }
    if (ret_rest != NULL) {
        *ret_rest = end;
    }
    return true;
}

enum vv_rc
vv_fd_read_full(int fd, void *buf, size_t len, const char *name, size_t *ret_len,
                struct vv_error *err)
{
    return read_full(fd, buf, len, -1, name, ret_len, err);
}

enum vv_rc
vv_fd_pread_full(int fd, void *buf, size_t len, uint64_t offset, const char *name, size_t *ret_len,
                 struct vv_error *err)
{
    if (!range_fits(offset, len)) {
        return vv_error_sys(err, EOVERFLOW, "cannot read '%s'", name);
    }
    return read_full(fd, buf, len, (off_t)offset, name, ret_len, err);
}

enum vv_rc
vv_fd_write_full(int fd, const void *buf, size_t len, const char *name, struct vv_error *err)
{
    return write_full(fd, buf, len, -1, name, err);
}

enum vv_rc
vv_fd_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset, const char *name,
                  struct vv_error *err)
{
    if (!range_fits(offset, len)) {
        return vv_error_sys(err, EFBIG, "cannot write '%s'", name);
    }
    return write_full(fd, buf, len, (off_t)offset, name, err);
}

enum vv_rc
vv_file_lock(int fd, bool wait, bool *ret_got, struct vv_error *err)
{
    int rc;

    do {
        rc = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EWOULDBLOCK) {
        return vv_error_sys(err, errno, "cannot lock file");
    }
    *ret_got = rc == 0;
    return VV_OK;
}
