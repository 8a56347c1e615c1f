/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool that joins walk, workers and tree.  Windows: walk -> todo -> worker -> done -> tree (in
 * order) -> spare.  Segments of large files are offered to workers that are idle, or at such a segment
 * now and find the next one when they are done; their owner never waits for a place in a queue, and takes
 * back what nobody has begun.  So nothing can deadlock: every wait is for somebody who is working.
 */

#include <string.h>

#include "core/alloc.h"
#include "engine/backup_internal.h"

void
backup_fail(struct backup *b, enum vv_rc rc, const struct vv_error *err)
{
    vv_mutex_lock(&b->lock);
    if (!b->failed) {
        b->failed = true;
        b->error = *err;
        b->error.rc = rc;
    }
    vv_cond_broadcast(&b->work);
    vv_cond_broadcast(&b->finished);
    vv_mutex_unlock(&b->lock);
}

bool
backup_failed(struct backup *b)
{
    bool failed;

    vv_mutex_lock(&b->lock);
    failed = b->failed;
    vv_mutex_unlock(&b->lock);
    return failed;
}

struct window *
pool_new_window(struct backup *b, struct source *source)
{
    struct window *w;

    vv_mutex_lock(&b->lock);
    while ((b->in_flight >= b->in_flight_limit || b->in_flight_bytes >= IN_FLIGHT_BYTES) &&
           !b->failed) {
        vv_cond_wait(&b->finished, &b->lock);
    }
    w = b->spare;
    if (w != NULL) {
        b->spare = w->next;
    }
    b->in_flight++;
    vv_mutex_unlock(&b->lock);
    if (w == NULL) {
        w = vv_alloc_array(1, sizeof(*w));
    }
    if (w != NULL) {
        w->source = source;
        w->count = 0;
        w->bytes = 0;
        w->done = false;
        w->next = NULL;
    }
    return w;
}

/** Put a finished window where the tree finds it.  Called with the lock held. */
static void
add_done(struct backup *b, struct window *w)
{
    w->done = true;
    w->next = b->done_windows;
    b->done_windows = w;
    vv_cond_broadcast(&b->finished);
}

void
pool_submit(struct backup *b, struct window *w, bool needs_work)
{
    vv_mutex_lock(&b->lock);
    w->number = b->windows_made++;
    b->in_flight_bytes += w->bytes;
    w->next = NULL;
    if (!needs_work) {
        add_done(b, w);
    } else {
        if (b->todo_last != NULL) {
            b->todo_last->next = w;
        } else {
            b->todo_first = w;
        }
        b->todo_last = w;
        vv_cond_signal(&b->work);
    }
    vv_mutex_unlock(&b->lock);
}

void
pool_walk_paused(struct backup *b, bool paused)
{
    vv_mutex_lock(&b->lock);
    b->walk_paused = paused;
    vv_cond_broadcast(&b->finished);
    vv_mutex_unlock(&b->lock);
}

void
pool_walk_ended(struct backup *b)
{
    vv_mutex_lock(&b->lock);
    b->walk_ended = true;
    vv_cond_broadcast(&b->work);
    vv_cond_broadcast(&b->finished);
    vv_mutex_unlock(&b->lock);
}

/** Unlink window ${number} from the done list, NULL if it is not there. */
static struct window *
take_done(struct backup *b, uint64_t number)
{
    for (struct window **at = &b->done_windows; *at != NULL; at = &(*at)->next) {
        if ((*at)->number == number) {
            struct window *w = *at;
            *at = w->next;
            return w;
        }
    }
    return NULL;
}

struct window *
pool_next_in_order(struct backup *b)
{
    struct window *w = NULL;

    vv_mutex_lock(&b->lock);
    while (!b->failed && (w = take_done(b, b->windows_taken)) == NULL &&
           !((b->walk_ended || b->walk_paused) && b->windows_taken >= b->windows_made)) {
        vv_cond_wait(&b->finished, &b->lock);
    }
    b->windows_taken += w != NULL;
    vv_mutex_unlock(&b->lock);
    return w;
}

/** Give back what the items of a window hold. */
static void
empty_window(struct window *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (!w->items[i].from_sequence) {
            source_item_release(w->source, &w->items[i].item);
        }
    }
    w->count = 0;
    vv_arena_reset(&w->arena);
}

void
pool_release_window(struct backup *b, struct window *w)
{
    uint64_t bytes = w->bytes;

    empty_window(w);
    vv_mutex_lock(&b->lock);
    w->next = b->spare;
    b->spare = w;
    b->in_flight--;
    b->in_flight_bytes -= bytes;
    vv_cond_broadcast(&b->finished);
    if (b->in_flight == 0) {
        vv_cond_broadcast(&b->work);
    }
    vv_mutex_unlock(&b->lock);
}

bool
pool_take(struct backup *b, struct window **ret_window, struct segment **ret_segment)
{
    bool got = false;

    *ret_window = NULL;
    *ret_segment = NULL;
    vv_mutex_lock(&b->lock);
    b->idle++;
    while (!b->failed && !got) {
        if (b->segments != NULL) {
            *ret_segment = b->segments;
            b->segments = b->segments->next;
            b->helping++;
            got = true;
        } else if (b->todo_first != NULL) {
            *ret_window = b->todo_first;
            b->todo_first = b->todo_first->next;
            if (b->todo_first == NULL) {
                b->todo_last = NULL;
            }
            got = true;
        } else if (b->walk_ended && b->in_flight == 0) {
            break; /* nobody is left who could offer a segment */
        } else {
            vv_cond_wait(&b->work, &b->lock);
        }
    }
    b->idle--;
    vv_mutex_unlock(&b->lock);
    return got;
}

void
pool_window_done(struct backup *b, struct window *w)
{
    vv_mutex_lock(&b->lock);
    add_done(b, w);
    vv_mutex_unlock(&b->lock);
}

bool
pool_offer_segment(struct backup *b, struct segment *s)
{
    struct segment **end = &b->segments;
    unsigned waiting = 0;
    bool taken = false;

    vv_mutex_lock(&b->lock);
    while (*end != NULL) {
        end = &(*end)->next;
        waiting++;
    }
    /* Whoever is free has windows before all: their content stays with one thread, and its caches. */
    if (b->todo_first == NULL && waiting < SEGMENTS_WAITING * (b->idle + b->helping) &&
        !b->failed) {
        s->done = false;
        s->next = NULL;
        *end = s;
        taken = true;
        vv_cond_signal(&b->work);
    }
    vv_mutex_unlock(&b->lock);
    return taken;
}

void
pool_segment_done(struct backup *b, struct segment *s)
{
    vv_mutex_lock(&b->lock);
    s->done = true;
    b->helping--;
    vv_cond_broadcast(&b->finished);
    vv_mutex_unlock(&b->lock);
}

bool
pool_is_segment_done(struct backup *b, const struct segment *s)
{
    bool done;

    vv_mutex_lock(&b->lock);
    done = s->done;
    vv_mutex_unlock(&b->lock);
    return done;
}

/** Unlink a segment that nobody has begun.  Lock held. */
static bool
withdraw(struct backup *b, const struct segment *s)
{
    for (struct segment **at = &b->segments; *at != NULL; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            return true;
        }
    }
    return false;
}

bool
pool_withdraw_segment(struct backup *b, const struct segment *s)
{
    bool withdrawn;

    vv_mutex_lock(&b->lock);
    withdrawn = withdraw(b, s);
    vv_mutex_unlock(&b->lock);
    return withdrawn;
}

bool
pool_wait_segment(struct backup *b, struct segment *s)
{
    bool done;

    vv_mutex_lock(&b->lock);
    done = !withdraw(b, s);
    while (done && !s->done) { /* also after a failure: somebody is using its buffer */
        vv_cond_wait(&b->finished, &b->lock);
    }
    vv_mutex_unlock(&b->lock);
    return done;
}

static void
free_windows(struct window *w)
{
    while (w != NULL) {
        struct window *next = w->next;
        empty_window(w);
        vv_arena_release(&w->arena);
        vv_free(w);
        w = next;
    }
}

void
pool_free(struct backup *b)
{
    free_windows(b->todo_first);
    free_windows(b->done_windows);
    free_windows(b->spare);
    b->todo_first = NULL;
    b->todo_last = NULL;
    b->done_windows = NULL;
    b->spare = NULL;
}
