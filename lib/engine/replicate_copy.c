/* SPDX-License-Identifier: BSD-2-Clause */
/* Several packs in flight, with a bound on the memory they take. */
#include <string.h>

#include "core/alloc.h"
#include "core/buffer_pool.h"
#include "engine/replicate_internal.h"

#define THREADS_MAX 64u
#define LOCAL_THREADS 2u /* one reads and hashes while the other waits for its disk */
#define IN_FLIGHT_BYTES (256ull << 20)
#define KEPT_BYTES (64u << 20) /* of buffers between two packs */

struct copying {
    struct batch *b;
    struct buffer_pool buffers;
    struct vv_mutex lock; /* guards everything below */
    struct vv_cond room;
    size_t next;
    uint64_t in_flight;
    enum vv_rc rc;
    struct vv_error err;
};

static bool
is_local(const struct storage *s)
{
    return strcmp(s->ops->scheme, "local") == 0;
}

unsigned
replicate_threads(const struct destination *d)
{
    unsigned here = storage_parallel(repo_storage(d->run->source));
    unsigned there = storage_parallel(d->storage);
    unsigned threads = d->run->options->threads;

    if (threads == 0) {
        threads = here > there ? here : there;
        if (is_local(d->storage) && is_local(repo_storage(d->run->source))) {
            threads = LOCAL_THREADS;
        }
    }
    return threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
}

/** The next job when there is memory for it; NULL at the end or after a failure. */
static const struct job *
take_job(struct copying *c)
{
    const struct job *job = NULL;

    vv_mutex_lock(&c->lock);
    while (c->rc == VV_OK && c->next < c->b->job_count && c->in_flight > 0 &&
           c->in_flight + c->b->jobs[c->next].size > IN_FLIGHT_BYTES) {
        vv_cond_wait(&c->room, &c->lock);
    }
    if (c->rc == VV_OK && !c->b->vanished && c->next < c->b->job_count) {
        job = &c->b->jobs[c->next++];
        c->in_flight += job->size;
    }
    vv_mutex_unlock(&c->lock);
    return job;
}

static void
worker(void *arg)
{
    struct copying *c = arg;
    const struct job *job;

    while ((job = take_job(c)) != NULL) {
        struct vv_error err = {0};
        enum vv_rc rc = vv_cancel_check(c->b->d->run->cancel, &err);
        if (rc == VV_OK) {
            struct vv_buf bytes = buffer_pool_take(&c->buffers);
            rc = copy_one(c->b, job, &bytes, &err);
            buffer_pool_give(&c->buffers, &bytes);
        }
        vv_mutex_lock(&c->lock);
        c->in_flight -= job->size;
        if (rc != VV_OK && c->rc == VV_OK) {
            c->rc = rc;
            c->err = err;
        }
        vv_cond_broadcast(&c->room);
        vv_mutex_unlock(&c->lock);
    }
}

static void
announce(const struct batch *b)
{
    struct vv_progress *p = b->d->run->progress;
    uint64_t bytes = 0;

    if (p == NULL || b->job_count == 0) {
        return;
    }
    for (size_t i = 0; i < b->job_count; i++) {
        bytes += b->jobs[i].size;
    }
    atomic_fetch_add(&p->bytes_total, bytes);
    atomic_fetch_add(&p->files_total, b->job_count);
    atomic_store(&p->phase, REPLICATE_COPYING);
}

enum vv_rc
copy_packs(struct batch *b, struct vv_error *err)
{
    struct copying c = {.b = b};
    struct vv_thread threads[THREADS_MAX] = {0};
    unsigned wanted = replicate_threads(b->d);
    unsigned started = 0;
    enum vv_rc rc = VV_OK;

    announce(b);
    buffer_pool_init(&c.buffers, KEPT_BYTES);
    vv_mutex_init(&c.lock);
    vv_cond_init(&c.room);
    while (started + 1 < wanted && started + 1 < b->job_count && rc == VV_OK) {
        rc = vv_thread_start(&threads[started], "replicate-pack", worker, &c, err);
        started += rc == VV_OK;
    }
    vv_error_clear(err);
    worker(&c); /* this thread works, too: without any other, all of it */
    for (unsigned i = 0; i < started; i++) {
        vv_thread_join(&threads[i]);
    }
    vv_cond_release(&c.room);
    vv_mutex_release(&c.lock);
    buffer_pool_release(&c.buffers);
    if (c.rc == VV_OK) {
        return rate_settle(b->d, err);
    }
    if (err != NULL) {
        *err = c.err;
    }
    return c.rc;
}
