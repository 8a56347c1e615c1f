/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgetting: judge, refuse what cannot be meant, hide the rest. */
#include <string.h>

#include "core/alloc.h"
#include "engine/forget_internal.h"
#include "repo/repo_reserve.h"
#include "repo/retention_publish.h"

#define SCARCE_BYTES (4u << 20) /* a record is up to half a megabyte */

/** One run. */
struct forgetting {
    struct repo *repo;
    const struct snapshot_list *list;
    const struct forget_options *options;
    struct forget_summary *sum;
    int64_t now;
};

void
forget_summary_release(struct forget_summary *s)
{
    retention_release(&s->judged);
    memset(s, 0, sizeof(*s));
}

int64_t
forget_now(struct repo *r)
{
    return repo_clock(r)->realtime(repo_clock(r));
}

enum vv_rc
forget_key(struct repo *r, struct vv_error *err)
{
    return keyring_need_admin(repo_keyring(r), "deciding what is kept", err);
}

enum vv_rc
forget_permitted(struct repo *r, const struct snapshot_list *l, struct vv_error *err)
{
    VV_TRY(forget_key(r, err));
    if (l->freshness == FRESHNESS_ROLLED_BACK) {
        (void)vv_error_set(err, VV_EFORGED,
                           "snapshots are missing that no grave explains; nothing is forgotten");
        vv_error_hint(err,
                      "this copy may have been rolled back, or a listing was cut short; what is "
                      "missing is named above");
        return VV_EFORGED;
    }
    return admin_records_conclusive(&l->admin, err);
}

enum vv_rc
forget_note_listed(struct repo *r, const struct snapshot_list *l, int64_t now, struct vv_error *err)
{
    struct first_listed *listed = NULL;
    size_t count = 0;
    enum vv_rc rc = VV_OK;

    VV_TRY(retention_unlisted(l, now, &listed, &count, err));
    for (size_t at = 0; at < count && rc == VV_OK; at += FORGET_SNAPSHOTS_MAX) {
        size_t n = count - at < FORGET_SNAPSHOTS_MAX ? count - at : FORGET_SNAPSHOTS_MAX;
        rc = first_listed_publish(r, listed + at, (uint32_t)n, err);
    }
    vv_free(listed);
    return rc;
}

/* --- what is to go ---------------------------------------------------------------------------- */

static void
tell_times(struct forgetting *f)
{
    for (size_t i = 0; i < f->list->count; i++) {
        const struct snapshot *s = &f->list->snapshots[i];
        const struct retention_verdict *v = &f->sum->judged.verdicts[i];
        char id[VV_UUID_TEXT];
        char when[VV_TIME_TEXT];
        if (!v->considered || (v->reasons & KEPT_TIME) == 0) {
            continue;
        }
        vv_uuid_text(&s->id, id);
        vv_time_format(s->time, when);
        vv_emit(
            repo_events(f->repo), VV_EVENT_WARNING, "snapshot-time", vv_span(id, 8),
            "its time, %s, does not fit: it is before an earlier snapshot of '%s' or was in the "
            "future; it is kept and counts for no rule",
            when, s->body.host);
        f->sum->times++;
    }
}

static enum vv_rc
tell_marks(struct forgetting *f, struct vv_error *err)
{
    struct retention_marks m = {0};

    VV_TRY(retention_marks_find(f->list, &m, err));
    for (size_t i = 0; i < m.count; i++) {
        char id[VV_UUID_TEXT];
        vv_uuid_text(&m.marks[i].snapshot->id, id);
        vv_emit(
            repo_events(f->repo), VV_EVENT_PROBLEM, "snapshot-marked", vv_span(id, 8),
            "%u %% of the files of '%s' were changed or gone (usual: up to %u %%); nothing older "
            "is forgotten until 'varve snapshots --accept %.8s'",
            m.marks[i].percent, m.marks[i].snapshot->body.host, m.marks[i].usual, id);
    }
    f->sum->marked = m.count;
    retention_marks_release(&m);
    return VV_OK;
}

static enum vv_rc
refuse_named(const struct snapshot *s, const char *why, const char *remedy, struct vv_error *err)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(&s->id, id);
    (void)vv_error_set(err, VV_EREFUSED, "snapshot %.8s %s; nothing was forgotten", id, why);
    vv_error_hint(err, "%s", remedy);
    return VV_EREFUSED;
}

/** O4, for one that was named. */
static enum vv_rc
check_named(const struct snapshot *s, unsigned reasons, struct vv_error *err)
{
    if ((reasons & KEPT_PINNED) != 0) {
        return refuse_named(s, "is pinned", "'varve pin --unpin' takes that back", err);
    }
    if ((reasons & (KEPT_MARKED | KEPT_OLDER)) != 0) {
        return refuse_named(
            s,
            (reasons & KEPT_MARKED) != 0 ? "is marked: far more than usual has changed in it"
                                         : "is older than a marked one",
            "look at the marked snapshot; 'varve snapshots --accept' if all is right", err);
    }
    return VV_OK;
}

/** Does anything that is not named hold all of this publication of WAL? */
static bool
is_held_elsewhere(const struct forgetting *f, const struct snapshot *s)
{
    const struct snapshot_wal *w = &s->body.wal[0];

    for (size_t i = 0; i < f->list->count; i++) {
        const struct snapshot *other = &f->list->snapshots[i];
        const struct snapshot_wal *o = other->body.wal;
        bool named = other == s;
        for (size_t k = 0; k < f->options->snapshot_count && !named; k++) {
            named = f->options->snapshots[k] == other;
        }
        if (!named && other->body.mode == SNAPSHOT_WAL && o->system == w->system &&
            o->timeline == w->timeline && o->from <= w->from && o->to >= w->to) {
            return true;
        }
    }
    return false;
}

/** Those named go; the rest stays.  A policy that keeps all tells the reasons of O4. */
static enum vv_rc
judge_named(struct forgetting *f, struct vv_error *err)
{
    static const struct retention_policy keep_all = {.keep[RETENTION_LAST] = RETENTION_ALL};
    struct retention *judged = &f->sum->judged;
    enum vv_rc rc = VV_OK;

    VV_TRY(retention_judge(f->list, &keep_all, NULL, f->now, judged, err));
    for (size_t k = 0; k < f->options->snapshot_count && rc == VV_OK; k++) {
        size_t i = (size_t)(f->options->snapshots[k] - f->list->snapshots);
        rc = check_named(&f->list->snapshots[i], judged->verdicts[i].reasons, err);
        if (rc == VV_OK && judged->verdicts[i].wal &&
            (judged->verdicts[i].reasons & KEPT_WAL) != 0 &&
            !is_held_elsewhere(f, &f->list->snapshots[i])) {
            rc = refuse_named(&f->list->snapshots[i],
                              "is WAL that recovery from a base backup needs",
                              "forget the base backup; the WAL goes with the next policy", err);
        }
    }
    for (size_t i = 0; i < f->list->count; i++) { /* what is superseded goes by policy alone */
        judged->verdicts[i].reasons |= judged->verdicts[i].wal ? 1u << RETENTION_LAST : 0u;
    }
    for (size_t k = 0; k < f->options->snapshot_count && rc == VV_OK; k++) {
        judged->verdicts[f->options->snapshots[k] - f->list->snapshots].reasons = 0;
    }
    for (size_t i = 0; i < f->list->count; i++) { /* no rule was asked for */
        if (rc == VV_OK && judged->verdicts[i].reasons != 0) {
            judged->verdicts[i].reasons =
                judged->verdicts[i].reasons & ~(unsigned)(1u << RETENTION_LAST);
            judged->verdicts[i].reasons |= KEPT_NOT_NAMED;
        }
    }
    VV_TRY(rc);
    return retention_count(judged, f->list->count, err);
}

static enum vv_rc
judge(struct forgetting *f, struct vv_error *err)
{
    if (f->options->snapshots != NULL) {
        return judge_named(f, err);
    }
    if (retention_policy_empty(f->options->policy)) {
        (void)vv_error_set(err, VV_EUSAGE, "a policy that keeps nothing");
        vv_error_hint(err, "give at least one --keep-... option, or the ids of snapshots");
        return VV_EUSAGE;
    }
    return retention_judge(f->list, f->options->policy, f->options->filter, f->now, &f->sum->judged,
                           err);
}

/** O2, O3 */
static enum vv_rc
check_limits(const struct forgetting *f, struct vv_error *err)
{
    const struct retention *judged = &f->sum->judged;
    const struct snapshot *s;
    size_t dropped;
    size_t considered;

    if (judged->dropped > 0 && judged->dropped == f->list->count) {
        (void)vv_error_set(err, VV_EREFUSED, "no snapshot would be left; nothing was forgotten");
        return VV_EREFUSED;
    }
    if (judged->emptied > 0 && f->options->snapshots == NULL) {
        char id[VV_UUID_TEXT];
        s = &f->list->snapshots[judged->example];
        vv_uuid_text(&s->id, id);
        (void)vv_error_set(err, VV_EREFUSED,
                           "this policy keeps nothing of %zu of %zu groups (one has snapshot %.8s "
                           "of '%s'); nothing was forgotten",
                           judged->emptied, judged->groups, id, s->body.host);
        vv_error_hint(err, "add a rule that keeps some, such as --keep-last 1; what is to go for "
                           "good is named by its id");
        return VV_EREFUSED;
    }
    dropped = judged->dropped - judged->wal_dropped;
    considered = judged->considered - judged->wal_considered;
    if (dropped > FORGET_FEW && dropped * 100 > considered * (uint64_t)f->options->most_percent) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "%zu of %zu snapshots would be forgotten, more than %u %%; nothing was "
                           "forgotten",
                           dropped, considered, f->options->most_percent);
        vv_error_hint(err, "--dry-run tells why each is kept; if it is meant, --max-loss 100");
        return VV_EREFUSED;
    }
    return VV_OK;
}

/* --- hiding ----------------------------------------------------------------------------------- */

/** O6 */
static int64_t
grace_of(const struct forgetting *f)
{
    int64_t behind = 0;
    int64_t grace;

    if (f->list->admin.newest > f->now &&
        !__builtin_sub_overflow(f->list->admin.newest, f->now, &behind)) {
        vv_emit(repo_events(f->repo), VV_EVENT_WARNING, "clock-behind", vv_span(NULL, 0),
                "this machine's clock is behind what the administrator signed before; the grace is "
                "longer by as much");
    }
    return __builtin_add_overflow(f->options->grace, behind, &grace) ? INT64_MAX : grace;
}

static enum vv_rc
hide(struct forgetting *f, struct vv_error *err)
{
    const struct retention *judged = &f->sum->judged;
    int64_t grace = judged->dropped > 0 ? grace_of(f) : 0;
    VV_CLEANUP(vv_freep)
    struct vv_uuid *ids = vv_alloc_array(judged->dropped + 1, sizeof(*ids));
    size_t count = 0;

    if (ids == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < f->list->count; i++) {
        if (judged->verdicts[i].considered && judged->verdicts[i].reasons == 0) {
            ids[count++] = f->list->snapshots[i].id;
        }
    }
    for (size_t at = 0; at < count; at += FORGET_SNAPSHOTS_MAX) {
        size_t n = count - at < FORGET_SNAPSHOTS_MAX ? count - at : FORGET_SNAPSHOTS_MAX;
        VV_TRY(forget_publish(f->repo, ids + at, (uint32_t)n, grace, NULL, err));
        f->sum->forgotten += n;
    }
    if (__builtin_add_overflow(f->now, grace, &f->sum->until)) {
        f->sum->until = INT64_MAX;
    }
    return VV_OK;
}

enum vv_rc
forget_run(struct repo *r, const struct snapshot_list *l, const struct forget_options *o,
           struct forget_summary *ret, struct vv_error *err)
{
    struct forgetting f = {.repo = r, .list = l, .options = o, .sum = ret, .now = forget_now(r)};
    uint64_t reserve;
    enum vv_rc rc;

    memset(ret, 0, sizeof(*ret));
    VV_TRY(forget_permitted(r, l, err));
    VV_TRY(judge(&f, err));
    tell_times(&f);
    VV_TRY(tell_marks(&f, err));
    if (o->dry_run) {
        return check_limits(&f, err);
    }
    VV_TRY(repo_reserve_take(r, SCARCE_BYTES, &reserve, err));
    rc = forget_note_listed(r, l, f.now, err);
    if (rc == VV_OK) {
        rc = check_limits(&f, err);
    }
    if (rc == VV_OK) {
        rc = hide(&f, err);
    }
    repo_reserve_return(r, reserve);
    repo_reserve_explain(r, err);
    return rc;
}
