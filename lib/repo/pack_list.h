/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_LIST_H
#define VARVE_REPO_PACK_LIST_H

#include "repo/repo.h"

/** All packs as one listing shows them; a name in a directory that is not its own is no pack. */
struct pack_list_item {
    struct pack_name name;
    uint64_t size;
};
struct pack_list {
    struct pack_list_item *items; /* sorted by name */
    size_t count;
};
void pack_list_release(struct pack_list *l);
MUST_CHECK enum vv_rc pack_list_read(struct repo *r, struct pack_list *ret, struct vv_error *err);
/** pack_list_find(l, name): its place, or l->count. */
size_t pack_list_find(const struct pack_list *l, const struct pack_name *name);

#endif
