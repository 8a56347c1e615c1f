/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of a list of snapshots: each once, oldest first. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/snapshots_internal.h"

static int
compare_hashes(const void *a, const void *b)
{
    return memcmp(((const struct snapshot *)a)->hash.b, ((const struct snapshot *)b)->hash.b, 32);
}

void
snapshot_list_drop_doubles(struct snapshot_list *l)
{
    size_t kept = 0;

    if (l->count > 0) {
        qsort(l->snapshots, l->count, sizeof(*l->snapshots), compare_hashes);
    }
    for (size_t i = 0; i < l->count; i++) {
        if (kept > 0 && compare_hashes(&l->snapshots[kept - 1], &l->snapshots[i]) == 0) {
            snapshot_body_release(&l->snapshots[i].body);
        } else {
            l->snapshots[kept++] = l->snapshots[i];
        }
    }
    l->count = kept;
}

static int
compare_age(const void *a, const void *b)
{
    const struct snapshot *x = a;
    const struct snapshot *y = b;

    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    if (x->sequence != y->sequence) {
        return x->sequence < y->sequence ? -1 : 1;
    }
    return memcmp(x->id.b, y->id.b, 16);
}

static int
compare_sequence(const void *a, const void *b)
{
    const struct snapshot *x = a;
    const struct snapshot *y = b;
    int c = memcmp(x->client.b, y->client.b, 16);

    if (c != 0) {
        return c;
    }
    return x->sequence != y->sequence ? (x->sequence < y->sequence ? -1 : 1) : compare_age(a, b);
}

/** A place in the list by age, and whose snapshot the clocks put there. */
struct turn {
    struct vv_uuid client;
    size_t place;
};

static int
compare_turns(const void *a, const void *b)
{
    const struct turn *x = a;
    const struct turn *y = b;
    int c = memcmp(x->client.b, y->client.b, 16);

    return c != 0 ? c : x->place < y->place ? -1 : x->place > y->place;
}

enum vv_rc
snapshot_list_sort(struct snapshot_list *l, struct vv_error *err)
{
    struct turn *turns = vv_alloc_array(l->count + 1, sizeof(*turns));
    struct snapshot *sorted = vv_alloc_array(l->count + 1, sizeof(*sorted));

    if (turns == NULL || sorted == NULL) {
        vv_free(turns);
        vv_free(sorted);
        return vv_error_nomem(err);
    }
    if (l->count > 0) {
        qsort(l->snapshots, l->count, sizeof(*l->snapshots), compare_age);
        for (size_t i = 0; i < l->count; i++) {
            turns[i] = (struct turn){l->snapshots[i].client, i};
        }
        qsort(turns, l->count, sizeof(*turns), compare_turns);
        qsort(l->snapshots, l->count, sizeof(*l->snapshots), compare_sequence);
    }
    for (size_t i = 0; i < l->count; i++) { /* both by client: turn i belongs to snapshot i's */
        sorted[turns[i].place] = l->snapshots[i];
    }
    vv_free(l->snapshots);
    l->snapshots = sorted;
    vv_free(turns);
    return VV_OK;
}
