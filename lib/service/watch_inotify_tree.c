/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree of directories that inotify watches, and the table of its watches. */
#include <string.h>
#include <sys/inotify.h>

#include "core/alloc.h"
#include "service/watch_inotify_internal.h"

struct watched *
watched_find(const struct watch_inotify *n, int wd)
{
    struct watched *at = n->table[(size_t)wd & (n->size - 1)];

    while (at != NULL && at->wd != wd) {
        at = at->same_place;
    }
    return at;
}

struct watched *
watched_again(const struct watched *node)
{
    struct watched *at = node->same_place;

    while (at != NULL && at->wd != node->wd) {
        at = at->same_place;
    }
    return at;
}

static bool
grow(struct watch_inotify *n)
{
    size_t size = n->size * 2;
    struct watched **table = vv_alloc_array(size, sizeof(struct watched *));

    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < n->size; i++) {
        struct watched *next;
        for (struct watched *at = n->table[i]; at != NULL; at = next) {
            struct watched **place = &table[(size_t)at->wd & (size - 1)];
            next = at->same_place;
            at->same_place = *place;
            *place = at;
        }
    }
    vv_free(n->table);
    n->table = table;
    n->size = size;
    return true;
}

static void
unlink_from_table(struct watch_inotify *n, const struct watched *node)
{
    struct watched **place = &n->table[(size_t)node->wd & (n->size - 1)];

    while (*place != NULL && *place != node) {
        place = &(*place)->same_place;
    }
    if (*place != NULL) {
        *place = node->same_place;
        n->count--;
    }
}

static void
unlink_from_parent(struct watch_inotify *n, const struct watched *node)
{
    struct watched **place = node->parent != NULL ? &node->parent->child : &n->roots;

    while (*place != node) {
        place = &(*place)->next;
    }
    *place = node->next;
}

/** Take a directory and all below it out; without recursion: trees may be deep. */
void
watched_drop(struct watch_inotify *n, struct watched *node)
{
    struct watched *stop = node->parent;

    unlink_from_parent(n, node);
    node->next = NULL;
    while (node != stop && node != NULL) {
        struct watched *up;
        while (node->child != NULL) {
            node = node->child;
        }
        up = node->parent;
        if (up != stop && up != NULL) {
            up->child = node->next;
        }
        unlink_from_table(n, node);
        if (watched_find(n, node->wd) == NULL) {
            (void)inotify_rm_watch(n->fd, node->wd); /* gone already, if the directory is */
        }
        vv_free(node);
        node = up;
    }
}

struct watched *
watched_child(const struct watched *parent, const char *name, size_t len)
{
    struct watched *at = parent->child;

    while (at != NULL && (at->name_len != len || memcmp(at->name, name, len) != 0)) {
        at = at->next;
    }
    return at;
}

/** The path of a directory, into n->path. */
struct vv_span
watched_path(struct watch_inotify *n, const struct watched *node)
{
    size_t len = 0;
    size_t at;

    for (const struct watched *k = node; k != NULL; k = k->parent) {
        bool slash = k->parent != NULL && (k->parent->parent != NULL || k->parent->name_len > 0);
        len += k->name_len + (slash ? 1u : 0u);
    }
    vv_buf_reset(&n->path);
    if (vv_buf_reserve(&n->path, len + 1, NULL) != VV_OK) {
        n->path.failed = true;
        return vv_span(NULL, 0);
    }
    at = len;
    for (const struct watched *k = node; k != NULL; k = k->parent) {
        at -= k->name_len;
        memcpy(n->path.data + at, k->name, k->name_len);
        if (at > 0) {
            n->path.data[--at] = '/';
        }
    }
    n->path.len = len;
    return vv_buf_span(&n->path);
}

/** Is ${node} ${below}, or above it? */
bool
watched_is_above(const struct watched *node, const struct watched *below)
{
    while (below != NULL && below != node) {
        below = below->parent;
    }
    return below != NULL;
}

struct watched *
watched_new(struct watch_inotify *n, struct watched *parent, const char *name, size_t len)
{
    struct watched *node = n->count < n->size || grow(n) ? vv_alloc(sizeof(*node) + len + 1) : NULL;

    if (node != NULL) {
        *node = (struct watched){.parent = parent, .name_len = (uint16_t)len};
        memcpy(node->name, name, len);
        node->name[len] = '\0';
    }
    return node;
}

void
watched_put(struct watch_inotify *n, struct watched *node, int wd)
{
    struct watched **list = node->parent != NULL ? &node->parent->child : &n->roots;
    struct watched **place = &n->table[(size_t)wd & (n->size - 1)];

    node->wd = wd;
    node->next = *list;
    *list = node;
    node->same_place = *place;
    *place = node;
    n->count++;
}
