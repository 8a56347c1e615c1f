/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads of a restore and the jobs they work on. */

#include <string.h>

#include "core/alloc.h"
#include "engine/restore_internal.h"

/** The oldest job with something left to begin; lock held. */
static struct job *
next_job(struct restore_pool *p)
{
    struct job *j = p->jobs;

    while (j != NULL && j->next == j->count) {
        j = j->link;
    }
    return j;
}

static void
note_failure(struct restore_pool *p, enum vv_rc rc, const struct vv_error *err)
{
    vv_mutex_lock(&p->lock);
    if (!p->failed) {
        p->failed = true;
        p->error = *err;
        p->error.rc = rc;
    }
    vv_cond_broadcast(&p->work);
    vv_cond_broadcast(&p->finished);
    vv_mutex_unlock(&p->lock);
}

/** Everything begun of a job is done.  Lock held. */
static void
job_is_done(struct restore *r, struct job *j)
{
    struct restore_pool *p = &r->pool;
    struct job **at = &p->jobs;
    struct vv_error err = {0};
    uint32_t more = 0;
    enum vv_rc rc = VV_OK;

    if (j->again != NULL) {
        vv_mutex_unlock(&p->lock);
        rc = j->again(r, j, &more, &err);
        if (rc != VV_OK) {
            note_failure(p, rc, &err);
        }
        vv_mutex_lock(&p->lock);
    }
    if (rc != VV_OK) {
        return; /* jobs_close ends it */
    }
    if (more > 0) {
        j->count = more; /* not before: others look at it */
        j->left = more;
        j->next = 0;
        vv_cond_broadcast(&p->work);
        return;
    }
    while (*at != j) {
        at = &(*at)->link;
    }
    *at = j->link;
    vv_mutex_unlock(&p->lock);
    if (j->end != NULL) {
        j->end(r, j);
    }
    vv_mutex_lock(&p->lock);
    p->in_flight--;
    vv_cond_broadcast(&p->finished);
}

static void
worker_main(void *arg)
{
    struct restore_worker *w = arg;
    struct restore_pool *p = &w->r->pool;

    vv_mutex_lock(&p->lock);
    while (!p->failed) {
        struct vv_error err = {0};
        struct job *j = next_job(p);
        uint32_t index;
        enum vv_rc rc;
        if (j == NULL) {
            if (p->closing) {
                break;
            }
            vv_cond_wait(&p->work, &p->lock);
            continue;
        }
        index = j->next++;
        vv_mutex_unlock(&p->lock);
        rc = vv_cancel_check(repo_cancel(w->r->repo), &err);
        if (rc == VV_OK) {
            rc = j->run(w, j, index, &err);
        }
        if (rc != VV_OK) {
            note_failure(p, rc, &err);
        }
        vv_mutex_lock(&p->lock);
        if (rc == VV_OK && --j->left == 0) {
            job_is_done(w->r, j);
        }
    }
    vv_mutex_unlock(&p->lock);
}

static enum vv_rc
worker_open(struct restore *r, struct restore_worker *w, struct vv_error *err)
{
    w->r = r;
    VV_TRY(pack_reader_new(chunk_reader_keys(r->reader), &w->packs, err));
    return vv_thread_start(&w->thread, "restore", worker_main, w, err);
}

enum vv_rc
jobs_open(struct restore *r, unsigned threads, struct vv_error *err)
{
    struct restore_pool *p = &r->pool;

    threads = threads == 0 ? repo_read_threads(r->repo, RESTORE_THREADS_MAX) : threads;
    threads = threads > RESTORE_THREADS_MAX ? RESTORE_THREADS_MAX : threads;
    p->closing = false;
    p->workers = vv_alloc_array(threads, sizeof(*p->workers));
    if (p->workers == NULL) {
        return vv_error_nomem(err);
    }
    for (p->worker_count = 0; p->worker_count < threads; p->worker_count++) {
        struct restore_worker *w = &p->workers[p->worker_count];
        enum vv_rc rc = worker_open(r, w, err);
        if (rc != VV_OK) {
            p->worker_count++;
            return rc;
        }
    }
    return VV_OK;
}

void
jobs_close(struct restore *r)
{
    struct restore_pool *p = &r->pool;

    vv_mutex_lock(&p->lock);
    p->closing = true;
    vv_cond_broadcast(&p->work);
    vv_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->worker_count; i++) {
        struct restore_worker *w = &p->workers[i];
        vv_thread_join(&w->thread);
        pack_reader_free(w->packs);
        readback_free(w->back);
        vv_buf_release(&w->block);
        vv_buf_release(&w->chunk);
        vv_arena_release(&w->arena);
        vv_free(w->jobs);
    }
    vv_free(p->workers);
    p->workers = NULL;
    p->worker_count = 0;
    while (p->jobs != NULL) {
        struct job *j = p->jobs;
        p->jobs = j->link;
        if (j->end != NULL) {
            j->end(r, j);
        }
    }
    p->in_flight = 0;
}

/** The pool's failure as the caller's; lock held. */
static enum vv_rc
failure(const struct restore_pool *p, struct vv_error *err)
{
    if (!p->failed) {
        return VV_OK;
    }
    if (err != NULL) {
        *err = p->error;
    }
    return p->error.rc;
}

enum vv_rc
jobs_submit(struct restore *r, struct job *j, uint32_t limit, struct vv_error *err)
{
    struct restore_pool *p = &r->pool;
    struct job **at = &p->jobs;
    enum vv_rc rc;

    j->next = 0;
    j->left = j->count;
    j->link = NULL;
    if (j->count == 0) {
        if (j->end != NULL) {
            j->end(r, j);
        }
        return VV_OK;
    }
    vv_mutex_lock(&p->lock);
    while (!p->failed && p->in_flight >= limit) {
        vv_cond_wait(&p->finished, &p->lock);
    }
    rc = failure(p, err);
    if (rc == VV_OK) {
        while (*at != NULL) {
            at = &(*at)->link;
        }
        *at = j;
        p->in_flight++;
        vv_cond_broadcast(&p->work);
    }
    vv_mutex_unlock(&p->lock);
    if (rc != VV_OK && j->end != NULL) {
        j->end(r, j);
    }
    return rc;
}

enum vv_rc
jobs_drain(struct restore *r, struct vv_error *err)
{
    struct restore_pool *p = &r->pool;
    enum vv_rc rc;

    vv_mutex_lock(&p->lock);
    while (!p->failed && p->in_flight > 0) {
        vv_cond_wait(&p->finished, &p->lock);
    }
    rc = failure(p, err);
    vv_mutex_unlock(&p->lock);
    return rc;
}

enum vv_rc
jobs_run(struct restore *r, struct job *j, struct vv_error *err)
{
    enum vv_rc rc = jobs_submit(r, j, UINT32_MAX, err);

    if (rc == VV_OK) {
        rc = jobs_drain(r, err);
    }
    if (rc != VV_OK) {
        jobs_close(r); /* nobody may go on using it */
    }
    return rc;
}

enum vv_rc
worker_hash_jobs(struct restore_worker *w, size_t count, struct vv_error *err)
{
    struct hash_job *jobs;

    if (count <= w->job_room) {
        return VV_OK;
    }
    count = count < 256 ? 256 : count;
    jobs = vv_realloc_array(w->jobs, count, sizeof(*jobs));
    if (jobs == NULL) {
        return vv_error_nomem(err);
    }
    w->jobs = jobs;
    w->job_room = count;
    return VV_OK;
}

enum vv_rc
worker_readback(struct restore_worker *w, struct readback **ret, struct vv_error *err)
{
    if (w->back == NULL) {
        VV_TRY(readback_new(w->r, &w->back, err));
    }
    *ret = w->back;
    return VV_OK;
}
