/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verify: packs that the index names and that are not there.
 *
 * The index is a hint: a prune that was stopped and then fenced may have published a segment that names
 * packs another one has deleted since.  Such a record is damage only if something needs a chunk that
 * is in no pack: a tree, a snapshot in its grace, or a snapshot record's copy.
 */

#include <string.h>

#include "engine/closure_internal.h"
#include "engine/verify_internal.h"
#include "repo/record_chunks.h"
#include "repo/replicas.h"

static void
report_missing(struct verify *v, struct verify_pack *p, const char *why)
{
    char object[PACK_OBJECT_TEXT];

    p->needed = true;
    p->damaged = true;
    pack_object_text(&p->name, object);
    verify_report(v, "pack-missing", object, "%s", why);
}

enum vv_rc
verify_need(struct verify *v, enum chunk_type type, const struct vv_id *id, struct vv_error *err)
{
    struct chunk_location loc;
    enum vv_rc rc = VV_OK;

    for (uint32_t nth = 0; rc == VV_OK; nth++) {
        struct verify_pack *p;
        rc = chunk_index_find(v->look.index, type, id, nth, &loc, err);
        p = rc == VV_OK ? verify_find_pack(v, &loc.pack) : NULL;
        if (p != NULL && p->absent && !p->needed) {
            report_missing(v, p, "what is needed of it is in no other pack");
        }
    }
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

/** Is any place of the chunk in a pack that is there? */
static enum vv_rc
has_place(struct verify *v, enum chunk_type type, const struct vv_id *id, bool *ret,
          struct vv_error *err)
{
    struct chunk_location loc;
    enum vv_rc rc = VV_OK;

    *ret = false;
    for (uint32_t nth = 0; rc == VV_OK && !*ret; nth++) {
        rc = chunk_index_find(v->look.index, type, id, nth, &loc, err);
        if (rc == VV_OK) {
            const struct verify_pack *p = verify_find_pack(v, &loc.pack);
            *ret = p != NULL && (p->listed || p->superseded);
        }
    }
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

static enum vv_rc
need_unless_placed(struct verify *v, enum chunk_type type, const struct vv_id *id,
                   struct vv_error *err)
{
    bool placed;

    VV_TRY(has_place(v, type, id, &placed, err));
    return placed ? VV_OK : verify_need(v, type, id, err);
}

/* --- snapshots in their grace ----------------------------------------------------------------- */

static enum vv_rc
see(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    struct verify *v = ctx;
    struct id_slot *slot;

    return id_table_put(&v->seen, id, &slot, ret_enter, err);
}

static enum vv_rc
pass_entry(void *ctx, const struct entry *e, struct vv_error *err)
{
    (void)ctx;
    (void)e;
    (void)err;
    return VV_OK;
}

static enum vv_rc
look_for_chunk(void *ctx, const struct chunk_ref *chunk, struct vv_error *err)
{
    return need_unless_placed(ctx, CHUNK_DATA, &chunk->id, err);
}

static enum vv_rc
look_for_lost(void *ctx, enum chunk_type type, const struct vv_id *id, const struct vv_error *why,
              struct vv_error *err)
{
    (void)why;
    return verify_need(ctx, type, id, err);
}

static const struct closure_ops ops = {
    .node = see, .list = see, .entry = pass_entry, .chunk = look_for_chunk, .lost = look_for_lost};

static enum vv_rc
look_at_forgotten(struct verify *v, struct vv_error *err)
{
    for (size_t i = 0; i < v->list->forgotten_count; i++) {
        VV_TRY(closure_walk(v->look.chunks, &v->list->forgotten[i].body.root, &ops, v,
                            repo_cancel(v->repo), err));
    }
    return VV_OK;
}

/* --- copies of records ------------------------------------------------------------------------ */

static enum vv_rc
look_at_records(struct verify *v, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf ids = {0};

    VV_TRY(record_chunks_ids(v->repo, NULL, 0, &ids, err));
    for (size_t at = 0; at < ids.len; at += sizeof(struct vv_id)) {
        struct vv_id id;
        memcpy(&id, ids.data + at, sizeof(id));
        VV_TRY(need_unless_placed(v, CHUNK_RECORD, &id, err));
    }
    return VV_OK;
}

/** What the walk over trees had from a replica is missing here. */
static void
look_at_healed(struct verify *v)
{
    struct healed_pack healed;

    for (size_t i = 0; replicas_healed(repo_replicas(v->repo), i, &healed); i++) {
        struct verify_pack *p = verify_find_pack(v, &healed.name);
        if (p != NULL && p->absent && !p->needed) {
            report_missing(v, p, "what is needed of it came from a replica");
        }
    }
}

/* --- what is left ----------------------------------------------------------------------------- */

static bool
any_undecided(const struct verify *v)
{
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        if (verify_packs(v)[i].absent && !verify_packs(v)[i].needed) {
            return true;
        }
    }
    return false;
}

enum vv_rc
verify_absent(struct verify *v, struct vv_error *err)
{
    bool all = v->options->snapshots == NULL;

    if (!any_undecided(v)) {
        return VV_OK;
    }
    if (all) {
        VV_TRY(look_at_forgotten(v, err));
        VV_TRY(look_at_records(v, err));
    }
    look_at_healed(v);
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        const struct verify_pack *p = &verify_packs(v)[i];
        char object[PACK_OBJECT_TEXT];
        if (!p->absent || p->needed) {
            continue;
        }
        pack_object_text(&p->name, object);
        vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, "index-stale",
                vv_span(object, strlen(object)),
                "the index names this pack, which is gone; %s; the next prune drops its name",
                all ? "no snapshot needs it" : "no snapshot verified here needs it");
    }
    return VV_OK;
}
