/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P4: every live chunk of a condemned pack gets a copy that stays (I3). */
#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "engine/closure_internal.h"
#include "engine/prune_ahead_internal.h"

#define PACKS_LET_GO 16u /* read before the mapped index is let go of: a page or two a chunk (I7) */
#define PACK_TARGET_MIN (8u << 20)
#define PACK_TARGET_MAX (32u << 20)
#define PACK_TARGET_SHARE 16u /* a pack is such a part of what is copied */

/** A live chunk that could not be read where it was looked for. */
struct unsecured {
    struct vv_id id;
    size_t pack; /* the victim that holds it */
};
struct copying {
    struct prune_round *round;
    struct pack_keys *keys;
    struct pack_reader *reader; /* of packs that stay */
    struct prune_ahead *ahead;  /* of those that go */
    struct pack_writer *writer; /* NULL: there is no space, nothing is copied any more */
    struct block_builder *builder;
    struct vv_buf elsewhere; /* the last block looked at in a pack that stays */
    struct chunk_location elsewhere_at;
    bool elsewhere_read;
    bool *needed; /* of the block's chunks */
    uint32_t needed_room;
    struct vv_buf unsecured;
};

/** Trouble of one place, to be reported and survived, rather than of the run. */
static bool
is_damage(enum vv_rc rc, const struct vv_error *err)
{
    return damage_found(rc, err);
}

static void
report_block(struct copying *c, const struct chunk_location *loc, const char *text)
{
    char object[PACK_OBJECT_TEXT];

    pack_object_text(&loc->pack, object);
    vv_emit(repo_events(c->round->p->repo), VV_EVENT_PROBLEM, "block-damaged",
            vv_span(object, strlen(object)), "%s", text);
}

/** A pack that was listed is gone: another prune is at work, on a list this one adopted, or on this
 *  one's, which it adopted when it ended this session.  That is no damage: begin again from the lists.
 *  (What is really lost is in no listing then, and missed.) */
static enum vv_rc
stop_if_gone(struct copying *c, enum vv_rc rc, struct vv_error *err)
{
    if (rc != VV_ENOTFOUND) {
        return VV_OK;
    }
    c->round->overtaken = true;
    return vv_error_set(err, VV_EREFUSED,
                        "packs that were listed are gone: another prune is at work");
}

/** Does a place in a pack that stays give the chunk?  The whole block is kept for the next one. */
static enum vv_rc
check_place(struct copying *c, const struct chunk_location *loc, const struct vv_id *id, bool *ret,
            struct vv_error *err)
{
    bool same = c->elsewhere_read && c->elsewhere_at.block_number == loc->block_number &&
                pack_name_compare(&c->elsewhere_at.pack, &loc->pack) == 0;
    struct vv_id found;
    enum vv_rc rc;

    *ret = false;
    if (!same) {
        c->elsewhere_read = false;
        if (loc->block_plain > LIMIT_BLOCK_PLAIN) {
            return VV_OK;
        }
        vv_buf_reset(&c->elsewhere);
        VV_TRY(vv_buf_reserve(&c->elsewhere, loc->block_plain, err));
        rc = pack_read_block(c->reader, loc, c->elsewhere.data, err);
        VV_TRY(stop_if_gone(c, rc, err));
        if (is_damage(rc, err)) {
            report_block(c, loc, err->message);
            vv_error_clear(err);
            return VV_OK;
        }
        VV_TRY(rc);
        c->elsewhere.len = loc->block_plain;
        c->elsewhere_at = *loc;
        c->elsewhere_read = true;
    }
    if (loc->chunk_offset > c->elsewhere.len ||
        loc->chunk_len > c->elsewhere.len - loc->chunk_offset) {
        return VV_OK;
    }
    chunk_id(repo_keyring(c->round->p->repo), (enum chunk_type)loc->chunk_type,
             vv_span(c->elsewhere.data + loc->chunk_offset, loc->chunk_len), &found);
    *ret = vv_id_equal(&found, id);
    return VV_OK;
}

/** Is there, read in this run, a copy of the chunk in a pack that stays? */
static enum vv_rc
is_secured(struct copying *c, const struct pack_chunk *chunk, bool *ret, struct vv_error *err)
{
    enum chunk_type type = (enum chunk_type)chunk->type;
    struct chunk_location loc;
    uint32_t pack;

    *ret = false;
    if (c->writer != NULL) {
        VV_TRY(pack_writer_knows(c->writer, type, &chunk->id, ret, err));
    }
    for (uint32_t nth = 0;
         !*ret && index_marks_place(c->round->marks, type, &chunk->id, nth, &loc, &pack); nth++) {
        if (c->round->standing[pack] == PACK_STAYS) {
            VV_TRY(check_place(c, &loc, &chunk->id, ret, err));
            if (*ret && c->writer != NULL) {
                VV_TRY(pack_writer_trust(c->writer, type, &chunk->id, err));
            }
        }
    }
    return VV_OK;
}

/* --- one block -------------------------------------------------------------------------------- */

/** Which of a block's chunks have to be copied, and how many bytes they are. */
static enum vv_rc
find_needed(struct copying *c, const struct pack_block *block, const struct pack_chunk *chunks,
            uint64_t *ret_bytes, struct vv_error *err)
{
    *ret_bytes = 0;
    if (block->chunk_count > c->needed_room) {
        bool *needed = vv_realloc_array(c->needed, block->chunk_count, sizeof(*needed));
        if (needed == NULL) {
            return vv_error_nomem(err);
        }
        c->needed = needed;
        c->needed_room = block->chunk_count;
    }
    for (uint32_t i = 0; i < block->chunk_count; i++) {
        bool secured = true;
        if (index_marks_live(c->round->marks, &chunks[i].id)) {
            VV_TRY(is_secured(c, &chunks[i], &secured, err));
        }
        c->needed[i] = !secured;
        *ret_bytes += secured ? 0 : chunks[i].len;
    }
    return VV_OK;
}

static enum vv_rc
note_unsecured(struct copying *c, size_t pack, const struct pack_chunk *chunk, struct vv_error *err)
{
    struct unsecured u = {.id = chunk->id, .pack = pack};

    vv_buf_put(&c->unsecured, &u, sizeof(u));
    return vv_buf_check(&c->unsecured, err);
}

/** Has a chunk of the decoded block the id it should have? */
static bool
is_chunk_whole(const struct prune_block *b, const struct pack_chunk *chunks, uint32_t number)
{
    return memcmp(b->jobs[number].out, chunks[number].id.b, sizeof(chunks[number].id.b)) == 0;
}

/** Does every chunk of the decoded block have its id?  Of a block that moves as it is this is the only
 *  look at them: before the new pack is published it is compared with what was read (block_proof.h). */
static bool
is_whole(const struct prune_block *b, const struct pack_chunk *chunks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_chunk_whole(b, chunks, i)) {
            return false;
        }
    }
    return true;
}

/** The needed chunks of the decoded block into new ones. */
static enum vv_rc
put_needed(struct copying *c, size_t pack, const struct pack_block *block,
           const struct pack_chunk *chunks, const struct prune_block *b, struct vv_error *err)
{
    for (uint32_t i = 0; i < block->chunk_count; i++) {
        bool is_new;
        if (!c->needed[i]) {
            continue;
        }
        if (!is_chunk_whole(b, chunks, i)) {
            VV_TRY(note_unsecured(c, pack, &chunks[i], err));
            continue;
        }
        VV_TRY(block_builder_put(c->builder, (enum block_kind)block->kind,
                                 (enum chunk_type)chunks[i].type, &chunks[i].id,
                                 vv_span(b->jobs[i].data, b->jobs[i].len), &is_new, err));
    }
    return VV_OK;
}

static void
count_copied(struct copying *c, size_t pack, const struct pack_block *block, uint64_t bytes)
{
    struct prune *p = c->round->p;
    uint64_t chunks = 0;

    for (uint32_t i = 0; i < block->chunk_count; i++) {
        chunks += c->needed[i];
    }
    p->s.chunks_copied += chunks;
    p->s.bytes_copied += bytes;
    p->s.chunks_rescued += c->round->items[pack].dead ? chunks : 0;
    if (p->progress != NULL) {
        atomic_fetch_add_explicit(&p->progress->bytes_done, bytes, memory_order_relaxed);
    }
}

/** A block that could not be read: what is needed of it may be found elsewhere yet. */
static enum vv_rc
note_damaged(struct copying *c, size_t pack, const struct pack_directory *d, uint32_t number,
             struct vv_error *err)
{
    const struct pack_block *block = &d->blocks[number];
    struct chunk_location loc = {.pack = c->round->packs.items[pack].name};

    report_block(c, &loc, err->message);
    vv_error_clear(err);
    for (uint32_t i = 0; i < block->chunk_count; i++) {
        if (c->needed[i]) {
            VV_TRY(note_unsecured(c, pack, &d->chunks[block->first_chunk + i], err));
        }
    }
    return VV_OK;
}

/** A block of victim number ${pack}. */
static enum vv_rc
copy_block(struct copying *c, size_t pack, const struct pack_directory *d, uint32_t number,
           struct vv_error *err)
{
    const struct pack_block *block = &d->blocks[number];
    const struct pack_chunk *chunks = d->chunks + block->first_chunk;
    const struct prune_block *b;
    uint64_t needed;
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(repo_cancel(c->round->p->repo), err));
    VV_TRY(find_needed(c, block, chunks, &needed, err));
    if (needed == 0) {
        return VV_OK;
    }
    if (c->writer == NULL) {
        c->round->items[pack].kept = true;
        return VV_OK;
    }
    rc = prune_ahead_block(c->ahead, d, number, &b, err);
    VV_TRY(stop_if_gone(c, rc, err));
    if (is_damage(rc, err)) {
        return note_damaged(c, pack, d, number, err);
    }
    VV_TRY(rc);
    count_copied(c, pack, block, needed);
    if (block_moves(block->plain_len, needed, c->round->p->moved_dead) &&
        is_whole(b, chunks, block->chunk_count)) {
        return block_builder_move(c->builder, block, b->content, chunks, &b->proof, err);
    }
    return put_needed(c, pack, block, chunks, b, err);
}

/* --- one pack --------------------------------------------------------------------------------- */

/** What a pack holds: by its own directory, or, where that cannot be read, as the index says
 *  (${instead}). */
static enum vv_rc
directory_of(struct copying *c, size_t pack, struct pack_directory *instead,
             const struct pack_directory **ret, struct vv_error *err)
{
    const struct pack_list_item *item = &c->round->packs.items[pack];
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc = prune_ahead_open(c->ahead, pack, ret, err);

    VV_TRY(stop_if_gone(c, rc, err));
    if (!is_damage(rc, err)) {
        return rc;
    }
    pack_object_text(&item->name, object);
    vv_emit(repo_events(c->round->p->repo), VV_EVENT_PROBLEM, "pack-damaged",
            vv_span(object, strlen(object)), "%s", err->message);
    vv_error_clear(err);
    *ret = instead;
    return index_marks_directory(c->round->marks, &item->name, instead, err);
}

static enum vv_rc
copy_pack(struct copying *c, size_t pack, struct vv_error *err)
{
    struct pack_directory instead = {0};
    const struct pack_directory *d = NULL;
    enum vv_rc rc = directory_of(c, pack, &instead, &d, err);

    for (uint32_t i = 0; rc == VV_OK && i < d->block_count; i++) {
        rc = copy_block(c, pack, d, i, err);
    }
    if (rc == VV_OK) {
        prune_ahead_close(c->ahead);
    }
    pack_directory_release(&instead);
    return rc;
}

/** What could not be read where it was may have been found elsewhere since; where not, the pack has
 *  to stay. */
static enum vv_rc
settle_unsecured(struct copying *c, struct vv_error *err)
{
    for (size_t at = 0; at < c->unsecured.len; at += sizeof(struct unsecured)) {
        struct unsecured u;
        bool known;
        memcpy(&u, c->unsecured.data + at, sizeof(u));
        VV_TRY(pack_writer_knows(c->writer, CHUNK_DATA, &u.id, &known, err));
        if (!known && !c->round->items[u.pack].kept) {
            char object[PACK_OBJECT_TEXT];
            pack_object_text(&c->round->packs.items[u.pack].name, object);
            c->round->items[u.pack].kept = true;
            c->round->p->s.packs_damaged++;
            vv_emit(repo_events(c->round->p->repo), VV_EVENT_PROBLEM, "pack-kept",
                    vv_span(object, strlen(object)),
                    "something a snapshot needs cannot be read here and is nowhere else; the pack "
                    "is not deleted, and waits for a repair");
        }
    }
    return VV_OK;
}

/* --- all of them ------------------------------------------------------------------------------ */

/** So large that there are few packs, so small that the last ones are not waited for too long. */
static uint64_t
pack_target(const struct prune_round *round)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < round->packs.count; i++) {
        bytes += round->items[i].victim ? round->items[i].stays : 0;
    }
    bytes /= PACK_TARGET_SHARE;
    return bytes < PACK_TARGET_MIN   ? PACK_TARGET_MIN
           : bytes > PACK_TARGET_MAX ? PACK_TARGET_MAX
                                     : bytes;
}

static enum vv_rc
open_tools(struct copying *c, enum prune_ahead_what what, struct vv_error *err)
{
    struct prune *p = c->round->p;
    struct pack_writer_options o = {.level = p->options->level,
                                    .threads = 1,
                                    .own_only = true,
                                    .read_back = true,
                                    .behind = true,
                                    .dry_run = p->options->dry_run,
                                    .target = pack_target(c->round)};

    VV_TRY(pack_keys_new(p->repo, &c->keys, err));
    VV_TRY(pack_reader_new(c->keys, &c->reader, err));
    if (what == PRUNE_AHEAD_BLOCKS) { /* to copy them */
        VV_TRY(pack_writer_new(p->repo, c->round->session, p->index, &o, &c->writer, err));
        VV_TRY(block_builder_new(c->writer, &c->builder, err));
    }
    return prune_ahead_new(c->round, c->keys, what, &c->ahead, err);
}

static void
close_tools(struct copying *c)
{
    prune_ahead_free(c->ahead);
    block_builder_free(c->builder);
    pack_writer_free(c->writer);
    pack_reader_free(c->reader);
    pack_keys_free(c->keys);
    vv_free(c->needed);
    vv_buf_release(&c->elsewhere);
    vv_buf_release(&c->unsecured);
}

/** Every victim, and what was written of them. */
static enum vv_rc
copy_all(struct copying *c, struct vv_error *err)
{
    size_t read = 0;

    for (size_t i = 0; i < c->round->packs.count; i++) {
        if (!c->round->items[i].victim) {
            continue;
        }
        VV_TRY(copy_pack(c, i, err));
        if (++read % PACKS_LET_GO == 0) {
            index_marks_trim(c->round->marks);
        }
    }
    if (c->writer == NULL) {
        return VV_OK;
    }
    VV_TRY(block_builder_flush(c->builder, err));
    VV_TRY(pack_writer_flush(c->writer, err));
    return settle_unsecured(c, err);
}

static void
count_written(struct copying *c)
{
    const struct pack_writer_counts *counts = pack_writer_counts(c->writer);
    struct prune_summary *s = &c->round->p->s;
    uint64_t parity = pack_writer_parity_bytes(c->writer);

    s->packs_written += atomic_load(&counts->packs_data) + atomic_load(&counts->packs_metadata);
    s->bytes_written +=
        atomic_load(&counts->bytes_stored) + atomic_load(&counts->bytes_indexed) + parity;
}

/** Has the storage no more space?  Then what needs none can still be done. */
static bool
is_full(const struct copying *c, enum vv_rc rc, const struct vv_error *err)
{
    return rc == VV_ENOSPACE && c->writer != NULL && err->origin != VV_ORIGIN_LOCAL;
}

/** Copy until everything is copied, or, *ret_full, there is no space. */
static enum vv_rc
copy(struct prune_round *round, bool *ret_full, struct vv_error *err)
{
    struct copying c = {.round = round};
    enum vv_rc rc = open_tools(&c, PRUNE_AHEAD_BLOCKS, err);

    if (rc == VV_OK) {
        rc = copy_all(&c, err);
    }
    if (is_full(&c, rc, err)) {
        vv_error_clear(err);
        *ret_full = true;
        rc = pack_writer_salvage(c.writer, err);
    }
    if (rc == VV_OK) {
        count_written(&c);
    }
    close_tools(&c);
    return rc;
}

/** After copying had to end: what copies were made is found by their index records, read and
 *  authenticated like any copy that stays (I3); packs with something live that has none are kept. */
static enum vv_rc
check(struct prune_round *round, struct vv_error *err)
{
    struct copying c = {.round = round};
    enum vv_rc rc = open_tools(&c, PRUNE_AHEAD_DIRECTORIES, err);

    if (rc == VV_OK) {
        rc = copy_all(&c, err);
    }
    close_tools(&c);
    return rc;
}

enum vv_rc
prune_copy(struct prune_round *round, struct vv_error *err)
{
    bool full = false;

    prune_phase(round->p, PRUNE_COPYING);
    VV_TRY(copy(round, &full, err));
    if (!full) {
        return VV_OK;
    }
    round->more = true;
    VV_TRY(prune_survey(round, err));
    return check(round, err);
}
