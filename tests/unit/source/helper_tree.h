/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TEST_HELPER_TREE_H
#define VARVE_TEST_HELPER_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "source/source.h"

/* Trees in a temporary directory, and walks over them written down. */

struct tree {
    char base[64]; /* absolute, without links */
    int fd;
};
/** tree_make: a fresh directory anybody may look into.  tree_remove: and away with it. */
void tree_make(struct tree *t);
void tree_remove(struct tree *t);
void tree_dir(const struct tree *t, const char *path);
void tree_file(const struct tree *t, const char *path, const char *content);
void tree_link(const struct tree *t, const char *path, const char *target);
/** tree_path(t, path): absolute; valid until the eighth call from now. */
const char *tree_path(const struct tree *t, const char *path);

/** One item of a walk.  path: relative to the tree's base; "^..." for what is above it. */
struct seen {
    char *path;
    enum entry_type type;
    enum source_status status;
    int sys;
    uint32_t flags;
    uint64_t size;
    uint64_t nlink;
    uint64_t inode;
    uint32_t file_system;
    bool may_change;
};
struct seen_list {
    struct seen *items;
    size_t count;
    struct source_counts counts;
    unsigned notices;
};
/** walk_all: fails the test unless the walk ends well and in strict order. */
void walk_all(const struct tree *t, const struct source_fs_options *o, struct seen_list *ret);
void seen_release(struct seen_list *l);
const struct seen *seen_find(const struct seen_list *l, const char *path);
/** seen_text(l): the paths below the base, in order, "dir/ file" with marks: "/" directory, "!"
 *  trouble, "^" implied.  Valid until the next call. */
const char *seen_text(const struct seen_list *l);
/** walk_text: all that in one, for the single path ${path} below the base. */
const char *walk_text(const struct tree *t, const char *path, const struct source_fs_options *o);

/** The event sink walk_all uses when the options have none; counts events by name. */
struct counting_events {
    struct vv_events base;
    unsigned count;
    char last[64];
};
void counting_events_init(struct counting_events *e);

#endif
