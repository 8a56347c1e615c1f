/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot against the live file system: one walk of each, both in tree order, merged.  What the
 * snapshot has of commands and archives, and what lies outside its sources, is left out.
 */

#include "engine/look_live_internal.h"

#include <string.h>

#include "core/alloc.h"

/** A path that could not be seen, with all below it. */
struct blind {
    struct blind *next;
    struct vv_span path;
};

struct live {
    struct looker look;
    const struct snapshot *snap;
    struct vv_span below;
    bool content;
    tree_diff_fn *fn;
    void *ctx;
    struct source *source;
    struct tree_cursor *cursor;
    const struct entry *a; /* next of the snapshot, NULL: end */
    struct source_item item;
    bool has_item;       /* item is the next live one */
    bool walked;         /* the live walk has ended */
    struct blind *blind; /* oldest first; none that the snapshot's walk has passed */
    struct blind **blind_end;
    bool damaged;
    struct vv_arena arena; /* of one comparison */
};

static bool
at_or_below(struct vv_span path, struct vv_span directory)
{
    return look_path_equal(path, directory) || path_is_below(path, directory);
}

/** The live paths to walk: sources below ${below}, or ${below} itself if it is in one. */
static enum vv_rc
choose_paths(const struct live *v, char **paths, size_t *ret_count, struct vv_error *err)
{
    size_t count = 0;

    for (uint32_t i = 0; i < v->snap->body.source_count; i++) {
        struct vv_span source = vv_buf_span(&v->snap->body.sources[i]);
        struct vv_span path = source;
        if (source.len == 0 || source.data[0] != '/') {
            continue;
        }
        source = vv_span(source.data + 1, source.len - 1);
        if (v->below.len > 0 && path_is_below(v->below, source)) {
            path = v->below;
        } else if (v->below.len > 0 && !at_or_below(source, v->below)) {
            continue;
        } else {
            path = source;
        }
        paths[count] = vv_alloc(path.len + 2);
        if (paths[count] == NULL) {
            return vv_error_nomem(err);
        }
        paths[count][0] = '/';
        if (path.len > 0) {
            memcpy(paths[count] + 1, path.data, path.len);
        }
        paths[count++][path.len + 1] = '\0';
        *ret_count = count;
    }
    if (count == 0) {
        return vv_error_set(err, VV_ENOTFOUND,
                            "nothing the snapshot has there came from the file system");
    }
    return VV_OK;
}

static enum vv_rc
open_source(struct live *v, char *const *paths, size_t count, struct source_identity never[3],
            struct vv_error *err)
{
    struct repo *r = v->look.repo;
    struct source_fs_options o = {.paths = (const char *const *)paths,
                                  .path_count = count,
                                  .never = never,
                                  .events = repo_events(r),
                                  .cancel = repo_cancel(r)};

    o.never_count += storage_local_identity(repo_storage(r), &never[o.never_count].device,
                                            &never[o.never_count].inode);
    o.never_count +=
        repo_cache_identity(r, &never[o.never_count].device, &never[o.never_count].inode);
    o.never_count +=
        repo_state_identity(r, &never[o.never_count].device, &never[o.never_count].inode);
    return source_fs_new(&o, &v->source, err);
}

static void
drop_item(struct live *v)
{
    if (v->has_item) {
        source_item_release(v->source, &v->item);
        v->has_item = false;
    }
}

static enum vv_rc
be_blind(struct live *v, struct vv_span path, struct vv_error *err)
{
    struct blind *b = vv_alloc_array(1, sizeof(*b) + path.len + 1);

    if (b == NULL) {
        return vv_error_nomem(err);
    }
    if (path.len > 0) {
        memcpy(b + 1, path.data, path.len);
    }
    b->path = vv_span(b + 1, path.len);
    *v->blind_end = b;
    v->blind_end = &b->next;
    return VV_OK;
}

static void
drop_blind(struct live *v)
{
    struct blind *b = v->blind;

    v->blind = b->next;
    if (v->blind == NULL) {
        v->blind_end = &v->blind;
    }
    vv_free(b);
}

/** Could this path of the snapshot not be seen?  Paths asked for only ascend. */
static bool
is_blind(struct live *v, struct vv_span path)
{
    while (v->blind != NULL && path_compare(v->blind->path, path) < 0 &&
           !path_is_below(path, v->blind->path)) {
        drop_blind(v);
    }
    return v->blind != NULL && at_or_below(path, v->blind->path);
}

static void
problem(struct live *v, struct vv_span path, const struct source_problem *p)
{
    vv_emit(repo_events(v->look.repo), VV_EVENT_PROBLEM, "file-unreadable", path, "%s", p->text);
}

/** The next live item that can be compared. */
static enum vv_rc
next_live(struct live *v, struct vv_error *err)
{
    drop_item(v);
    while (!v->walked && !v->has_item) {
        const struct entry *e = &v->item.entry;
        VV_TRY(vv_cancel_check(repo_cancel(v->look.repo), err));
        memset(&v->item, 0, sizeof(v->item));
        VV_TRY(source_next(v->source, &v->item, &v->walked, err));
        if (v->walked) {
            return VV_OK;
        }
        v->has_item = true;
        if (!at_or_below(e->path, v->below)) {
            drop_item(v);
            continue;
        }
        if (v->item.status != SOURCE_OK && v->item.status != SOURCE_VANISHED) {
            problem(v, e->path, &v->item.problem);
            VV_TRY(be_blind(v, e->path, err));
        }
        if (v->item.status != SOURCE_OK && e->type != ENTRY_DIRECTORY) {
            drop_item(v);
        }
    }
    return VV_OK;
}

/** Is the path in what was walked (or above it)? */
static bool
was_walked(struct live *v, struct vv_span path)
{
    size_t count;
    const struct vv_span *roots = source_fs_roots(v->source, &count);

    for (size_t i = 0; i < count; i++) {
        struct vv_span root = vv_span(roots[i].data + 1, roots[i].len - 1);
        if (at_or_below(path, root) || path_is_below(root, path)) {
            return true;
        }
    }
    return false;
}

/** The next entry of the snapshot that has a live counterpart to look for. */
static enum vv_rc
next_snapshot(struct live *v, struct vv_error *err)
{
    for (;;) {
        VV_TRY(look_next(&v->look, v->cursor, v->snap, &v->a, &v->damaged, err));
        if (v->a == NULL || was_walked(v, v->a->path)) {
            return VV_OK;
        }
    }
}

static bool
same_time(const struct entry_time *a, const struct entry_time *b)
{
    return a->sec == b->sec && a->nsec == b->nsec;
}

/** All that stat tells and a snapshot keeps. */
static bool
same_stat(const struct entry *a, const struct entry *b)
{
    return a->type == b->type && a->mode == b->mode &&
           ((a->flags & ENTRY_NO_OWNER) != 0 || (a->uid == b->uid && a->gid == b->gid)) &&
           same_time(&a->mtime, &b->mtime) && a->major == b->major && a->minor == b->minor &&
           (a->type != ENTRY_FILE || a->size == b->size);
}

static bool
same_xattrs(const struct entry *a, const struct entry *b)
{
    struct vv_buf x = {0};
    struct vv_buf y = {0};
    bool same;

    xattrs_encode(a->xattrs, a->xattr_count, &x);
    xattrs_encode(b->xattrs, b->xattr_count, &y);
    same = !x.failed && !y.failed && look_path_equal(vv_buf_span(&x), vv_buf_span(&y));
    vv_buf_release(&x);
    vv_buf_release(&y);
    return same;
}

/** Nothing can have changed: also the change time and the inode are the same. */
static bool
untouched(const struct live *v, const struct entry *a, const struct entry *b)
{
    return !v->content && same_stat(a, b) && same_time(&a->ctime, &b->ctime) &&
           a->inode == b->inode && (a->flags & (ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE)) == 0;
}

/** Open the live one and compare the rest. */
static enum vv_rc
compare_opened(struct live *v, struct entry *a, struct source_file *file, bool *ret_same,
               enum source_status *ret_status, struct source_problem *p, struct vv_error *err)
{
    const struct entry *b = &v->item.entry;

    *ret_same = same_stat(a, b) && a->inode_flags == b->inode_flags &&
                look_path_equal(a->target, b->target);
    if (!*ret_same) {
        return VV_OK;
    }
    VV_TRY(entry_complete(v->look.chunks, a, &v->arena, err));
    *ret_same = same_xattrs(a, b);
    if (*ret_same && v->content && file != NULL) {
        VV_TRY(live_content_equal(&v->look, a, b, file, ret_same, ret_status, p, err));
    }
    return VV_OK;
}

/** v->a and v->item have the same path. */
static enum vv_rc
compare(struct live *v, struct vv_error *err)
{
    const struct entry *b = &v->item.entry;
    struct source_problem p = {0};
    struct source_file *file = NULL;
    struct entry a;
    struct entry scratch;
    bool same = false;
    enum source_status status;
    enum vv_rc rc;

    if (v->a->type == ENTRY_DIRECTORY && b->type == ENTRY_DIRECTORY &&
        ((v->a->flags | b->flags) & ENTRY_IMPLIED) != 0) {
        return VV_OK; /* above the sources */
    }
    if (untouched(v, v->a, b)) {
        return VV_OK;
    }
    vv_arena_reset(&v->arena);
    VV_TRY(entry_copy(&v->arena, v->a, &a, err));
    status = source_open(v->source, &v->item, &v->arena, &file, &p);
    if (status == SOURCE_VANISHED) {
        return v->fn(v->ctx, v->a, NULL, err);
    }
    rc = VV_OK;
    if (status == SOURCE_OK) {
        rc = compare_opened(v, &a, file, &same, &status, &p, err);
        if (file != NULL) {
            struct source_problem ignored;
            scratch = *b;
            (void)source_close(file, &scratch, &ignored);
        }
    }
    if (damage_found(rc, err)) {
        vv_emit(repo_events(v->look.repo), VV_EVENT_PROBLEM, "file-damaged", v->a->path, "%s",
                err != NULL ? err->message : "damaged");
        vv_error_clear(err);
        v->damaged = true;
        return VV_OK;
    }
    VV_TRY(rc);
    if (status != SOURCE_OK) {
        problem(v, b->path, &p);
        return VV_OK;
    }
    return same ? VV_OK : v->fn(v->ctx, v->a, b, err);
}

static enum vv_rc
merge(struct live *v, struct vv_error *err)
{
    VV_TRY(next_live(v, err));
    VV_TRY(next_snapshot(v, err));
    while (v->a != NULL || v->has_item) {
        const struct entry *b = v->has_item ? &v->item.entry : NULL;
        int order = v->a == NULL ? 1 : b == NULL ? -1 : path_compare(v->a->path, b->path);
        if (order == 0) {
            VV_TRY(compare(v, err));
        } else if (order < 0) {
            if (!is_blind(v, v->a->path)) {
                VV_TRY(v->fn(v->ctx, v->a, NULL, err));
            }
        } else {
            VV_TRY(v->fn(v->ctx, NULL, b, err));
        }
        if (order >= 0) {
            VV_TRY(next_live(v, err));
        }
        if (order <= 0) {
            VV_TRY(next_snapshot(v, err));
        }
    }
    return v->damaged ? look_incomplete(err) : VV_OK;
}

static enum vv_rc
run(struct live *v, char **paths, struct vv_error *err)
{
    struct source_identity never[3];
    size_t count = 0;
    enum vv_rc rc = choose_paths(v, paths, &count, err);

    if (rc == VV_OK) {
        rc = open_source(v, paths, count, never, err);
    }
    if (rc == VV_OK) {
        rc = tree_cursor_new(v->look.chunks, &v->snap->body.root, v->below, &v->cursor, err);
    }
    if (rc == VV_OK) {
        rc = merge(v, err);
    }
    drop_item(v);
    tree_cursor_free(v->cursor);
    source_free(v->source);
    for (size_t i = 0; i < count; i++) {
        vv_free(paths[i]);
    }
    return rc;
}

enum vv_rc
look_diff_live(struct repo *r, const struct snapshot *snap, struct vv_span below, bool content,
               tree_diff_fn *fn, void *ctx, struct vv_error *err)
{
    struct live v = {.snap = snap, .below = below, .content = content, .fn = fn, .ctx = ctx};
    char **paths = vv_alloc_array((size_t)snap->body.source_count + 1, sizeof(*paths));
    struct vv_error own = {0};
    enum vv_rc rc;

    v.blind_end = &v.blind;
    rc = paths == NULL ? vv_error_nomem(&own) : looker_open(&v.look, r, &own);

    if (rc == VV_OK) {
        rc = run(&v, paths, &own);
    }
    looker_close(&v.look);
    while (v.blind != NULL) {
        drop_blind(&v);
    }
    vv_arena_release(&v.arena);
    vv_free(paths);
    if (rc != VV_OK && err != NULL) {
        *err = own;
    }
    return rc;
}
