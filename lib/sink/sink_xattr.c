/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Extended attributes, ACLs and capabilities among them.  Entries that cannot be opened (links,
 * devices, FIFOs) are reached through /proc/self/fd, whose link leads to the open object itself.
 */

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "core/alloc.h"
#include "sink/sink_internal.h"

#define LIST_MAX 65536u /* the kernel's own limit, like the next */
#define VALUE_MAX 65536u
#define ACL_ACCESS "system.posix_acl_access"

static ssize_t
object_list(const struct sink_object *o, char *buffer, size_t size)
{
    char path[SINK_FD_PATH];

    if (!o->path_only) {
        return flistxattr(o->fd, buffer, size);
    }
    sink_fd_path(o->fd, path);
    return listxattr(path, buffer, size);
}

static ssize_t
object_get(const struct sink_object *o, const char *name, void *value, size_t size)
{
    char path[SINK_FD_PATH];

    if (!o->path_only) {
        return fgetxattr(o->fd, name, value, size);
    }
    sink_fd_path(o->fd, path);
    return getxattr(path, name, value, size);
}

static int
object_set(const struct sink_object *o, const char *name, struct vv_span value)
{
    char path[SINK_FD_PATH];

    if (!o->path_only) {
        return fsetxattr(o->fd, name, value.data, value.len, 0);
    }
    sink_fd_path(o->fd, path);
    return setxattr(path, name, value.data, value.len, 0);
}

static int
object_remove(const struct sink_object *o, const char *name)
{
    char path[SINK_FD_PATH];

    if (!o->path_only) {
        return fremovexattr(o->fd, name);
    }
    sink_fd_path(o->fd, path);
    return removexattr(path, name);
}

static bool
starts(struct vv_span name, const char *prefix)
{
    size_t len = strlen(prefix);

    return name.len >= len && memcmp(name.data, prefix, len) == 0;
}

static bool
is(struct vv_span name, const char *text)
{
    return name.len == strlen(text) && starts(name, text);
}

bool
sink_xattr_is_user(struct vv_span name)
{
    return starts(name, "user.");
}

bool
sink_xattr_removable(struct vv_span name)
{
    return starts(name, "user.") || starts(name, "trusted.") || starts(name, "system.posix_acl_") ||
           is(name, "security.capability");
}

static enum sink_refusal
kind_of(struct vv_span name)
{
    if (starts(name, "user.")) {
        return REFUSED_USER_XATTR;
    }
    if (starts(name, "system.posix_acl_")) {
        return REFUSED_ACL;
    }
    if (is(name, "security.capability")) {
        return REFUSED_CAPABILITY;
    }
    if (starts(name, "security.")) {
        return REFUSED_SECURITY;
    }
    return starts(name, "trusted.") ? REFUSED_TRUSTED : REFUSED_OTHER_XATTR;
}

bool
sink_xattr_expected(const struct sink *s, struct vv_span name, bool owner_right)
{
    enum sink_refusal kind = kind_of(name);

    if (sink_refused(s, kind) || sink_refused(s, UNSUPPORTED_XATTR_SIZE) ||
        sink_refused(s, kind == REFUSED_ACL ? UNSUPPORTED_ACL : UNSUPPORTED_XATTR)) {
        return false;
    }
    if (kind == REFUSED_CAPABILITY) {
        return owner_right && sink_capable(s, CAP_SETFCAP);
    }
    if (kind == REFUSED_SECURITY || kind == REFUSED_TRUSTED) {
        return sink_capable(s, CAP_SYS_ADMIN);
    }
    return true;
}

enum vv_rc
sink_xattr_names(const struct sink_object *o, struct vv_span path, struct sink_xattr_names *ret,
                 struct vv_error *err)
{
    ssize_t n;

    ret->heap = NULL;
    ret->len = 0;
    ret->supported = true;
    n = object_list(o, ret->small, sizeof(ret->small));
    if (n < 0 && errno == ERANGE) {
        ret->heap = vv_alloc(LIST_MAX);
        if (ret->heap == NULL) {
            return vv_error_nomem(err);
        }
        n = object_list(o, ret->heap, LIST_MAX);
    }
    if (n >= 0) {
        ret->len = (size_t)n;
        return VV_OK;
    }
    if (errno == ENOTSUP || (o->path_only && errno == ENOENT)) { /* without /proc the latter */
        ret->supported = false;
        return VV_OK;
    }
    n = errno;
    sink_xattr_names_release(ret);
    return sink_error(err, (int)n, "list the extended attributes of", path);
}

void
sink_xattr_names_release(struct sink_xattr_names *names)
{
    vv_free(names->heap);
    names->heap = NULL;
}

static const char *
names_data(const struct sink_xattr_names *names)
{
    return names->heap != NULL ? names->heap : names->small;
}

static bool
names_have(const struct sink_xattr_names *names, struct vv_span name)
{
    const char *data = names_data(names);

    for (size_t at = 0; at < names->len; at += strlen(data + at) + 1) {
        if (is(name, data + at)) {
            return true;
        }
    }
    return false;
}

static bool
in_phase(struct vv_span name, enum sink_xattr_phase phase)
{
    return sink_xattr_is_user(name) == (phase == XATTR_BEFORE_MODE);
}

/* What a failed change means: counted, or (disk full, I/O error) a failure of the entry. */
static enum vv_rc
change_failed(struct sink *s, const struct sink_object *o, struct vv_span name, int sys,
              struct vv_span path, struct vv_error *err)
{
    struct statvfs vfs;

    switch (sys) {
    case EPERM:
    case EACCES:
        sink_refuse(s, kind_of(name));
        return VV_OK;
    case ENOTSUP:
        sink_refuse(s, kind_of(name) == REFUSED_ACL ? UNSUPPORTED_ACL : UNSUPPORTED_XATTR);
        return VV_OK;
    case ENOENT: /* a link or device, and no /proc */
        if (!o->path_only) {
            break;
        }
        sink_refuse(s, UNSUPPORTED_XATTR);
        return VV_OK;
    case ENOSPC: /* usually the room one inode has for them, not the disk */
        if (fstatvfs(o->fd, &vfs) == 0 && vfs.f_bavail == 0) {
            break;
        }
        sink_refuse(s, UNSUPPORTED_XATTR_SIZE);
        return VV_OK;
    case E2BIG:
    case ERANGE:
    case EINVAL:
        sink_refuse(s, UNSUPPORTED_XATTR_SIZE);
        return VV_OK;
    default:
        break;
    }
    return sink_error(err, sys, "set an extended attribute of", path);
}

/* The rights an ACL gives the owning group itself; all if the bytes are not understood.  The mode's
 * group bits are the mask: without the ACL they would grant the group too much. */
static uint32_t
acl_group_rights(struct vv_span acl)
{
    for (size_t at = 4; at + 8 <= acl.len; at += 8) {
        if (acl.data[at] == 0x04 && acl.data[at + 1] == 0) {
            return acl.data[at + 2] & 7u;
        }
    }
    return 7u;
}

static bool
has_value(const struct sink_object *o, const char *name, struct vv_span value)
{
    uint8_t small[1024];
    VV_CLEANUP(vv_freep) uint8_t *heap = NULL;
    uint8_t *buffer = small;
    ssize_t n;

    if (value.len + 1 > sizeof(small)) {
        heap = vv_alloc(value.len + 1);
        if (heap == NULL) {
            return false; /* then it is set again */
        }
        buffer = heap;
    }
    n = object_get(o, name, buffer, value.len + 1);
    return n >= 0 && (size_t)n == value.len &&
           (value.len == 0 || memcmp(buffer, value.data, value.len) == 0);
}

static enum vv_rc
write_one(struct sink *s, const struct sink_wanted *w, const struct sink_object *o,
          const struct sink_xattr_names *names, const struct xattr *x, struct vv_span path,
          uint32_t *group_mode, struct vv_error *err)
{
    char name[LIMIT_NAME + 1u];
    bool set = false;

    if (x->name.len == 0 || x->name.len > LIMIT_NAME ||
        memchr(x->name.data, 0, x->name.len) != NULL) {
        sink_refuse(s, UNSUPPORTED_XATTR);
        return VV_OK;
    }
    memcpy(name, x->name.data, x->name.len);
    name[x->name.len] = '\0';
    if (kind_of(x->name) == REFUSED_CAPABILITY && !sink_owner_right(w, &o->st)) {
        sink_refuse(s, REFUSED_CAPABILITY);
    } else if (!names->supported) {
        sink_refuse(s, kind_of(x->name) == REFUSED_ACL ? UNSUPPORTED_ACL : UNSUPPORTED_XATTR);
    } else if (names_have(names, x->name) && has_value(o, name, x->value)) {
        set = true;
    } else if (object_set(o, name, x->value) == 0) {
        set = true;
    } else {
        VV_TRY(change_failed(s, o, x->name, errno, path, err));
    }
    if (!set && is(x->name, ACL_ACCESS)) {
        *group_mode = acl_group_rights(x->value) << 3;
    }
    return VV_OK;
}

enum vv_rc
sink_xattr_write(struct sink *s, const struct sink_wanted *w, const struct sink_object *o,
                 const struct sink_xattr_names *names, enum sink_xattr_phase phase,
                 struct vv_span path, uint32_t *group_mode, struct vv_error *err)
{
    const char *data = names_data(names);

    for (size_t at = 0; at < names->len; at += strlen(data + at) + 1) {
        struct vv_span name = vv_span(data + at, strlen(data + at));
        bool keep = !sink_xattr_removable(name) || !in_phase(name, phase);
        for (uint32_t i = 0; i < w->xattr_count && !keep; i++) {
            keep = is(w->xattrs[i].name, data + at);
        }
        if (!keep && object_remove(o, data + at) != 0 && errno != ENODATA) {
            VV_TRY(change_failed(s, o, name, errno, path, err));
        }
    }
    for (uint32_t i = 0; i < w->xattr_count; i++) {
        if (in_phase(w->xattrs[i].name, phase)) {
            VV_TRY(write_one(s, w, o, names, &w->xattrs[i], path, group_mode, err));
        }
    }
    return VV_OK;
}

static int
xattr_order(const struct xattr *a, const struct xattr *b)
{
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.data, b->name.data, len);

    return order != 0 ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

/* Insertion sort: there are few. */
static void
insert_sorted(struct xattr *all, uint32_t count, struct xattr x)
{
    while (count > 0 && xattr_order(&x, &all[count - 1]) < 0) {
        all[count] = all[count - 1];
        count--;
    }
    all[count] = x;
}

enum vv_rc
sink_xattr_read(const struct sink_object *o, struct vv_arena *arena, struct entry *e,
                struct vv_error *err)
{
    VV_CLEANUP(sink_xattr_names_release) struct sink_xattr_names names = {.heap = NULL};
    VV_CLEANUP(vv_freep) uint8_t *value = NULL;
    const char *data;
    uint32_t count = 0;
    struct xattr *all;

    VV_TRY(sink_xattr_names(o, e->path, &names, err));
    if (!names.supported) {
        e->flags |= SINK_NO_XATTRS;
    }
    if (names.len == 0) {
        return VV_OK;
    }
    data = names_data(&names);
    for (size_t at = 0; at < names.len; at += strlen(data + at) + 1) {
        count++;
    }
    all = vv_arena_alloc(arena, count * sizeof(*all));
    value = vv_alloc(VALUE_MAX);
    if (all == NULL || value == NULL) {
        return vv_error_nomem(err);
    }
    count = 0;
    for (size_t at = 0; at < names.len; at += strlen(data + at) + 1) {
        struct xattr x = {.name = {.len = strlen(data + at)}};
        ssize_t n = object_get(o, data + at, value, VALUE_MAX);
        if (n < 0 && (errno == ENODATA || errno == EPERM || errno == EACCES || errno == ENOTSUP)) {
            continue; /* gone, or not for us */
        }
        if (n < 0) {
            return sink_error(err, errno, "read an extended attribute of", e->path);
        }
        x.value.len = (size_t)n;
        x.name.data = vv_arena_copy(arena, data + at, x.name.len);
        x.value.data = vv_arena_copy(arena, value, x.value.len);
        if (x.name.data == NULL || x.value.data == NULL) {
            return vv_error_nomem(err);
        }
        insert_sorted(all, count++, x);
    }
    e->xattrs = all;
    e->xattr_count = count;
    e->flags |= count > 0 ? ENTRY_HAS_XATTRS : 0;
    return VV_OK;
}
