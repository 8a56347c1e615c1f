/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding paths over all snapshots.  Snapshots of one client with the same sources are gone through
 * in order of time, each as its difference to the one before; only matching paths are kept, as a
 * list in tree order, which a difference (also in tree order) is merged into.
 */

#include "engine/look_internal.h"

#include <string.h>

#include "core/alloc.h"

/** A path that matched. */
struct found {
    struct found *next;
    struct entry newest;          /* as in the newest snapshot of the series gone through */
    struct entry entry;           /* as in last */
    const struct snapshot *first; /* NULL: no finished run of snapshots yet */
    const struct snapshot *last;
    uint64_t snapshots;
    bool present; /* in the snapshot gone through last ... */
    size_t since; /* ... and all from this one of the series on */
};

struct finder {
    struct looker look;
    const struct pattern_set *patterns;
    const struct snapshot_list *list;
    struct vv_arena arena;
    struct found *found;
    struct found **at; /* everything before it comes before the path handled last */
    const struct snapshot **series;
    size_t series_count;
    size_t now; /* place in the series */
    bool damaged;
};

/** What is worth keeping of an entry: not its content, extents and attributes. */
static enum vv_rc
copy_slim(struct finder *f, const struct entry *from, struct entry *to, struct vv_error *err)
{
    struct entry slim = *from;

    slim.content = (struct stream_root){.size = from->content.size};
    slim.extents_stream = (struct stream_root){0};
    slim.xattrs_stream = (struct stream_root){0};
    slim.extents = NULL;
    slim.extent_count = 0;
    slim.xattrs = NULL;
    slim.xattr_count = 0;
    return entry_copy(&f->arena, &slim, to, err);
}

/** It was in all snapshots of the series from ${since} to before ${end}. */
static void
close_run(struct finder *f, struct found *x, size_t end)
{
    x->present = false;
    if (end <= x->since) {
        return;
    }
    x->snapshots += end - x->since;
    if (x->first == NULL || f->series[x->since]->time < x->first->time) {
        x->first = f->series[x->since];
    }
    if (x->last == NULL || f->series[end - 1]->time >= x->last->time) {
        x->last = f->series[end - 1];
        x->entry = x->newest;
    }
}

static void
seek(struct finder *f, struct vv_span path)
{
    while (*f->at != NULL && path_compare((*f->at)->newest.path, path) < 0) {
        f->at = &(*f->at)->next;
    }
}

/** The current snapshot has this entry, new or changed. */
static enum vv_rc
mark(struct finder *f, const struct entry *e, struct vv_error *err)
{
    struct found *x;

    if (pattern_set_test(f->patterns, e->path, e->type == ENTRY_DIRECTORY) != PATTERN_MATCH) {
        return VV_OK;
    }
    seek(f, e->path);
    x = *f->at;
    if (x == NULL || !look_path_equal(x->newest.path, e->path)) {
        x = vv_arena_alloc(&f->arena, sizeof(*x));
        if (x == NULL) {
            return vv_error_nomem(err);
        }
        memset(x, 0, sizeof(*x));
        x->next = *f->at;
        VV_TRY(copy_slim(f, e, &x->newest, err));
        *f->at = x;
    } else {
        VV_TRY(copy_slim(f, e, &x->newest, err));
    }
    if (!x->present) {
        x->present = true;
        x->since = f->now;
    }
    return VV_OK;
}

static enum vv_rc
take_difference(void *ctx, const struct entry *a, const struct entry *b, struct vv_error *err)
{
    struct finder *f = ctx;

    VV_TRY(vv_cancel_check(repo_cancel(f->look.repo), err));
    if (b != NULL) {
        bool same_kind = a == NULL || (a->type == ENTRY_DIRECTORY) == (b->type == ENTRY_DIRECTORY);
        if (same_kind ||
            pattern_set_test(f->patterns, b->path, b->type == ENTRY_DIRECTORY) == PATTERN_MATCH) {
            return mark(f, b, err);
        }
        b = NULL; /* it matched as what it was, not as what it is */
    }
    if (a != NULL && b == NULL) {
        seek(f, a->path);
        if (*f->at != NULL && look_path_equal((*f->at)->newest.path, a->path) &&
            (*f->at)->present) {
            close_run(f, *f->at, f->now);
        }
    }
    return VV_OK;
}

static void
close_all(struct finder *f)
{
    for (struct found *x = f->found; x != NULL; x = x->next) {
        if (x->present) {
            close_run(f, x, f->now);
        }
    }
}

/** Go through a whole snapshot; *ret_whole: nothing of it was damaged. */
static enum vv_rc
walk_whole(struct finder *f, const struct snapshot *snap, bool *ret_whole, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    const struct entry *e = NULL;
    bool damaged = false;

    close_all(f);
    f->at = &f->found;
    VV_TRY(tree_cursor_new(f->look.chunks, &snap->body.root, vv_span(NULL, 0), &t, err));
    tree_cursor_ahead(t);
    do {
        VV_TRY(look_next(&f->look, t, snap, &e, &damaged, err));
        if (e != NULL) {
            VV_TRY(mark(f, e, err));
        }
    } while (e != NULL);
    *ret_whole = !damaged;
    f->damaged = f->damaged || damaged;
    return VV_OK;
}

static enum vv_rc
walk_series(struct finder *f, struct vv_error *err)
{
    bool base_whole = false; /* the snapshot before was read without damage */

    for (f->now = 0; f->now < f->series_count; f->now++) {
        const struct snapshot *snap = f->series[f->now];
        struct vv_error own = {0};
        enum vv_rc rc = VV_ECORRUPT;
        f->at = &f->found;
        if (base_whole) {
            rc = tree_diff(f->look.chunks, &f->series[f->now - 1]->body.root, &snap->body.root,
                           take_difference, f, &own);
        }
        if (rc != VV_OK && base_whole && !damage_found(rc, &own)) {
            if (err != NULL) {
                *err = own;
            }
            return rc;
        }
        if (rc != VV_OK) {
            VV_TRY(walk_whole(f, snap, &base_whole, err));
        }
    }
    close_all(f);
    return VV_OK;
}

static bool
same_series(const struct snapshot *a, const struct snapshot *b)
{
    if (!vv_uuid_equal(&a->client, &b->client) || a->body.source_count != b->body.source_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->body.source_count; i++) {
        if (!look_path_equal(vv_buf_span(&a->body.sources[i]), vv_buf_span(&b->body.sources[i]))) {
            return false;
        }
    }
    return true;
}

/** Does the snapshot's source hold ${path}, so that its absence means something? */
static bool
covers(const struct snapshot *s, struct vv_span path)
{
    for (uint32_t i = 0; i < s->body.source_count; i++) {
        struct vv_span source = vv_buf_span(&s->body.sources[i]);
        const uint8_t *colon = source.len > 0 ? memchr(source.data, ':', source.len) : NULL;
        if (source.len > 0 && source.data[0] == '/') {
            source = vv_span(source.data + 1, source.len - 1);
        } else if (colon != NULL && source.len > 8 && memcmp(source.data, "archive:", 8) == 0) {
            return true;            /* what an archive holds is not known beforehand */
        } else if (colon != NULL) { /* "exec:NAME", "stdin:NAME", "database:NAME" */
            size_t kind = (size_t)(colon - source.data) + 1;
            source = vv_span(source.data + kind, source.len - kind);
        }
        if (look_path_equal(path, source) || path_is_below(path, source) ||
            path_is_below(source, path)) {
            return true;
        }
    }
    return false;
}

static bool
is_deleted(const struct finder *f, const struct found *x)
{
    for (size_t i = f->list->count; i > 0; i--) {
        const struct snapshot *s = &f->list->snapshots[i - 1];
        if (vv_uuid_equal(&s->client, &x->last->client) && covers(s, x->entry.path)) {
            return s != x->last;
        }
    }
    return false;
}

static enum vv_rc
report(struct finder *f, look_found_fn *fn, void *ctx, struct vv_error *err)
{
    for (const struct found *x = f->found; x != NULL; x = x->next) {
        struct found_path out = {.path = x->entry.path,
                                 .entry = &x->entry,
                                 .first = x->first,
                                 .last = x->last,
                                 .snapshots = x->snapshots};
        out.deleted = is_deleted(f, x);
        VV_TRY(fn(ctx, &out, err));
    }
    return VV_OK;
}

/** One series after the other; ${done} has a place for every snapshot. */
static enum vv_rc
walk_all(struct finder *f, bool *done, struct vv_error *err)
{
    const struct snapshot_list *l = f->list;

    for (size_t i = 0; i < l->count; i++) {
        if (done[i]) {
            continue;
        }
        f->series_count = 0;
        for (size_t j = i; j < l->count; j++) {
            if (!done[j] && same_series(&l->snapshots[i], &l->snapshots[j])) {
                done[j] = true;
                f->series[f->series_count++] = &l->snapshots[j];
            }
        }
        VV_TRY(walk_series(f, err));
    }
    return VV_OK;
}

enum vv_rc
look_find(struct repo *r, const struct snapshot_list *l, const struct pattern_set *patterns,
          look_found_fn *fn, void *ctx, struct vv_error *err)
{
    struct finder f = {.patterns = patterns, .list = l};
    bool *done = vv_alloc_array(l->count + 1, sizeof(*done));
    enum vv_rc rc;

    f.series = vv_alloc_array(l->count + 1, sizeof(*f.series));
    if (done == NULL || f.series == NULL) {
        vv_free(done);
        vv_free(f.series);
        return vv_error_nomem(err);
    }
    rc = looker_open(&f.look, r, err);
    if (rc == VV_OK) {
        rc = walk_all(&f, done, err);
    }
    if (rc == VV_OK) {
        rc = report(&f, fn, ctx, err);
    }
    if (rc == VV_OK && f.damaged) {
        rc = look_incomplete(err);
    }
    looker_close(&f.look);
    vv_arena_release(&f.arena);
    vv_free(f.series);
    vv_free(done);
    return rc;
}
