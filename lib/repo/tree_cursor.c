/* SPDX-License-Identifier: BSD-2-Clause */
/* Walking a tree in path order. */

#include <string.h>

#include "core/alloc.h"
#include "repo/tree_internal.h"

/** A decoded node on the way down. */
struct frame {
    struct vv_arena arena;
    struct node node;
    uint32_t at;        /* next item */
    struct vv_buf next; /* first path behind this node; see has_next */
    bool has_next;
};

struct tree_cursor {
    struct chunk_reader *chunks;
    struct tree_root root;
    struct frame frames[LIMIT_TREE_HEIGHT + 1];
    uint32_t depth; /* frames in use */
    bool started;
    struct vv_buf below;
    struct vv_buf from; /* the next call yields nothing before this path */
    struct vv_buf last; /* last path yielded: nodes must go on behind it */
    bool has_last;
    struct vv_buf lost_from;
    struct vv_buf lost_to;
    struct vv_buf bytes;
    tree_node_fn *on_node;
    void *on_node_ctx;
    bool ahead;
    struct vv_arena ahead_arena;
};

/* Nodes above the leaves, behind the present one, whose leaves are fetched. */
#define AHEAD_SIBLINGS 4u

static void
set_path(struct vv_buf *to, struct vv_span path)
{
    vv_buf_reset(to);
    vv_buf_put(to, path.data, path.len);
}

enum vv_rc
tree_cursor_new(struct chunk_reader *c, const struct tree_root *root, struct vv_span below,
                struct tree_cursor **ret, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = vv_alloc_array(1, sizeof(*t));

    if (t == NULL) {
        return vv_error_nomem(err);
    }
    t->chunks = c;
    t->root = *root;
    set_path(&t->below, below);
    set_path(&t->from, below);
    VV_TRY(vv_buf_check(&t->below, err));
    VV_TRY(vv_buf_check(&t->from, err));
    if (root->height > LIMIT_TREE_HEIGHT) {
        return vv_error_set(err, VV_ECORRUPT, "a tree of height %u", root->height);
    }
    *ret = TAKE(t);
    return VV_OK;
}

void
tree_cursor_free(struct tree_cursor *t)
{
    if (t == NULL) {
        return;
    }
    for (unsigned i = 0; i <= LIMIT_TREE_HEIGHT; i++) {
        vv_arena_release(&t->frames[i].arena);
        vv_buf_release(&t->frames[i].next);
    }
    vv_arena_release(&t->ahead_arena);
    vv_buf_release(&t->below);
    vv_buf_release(&t->from);
    vv_buf_release(&t->last);
    vv_buf_release(&t->lost_from);
    vv_buf_release(&t->lost_to);
    vv_buf_release(&t->bytes);
    vv_free(t);
}

void
tree_cursor_on_node(struct tree_cursor *t, tree_node_fn *fn, void *ctx)
{
    t->on_node = fn;
    t->on_node_ctx = ctx;
}

/** What a node must look like from above. */
struct expected {
    struct vv_id id;
    uint32_t height;
    const struct node_item *item; /* NULL: the root */
    const struct vv_buf *next;    /* first path behind it, NULL: none */
};

/** Inner nodes are signed by nobody but the snapshot's root: the ids chain them.  A hostile writer
 * may still have made nonsense: counts and ranges must fit. */
static enum vv_rc
check_node(const struct expected *x, const struct node *n, struct vv_error *err)
{
    struct vv_span first = {0};
    struct vv_span last = {0};

    if (n->height != x->height) {
        return vv_error_set(err, VV_ECORRUPT, "a tree node of height %u where %u belongs",
                            n->height, x->height);
    }
    if (n->count == 0) {
        return x->item == NULL && x->height == 0
                   ? VV_OK
                   : vv_error_set(err, VV_ECORRUPT, "an empty tree node");
    }
    first = n->height == 0 ? n->entries[0].path : n->items[0].path;
    last = n->height == 0 ? n->entries[n->count - 1].path : n->items[n->count - 1].path;
    if ((x->item != NULL && path_compare(first, x->item->path) != 0) ||
        (x->next != NULL && path_compare(last, vv_buf_span(x->next)) >= 0)) {
        return vv_error_set(err, VV_ECORRUPT, "a tree node outside its place");
    }
    return VV_OK;
}

/** Is everything at or below item/entry ${path} wanted, given the subtree asked for? */
static bool
past_end(const struct tree_cursor *t, struct vv_span path)
{
    struct vv_span below = vv_buf_span(&t->below);

    return below.len > 0 && path_compare(path, below) > 0 && !path_is_below(path, below);
}

/* --- reading ahead ---------------------------------------------------------------------------- */

void
tree_cursor_ahead(struct tree_cursor *t)
{
    struct repo *r = chunk_index_repo(chunk_reader_index(t->chunks));

    t->ahead = storage_parallel(repo_storage(r)) > 1;
}

/** The children of a node that lie in the range still to come. */
static void
fetch_children(const struct tree_cursor *t, const struct node *n)
{
    struct vv_span from = vv_buf_span(&t->from);

    for (uint32_t i = 0; i < n->count && !past_end(t, n->items[i].path); i++) {
        bool before = i + 1 < n->count && path_compare(n->items[i + 1].path, from) <= 0;
        if (!before) {
            chunk_read_ahead(t->chunks, CHUNK_NODE, &n->items[i].node);
        }
    }
}

/** The leaves of the next siblings of the node in the last frame: those are there by now, or nearly,
 *  since all children of their parent were asked for. */
static void
fetch_cousins(struct tree_cursor *t)
{
    const struct frame *parent = &t->frames[t->depth - 1];

    for (uint32_t i = parent->at; i < parent->node.count && i - parent->at < AHEAD_SIBLINGS; i++) {
        const struct node_item *item = &parent->node.items[i];
        struct vv_buf bytes = {0};
        struct node node;
        bool read = !past_end(t, item->path) &&
                    chunk_read_here(t->chunks, CHUNK_NODE, &item->node, &bytes, NULL) == VV_OK;
        vv_arena_reset(&t->ahead_arena);
        if (read && node_decode(vv_buf_span(&bytes), &t->ahead_arena, &node, NULL) == VV_OK &&
            node.height > 0) {
            fetch_children(t, &node);
        }
        vv_buf_release(&bytes);
        if (!read) {
            return; /* when it is its turn, what is wrong is told */
        }
    }
}

/* --- walking ---------------------------------------------------------------------------------- */

/** Read a node into the next frame. */
static enum vv_rc
push(struct tree_cursor *t, const struct expected *x, struct vv_error *err)
{
    struct frame *f = &t->frames[t->depth];

    vv_buf_reset(&t->bytes);
    vv_arena_reset(&f->arena);
    VV_TRY(chunk_read(t->chunks, CHUNK_NODE, &x->id, &t->bytes, err));
    VV_TRY(node_decode(vv_buf_span(&t->bytes), &f->arena, &f->node, err));
    VV_TRY(check_node(x, &f->node, err));
    f->at = 0;
    f->has_next = x->next != NULL;
    if (f->has_next) {
        set_path(&f->next, vv_buf_span(x->next));
        VV_TRY(vv_buf_check(&f->next, err));
    }
    if (t->ahead && f->node.height > 0) {
        fetch_children(t, &f->node);
        if (f->node.height == 1 && t->depth > 0) {
            fetch_cousins(t);
        }
    }
    t->depth++;
    return t->on_node != NULL ? t->on_node(t->on_node_ctx, &x->id, x->height, err) : VV_OK;
}

/** Note which range an unreadable node covered. */
static void
note_lost(struct tree_cursor *t, struct vv_span from, const struct vv_buf *next)
{
    set_path(&t->lost_from, from);
    vv_buf_reset(&t->lost_to);
    if (next != NULL) {
        set_path(&t->lost_to, vv_buf_span(next));
    }
}

/** The first path behind item ${i} of a frame: the next item's, else the frame's own. */
static bool
behind_item(const struct frame *f, uint32_t i, struct vv_buf *out)
{
    if (i + 1 < f->node.count) {
        set_path(out, f->node.items[i + 1].path);
        return true;
    }
    if (f->has_next) {
        set_path(out, vv_buf_span(&f->next));
        return true;
    }
    return false;
}

/** Go down into item f->at, which is passed over whatever comes of it. */
static enum vv_rc
descend(struct tree_cursor *t, struct frame *f, struct vv_error *err)
{
    const struct node_item *item = &f->node.items[f->at];
    struct vv_buf next = {0};
    bool has_next = behind_item(f, f->at, &next);
    struct expected x = {item->node, f->node.height - 1, item, has_next ? &next : NULL};
    enum vv_rc rc;

    f->at++;
    rc = vv_buf_check(&next, err);
    if (rc == VV_OK) {
        rc = push(t, &x, err);
    }
    if (rc != VV_OK) {
        note_lost(t, item->path, x.next);
    }
    vv_buf_release(&next);
    return rc;
}

/** Can item f->at be skipped: all it holds lies before t->from? */
static bool
before_start(const struct tree_cursor *t, const struct frame *f)
{
    struct vv_span from = vv_buf_span(&t->from);

    if (from.len == 0) {
        return false;
    }
    if (f->at + 1 < f->node.count) {
        return path_compare(f->node.items[f->at + 1].path, from) <= 0;
    }
    return f->has_next && path_compare(vv_buf_span(&f->next), from) <= 0;
}

static enum vv_rc
take_entry(struct tree_cursor *t, struct frame *f, const struct entry **ret, struct vv_error *err)
{
    const struct entry *e = &f->node.entries[f->at++];

    if (t->has_last && path_compare(e->path, vv_buf_span(&t->last)) <= 0) {
        return vv_error_set(err, VV_ECORRUPT, "tree entries out of order");
    }
    if (f->at == f->node.count) { /* later nodes must go on behind the last entry */
        set_path(&t->last, e->path);
        t->has_last = true;
        VV_TRY(vv_buf_check(&t->last, err));
    }
    *ret = e;
    return VV_OK;
}

enum vv_rc
tree_cursor_next(struct tree_cursor *t, const struct entry **ret, struct vv_error *err)
{
    *ret = NULL;
    if (!t->started) {
        struct expected x = {t->root.node, t->root.height, NULL, NULL};
        enum vv_rc rc;
        t->started = true;
        rc = push(t, &x, err);
        if (rc != VV_OK) {
            note_lost(t, vv_buf_span(&t->below), NULL);
            return rc;
        }
    }
    while (t->depth > 0) {
        struct frame *f = &t->frames[t->depth - 1];
        if (f->at >= f->node.count) {
            t->depth--;
            continue;
        }
        if (f->node.height > 0) {
            if (past_end(t, f->node.items[f->at].path)) {
                t->depth = 0;
                break;
            }
            if (before_start(t, f)) {
                f->at++;
                continue;
            }
            VV_TRY(descend(t, f, err));
            continue;
        }
        VV_TRY(take_entry(t, f, ret, err));
        if (t->from.len > 0 && path_compare((*ret)->path, vv_buf_span(&t->from)) < 0) {
            *ret = NULL;
            continue;
        }
        if (past_end(t, (*ret)->path)) {
            *ret = NULL;
            t->depth = 0;
            break;
        }
        return VV_OK;
    }
    return VV_OK;
}

enum vv_rc
tree_cursor_seek(struct tree_cursor *t, struct vv_span path, struct vv_error *err)
{
    if (path_compare(path, vv_buf_span(&t->from)) > 0) {
        set_path(&t->from, path);
    }
    VV_TRY(vv_buf_check(&t->from, err));
    /* Leave nodes that end before the new start; inside one, skip entry by entry. */
    while (t->depth > 0) {
        struct frame *f = &t->frames[t->depth - 1];
        if (!f->has_next || path_compare(vv_buf_span(&f->next), path) > 0) {
            break;
        }
        t->depth--;
    }
    return VV_OK;
}

void
tree_cursor_lost(struct tree_cursor *t, struct vv_span *ret_from, struct vv_span *ret_to)
{
    *ret_from = vv_buf_span(&t->lost_from);
    *ret_to = vv_buf_span(&t->lost_to);
}

void
tree_cursor_peek(struct tree_cursor *t, struct tree_position *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!t->started) {
        ret->is_node = true;
        ret->node = t->root.node;
        ret->height = t->root.height;
        return;
    }
    while (t->depth > 0) {
        const struct frame *f = &t->frames[t->depth - 1];
        if (f->at < f->node.count) {
            ret->is_node = f->node.height > 0;
            if (ret->is_node) {
                ret->node = f->node.items[f->at].node;
                ret->height = f->node.height - 1;
                ret->item = &f->node.items[f->at];
                ret->path = ret->item->path;
                ret->has_next = f->at + 1 < f->node.count || f->has_next;
                if (ret->has_next) {
                    ret->next = f->at + 1 < f->node.count ? f->node.items[f->at + 1].path
                                                          : vv_buf_span(&f->next);
                }
            } else {
                ret->entry = &f->node.entries[f->at];
                ret->path = ret->entry->path;
            }
            return;
        }
        t->depth--;
    }
    ret->end = true;
}

enum vv_rc
tree_cursor_enter(struct tree_cursor *t, struct vv_error *err)
{
    if (!t->started) {
        struct expected x = {t->root.node, t->root.height, NULL, NULL};
        t->started = true;
        return push(t, &x, err);
    }
    return descend(t, &t->frames[t->depth - 1], err);
}

void
tree_cursor_skip(struct tree_cursor *t)
{
    if (!t->started) {
        t->started = true; /* nothing was pushed: at the end */
    } else if (t->depth > 0) {
        t->frames[t->depth - 1].at++;
    }
}

enum vv_rc
tree_find(struct chunk_reader *c, const struct tree_root *root, struct vv_span path,
          struct vv_arena *arena, struct entry *ret, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    const struct entry *e;

    VV_TRY(tree_cursor_new(c, root, path, &t, err));
    VV_TRY(tree_cursor_next(t, &e, err));
    if (e == NULL || path_compare(e->path, path) != 0) {
        struct vv_buf text = {0};
        vv_buf_put(&text, path.data, path.len);
        (void)vv_error_set(err, VV_ENOTFOUND, "'%s' is not in the snapshot",
                           path.len > 0 ? vv_buf_text(&text) : "/");
        vv_buf_release(&text);
        return VV_ENOTFOUND;
    }
    return entry_copy(arena, e, ret, err);
}
