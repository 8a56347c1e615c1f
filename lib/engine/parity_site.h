/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PARITY_SITE_H
#define VARVE_ENGINE_PARITY_SITE_H

#include "repo/repo.h"

/*
 * Parity at one site: adding, dropping, telling.  No key is needed.  What parity can do and how it is
 * stored: repo/pack_parity.h.
 */
struct parity_summary {
    bool decided; /* somebody has decided at this site */
    bool on;
    uint64_t packs;
    uint64_t bytes; /* of packs */
    uint64_t packs_with;
    uint64_t objects; /* of parity; there may be several for one pack */
    uint64_t parity_bytes;
    uint64_t added; /* objects, by this run */
    uint64_t added_bytes;
    uint64_t removed;
    uint64_t removed_bytes;
    uint64_t orphans;       /* objects whose pack is gone */
    uint64_t packs_damaged; /* found while adding: no parity was made for these */
};

/** parity_site_status(r, ret, err): by listing. */
MUST_CHECK enum vv_rc parity_site_status(struct repo *r, struct parity_summary *ret,
                                         struct vv_error *err);
/** parity_site_add(r, progress, ret, err): decide for parity, then read every pack that has none,
 *  check it against its name and store its parity.  A damaged one is a problem (event
 *  "pack-damaged") and gets none. */
MUST_CHECK enum vv_rc parity_site_add(struct repo *r, struct vv_progress *progress,
                                      struct parity_summary *ret, struct vv_error *err);
/** parity_site_drop(r, ret, err): decide against parity, then delete all there is.  Where nothing
 *  can be deleted the decision stands and the first refusal is returned. */
MUST_CHECK enum vv_rc parity_site_drop(struct repo *r, struct parity_summary *ret,
                                       struct vv_error *err);
/** parity_site_sweep(r, ret_bytes, err): delete parity whose pack is gone; for a program that
 *  deletes packs, afterwards.  ${ret_bytes}: sizes of what was deleted. */
MUST_CHECK enum vv_rc parity_site_sweep(struct repo *r, uint64_t *ret_bytes, struct vv_error *err);
/** parity_site_would_sweep(r, go, count, ret_bytes, err): what a sweep would delete after the packs
 *  ${go}, which are sorted.  Deletes nothing. */
MUST_CHECK enum vv_rc parity_site_would_sweep(struct repo *r, const struct pack_name *go,
                                              size_t count, uint64_t *ret_bytes,
                                              struct vv_error *err);

#endif
