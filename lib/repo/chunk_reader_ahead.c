/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that read blocks into the cache before they are wanted, over a long line. */
#include "repo/chunk_index_internal.h"
#include "repo/chunk_reader_internal.h"

static bool
is_same(const struct chunk_location *a, const struct chunk_location *b)
{
    return a->block_number == b->block_number && pack_name_compare(&a->pack, &b->pack) == 0;
}

/** The place of a block; NULL: it has none.  Lock held. */
static struct ahead_block *
place_of(struct chunk_reader *c, const struct chunk_location *loc)
{
    for (unsigned i = 0; i < AHEAD_PLACES; i++) {
        if (c->ahead[i].turn != 0 && is_same(&c->ahead[i].at, loc)) {
            return &c->ahead[i];
        }
    }
    return NULL;
}

/** The one whose turn it is; NULL: none waits.  Lock held. */
static struct ahead_block *
next_place(struct chunk_reader *c)
{
    struct ahead_block *next = NULL;

    for (unsigned i = 0; i < AHEAD_PLACES; i++) {
        struct ahead_block *b = &c->ahead[i];
        if (b->turn != 0 && !b->reading && (next == NULL || b->turn < next->turn)) {
            next = b;
        }
    }
    return next;
}

/** Without a free place it is forgotten.  Lock held. */
static bool
add(struct chunk_reader *c, const struct chunk_location *at)
{
    for (unsigned i = 0; i < AHEAD_PLACES; i++) {
        if (c->ahead[i].turn == 0) {
            c->ahead[i] = (struct ahead_block){.at = *at, .turn = ++c->ahead_turn};
            return true;
        }
    }
    return false;
}

static void
read_ahead(void *arg)
{
    struct chunk_reader *c = arg;

    vv_mutex_lock(&c->lock);
    while (!c->ahead_stopping) {
        struct ahead_block *b = next_place(c);
        struct cached_block *block = NULL;
        if (b == NULL) {
            vv_cond_wait(&c->ahead_changed, &c->lock);
            continue;
        }
        struct chunk_location at = b->at;
        b->reading = true;
        vv_mutex_unlock(&c->lock);
        /* whoever wants it and does not find it reads it anew, and says what is wrong */
        if (chunk_reader_fetch(c, &at, &block, NULL) == VV_OK) {
            chunk_reader_unpin(c, block);
        }
        vv_mutex_lock(&c->lock);
        *b = (struct ahead_block){.turn = 0};
        vv_cond_broadcast(&c->ahead_changed);
    }
    vv_mutex_unlock(&c->lock);
}

void
chunk_reader_ahead_wait(struct chunk_reader *c, const struct chunk_location *loc)
{
    struct ahead_block *b = place_of(c, loc);

    if (b != NULL && !b->reading) { /* its turn is now */
        *b = (struct ahead_block){.turn = 0};
        return;
    }
    while (place_of(c, loc) != NULL) {
        vv_cond_wait(&c->ahead_changed, &c->lock);
    }
}

void
chunk_reader_ahead_stop(struct chunk_reader *c)
{
    vv_mutex_lock(&c->lock);
    c->ahead_stopping = true;
    vv_cond_broadcast(&c->ahead_changed);
    vv_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->ahead_thread_count; i++) {
        vv_thread_join(&c->ahead_threads[i]);
    }
}

void
chunk_read_ahead(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id)
{
    struct chunk_location at;
    struct index_view v;
    bool found;

    if (storage_parallel(repo_storage(c->repo)) <= 1 ||
        index_view_open(c->index, &v, NULL) != VV_OK) {
        return;
    }
    found = index_view_pick(&v, type, id, 0, &at);
    index_view_close(c->index, &v);
    if (!found) {
        return;
    }
    vv_mutex_lock(&c->lock);
    if (!chunk_reader_is_cached(c, &at) && place_of(c, &at) == NULL && add(c, &at)) {
        vv_cond_broadcast(&c->ahead_changed);
        if (c->ahead_thread_count < AHEAD_THREADS && next_place(c) != NULL &&
            vv_thread_start(&c->ahead_threads[c->ahead_thread_count], "ahead", read_ahead, c,
                            NULL) == VV_OK) {
            c->ahead_thread_count++;
        }
    }
    vv_mutex_unlock(&c->lock);
}
