/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/thread.h, core/queue.h and core/event.h; meant to run under ThreadSanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_sweep.h"
#include "core/event.h"
#include "core/queue.h"
#include "core/thread.h"

static void
note_thread(void *arg)
{
    struct {
        char name[16];
        sigset_t mask;
    } *seen = arg;
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
}

static void
thread__blocks_signals_and_has_a_name(void **state)
{
    (void)state;
    struct {
        char name[16];
        sigset_t mask;
    } seen;
    struct vv_thread t = {0};
    sigset_t own;
    assert_int_equal(vv_thread_start(&t, "a-name-that-is-too-long", note_thread, &seen, NULL),
                     VV_OK);
    vv_thread_join(&t);
    assert_false(t.running);
    vv_thread_join(&t);
    assert_string_equal(seen.name, "a-name-that-is-");
    static const int blocked[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1, SIGALRM};
    pthread_sigmask(SIG_SETMASK, NULL, &own);
    for (size_t i = 0; i < VV_COUNT(blocked); i++) {
        assert_int_equal(sigismember(&seen.mask, blocked[i]), 1);
        assert_int_equal(sigismember(&own, blocked[i]), 0);
    }
    assert_int_equal(sigismember(&seen.mask, SIGSEGV), 0);
}

static void
do_nothing(void *arg)
{
    (void)arg;
}

static enum vv_rc
start_and_join(void *arg, struct vv_error *err)
{
    struct vv_thread t = {0};

    (void)arg;
    VV_TRY(vv_thread_start(&t, "t", do_nothing, NULL, err));
    vv_thread_join(&t);
    return VV_OK;
}

static void
thread__survives_any_failed_allocation(void **state)
{
    (void)state;
    assert_int_equal(alloc_sweep(start_and_join, NULL), 1);
}

struct handshake {
    struct vv_mutex mutex;
    struct vv_cond cond;
    unsigned turn;
};

static void
play_pong(void *arg)
{
    struct handshake *h = arg;
    vv_mutex_lock(&h->mutex);
    for (unsigned i = 0; i < 100; i++) {
        while (h->turn % 2 == 0) {
            vv_cond_wait(&h->cond, &h->mutex);
        }
        h->turn++;
        vv_cond_signal(&h->cond);
    }
    vv_mutex_unlock(&h->mutex);
}

static void
cond__passes_turns_and_times_out(void **state)
{
    (void)state;
    struct handshake h = {.turn = 0};
    struct vv_thread t = {0};
    vv_mutex_init(&h.mutex);
    vv_cond_init(&h.cond);
    assert_int_equal(vv_thread_start(&t, "pong", play_pong, &h, NULL), VV_OK);
    vv_mutex_lock(&h.mutex);
    for (unsigned i = 0; i < 100; i++) {
        h.turn++;
        vv_cond_broadcast(&h.cond);
        while (h.turn % 2 == 1) {
            vv_cond_wait_ms(&h.cond, &h.mutex, UINT64_MAX);
        }
    }
    vv_mutex_unlock(&h.mutex);
    vv_thread_join(&t);
    assert_int_equal(h.turn, 200);
    vv_mutex_lock(&h.mutex);
    assert_false(vv_cond_wait_ms(&h.cond, &h.mutex, 0));
    vv_mutex_unlock(&h.mutex);
    vv_cond_release(&h.cond);
    vv_mutex_release(&h.mutex);
}

static void
cancel__is_seen_once_wanted(void **state)
{
    (void)state;
    struct vv_cancel c = {0};
    struct vv_error err = {0};
    assert_int_equal(vv_cancel_check(NULL, &err), VV_OK);
    assert_int_equal(vv_cancel_check(&c, &err), VV_OK);
    atomic_store(&c.wanted, true);
    assert_int_equal(vv_cancel_check(&c, &err), VV_ECANCELLED);
    assert_string_equal(err.message, "interrupted");
}

static void
cpu_count__is_positive(void **state)
{
    (void)state;
    assert_true(vv_cpu_count() >= 1);
}

static void
queue__keeps_order_and_drains_after_close(void **state)
{
    (void)state;
    struct vv_queue *q = NULL;
    int items[5];
    assert_int_equal(vv_queue_new(0, &q, NULL), VV_EUSAGE);
    assert_null(q);
    assert_int_equal(vv_queue_new(3, &q, NULL), VV_OK);
    assert_null(vv_queue_try_pop(q));
    for (int round = 0; round < 5; round++) {
        assert_true(vv_queue_push(q, &items[0]));
        assert_true(vv_queue_push(q, &items[1]));
        assert_ptr_equal(vv_queue_pop(q), &items[0]);
        assert_ptr_equal(vv_queue_try_pop(q), &items[1]);
    }
    assert_true(vv_queue_push(q, &items[2]));
    assert_true(vv_queue_push(q, &items[3]));
    vv_queue_close(q);
    vv_queue_close(q);
    assert_false(vv_queue_push(q, &items[4]));
    assert_ptr_equal(vv_queue_pop(q), &items[2]);
    assert_ptr_equal(vv_queue_pop(q), &items[3]);
    assert_null(vv_queue_pop(q));
    vv_queue_free(q);
    vv_queue_free(NULL);
}

enum { WORKERS = 3, PER_WORKER = 2000 };

struct traffic {
    struct vv_queue *q;
    unsigned items[WORKERS][PER_WORKER];
    _Atomic unsigned next_producer;
    _Atomic unsigned taken;
    _Atomic unsigned refused;
    _Atomic unsigned disorder;
};

static void
produce(void *arg)
{
    struct traffic *t = arg;
    unsigned me = atomic_fetch_add(&t->next_producer, 1);
    for (unsigned i = 0; i < PER_WORKER; i++) {
        t->items[me][i] = i;
        if (!vv_queue_push(t->q, &t->items[me][i])) {
            atomic_fetch_add(&t->refused, 1);
        }
    }
}

static void
consume(void *arg)
{
    struct traffic *t = arg;
    unsigned last[WORKERS] = {0};
    for (unsigned *item = vv_queue_pop(t->q); item != NULL; item = vv_queue_pop(t->q)) {
        size_t index = (size_t)(item - &t->items[0][0]);
        /* What one consumer gets of one producer is in that producer's order. */
        if (*item != index % PER_WORKER || *item + 1 <= last[index / PER_WORKER]) {
            atomic_fetch_add(&t->disorder, 1);
        }
        last[index / PER_WORKER] = *item + 1;
        *item = UINT32_MAX; /* taken twice would show as disorder */
        atomic_fetch_add(&t->taken, 1);
    }
}

static void
queue__hands_over_between_threads(void **state)
{
    (void)state;
    static struct traffic t;
    struct vv_thread producers[WORKERS] = {0};
    struct vv_thread consumers[WORKERS] = {0};
    assert_int_equal(vv_queue_new(4, &t.q, NULL), VV_OK);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(vv_thread_start(&producers[i], "produce", produce, &t, NULL), VV_OK);
        assert_int_equal(vv_thread_start(&consumers[i], "consume", consume, &t, NULL), VV_OK);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        vv_thread_join(&producers[i]);
    }
    vv_queue_close(t.q);
    for (size_t i = 0; i < WORKERS; i++) {
        vv_thread_join(&consumers[i]);
    }
    assert_int_equal(t.taken, WORKERS * PER_WORKER);
    assert_int_equal(t.refused, 0);
    assert_int_equal(t.disorder, 0);
    vv_queue_free(t.q);
}

static void
push_until_refused(void *arg)
{
    struct traffic *t = arg;
    while (vv_queue_push(t->q, t)) {
        atomic_fetch_add(&t->taken, 1);
    }
    atomic_fetch_add(&t->refused, 1);
}

static void
queue__close_wakes_a_waiting_pusher(void **state)
{
    (void)state;
    /* Whether the pusher already waits when the queue closes is for the scheduler to say: both
     * must end well, and in a hundred rounds both happen. */
    for (unsigned round = 0; round < 100; round++) {
        static struct traffic t;
        struct vv_thread thread = {0};
        t.taken = 0;
        t.refused = 0;
        assert_int_equal(vv_queue_new(2, &t.q, NULL), VV_OK);
        assert_int_equal(vv_thread_start(&thread, "push", push_until_refused, &t, NULL), VV_OK);
        while (atomic_load(&t.taken) < 2) {
            sched_yield();
        }
        for (unsigned i = 0; i < round; i++) {
            sched_yield();
        }
        vv_queue_close(t.q);
        vv_thread_join(&thread);
        assert_int_equal(t.refused, 1);
        assert_ptr_equal(vv_queue_pop(t.q), &t);
        assert_ptr_equal(vv_queue_pop(t.q), &t);
        assert_null(vv_queue_pop(t.q));
        vv_queue_free(t.q);
    }
}

static enum vv_rc
make_queue(void *arg, struct vv_error *err)
{
    struct vv_queue *q = NULL;
    enum vv_rc rc = vv_queue_new(8, &q, err);

    (void)arg;
    assert_int_equal(rc == VV_OK, q != NULL);
    vv_queue_free(q);
    return rc;
}

static void
queue__survives_any_failed_allocation(void **state)
{
    (void)state;
    assert_int_equal(alloc_sweep(make_queue, NULL), 2);
}

struct recorder {
    struct vv_events base;
    unsigned count; /* not atomic: vv_emit serialises */
    struct vv_event last;
    char text[4096];
};

static void
record(struct vv_events *self, const struct vv_event *event)
{
    struct recorder *r = (struct recorder *)self;
    r->count++;
    r->last = *event;
    snprintf(r->text, sizeof(r->text), "%s", event->text);
}

static void
emit_many(void *arg)
{
    for (unsigned i = 0; i < 500; i++) {
        vv_emit(arg, VV_EVENT_ENTRY, "entry", vv_span("p", 1), "number %u", i);
    }
}

static void
emit__serialises_and_formats(void **state)
{
    (void)state;
    static struct recorder r = {.base = {.emit = record}};
    static char longest[5000];
    struct vv_thread threads[3] = {0};
    vv_emit(NULL, VV_EVENT_NOTICE, "none", vv_span(NULL, 0), "nobody listens");
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        assert_int_equal(vv_thread_start(&threads[i], "emit", emit_many, &r, NULL), VV_OK);
    }
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(r.count, 1500);
    assert_string_equal(r.text, "number 499");
    assert_int_equal(r.last.kind, VV_EVENT_ENTRY);
    assert_string_equal(r.last.name, "entry");
    assert_int_equal(r.last.path.len, 1);
    memset(longest, 'x', sizeof(longest) - 1);
    vv_emit(&r.base, VV_EVENT_WARNING, "long", vv_span(NULL, 0), "%s", longest);
    assert_true(strlen(r.text) > 1500);
}

static void
note_paths(void *arg)
{
    for (unsigned i = 0; i < 2000; i++) {
        vv_progress_current(arg, i % 2 != 0 ? vv_span("aaaaaaaa", 8) : vv_span("bbbb", 4));
    }
}

static void
progress__current_is_never_torn(void **state)
{
    (void)state;
    static struct vv_progress p;
    struct vv_thread threads[2] = {0};
    char out[256];
    vv_progress_current(&p, vv_span("bbbb", 4));
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        assert_int_equal(vv_thread_start(&threads[i], "note", note_paths, &p, NULL), VV_OK);
    }
    for (unsigned i = 0; i < 500; i++) {
        vv_progress_read_current(&p, out);
        assert_true(strcmp(out, "aaaaaaaa") == 0 || strcmp(out, "bbbb") == 0);
    }
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        vv_thread_join(&threads[i]);
    }
}

static void
progress__keeps_the_tail_of_a_long_path(void **state)
{
    (void)state;
    static struct vv_progress p;
    char path[600];
    char out[256];
    memset(path, 'd', sizeof(path));
    memcpy(path + sizeof(path) - 4, "/end", 4);
    vv_progress_current(&p, vv_span(path, sizeof(path)));
    vv_progress_read_current(&p, out);
    assert_int_equal(strlen(out), 255);
    assert_string_equal(out + 251, "/end");
    memcpy(path + sizeof(path) - 256, "\u20ac", 3); /* cut after its first byte */
    vv_progress_current(&p, vv_span(path, sizeof(path)));
    vv_progress_read_current(&p, out);
    assert_int_equal(strlen(out), 253);
    assert_int_equal(out[0], 'd');
    vv_progress_current(&p, vv_span(NULL, 0));
    vv_progress_read_current(&p, out);
    assert_string_equal(out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread__blocks_signals_and_has_a_name),
        cmocka_unit_test(thread__survives_any_failed_allocation),
        cmocka_unit_test(cond__passes_turns_and_times_out),
        cmocka_unit_test(cancel__is_seen_once_wanted),
        cmocka_unit_test(cpu_count__is_positive),
        cmocka_unit_test(queue__keeps_order_and_drains_after_close),
        cmocka_unit_test(queue__hands_over_between_threads),
        cmocka_unit_test(queue__close_wakes_a_waiting_pusher),
        cmocka_unit_test(queue__survives_any_failed_allocation),
        cmocka_unit_test(emit__serialises_and_formats),
        cmocka_unit_test(progress__current_is_never_torn),
        cmocka_unit_test(progress__keeps_the_tail_of_a_long_path),
    };
    return cmocka_run_group_tests_name("core/thread", tests, NULL, NULL);
}
