/* SPDX-License-Identifier: BSD-2-Clause */
/* What all ways of looking into a repository share. */

#include "engine/look_internal.h"

#include <string.h>

#define BLOCK_CACHE (32u << 20)

enum vv_rc
looker_open(struct looker *l, struct repo *r, struct vv_error *err)
{
    enum vv_rc rc;

    memset(l, 0, sizeof(*l));
    l->repo = r;
    rc = chunk_index_open(r, &l->index, err);
    if (rc == VV_OK) {
        rc = chunk_reader_new(r, l->index, BLOCK_CACHE, &l->chunks, err);
    }
    if (rc != VV_OK) {
        looker_close(l);
    }
    return rc;
}

void
looker_close(struct looker *l)
{
    chunk_reader_free(l->chunks);
    chunk_index_free(l->index);
    memset(l, 0, sizeof(*l));
}

bool
look_path_equal(struct vv_span a, struct vv_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

enum vv_rc
look_not_found(const struct snapshot *snap, struct vv_span path, struct vv_error *err)
{
    struct vv_buf text = {0};
    char id[VV_UUID_TEXT];

    vv_uuid_text(&snap->id, id);
    vv_buf_put(&text, path.data, path.len);
    (void)vv_error_set(err, VV_ENOTFOUND, "'/%s' is not in snapshot %.8s", vv_buf_text(&text), id);
    vv_buf_release(&text);
    return VV_ENOTFOUND;
}

enum vv_rc
look_incomplete(struct vv_error *err)
{
    (void)vv_error_set(err, VV_ECORRUPT, "parts of the snapshot's tree cannot be read");
    vv_error_hint(err, "'varve verify --data' names all that is damaged");
    return VV_ECORRUPT;
}

/** Say which paths an unreadable node takes away. */
static void
report_lost(struct repo *r, struct tree_cursor *t, const struct snapshot *snap,
            const struct vv_error *why)
{
    struct vv_span from;
    struct vv_span to;
    struct vv_buf text = {0};
    char id[VV_UUID_TEXT];

    vv_uuid_text(&snap->id, id);
    tree_cursor_lost(t, &from, &to);
    if (to.len > 0) {
        vv_buf_put_text(&text, " to before '");
        vv_buf_put(&text, to.data, to.len);
        vv_buf_put_text(&text, "'");
    } else {
        vv_buf_put_text(&text, " to the end");
    }
    vv_emit(repo_events(r), VV_EVENT_PROBLEM, "tree-damaged", from,
            "snapshot %.8s: everything from here%s is missing: %s", id, vv_buf_text(&text),
            why->message);
    vv_buf_release(&text);
}

enum vv_rc
look_next(struct looker *l, struct tree_cursor *t, const struct snapshot *snap,
          const struct entry **ret, bool *damaged, struct vv_error *err)
{
    for (;;) {
        struct vv_error own = {0};
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(repo_cancel(l->repo), err));
        rc = tree_cursor_next(t, ret, &own);
        if (rc == VV_OK) {
            return VV_OK;
        }
        if (!damage_found(rc, &own)) {
            if (err != NULL) {
                *err = own;
            }
            return rc;
        }
        report_lost(l->repo, t, snap, &own);
        *damaged = true;
    }
}

enum vv_rc
look_entry(struct looker *l, const struct snapshot *snap, struct vv_span path,
           struct vv_arena *arena, struct entry *ret, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    const struct entry *e = NULL;
    struct vv_error own = {0};
    enum vv_rc rc;

    VV_TRY(tree_cursor_new(l->chunks, &snap->body.root, path, &t, err));
    tree_cursor_ahead(t);
    rc = tree_cursor_next(t, &e, &own);
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = own;
        }
        if (damage_found(rc, &own)) { /* a missing node is no missing path */
            if (err != NULL) {
                err->rc = VV_ECORRUPT;
            }
            return VV_ECORRUPT;
        }
        return rc;
    }
    if (e == NULL || !look_path_equal(e->path, path)) {
        return look_not_found(snap, path, err);
    }
    return entry_copy(arena, e, ret, err);
}
