/* SPDX-License-Identifier: BSD-2-Clause */
/* The versions of one path. */

#include "engine/look_internal.h"

#include <string.h>

#include "core/alloc.h"

struct history {
    struct looker look;
    struct vv_arena arena;
    struct version *versions;
    size_t count;
    size_t room;
    bool damaged;
};

static bool
same_stream(const struct stream_root *a, const struct stream_root *b)
{
    if (a->height != b->height || a->size != b->size || a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!vv_id_equal(&a->refs[i].id, &b->refs[i].id)) {
            return false;
        }
    }
    return true;
}

/** The same thing with the same content, whatever its attributes. */
static bool
same_content(const struct entry *a, const struct entry *b)
{
    if (a->type != b->type || a->size != b->size || a->major != b->major || a->minor != b->minor ||
        !look_path_equal(a->target, b->target) || !same_stream(&a->content, &b->content) ||
        !same_stream(&a->extents_stream, &b->extents_stream) ||
        a->extent_count != b->extent_count) {
        return false;
    }
    return a->extent_count == 0 ||
           memcmp(a->extents, b->extents, a->extent_count * sizeof(*a->extents)) == 0;
}

static enum vv_rc
new_version(struct history *h, const struct entry *e, const struct snapshot *snap,
            struct vv_error *err)
{
    struct entry *kept = vv_arena_alloc(&h->arena, sizeof(*kept));

    if (kept == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(entry_copy(&h->arena, e, kept, err));
    if (h->count == h->room) {
        size_t room = h->room == 0 ? 16 : h->room * 2;
        struct version *grown = vv_realloc_array(h->versions, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        h->versions = grown;
        h->room = room;
    }
    h->versions[h->count++] =
        (struct version){.entry = kept, .first = snap, .last = snap, .snapshots = 1};
    return VV_OK;
}

/** Snapshots come newest first. */
static enum vv_rc
enter(struct history *h, const struct entry *e, const struct snapshot *snap, struct vv_error *err)
{
    for (size_t i = h->count; i > 0; i--) {
        struct version *v = &h->versions[i - 1];
        if (same_content(v->entry, e)) {
            v->first = snap;
            v->snapshots++;
            return VV_OK;
        }
    }
    return new_version(h, e, snap, err);
}

static bool
same_root(const struct snapshot *a, const struct snapshot *b)
{
    return vv_id_equal(&a->body.root.node, &b->body.root.node) &&
           a->body.root.height == b->body.root.height;
}

static enum vv_rc
collect(struct history *h, const struct snapshot_list *l, struct vv_span path, struct vv_error *err)
{
    VV_CLEANUP(vv_arena_release) struct vv_arena scratch = {0};
    const struct snapshot *before = NULL; /* looked into last; e and rc are what it says */
    struct vv_error own = {0};
    struct entry e;
    enum vv_rc rc = VV_ENOTFOUND;

    for (size_t i = l->count; i > 0; i--) {
        const struct snapshot *snap = &l->snapshots[i - 1];
        VV_TRY(vv_cancel_check(repo_cancel(h->look.repo), err));
        if (before == NULL || !same_root(before, snap)) {
            vv_arena_reset(&scratch);
            rc = look_entry(&h->look, snap, path, &scratch, &e, &own);
        }
        before = snap;
        if (rc == VV_ECORRUPT) {
            char id[VV_UUID_TEXT];
            vv_uuid_text(&snap->id, id);
            vv_emit(repo_events(h->look.repo), VV_EVENT_PROBLEM, "tree-damaged", path,
                    "snapshot %.8s: %s", id, own.message);
            h->damaged = true;
        } else if (rc == VV_OK) {
            VV_TRY(enter(h, &e, snap, err));
        } else if (rc != VV_ENOTFOUND) {
            if (err != NULL) {
                *err = own;
            }
            return rc;
        }
    }
    return VV_OK;
}

static enum vv_rc
report(struct history *h, struct vv_span path, look_version_fn *fn, void *ctx, struct vv_error *err)
{
    bool stop = false;

    for (size_t i = 0; i < h->count && !stop; i++) {
        VV_TRY(fn(ctx, &h->versions[i], &stop, err));
    }
    if (stop) {
        return VV_OK;
    }
    if (h->damaged) {
        return look_incomplete(err);
    }
    if (h->count == 0) {
        struct vv_buf text = {0};
        vv_buf_put(&text, path.data, path.len);
        (void)vv_error_set(err, VV_ENOTFOUND, "'/%s' is in no snapshot", vv_buf_text(&text));
        vv_buf_release(&text);
        return VV_ENOTFOUND;
    }
    return VV_OK;
}

enum vv_rc
look_history(struct repo *r, const struct snapshot_list *l, struct vv_span path,
             look_version_fn *fn, void *ctx, struct vv_error *err)
{
    struct history h = {0};
    enum vv_rc rc = looker_open(&h.look, r, err);

    if (rc == VV_OK) {
        rc = collect(&h, l, path, err);
    }
    if (rc == VV_OK) {
        rc = report(&h, path, fn, ctx, err);
    }
    looker_close(&h.look);
    vv_arena_release(&h.arena);
    vv_free(h.versions);
    return rc;
}
