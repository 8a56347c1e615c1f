/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many simulated processes in one: every thread of the library becomes a fiber, and one seeded
 * scheduler chooses which of them runs.  fibers_threads.c takes the place of lib/core/thread.c in this
 * program, so that no other thread exists and a seed decides everything.
 *
 * A process is a main fiber and the threads it starts.  It can be killed (none of its fibers runs
 * again; locks on files that it held are released) or frozen (as by SIGSTOP) until a moment of the
 * simulated clock, which moves only when the scheduler says so.
 */
#ifndef VARVE_TESTS_FIBERS_H
#define VARVE_TESTS_FIBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROCESSES_MAX = 64 };

/** fibers_usable(): false under the thread sanitizer, which does not know them. */
bool fibers_usable(void);

/** fibers_random(): the scheduler's own numbers, apart from the library's.  fibers_below(n): less
 *  than n.  fibers_chance(n, of): true in n of ${of} cases. */
void fibers_seed(uint64_t seed);
uint64_t fibers_random(void);
uint64_t fibers_below(uint64_t n);
bool fibers_chance(uint64_t n, uint64_t of);

/** The simulated clock, nanoseconds. */
int64_t fibers_realtime(void);
uint64_t fibers_monotonic(void);
void fibers_advance(uint64_t ns);
/** fibers_sleep(ns): the calling fiber waits until the clock has moved so far. */
void fibers_sleep(uint64_t ns);

/** process_start(main, arg): a new process, ready to run; returns its number. */
unsigned process_start(void (*main)(void *arg), void *arg);
/** process_current(): the process of the running fiber; PROCESSES_MAX in the scheduler. */
unsigned process_current(void);
bool process_ended(unsigned process); /* its main fiber returned, or it was killed */
bool process_killed(unsigned process);
/** process_kill(p): if it is the running one, does not return. */
void process_kill(unsigned process);
/** process_freeze(p, ns): it runs again when the clock has moved so far, or when nothing else can. */
void process_freeze(unsigned process, uint64_t ns);

/** fibers_yield(): let the scheduler choose again. */
void fibers_yield(void);
/** fibers_prefer(percent): how often the process that ran last goes on if it can. */
void fibers_prefer(unsigned percent);
/** fibers_hold(p, held): a process that is held is not chosen; for following a script. */
void fibers_hold(unsigned process, bool held);

/** fibers_run(between, arg): run until ${between} says stop: called in the scheduler before each
 *  choice; true: go on.  Returns false if processes are left that can never run again. */
bool fibers_run(bool (*between)(void *arg), void *arg);
/** fibers_run_one(p): let one process run on, up to its next yield; false: it can never again. */
bool fibers_run_one(unsigned process);
/** fibers_live(): processes that have not ended. */
unsigned fibers_live(void);
/** fibers_reset(): forget all processes; their memory stays with the program. */
void fibers_reset(void);

/* For fibers_threads.c. */
unsigned fiber_start(void (*fn)(void *), void *arg);
/** fiber_join(f): wait for its end. */
void fiber_join(unsigned fiber);
/** fiber_wait(on, ns): wait until fiber_wake(on), or for ${ns} (UINT64_MAX: for ever); false: the time
 *  was over. */
bool fiber_wait(const void *on, uint64_t ns);
void fiber_wake(const void *on, bool all);

/* For kernel.c: what a process held is released when it is killed. */
void fibers_on_kill(void (*released)(unsigned process));

#endif
