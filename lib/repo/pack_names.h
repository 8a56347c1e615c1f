/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_NAMES_H
#define VARVE_REPO_PACK_NAMES_H

#include "repo/repo.h"

/** What is listed below packs/ or parity/: names that begin with a pack's hash, sorted. */
struct pack_names {
    struct pack_name *names; /* in parity/: hash of the pack, suffix of the parity */
    uint64_t *sizes;
    size_t count;
};

/** pack_names_list(r, directory, ret, err): all of "packs" or "parity".  Shards that are missing hold
 *  nothing. */
MUST_CHECK enum vv_rc pack_names_list(struct repo *r, const char *directory, struct pack_names *ret,
                                      struct vv_error *err);
/** pack_names_list_hash(r, directory, hash, ret, err): those for one hash. */
MUST_CHECK enum vv_rc pack_names_list_hash(struct repo *r, const char *directory,
                                           const struct vv_id *hash, struct pack_names *ret,
                                           struct vv_error *err);
void pack_names_release(struct pack_names *l);

/** pack_names_find(l, hash, ret_count): the first one with this hash, and how many there are; NULL. */
const struct pack_name *pack_names_find(const struct pack_names *l, const struct vv_id *hash,
                                        size_t *ret_count);
/** pack_names_has(l, name): the very name? */
bool pack_names_has(const struct pack_names *l, const struct pack_name *name);

#endif
