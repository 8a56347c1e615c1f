/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freshness: is anything missing that was here?
 *
 * A record is known here if it lies in a slot (also ignored because its client was revoked or a grave
 * names it), if a grave that counts here names its hash, or if a person accepted that it is missing.
 *
 * C1  the predecessor (hash) of every record committed on this site is known, whether that record lies
 *     in a slot or only a grave is left of it;
 * C2  a head that a record committed on this site has seen is known, and so is every head that this
 *     site's records of graves name: the newest of each client when they were written;
 * C3  a head this host remembers of this site is known;
 * C4  one client never has two records with one sequence number (a fork: a copied machine);
 * C5  records committed on other sites may lag: that is said, and no alarm.  A copy lags if this host
 *     remembers, of another site, a client's head that was forgotten nowhere and is newer than all that is
 *     here of that client.  A hole tells nothing: what was forgotten there before it was copied leaves
 *     one, too, and graves do not travel;
 * C6  there are not fewer graves, revocations and epochs than this host remembers (else what was
 *     forgotten or revoked would come back);
 * C7  the head this run was told to expect is known.
 *
 * What follows for a snapshot whose slot is lost, whatever else happens in whatever order:
 * H1  it is missed as long as anything names it: its successor, through its slot or, when that is
 *     deleted, its grave (G1: the grave is there first); who has seen it, or the record of graves that
 *     was written when the last of these was buried; a host that remembers it;
 * H2  carrying out a forget checks C1 to C7 before it buries anything, and again before anything is
 *     condemned: a slot lost before, between or after is found by one of the two, and prune refuses.
 *     One that was itself to be buried and is lost before its grave is there is missed like any other;
 * H3  graves only grow (G2) and are counted (C6), so that what they testify stays;
 * H4  of all machines that have no memory of the site, only the loss of the very newest record of a
 *     client, made since anything was last buried and seen by no other client, is not noticed: that
 *     takes --expect-head.
 *
 * What is missing is believed only after a second look (struct chain_doubts).
 *
 * A person may accept what is missing (C1, C2, C3) or forked (C4) or fewer (C6): its hashes are
 * remembered, and count as present from then on, on this host.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/snapshot_chain_internal.h"

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

static enum vv_rc
collect_known(struct chain *c, struct vv_error *err)
{
    const struct slot_scan *s = c->scan;
    size_t passed_over;
    const struct passed_over *p = scan_passed_over(s, &passed_over);
    size_t accepted = c->memory != NULL ? c->memory->accepted_count : 0;

    c->known = vv_alloc_array(s->list.count + s->admin.grave_count + passed_over + accepted + 1,
                              sizeof(*c->known));
    if (c->known == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < s->list.count; i++) {
        c->known[c->known_count++] = s->list.snapshots[i].hash;
    }
    for (size_t i = 0; i < s->admin.grave_count; i++) {
        c->known[c->known_count++] = s->admin.graves[i].hash;
    }
    for (size_t i = 0; i < passed_over; i++) {
        c->known[c->known_count++] = p[i].hash;
    }
    for (size_t i = 0; i < accepted; i++) {
        c->known[c->known_count++] = c->memory->accepted[i];
    }
    qsort(c->known, c->known_count, sizeof(*c->known), compare_ids);
    return VV_OK;
}

bool
chain_knows(const struct chain *c, const struct vv_id *hash)
{
    static const struct vv_id none;

    return vv_id_equal(hash, &none) ||
           bsearch(hash, c->known, c->known_count, sizeof(*hash), compare_ids) != NULL;
}

void
chain_doubts_release(struct chain_doubts *d)
{
    vv_buf_release(&d->hashes);
    memset(d, 0, sizeof(*d));
}

static bool
holds_hash(const struct vv_buf *b, const struct vv_id *hash)
{
    for (size_t at = 0; at < b->len; at += sizeof(*hash)) {
        if (memcmp(b->data + at, hash, sizeof(*hash)) == 0) {
            return true;
        }
    }
    return false;
}

/** Something is not as it was: an alarm, unless it is accepted. */
static void
alarm_or_accept(struct chain *c, const char *event, const struct vv_uuid *client, const char *text)
{
    char id[VV_UUID_TEXT] = "";
    struct vv_span about = {0};

    if (client != NULL) {
        vv_uuid_text(client, id);
        about = vv_span(id, 8);
    }
    if (c->accept) {
        vv_emit(repo_events(c->repo), VV_EVENT_WARNING, "head-accepted", about, "accepted: %s",
                text);
        return;
    }
    vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, event, about, "%s", text);
    c->scan->list.freshness = FRESHNESS_ROLLED_BACK;
}

void
chain_missing(struct chain *c, const struct vv_uuid *client, uint64_t sequence,
              const struct vv_id *hash, const char *why)
{
    char id[VV_UUID_TEXT];
    char text[256];

    if (c->looking) {
        vv_buf_put(&c->doubts->hashes, hash, sizeof(*hash));
        c->doubts->any = c->doubts->any || !holds_hash(&c->before->hashes, hash);
        return;
    }
    if (holds_hash(&c->told, hash)) {
        return;
    }
    vv_buf_put(&c->told, hash, sizeof(*hash));
    vv_uuid_text(client, id);
    (void)snprintf(text, sizeof(text),
                   "a snapshot of client %.8s %s (sequence %llu) and no grave explains it", id, why,
                   (unsigned long long)sequence);
    if (c->accept) {
        vv_buf_put(&c->accepted, hash, sizeof(*hash));
    }
    alarm_or_accept(c, "snapshot-missing", client, text);
}

/** Was this record accepted before, although there is another one in its place? */
static bool
was_accepted(const struct chain *c, const struct vv_id *hash)
{
    for (size_t i = 0; c->memory != NULL && i < c->memory->accepted_count; i++) {
        if (vv_id_equal(&c->memory->accepted[i], hash)) {
            return true;
        }
    }
    return false;
}

static void
report_fork(struct chain *c, const struct snapshot *a, const struct snapshot *b)
{
    char id[VV_UUID_TEXT];
    char text[256];

    if (was_accepted(c, &a->hash) && was_accepted(c, &b->hash)) {
        return;
    }
    vv_uuid_text(&a->client, id);
    (void)snprintf(
        text, sizeof(text),
        "client %.8s has different snapshots with sequence %llu: its state directory was "
        "copied or restored; move it away on one machine",
        id, (unsigned long long)a->sequence);
    if (c->accept) {
        vv_buf_put(&c->accepted, &a->hash, sizeof(a->hash));
        vv_buf_put(&c->accepted, &b->hash, sizeof(b->hash));
    }
    alarm_or_accept(c, "client-forked", &a->client, text);
}

/** C4 */
static enum vv_rc
check_forks(struct chain *c, struct vv_error *err)
{
    const struct snapshot **order = snapshots_by_place(&c->scan->list, err);

    if (order == NULL) {
        return VV_ENOMEM;
    }
    for (size_t i = 1; i < c->scan->list.count; i++) {
        bool again = i > 1 && snapshot_place_compare(&order[i - 2], &order[i - 1]) == 0;
        if (snapshot_place_compare(&order[i - 1], &order[i]) == 0 && (c->accept || !again)) {
            report_fork(c, order[i - 1], order[i]);
        }
    }
    vv_free(order);
    return VV_OK;
}

/** C3 */
static void
check_heads(struct chain *c)
{
    for (size_t i = 0; c->memory != NULL && i < c->memory->head_count; i++) {
        const struct head *h = &c->memory->heads[i];
        if (!chain_knows(c, &h->hash)) {
            chain_missing(c, &h->client, h->sequence, &h->hash,
                          "this host has seen here is missing");
        }
    }
}

uint64_t
chain_count_graves(const struct admin_records *a)
{
    uint64_t count = 0;

    for (size_t i = 0; i < a->grave_count; i++) { /* sorted by session and snapshot */
        count += i == 0 || !vv_uuid_equal(&a->graves[i].session, &a->graves[i - 1].session) ||
                 !vv_uuid_equal(&a->graves[i].snapshot, &a->graves[i - 1].snapshot);
    }
    return count;
}

/** C6, while looking: fewer than this host remembers now, but not than it did before the scan. */
static void
doubt_growing(struct chain *c)
{
    const struct site_memory *m = c->memory;
    const struct admin_records *a = &c->scan->admin;
    struct chain_doubts *d = c->doubts;

    d->graves = m->graves;
    d->revocations = m->revocations;
    d->epoch = m->epoch;
    d->any =
        d->any ||
        (chain_count_graves(a) < m->graves && chain_count_graves(a) >= c->before->graves) ||
        (a->revocation_count < m->revocations && a->revocation_count >= c->before->revocations) ||
        (a->newest_epoch < m->epoch && a->newest_epoch >= c->before->epoch);
}

/** C6 */
static void
check_growing(struct chain *c)
{
    const struct site_memory *m = c->memory;
    const struct admin_records *a = &c->scan->admin;

    if (m == NULL) {
        return;
    }
    if (c->looking) {
        doubt_growing(c);
        return;
    }
    if (chain_count_graves(a) < m->graves) {
        alarm_or_accept(c, "grave-missing", NULL,
                        "graves this host has seen here are missing: what was forgotten may have "
                        "come back");
    }
    if (a->revocation_count < m->revocations) {
        alarm_or_accept(c, "revocation-missing", NULL,
                        "revocations this host has seen here are missing: who was revoked may be "
                        "believed again");
    }
    if (a->newest_epoch < m->epoch) {
        alarm_or_accept(c, "epoch-missing", NULL,
                        "the newest epoch this host has seen here is missing");
    }
}

/** C7 */
static void
check_expected(struct chain *c)
{
    const char *text = repo_expect_head(c->repo);
    const struct slot_scan *s = c->scan;
    bool found = text == NULL;

    for (size_t i = 0; i < s->list.count && !found; i++) {
        const struct snapshot *a = &s->list.snapshots[i];
        found = head_matches(text, &a->client, a->sequence, &a->hash);
    }
    for (size_t i = 0; i < s->admin.grave_count && !found; i++) {
        const struct grave *g = &s->admin.graves[i];
        found = head_matches(text, &g->client, g->sequence, &g->hash);
    }
    if (!found) {
        vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, "head-missing", vv_span(text, strlen(text)),
                "the expected head is not in this repository: this copy is older than the backup "
                "that printed it, or was rolled back");
        c->scan->list.freshness = FRESHNESS_ROLLED_BACK;
    } else if (text != NULL && c->scan->list.freshness == FRESHNESS_NOT_CHECKED) {
        c->scan->list.freshness = FRESHNESS_OK;
    }
}

/** What is accepted must be remembered, or it is not accepted. */
static bool
may_accept(struct repo *r)
{
    if (!repo_accept_heads(r)) {
        return false;
    }
    if (repo_state(r) != NULL && !vv_uuid_is_zero(&repo_site(r)->id)) {
        return true;
    }
    vv_emit(
        repo_events(r), VV_EVENT_WARNING, "head-not-accepted", vv_span(NULL, 0),
        "what is missing cannot be accepted: that needs a state directory and an intact 'site'");
    return false;
}

static enum vv_rc
check(struct chain *c, struct vv_error *err)
{
    VV_TRY(collect_known(c, err));
    c->looking = true;
    chain_check_predecessors(c);
    chain_check_seen(c);
    check_heads(c);
    check_growing(c);
    VV_TRY(vv_buf_check(&c->doubts->hashes, err));
    if (c->doubts->any) {
        return VV_OK;
    }
    c->looking = false;
    chain_check_predecessors(c);
    chain_check_seen(c);
    VV_TRY(check_forks(c, err));
    check_heads(c);
    check_growing(c);
    VV_TRY(chain_check_elsewhere(c, err));
    if (c->memory == NULL && c->scan->list.freshness == FRESHNESS_OK) {
        c->scan->list.freshness = FRESHNESS_NOT_CHECKED;
    }
    check_expected(c);
    VV_TRY(vv_buf_check(&c->accepted, err));
    VV_TRY(vv_buf_check(&c->told, err));
    return chain_remember(c, err);
}

enum vv_rc
chain_check(struct repo *r, struct slot_scan *s, const struct chain_doubts *before,
            struct chain_doubts *ret, struct vv_error *err)
{
    struct chain c = {
        .repo = r, .scan = s, .accept = may_accept(r), .before = before, .doubts = ret};
    enum vv_rc rc = VV_OK;

    s->list.freshness = FRESHNESS_OK;
    if (repo_state(r) != NULL && !vv_uuid_is_zero(&repo_site(r)->id)) {
        rc = chain_recall(r, &c.memory, err);
    }
    if (rc == VV_OK) {
        rc = check(&c, err);
    }
    vv_free(c.known);
    vv_buf_release(&c.accepted);
    vv_buf_release(&c.told);
    return rc;
}
