/* SPDX-License-Identifier: BSD-2-Clause */
/* Listing packs/. */
#include "repo/pack_list.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

/** What is listed of one directory. */
struct shard_list {
    struct vv_buf *items; /* struct pack_list_item, of all directories */
    uint8_t number;
};

static enum vv_rc
add_item(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct shard_list *shard = ctx;
    struct pack_list_item item;

    (void)err;
    memset(&item, 0, sizeof(item));
    item.size = size;
    if (pack_name_parse(name, strlen(name), &item.name) && item.name.hash.b[0] == shard->number) {
        vv_buf_put(shard->items, &item, sizeof(item));
    }
    return VV_OK;
}

static int
compare_items(const void *a, const void *b)
{
    return pack_name_compare(&((const struct pack_list_item *)a)->name,
                             &((const struct pack_list_item *)b)->name);
}

void
pack_list_release(struct pack_list *l)
{
    vv_free(l->items);
    memset(l, 0, sizeof(*l));
}

enum vv_rc
pack_list_read(struct repo *r, struct pack_list *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_freep)
    struct shard_list *shards = vv_alloc_array(STORAGE_SHARDS, sizeof(*shards));
    VV_CLEANUP(vv_buf_release) struct vv_buf items = {0};
    void *ctxs[STORAGE_SHARDS];

    if (shards == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
        shards[i] = (struct shard_list){.items = &items, .number = (uint8_t)i};
        ctxs[i] = &shards[i];
    }
    VV_TRY(storage_list_each_shard(repo_storage(r), "packs", add_item, ctxs, err));
    VV_TRY(vv_buf_check(&items, err));
    ret->count = items.len / sizeof(*ret->items);
    ret->items = (struct pack_list_item *)(void *)TAKE(items.data);
    if (ret->count > 0) {
        qsort(ret->items, ret->count, sizeof(*ret->items), compare_items);
    }
    return VV_OK;
}

size_t
pack_list_find(const struct pack_list *l, const struct pack_name *name)
{
    struct pack_list_item wanted = {.name = *name};
    const struct pack_list_item *found =
        l->count == 0 ? NULL
                      : bsearch(&wanted, l->items, l->count, sizeof(*l->items), compare_items);

    return found == NULL ? l->count : (size_t)(found - l->items);
}
