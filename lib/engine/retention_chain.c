/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains: whose time fits (K1), and on which day it was made (K3). */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/retention_internal.h"

#define NS_PER_S INT64_C(1000000000)
#define S_PER_DAY 86400
#define ZONE_EAST (INT64_C(14) * 3600) /* places keep no other time */
#define ZONE_WEST (INT64_C(-12) * 3600)

void
chains_release(struct chains *c)
{
    vv_free(c->items);
    memset(c, 0, sizeof(*c));
}

static int
compare_places(const struct snapshot *x, const struct snapshot *y)
{
    int c = memcmp(x->client.b, y->client.b, sizeof(x->client.b));

    if (c != 0) {
        return c;
    }
    if (x->sequence != y->sequence) {
        return x->sequence < y->sequence ? -1 : 1;
    }
    return memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static int
compare_items(const void *a, const void *b)
{
    return compare_places(((const struct chain_item *)a)->snapshot,
                          ((const struct chain_item *)b)->snapshot);
}

static int64_t
floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/** The day it was where the snapshot was made. */
static int64_t
local_day(const struct snapshot *s)
{
    int64_t zone = s->body.zone;

    if (zone > ZONE_EAST || zone < ZONE_WEST) {
        zone = 0;
    }
    return floor_divide(floor_divide(s->time, NS_PER_S) + zone, S_PER_DAY);
}

/** Is it dated later than it was first listed? */
static bool
is_from_the_future(const struct snapshot_list *l, const struct snapshot *s, int64_t now)
{
    int64_t listed = now;
    int64_t latest;

    (void)admin_first_listed(&l->admin, &s->id, &listed);
    listed = listed < now ? listed : now;
    if (__builtin_add_overflow(listed, RETENTION_SLACK, &latest)) {
        latest = INT64_MAX;
    }
    return s->time > latest;
}

static void
judge_times(const struct snapshot_list *l, struct chains *c, int64_t now)
{
    int64_t newest = INT64_MIN; /* of this client, so far */
    int64_t day = INT64_MIN;

    for (size_t i = 0; i < c->count; i++) {
        struct chain_item *it = &c->items[i];
        const struct snapshot *s = it->snapshot;
        if (i == 0 || !vv_uuid_equal(&s->client, &c->items[i - 1].snapshot->client)) {
            newest = INT64_MIN;
            day = INT64_MIN;
        }
        it->day = local_day(s);
        if (is_from_the_future(l, s, now)) {
            continue; /* not believed: no bound for its successors either */
        }
        it->fits = s->time >= newest;
        if (it->fits) {
            newest = s->time;
            day = it->day > day ? it->day : day;
            it->day = day;
        }
    }
}

enum vv_rc
chains_read(const struct snapshot_list *l, int64_t now, struct chains *ret, struct vv_error *err)
{
    struct chains c = {0};

    c.items = vv_alloc_array(l->count + l->forgotten_count + 1, sizeof(*c.items));
    if (c.items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        c.items[c.count++].snapshot = &l->snapshots[i];
    }
    for (size_t i = 0; i < l->forgotten_count; i++) {
        c.items[c.count++].snapshot = &l->forgotten[i];
    }
    if (c.count > 0) {
        qsort(c.items, c.count, sizeof(*c.items), compare_items);
    }
    judge_times(l, &c, now);
    *ret = c;
    return VV_OK;
}

const struct chain_item *
chains_find(const struct chains *c, const struct snapshot *s)
{
    const struct chain_item wanted = {.snapshot = s};

    return bsearch(&wanted, c->items, c->count, sizeof(wanted), compare_items);
}

enum vv_rc
retention_unlisted(const struct snapshot_list *l, int64_t now, struct first_listed **ret,
                   size_t *ret_count, struct vv_error *err)
{
    struct first_listed *listed =
        vv_alloc_array(l->count + l->forgotten_count + 1, sizeof(*listed));
    size_t count = 0;

    if (listed == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count + l->forgotten_count && now >= l->admin.newest; i++) {
        const struct snapshot *s = i < l->count ? &l->snapshots[i] : &l->forgotten[i - l->count];
        int64_t known;
        if (is_from_the_future(l, s, now) && !admin_first_listed(&l->admin, &s->id, &known)) {
            listed[count++] = (struct first_listed){s->id, now};
        }
    }
    *ret = listed;
    *ret_count = count;
    return VV_OK;
}
