/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches: pieces of many files, sorted so that each block is decoded once. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/restore_internal.h"

void
batch_free(struct restore *r, struct job *j)
{
    struct batch *b = (struct batch *)(void *)j;

    for (uint32_t i = 0; i < b->piece_count; i++) {
        struct restore_file *f = b->pieces[i].file;
        if (f != NULL && !f->own) { /* only left when the restore ended early */
            plan_free_file(r, f);
        }
    }
    vv_arena_release(&b->arena);
    vv_free(b->pieces);
    vv_free(b->units);
    vv_free(b->plain);
    vv_free(b);
}

static int
compare_pieces(const void *a, const void *b)
{
    const struct piece *p = a;
    const struct piece *q = b;
    int order = pack_name_compare(&p->loc.pack, &q->loc.pack);

    if (order != 0) {
        return order;
    }
    if (p->loc.block_offset != q->loc.block_offset) {
        return p->loc.block_offset < q->loc.block_offset ? -1 : 1;
    }
    if (p->loc.chunk_offset != q->loc.chunk_offset) {
        return p->loc.chunk_offset < q->loc.chunk_offset ? -1 : 1;
    }
    return 0;
}

static bool
same_block(const struct chunk_location *a, const struct chunk_location *b)
{
    return a->block_offset == b->block_offset && a->block_number == b->block_number &&
           a->block_stored == b->block_stored && a->block_plain == b->block_plain &&
           a->block_flags == b->block_flags && pack_name_compare(&a->pack, &b->pack) == 0;
}

/** Sort the pieces and note which share a block. */
static enum vv_rc
make_units(struct batch *b, struct vv_error *err)
{
    if (b->piece_count == 0) {
        return VV_OK;
    }
    qsort(b->pieces, b->piece_count, sizeof(*b->pieces), compare_pieces);
    vv_free(b->units);
    b->unit_count = 0;
    b->units = vv_alloc_array(b->piece_count, sizeof(*b->units));
    if (b->units == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < b->piece_count; i++) {
        if (i > 0 && same_block(&b->pieces[i - 1].loc, &b->pieces[i].loc)) {
            b->units[b->unit_count - 1].count++;
        } else {
            b->units[b->unit_count++] = (struct unit){i, 1};
        }
    }
    return VV_OK;
}

/** Files that could not be opened have their turn now that the others are closed. */
static enum vv_rc
batch_again(struct restore *r, struct job *j, uint32_t *ret_count, struct vv_error *err)
{
    struct batch *b = (struct batch *)(void *)j;
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->piece_count; i++) {
        if (b->pieces[i].later) {
            struct restore_file *f = b->pieces[i].file;
            vv_mutex_lock(restore_file_lock(r, f));
            f->deferred = false;
            vv_mutex_unlock(restore_file_lock(r, f));
            b->pieces[i].later = false;
            b->pieces[count++] = b->pieces[i];
        }
    }
    b->piece_count = count;
    b->plain_count = 0;
    VV_TRY(make_units(b, err));
    *ret_count = count > 0 ? b->unit_count : 0;
    return VV_OK;
}

enum vv_rc
batch_need(struct restore *r, struct vv_error *err)
{
    struct batch *b;

    if (r->plan.batch != NULL) {
        return VV_OK;
    }
    b = vv_alloc_array(1, sizeof(*b));
    if (b == NULL) {
        return vv_error_nomem(err);
    }
    b->job.run = write_unit;
    b->job.again = batch_again;
    b->job.end = batch_free;
    r->plan.batch = b;
    return VV_OK;
}

enum vv_rc
plan_submit(struct restore *r, struct vv_error *err)
{
    struct batch *b = r->plan.batch;

    if (b == NULL || b->piece_count + b->plain_count == 0) {
        return VV_OK;
    }
    VV_TRY(make_units(b, err));
    r->plan.batch = NULL;
    b->job.count = b->unit_count + b->plain_count;
    r->plan.bytes_limit *= r->plan.bytes_limit < PLAN_BYTES ? 8 : 1;
    return jobs_submit(r, &b->job, PLAN_IN_FLIGHT, err);
}

bool
batch_is_full(const struct restore *r)
{
    const struct batch *b = r->plan.batch;

    return b != NULL && (b->bytes >= r->plan.bytes_limit || b->piece_count >= PLAN_CHUNKS ||
                         b->files >= PLAN_FILES || b->arena.used >= PLAN_ARENA);
}

enum vv_rc
batch_add_plain(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    struct batch *b = r->plan.batch;

    if (b->plain_count == b->plain_room) {
        uint32_t room = b->plain_room == 0 ? 64 : b->plain_room * 2;
        struct restore_file **plain = vv_realloc_array(b->plain, room, sizeof(*plain));
        if (plain == NULL) {
            return vv_error_nomem(err);
        }
        b->plain = plain;
        b->plain_room = room;
    }
    b->plain[b->plain_count++] = f;
    return VV_OK;
}

enum vv_rc
batch_new_piece(struct batch *b, struct piece **ret, struct vv_error *err)
{
    if (b->piece_count == b->piece_room) {
        uint32_t room = b->piece_room == 0 ? 256 : b->piece_room * 2;
        struct piece *pieces = vv_realloc_array(b->pieces, room, sizeof(*pieces));
        if (pieces == NULL) {
            return vv_error_nomem(err);
        }
        b->pieces = pieces;
        b->piece_room = room;
    }
    *ret = &b->pieces[b->piece_count];
    return VV_OK;
}
