/* SPDX-License-Identifier: BSD-2-Clause */
/* Parity of packs that are being written, stored by a thread of its own. */

#include "core/alloc.h"
#include "core/buffer_pool.h"
#include "core/queue.h"
#include "core/random.h"
#include "core/thread.h"
#include "repo/pack_parity.h"

#define BEHIND 4u /* objects waiting, each a 16th of a pack */
#define KEPT_BYTES (4u << 20)

/** An object on its way. */
struct parcel {
    struct pack_name name;
    struct vv_buf object;
};

struct parity_writer {
    struct repo *repo;
    bool dry_run;               /* set before anything is added */
    struct buffer_pool buffers; /* of objects that are stored, for the next ones */
    struct vv_queue *queue;
    struct vv_thread thread;
    struct vv_mutex lock; /* guards all below */
    struct vv_cond idle;
    unsigned pending;
    struct parity_counts counts;
};

static void
note_failure(struct parity_writer *w, const struct vv_error *err)
{
    bool first;

    vv_mutex_lock(&w->lock);
    first = w->counts.failed++ == 0;
    vv_mutex_unlock(&w->lock);
    if (first) {
        vv_emit(repo_events(w->repo), VV_EVENT_WARNING, "parity-failed", vv_span(NULL, 0),
                "parity of a pack could not be stored, which 'varve scrub' makes up for: %s",
                err->message);
    }
}

static void
store(struct parity_writer *w, struct parcel *p)
{
    char text[PARITY_OBJECT_TEXT];
    struct vv_error err = {0};
    enum vv_rc rc;

    parity_object_text(&p->name, text);
    rc = storage_publish(repo_storage(w->repo), text, vv_buf_span(&p->object), &err);
    if (rc != VV_OK) {
        note_failure(w, &err);
    }
    vv_mutex_lock(&w->lock);
    w->counts.objects += rc == VV_OK;
    w->counts.bytes += rc == VV_OK ? p->object.len : 0;
    w->pending--;
    vv_cond_broadcast(&w->idle);
    vv_mutex_unlock(&w->lock);
}

static void
run(void *arg)
{
    struct parity_writer *w = arg;
    struct parcel *p;

    while ((p = vv_queue_pop(w->queue)) != NULL) {
        store(w, p);
        buffer_pool_give(&w->buffers, &p->object);
        vv_free(p);
    }
}

enum vv_rc
parity_writer_new(struct repo *r, struct parity_writer **ret, struct vv_error *err)
{
    VV_CLEANUP(parity_writer_freep) struct parity_writer *w = vv_alloc_array(1, sizeof(*w));

    if (w == NULL) {
        return vv_error_nomem(err);
    }
    w->repo = r;
    buffer_pool_init(&w->buffers, KEPT_BYTES);
    vv_mutex_init(&w->lock);
    vv_cond_init(&w->idle);
    VV_TRY(vv_queue_new(BEHIND, &w->queue, err));
    VV_TRY(vv_thread_start(&w->thread, "parity", run, w, err));
    *ret = TAKE(w);
    return VV_OK;
}

void
parity_writer_free(struct parity_writer *w)
{
    if (w == NULL) {
        return;
    }
    if (w->queue != NULL) {
        vv_queue_close(w->queue);
        vv_thread_join(&w->thread);
        vv_queue_free(w->queue);
    }
    buffer_pool_release(&w->buffers);
    vv_cond_release(&w->idle);
    vv_mutex_release(&w->lock);
    vv_free(w);
}

void
parity_writer_dry_run(struct parity_writer *w)
{
    w->dry_run = true;
}

static void
count_only(struct parity_writer *w, uint64_t pack_size)
{
    vv_mutex_lock(&w->lock);
    w->counts.objects++;
    w->counts.bytes += parity_object_size(pack_size);
    vv_mutex_unlock(&w->lock);
}

/** Hand a finished object over; it is the queue's then. */
static enum vv_rc
hand_over(struct parity_writer *w, const struct vv_id *hash, struct vv_buf *object,
          struct vv_error *err)
{
    struct parcel *p = vv_alloc(sizeof(*p));

    if (p == NULL) {
        return vv_error_nomem(err);
    }
    p->name.hash = *hash;
    vv_random(p->name.suffix.b, sizeof(p->name.suffix.b));
    p->object = *object;
    vv_mutex_lock(&w->lock);
    w->pending++;
    vv_mutex_unlock(&w->lock);
    if (!vv_queue_push(w->queue, p)) { /* never closed before it is freed */
        vv_free(p);
        return vv_error_set(err, VV_ECANCELLED, "the parity writer has ended");
    }
    *object = (struct vv_buf){0};
    return VV_OK;
}

void
parity_writer_add(struct parity_writer *w, const struct vv_id *hash, struct vv_span image)
{
    struct vv_buf object;
    struct vv_error err = {0};
    enum vv_rc rc;

    if (w->dry_run) {
        count_only(w, image.len);
        return;
    }
    object = buffer_pool_take(&w->buffers);
    rc = parity_object_encode(image, hash, repo_id(w->repo), &object, &err);
    if (rc == VV_OK) {
        rc = hand_over(w, hash, &object, &err);
    }
    if (rc != VV_OK) {
        note_failure(w, &err);
    }
    buffer_pool_give(&w->buffers, &object); /* unless it was handed over */
}

void
parity_writer_wait(struct parity_writer *w)
{
    if (w == NULL) {
        return;
    }
    vv_mutex_lock(&w->lock);
    while (w->pending > 0) {
        vv_cond_wait(&w->idle, &w->lock);
    }
    vv_mutex_unlock(&w->lock);
}

struct parity_counts
parity_writer_counts(struct parity_writer *w)
{
    struct parity_counts counts;

    vv_mutex_lock(&w->lock);
    counts = w->counts;
    vv_mutex_unlock(&w->lock);
    return counts;
}
