/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Setting attributes, in an order that never grants more than the entry says: owner first (the
 * kernel then takes setuid bits and capabilities away), mode, ACLs and capabilities, flags, times.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

uint32_t
sink_expected_mode(const struct sink_wanted *w, uint32_t uid, uint32_t gid)
{
    bool right = w->owner_known && uid == w->uid && gid == w->gid;

    return right ? w->mode : w->mode & ~06000u;
}

/* Through the descriptor, whatever kind it is. */
static bool
give(const struct sink_object *o, uid_t uid, gid_t gid, int *sys)
{
    if (fchownat(o->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0) {
        return true;
    }
    *sys = errno;
    return false;
}

static enum vv_rc
apply_owner(struct sink *s, const struct sink_wanted *w, struct sink_object *o, struct vv_span path,
            struct vv_error *err)
{
    bool user = o->st.st_uid != w->uid;
    bool group = o->st.st_gid != w->gid;
    bool may_user = sink_capable(s, CAP_CHOWN);
    bool may_group = sink_may_give_group(s, w->gid);
    int sys = EPERM;

    if (!w->owner || (!user && !group)) {
        return VV_OK;
    }
    if ((!user || may_user) && (!group || may_group) && give(o, w->uid, w->gid, &sys)) {
        o->st.st_uid = w->uid;
        o->st.st_gid = w->gid;
    } else if (sys != EPERM && sys != EINVAL && sys != EACCES && sys != ENOTSUP) {
        return sink_error(err, sys, "set the owner of", path);
    } else {
        if (group && may_group && give(o, (uid_t)-1, w->gid, &sys)) {
            o->st.st_gid = w->gid;
        } else if (group) {
            sink_refuse(s, REFUSED_GROUP);
        }
        if (user && may_user && give(o, w->uid, (gid_t)-1, &sys)) {
            o->st.st_uid = w->uid;
        } else if (user) {
            sink_refuse(s, REFUSED_OWNER);
        }
    }
    if ((o->st.st_mode & 06000u) != 0) { /* what the kernel left of them is not known now */
        struct stat st;
        if (fstat(o->fd, &st) == 0) {
            o->st.st_mode = st.st_mode;
        }
    }
    return VV_OK;
}

static enum vv_rc
apply_mode(struct sink *s, struct sink_object *o, uint32_t mode, struct vv_span path,
           struct vv_error *err)
{
    if ((o->st.st_mode & 07777u) == mode) {
        return VV_OK;
    }
    if (sink_object_chmod(o, mode) == 0) {
        o->st.st_mode = (o->st.st_mode & S_IFMT) | mode;
        return VV_OK;
    }
    if (errno == EPERM || errno == EACCES || errno == ENOTSUP || errno == ENOENT) {
        sink_refuse(s, REFUSED_MODE);
        return VV_OK;
    }
    return sink_error(err, errno, "set the permissions of", path);
}

static bool
wants_user_xattrs(const struct sink_wanted *w)
{
    for (uint32_t i = 0; i < w->xattr_count; i++) {
        if (sink_xattr_is_user(w->xattrs[i].name)) {
            return true;
        }
    }
    return false;
}

/* Mode, ACLs and all other extended attributes.  user.* need write permission by the mode, so
 * they come before it; ACLs change the mode, so they come after. */
static enum vv_rc
apply_mode_and_xattrs(struct sink *s, const struct sink_wanted *w, struct sink_object *o,
                      struct vv_span path, struct vv_error *err)
{
    VV_CLEANUP(sink_xattr_names_release) struct sink_xattr_names names = {.heap = NULL};
    uint32_t mode = sink_expected_mode(w, o->st.st_uid, o->st.st_gid);
    uint32_t group_mode = 070;

    VV_TRY(sink_xattr_names(o, path, &names, err));
    if (w->type == ENTRY_SYMLINK) {
        VV_TRY(sink_xattr_write(s, w, o, &names, XATTR_BEFORE_MODE, path, &group_mode, err));
        return sink_xattr_write(s, w, o, &names, XATTR_AFTER_MODE, path, &group_mode, err);
    }
    if ((w->mode & ~mode) != 0) {
        sink_refuse(s, REFUSED_SETID);
    }
    if (names.len > 0 || wants_user_xattrs(w)) {
        if ((o->st.st_mode & 0600u) != 0600u && !sink_capable(s, CAP_DAC_OVERRIDE)) {
            VV_TRY(apply_mode(s, o, (o->st.st_mode & 0777u) | 0600u, path, err));
        }
        VV_TRY(sink_xattr_write(s, w, o, &names, XATTR_BEFORE_MODE, path, &group_mode, err));
    }
    VV_TRY(apply_mode(s, o, mode, path, err));
    if (names.len > 0 || w->xattr_count > 0) {
        VV_TRY(sink_xattr_write(s, w, o, &names, XATTR_AFTER_MODE, path, &group_mode, err));
        if (group_mode != 070 && (mode & 070 & ~group_mode) != 0) {
            VV_TRY(apply_mode(s, o, mode & ~(070u & ~group_mode), path, err));
        }
    }
    return VV_OK;
}

static enum vv_rc
apply_time(struct sink *s, const struct sink_wanted *w, const struct sink_object *o,
           struct vv_span path, struct vv_error *err)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = w->mtime.sec, .tv_nsec = (long)w->mtime.nsec},
    };
    char link[SINK_FD_PATH];
    int rc;

    if (!o->path_only) {
        rc = futimens(o->fd, times);
    } else {
        rc = utimensat(o->fd, "", times, AT_EMPTY_PATH);
        if (rc != 0 && (errno == EINVAL || errno == ENOENT)) { /* before Linux 5.8 */
            sink_fd_path(o->fd, link);
            rc = utimensat(AT_FDCWD, link, times, 0);
        }
    }
    if (rc == 0) {
        return VV_OK;
    }
    if (errno == EPERM || errno == EACCES || errno == ENOENT) {
        sink_refuse(s, REFUSED_TIME);
        return VV_OK;
    }
    return sink_error(err, errno, "set the times of", path);
}

enum vv_rc
sink_apply(struct sink *s, const struct sink_wanted *w, struct sink_object *o, struct vv_span path,
           struct vv_error *err)
{
    uint32_t current = 0;
    bool flags = sink_flags_read(o, &current);

    if (flags && (current & SINK_LATE_FLAGS) != 0) {
        sink_flags_write(s, o, current, current & ~SINK_LATE_FLAGS);
        current &= ~SINK_LATE_FLAGS;
    }
    VV_TRY(apply_owner(s, w, o, path, err));
    VV_TRY(apply_mode_and_xattrs(s, w, o, path, err));
    if (flags) {
        uint32_t wanted = (current & ~INODE_FLAGS_KEPT) | (w->inode_flags & ~SINK_LATE_FLAGS);
        if (wanted != current) {
            sink_flags_write(s, o, current, wanted);
        }
    } else if (w->inode_flags != 0) {
        sink_refuse(s, UNSUPPORTED_FLAGS);
    }
    return apply_time(s, w, o, path, err);
}

enum vv_rc
sink_defer_flags(struct sink *s, struct vv_span path, uint32_t flags, struct vv_error *err)
{
    struct sink_late *late;

    flags &= SINK_LATE_FLAGS;
    if (flags == 0) {
        return VV_OK;
    }
    vv_mutex_lock(&s->lock);
    late = vv_arena_alloc(&s->arena, sizeof(*late) + path.len + 1);
    if (late != NULL) {
        late->flags = flags;
        late->path_len = path.len;
        if (path.len > 0) {
            memcpy(late->path, path.data, path.len);
        }
        late->path[path.len] = '\0';
        late->next = s->late;
        s->late = late;
    }
    vv_mutex_unlock(&s->lock);
    return late != NULL ? VV_OK : vv_error_nomem(err);
}

enum vv_rc
sink_attributes(struct sink *s, const struct entry *e, struct vv_error *err)
{
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};
    struct sink_object o;
    struct sink_wanted w;
    enum sink_existing existing;
    enum vv_rc rc;
    int sys;

    if (s->dry_run) {
        return VV_OK;
    }
    if (s->overwrite == SINK_NEVER) {
        VV_TRY(sink_existing(s, e, &existing, err));
        if (existing == SINK_EQUAL) {
            return VV_OK;
        }
        return sink_kept(err, e->path, "exists and differs");
    }
    if (e->type == ENTRY_DIRECTORY) {
        return sink_directory(s, e, err);
    }
    VV_TRY(sink_locate(s, e->path, &place, err));
    sys = sink_object_open(place.parent->fd, place.name, &o);
    if (sys != 0) {
        return sink_error(err, sys, "open", e->path);
    }
    w = sink_wanted_of(s, e);
    if (sink_type_of(o.st.st_mode) != e->type) {
        rc = sink_error(err, ESTALE, "set the attributes of", e->path);
    } else {
        rc = sink_apply(s, &w, &o, e->path, err);
    }
    vv_fd_close(o.fd);
    VV_TRY(rc);
    return sink_defer_flags(s, e->path, w.inode_flags, err);
}
