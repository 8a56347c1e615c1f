/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P4: every live chunk of a condemned pack gets a copy that stays (I3). */
#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "engine/closure_internal.h"
#include "engine/prune_internal.h"

#define PACK_TARGET (32u << 20)

/** A live chunk that could not be read where it was looked for. */
struct unsecured {
    struct vv_id id;
    size_t pack; /* the victim that holds it */
};
struct copying {
    struct prune_round *round;
    struct pack_keys *keys;
    struct pack_reader *reader;
    struct pack_writer *writer;
    struct block_builder *builder;
    struct vv_buf plain;     /* the block being copied */
    struct vv_buf elsewhere; /* the last block looked at in a pack that stays */
    struct chunk_location elsewhere_at;
    bool elsewhere_read;
    bool *needed; /* of the block's chunks */
    struct hash_job *jobs;
    uint32_t needed_room;
    struct vv_buf unsecured;
    bool full; /* there is no space for further copies, and those made may lack index records */
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
    if (!c->full) {
        VV_TRY(pack_writer_knows(c->writer, type, &chunk->id, ret, err));
    }
    for (uint32_t nth = 0;
         !*ret && index_marks_place(c->round->marks, type, &chunk->id, nth, &loc, &pack); nth++) {
        if (c->round->standing[pack] == PACK_STAYS) {
            VV_TRY(check_place(c, &loc, &chunk->id, ret, err));
            if (*ret && !c->full) {
                VV_TRY(pack_writer_trust(c->writer, type, &chunk->id, err));
            }
        }
    }
    return VV_OK;
}

/* --- one block -------------------------------------------------------------------------------- */

/** Which of a block's chunks have to be copied, and how many bytes they are. */
static enum vv_rc
find_needed(struct copying *c, size_t pack, const struct pack_block *block,
            const struct pack_chunk *chunks, uint64_t *ret_bytes, struct vv_error *err)
{
    struct prune_pack *item = &c->round->items[pack];

    *ret_bytes = 0;
    if (block->chunk_count > c->needed_room) {
        bool *needed = vv_realloc_array(c->needed, block->chunk_count, sizeof(*needed));
        struct hash_job *jobs;
        if (needed == NULL) {
            return vv_error_nomem(err);
        }
        c->needed = needed;
        jobs = vv_realloc_array(c->jobs, block->chunk_count, sizeof(*jobs));
        if (jobs == NULL) {
            return vv_error_nomem(err);
        }
        c->jobs = jobs;
        c->needed_room = block->chunk_count;
    }
    for (uint32_t i = 0; i < block->chunk_count; i++) {
        bool secured = true;
        if (index_marks_live(c->round->marks, &chunks[i].id)) {
            item->live = true;
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

/** The chunks of one type of the decoded block: do they have their ids? */
static bool
are_whole(struct copying *c, const struct pack_block *block, const struct pack_chunk *chunks,
          enum chunk_type type)
{
    size_t count = 0;
    size_t at = 0;

    for (uint32_t i = 0; i < block->chunk_count; at += chunks[i++].len) {
        if (chunks[i].type == type) {
            c->jobs[count].data = c->plain.data + at;
            c->jobs[count++].len = chunks[i].len;
        }
    }
    blake2b_256_many(keyring_id_key(repo_keyring(c->round->p->repo), type), c->jobs, count);
    count = 0;
    for (uint32_t i = 0; i < block->chunk_count; i++) {
        if (chunks[i].type == type && memcmp(c->jobs[count++].out, chunks[i].id.b, 32) != 0) {
            return false;
        }
    }
    return true;
}

/** Does every chunk of the decoded block have its id?  (Publishing a block with one that does not
 *  would fail.) */
static bool
is_whole(struct copying *c, const struct pack_block *block, const struct pack_chunk *chunks)
{
    for (enum chunk_type type = CHUNK_DATA; type <= CHUNK_RECORD; type++) {
        if (!are_whole(c, block, chunks, type)) {
            return false;
        }
    }
    return true;
}

/** The needed chunks of the decoded block into new ones. */
static enum vv_rc
put_needed(struct copying *c, size_t pack, const struct pack_block *block,
           const struct pack_chunk *chunks, struct vv_error *err)
{
    size_t at = 0;

    for (uint32_t i = 0; i < block->chunk_count; i++) {
        struct vv_span bytes = vv_span(c->plain.data + at, chunks[i].len);
        struct vv_id found;
        bool is_new;
        at += chunks[i].len;
        if (!c->needed[i]) {
            continue;
        }
        chunk_id(repo_keyring(c->round->p->repo), (enum chunk_type)chunks[i].type, bytes, &found);
        if (!vv_id_equal(&found, &chunks[i].id)) {
            VV_TRY(note_unsecured(c, pack, &chunks[i], err));
            continue;
        }
        VV_TRY(block_builder_put(c->builder, (enum block_kind)block->kind,
                                 (enum chunk_type)chunks[i].type, &chunks[i].id, bytes, &is_new,
                                 err));
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

/** A block of victim number ${pack}. */
static enum vv_rc
copy_block(struct copying *c, size_t pack, const struct pack_directory *d, uint32_t number,
           struct vv_error *err)
{
    const struct pack_block *block = &d->blocks[number];
    const struct pack_chunk *chunks = d->chunks + block->first_chunk;
    struct chunk_location loc = {.pack = c->round->packs.items[pack].name,
                                 .pack_size = c->round->packs.items[pack].size,
                                 .block_number = number,
                                 .block_offset = block->offset,
                                 .block_stored = block->stored_len,
                                 .block_plain = block->plain_len,
                                 .block_flags = block->flags};
    struct vv_span content;
    uint64_t needed;
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(repo_cancel(c->round->p->repo), err));
    VV_TRY(find_needed(c, pack, block, chunks, &needed, err));
    if (needed == 0) {
        return VV_OK;
    }
    if (c->full) {
        c->round->items[pack].kept = true;
        return VV_OK;
    }
    vv_buf_reset(&c->plain);
    VV_TRY(vv_buf_reserve(&c->plain, block->plain_len, err));
    rc = pack_read_content(c->reader, &loc, c->plain.data, &content, err);
    VV_TRY(stop_if_gone(c, rc, err));
    if (is_damage(rc, err)) {
        report_block(c, &loc, err->message);
        vv_error_clear(err);
        for (uint32_t i = 0; i < block->chunk_count; i++) {
            if (c->needed[i]) {
                VV_TRY(note_unsecured(c, pack, &chunks[i], err));
            }
        }
        return VV_OK;
    }
    VV_TRY(rc);
    count_copied(c, pack, block, needed);
    if (block_moves(block->plain_len, needed, c->round->p->moved_dead) &&
        is_whole(c, block, chunks)) {
        return block_builder_move(c->builder, block, content, chunks, err);
    }
    return put_needed(c, pack, block, chunks, err);
}

/* --- one pack --------------------------------------------------------------------------------- */

/** What a pack holds: by its own directory, or, where that cannot be read, as the index says. */
static enum vv_rc
directory_of(struct copying *c, size_t pack, struct pack_directory *ret, struct vv_error *err)
{
    const struct pack_list_item *item = &c->round->packs.items[pack];
    struct pack_header header;
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc = pack_read_directory(c->reader, &item->name, item->size, ret, &header, err);

    VV_TRY(stop_if_gone(c, rc, err));
    if (!is_damage(rc, err)) {
        return rc;
    }
    pack_object_text(&item->name, object);
    vv_emit(repo_events(c->round->p->repo), VV_EVENT_PROBLEM, "pack-damaged",
            vv_span(object, strlen(object)), "%s", err->message);
    vv_error_clear(err);
    return index_marks_directory(c->round->marks, &item->name, ret, err);
}

static enum vv_rc
copy_pack(struct copying *c, size_t pack, struct vv_error *err)
{
    struct pack_directory d = {0};
    enum vv_rc rc = directory_of(c, pack, &d, err);

    for (uint32_t i = 0; i < d.block_count && rc == VV_OK; i++) {
        rc = copy_block(c, pack, &d, i, err);
    }
    pack_directory_release(&d);
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

static enum vv_rc
open_tools(struct copying *c, struct vv_error *err)
{
    struct prune *p = c->round->p;
    struct pack_writer_options o = {.level = p->options->level,
                                    .threads = 1,
                                    .own_only = true,
                                    .read_back = true,
                                    .dry_run = p->options->dry_run,
                                    .target = PACK_TARGET};

    VV_TRY(pack_keys_new(p->repo, &c->keys, err));
    VV_TRY(pack_reader_new(c->keys, &c->reader, err));
    VV_TRY(pack_writer_new(p->repo, c->round->session, p->index, &o, &c->writer, err));
    return block_builder_new(c->writer, &c->builder, err);
}

static enum vv_rc
flush(struct copying *c, struct vv_error *err)
{
    VV_TRY(block_builder_flush(c->builder, err));
    VV_TRY(pack_writer_flush(c->writer, err));
    return settle_unsecured(c, err);
}

/** Has the storage no more space?  Then what needs none can still be done. */
static bool
is_full(struct copying *c, enum vv_rc rc, struct vv_error *err)
{
    if (rc != VV_ENOSPACE || c->full || err->origin == VV_ORIGIN_LOCAL) {
        return false;
    }
    vv_error_clear(err);
    c->full = true;
    c->round->more = true;
    return true;
}

/** The copies that were made may lack their index records: up to victim number ${last} those that
 *  hold something live stay on their list, for the next round to look at again. */
static void
keep_copied(struct copying *c, size_t last)
{
    for (size_t i = 0; i < c->round->packs.count && i <= last; i++) {
        struct prune_pack *item = &c->round->items[i];
        item->kept = item->kept || (item->victim && (item->live || i == last));
    }
}

static enum vv_rc
copy_all(struct copying *c, struct vv_error *err)
{
    struct prune *p = c->round->p;
    const struct pack_writer_counts *counts;
    enum vv_rc rc;

    VV_TRY(open_tools(c, err));
    for (size_t i = 0; i < c->round->packs.count; i++) {
        if (c->round->items[i].victim) {
            rc = copy_pack(c, i, err);
            if (is_full(c, rc, err)) {
                keep_copied(c, i);
                rc = VV_OK;
            }
            VV_TRY(rc);
        }
    }
    rc = c->full ? VV_OK : flush(c, err);
    if (!c->full && is_full(c, rc, err)) {
        keep_copied(c, c->round->packs.count);
        rc = VV_OK;
    }
    VV_TRY(rc);
    counts = pack_writer_counts(c->writer);
    p->s.packs_written += atomic_load(&counts->packs_data) + atomic_load(&counts->packs_metadata);
    p->s.bytes_written += atomic_load(&counts->bytes_stored) + atomic_load(&counts->bytes_indexed);
    return VV_OK;
}

enum vv_rc
prune_copy(struct prune_round *round, struct vv_error *err)
{
    struct copying c = {.round = round};
    enum vv_rc rc;

    prune_phase(round->p, PRUNE_COPYING);
    rc = copy_all(&c, err);
    block_builder_free(c.builder);
    pack_writer_free(c.writer);
    pack_reader_free(c.reader);
    pack_keys_free(c.keys);
    vv_free(c.needed);
    vv_free(c.jobs);
    vv_buf_release(&c.plain);
    vv_buf_release(&c.elsewhere);
    vv_buf_release(&c.unsecured);
    return rc;
}
