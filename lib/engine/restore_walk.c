/* SPDX-License-Identifier: BSD-2-Clause */
/* The entries a restore asks for, in tree order: subtree, includes, excludes, and the directories
 * above what was chosen. */

#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/restore_internal.h"

struct walk {
    struct restore *r;
    struct tree_cursor *cursor;
    bool reports;
    walk_leave_fn *on_leave;
    void *on_leave_ctx;
    struct walk_frame **frames; /* made once, reused */
    uint32_t made;
    uint32_t room;
    uint32_t depth;
    uint32_t yielded;         /* frames [0, yielded) have been handed out */
    const struct entry *leaf; /* chosen, waiting for its parents to be handed out */
};

enum vv_rc
restore_walk_new(struct restore *r, bool reports, struct walk **ret, struct vv_error *err)
{
    VV_CLEANUP(restore_walk_freep) struct walk *w = vv_alloc_array(1, sizeof(*w));

    if (w == NULL) {
        return vv_error_nomem(err);
    }
    w->r = r;
    w->reports = reports;
    VV_TRY(tree_cursor_new(r->reader, &r->snap->body.root, vv_buf_span(&r->base), &w->cursor, err));
    tree_cursor_ahead(w->cursor);
    *ret = TAKE(w);
    return VV_OK;
}

void
restore_walk_free(struct walk *w)
{
    if (w == NULL) {
        return;
    }
    tree_cursor_free(w->cursor);
    for (uint32_t i = 0; i < w->made; i++) {
        vv_free(w->frames[i]->extra);
        vv_arena_release(&w->frames[i]->arena);
        vv_free(w->frames[i]);
    }
    vv_free(w->frames);
    vv_free(w);
}

void
restore_walk_on_leave(struct walk *w, walk_leave_fn *fn, void *ctx)
{
    w->on_leave = fn;
    w->on_leave_ctx = ctx;
}

bool
restore_walk_selects(const struct restore *r, struct vv_span path, bool is_directory,
                     struct pattern_match *include, struct pattern_match *exclude)
{
    const struct restore_options *o = r->options;
    bool selected = true;

    if (o->without.len > 0 && path_compare(path, o->without) == 0) {
        return false;
    }
    if (o->includes != NULL && !pattern_set_empty(o->includes)) {
        *include =
            pattern_match_below(*include, pattern_set_match(o->includes, path, is_directory));
        selected = include->verdict == PATTERN_MATCH;
    }
    if (o->excludes != NULL && !pattern_set_empty(o->excludes)) {
        *exclude =
            pattern_match_below(*exclude, pattern_set_match(o->excludes, path, is_directory));
        selected = selected && exclude->verdict != PATTERN_MATCH;
    }
    return selected;
}

/** Could anything below a directory that is not chosen be? */
static bool
may_select_below(const struct restore *r, struct vv_span path, const struct walk_frame *f)
{
    const struct restore_options *o = r->options;

    if (f->exclude.verdict == PATTERN_MATCH &&
        !pattern_set_may_include_below(o->excludes, f->exclude.rank, path)) {
        return false;
    }
    return f->include.verdict == PATTERN_MATCH || o->includes == NULL ||
           pattern_set_empty(o->includes) || pattern_set_may_match_below(o->includes, path, false);
}

static struct walk_frame *
top(const struct walk *w)
{
    return w->depth > 0 ? w->frames[w->depth - 1] : NULL;
}

static enum vv_rc
push(struct walk *w, struct walk_frame **ret, struct vv_error *err)
{
    struct walk_frame *f;

    if (w->depth == w->room) {
        uint32_t room = w->room == 0 ? 32 : w->room * 2;
        struct walk_frame **frames = vv_realloc_array(w->frames, room, sizeof(*frames));
        if (frames == NULL) {
            return vv_error_nomem(err);
        }
        w->frames = frames;
        w->room = room;
    }
    if (w->depth == w->made) {
        f = vv_alloc_array(1, sizeof(*f));
        if (f == NULL) {
            return vv_error_nomem(err);
        }
        w->frames[w->made++] = f;
    }
    f = w->frames[w->depth];
    vv_arena_reset(&f->arena);
    vv_free(f->extra);
    *f = (struct walk_frame){.arena = f->arena};
    w->depth++;
    *ret = f;
    return VV_OK;
}

static enum vv_rc
pop(struct walk *w, struct vv_error *err)
{
    struct walk_frame *f = top(w);
    enum vv_rc rc = VV_OK;

    if (w->on_leave != NULL && w->yielded == w->depth) {
        rc = w->on_leave(w->on_leave_ctx, f, err);
    }
    w->depth--;
    w->yielded = w->yielded < w->depth ? w->yielded : w->depth;
    return rc;
}

/** The whole path of a frame in the snapshot: its entry's path is the end of it. */
static struct vv_span
full_path(const struct walk_frame *f)
{
    size_t cut = f->full_len - f->entry.path.len;

    return vv_span(f->entry.path.data - cut, f->full_len);
}

/** Leave directories that ${path} is not in. */
static enum vv_rc
leave_for(struct walk *w, struct vv_span path, struct vv_error *err)
{
    while (w->depth > 0 && !path_is_below(path, full_path(top(w)))) {
        VV_TRY(pop(w, err));
    }
    return VV_OK;
}

static size_t
parent_len(struct vv_span path)
{
    const uint8_t *slash = path.len == 0 ? NULL : memrchr(path.data, '/', path.len);

    return slash == NULL ? 0 : (size_t)(slash - path.data);
}

/** Fill a frame for a directory. */
static enum vv_rc
fill_frame(struct walk *w, struct walk_frame *f, const struct entry *e, struct vv_error *err)
{
    const struct walk_frame *parent = w->depth > 1 ? w->frames[w->depth - 2] : NULL;

    VV_TRY(entry_copy(&f->arena, e, &f->entry, err));
    if (f->entry.path.data == NULL) {
        f->entry.path = vv_span("", 0);
    }
    f->full_len = e->path.len;
    f->entry.path = restore_map(w->r, f->entry.path);
    if (parent != NULL) {
        f->include = parent->include;
        f->exclude = parent->exclude;
    }
    f->selected = restore_walk_selects(w->r, e->path, true, &f->include, &f->exclude);
    return VV_OK;
}

/** Directories above ${path} whose entries could not be read are made up, so that what is in them
 *  can be restored. */
static enum vv_rc
make_up_parents(struct walk *w, struct vv_span path, struct vv_error *err)
{
    size_t wanted = parent_len(path);
    size_t have = w->r->strip > 0 ? w->r->strip - 1 : 0;

    if (w->depth > 0) {
        have = top(w)->full_len;
    }
    while (have < wanted) {
        size_t start = have == 0 ? 0 : have + 1;
        const uint8_t *slash = memchr(path.data + start, '/', path.len - start);
        struct entry e = {.type = ENTRY_DIRECTORY,
                          .flags = ENTRY_NO_OWNER,
                          .mode = 0700,
                          .mtime = {.sec = w->r->snap->time / 1000000000},
                          .nlink = 1};
        struct walk_frame *f;
        have = (size_t)(slash - path.data);
        e.path = vv_span(path.data, have);
        VV_TRY(push(w, &f, err));
        VV_TRY(fill_frame(w, f, &e, err));
        f->made_up = true;
    }
    return VV_OK;
}

/** The first path behind everything below ${path}: '/' sorts first, NUL is in no path. */
static enum vv_rc
seek_behind(struct walk *w, struct vv_span path, struct vv_error *err)
{
    struct vv_buf behind = {0};
    enum vv_rc rc;

    if (path.len == 0) {
        return tree_cursor_seek(w->cursor, vv_span("\xff\xff\xff\xff", 4), err);
    }
    vv_buf_put(&behind, path.data, path.len);
    vv_buf_put_u8(&behind, 1);
    rc = vv_buf_check(&behind, err);
    if (rc == VV_OK) {
        rc = tree_cursor_seek(w->cursor, vv_buf_span(&behind), err);
    }
    vv_buf_release(&behind);
    return rc;
}

enum vv_rc
restore_walk_skip_below(struct walk *w, struct vv_error *err)
{
    VV_TRY(seek_behind(w, full_path(w->frames[w->yielded - 1]), err));
    w->depth = --w->yielded; /* not left: what is in it was not seen */
    w->leaf = NULL;
    return VV_OK;
}

/** A node could not be read: name what is missing. */
static void
report_lost(struct walk *w, const struct vv_error *why)
{
    struct vv_span from;
    struct vv_span to;
    struct vv_buf shown = {0};

    w->r->tree_damaged = true;
    if (!w->reports) {
        return;
    }
    tree_cursor_lost(w->cursor, &from, &to);
    vv_buf_put(&shown, to.data, to.len);
    restore_add(&w->r->counts.damaged, 1);
    vv_emit(restore_events(w->r), VV_EVENT_PROBLEM, "tree-damaged", from,
            "the entries from here %s%s%s cannot be read and are not restored: %s",
            to.len > 0 ? "up to (and without) '" : "to the end",
            to.len > 0 ? vv_buf_text(&shown) : "", to.len > 0 ? "'" : "", why->message);
    vv_buf_release(&shown);
}

static enum vv_rc
take_directory(struct walk *w, const struct entry *e, bool *ret_chosen, struct vv_error *err)
{
    struct walk_frame *f;

    VV_TRY(push(w, &f, err));
    VV_TRY(fill_frame(w, f, e, err));
    *ret_chosen = f->selected;
    if (!f->selected && !may_select_below(w->r, e->path, f)) {
        struct vv_span path = full_path(f);
        w->depth--;
        return seek_behind(w, path, err);
    }
    return VV_OK;
}

/** Advance to the next entry that was chosen.  *ret_end: there is none. */
static enum vv_rc
advance(struct walk *w, bool *ret_end, struct vv_error *err)
{
    for (bool chosen = false; !chosen;) {
        const struct entry *e = NULL;
        struct vv_error why = {0};
        enum vv_rc rc = tree_cursor_next(w->cursor, &e, &why);
        if (rc == VV_ECORRUPT || rc == VV_ENOTFOUND) {
            report_lost(w, &why);
            VV_TRY(vv_cancel_check(repo_cancel(w->r->repo), err));
            continue;
        }
        if (rc != VV_OK) {
            if (err != NULL) {
                *err = why;
            }
            return rc;
        }
        if (e == NULL) {
            *ret_end = true;
            return leave_for(w, vv_span("", 0), err);
        }
        if (e->path.len == 0 && w->r->base.len == 0 && (e->flags & ENTRY_IMPLIED) != 0) {
            continue; /* the target is not what was backed up */
        }
        VV_TRY(leave_for(w, e->path, err));
        VV_TRY(make_up_parents(w, e->path, err));
        if (e->type == ENTRY_DIRECTORY) {
            VV_TRY(take_directory(w, e, &chosen, err));
        } else {
            struct walk_frame *parent = top(w);
            struct pattern_match include = {0};
            struct pattern_match exclude = {0};
            if (parent != NULL) {
                include = parent->include;
                exclude = parent->exclude;
            }
            chosen = restore_walk_selects(w->r, e->path, false, &include, &exclude);
            w->leaf = chosen ? e : NULL;
        }
    }
    return VV_OK;
}

enum vv_rc
restore_walk_next(struct walk *w, struct walk_item *ret, bool *ret_end, struct vv_error *err)
{
    *ret_end = false;
    if (w->leaf == NULL && w->yielded == w->depth) {
        VV_TRY(advance(w, ret_end, err));
        if (*ret_end) {
            return VV_OK;
        }
    }
    if (w->yielded < w->depth) {
        struct walk_frame *f = w->frames[w->yielded];
        *ret = (struct walk_item){.entry = f->entry,
                                  .parent = w->yielded > 0 ? w->frames[w->yielded - 1] : NULL,
                                  .frame = f};
        w->yielded++;
        return VV_OK;
    }
    assert(w->leaf != NULL); /* what advance brings when it is not the end */
    *ret = (struct walk_item){.entry = *w->leaf, .parent = top(w)};
    ret->entry.path = restore_map(w->r, w->leaf->path);
    w->leaf = NULL;
    return VV_OK;
}
