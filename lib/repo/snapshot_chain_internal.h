/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SNAPSHOT_CHAIN_INTERNAL_H
#define VARVE_REPO_SNAPSHOT_CHAIN_INTERNAL_H

#include "repo/snapshots_internal.h"

/* Shared by snapshot_chain.c, snapshot_witness.c and snapshot_memory.c. */

/** One check: what is known to be here, and what is accepted now. */
struct chain {
    struct repo *repo;
    struct slot_scan *scan;
    const struct site_memory *memory; /* NULL: none */
    struct vv_id *known;              /* sorted: present, in graves, accepted before */
    size_t known_count;
    bool accept;
    struct vv_buf accepted; /* hashes */
    struct vv_buf told;     /* hashes of what was reported missing: once is enough */
    const struct chain_doubts *before;
    struct chain_doubts *doubts;
    bool looking; /* nothing is said yet: is anything missing that was not missing before? */
};
/** chain_knows(c, hash): is the record present, in a grave, or accepted? */
bool chain_knows(const struct chain *c, const struct vv_id *hash);
/** chain_missing(c, client, sequence, hash, why): a record is not there.  ${client} and ${sequence} are
 *  those of what names it, or its own, as ${why} has it. */
void chain_missing(struct chain *c, const struct vv_uuid *client, uint64_t sequence,
                   const struct vv_id *hash, const char *why);
/** C1; C2. */
void chain_check_predecessors(struct chain *c);
void chain_check_seen(struct chain *c);
/** chain_check_elsewhere(c, err): C5. */
MUST_CHECK enum vv_rc chain_check_elsewhere(struct chain *c, struct vv_error *err);
/** chain_count_graves(a): entries that are not the same (a merged grave lies beside the old ones for
 *  a while). */
uint64_t chain_count_graves(const struct admin_records *a);
/** chain_recall(r, ret, err): what this host remembers of this site; a damaged memory is none, and
 *  is said. */
MUST_CHECK enum vv_rc chain_recall(struct repo *r, const struct site_memory **ret,
                                   struct vv_error *err);
/** chain_remember(c, err): remember what is there now, but never after a roll-back: the alarm
 *  stays.  That nothing can be remembered, because the disk is full, say, must not keep anybody from
 *  restoring. */
MUST_CHECK enum vv_rc chain_remember(struct chain *c, struct vv_error *err);

#endif
