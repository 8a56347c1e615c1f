/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of users and groups by number, asked once each: the name service can be slow. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

#define NAME_BUFFER_MOST ((size_t)1 << 20)

struct fs_name {
    uint32_t id;
    bool group;
    size_t len;
    char text[];
};

void
fs_names_init(struct fs_names *n)
{
    *n = (struct fs_names){0};
    vv_mutex_init(&n->lock);
}

void
fs_names_release(struct fs_names *n)
{
    for (size_t i = 0; i < n->size; i++) {
        vv_free(n->table[i]);
    }
    vv_free(n->table);
    vv_mutex_release(&n->lock);
}

/* The slot that holds (id, group), or the empty one it would go to. */
static size_t
slot_of(struct fs_name *const *table, size_t size, uint32_t id, bool group)
{
    size_t at = (id * 0x9e3779b1u ^ (group ? 0x5bd1e995u : 0u)) & (size - 1);
    while (table[at] != NULL && (table[at]->id != id || table[at]->group != group)) {
        at = (at + 1) & (size - 1);
    }
    return at;
}

static bool
make_room(struct fs_names *n)
{
    if (n->size > 0 && n->count * 2 < n->size) {
        return true;
    }
    size_t size = n->size == 0 ? 64 : n->size * 2;
    struct fs_name **table = vv_alloc_array(size, sizeof(struct fs_name *));
    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < n->size; i++) {
        if (n->table[i] != NULL) {
            table[slot_of(table, size, n->table[i]->id, n->table[i]->group)] = n->table[i];
        }
    }
    vv_free(n->table);
    n->table = table;
    n->size = size;
    return true;
}

/* Ask the name service into ${buffer}; *ret NULL: no such number.  An errno. */
static int
ask_service(uint32_t id, bool group, char *buffer, size_t size, const char **ret)
{
    int result;
    *ret = NULL;
    if (group) {
        struct group entry;
        struct group *found = NULL;
        result = getgrgid_r(id, &entry, buffer, size, &found);
        *ret = result == 0 && found != NULL ? found->gr_name : NULL;
    } else {
        struct passwd entry;
        struct passwd *found = NULL;
        result = getpwuid_r(id, &entry, buffer, size, &found);
        *ret = result == 0 && found != NULL ? found->pw_name : NULL;
    }
    return result;
}

/* A new record; with an empty name if the service knows none.  NULL: out of memory. */
static struct fs_name *
ask(uint32_t id, bool group)
{
    VV_CLEANUP(vv_freep) char *buffer = NULL;
    const char *text = NULL;
    for (size_t size = 4096; size <= NAME_BUFFER_MOST; size *= 4) {
        vv_free(buffer);
        buffer = vv_alloc(size);
        if (buffer == NULL) {
            return NULL;
        }
        int result = ask_service(id, group, buffer, size, &text);
        if (result != ERANGE && result != EINTR) {
            break;
        }
    }
    size_t len = text == NULL ? 0 : strlen(text);
    len = len > LIMIT_NAME ? 0 : len;
    struct fs_name *name = vv_alloc(sizeof(*name) + len + 1);
    if (name != NULL) {
        *name = (struct fs_name){.id = id, .group = group, .len = len};
        if (len > 0) {
            memcpy(name->text, text, len);
        }
        name->text[len] = 0;
    }
    return name;
}

/* Without memory the name is left out: the number alone is enough to restore by. */
static struct vv_span
find(struct fs_names *n, uint32_t id, bool group)
{
    struct vv_span ret = {0};
    vv_mutex_lock(&n->lock);
    if (make_room(n)) {
        size_t slot = slot_of(n->table, n->size, id, group);
        if (n->table[slot] == NULL) {
            n->table[slot] = ask(id, group);
            n->count += n->table[slot] != NULL ? 1 : 0;
        }
        if (n->table[slot] != NULL) {
            ret = vv_span(n->table[slot]->text, n->table[slot]->len);
        }
    }
    vv_mutex_unlock(&n->lock);
    return ret;
}

struct vv_span
fs_user_name(struct fs_names *n, uint32_t uid)
{
    return find(n, uid, false);
}

struct vv_span
fs_group_name(struct fs_names *n, uint32_t gid)
{
    return find(n, gid, true);
}
