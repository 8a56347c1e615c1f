/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy's verdict on every snapshot of a list. */
#include "engine/retention_internal.h"

#include <assert.h>
#include <string.h>

#include "core/alloc.h"

bool
retention_policy_empty(const struct retention_policy *p)
{
    for (unsigned rule = 0; rule < RETENTION_RULES; rule++) {
        if (p->keep[rule] > 0) {
            return false;
        }
    }
    return p->within == 0 && p->tag_count == 0;
}

const char *
retention_reason_name(unsigned bit)
{
    static const char *const names[] = {
        "last",
        "minutely",
        "hourly",
        "daily",
        "weekly",
        "monthly",
        "yearly",
        "within",
        "tag",
        "pinned",
        "time-does-not-fit",
        "marked",
        "older-than-marked",
        "not-named",
        "wal",
        "wal-window",
        "complete",
    };

    static_assert(VV_COUNT(names) == KEPT_REASONS, "every reason has a name");
    assert(bit < VV_COUNT(names));
    return names[bit];
}

void
retention_release(struct retention *r)
{
    vv_free(r->verdicts);
    memset(r, 0, sizeof(*r));
}

enum vv_rc
retention_count(struct retention *r, size_t count, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) bool *left = vv_alloc_array(r->groups + 1, sizeof(*left));
    VV_CLEANUP(vv_freep) bool *told = vv_alloc_array(r->groups + 1, sizeof(*told));

    if (left == NULL || told == NULL) {
        return vv_error_nomem(err);
    }
    r->considered = 0;
    r->dropped = 0;
    r->wal_considered = 0;
    r->wal_dropped = 0;
    r->emptied = 0;
    for (size_t i = 0; i < count; i++) {
        const struct retention_verdict *v = &r->verdicts[i];
        r->considered += v->considered;
        r->dropped += v->considered && v->reasons == 0;
        r->wal_considered += v->considered && v->wal;
        r->wal_dropped += v->considered && v->wal && v->reasons == 0;
        left[v->group] = left[v->group] || (v->considered && (v->wal || v->reasons != 0));
    }
    for (size_t i = 0; i < count; i++) {
        const struct retention_verdict *v = &r->verdicts[i];
        if (v->considered && !left[v->group] && !told[v->group]) {
            told[v->group] = true;
            r->example = i;
            r->emptied++;
        }
    }
    return VV_OK;
}

static bool
has_tag(const struct snapshot_body *b, const char *tag)
{
    for (uint32_t i = 0; i < b->tag_count; i++) {
        if (strcmp(b->tags[i], tag) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_considered(const struct snapshot *s, const struct retention_filter *f)
{
    return f == NULL || ((f->host == NULL || strcmp(f->host, s->body.host) == 0) &&
                         (f->tag == NULL || has_tag(&s->body, f->tag)));
}

/** The reasons a snapshot has by itself. */
static unsigned
own_reasons(const struct snapshot_list *l, const struct retention_policy *policy,
            const struct retention_marks *marks, const struct chain_item *it, int64_t now)
{
    const struct snapshot *s = it->snapshot;
    unsigned reasons = 0;

    for (size_t i = 0; i < policy->tag_count; i++) {
        reasons |= has_tag(&s->body, policy->tags[i]) ? KEPT_TAG : 0u;
    }
    reasons |= admin_pinned(&l->admin, &s->id, now, NULL) ? KEPT_PINNED : 0u;
    reasons |= it->fits ? 0u : KEPT_TIME;
    reasons |= retention_marked(marks, s) != NULL ? KEPT_MARKED : 0u;
    reasons |= retention_held(marks, s) ? KEPT_OLDER : 0u;
    return reasons;
}

/** K8: the list is in the order of time. */
static enum vv_rc
keep_complete(const struct snapshot_list *l, struct retention *r, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) size_t *complete = vv_alloc_array(r->groups + 1, sizeof(*complete));
    VV_CLEANUP(vv_freep) bool *behind = vv_alloc_array(r->groups + 1, sizeof(*behind));

    if (complete == NULL || behind == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct retention_verdict *v = &r->verdicts[i];
        if (!v->considered || v->wal || (v->reasons & KEPT_TIME) != 0) {
            continue;
        }
        behind[v->group] = l->snapshots[i].body.incomplete_count > 0;
        if (!behind[v->group]) {
            complete[v->group] = i + 1;
        }
    }
    for (size_t g = 0; g < r->groups; g++) {
        if (behind[g] && complete[g] != 0) {
            r->verdicts[complete[g] - 1].reasons |= KEPT_COMPLETE;
        }
    }
    return VV_OK;
}

static enum vv_rc
judge(const struct snapshot_list *l, const struct retention_policy *policy,
      const struct retention_filter *filter, int64_t now, struct retention *r,
      const struct chains *chains, const struct retention_marks *marks, struct vv_error *err)
{
    VV_CLEANUP(vv_freep)
    struct slot_candidate *candidates = vv_alloc_array(l->count + 1, sizeof(*candidates));
    size_t count = 0;

    if (candidates == NULL) {
        return vv_error_nomem(err);
    }
    assert(r->verdicts != NULL);
    for (size_t i = 0; i < l->count; i++) {
        r->verdicts[i].considered = is_considered(&l->snapshots[i], filter);
        r->verdicts[i].wal = l->snapshots[i].body.mode == SNAPSHOT_WAL;
    }
    VV_TRY(wal_consider(l, r->verdicts, err));
    VV_TRY(groups_number(l, policy->group_by, r->verdicts, &r->groups, err));
    for (size_t i = 0; i < l->count; i++) {
        const struct chain_item *it = chains_find(chains, &l->snapshots[i]);
        assert(it != NULL);
        r->verdicts[i].reasons = own_reasons(l, policy, marks, it, now);
        if (r->verdicts[i].considered && it->fits && !r->verdicts[i].wal) {
            candidates[count++] = (struct slot_candidate){it, i, r->verdicts[i].group, 0};
        }
    }
    slots_fill(candidates, count, policy, r->verdicts);
    VV_TRY(keep_complete(l, r, err));
    VV_TRY(wal_judge(l, chains, policy, r->verdicts, err));
    return retention_count(r, l->count, err);
}

enum vv_rc
retention_judge(const struct snapshot_list *l, const struct retention_policy *policy,
                const struct retention_filter *filter, int64_t now, struct retention *ret,
                struct vv_error *err)
{
    struct retention r = {0};
    struct chains chains = {0};
    struct retention_marks marks = {0};
    enum vv_rc rc = chains_read(l, now, &chains, err);

    if (rc == VV_OK) {
        rc = retention_marks_find(l, &marks, err);
    }
    if (rc == VV_OK && (r.verdicts = vv_alloc_array(l->count + 1, sizeof(*r.verdicts))) == NULL) {
        rc = vv_error_nomem(err);
    }
    if (rc == VV_OK) {
        rc = judge(l, policy, filter, now, &r, &chains, &marks, err);
    }
    chains_release(&chains);
    retention_marks_release(&marks);
    if (rc != VV_OK) {
        retention_release(&r);
        return rc;
    }
    *ret = r;
    return VV_OK;
}
