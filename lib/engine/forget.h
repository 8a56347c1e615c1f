/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_FORGET_H
#define VARVE_ENGINE_FORGET_H

#include "engine/retention.h"

/*
 * What an administrator decides about snapshots: forget and undelete, pin, accept.  All of it hides
 * or shows; nothing is deleted here (prune does, when the grace is over), and nothing counts on any
 * other copy of the repository.
 *
 * O1  Nothing is forgotten while records are missing that no grave explains (VV_EFORGED), or while
 *     records in admin/ cannot be read that may be pins (VV_EIO).
 * O2  No policy empties a group, and nobody forgets the last snapshot there is.
 * O3  More than FORGET_FEW snapshots that are also more than `most_percent` of those considered are
 *     too many to be meant (VV_EREFUSED).
 * O4  What is pinned, marked or older than a marked one is not forgotten, also when it is named.
 * O5  Before snapshots are forgotten it is recorded which were dated ahead when they were first
 *     listed (retention_unlisted).
 * O6  A grace begins now, but not before anything the administrator has signed: a clock that stands
 *     in the past must not end it at once.
 *
 * All need the administrator's key: VV_EKEY without.  O1 does not hold back what only keeps more:
 * undelete and pin.
 */

#define FORGET_FEW 10u
#define FORGET_MOST_PERCENT 50u
#define FORGET_GRACE (INT64_C(7) * 86400 * 1000000000) /* a week, ns */

struct forget_options {
    const struct snapshot *const *snapshots; /* of the list; NULL: by policy */
    size_t snapshot_count;
    const struct retention_policy *policy; /* with snapshots: NULL */
    const struct retention_filter *filter; /* NULL: all are considered */
    int64_t grace;                         /* ns */
    unsigned most_percent;                 /* O3: 0 to 100 */
    bool dry_run;
};
struct forget_summary {
    struct retention judged; /* with snapshots: considered are all, dropped are those named */
    size_t times;            /* of those considered, kept because their time does not fit */
    size_t marked;           /* marked and not accepted, of all */
    size_t forgotten;        /* hidden by this run */
    int64_t until;           /* the end of their grace, if there are any */
};
void forget_summary_release(struct forget_summary *s);
/**
 * forget_run(r, l, o, ret, err): decide, and unless it is a dry run hide what is not kept.  Events:
 * "snapshot-time" for each whose time does not fit, "snapshot-marked" for each mark.  ${ret} is
 * filled as far as it got also if the limits O2 to O4 refuse it (VV_EREFUSED); the caller
 * releases it in any case.  VV_EUSAGE: the policy is empty.
 */
MUST_CHECK enum vv_rc forget_run(struct repo *r, const struct snapshot_list *l,
                                 const struct forget_options *o, struct forget_summary *ret,
                                 struct vv_error *err);

/** undelete_run(r, l, snapshots, count, ret, err): show forgotten snapshots (of l->forgotten)
 *  again; others of the same forgets stay as they are.  ${ret}: how many came back.  VV_EREFUSED if
 *  one's grace is over and prune came first; those before it are back. */
MUST_CHECK enum vv_rc undelete_run(struct repo *r, const struct snapshot_list *l,
                                   const struct snapshot *const *snapshots, size_t count,
                                   size_t *ret, struct vv_error *err);

/** pin_run(r, l, snapshots, count, until, err): ${until} 0: for ever.  VV_EREFUSED if the end is
 *  not in the future.  unpin_run: VV_EREFUSED if one is not pinned. */
MUST_CHECK enum vv_rc pin_run(struct repo *r, const struct snapshot_list *l,
                              const struct snapshot *const *snapshots, size_t count, int64_t until,
                              struct vv_error *err);
MUST_CHECK enum vv_rc unpin_run(struct repo *r, const struct snapshot_list *l,
                                const struct snapshot *const *snapshots, size_t count,
                                struct vv_error *err);

/** accept_run(r, l, snapshots, count, err): K5.  VV_EREFUSED if one is not marked. */
MUST_CHECK enum vv_rc accept_run(struct repo *r, const struct snapshot_list *l,
                                 const struct snapshot *const *snapshots, size_t count,
                                 struct vv_error *err);

#endif
