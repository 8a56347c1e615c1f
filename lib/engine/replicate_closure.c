/* SPDX-License-Identifier: BSD-2-Clause */
/* With a key: which packs a snapshot needs. */
#include "engine/closure_internal.h"
#include "engine/replicate_internal.h"
#include "repo/pack_reader.h"

#define CACHE_BYTES (64u << 20)

struct collecting {
    struct batch *b;
    struct chunk_index *index;
    struct there *there;
    struct id_table *seen; /* nodes and lists whose closure was collected whole */
    bool incomplete;
};

/** Can the pack of a location be had?  Note that it is needed if it is not there yet. */
static enum vv_rc
take_pack(struct collecting *c, const struct vv_id *hash, bool *ret, struct vv_error *err)
{
    struct id_slot *slot;
    size_t count;
    bool is_new;

    if (site_has(&c->b->site, hash)) {
        *ret = true;
        return VV_OK;
    }
    if (id_table_find(&c->b->d->lost, hash) == NULL &&
        source_range(&c->b->source, hash, &count) != NULL) {
        *ret = true;
        return id_table_put(&c->b->needed, hash, &slot, &is_new, err);
    }
    return VV_OK;
}

/** R9: asked only where a pack would have to travel. */
static enum vv_rc
is_there(const struct collecting *c, enum chunk_type type, const struct vv_id *id, bool *ret,
         struct vv_error *err)
{
    *ret = false;
    for (uint32_t nth = 0; c->there != NULL; nth++) {
        struct chunk_location at;
        enum vv_rc rc = chunk_index_find(c->index, type, id, nth, &at, err);
        if (rc == VV_ENOTFOUND && nth > 0) {
            vv_error_clear(err);
            return VV_OK;
        }
        if (rc == VV_ENOTFOUND || (rc == VV_OK && !site_has(&c->b->site, &at.pack.hash))) {
            vv_error_clear(err);
            return there_has(c->b, c->there, type, id, ret, err);
        }
        VV_TRY(rc);
    }
    return VV_OK;
}

/** Every pack that is said to hold the chunk is taken: which of them is right only reading tells. */
static enum vv_rc
take_chunk(struct collecting *c, enum chunk_type type, const struct vv_id *id, struct vv_error *err)
{
    bool had = false;

    VV_TRY(is_there(c, type, id, &had, err));
    if (had) {
        return VV_OK;
    }
    for (uint32_t nth = 0;; nth++) {
        struct chunk_location at;
        enum vv_rc rc = chunk_index_find(c->index, type, id, nth, &at, err);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            break;
        }
        VV_TRY(rc);
        VV_TRY(take_pack(c, &at.pack.hash, &had, err));
    }
    c->incomplete = c->incomplete || !had;
    return VV_OK;
}

/** A node or list: collected once, with all below it. */
static enum vv_rc
enter(struct collecting *c, enum chunk_type type, const struct vv_id *id, bool *ret_enter,
      struct vv_error *err)
{
    struct id_slot *slot;
    bool is_new = true;

    VV_TRY(id_table_put(c->seen, id, &slot, &is_new, err));
    *ret_enter = is_new;
    return is_new ? take_chunk(c, type, id, err) : VV_OK;
}

static enum vv_rc
on_node(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    return enter(ctx, CHUNK_NODE, id, ret_enter, err);
}

static enum vv_rc
on_list(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    return enter(ctx, CHUNK_LIST, id, ret_enter, err);
}

static enum vv_rc
on_chunk(void *ctx, const struct chunk_ref *chunk, struct vv_error *err)
{
    return take_chunk(ctx, CHUNK_DATA, &chunk->id, err);
}

static enum vv_rc
on_lost(void *ctx, enum chunk_type type, const struct vv_id *id, const struct vv_error *why,
        struct vv_error *err)
{
    struct collecting *c = ctx;

    (void)type;
    (void)id;
    (void)why;
    (void)err;
    c->incomplete = true;
    return VV_OK;
}

static const struct closure_ops ops = {
    .node = on_node, .list = on_list, .chunk = on_chunk, .lost = on_lost};

static enum vv_rc
give_up_snapshot(struct batch *b, const struct snapshot *s, struct vv_error *err)
{
    struct destination *d = b->d;
    char id[VV_UUID_TEXT];
    struct id_slot *slot;
    bool is_new;

    VV_TRY(id_table_put(&d->incomplete, &s->hash, &slot, &is_new, err));
    if (is_new) {
        vv_uuid_text(&s->id, id);
        d->s->snapshots_incomplete++;
        vv_emit(d->run->events, VV_EVENT_PROBLEM, "snapshot-incomplete", vv_span(id, 32),
                "the source cannot give all of this snapshot; it is not copied to '%s'",
                d->storage->url);
    }
    return VV_OK;
}

/** R7: what those need that are there already, also if an undelete alone shows them again. */
static enum vv_rc
collect_present(struct batch *b, struct chunk_index *index, struct there *there,
                struct chunk_reader *chunks, struct id_table *seen, struct vv_error *err)
{
    size_t before = b->needed.count;

    for (size_t i = 0; i < b->present_count; i++) {
        struct collecting c = {.b = b, .index = index, .there = there, .seen = seen};
        if (!is_past_undelete(writer_session_admin(b->session), b->present[i])) {
            VV_TRY(
                closure_walk(chunks, &b->present[i]->body.root, &ops, &c, b->d->run->cancel, err));
        }
    }
    b->lacking = b->lacking || b->needed.count > before;
    return VV_OK;
}

/** All chosen snapshots, each alone: one that lacks something must not hold the others. */
static enum vv_rc
collect_all(struct batch *b, struct chunk_index *index, struct there *there,
            struct chunk_reader *chunks, struct vv_error *err)
{
    struct id_table seen = {0};
    size_t kept = 0;
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < b->chosen_count && rc == VV_OK; i++) {
        struct collecting c = {.b = b, .index = index, .there = there, .seen = &seen};
        rc = closure_walk(chunks, &b->chosen[i]->body.root, &ops, &c, b->d->run->cancel, err);
        if (rc == VV_OK && !c.incomplete) {
            b->chosen[kept++] = b->chosen[i];
        } else if (rc == VV_OK) {
            id_table_release(&seen); /* what was entered for it may lack something below */
            if (b->d->vanished < 2) {
                b->vanished = true; /* a prune at the source may have moved it: look again */
            } else {
                rc = give_up_snapshot(b, b->chosen[i], err);
            }
        }
    }
    if (b->complete && rc == VV_OK) {
        rc = collect_present(b, index, there, chunks, &seen, err);
    }
    id_table_release(&seen);
    if (rc == VV_OK) {
        b->more = b->more || kept < b->chosen_count;
        b->chosen_count = kept;
    }
    return rc;
}

enum vv_rc
closure_collect(struct batch *b, struct vv_error *err)
{
    struct repo *source = b->d->run->source;
    struct chunk_index *index = NULL;
    struct chunk_reader *chunks = NULL;
    struct there *there = NULL;
    enum vv_rc rc = chunk_index_open(source, &index, err);

    if (rc == VV_OK) {
        rc = chunk_index_load(index, err);
    }
    if (rc == VV_OK) {
        rc = source_list_packs(b->d->run, &b->source, err);
    }
    if (rc == VV_OK) {
        rc = there_open(b, &there, err);
    }
    if (rc == VV_OK) {
        rc = chunk_reader_new(source, index, CACHE_BYTES, &chunks, err);
    }
    if (rc == VV_OK) {
        rc = collect_all(b, index, there, chunks, err);
    }
    chunk_reader_free(chunks);
    there_free(there);
    chunk_index_free(index);
    return rc;
}
