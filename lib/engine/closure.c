/* SPDX-License-Identifier: BSD-2-Clause */
/* Walking everything a tree refers to. */

#include "engine/closure_internal.h"

#include "repo/repo.h"

struct closure {
    struct chunk_reader *chunks;
    const struct closure_ops *ops;
    void *ctx;
    struct vv_cancel *cancel;
    struct vv_buf bytes;
    struct vv_arena nodes[LIMIT_TREE_HEIGHT + 1]; /* by height */
    struct vv_arena lists[LIMIT_STREAM_HEIGHT + 1];
};

/** A node and what must be true of it where it is. */
struct place {
    struct vv_id id;
    uint32_t height;
    bool is_root;
    struct vv_span first; /* unless the root */
    bool has_next;
    struct vv_span next; /* first path behind it */
};

bool
damage_found(enum vv_rc rc, const struct vv_error *err)
{
    if (err != NULL && err->origin == VV_ORIGIN_LOCAL) {
        return false;
    }
    return rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_EIO || rc == VV_ELIMIT ||
           rc == VV_EUNSUPPORTED;
}

static enum vv_rc
lost(struct closure *c, enum chunk_type type, const struct vv_id *id, struct vv_error *err)
{
    struct vv_error why = *err;

    vv_error_clear(err);
    return c->ops->lost(c->ctx, type, id, &why, err);
}

static enum vv_rc
check_place(const struct place *p, const struct node *n, struct vv_error *err)
{
    struct vv_span first;
    struct vv_span last;

    if (n->height != p->height) {
        return vv_error_set(err, VV_ECORRUPT, "a tree node of height %u where %u belongs",
                            n->height, p->height);
    }
    if (n->count == 0) {
        return p->is_root && p->height == 0 ? VV_OK
                                            : vv_error_set(err, VV_ECORRUPT, "an empty tree node");
    }
    first = n->height == 0 ? n->entries[0].path : n->items[0].path;
    last = n->height == 0 ? n->entries[n->count - 1].path : n->items[n->count - 1].path;
    if ((!p->is_root && path_compare(first, p->first) != 0) ||
        (p->has_next && path_compare(last, p->next) >= 0)) {
        return vv_error_set(err, VV_ECORRUPT, "a tree node outside its place");
    }
    return VV_OK;
}

static enum vv_rc
read_node(struct closure *c, const struct place *p, struct node *ret, struct vv_error *err)
{
    vv_buf_reset(&c->bytes);
    vv_arena_reset(&c->nodes[p->height]);
    VV_TRY(chunk_read(c->chunks, CHUNK_NODE, &p->id, &c->bytes, err));
    VV_TRY(node_decode(vv_buf_span(&c->bytes), &c->nodes[p->height], ret, err));
    return check_place(p, ret, err);
}

static enum vv_rc
read_list(struct closure *c, const struct chunk_ref *list, uint32_t height, struct chunk_ref **ret,
          uint32_t *ret_count, struct vv_error *err)
{
    uint32_t found;
    uint64_t total = 0;

    vv_buf_reset(&c->bytes);
    vv_arena_reset(&c->lists[height]);
    VV_TRY(chunk_read(c->chunks, CHUNK_LIST, &list->id, &c->bytes, err));
    VV_TRY(list_decode(vv_buf_span(&c->bytes), &c->lists[height], &found, ret, ret_count, err));
    for (uint32_t i = 0; i < *ret_count; i++) {
        total += (*ret)[i].size; /* list_decode bounds each */
    }
    if (found != height || total != list->size) {
        return vv_error_set(err, VV_ECORRUPT, "a chunk list that does not fit its place");
    }
    return VV_OK;
}

static enum vv_rc
walk_list(struct closure *c, const struct chunk_ref *list, uint32_t height, struct vv_error *err)
{
    struct chunk_ref *refs;
    uint32_t count;
    bool enter = true;
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(c->cancel, err));
    VV_TRY(c->ops->list(c->ctx, &list->id, &enter, err));
    if (!enter) {
        return VV_OK;
    }
    rc = read_list(c, list, height, &refs, &count, err);
    if (damage_found(rc, err)) {
        return lost(c, CHUNK_LIST, &list->id, err);
    }
    VV_TRY(rc);
    for (uint32_t i = 0; i < count; i++) {
        if (height == 1) {
            VV_TRY(c->ops->chunk(c->ctx, &refs[i], err));
        } else {
            VV_TRY(walk_list(c, &refs[i], height - 1, err));
        }
    }
    return VV_OK;
}

static enum vv_rc
walk_stream(struct closure *c, const struct stream_root *root, struct vv_error *err)
{
    struct chunk_ref top;

    if (root->height == 0) {
        for (uint32_t i = 0; i < root->count; i++) {
            VV_TRY(c->ops->chunk(c->ctx, &root->refs[i], err));
        }
        return VV_OK;
    }
    if (root->height > LIMIT_STREAM_HEIGHT || root->count != 1) { /* node_decode refuses it */
        return vv_error_set(err, VV_ECORRUPT, "a stream of height %u", root->height);
    }
    top.id = root->refs[0].id;
    top.size = root->size;
    return walk_list(c, &top, root->height, err);
}

static enum vv_rc
walk_entry(struct closure *c, const struct entry *e, struct vv_error *err)
{
    if (c->ops->entry != NULL) {
        VV_TRY(c->ops->entry(c->ctx, e, err));
    }
    VV_TRY(walk_stream(c, &e->content, err));
    VV_TRY(walk_stream(c, &e->extents_stream, err));
    return walk_stream(c, &e->xattrs_stream, err);
}

static enum vv_rc
walk_node(struct closure *c, const struct place *p, struct vv_error *err)
{
    struct node n;
    bool enter = true;
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(c->cancel, err));
    VV_TRY(c->ops->node(c->ctx, &p->id, &enter, err));
    if (!enter) {
        return VV_OK;
    }
    rc = read_node(c, p, &n, err);
    if (damage_found(rc, err)) {
        return lost(c, CHUNK_NODE, &p->id, err);
    }
    VV_TRY(rc);
    for (uint32_t i = 0; i < n.count; i++) {
        struct place below = {.height = p->height - 1};
        if (n.height == 0) {
            VV_TRY(walk_entry(c, &n.entries[i], err));
            continue;
        }
        below.id = n.items[i].node;
        below.first = n.items[i].path;
        below.has_next = i + 1 < n.count || p->has_next;
        below.next = i + 1 < n.count ? n.items[i + 1].path : p->next;
        VV_TRY(walk_node(c, &below, err));
    }
    return VV_OK;
}

enum vv_rc
closure_walk(struct chunk_reader *chunks, const struct tree_root *root,
             const struct closure_ops *ops, void *ctx, struct vv_cancel *cancel,
             struct vv_error *err)
{
    struct closure c = {.chunks = chunks, .ops = ops, .ctx = ctx, .cancel = cancel};
    struct place top = {.id = root->node, .height = root->height, .is_root = true};
    struct vv_error own = {0};
    enum vv_rc rc;

    if (root->height > LIMIT_TREE_HEIGHT) {
        rc = vv_error_set(&own, VV_ECORRUPT, "a tree of height %u", root->height);
        rc = lost(&c, CHUNK_NODE, &root->node, &own);
    } else {
        rc = walk_node(&c, &top, &own);
    }
    for (unsigned i = 0; i <= LIMIT_TREE_HEIGHT; i++) {
        vv_arena_release(&c.nodes[i]);
    }
    for (unsigned i = 0; i <= LIMIT_STREAM_HEIGHT; i++) {
        vv_arena_release(&c.lists[i]);
    }
    vv_buf_release(&c.bytes);
    if (rc != VV_OK && err != NULL) {
        *err = own;
    }
    return rc;
}
