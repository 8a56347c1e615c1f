/* SPDX-License-Identifier: BSD-2-Clause */

/* An existing entry of the target, opened for looking at it or for setting its attributes. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

/* fchmodat2 came with Linux 6.6; older headers do not name it.  The number is the same everywhere.
 */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

enum entry_type
sink_type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return ENTRY_FILE;
    case S_IFDIR:
        return ENTRY_DIRECTORY;
    case S_IFLNK:
        return ENTRY_SYMLINK;
    case S_IFIFO:
        return ENTRY_FIFO;
    case S_IFCHR:
        return ENTRY_CHARACTER_DEVICE;
    case S_IFBLK:
        return ENTRY_BLOCK_DEVICE;
    default: /* sockets have no number */
        return (enum entry_type)0;
    }
}

void
sink_fd_path(int fd, char out[SINK_FD_PATH])
{
    (void)snprintf(out, SINK_FD_PATH, "/proc/self/fd/%d", fd);
}

/* Opens for reading where that has no side effects; ${*path_only} otherwise. */
static int
open_by_type(int parent, const char *name, mode_t mode, bool *path_only)
{
    int flags = O_NOFOLLOW | O_CLOEXEC;
    int fd = -1;

    *path_only = false;
    if (S_ISREG(mode)) {
        fd = openat(parent, name, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME);
        if (fd < 0 && errno == EPERM) {
            fd = openat(parent, name, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY);
        }
    } else if (S_ISDIR(mode)) {
        fd = openat(parent, name, flags | O_RDONLY | O_DIRECTORY);
    }
    if (fd < 0 && ((!S_ISREG(mode) && !S_ISDIR(mode)) || errno == EACCES)) {
        *path_only = true;
        fd = openat(parent, name, flags | O_PATH);
    }
    return fd;
}

int
sink_object_open(int parent, const char *name, struct sink_object *ret)
{
    struct stat before;
    struct stat after;
    bool path_only;
    int fd;

    if (fstatat(parent, name, &before, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    fd = open_by_type(parent, name, before.st_mode, &path_only);
    if (fd < 0) {
        return errno == ELOOP || errno == ENOTDIR || errno == ENXIO ? ESTALE : errno;
    }
    if (fstat(fd, &after) != 0 || after.st_ino != before.st_ino || after.st_dev != before.st_dev ||
        (after.st_mode & S_IFMT) != (before.st_mode & S_IFMT)) {
        vv_fd_close(fd);
        return ESTALE;
    }
    *ret = (struct sink_object){.fd = fd, .path_only = path_only, .st = after};
    return 0;
}

int
sink_object_chmod(const struct sink_object *o, uint32_t mode)
{
    char path[SINK_FD_PATH];

    if (!o->path_only) {
        return fchmod(o->fd, mode);
    }
    if (syscall(SYS_fchmodat2, o->fd, "", mode, AT_EMPTY_PATH) == 0) {
        return 0;
    }
    if (errno != ENOSYS && errno != EPERM) {
        return -1;
    }
    sink_fd_path(o->fd, path);
    return chmod(path, mode);
}
