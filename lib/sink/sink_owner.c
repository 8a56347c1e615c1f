/* SPDX-License-Identifier: BSD-2-Clause */

/* Owners: names to numbers, and what this process may give away. */

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "sink/sink_internal.h"

enum vv_rc
sink_rights_init(struct sink *s, struct vv_error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    int count;

    s->uid = geteuid();
    s->gid = getegid();
    if (syscall(SYS_capget, &header, data) == 0) {
        s->capabilities = data[0].effective | (uint64_t)data[1].effective << 32;
    } else if (s->uid == 0) {
        s->capabilities = UINT64_MAX;
    }
    count = getgroups(0, NULL);
    if (count > 0) {
        s->groups = vv_alloc_array((size_t)count, sizeof(*s->groups));
        if (s->groups == NULL) {
            return vv_error_nomem(err);
        }
        count = getgroups(count, s->groups);
        s->group_count = count > 0 ? (size_t)count : 0;
    }
    return VV_OK;
}

bool
sink_capable(const struct sink *s, unsigned capability)
{
    return (s->capabilities >> capability & 1) != 0;
}

bool
sink_may_give_group(const struct sink *s, uint32_t gid)
{
    if (sink_capable(s, CAP_CHOWN) || gid == s->gid) {
        return true;
    }
    for (size_t i = 0; i < s->group_count; i++) {
        if (s->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

void
sink_names_release(struct sink *s)
{
    for (unsigned i = 0; i < SINK_NAMES; i++) {
        vv_free(s->names[i].name);
    }
    vv_free(s->groups);
}

/* Ask the system; false if it knows no such name. */
static bool
look_up(const char *name, bool group, uint32_t *ret)
{
    size_t size = 4096;
    bool known = false;

    for (;;) {
        char *buffer = vv_alloc(size);
        int rc;
        if (buffer == NULL) {
            return false;
        }
        if (group) {
            struct group entry;
            struct group *found = NULL;
            rc = getgrnam_r(name, &entry, buffer, size, &found);
            known = rc == 0 && found != NULL;
            *ret = known ? entry.gr_gid : 0;
        } else {
            struct passwd entry;
            struct passwd *found = NULL;
            rc = getpwnam_r(name, &entry, buffer, size, &found);
            known = rc == 0 && found != NULL;
            *ret = known ? entry.pw_uid : 0;
        }
        vv_free(buffer);
        if (rc != ERANGE || size >= (16u << 20)) {
            return known;
        }
        size *= 4;
    }
}

/* The number of a user or group, cached; ${number} where the system does not know the name. */
static uint32_t
resolve(struct sink *s, struct vv_span name, bool group, uint32_t number)
{
    struct sink_name *slot;
    char text[LIMIT_NAME + 1u];

    if (name.len == 0 || name.len > LIMIT_NAME || memchr(name.data, 0, name.len) != NULL) {
        return number;
    }
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    vv_mutex_lock(&s->lock);
    slot = &s->names[vv_hash64(name.data, name.len, group) % SINK_NAMES];
    if (slot->name == NULL || slot->group != group || slot->len != name.len ||
        memcmp(slot->name, text, name.len) != 0) {
        vv_free(slot->name);
        slot->known = look_up(text, group, &slot->id);
        slot->group = group;
        slot->len = name.len;
        slot->name = vv_memdup(text, name.len); /* NULL: asked again the next time */
    }
    if (slot->known) {
        number = slot->id;
    }
    vv_mutex_unlock(&s->lock);
    return number;
}

struct sink_wanted
sink_wanted_of(struct sink *s, const struct entry *e)
{
    struct sink_wanted w = {
        .type = e->type,
        .mode = e->mode & 07777u,
        .uid = e->uid,
        .gid = e->gid,
        .inode_flags = e->inode_flags & INODE_FLAGS_KEPT,
        .owner_known = (e->flags & ENTRY_NO_OWNER) == 0,
        .mtime = e->mtime,
        .xattrs = e->xattrs,
        .xattr_count = e->xattr_count,
    };

    if (e->type == ENTRY_SYMLINK) {
        w.mode = 0777;
        w.inode_flags = 0;
    } else if (e->type != ENTRY_FILE && e->type != ENTRY_DIRECTORY) {
        w.inode_flags = 0;
    }
    if (s->inert) {
        w.mode &= ~06000u;
    }
    w.owner = w.owner_known && s->owner != SINK_OWNER_NONE;
    if (s->owner == SINK_OWNER_NAME) {
        w.uid = resolve(s, e->user, false, e->uid);
        w.gid = resolve(s, e->group, true, e->gid);
    }
    return w;
}

bool
sink_owner_right(const struct sink_wanted *w, const struct stat *st)
{
    return w->owner_known && st->st_uid == w->uid && st->st_gid == w->gid;
}
