/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_WATCH_INOTIFY_INTERNAL_H
#define VARVE_SERVICE_WATCH_INOTIFY_INTERNAL_H

#include <stdint.h>

#include "service/watch_internal.h"

/* Of watch_inotify.c (events) and watch_inotify_tree.c: which watch is on which directory. */

/** A directory with a watch. */
struct watched {
    int wd;
    struct watched *parent; /* NULL: one of the paths, or where one of them is */
    struct watched *child;
    struct watched *next;
    struct watched *same_place; /* in the table; several may be of one watch */
    uint16_t name_len;
    bool outside; /* where one of the paths is: only that name counts */
    char name[];  /* of a path: all of it */
};
struct watch_inotify {
    int fd;
    struct watched *roots;
    struct watched **table; /* by wd */
    size_t size;            /* a power of two */
    size_t count;
    uint8_t *buffer;
    struct vv_buf path;
    bool lost; /* a watch could not be set, or a path is too deep: see the error of open */
    struct vv_error why;
};

/** watched_new(n, parent, name, len): not in the tree yet; NULL: out of memory.  Freed with vv_free until then. */
struct watched *watched_new(struct watch_inotify *n, struct watched *parent, const char *name,
                            size_t len);
/** watched_put(n, node, wd): into the tree, under its watch. */
void watched_put(struct watch_inotify *n, struct watched *node, int wd);
/** watched_find(n, wd), watched_child(parent, name, len): NULL if there is none.  watched_again(node): the next
 *  place of the same directory, which is bound there. */
struct watched *watched_find(const struct watch_inotify *n, int wd);
struct watched *watched_again(const struct watched *node);
struct watched *watched_child(const struct watched *parent, const char *name, size_t len);
/** watched_drop(n, node): it and all below it, with their watches, but for those of directories that are
 *  elsewhere, too. */
void watched_drop(struct watch_inotify *n, struct watched *node);
/** watched_path(n, node): in n->path, until the next call. */
struct vv_span watched_path(struct watch_inotify *n, const struct watched *node);
/** watched_is_above(node, below): is ${node} ${below}, or above it? */
bool watched_is_above(const struct watched *node, const struct watched *below);

#endif
