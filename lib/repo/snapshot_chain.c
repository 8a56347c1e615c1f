/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freshness: is anything missing that was here?
 *
 * C1  on this site every record's predecessor (its hash) is present (if ignored because its client
 *     was revoked) or in a grave;
 * C2  a head some record of this site has seen is present or in a grave;
 * C3  a head this host remembers of this site is present or in a grave;
 * C4  one client never has two records with one sequence number (a fork: a copied machine);
 * C5  records committed on other sites may lag: that is said, and no alarm.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/snapshots_internal.h"

/** Sorted hashes of all records that are present or buried. */
struct known {
    struct vv_id *hashes;
    size_t count;
};

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

static enum vv_rc
collect_known(const struct slot_scan *s, struct known *ret, struct vv_error *err)
{
    struct known k = {0};

    size_t passed_over = s->passed_over.len / sizeof(*k.hashes);

    k.hashes =
        vv_alloc_array(s->list.count + s->admin.grave_count + passed_over + 1, sizeof(*k.hashes));
    if (k.hashes == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < s->list.count; i++) {
        k.hashes[k.count++] = s->list.snapshots[i].hash;
    }
    for (size_t i = 0; i < s->admin.grave_count; i++) {
        k.hashes[k.count++] = s->admin.graves[i].hash;
    }
    for (size_t i = 0; i < passed_over; i++) {
        memcpy(&k.hashes[k.count++], s->passed_over.data + i * sizeof(*k.hashes),
               sizeof(*k.hashes));
    }
    qsort(k.hashes, k.count, sizeof(*k.hashes), compare_ids);
    *ret = k;
    return VV_OK;
}

static bool
is_known(const struct known *k, const struct vv_id *hash)
{
    static const struct vv_id none;

    return vv_id_equal(hash, &none) ||
           bsearch(hash, k->hashes, k->count, sizeof(*k->hashes), compare_ids) != NULL;
}

static void
missing(struct repo *r, struct slot_scan *s, const struct vv_uuid *client, uint64_t sequence,
        const char *why)
{
    char text[VV_UUID_TEXT];

    vv_uuid_text(client, text);
    vv_emit(repo_events(r), VV_EVENT_PROBLEM, "snapshot-missing", vv_span(text, 8),
            "a snapshot of client %.8s %s (sequence %llu) and no grave explains it", text, why,
            (unsigned long long)sequence);
    s->list.freshness = FRESHNESS_ROLLED_BACK;
}

/** C1 and C5 */
static void
check_predecessors(struct repo *r, struct slot_scan *s, const struct known *k)
{
    for (size_t i = 0; i < s->list.count; i++) {
        const struct snapshot *a = &s->list.snapshots[i];
        if (is_known(k, &a->previous)) {
            continue;
        }
        if (vv_uuid_equal(&a->site, &repo_site(r)->id)) {
            missing(r, s, &a->client, a->sequence, "before this one is missing");
        } else if (s->list.freshness == FRESHNESS_OK) {
            s->list.freshness = FRESHNESS_LAG;
        }
    }
}

static void
report_fork(struct repo *r, struct slot_scan *s, const struct snapshot *a)
{
    char text[VV_UUID_TEXT];

    vv_uuid_text(&a->client, text);
    vv_emit(repo_events(r), VV_EVENT_PROBLEM, "client-forked", vv_span(text, 8),
            "client %.8s has different snapshots with sequence %llu: its state directory was "
            "copied or restored; move it away on one machine",
            text, (unsigned long long)a->sequence);
    s->list.freshness = FRESHNESS_ROLLED_BACK;
}

static int
compare_place(const void *a, const void *b)
{
    const struct snapshot *x = *(const struct snapshot *const *)a;
    const struct snapshot *y = *(const struct snapshot *const *)b;
    int c = memcmp(x->client.b, y->client.b, 16);

    return c != 0 ? c : x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/** All snapshots by client and sequence; the caller frees the array. */
static const struct snapshot **
by_place(const struct snapshot_list *l, struct vv_error *err)
{
    const struct snapshot **order = vv_alloc_array(l->count + 1, sizeof(*order));

    if (order == NULL) {
        (void)vv_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < l->count; i++) {
        order[i] = &l->snapshots[i];
    }
    qsort(order, l->count, sizeof(*order), compare_place);
    return order;
}

/** C4 */
static enum vv_rc
check_forks(struct repo *r, struct slot_scan *s, struct vv_error *err)
{
    const struct snapshot **order = by_place(&s->list, err);

    if (order == NULL) {
        return VV_ENOMEM;
    }
    for (size_t i = 1; i < s->list.count; i++) {
        bool again = i > 1 && compare_place(&order[i - 2], &order[i - 1]) == 0;
        if (compare_place(&order[i - 1], &order[i]) == 0 && !again) {
            report_fork(r, s, order[i]);
        }
    }
    vv_free(order);
    return VV_OK;
}

/** C2 */
static void
check_seen(struct repo *r, struct slot_scan *s, const struct known *k)
{
    for (size_t i = 0; i < s->seen_count; i++) {
        const struct seen_head *h = &s->seen[i];
        if (vv_uuid_equal(&h->site, &repo_site(r)->id) && !is_known(k, &h->seen.hash)) {
            char client[VV_UUID_TEXT];
            char why[96];
            vv_uuid_text(&h->client, client);
            (void)snprintf(why, sizeof(why), "that client %.8s has seen is missing", client);
            missing(r, s, &h->seen.client, h->seen.sequence, why);
        }
    }
}

enum vv_rc
newest_heads(const struct snapshot_list *l, struct head **ret, size_t *ret_count,
             struct vv_error *err)
{
    const struct snapshot **order = by_place(l, err);
    struct head *heads = vv_alloc_array(l->count + 1, sizeof(*heads));
    size_t count = 0;

    if (order == NULL || heads == NULL) {
        vv_free(order);
        vv_free(heads);
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *a = order[i];
        if (i + 1 == l->count || !vv_uuid_equal(&a->client, &order[i + 1]->client)) {
            heads[count++] = (struct head){a->client, a->sequence, a->hash};
        }
    }
    vv_free(order);
    *ret = heads;
    *ret_count = count;
    return VV_OK;
}

const struct head *
head_find(const struct head *heads, size_t count, const struct vv_uuid *client)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = memcmp(heads[middle].client.b, client->b, 16);
        if (c == 0) {
            return &heads[middle];
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/** What this host remembers of this site; a damaged memory is none, and is said. */
static enum vv_rc
recall(struct repo *r, const struct head **ret, size_t *ret_count, bool *ret_known,
       struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc =
        local_state_heads(repo_state(r), &repo_site(r)->id, ret, ret_count, ret_known, &why);

    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        repo_report(r, "state-damaged", "site", why.message);
        *ret = NULL;
        *ret_count = 0;
        *ret_known = false;
    }
    return VV_OK;
}

/** Remember what is there now.  Of a client whose newest snapshot was buried the older memory
 *  stays: graves explain it for ever. */
static enum vv_rc
remember_heads(struct repo *r, const struct snapshot_list *l, struct vv_error *err)
{
    const struct head *old = NULL;
    struct head *now = NULL;
    struct head *all = NULL;
    size_t old_count = 0;
    size_t now_count = 0;
    size_t count = 0;
    bool known = false;
    bool differs;
    enum vv_rc rc = recall(r, &old, &old_count, &known, err);

    if (rc == VV_OK) {
        rc = newest_heads(l, &now, &now_count, err);
    }
    if (rc == VV_OK && (all = vv_alloc_array(old_count + now_count + 1, sizeof(*all))) == NULL) {
        rc = vv_error_nomem(err);
    }
    differs = !known;
    for (size_t i = 0; rc == VV_OK && i < old_count; i++) {
        const struct head *h = head_find(now, now_count, &old[i].client);
        all[count] = h != NULL && h->sequence > old[i].sequence ? *h : old[i];
        differs = differs || memcmp(&all[count], &old[i], sizeof(*all)) != 0;
        count++;
    }
    for (size_t i = 0; rc == VV_OK && i < now_count; i++) {
        size_t j = 0;
        while (j < old_count && !vv_uuid_equal(&old[j].client, &now[i].client)) {
            j++; /* clients are few */
        }
        if (j == old_count) {
            all[count++] = now[i];
            differs = true;
        }
    }
    if (rc == VV_OK && differs) {
        rc = local_state_remember(repo_state(r), &repo_site(r)->id, all, count, err);
    }
    vv_free(now);
    vv_free(all);
    return rc;
}

/** C3, and remember what is there now (never after a roll-back: the alarm stays).  That nothing can
 *  be remembered, because the disk is full, say, must not keep anybody from restoring. */
static enum vv_rc
check_state(struct repo *r, struct slot_scan *s, const struct known *k, struct vv_error *err)
{
    const struct head *old = NULL;
    size_t old_count = 0;
    bool known = false;
    struct vv_error why = {0};
    enum vv_rc rc;

    if (repo_state(r) != NULL && !vv_uuid_is_zero(&repo_site(r)->id)) {
        VV_TRY(recall(r, &old, &old_count, &known, err));
    }
    for (size_t i = 0; i < old_count; i++) {
        if (!is_known(k, &old[i].hash)) {
            missing(r, s, &old[i].client, old[i].sequence, "this host has seen here is missing");
        }
    }
    if (!known && s->list.freshness == FRESHNESS_OK) {
        s->list.freshness = FRESHNESS_NOT_CHECKED;
    }
    if (s->list.freshness == FRESHNESS_ROLLED_BACK || repo_state(r) == NULL ||
        vv_uuid_is_zero(&repo_site(r)->id)) {
        return VV_OK;
    }
    rc = local_state_lock(repo_state(r), &why);
    if (rc == VV_OK) {
        rc = remember_heads(r, &s->list, &why);
        local_state_unlock(repo_state(r));
    }
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        vv_emit(repo_events(r), VV_EVENT_WARNING, "state-not-updated", vv_span(NULL, 0), "%s",
                why.message);
    }
    return VV_OK;
}

enum vv_rc
chain_check(struct repo *r, struct slot_scan *s, struct vv_error *err)
{
    struct known k = {0};
    enum vv_rc rc;

    s->list.freshness = FRESHNESS_OK;
    VV_TRY(collect_known(s, &k, err));
    check_predecessors(r, s, &k);
    check_seen(r, s, &k);
    rc = check_forks(r, s, err);
    if (rc == VV_OK) {
        rc = check_state(r, s, &k, err);
    }
    vv_free(k.hashes);
    return rc;
}
