/* SPDX-License-Identifier: BSD-2-Clause */
/* Receivers of a watched job's databases. */
#include "watch_receivers.h"

#include "core/alloc.h"
#include "core/arena.h"
#include "core/clock.h"
#include "job_plan.h"
#include "service/process.h"

#define WAIT_LEAST_MS 1000u
#define WAIT_MOST_MS 300000u
#define LONG_RUN_MS 600000u

struct receiver {
    struct watch_receivers *all;
    const char *const *words;
    const char *database;
    struct vv_thread thread;
};
struct watch_receivers {
    struct app *app;
    struct vv_arena arena;
    struct receiver *items;
    size_t count;
    struct vv_cancel cancel;
    struct vv_mutex lock;
    struct vv_cond end;
};

/** False: it is to end. */
static bool
wait_ms(struct watch_receivers *r, uint64_t ms)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t until = clock->monotonic(clock) / 1000000 + ms;
    bool on;

    vv_mutex_lock(&r->lock);
    while ((on = !atomic_load(&r->cancel.wanted)) && clock->monotonic(clock) / 1000000 < until) {
        (void)vv_cond_wait_ms(&r->end, &r->lock, ms);
    }
    vv_mutex_unlock(&r->lock);
    return on;
}

static void
receiver_main(void *arg)
{
    struct receiver *k = arg;
    struct watch_receivers *r = k->all;
    const struct process_spec spec = {.words = k->words};
    uint64_t wait = WAIT_LEAST_MS;
    bool on = true;

    while (on) {
        struct process_result result = {0};
        struct vv_error err = {0};
        enum vv_rc rc = process_run(&spec, &r->cancel, &result, &err);
        wait = result.milliseconds >= LONG_RUN_MS ? WAIT_LEAST_MS : wait;
        if (rc != VV_ECANCELLED) {
            messages_warning(&r->app->messages, "receiver-ended",
                             "the receiver of '%s' has ended (exit code %d); it is started again",
                             k->database, rc == VV_OK ? result.code : 127);
        }
        process_result_release(&result);
        on = rc != VV_ECANCELLED && wait_ms(r, wait);
        wait = wait * 2 < WAIT_MOST_MS ? wait * 2 : WAIT_MOST_MS;
    }
}

static enum vv_rc
start_all(struct watch_receivers *r, const struct settings_section *job, struct vv_error *err)
{
    const struct settings_value *v = NULL;
    size_t room = 0;

    while ((v = settings_next(job, "database", v)) != NULL) {
        room++;
    }
    r->items = vv_alloc_array(room, sizeof(*r->items));
    if (r->items == NULL) {
        return vv_error_nomem(err);
    }
    while ((v = settings_next(job, "database", v)) != NULL) {
        struct receiver *k = &r->items[r->count];
        *k = (struct receiver){.all = r, .database = v->text};
        VV_TRY(job_plan_receiver(r->app, job, v->text, &r->arena, &k->words, err));
        VV_TRY(vv_thread_start(&k->thread, "receiver", receiver_main, k, err));
        r->count++;
    }
    return VV_OK;
}

enum vv_rc
watch_receivers_begin(struct app *app, const struct settings_section *job,
                      struct watch_receivers **ret, struct vv_error *err)
{
    struct watch_receivers *r;
    enum vv_rc rc;

    *ret = NULL;
    if (settings_get(job, "database") == NULL) {
        return VV_OK;
    }
    r = vv_alloc_array(1, sizeof(*r));
    if (r == NULL) {
        return vv_error_nomem(err);
    }
    r->app = app;
    vv_mutex_init(&r->lock);
    vv_cond_init(&r->end);
    rc = start_all(r, job, err);
    if (rc != VV_OK) {
        watch_receivers_end(r);
        return rc;
    }
    *ret = r;
    return VV_OK;
}

void
watch_receivers_end(struct watch_receivers *r)
{
    if (r == NULL) {
        return;
    }
    vv_mutex_lock(&r->lock);
    atomic_store(&r->cancel.wanted, true);
    vv_cond_broadcast(&r->end);
    vv_mutex_unlock(&r->lock);
    for (size_t i = 0; i < r->count; i++) {
        vv_thread_join(&r->items[i].thread);
    }
    vv_cond_release(&r->end);
    vv_mutex_release(&r->lock);
    vv_arena_release(&r->arena);
    vv_free(r->items);
    vv_free(r);
}
