/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_RETENTION_INTERNAL_H
#define VARVE_ENGINE_RETENTION_INTERNAL_H

#include "engine/retention.h"

/** A snapshot in its client's chain. */
struct chain_item {
    const struct snapshot *snapshot;
    bool fits;   /* K1 */
    int64_t day; /* K3: days since 1970 */
};
/** All snapshots of a list, forgotten ones too, by client and sequence. */
struct chains {
    struct chain_item *items;
    size_t count;
};
void chains_release(struct chains *c);
/** chains_read(l, now, ret, err) */
MUST_CHECK enum vv_rc chains_read(const struct snapshot_list *l, int64_t now, struct chains *ret,
                                  struct vv_error *err);
/** chains_find(c, s): its item; it is there. */
const struct chain_item *chains_find(const struct chains *c, const struct snapshot *s);

/** A snapshot that a rule may keep. */
struct slot_candidate {
    const struct chain_item *item;
    size_t index; /* in the list */
    size_t group;
    int64_t period; /* scratch */
};
/** slots_fill(candidates, count, policy, verdicts, err): give reasons to what each rule keeps in each
 *  group; reorders the candidates. */
void slots_fill(struct slot_candidate *candidates, size_t count,
                const struct retention_policy *policy, struct retention_verdict *verdicts);

/** wal_consider(l, verdicts, err): K9: consider the publications of clusters of which a base backup is considered. */
MUST_CHECK enum vv_rc wal_consider(const struct snapshot_list *l,
                                   struct retention_verdict *verdicts, struct vv_error *err);
/** wal_judge(l, chains, policy, verdicts, err): K7: reasons for publications of WAL and for the base
 *  backup the window begins with, after all other reasons. */
MUST_CHECK enum vv_rc wal_judge(const struct snapshot_list *l, const struct chains *chains,
                                const struct retention_policy *policy,
                                struct retention_verdict *verdicts, struct vv_error *err);

/** group_number(l, considered, group_by, verdicts, ret_groups, err): number the groups of those
 *  that are considered. */
MUST_CHECK enum vv_rc groups_number(const struct snapshot_list *l, unsigned group_by,
                                    struct retention_verdict *verdicts, size_t *ret_groups,
                                    struct vv_error *err);

#endif
