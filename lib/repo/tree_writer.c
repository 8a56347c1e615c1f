/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a tree: entries in path order become nodes (T1, T2, T3). */

#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "repo/tree_internal.h"

/* Long paths or large entries: a node ends early rather than outgrow a block. */
#define NODE_BYTES_CAP (LIMIT_NODE / 2)

/** One unfinished inner node. */
struct open_inner {
    struct inner_builder builder;
    struct vv_buf first_path;
    uint64_t entries;
    uint64_t bytes;
};

struct tree_writer {
    struct repo *repo;
    struct block_builder *builder;
    struct leaf_builder leaf;
    struct vv_buf leaf_first;
    uint64_t leaf_bytes; /* sizes of the files in the open leaf */
    struct open_inner inner[LIMIT_TREE_HEIGHT];
    uint32_t heights; /* inner levels in use: inner[0] has height 1 */
    struct vv_buf node;
    tree_stored_fn *on_node;
    void *on_node_ctx;
};

enum vv_rc
tree_writer_new(struct repo *r, struct block_builder *b, struct tree_writer **ret,
                struct vv_error *err)
{
    struct tree_writer *t = vv_alloc_array(1, sizeof(*t));

    if (t == NULL) {
        return vv_error_nomem(err);
    }
    t->repo = r;
    t->builder = b;
    *ret = t;
    return VV_OK;
}

void
tree_writer_free(struct tree_writer *t)
{
    if (t == NULL) {
        return;
    }
    leaf_builder_release(&t->leaf);
    vv_buf_release(&t->leaf_first);
    for (unsigned i = 0; i < LIMIT_TREE_HEIGHT; i++) {
        inner_builder_release(&t->inner[i].builder);
        vv_buf_release(&t->inner[i].first_path);
    }
    vv_buf_release(&t->node);
    vv_free(t);
}

/** Leading groups of six zero bits of the path's keyed hash. */
static uint32_t
path_level(const struct tree_writer *t, struct vv_span path)
{
    uint64_t h = siphash(keyring_level_key(repo_keyring(t->repo)), path.data, path.len);
    uint32_t zeros = h == 0 ? 64 : (uint32_t)__builtin_clzll(h);

    return zeros / NODE_LEVEL_BITS;
}

void
tree_writer_on_node(struct tree_writer *t, tree_stored_fn *fn, void *ctx)
{
    t->on_node = fn;
    t->on_node_ctx = ctx;
}

/** Store the bytes in t->node as a node of that height. */
static enum vv_rc
store_node(struct tree_writer *t, uint32_t height, struct vv_id *ret, struct vv_error *err)
{
    bool is_new;

    chunk_id(repo_keyring(t->repo), CHUNK_NODE, vv_buf_span(&t->node), ret);
    VV_TRY(block_builder_put(t->builder, BLOCK_TREE, CHUNK_NODE, ret, vv_buf_span(&t->node),
                             &is_new, err));
    return t->on_node == NULL ? VV_OK
                              : t->on_node(t->on_node_ctx, ret, height, vv_buf_span(&t->node), err);
}

static enum vv_rc close_inner(struct tree_writer *t, uint32_t level, struct vv_error *err);

/** Does an entry whose path has ${level} end the open leaf? */
static bool
ends_leaf(const struct tree_writer *t, uint32_t level)
{
    return level >= 1 || t->leaf.count >= NODE_COUNT_CAP || t->leaf.items.len >= NODE_BYTES_CAP;
}

/** Does a node of height ${height}, of which the first path has ${level}, end the open one above? */
static bool
ends_inner(const struct open_inner *o, uint32_t height, uint32_t level)
{
    return level >= height + 2 || o->builder.count >= NODE_COUNT_CAP ||
           o->builder.items.len >= NODE_BYTES_CAP;
}

/** Hand a finished node of height ${level} to the level above; it starts a new node there when its
 * first path has a level of level + 1 or more (T2). */
static enum vv_rc
add_item(struct tree_writer *t, uint32_t level, const struct node_item *item, struct vv_error *err)
{
    struct open_inner *o;

    if (level >= LIMIT_TREE_HEIGHT) {
        return vv_error_set(err, VV_ELIMIT, "the tree would be too high");
    }
    o = &t->inner[level];
    if (level + 1 > t->heights) {
        t->heights = level + 1;
    }
    if (o->builder.count > 0 && ends_inner(o, level, path_level(t, item->path))) {
        VV_TRY(close_inner(t, level, err));
    }
    if (o->builder.count == 0) {
        vv_buf_reset(&o->first_path);
        vv_buf_put(&o->first_path, item->path.data, item->path.len);
        VV_TRY(vv_buf_check(&o->first_path, err));
    }
    inner_builder_add(&o->builder, item);
    o->entries += item->entries;
    o->bytes += item->bytes;
    return VV_OK;
}

/** Finish the node at inner[level] (height level + 1) and pass it up. */
static enum vv_rc
close_inner(struct tree_writer *t, uint32_t level, struct vv_error *err)
{
    struct open_inner *o = &t->inner[level];
    struct node_item item = {.entries = o->entries, .bytes = o->bytes};

    vv_buf_reset(&t->node);
    VV_TRY(inner_builder_finish(&o->builder, level + 1, &t->node, err));
    VV_TRY(store_node(t, level + 1, &item.node, err));
    inner_builder_reset(&o->builder);
    o->entries = 0;
    o->bytes = 0;
    item.path = vv_buf_span(&o->first_path);
    return add_item(t, level + 1, &item, err);
}

/** Store the open leaf; ${ret} describes it (its path borrowed from the writer). */
static enum vv_rc
finish_leaf(struct tree_writer *t, struct node_item *ret, struct vv_error *err)
{
    ret->entries = t->leaf.count;
    ret->bytes = t->leaf_bytes;
    vv_buf_reset(&t->node);
    VV_TRY(leaf_builder_finish(&t->leaf, &t->node, err));
    VV_TRY(store_node(t, 0, &ret->node, err));
    leaf_builder_reset(&t->leaf);
    t->leaf_bytes = 0;
    ret->path = vv_buf_span(&t->leaf_first);
    return VV_OK;
}

static enum vv_rc
close_leaf(struct tree_writer *t, struct vv_error *err)
{
    struct node_item item;

    VV_TRY(finish_leaf(t, &item, err));
    return add_item(t, 0, &item, err);
}

enum vv_rc
tree_writer_add(struct tree_writer *t, const struct entry *e, struct vv_error *err)
{
    if (t->leaf.count > 0 && ends_leaf(t, path_level(t, e->path))) {
        VV_TRY(close_leaf(t, err));
    }
    if (t->leaf.count == 0) {
        vv_buf_reset(&t->leaf_first);
        vv_buf_put(&t->leaf_first, e->path.data, e->path.len);
        VV_TRY(vv_buf_check(&t->leaf_first, err));
    }
    VV_TRY(leaf_builder_add(&t->leaf, e, err));
    if (e->type == ENTRY_FILE) {
        t->leaf_bytes += e->size;
    }
    return VV_OK;
}

enum vv_rc
tree_writer_add_node(struct tree_writer *t, const struct node_item *item, uint32_t height,
                     bool *ret_added, struct vv_error *err)
{
    uint32_t level = path_level(t, item->path);

    *ret_added = false;
    /* What is closed on the way is closed in any case: the path comes next, in the node or alone. */
    if (t->leaf.count > 0) {
        if (!ends_leaf(t, level)) {
            return VV_OK;
        }
        VV_TRY(close_leaf(t, err));
    }
    for (uint32_t i = 0; i < height; i++) {
        if (t->inner[i].builder.count == 0) {
            continue;
        }
        if (!ends_inner(&t->inner[i], i, level)) {
            return VV_OK;
        }
        VV_TRY(close_inner(t, i, err));
    }
    *ret_added = true;
    return add_item(t, height, item, err);
}

enum vv_rc
tree_writer_finish(struct tree_writer *t, struct tree_root *ret, struct vv_error *err)
{
    struct node_item item;
    uint32_t level = 0;

    if (t->heights == 0) { /* a single leaf, perhaps empty */
        VV_TRY(finish_leaf(t, &item, err));
        *ret = (struct tree_root){item.node, 0, item.entries, item.bytes};
        return VV_OK;
    }
    if (t->leaf.count > 0) {
        VV_TRY(close_leaf(t, err));
    }
    /* Close level by level until one node remains; closing may open a further level. */
    for (;; level++) {
        struct open_inner *o = &t->inner[level];
        if (level + 1 == t->heights) {
            uint64_t entries = o->entries;
            uint64_t bytes = o->bytes;
            vv_buf_reset(&t->node);
            VV_TRY(inner_builder_finish(&o->builder, level + 1, &t->node, err));
            VV_TRY(store_node(t, level + 1, &item.node, err));
            *ret = (struct tree_root){item.node, level + 1, entries, bytes};
            return VV_OK;
        }
        if (o->builder.count > 0) { /* else its last node was added whole, above it */
            VV_TRY(close_inner(t, level, err));
        }
    }
}
