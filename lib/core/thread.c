/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads by pthreads.  What can only fail through a programming error ends the process. */
#include "core/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"

#define THREAD_NAME_SIZE 16 /* the kernel's limit, with the NUL byte */
#define WAIT_MS_MAX (UINT64_C(1000) * 3600 * 24 * 365)

static void
must(int rc)
{
    if (rc != 0) {
        abort();
    }
}

void
vv_mutex_init(struct vv_mutex *m)
{
    must(pthread_mutex_init(&m->m, NULL));
}

void
vv_mutex_release(struct vv_mutex *m)
{
    must(pthread_mutex_destroy(&m->m));
}

void
vv_mutex_lock(struct vv_mutex *m)
{
    must(pthread_mutex_lock(&m->m));
}

void
vv_mutex_unlock(struct vv_mutex *m)
{
    must(pthread_mutex_unlock(&m->m));
}

void
vv_cond_init(struct vv_cond *c)
{
    pthread_condattr_t attr;

    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    must(pthread_cond_init(&c->c, &attr));
    must(pthread_condattr_destroy(&attr));
}

void
vv_cond_release(struct vv_cond *c)
{
    must(pthread_cond_destroy(&c->c));
}

void
vv_cond_wait(struct vv_cond *c, struct vv_mutex *m)
{
    must(pthread_cond_wait(&c->c, &m->m));
}

bool
vv_cond_wait_ms(struct vv_cond *c, struct vv_mutex *m, uint64_t ms)
{
    struct timespec until;

    if (ms > WAIT_MS_MAX) {
        ms = WAIT_MS_MAX;
    }
    must(clock_gettime(CLOCK_MONOTONIC, &until));
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int rc = pthread_cond_timedwait(&c->c, &m->m, &until);
    if (rc == ETIMEDOUT) {
        return false;
    }
    must(rc);
    return true;
}

void
vv_cond_signal(struct vv_cond *c)
{
    must(pthread_cond_signal(&c->c));
}

void
vv_cond_broadcast(struct vv_cond *c)
{
    must(pthread_cond_broadcast(&c->c));
}

/* What a new thread has to know; it frees it. */
struct start {
    void (*fn)(void *);
    void *arg;
    char name[THREAD_NAME_SIZE];
};

static void *
thread_main(void *arg)
{
    struct start start = *(struct start *)arg;

    vv_free(arg);
    (void)pthread_setname_np(pthread_self(), start.name);
    start.fn(start.arg);
    return NULL;
}

/* Everything but what the thread's own faults raise: blocked, those would end the process
 * without a word from a sanitizer or a core-dump handler. */
static void
signals_to_block(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

    must(sigfillset(set));
    for (size_t i = 0; i < VV_COUNT(faults); i++) {
        must(sigdelset(set, faults[i]));
    }
}

enum vv_rc
vv_thread_start(struct vv_thread *t, const char *name, void (*fn)(void *), void *arg,
                struct vv_error *err)
{
    sigset_t block;
    sigset_t before;
    struct start *start = vv_alloc(sizeof(*start));

    if (start == NULL) {
        return vv_error_nomem(err);
    }
    start->fn = fn;
    start->arg = arg;
    size_t len = strnlen(name, THREAD_NAME_SIZE - 1);
    memcpy(start->name, name, len);
    start->name[len] = '\0';

    /* The new thread inherits the mask: there is no moment in which it takes a signal. */
    signals_to_block(&block);
    must(pthread_sigmask(SIG_SETMASK, &block, &before));
    int rc = pthread_create(&t->t, NULL, thread_main, start);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL));
    if (rc != 0) {
        vv_free(start);
        return vv_error_sys(err, rc, "cannot start thread '%s'", name);
    }
    t->running = true;
    return VV_OK;
}

void
vv_thread_join(struct vv_thread *t)
{
    if (t->running) {
        must(pthread_join(t->t, NULL));
        t->running = false;
    }
}

unsigned
vv_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        int n = CPU_COUNT(&set);
        return n > 0 ? (unsigned)n : 1;
    }
    /* More processors than cpu_set_t knows. */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

enum vv_rc
vv_cancel_check(struct vv_cancel *c, struct vv_error *err)
{
    if (c != NULL && atomic_load_explicit(&c->wanted, memory_order_relaxed)) {
        return vv_error_set(err, VV_ECANCELLED, "interrupted");
    }
    return VV_OK;
}
