/* SPDX-License-Identifier: BSD-2-Clause */
/* Freshness: what names a record that must be here.  C1, C2 and C5 of snapshot_chain.c. */

#include <stdio.h>

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
        if (chain_knows(c, &a->previous)) {
            continue;
        }
        if (is_here(c, &a->site)) {
            chain_missing(c, &a->client, a->sequence, &a->previous, "before this one is missing");
        } else if (l->freshness == FRESHNESS_OK) {
            l->freshness = FRESHNESS_LAG;
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
