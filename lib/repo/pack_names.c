/* SPDX-License-Identifier: BSD-2-Clause */
/* Listings of packs and of their parity. */

#include "repo/pack_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

struct named {
    struct pack_name name;
    uint64_t size;
};
struct collector {
    struct vv_buf items;      /* struct named */
    const struct vv_id *hash; /* NULL: all */
};

static enum vv_rc
collect(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct collector *c = ctx;
    struct named item = {.size = size};

    if (pack_name_parse(name, strlen(name), &item.name) &&
        (c->hash == NULL || vv_id_equal(&item.name.hash, c->hash))) {
        vv_buf_put(&c->items, &item, sizeof(item));
    }
    return vv_buf_check(&c->items, err);
}

static int
compare_named(const void *a, const void *b)
{
    return pack_name_compare(&((const struct named *)a)->name, &((const struct named *)b)->name);
}

/** Sort what was collected into a list. */
static enum vv_rc
make_list(struct collector *c, struct pack_names *ret, struct vv_error *err)
{
    struct named *items = (struct named *)(void *)c->items.data;
    struct pack_names l = {.count = c->items.len / sizeof(*items)};

    l.names = vv_alloc_array(l.count + 1, sizeof(*l.names));
    l.sizes = vv_alloc_array(l.count + 1, sizeof(*l.sizes));
    if (l.names == NULL || l.sizes == NULL) {
        pack_names_release(&l);
        return vv_error_nomem(err);
    }
    if (l.count > 0) {
        qsort(items, l.count, sizeof(*items), compare_named);
    }
    for (size_t i = 0; i < l.count; i++) {
        l.names[i] = items[i].name;
        l.sizes[i] = items[i].size;
    }
    *ret = l;
    return VV_OK;
}

/** Each shard by itself: after one was found to be missing. */
static enum vv_rc
collect_shards(struct repo *r, const char *directory, struct collector *c, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    vv_buf_reset(&c->items);
    for (unsigned i = 0; i < STORAGE_SHARDS && rc == VV_OK; i++) {
        char shard[32];
        (void)snprintf(shard, sizeof(shard), "%s/%02x", directory, i);
        rc = storage_list(repo_storage(r), shard, collect, c, err);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            rc = VV_OK;
        }
    }
    return rc;
}

enum vv_rc
pack_names_list(struct repo *r, const char *directory, struct pack_names *ret, struct vv_error *err)
{
    struct collector c = {0};
    enum vv_rc rc = storage_list_shards(repo_storage(r), directory, collect, &c, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = collect_shards(r, directory, &c, err);
    }
    if (rc == VV_OK) {
        rc = make_list(&c, ret, err);
    }
    vv_buf_release(&c.items);
    return rc;
}

enum vv_rc
pack_names_list_hash(struct repo *r, const char *directory, const struct vv_id *hash,
                     struct pack_names *ret, struct vv_error *err)
{
    struct collector c = {.hash = hash};
    char shard[32];
    enum vv_rc rc;

    (void)snprintf(shard, sizeof(shard), "%s/%02x", directory, hash->b[0]);
    rc = storage_list(repo_storage(r), shard, collect, &c, err);
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    if (rc == VV_OK) {
        rc = make_list(&c, ret, err);
    }
    vv_buf_release(&c.items);
    return rc;
}

void
pack_names_release(struct pack_names *l)
{
    vv_free(l->names);
    vv_free(l->sizes);
    memset(l, 0, sizeof(*l));
}

const struct pack_name *
pack_names_find(const struct pack_names *l, const struct vv_id *hash, size_t *ret_count)
{
    size_t low = 0;
    size_t high = l->count;
    size_t end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(l->names[middle].hash.b, hash->b, 32) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (end = low; end < l->count && vv_id_equal(&l->names[end].hash, hash); end++) {
    }
    *ret_count = end - low;
    return end > low ? &l->names[low] : NULL;
}

bool
pack_names_has(const struct pack_names *l, const struct pack_name *name)
{
    size_t count;
    const struct pack_name *first = pack_names_find(l, &name->hash, &count);

    for (size_t i = 0; i < count; i++) {
        if (pack_name_compare(&first[i], name) == 0) {
            return true;
        }
    }
    return false;
}
