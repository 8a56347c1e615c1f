/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P4: condemned packs are read ahead of those who copy out of them. */
#include "engine/prune_ahead_internal.h"

#include <assert.h>

#include "core/alloc.h"
#include "core/queue.h"
#include "crypto/hash.h"

#define ITEMS 8u               /* read ahead: so many blocks, or ends and beginnings of packs */
#define AHEAD_BYTES (2u << 20) /* larger blocks are read when they are needed */

/** What the thread hands over: for each victim its directory, blocks, and the end. */
enum item_kind { ITEM_PACK, ITEM_BLOCK, ITEM_END };
struct item {
    enum item_kind kind;
    size_t pack;
    uint32_t number;                 /* ITEM_BLOCK */
    struct prune_block block;        /* of ITEM_PACK: rc and err only */
    struct pack_directory directory; /* ITEM_PACK: both threads read it until the end */
};

struct prune_ahead {
    struct prune_round *round;
    enum prune_ahead_what what;
    struct pack_reader *reader;       /* of whoever copies */
    struct pack_reader *ahead_reader; /* of the thread */
    struct vv_queue *unused;          /* struct item: back to the thread */
    struct vv_queue *ready;
    struct item items[ITEMS];
    struct vv_thread thread;
    bool started; /* false: everything is read when it is needed */
    /* Of whoever copies: */
    size_t pack;            /* the open one */
    struct item *opened;    /* its directory */
    struct item *next;      /* taken from ready, and for later */
    struct item *used;      /* the block handed out last */
    struct prune_block own; /* one that was not read ahead */
    struct pack_directory own_directory;
};

/* --- one block -------------------------------------------------------------------------------- */

static void
block_release(struct prune_block *b)
{
    vv_buf_release(&b->plain);
    vv_buf_release(&b->frame);
    vv_free(b->jobs);
}

/** Recompute the ids of the chunks of one type, and put them at the chunks' places. */
static void
hash_type(const struct keyring *keyring, const struct pack_chunk *chunks, uint32_t count,
          enum chunk_type type, struct prune_block *b)
{
    uint32_t first = 0;

    while (first < count) { /* chunks of one type stand side by side, most often all of them */
        uint32_t end = first;
        while (end < count && chunks[end].type == type) {
            end++;
        }
        if (end > first) {
            blake2b_256_many(keyring_id_key(keyring, type), b->jobs + first, end - first);
        }
        first = end + 1;
    }
}

static enum vv_rc
hash_chunks(struct prune_ahead *a, const struct pack_directory *d, uint32_t number,
            struct prune_block *b, struct vv_error *err)
{
    const struct pack_block *block = &d->blocks[number];
    const struct pack_chunk *chunks = d->chunks + block->first_chunk;
    size_t at = 0;

    if (block->chunk_count > b->job_room) {
        struct hash_job *jobs = vv_realloc_array(b->jobs, block->chunk_count, sizeof(*jobs));
        if (jobs == NULL) {
            return vv_error_nomem(err);
        }
        b->jobs = jobs;
        b->job_room = block->chunk_count;
    }
    for (uint32_t i = 0; i < block->chunk_count; at += chunks[i++].len) {
        b->jobs[i] = (struct hash_job){.data = b->plain.data + at, .len = chunks[i].len};
    }
    for (enum chunk_type type = CHUNK_DATA; type <= CHUNK_RECORD; type++) {
        hash_type(repo_keyring(a->round->p->repo), chunks, block->chunk_count, type, b);
    }
    return VV_OK;
}

/** Read, authenticate, decompress, hash. */
static enum vv_rc
read_block(struct prune_ahead *a, struct pack_reader *reader, size_t pack,
           const struct pack_directory *d, uint32_t number, struct prune_block *b,
           struct vv_error *err)
{
    const struct pack_list_item *item = &a->round->packs.items[pack];
    const struct pack_block *block = &d->blocks[number];
    struct chunk_location loc = {.pack = item->name,
                                 .pack_size = item->size,
                                 .block_number = number,
                                 .block_offset = block->offset,
                                 .block_stored = block->stored_len,
                                 .block_plain = block->plain_len,
                                 .block_flags = block->flags};

    vv_buf_reset(&b->plain);
    VV_TRY(vv_buf_reserve(&b->plain, block->plain_len, err));
    VV_TRY(pack_read_content(reader, &loc, b->plain.data, &b->frame, &b->proof, err));
    block_proof_entries(&b->proof, block, d->chunks + block->first_chunk); /* M1 */
    b->plain.len = block->plain_len;
    b->content = vv_buf_span((block->flags & BLOCK_ZSTD) != 0 ? &b->frame : &b->plain);
    return hash_chunks(a, d, number, b, err);
}

static enum vv_rc
read_directory(struct prune_ahead *a, struct pack_reader *reader, size_t pack,
               struct pack_directory *ret, struct vv_error *err)
{
    const struct pack_list_item *item = &a->round->packs.items[pack];
    struct pack_header header;

    return pack_read_directory(reader, &item->name, item->size, ret, &header, err);
}

/* --- the thread ------------------------------------------------------------------------------- */

/** Is a chunk probably going to be copied: live, and in no pack that stays? */
static bool
is_wanted(const struct prune_round *round, const struct pack_chunk *chunk)
{
    struct chunk_location loc;
    uint32_t pack;

    if (!index_marks_live(round->marks, &chunk->id)) {
        return false;
    }
    for (uint32_t nth = 0; index_marks_place(round->marks, (enum chunk_type)chunk->type, &chunk->id,
                                             nth, &loc, &pack);
         nth++) {
        if (round->standing[pack] == PACK_STAYS) {
            return false;
        }
    }
    return true;
}

static bool
is_block_wanted(const struct prune_round *round, const struct pack_directory *d, uint32_t number)
{
    const struct pack_block *block = &d->blocks[number];

    for (uint32_t i = 0; i < block->chunk_count && block->plain_len <= AHEAD_BYTES; i++) {
        if (is_wanted(round, &d->chunks[block->first_chunk + i])) {
            return true;
        }
    }
    return false;
}

/** An item to fill; NULL: the end. */
static struct item *
begin_item(struct prune_ahead *a, enum item_kind kind, size_t pack)
{
    struct item *item = vv_queue_pop(a->unused);

    if (item != NULL) {
        item->kind = kind;
        item->pack = pack;
        item->block.rc = VV_OK;
        vv_error_clear(&item->block.err);
    }
    return item;
}

/** One victim; false: the end. */
static bool
read_pack(struct prune_ahead *a, size_t pack)
{
    struct item *opened = begin_item(a, ITEM_PACK, pack);
    struct item *item;
    uint32_t blocks;

    if (opened == NULL) {
        return false;
    }
    opened->block.rc =
        read_directory(a, a->ahead_reader, pack, &opened->directory, &opened->block.err);
    blocks = opened->block.rc == VV_OK && a->what == PRUNE_AHEAD_BLOCKS
                 ? opened->directory.block_count
                 : 0;
    if (!vv_queue_push(a->ready, opened)) {
        return false;
    }
    for (uint32_t i = 0; i < blocks; i++) {
        if (!is_block_wanted(a->round, &opened->directory, i)) {
            continue;
        }
        item = begin_item(a, ITEM_BLOCK, pack);
        if (item == NULL) {
            return false;
        }
        item->number = i;
        item->block.rc = read_block(a, a->ahead_reader, pack, &opened->directory, i, &item->block,
                                    &item->block.err);
        if (!vv_queue_push(a->ready, item)) {
            return false;
        }
    }
    item = begin_item(a, ITEM_END, pack);
    return item != NULL && vv_queue_push(a->ready, item);
}

static void
run(void *arg)
{
    struct prune_ahead *a = arg;
    bool go_on = true;

    for (size_t i = 0; i < a->round->packs.count && go_on; i++) {
        if (a->round->items[i].victim) {
            go_on = read_pack(a, i);
        }
    }
}

/* --- whoever copies --------------------------------------------------------------------------- */

enum vv_rc
prune_ahead_new(struct prune_round *round, struct pack_keys *keys, enum prune_ahead_what what,
                struct prune_ahead **ret, struct vv_error *err)
{
    struct prune_ahead *a = vv_alloc_array(1, sizeof(*a));
    enum vv_rc rc;

    if (a == NULL) {
        return vv_error_nomem(err);
    }
    a->round = round;
    a->what = what;
    rc = pack_reader_new(keys, &a->reader, err);
    if (rc == VV_OK) {
        rc = pack_reader_new(keys, &a->ahead_reader, err);
    }
    if (rc == VV_OK) {
        rc = vv_queue_new(ITEMS, &a->unused, err);
    }
    if (rc == VV_OK) {
        rc = vv_queue_new(ITEMS, &a->ready, err);
    }
    for (unsigned i = 0; i < ITEMS && rc == VV_OK; i++) {
        (void)!vv_queue_push(a->unused, &a->items[i]); /* there is room, and it is not closed */
    }
    if (rc != VV_OK) {
        prune_ahead_free(a);
        return rc;
    }
    a->started = vv_thread_start(&a->thread, "prune-read", run, a, NULL) == VV_OK;
    *ret = a;
    return VV_OK;
}

void
prune_ahead_free(struct prune_ahead *a)
{
    if (a == NULL) {
        return;
    }
    if (a->started) {
        vv_queue_close(a->unused);
        vv_queue_close(a->ready);
        vv_thread_join(&a->thread);
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        block_release(&a->items[i].block);
        pack_directory_release(&a->items[i].directory);
    }
    block_release(&a->own);
    pack_directory_release(&a->own_directory);
    vv_queue_free(a->unused);
    vv_queue_free(a->ready);
    pack_reader_free(a->reader);
    pack_reader_free(a->ahead_reader);
    vv_free(a);
}

static void
give_back(struct prune_ahead *a, struct item **item)
{
    struct item *done = TAKE(*item);

    if (done != NULL) {
        pack_directory_release(&done->directory);
        (void)!vv_queue_push(a->unused, done); /* as many as there is room for */
    }
}

enum vv_rc
prune_ahead_open(struct prune_ahead *a, size_t pack, const struct pack_directory **ret,
                 struct vv_error *err)
{
    assert(a->opened == NULL && a->own_directory.blocks == NULL);
    a->pack = pack;
    if (!a->started) {
        VV_TRY(read_directory(a, a->reader, pack, &a->own_directory, err));
        *ret = &a->own_directory;
        return VV_OK;
    }
    a->opened = vv_queue_pop(a->ready);
    assert(a->opened != NULL && a->opened->kind == ITEM_PACK && a->opened->pack == pack);
    if (a->opened->block.rc != VV_OK) {
        if (err != NULL) {
            *err = a->opened->block.err;
        }
        return a->opened->block.rc;
    }
    *ret = &a->opened->directory;
    return VV_OK;
}

/** The next item of the open pack, which is not handed out yet. */
static struct item *
look_at_next(struct prune_ahead *a)
{
    if (a->next == NULL) {
        a->next = vv_queue_pop(a->ready);
        assert(a->next != NULL && a->next->pack == a->pack && a->next->kind != ITEM_PACK);
    }
    return a->next;
}

void
prune_ahead_close(struct prune_ahead *a)
{
    give_back(a, &a->used);
    if (a->opened != NULL) {
        bool ended = false;
        while (!ended) {
            ended = look_at_next(a)->kind == ITEM_END;
            give_back(a, &a->next);
        }
        give_back(a, &a->opened); /* the thread is done with its directory */
    }
    pack_directory_release(&a->own_directory);
}

enum vv_rc
prune_ahead_block(struct prune_ahead *a, const struct pack_directory *d, uint32_t number,
                  const struct prune_block **ret, struct vv_error *err)
{
    give_back(a, &a->used);
    while (a->opened != NULL && look_at_next(a)->kind == ITEM_BLOCK && a->next->number < number) {
        give_back(a, &a->next); /* it was not needed after all */
    }
    if (a->opened != NULL && a->next->kind == ITEM_BLOCK && a->next->number == number) {
        a->used = TAKE(a->next);
        if (a->used->block.rc != VV_OK && err != NULL) {
            *err = a->used->block.err;
        }
        *ret = &a->used->block;
        return a->used->block.rc;
    }
    VV_TRY(read_block(a, a->reader, a->pack, d, number, &a->own, err));
    *ret = &a->own;
    return VV_OK;
}
