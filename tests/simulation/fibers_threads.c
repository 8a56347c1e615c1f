/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/core/thread.h by fibers, in place of lib/core/thread.c. */
#include <assert.h>
#include <string.h>

#include "core/thread.h"
#include "simulation/fibers.h"

/* What lies in the storage of a mutex here. */
struct lock {
    unsigned held;
};
static_assert(sizeof(struct lock) <= sizeof(struct vv_mutex), "fits");

static struct lock *
lock_of(struct vv_mutex *m)
{
    return (struct lock *)(void *)m;
}

void
vv_mutex_init(struct vv_mutex *m)
{
    memset(m, 0, sizeof(*m));
}

void
vv_mutex_release(struct vv_mutex *m)
{
    (void)m;
}

void
vv_mutex_lock(struct vv_mutex *m)
{
    while (lock_of(m)->held) {
        (void)fiber_wait(m, UINT64_MAX);
    }
    lock_of(m)->held = 1;
}

void
vv_mutex_unlock(struct vv_mutex *m)
{
    assert(lock_of(m)->held);
    lock_of(m)->held = 0;
    fiber_wake(m, true);
}

void
vv_cond_init(struct vv_cond *c)
{
    memset(c, 0, sizeof(*c));
}

void
vv_cond_release(struct vv_cond *c)
{
    (void)c;
}

void
vv_cond_wait(struct vv_cond *c, struct vv_mutex *m)
{
    vv_mutex_unlock(m);
    (void)fiber_wait(c, UINT64_MAX);
    vv_mutex_lock(m);
}

bool
vv_cond_wait_ms(struct vv_cond *c, struct vv_mutex *m, uint64_t ms)
{
    bool woken;

    vv_mutex_unlock(m);
    woken = fiber_wait(c, ms > UINT64_MAX / 2000000u ? UINT64_MAX : ms * 1000000u);
    vv_mutex_lock(m);
    return woken;
}

void
vv_cond_signal(struct vv_cond *c)
{
    fiber_wake(c, false);
}

void
vv_cond_broadcast(struct vv_cond *c)
{
    fiber_wake(c, true);
}

enum vv_rc
vv_thread_start(struct vv_thread *t, const char *name, void (*fn)(void *), void *arg,
                struct vv_error *err)
{
    (void)name;
    (void)err;
    t->t = fiber_start(fn, arg);
    t->running = true;
    return VV_OK;
}

void
vv_thread_join(struct vv_thread *t)
{
    if (t->running) {
        fiber_join((unsigned)t->t);
        t->running = false;
    }
}

unsigned
vv_cpu_count(void)
{
    return 2;
}

enum vv_rc
vv_cancel_check(struct vv_cancel *c, struct vv_error *err)
{
    if (c != NULL && atomic_load_explicit(&c->wanted, memory_order_relaxed)) {
        return vv_error_set(err, VV_ECANCELLED, "interrupted");
    }
    return VV_OK;
}
