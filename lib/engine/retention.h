/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_RETENTION_H
#define VARVE_ENGINE_RETENTION_H

#include "repo/snapshots.h"

/*
 * Which snapshots a policy keeps, and why.  Computes only: nothing is read or written, no clock is
 * asked, nothing depends on the machine's time zone.
 *
 * K1  A snapshot fills a slot (an hour, a day, one of the last n, ...) only if its time fits its
 *     chain: it is not before that of any earlier snapshot of its client whose time can be believed,
 *     and not after the moment an administrator's run first listed it (recorded, else now), give or
 *     take RETENTION_SLACK.  One that does not fit is kept and fills nothing, so a wrong clock, or a
 *     thief who sets one, cannot push good snapshots out.
 * K2  The fewer snapshots have a time that fits, the more of the others are kept.  So nothing is lost
 *     by seeing snapshots for the first time, here or on a fresh copy.
 * K3  Minutes and hours are those of UTC; days, weeks, months and years those of the place where the
 *     snapshot was made, as it noted them.  A day never goes back along a chain: what was made on a
 *     journey westwards counts to the day already begun.  All hosts come to the same result.
 * K4  "within" counts back from the newest snapshot of the group whose time fits, not from now: a
 *     host that stopped making backups keeps its last ones.
 * K5  A snapshot in which far more of its predecessor's files than usual are gone or have another
 *     content is marked, and from then on it and everything older is kept until it is accepted. The
 *     numbers are those clients put into their snapshots.
 * K6  Pinned snapshots are kept.
 * K7  Publications of WAL fill no slots.  One is kept unless all of it is in another of the same
 *     client, or it ends before the oldest base backup of its cluster that is kept begins (if any
 *     is known).  With `wal_within` the window begins at the newest base backup that is at least so
 *     much older than the cluster's newest snapshot, which is kept, and WAL that ends before that
 *     or any later one that is kept begins goes.  Timeline histories are kept.
 *     Base backups that are not considered (K9) begin no window, and WAL that they go on with is kept.
 * K8  While the newest snapshot of a group lacks something that failed (--keep-going), the newest one
 *     of the group that lacks nothing is kept: a source that fails for long does not age out.
 * K9  A publication of WAL is considered if it passes the filter itself, or if a base backup of its cluster does:
 *     it has no tags, and may come from another host.
 */

#define RETENTION_SLACK INT64_C(600000000000) /* ns by which clocks may differ */

enum retention_rule {
    RETENTION_LAST,
    RETENTION_MINUTELY,
    RETENTION_HOURLY,
    RETENTION_DAILY,
    RETENTION_WEEKLY, /* Monday to Sunday */
    RETENTION_MONTHLY,
    RETENTION_YEARLY,
    RETENTION_RULES, /* how many rules there are */
};
#define RETENTION_ALL UINT32_MAX /* no bound on the number of slots */

/** What snapshots must have in common to be one group, within which slots are filled. */
enum { RETENTION_BY_HOST = 1, RETENTION_BY_PATHS = 2, RETENTION_BY_TAGS = 4 };

struct retention_policy {
    uint32_t keep[RETENTION_RULES]; /* how many slots of each; 0: rule not given */
    int64_t within;                 /* ns; 0: rule not given */
    const char *const *tags;        /* keep those with any of these; borrowed */
    size_t tag_count;
    unsigned group_by;
    int64_t wal_within; /* ns; 0: WAL of all base backups that are kept (K7) */
};
/** retention_policy_empty(p): would it keep nothing by any rule? */
bool retention_policy_empty(const struct retention_policy *p);

/** Why a snapshot is kept: bits 1 << enum retention_rule, and these. */
enum {
    KEPT_WITHIN = 1 << RETENTION_RULES,
    KEPT_TAG = KEPT_WITHIN << 1,
    KEPT_PINNED = KEPT_WITHIN << 2,
    KEPT_TIME = KEPT_WITHIN << 3,       /* its time does not fit: K1 */
    KEPT_MARKED = KEPT_WITHIN << 4,     /* far more than usual has changed in it */
    KEPT_OLDER = KEPT_WITHIN << 5,      /* it is older than a marked one */
    KEPT_NOT_NAMED = KEPT_WITHIN << 6,  /* others were named, and no rule asked for */
    KEPT_WAL = KEPT_WITHIN << 7,        /* WAL that a base backup that is kept goes on with */
    KEPT_WAL_WINDOW = KEPT_WITHIN << 8, /* the base backup that the WAL window begins with */
    KEPT_COMPLETE = KEPT_WITHIN << 9,   /* the newest one from which nothing was left out */
    KEPT_REASONS = RETENTION_RULES + 10,
};
/** retention_reason_name(bit): "daily", "tag", "time-does-not-fit"; ${bit} 0 to KEPT_REASONS - 1. */
const char *retention_reason_name(unsigned bit);

struct retention_verdict {
    bool considered; /* by --host, --tag; others are kept and fill nothing */
    unsigned reasons;
    bool wal;     /* a publication of WAL */
    size_t group; /* from 0, of those considered */
};
struct retention {
    struct retention_verdict *verdicts; /* parallel to the list's snapshots */
    size_t considered;
    size_t dropped;        /* considered, and no reason to keep it */
    size_t wal_considered; /* of those considered, publications of WAL */
    size_t wal_dropped;
    size_t groups;
    size_t emptied; /* groups of which nothing would be left */
    size_t example; /* if there are any: a snapshot of one of them */
};
void retention_release(struct retention *r);
/** Which snapshots a policy is about; NULL: any. */
struct retention_filter {
    const char *host;
    const char *tag;
};
/** retention_count(r, count, err): the sums of ${r}, from its ${count} verdicts. */
MUST_CHECK enum vv_rc retention_count(struct retention *r, size_t count, struct vv_error *err);
/** retention_judge(l, policy, filter, now, ret, err): ${now} ns since 1970.  VV_ENOMEM only. */
MUST_CHECK enum vv_rc retention_judge(const struct snapshot_list *l,
                                      const struct retention_policy *policy,
                                      const struct retention_filter *filter, int64_t now,
                                      struct retention *ret, struct vv_error *err);
/** A snapshot whose mark was not accepted. */
struct retention_mark {
    const struct snapshot *snapshot;
    unsigned percent; /* of its predecessor's files that are gone or have another content */
    unsigned usual;   /* the most any of the snapshots before it had */
};
struct retention_marks {
    struct retention_mark *marks; /* in the order of their clients */
    size_t count;
};
void retention_marks_release(struct retention_marks *m);
/** retention_marks_find(l, ret, err): K5; forgotten ones are looked at, too.  ${l} must outlive it. */
MUST_CHECK enum vv_rc retention_marks_find(const struct snapshot_list *l,
                                           struct retention_marks *ret, struct vv_error *err);
/** retention_marked(m, s): is it marked itself? */
const struct retention_mark *retention_marked(const struct retention_marks *m,
                                              const struct snapshot *s);
/** retention_held(m, s): is it older than a marked one? */
bool retention_held(const struct retention_marks *m, const struct snapshot *s);

/** retention_holds(l, m, f, now): does a forget of ${l} name a snapshot that is pinned (K6), marked, or
 *  older than a marked one (K5)?  Then it must not be carried out. */
bool retention_holds(const struct snapshot_list *l, const struct retention_marks *m,
                     const struct forget_run *f, int64_t now);

/** retention_unlisted(l, now, ret, ret_count, err): snapshots, forgotten ones too, to be recorded as
 *  first listed ${now}: those dated later than that, and not recorded yet.  (Of others it need not
 *  be recorded: it would never matter.)  None if ${now} is before something the administrator has
 *  signed: then it is this clock that is wrong.  ${ret} is freed with vv_free. */
MUST_CHECK enum vv_rc retention_unlisted(const struct snapshot_list *l, int64_t now,
                                         struct first_listed **ret, size_t *ret_count,
                                         struct vv_error *err);

#endif
