/* SPDX-License-Identifier: BSD-2-Clause */
/* Publications of WAL, sorted, and what they come to. */
#include "engine/wal_catalog.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static int
compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int
compare_stretches(const void *a, const void *b)
{
    const struct wal_stretch *x = a;
    const struct wal_stretch *y = b;
    int c = compare_numbers(x->wal.system, y->wal.system);

    c = c != 0 ? c : compare_numbers(x->wal.timeline, y->wal.timeline);
    c = c != 0 ? c : compare_numbers(x->wal.from, y->wal.from);
    c = c != 0 ? c : compare_numbers(y->wal.to, x->wal.to);
    if (c != 0) {
        return c;
    }
    if (x->snapshot->time != y->snapshot->time) {
        return x->snapshot->time < y->snapshot->time ? -1 : 1;
    }
    return memcmp(x->snapshot->id.b, y->snapshot->id.b, sizeof(x->snapshot->id.b));
}

void
wal_catalog_release(struct wal_catalog *c)
{
    vv_free(c->items);
    memset(c, 0, sizeof(*c));
}

enum vv_rc
wal_catalog_read(const struct snapshot_list *l, struct wal_catalog *ret, struct vv_error *err)
{
    struct wal_catalog c = {.list = l};

    c.items = vv_alloc_array(l->count + 1, sizeof(*c.items));
    if (c.items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *s = &l->snapshots[i];
        if (s->body.mode == SNAPSHOT_WAL) {
            c.items[c.count++] = (struct wal_stretch){s, s->body.wal[0]};
        }
    }
    if (c.count > 0) {
        qsort(c.items, c.count, sizeof(*c.items), compare_stretches);
    }
    *ret = c;
    return VV_OK;
}

enum vv_rc
wal_catalog_complete(const struct snapshot_list *l, struct vv_error *err)
{
    if (l->damaged > 0) {
        return vv_error_set(
            err, VV_ECORRUPT,
            "%zu snapshots cannot be read, so that nobody can tell what WAL there is", l->damaged);
    }
    if (l->forged > 0 || l->freshness == FRESHNESS_ROLLED_BACK) {
        return vv_error_set(
            err, VV_EFORGED,
            "snapshots are missing or forged, so that nobody can tell what WAL there "
            "is");
    }
    return VV_OK;
}

uint32_t
wal_catalog_segment_size(const struct wal_catalog *c, uint64_t system)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].wal.system == system) {
            return c->items[i].wal.segment_size;
        }
    }
    for (size_t i = 0; i < c->list->count; i++) {
        const struct snapshot_body *b = &c->list->snapshots[i].body;
        for (uint32_t k = 0; k < b->wal_count; k++) {
            if (b->wal[k].system == system) {
                return b->wal[k].segment_size;
            }
        }
    }
    return 0;
}

bool
wal_catalog_knows(const struct wal_catalog *c, uint64_t system)
{
    return wal_catalog_segment_size(c, system) != 0;
}

const struct wal_stretch *
wal_catalog_find(const struct wal_catalog *c, uint64_t system, uint32_t timeline, uint64_t at,
                 uint64_t limit, uint64_t *ret_to)
{
    const struct wal_stretch *best = NULL;
    uint64_t best_to = 0;

    for (size_t i = 0; i < c->count; i++) {
        const struct wal_stretch *s = &c->items[i];
        uint64_t to = s->wal.to < limit ? s->wal.to : limit;
        if (s->wal.system != system || s->wal.timeline != timeline || s->wal.from > at ||
            s->wal.to <= at) {
            continue;
        }
        if (to > best_to) {
            best = s;
            best_to = to;
        }
    }
    if (best != NULL) {
        *ret_to = best_to;
    }
    return best;
}

uint64_t
wal_catalog_end(const struct wal_catalog *c, uint64_t system, uint32_t timeline)
{
    uint64_t end = 0;

    for (size_t i = 0; i < c->count; i++) {
        const struct snapshot_wal *w = &c->items[i].wal;
        if (w->system == system && w->timeline == timeline && w->from < w->to && w->to > end) {
            end = w->to;
        }
    }
    return end;
}

enum vv_rc
wal_catalog_runs(const struct wal_catalog *c, struct wal_run **ret, size_t *ret_count,
                 struct vv_error *err)
{
    struct wal_run *runs = vv_alloc_array(c->count + 1, sizeof(*runs));
    size_t count = 0;

    if (runs == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct snapshot_wal *w = &c->items[i].wal;
        struct wal_run *last = count > 0 ? &runs[count - 1] : NULL;
        bool same = last != NULL && last->system == w->system && last->timeline == w->timeline;
        if (w->from == w->to) {
            continue;
        }
        if (!same || w->from > last->to) {
            runs[count++] = (struct wal_run){.system = w->system,
                                             .timeline = w->timeline,
                                             .segment_size = w->segment_size,
                                             .from = w->from,
                                             .to = w->to,
                                             .newest = INT64_MIN,
                                             .gap_before = same};
            last = &runs[count - 1];
        }
        last->to = w->to > last->to ? w->to : last->to;
        last->publications++;
        if (c->items[i].snapshot->time > last->newest) {
            last->newest = c->items[i].snapshot->time;
        }
    }
    *ret = runs;
    *ret_count = count;
    return VV_OK;
}
