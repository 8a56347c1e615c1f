/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P4: condemned packs are read ahead of whoever copies out of them. */
#include "engine/prune_ahead_internal.h"

#include <assert.h>

#include "core/alloc.h"
#include "core/queue.h"

#define THREADS_MAX 4u         /* more wait for whoever copies */
#define ITEMS 8u               /* read ahead: so many blocks, or ends and beginnings of packs */
#define AHEAD_BYTES (2u << 20) /* larger blocks are read when they are needed */

/** What the threads hand over: for each victim its directory, blocks, and the end. */
enum item_kind { ITEM_PACK, ITEM_BLOCK, ITEM_END };
struct item {
    enum item_kind kind;
    size_t pack;
    uint32_t number;                 /* ITEM_BLOCK */
    struct prune_block block;        /* of ITEM_PACK: rc and err only */
    struct pack_directory directory; /* ITEM_PACK: all threads read it until the end was taken */
    bool read;                       /* under prune_ahead.lock: whoever copies may look at it */
};

/** A thread: takes its turn to say what is read next, and reads that while others have theirs. */
struct prune_reader {
    struct prune_ahead *ahead;
    struct pack_reader *reader;
    struct vv_thread thread;
};

struct prune_ahead {
    struct prune_round *round;
    enum prune_ahead_what what;
    struct pack_reader *reader; /* of whoever copies */
    struct vv_queue *unused;    /* struct item: back to the threads */
    struct vv_queue *ready;     /* in the order of the packs and their blocks, read or not yet */
    struct item items[ITEMS];
    struct vv_mutex lock;
    struct vv_cond was_read;
    struct prune_reader readers[THREADS_MAX];
    unsigned reader_count; /* 0: everything is read when it is needed */
    /* What comes next, of the thread whose turn it is: */
    struct vv_mutex turn;
    size_t next_pack;
    uint32_t next_block;
    struct item *current; /* the pack that holds the next block */
    bool ended;
    /* Of whoever copies: */
    size_t pack;            /* the open one */
    struct item *opened;    /* its directory */
    struct item *next;      /* taken from ready, and for later */
    struct item *used;      /* the block handed out last */
    struct prune_block own; /* one that was not read ahead */
    struct pack_directory own_directory;
};

static enum vv_rc
read_directory(struct prune_ahead *a, struct pack_reader *reader, size_t pack,
               struct pack_directory *ret, struct vv_error *err)
{
    const struct pack_list_item *item = &a->round->packs.items[pack];
    struct pack_header header;

    return pack_read_directory(reader, &item->name, item->size, ret, &header, err);
}

/* --- what comes next -------------------------------------------------------------------------- */

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

    if (item == NULL) {
        a->ended = true;
        return NULL;
    }
    item->kind = kind;
    item->pack = pack;
    item->read = kind != ITEM_BLOCK;
    item->block.rc = VV_OK;
    vv_error_clear(&item->block.err);
    return item;
}

/** Give it its place in the order; false: the end. */
static bool
hand_over(struct prune_ahead *a, struct item *item)
{
    a->ended = !vv_queue_push(a->ready, item);
    return !a->ended;
}

/** The next victim, or the end of all. */
static void
begin_pack(struct prune_ahead *a, struct pack_reader *reader)
{
    struct item *item;

    while (a->next_pack < a->round->packs.count && !a->round->items[a->next_pack].victim) {
        a->next_pack++;
    }
    if (a->next_pack == a->round->packs.count) {
        a->ended = true;
        return;
    }
    item = begin_item(a, ITEM_PACK, a->next_pack++);
    if (item != NULL) {
        item->block.rc = read_directory(a, reader, item->pack, &item->directory, &item->block.err);
        a->current = item;
        a->next_block = 0;
        (void)hand_over(a, item);
    }
}

/** How many blocks of the current pack are to be read. */
static uint32_t
blocks_of(const struct prune_ahead *a)
{
    return a->current->block.rc == VV_OK && a->what == PRUNE_AHEAD_BLOCKS
               ? a->current->directory.block_count
               : 0;
}

/** The next block of the current pack; NULL: that was the last one, and the end was handed over, or
 *  all has ended. */
static struct item *
next_block(struct prune_ahead *a)
{
    uint32_t count = blocks_of(a);
    struct item *item;
    bool is_end;

    while (a->next_block < count &&
           !is_block_wanted(a->round, &a->current->directory, a->next_block)) {
        a->next_block++;
    }
    is_end = a->next_block == count;
    item = begin_item(a, is_end ? ITEM_END : ITEM_BLOCK, a->current->pack);
    if (item == NULL) {
        return NULL;
    }
    item->number = a->next_block++;
    if (!hand_over(a, item)) {
        return NULL;
    }
    if (is_end) {
        a->current = NULL;
        return NULL;
    }
    return item;
}

/* --- a thread --------------------------------------------------------------------------------- */

/** Its turn: the block it is to read, whose place in the order is taken, and the directory of its
 *  pack; NULL: the end. */
static struct item *
take_turn(struct prune_ahead *a, struct pack_reader *reader, const struct pack_directory **ret)
{
    struct item *item = NULL;

    vv_mutex_lock(&a->turn);
    while (!a->ended && item == NULL) {
        if (a->current == NULL) {
            begin_pack(a, reader);
        } else {
            *ret = &a->current->directory;
            item = next_block(a);
        }
    }
    vv_mutex_unlock(&a->turn);
    return item;
}

static void
run(void *arg)
{
    struct prune_reader *r = arg;
    struct prune_ahead *a = r->ahead;
    const struct pack_directory *d = NULL;
    struct item *item;

    while ((item = take_turn(a, r->reader, &d)) != NULL) {
        item->block.rc = prune_block_read(a->round, r->reader, item->pack, d, item->number,
                                          &item->block, &item->block.err);
        vv_mutex_lock(&a->lock);
        item->read = true;
        vv_cond_signal(&a->was_read);
        vv_mutex_unlock(&a->lock);
    }
}

/* --- whoever copies --------------------------------------------------------------------------- */

/** As many threads as there are processors; none is missed that cannot be started. */
static enum vv_rc
start_readers(struct prune_ahead *a, struct pack_keys *keys, struct vv_error *err)
{
    unsigned count = vv_cpu_count() < THREADS_MAX ? vv_cpu_count() : THREADS_MAX;

    for (unsigned i = 0; i < count; i++) {
        struct prune_reader *r = &a->readers[i];
        r->ahead = a;
        VV_TRY(pack_reader_new(keys, &r->reader, err));
    }
    while (a->reader_count < count &&
           vv_thread_start(&a->readers[a->reader_count].thread, "prune-read", run,
                           &a->readers[a->reader_count], NULL) == VV_OK) {
        a->reader_count++;
    }
    return VV_OK;
}

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
    vv_mutex_init(&a->lock);
    vv_mutex_init(&a->turn);
    vv_cond_init(&a->was_read);
    rc = pack_reader_new(keys, &a->reader, err);
    if (rc == VV_OK) {
        rc = vv_queue_new(ITEMS, &a->unused, err);
    }
    if (rc == VV_OK) {
        rc = vv_queue_new(ITEMS, &a->ready, err);
    }
    for (unsigned i = 0; i < ITEMS && rc == VV_OK; i++) {
        (void)!vv_queue_push(a->unused, &a->items[i]); /* there is room, and it is not closed */
    }
    if (rc == VV_OK) {
        rc = start_readers(a, keys, err);
    }
    if (rc != VV_OK) {
        prune_ahead_free(a);
        return rc;
    }
    *ret = a;
    return VV_OK;
}

void
prune_ahead_free(struct prune_ahead *a)
{
    if (a == NULL) {
        return;
    }
    if (a->reader_count > 0) {
        vv_queue_close(a->unused);
        vv_queue_close(a->ready);
    }
    for (unsigned i = 0; i < a->reader_count; i++) {
        vv_thread_join(&a->readers[i].thread);
    }
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        pack_reader_free(a->readers[i].reader);
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        prune_block_release(&a->items[i].block);
        pack_directory_release(&a->items[i].directory);
    }
    prune_block_release(&a->own);
    pack_directory_release(&a->own_directory);
    vv_queue_free(a->unused);
    vv_queue_free(a->ready);
    pack_reader_free(a->reader);
    vv_cond_release(&a->was_read);
    vv_mutex_release(&a->turn);
    vv_mutex_release(&a->lock);
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

/** The next item, as soon as it was read. */
static struct item *
take_ready(struct prune_ahead *a)
{
    struct item *item = vv_queue_pop(a->ready);

    vv_mutex_lock(&a->lock);
    while (!item->read) {
        vv_cond_wait(&a->was_read, &a->lock);
    }
    vv_mutex_unlock(&a->lock);
    return item;
}

enum vv_rc
prune_ahead_open(struct prune_ahead *a, size_t pack, const struct pack_directory **ret,
                 struct vv_error *err)
{
    assert(a->opened == NULL && a->own_directory.blocks == NULL);
    a->pack = pack;
    if (a->reader_count == 0) {
        VV_TRY(read_directory(a, a->reader, pack, &a->own_directory, err));
        *ret = &a->own_directory;
        return VV_OK;
    }
    a->opened = take_ready(a);
    assert(a->opened->kind == ITEM_PACK && a->opened->pack == pack);
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
        a->next = take_ready(a);
        assert(a->next->pack == a->pack && a->next->kind != ITEM_PACK);
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
        give_back(a, &a->opened); /* all its blocks were read: nobody looks at its directory */
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
    VV_TRY(prune_block_read(a->round, a->reader, a->pack, d, number, &a->own, err));
    *ret = &a->own;
    return VV_OK;
}
