/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_THREAD_H
#define VARVE_CORE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* Threads, mutexes, condition variables and the request to stop.  No other file of lib/ outside
 * core/ and repo/index* calls pthread functions. */

struct vv_mutex {
    pthread_mutex_t m;
};
struct vv_cond {
    pthread_cond_t c; /* waits on the monotonic clock */
};
struct vv_thread {
    pthread_t t;
    bool running;
};

#define VV_MUTEX_INIT                                                                              \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

void vv_mutex_init(struct vv_mutex *m);
void vv_mutex_release(struct vv_mutex *m);
void vv_mutex_lock(struct vv_mutex *m);
void vv_mutex_unlock(struct vv_mutex *m);

void vv_cond_init(struct vv_cond *c);
void vv_cond_release(struct vv_cond *c);
void vv_cond_wait(struct vv_cond *c, struct vv_mutex *m);
/** vv_cond_wait_ms(c, m, ms): false if ${ms} milliseconds passed without a signal. */
bool vv_cond_wait_ms(struct vv_cond *c, struct vv_mutex *m, uint64_t ms);
void vv_cond_signal(struct vv_cond *c);
void vv_cond_broadcast(struct vv_cond *c);

/** vv_thread_start(t, name, fn, arg, err): run fn(arg) with all signals blocked but those a
 * thread's own faults raise (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT).  ${name}
 * is cut to 15 bytes. */
MUST_CHECK enum vv_rc vv_thread_start(struct vv_thread *t, const char *name, void (*fn)(void *),
                                      void *arg, struct vv_error *err);
/** vv_thread_join(t): wait for its end; nothing if it is not running. */
void vv_thread_join(struct vv_thread *t);

/** vv_cpu_count(): processors this process may use (affinity respected), at least 1. */
unsigned vv_cpu_count(void);

/** A request to stop, set from a signal handler or another thread, polled by long work. */
struct vv_cancel {
    atomic_bool wanted;
};

/** vv_cancel_check(c, err): VV_ECANCELLED ("interrupted") once wanted; a NULL ${c} never is. */
MUST_CHECK enum vv_rc vv_cancel_check(struct vv_cancel *c, struct vv_error *err);

#endif
