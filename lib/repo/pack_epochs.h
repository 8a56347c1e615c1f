/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_EPOCHS_H
#define VARVE_REPO_PACK_EPOCHS_H

#include "repo/pack_list.h"

/* Which epoch's keys open a pack stands in its header, which everybody can read. */

#define PACK_EPOCH_UNKNOWN UINT32_MAX

/** pack_epochs_read(r, packs, count, ret, err): the epoch of each pack, PACK_EPOCH_UNKNOWN where the
 *  header cannot be read (it is gone, or damaged).  One short read a pack, several at once. */
MUST_CHECK enum vv_rc pack_epochs_read(struct repo *r, const struct pack_list_item *const *packs,
                                       size_t count, uint32_t *ret, struct vv_error *err);

/** What is stored under one epoch. */
struct epoch_share {
    uint32_t epoch; /* PACK_EPOCH_UNKNOWN comes last */
    uint64_t packs;
    uint64_t bytes;
};
/** pack_epochs_count(r, newest, ret, ret_count, err): of all packs listed, by epoch; the caller frees
 *  ${ret}.  With ${newest} 0 there is but one epoch, and no header is read. */
MUST_CHECK enum vv_rc pack_epochs_count(struct repo *r, uint32_t newest, struct epoch_share **ret,
                                        size_t *ret_count, struct vv_error *err);

#endif
