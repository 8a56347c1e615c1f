/* SPDX-License-Identifier: BSD-2-Clause */
/* Freshness: what names a record that must be here.  C1, C2 and C5 of snapshot_chain.c. */

#include <stdio.h>
#include <string.h>

#include "repo/snapshot_chain_internal.h"

static bool
is_here(const struct chain *c, const struct vv_uuid *site)
{
    return vv_uuid_equal(site, &repo_site(c->repo)->id);
}

/** Records of which nothing but their word counts: revoked or buried in a slot, or only a grave. */
static void
check_buried(struct chain *c)
{
    const struct admin_records *a = &c->scan->admin;
    size_t count;
    const struct passed_over *p = scan_passed_over(c->scan, &count);

    for (size_t i = 0; i < count; i++) {
        if (is_here(c, &p[i].site) && !chain_knows(c, &p[i].previous)) {
            chain_missing(c, &p[i].client, p[i].sequence, &p[i].previous,
                          "before one that does not count any more is missing");
        }
    }
    for (size_t i = 0; i < a->grave_count; i++) {
        const struct grave *g = &a->graves[i];
        if (is_here(c, &g->site) && !chain_knows(c, &g->previous)) {
            chain_missing(c, &g->client, g->sequence, &g->previous,
                          "before a deleted one is missing");
        }
    }
}

void
chain_check_predecessors(struct chain *c)
{
    struct snapshot_list *l = &c->scan->list;

    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *a = &l->snapshots[i];
        if (is_here(c, &a->site) && !chain_knows(c, &a->previous)) {
            chain_missing(c, &a->client, a->sequence, &a->previous, "before this one is missing");
        }
    }
    check_buried(c);
}

void
chain_check_seen(struct chain *c)
{
    const struct admin_records *a = &c->scan->admin;

    for (size_t i = 0; i < c->scan->seen_count; i++) {
        const struct seen_head *h = &c->scan->seen[i];
        if (is_here(c, &h->site) && !chain_knows(c, &h->seen.hash)) {
            char client[VV_UUID_TEXT];
            char why[96];
            vv_uuid_text(&h->client, client);
            (void)snprintf(why, sizeof(why), "that client %.8s has seen is missing", client);
            chain_missing(c, &h->seen.client, h->seen.sequence, &h->seen.hash, why);
        }
    }
    for (size_t i = 0; i < a->head_count; i++) {
        if (!chain_knows(c, &a->heads[i].hash)) {
            chain_missing(c, &a->heads[i].client, a->heads[i].sequence, &a->heads[i].hash,
                          "that was here when others were deleted is missing");
        }
    }
}

static uint64_t
newest_here(const struct chain *c, const struct vv_uuid *client)
{
    const struct snapshot_list *l = &c->scan->list;
    uint64_t newest = 0;

    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *a = &l->snapshots[i];
        if (a->sequence > newest && vv_uuid_equal(&a->client, client)) {
            newest = a->sequence;
        }
    }
    return newest;
}

/** What is remembered of other sites. */
struct elsewhere {
    const struct chain *chain;
    struct vv_buf newer; /* struct head: newer than all that is here of its client */
    struct vv_buf gone;  /* struct vv_id: forgotten there */
};

static enum vv_rc
see_site(void *ctx, const struct site_memory *m, struct vv_error *err)
{
    struct elsewhere *e = ctx;

    for (size_t i = 0; i < m->head_count; i++) {
        const struct head *h = &m->heads[i];
        if (!chain_knows(e->chain, &h->hash) && newest_here(e->chain, &h->client) <= h->sequence) {
            vv_buf_put(&e->newer, h, sizeof(*h));
        }
    }
    vv_buf_put(&e->gone, m->gone, m->gone_count * sizeof(*m->gone));
    VV_TRY(vv_buf_check(&e->newer, err));
    return vv_buf_check(&e->gone, err);
}

/** Was it forgotten anywhere?  Then nobody will copy it to wherever it is not. */
static bool
is_gone(const struct elsewhere *e, const struct vv_id *hash)
{
    for (size_t at = 0; at < e->gone.len; at += sizeof(*hash)) {
        if (memcmp(e->gone.data + at, hash, sizeof(*hash)) == 0) {
            return true;
        }
    }
    return false;
}

static void
judge_newer(struct chain *c, const struct elsewhere *e)
{
    for (size_t at = 0; at < e->newer.len; at += sizeof(struct head)) {
        struct head h;
        memcpy(&h, e->newer.data + at, sizeof(h));
        if (is_gone(e, &h.hash)) {
            continue;
        }
        if (c->accept) {
            chain_missing(c, &h.client, h.sequence, &h.hash,
                          "this host has seen elsewhere is not here");
        } else {
            c->scan->list.freshness = FRESHNESS_LAG;
        }
    }
}

enum vv_rc
chain_check_elsewhere(struct chain *c, struct vv_error *err)
{
    struct elsewhere e = {.chain = c};
    struct vv_error why = {0};
    enum vv_rc rc;

    if (c->scan->list.freshness != FRESHNESS_OK || repo_state(c->repo) == NULL ||
        repo_is_keyless(c->repo)) {
        return VV_OK;
    }
    rc = local_state_other_sites(repo_state(c->repo), &repo_site(c->repo)->id, see_site, &e, &why);
    if (rc == VV_OK) { /* else nothing is known of other sites */
        judge_newer(c, &e);
    }
    vv_buf_release(&e.newer);
    vv_buf_release(&e.gone);
    return rc == VV_ENOMEM ? vv_error_nomem(err) : VV_OK;
}
