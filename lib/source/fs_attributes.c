/* SPDX-License-Identifier: BSD-2-Clause */
/* What stat does not tell: extended attributes, inode flags, a link's target. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

#define FIRST_TRY 1024u   /* enough for nearly everything, on the stack */
#define ATTEMPTS 8u       /* somebody may be adding attributes meanwhile */
#define PROC_PATH_LEN 40u /* "/proc/self/fd/" and a number */

/* An O_PATH descriptor cannot be asked for attributes, but its name in /proc can: following that
 * leads to the very object, also if it is a symbolic link or a device. */
static const char *
proc_path(const struct fs_object *o, char out[PROC_PATH_LEN])
{
    (void)snprintf(out, PROC_PATH_LEN, "/proc/self/fd/%d", o->fd);
    return out;
}

static ssize_t
list_names(const struct fs_object *o, char *buf, size_t size)
{
    char path[PROC_PATH_LEN];
    return o->path_only ? listxattr(proc_path(o, path), buf, size) : flistxattr(o->fd, buf, size);
}

static ssize_t
get_value(const struct fs_object *o, const char *name, void *buf, size_t size)
{
    char path[PROC_PATH_LEN];
    return o->path_only ? getxattr(proc_path(o, path), name, buf, size)
                        : fgetxattr(o->fd, name, buf, size);
}

/* The list of names (each with its NUL) in the arena.  0 or an errno. */
static int
read_names(const struct fs_object *o, struct vv_arena *arena, char **ret, size_t *ret_len)
{
    char first[FIRST_TRY];
    ssize_t len = list_names(o, first, sizeof(first));
    if (len >= 0) {
        *ret = len == 0 ? NULL : vv_arena_copy(arena, first, (size_t)len);
        *ret_len = (size_t)len;
        return len > 0 && *ret == NULL ? ENOMEM : 0;
    }
    for (unsigned i = 0; i < ATTEMPTS && errno == ERANGE; i++) {
        ssize_t need = list_names(o, NULL, 0);
        if (need < 0) {
            break;
        }
        size_t room = (size_t)need + 256;
        *ret = vv_arena_alloc(arena, room);
        if (*ret == NULL) {
            return ENOMEM;
        }
        len = list_names(o, *ret, room);
        if (len >= 0) {
            *ret_len = (size_t)len;
            return 0;
        }
    }
    *ret_len = 0;
    return errno == ENOTSUP ? 0 : errno;
}

/* One value in the arena.  0 or an errno. */
static int
read_value(const struct fs_object *o, const char *name, struct vv_arena *arena, struct vv_span *ret)
{
    char first[FIRST_TRY];
    ssize_t len = get_value(o, name, first, sizeof(first));
    if (len >= 0) {
        const void *copy = vv_arena_copy(arena, first, (size_t)len);
        *ret = vv_span(copy, (size_t)len);
        return copy == NULL ? ENOMEM : 0;
    }
    for (unsigned i = 0; i < ATTEMPTS && errno == ERANGE; i++) {
        ssize_t need = get_value(o, name, NULL, 0);
        if (need < 0) {
            break;
        }
        void *value = vv_arena_alloc(arena, (size_t)need + 1);
        if (value == NULL) {
            return ENOMEM;
        }
        len = get_value(o, name, value, (size_t)need + 1);
        if (len >= 0) {
            *ret = vv_span(value, (size_t)len);
            return 0;
        }
    }
    return errno;
}

static int
compare_xattrs(const void *a, const void *b)
{
    return strcmp((const char *)((const struct xattr *)a)->name.data,
                  (const char *)((const struct xattr *)b)->name.data);
}

int
fs_read_xattrs(const struct fs_object *o, struct vv_arena *arena, struct entry *e)
{
    char *names = NULL;
    size_t len = 0;
    int error = read_names(o, arena, &names, &len);
    if (error != 0 || len == 0) {
        return error;
    }
    size_t count = 0;
    for (size_t at = 0; at < len; at++) {
        count += names[at] == 0 ? 1 : 0;
    }
    struct xattr *xattrs = vv_arena_alloc(arena, count * sizeof(*xattrs));
    if (xattrs == NULL) {
        return ENOMEM;
    }
    uint32_t kept = 0;
    size_t total = 0;
    for (size_t at = 0; at < len; at += strlen(names + at) + 1) {
        struct xattr *x = &xattrs[kept];
        x->name = vv_span(names + at, strlen(names + at));
        int failed = read_value(o, names + at, arena, &x->value);
        if (failed == ENODATA) {
            continue; /* removed just now */
        }
        total += failed == 0 ? x->name.len + x->value.len + 16 : 0;
        if (failed != 0 || total > LIMIT_XATTRS) {
            error = error != 0 ? error : failed != 0 ? failed : E2BIG;
            continue; /* keep the others */
        }
        kept++;
    }
    qsort(xattrs, kept, sizeof(*xattrs), compare_xattrs);
    e->xattrs = xattrs;
    e->xattr_count = kept;
    e->flags |= kept > 0 ? ENTRY_HAS_XATTRS : 0;
    return error;
}

void
fs_read_inode_flags(int fd, struct entry *e)
{
    /* The kernel writes an int, whatever the number of the call says. */
    unsigned long flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        e->inode_flags = (uint32_t)flags & INODE_FLAGS_KEPT;
    }
}

int
fs_read_target(int fd, struct vv_arena *arena, struct entry *e)
{
    char first[FIRST_TRY];
    ssize_t len = readlinkat(fd, "", first, sizeof(first));
    char *target = first;
    for (size_t room = sizeof(first); len >= 0 && (size_t)len == room;) {
        room *= 4;
        if (room > (size_t)2 * LIMIT_TARGET) {
            return ENAMETOOLONG;
        }
        target = vv_arena_alloc(arena, room);
        if (target == NULL) {
            return ENOMEM;
        }
        len = readlinkat(fd, "", target, room);
    }
    if (len < 0) {
        return errno;
    }
    void *copy = target == first ? vv_arena_copy(arena, first, (size_t)len) : target;
    if (copy == NULL) {
        return ENOMEM;
    }
    e->target = vv_span(copy, (size_t)len);
    e->size = (uint64_t)len;
    e->flags |= ENTRY_HAS_TARGET;
    return (size_t)len > LIMIT_TARGET ? ENAMETOOLONG : 0;
}
