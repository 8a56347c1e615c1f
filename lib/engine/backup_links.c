/* SPDX-License-Identifier: BSD-2-Clause */
/* Files with several names (B9): are all the names accounted for? */

#include <stdlib.h>

#include "core/alloc.h"
#include "engine/backup_internal.h"

bool
has_other_names(const struct entry *e)
{
    return e->type != ENTRY_DIRECTORY && e->nlink > 1;
}

void
linked_names_release(struct linked_names *l)
{
    vv_free(l->items);
    *l = (struct linked_names){0};
}

enum vv_rc
linked_names_add(struct linked_names *l, const struct entry *e, struct vv_error *err)
{
    if (!has_other_names(e)) {
        return VV_OK;
    }
    if (l->count == l->room) {
        size_t room = l->room == 0 ? 64 : l->room * 2;
        struct linked_name *grown = vv_realloc_array(l->items, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        l->items = grown;
        l->room = room;
    }
    l->items[l->count++] = (struct linked_name){e->inode, e->nlink, e->file_system};
    return VV_OK;
}

static int
compare_files(const struct linked_name *a, const struct linked_name *b)
{
    if (a->file_system != b->file_system) {
        return a->file_system < b->file_system ? -1 : 1;
    }
    return (a->inode > b->inode) - (a->inode < b->inode);
}

static int
compare_names(const void *a, const void *b)
{
    return compare_files(a, b);
}

/** Of the file at ${at}: how many names are elsewhere; *at goes on behind it. */
static uint64_t
names_elsewhere(const struct linked_names *l, size_t *at)
{
    const struct linked_name *file = &l->items[*at];
    uint64_t most = 0;
    uint64_t here = 0;

    for (; *at < l->count && compare_files(&l->items[*at], file) == 0; ++*at) {
        most = l->items[*at].nlink > most ? l->items[*at].nlink : most;
        here++;
    }
    return most > here ? most - here : 0;
}

bool
linked_names_accounted(struct linked_names *now, struct linked_names *before)
{
    size_t old = 0;
    size_t at = 0;

    if (now->count > 1) {
        qsort(now->items, now->count, sizeof(*now->items), compare_names);
    }
    if (before->count > 1) {
        qsort(before->items, before->count, sizeof(*before->items), compare_names);
    }
    while (at < now->count) {
        const struct linked_name *file = &now->items[at];
        uint64_t known = 0;
        while (old < before->count && compare_files(&before->items[old], file) < 0) {
            old++;
        }
        if (old < before->count && compare_files(&before->items[old], file) == 0) {
            known = names_elsewhere(before, &old);
        }
        if (names_elsewhere(now, &at) > known) {
            return false;
        }
    }
    return true;
}
