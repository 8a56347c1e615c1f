/* SPDX-License-Identifier: BSD-2-Clause */
/* K7: which WAL is kept. */
#include <string.h>

#include "core/alloc.h"
#include "engine/retention_internal.h"
#include "engine/wal_catalog.h"

/** A cluster, and from where on its WAL is needed. */
struct cluster {
    uint64_t system;
    uint64_t from;                 /* 0: all of it */
    int64_t newest;                /* time of its newest snapshot whose time fits */
    const struct snapshot *window; /* the base backup the window begins with; NULL: none */
    uint64_t window_from;
    bool kept;       /* is any base backup kept? */
    bool considered; /* is any base backup? */
};
struct clusters {
    struct cluster *items;
    size_t count;
};

static struct cluster *
cluster_of(struct clusters *c, uint64_t system)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].system == system) {
            return &c->items[i];
        }
    }
    c->items[c->count] = (struct cluster){.system = system, .newest = INT64_MIN};
    return &c->items[c->count++];
}

static size_t
count_mentions(const struct snapshot_list *l)
{
    size_t count = 0;

    for (size_t i = 0; i < l->count; i++) {
        count += l->snapshots[i].body.wal_count;
    }
    return count;
}

/** How old is the newest of each? */
static void
find_newest(const struct snapshot_list *l, const struct chains *chains, struct clusters *c)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *s = &l->snapshots[i];
        for (uint32_t k = 0; k < s->body.wal_count; k++) {
            struct cluster *one = cluster_of(c, s->body.wal[k].system);
            if (chains_find(chains, s)->fits && s->time > one->newest) {
                one->newest = s->time;
            }
        }
    }
}

/** The newest base backup that is as old as the window is long, else the oldest there is: the window
 *  begins with it, and it is kept.  Another policy may give up what this one does not look at. */
static void
find_windows(const struct snapshot_list *l, const struct chains *chains,
             const struct retention_verdict *verdicts, int64_t within, struct clusters *c)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *s = &l->snapshots[i];
        if (s->body.mode == SNAPSHOT_WAL || !verdicts[i].considered ||
            !chains_find(chains, s)->fits) {
            continue;
        }
        for (uint32_t k = 0; k < s->body.wal_count; k++) {
            struct cluster *one = cluster_of(c, s->body.wal[k].system);
            int64_t begin;
            bool old = !__builtin_sub_overflow(one->newest, within, &begin) && s->time <= begin;
            bool has_old = one->window != NULL && one->window->time <= begin;
            if (one->window == NULL || (old && (!has_old || s->time > one->window->time)) ||
                (!old && !has_old && s->time < one->window->time)) {
                one->window = s;
                one->window_from = s->body.wal[k].from;
            }
        }
    }
}

static bool
is_kept(const struct retention_verdict *v)
{
    return !v->considered || v->reasons != 0;
}

/** Without a window: from where the base backup that is kept begins that begins first.  With one: the
 *  same of what the window holds, and of what is not looked at; a cluster that was recovered to an earlier
 *  moment has begun later ones at an earlier position. */
static void
find_beginnings(const struct snapshot_list *l, const struct retention_verdict *verdicts,
                struct clusters *c)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *s = &l->snapshots[i];
        for (uint32_t k = 0;
             s->body.mode != SNAPSHOT_WAL && is_kept(&verdicts[i]) && k < s->body.wal_count; k++) {
            struct cluster *one = cluster_of(c, s->body.wal[k].system);
            if (!one->kept || s->body.wal[k].from < one->from) {
                one->from = s->body.wal[k].from;
                one->kept = true;
            }
            if (one->window != NULL && (s->time >= one->window->time || !verdicts[i].considered) &&
                s->body.wal[k].from < one->window_from) {
                one->window_from = s->body.wal[k].from;
            }
        }
    }
}

/** How far each client's publications of one timeline have come. */
struct reach {
    struct vv_uuid client;
    uint64_t to;
};

/** Is all of it in another publication of the same client?  They come in order of their beginnings,
 *  the longest first. */
static bool
is_superseded(struct reach *reached, size_t *count, const struct wal_stretch *s)
{
    size_t i = 0;
    bool superseded;

    while (i < *count && !vv_uuid_equal(&reached[i].client, &s->snapshot->client)) {
        i++;
    }
    if (i == *count) {
        reached[(*count)++] = (struct reach){s->snapshot->client, 0};
    }
    superseded = s->wal.to <= reached[i].to;
    reached[i].to = superseded ? reached[i].to : s->wal.to;
    return superseded;
}

static enum vv_rc
judge_publications(const struct snapshot_list *l, struct clusters *clusters, bool window,
                   struct retention_verdict *verdicts, struct vv_error *err)
{
    VV_CLEANUP(wal_catalog_release) struct wal_catalog c = {0};
    VV_CLEANUP(vv_freep) struct reach *reached = vv_alloc_array(l->count + 1, sizeof(*reached));
    size_t count = 0;

    if (reached == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(wal_catalog_read(l, &c, err));
    for (size_t i = 0; i < c.count; i++) {
        const struct wal_stretch *s = &c.items[i];
        const struct cluster *one = cluster_of(clusters, s->wal.system);
        uint64_t from = window && one->window != NULL ? one->window_from : one->from;
        if (i == 0 || s->wal.system != c.items[i - 1].wal.system ||
            s->wal.timeline != c.items[i - 1].wal.timeline) {
            count = 0;
        }
        if (s->wal.from == s->wal.to || (!is_superseded(reached, &count, s) && s->wal.to > from)) {
            verdicts[s->snapshot - l->snapshots].reasons |= KEPT_WAL;
        }
    }
    return VV_OK;
}

enum vv_rc
wal_consider(const struct snapshot_list *l, struct retention_verdict *verdicts,
             struct vv_error *err)
{
    struct clusters c = {0};
    size_t mentions = count_mentions(l);

    if (mentions == 0) {
        return VV_OK;
    }
    c.items = vv_alloc_array(mentions, sizeof(*c.items));
    if (c.items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot_body *b = &l->snapshots[i].body;
        for (uint32_t k = 0; b->mode != SNAPSHOT_WAL && k < b->wal_count; k++) {
            struct cluster *one = cluster_of(&c, b->wal[k].system);
            one->considered = one->considered || verdicts[i].considered;
        }
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot_body *b = &l->snapshots[i].body;
        for (uint32_t k = 0; b->mode == SNAPSHOT_WAL && k < b->wal_count; k++) {
            verdicts[i].considered =
                verdicts[i].considered || cluster_of(&c, b->wal[k].system)->considered;
        }
    }
    vv_free(c.items);
    return VV_OK;
}

enum vv_rc
wal_judge(const struct snapshot_list *l, const struct chains *chains,
          const struct retention_policy *policy, struct retention_verdict *verdicts,
          struct vv_error *err)
{
    struct clusters c = {0};
    size_t mentions = count_mentions(l);
    enum vv_rc rc;

    if (mentions == 0) {
        return VV_OK;
    }
    c.items = vv_alloc_array(mentions, sizeof(*c.items));
    if (c.items == NULL) {
        return vv_error_nomem(err);
    }
    find_newest(l, chains, &c);
    if (policy->wal_within > 0) {
        find_windows(l, chains, verdicts, policy->wal_within, &c);
        for (size_t i = 0; i < c.count; i++) {
            if (c.items[i].window != NULL) {
                verdicts[c.items[i].window - l->snapshots].reasons |= KEPT_WAL_WINDOW;
            }
        }
    }
    find_beginnings(l, verdicts, &c);
    rc = judge_publications(l, &c, policy->wal_within > 0, verdicts, err);
    vv_free(c.items);
    return rc;
}
