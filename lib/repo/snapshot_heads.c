/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest record of each client. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/snapshots_internal.h"

int
snapshot_place_compare(const void *a, const void *b)
{
    const struct snapshot *x = *(const struct snapshot *const *)a;
    const struct snapshot *y = *(const struct snapshot *const *)b;
    int c = memcmp(x->client.b, y->client.b, 16);

    return c != 0 ? c : x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

const struct snapshot **
snapshots_by_place(const struct snapshot_list *l, struct vv_error *err)
{
    const struct snapshot **order = vv_alloc_array(l->count + 1, sizeof(*order));

    if (order == NULL) {
        (void)vv_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < l->count; i++) {
        order[i] = &l->snapshots[i];
    }
    qsort(order, l->count, sizeof(*order), snapshot_place_compare);
    return order;
}

enum vv_rc
newest_heads(const struct snapshot_list *l, struct head **ret, size_t *ret_count,
             struct vv_error *err)
{
    const struct snapshot **order = snapshots_by_place(l, err);
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
