/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub: several objects at once, as far as the budget goes. */

#include <stdatomic.h>

#include "engine/scrub_internal.h"

#define THREADS_MAX 16u
#define REMOTE_THREADS 6u      /* each holds a whole pack */
#define BUFFER_MAX (48u << 20) /* larger objects are read by one thread at a time */

struct scrub_worker {
    struct scrub *scrub;
    struct vv_mutex *large;
    struct vv_thread thread;
    atomic_bool *stop;
    enum vv_rc rc;
    struct vv_error err;
};

/** B2: may another object be begun?  Lock held. */
static bool
within_budget(const struct scrub *s)
{
    const struct vv_clock *clock = repo_clock(s->repo);

    return budget_allows(&s->options->budget, s->bytes_begun, s->s.bytes,
                         clock->monotonic(clock) - s->started);
}

static struct scrub_item *
take_item(struct scrub *s)
{
    struct scrub_item *item = NULL;

    vv_mutex_lock(&s->lock);
    if (s->next < s->count && within_budget(s)) {
        item = &s->items[s->next++];
        s->bytes_begun += item->size;
    }
    vv_mutex_unlock(&s->lock);
    return item;
}

static void
work(void *arg)
{
    struct scrub_worker *w = arg;
    struct scrub_item *item;
    struct vv_buf bytes = {0};

    while (w->rc == VV_OK && !atomic_load(w->stop) && (item = take_item(w->scrub)) != NULL) {
        bool large = item->size > BUFFER_MAX;
        if (large) {
            vv_mutex_lock(w->large);
        }
        w->rc = vv_cancel_check(repo_cancel(w->scrub->repo), &w->err);
        if (w->rc == VV_OK) {
            w->rc = scrub_read(w->scrub, item, &bytes, &w->err);
        }
        if (large) {
            vv_buf_release(&bytes);
            vv_mutex_unlock(w->large);
        }
    }
    if (w->rc != VV_OK) {
        atomic_store(w->stop, true);
    }
    vv_buf_release(&bytes);
}

static unsigned
thread_count(const struct scrub *s)
{
    unsigned wanted =
        s->options->threads != 0 ? s->options->threads : repo_read_threads(s->repo, REMOTE_THREADS);

    return wanted < THREADS_MAX ? wanted : THREADS_MAX;
}

enum vv_rc
scrub_read_all(struct scrub *s, struct vv_error *err)
{
    struct scrub_worker workers[THREADS_MAX];
    struct vv_mutex large = VV_MUTEX_INIT;
    atomic_bool stop = false;
    unsigned wanted = thread_count(s);
    unsigned started = 0;
    enum vv_rc rc = VV_OK;

    while (started < wanted && rc == VV_OK) {
        struct scrub_worker *w = &workers[started];
        *w = (struct scrub_worker){.scrub = s, .large = &large, .stop = &stop};
        rc = vv_thread_start(&w->thread, "scrub", work, w, err);
        started += rc == VV_OK;
    }
    if (rc != VV_OK) {
        atomic_store(&stop, true);
    }
    for (unsigned i = 0; i < started; i++) {
        vv_thread_join(&workers[i].thread);
        if (rc == VV_OK && workers[i].rc != VV_OK) {
            rc = workers[i].rc;
            if (err != NULL) {
                *err = workers[i].err;
            }
        }
    }
    vv_mutex_release(&large);
    return rc;
}
