/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of pointers, one mutex, and a condition for each side to wait on. */
#include "core/queue.h"

#include <assert.h>

#include "core/alloc.h"
#include "core/thread.h"

struct vv_queue {
    struct vv_mutex mutex;
    struct vv_cond not_empty;
    struct vv_cond not_full;
    void **ring;
    size_t capacity;
    size_t first; /* where the oldest item is */
    size_t count;
    bool closed;
};

enum vv_rc
vv_queue_new(size_t capacity, struct vv_queue **ret_q, struct vv_error *err)
{
    if (capacity == 0) {
        return vv_error_set(err, VV_EUSAGE, "a queue needs room for at least one item");
    }
    struct vv_queue *q = vv_alloc_array(1, sizeof(*q));

    if (q == NULL) {
        return vv_error_nomem(err);
    }
    q->ring = vv_alloc_array(capacity, sizeof(*q->ring));
    if (q->ring == NULL) {
        vv_free(q);
        return vv_error_nomem(err);
    }
    q->capacity = capacity;
    vv_mutex_init(&q->mutex);
    vv_cond_init(&q->not_empty);
    vv_cond_init(&q->not_full);
    *ret_q = q;
    return VV_OK;
}

void
vv_queue_free(struct vv_queue *q)
{
    if (q == NULL) {
        return;
    }
    vv_cond_release(&q->not_full);
    vv_cond_release(&q->not_empty);
    vv_mutex_release(&q->mutex);
    vv_free(q->ring);
    vv_free(q);
}

bool
vv_queue_push(struct vv_queue *q, void *item)
{
    assert(item != NULL); /* NULL is how pop says "closed" */
    vv_mutex_lock(&q->mutex);
    while (q->count == q->capacity && !q->closed) {
        vv_cond_wait(&q->not_full, &q->mutex);
    }
    bool taken = !q->closed;
    if (taken) {
        size_t last = q->first + q->count;
        q->ring[last < q->capacity ? last : last - q->capacity] = item;
        q->count++;
        vv_cond_signal(&q->not_empty);
    }
    vv_mutex_unlock(&q->mutex);
    return taken;
}

/* Take the oldest item, NULL if there is none.  The mutex is held. */
static void *
pop_locked(struct vv_queue *q)
{
    if (q->count == 0) {
        return NULL;
    }
    void *item = q->ring[q->first];
    q->first = q->first + 1 < q->capacity ? q->first + 1 : 0;
    q->count--;
    vv_cond_signal(&q->not_full);
    return item;
}

void *
vv_queue_pop(struct vv_queue *q)
{
    vv_mutex_lock(&q->mutex);
    while (q->count == 0 && !q->closed) {
        vv_cond_wait(&q->not_empty, &q->mutex);
    }
    void *item = pop_locked(q);
    vv_mutex_unlock(&q->mutex);
    return item;
}

void *
vv_queue_try_pop(struct vv_queue *q)
{
    vv_mutex_lock(&q->mutex);
    void *item = pop_locked(q);
    vv_mutex_unlock(&q->mutex);
    return item;
}

void
vv_queue_close(struct vv_queue *q)
{
    vv_mutex_lock(&q->mutex);
    q->closed = true;
    vv_cond_broadcast(&q->not_empty);
    vv_cond_broadcast(&q->not_full);
    vv_mutex_unlock(&q->mutex);
}
