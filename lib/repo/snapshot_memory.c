/* SPDX-License-Identifier: BSD-2-Clause */
/* Freshness: what this host remembers of a site. */

#include <string.h>

#include "core/alloc.h"
#include "repo/snapshot_chain_internal.h"

enum vv_rc
chain_recall(struct repo *r, const struct site_memory **ret, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = local_state_site(repo_state(r), &repo_site(r)->id, ret, &why);

    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        repo_report(r, "state-damaged", "site", why.message);
        *ret = NULL;
    }
    return VV_OK;
}

/** Heads to remember: the newest there are.  Of a client whose newest snapshot was buried the older
 *  memory stays: graves explain it for ever.  What is missing (and was accepted) goes. */
static enum vv_rc
merge_heads(const struct chain *c, const struct site_memory *old, struct site_memory *ret,
            struct vv_error *err)
{
    struct head *now = NULL;
    size_t count = 0;
    size_t old_count = old != NULL ? old->head_count : 0;
    struct head *all;

    VV_TRY(newest_heads(&c->scan->list, &now, &count, err));
    all = vv_alloc_array(old_count + count + 1, sizeof(*all));
    if (all == NULL) {
        vv_free(now);
        return vv_error_nomem(err);
    }
    ret->heads = all;
    ret->head_count = 0;
    for (size_t i = 0; i < old_count; i++) {
        const struct head *h = head_find(now, count, &old->heads[i].client);
        if (h != NULL &&
            (h->sequence > old->heads[i].sequence || !chain_knows(c, &old->heads[i].hash))) {
            all[ret->head_count++] = *h;
        } else if (chain_knows(c, &old->heads[i].hash)) {
            all[ret->head_count++] = old->heads[i];
        } else if (h != NULL) {
            all[ret->head_count++] = *h;
        }
    }
    for (size_t i = 0; i < count; i++) {
        size_t j = 0;
        while (j < ret->head_count && !vv_uuid_equal(&all[j].client, &now[i].client)) {
            j++; /* clients are few */
        }
        if (j == ret->head_count) {
            all[ret->head_count++] = now[i];
        }
    }
    vv_free(now);
    return VV_OK;
}

/** Is it what is remembered already? */
static bool
is_same(const struct site_memory *a, const struct site_memory *b)
{
    return b != NULL && a->head_count == b->head_count && a->accepted_count == b->accepted_count &&
           a->graves == b->graves && a->revocations == b->revocations && a->epoch == b->epoch &&
           a->gone_count == b->gone_count &&
           memcmp(a->heads, b->heads, a->head_count * sizeof(*a->heads)) == 0 &&
           (a->gone_count == 0 || memcmp(a->gone, b->gone, a->gone_count * sizeof(*a->gone)) == 0);
}

static bool
is_visible(const struct chain *c, const struct head *h)
{
    const struct snapshot_list *l = &c->scan->list;

    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *a = &l->snapshots[i];
        if (a->sequence == h->sequence && vv_id_equal(&a->hash, &h->hash)) {
            return admin_forgotten(&c->scan->admin, &a->id) == NULL;
        }
    }
    return false;
}

/** Of the heads to remember, those that nobody copies from here any more. */
static enum vv_rc
collect_gone(const struct chain *c, struct site_memory *ret, struct vv_error *err)
{
    ret->gone = vv_alloc_array(ret->head_count + 1, sizeof(*ret->gone));
    if (ret->gone == NULL) {
        return vv_error_nomem(err);
    }
    ret->gone_count = 0;
    for (size_t i = 0; i < ret->head_count; i++) {
        if (!is_visible(c, &ret->heads[i])) {
            ret->gone[ret->gone_count++] = ret->heads[i].hash;
        }
    }
    return VV_OK;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/** Remember what is there now.  Lock held. */
static enum vv_rc
remember(struct chain *c, struct vv_error *err)
{
    const struct admin_records *a = &c->scan->admin;
    const struct site_memory *old = NULL;
    struct site_memory m = {0};
    size_t old_accepted;
    enum vv_rc rc;

    VV_TRY(chain_recall(c->repo, &old, err));
    VV_TRY(merge_heads(c, old, &m, err));
    rc = collect_gone(c, &m, err);
    old_accepted = old != NULL ? old->accepted_count : 0;
    m.accepted_count = old_accepted + c->accepted.len / sizeof(*m.accepted);
    m.accepted = rc == VV_OK ? vv_alloc_array(m.accepted_count + 1, sizeof(*m.accepted)) : NULL;
    if (m.accepted == NULL) {
        vv_free(m.heads);
        vv_free(m.gone);
        return vv_error_nomem(err);
    }
    if (old_accepted > 0) {
        memcpy(m.accepted, old->accepted, old_accepted * sizeof(*m.accepted));
    }
    if (c->accepted.len > 0) {
        memcpy(m.accepted + old_accepted, c->accepted.data, c->accepted.len);
    }
    m.graves = chain_count_graves(a);
    m.revocations = a->revocation_count;
    m.epoch = a->newest_epoch;
    if (old != NULL && !c->accept) { /* another run may have seen more meanwhile */
        m.graves = larger(m.graves, old->graves);
        m.revocations = larger(m.revocations, old->revocations);
        m.epoch = (uint32_t)larger(m.epoch, old->epoch);
    }
    rc = is_same(&m, old)
             ? VV_OK
             : local_state_remember(repo_state(c->repo), &repo_site(c->repo)->id, &m, err);
    vv_free(m.heads);
    vv_free(m.accepted);
    vv_free(m.gone);
    return rc;
}

enum vv_rc
chain_remember(struct chain *c, struct vv_error *err)
{
    struct local_state *state = repo_state(c->repo);
    struct vv_error why = {0};
    enum vv_rc rc;

    if (c->scan->list.freshness == FRESHNESS_ROLLED_BACK || state == NULL ||
        vv_uuid_is_zero(&repo_site(c->repo)->id)) {
        return VV_OK;
    }
    rc = local_state_lock(state, &why);
    if (rc == VV_OK) {
        rc = remember(c, &why);
        local_state_unlock(state);
    }
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        vv_emit(repo_events(c->repo), VV_EVENT_WARNING, "state-not-updated", vv_span(NULL, 0), "%s",
                why.message);
    }
    return VV_OK;
}
