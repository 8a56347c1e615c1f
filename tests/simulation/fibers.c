/* SPDX-License-Identifier: BSD-2-Clause */
/* Fibers by ucontext, and the scheduler. */
#include "simulation/fibers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core/error.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBERS_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBERS_THREAD_SANITIZER 1
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBERS_ADDRESS_SANITIZER 1
#endif
#ifdef FIBERS_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef FIBERS_ADDRESS_SANITIZER
/** What a killed process held is never given back, as in life. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

#define STACK_BYTES (1u << 20) /* reserved; used pages only are memory */
#define FIBERS_MAX 1024u
#define NEVER UINT64_MAX

enum fiber_state { FIBER_READY, FIBER_WAITING, FIBER_DONE };

struct fiber {
    ucontext_t context;
    enum fiber_state state;
    unsigned process;
    void (*fn)(void *);
    void *arg;
    const void *on; /* what it waits for; NULL: only for the clock */
    uint64_t until; /* monotonic ns; NEVER */
    bool timed_out;
    void *stack;
    void *fake_stack; /* of the sanitizer */
    int saved_errno;
};

struct process {
    unsigned main_fiber;
    bool ended;
    bool killed;
    bool held;
    uint64_t frozen_until; /* 0: not frozen */
};

static struct fiber fibers[FIBERS_MAX];
static unsigned fiber_count;
static struct process processes[PROCESSES_MAX];
static unsigned process_count;
static unsigned running; /* fiber; FIBERS_MAX: the scheduler */
static ucontext_t scheduler;
static void *free_stacks[FIBERS_MAX];
static unsigned free_stack_count;
static unsigned last_process;
static unsigned prefer_percent;
static void (*on_kill)(unsigned process);
static uint64_t random_state;
static int64_t real_ns;
static uint64_t mono_ns;
#ifdef FIBERS_ADDRESS_SANITIZER
static const void *scheduler_stack;
static size_t scheduler_stack_size;
#endif

bool
fibers_usable(void)
{
#ifdef FIBERS_THREAD_SANITIZER
    return false;
#else
    return true;
#endif
}

/* --- numbers and time -------------------------------------------------------------------------- */

void
fibers_seed(uint64_t seed)
{
    random_state = seed;
    real_ns = INT64_C(1900000000000000000);
    mono_ns = UINT64_C(1000000000);
}

uint64_t
fibers_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t
fibers_below(uint64_t n)
{
    return fibers_random() % n;
}

bool
fibers_chance(uint64_t n, uint64_t of)
{
    return fibers_below(of) < n;
}

int64_t
fibers_realtime(void)
{
    return real_ns;
}

uint64_t
fibers_monotonic(void)
{
    return mono_ns;
}

void
fibers_advance(uint64_t ns)
{
    real_ns += (int64_t)ns;
    mono_ns += ns;
}

/* --- switching --------------------------------------------------------------------------------- */

static void
to_scheduler(bool for_ever)
{
    struct fiber *f = &fibers[running];

    f->saved_errno = errno;
    running = FIBERS_MAX;
#ifdef FIBERS_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(for_ever ? NULL : &f->fake_stack, scheduler_stack,
                                   scheduler_stack_size);
#else
    (void)for_ever;
#endif
    if (swapcontext(&f->context, &scheduler) != 0) {
        abort();
    }
#ifdef FIBERS_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(f->fake_stack, &scheduler_stack, &scheduler_stack_size);
#endif
    errno = f->saved_errno;
}

static void
to_fiber(unsigned n)
{
    running = n;
    last_process = fibers[n].process;
#ifdef FIBERS_ADDRESS_SANITIZER
    void *fake = NULL;
    __sanitizer_start_switch_fiber(&fake, fibers[n].stack, STACK_BYTES);
#endif
    if (swapcontext(&scheduler, &fibers[n].context) != 0) {
        abort();
    }
#ifdef FIBERS_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
    if (fibers[n].state == FIBER_DONE && fibers[n].stack != NULL) {
        free_stacks[free_stack_count++] = fibers[n].stack;
        fibers[n].stack = NULL;
    }
}

static void
fiber_main(void)
{
    struct fiber *f = &fibers[running];

#ifdef FIBERS_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_stack_size);
#endif
    f->fn(f->arg);
    f->state = FIBER_DONE;
    if (processes[f->process].main_fiber == running) {
        processes[f->process].ended = true;
    }
    fiber_wake(f, true);
    to_scheduler(true);
    abort();
}

static unsigned
add_fiber(unsigned process, void (*fn)(void *), void *arg)
{
    struct fiber *f = &fibers[fiber_count];

    if (fiber_count == FIBERS_MAX) {
        abort();
    }
    *f = (struct fiber){.process = process, .fn = fn, .arg = arg, .until = NEVER};
    f->stack = free_stack_count > 0 ? free_stacks[--free_stack_count]
                                    : mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->stack == MAP_FAILED || getcontext(&f->context) != 0) {
        abort();
    }
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&f->context, fiber_main, 0);
    return fiber_count++;
}

unsigned
fiber_start(void (*fn)(void *), void *arg)
{
    return add_fiber(fibers[running].process, fn, arg);
}

void
fiber_join(unsigned fiber)
{
    while (fibers[fiber].state != FIBER_DONE) {
        (void)fiber_wait(&fibers[fiber], NEVER);
    }
}

bool
fiber_wait(const void *on, uint64_t ns)
{
    struct fiber *f = &fibers[running];

    if (running == FIBERS_MAX) {
        abort(); /* the scheduler's own code has nobody to wait for */
    }
    f->on = on;
    f->until = ns == NEVER ? NEVER : mono_ns + ns;
    f->timed_out = false;
    f->state = FIBER_WAITING;
    to_scheduler(false);
    return !f->timed_out;
}

void
fiber_wake(const void *on, bool all)
{
    unsigned waiting[FIBERS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < fiber_count; i++) {
        if (fibers[i].state == FIBER_WAITING && fibers[i].on == on) {
            waiting[count++] = i;
        }
    }
    if (count > 0 && !all) {
        waiting[0] = waiting[count == 1 ? 0 : fibers_below(count)];
        count = 1;
    }
    for (unsigned i = 0; i < count; i++) {
        fibers[waiting[i]].state = FIBER_READY;
    }
}

void
fibers_sleep(uint64_t ns)
{
    if (running == FIBERS_MAX) {
        fibers_advance(ns);
        return;
    }
    (void)fiber_wait(NULL, ns);
}

void
fibers_yield(void)
{
    if (running != FIBERS_MAX) {
        to_scheduler(false);
    }
}

/* --- processes --------------------------------------------------------------------------------- */

unsigned
process_start(void (*main)(void *arg), void *arg)
{
    unsigned p = process_count++;

    if (p == PROCESSES_MAX) {
        abort();
    }
    processes[p] = (struct process){0};
    processes[p].main_fiber = add_fiber(p, main, arg);
    return p;
}

unsigned
process_current(void)
{
    return running == FIBERS_MAX ? PROCESSES_MAX : fibers[running].process;
}

bool
process_ended(unsigned process)
{
    return processes[process].ended;
}

bool
process_killed(unsigned process)
{
    return processes[process].killed;
}

void
process_kill(unsigned process)
{
    processes[process].ended = true;
    processes[process].killed = true;
    if (on_kill != NULL) {
        on_kill(process);
    }
    if (process_current() == process) {
        to_scheduler(false);
        abort();
    }
}

void
process_freeze(unsigned process, uint64_t ns)
{
    processes[process].frozen_until = mono_ns + ns;
}

void
fibers_on_kill(void (*released)(unsigned process))
{
    on_kill = released;
}

void
fibers_prefer(unsigned percent)
{
    prefer_percent = percent;
}

void
fibers_hold(unsigned process, bool held)
{
    processes[process].held = held;
}

unsigned
fibers_live(void)
{
    unsigned live = 0;

    for (unsigned i = 0; i < process_count; i++) {
        live += !processes[i].ended;
    }
    return live;
}

void
fibers_reset(void)
{
    for (unsigned i = 0; i < fiber_count; i++) {
        if (fibers[i].stack != NULL) {
            free_stacks[free_stack_count++] = fibers[i].stack;
            fibers[i].stack = NULL;
        }
    }
    fiber_count = 0;
    process_count = 0;
}

/* --- choosing ---------------------------------------------------------------------------------- */

static bool
can_run(const struct process *p)
{
    return !p->ended && !p->held && (p->frozen_until == 0 || p->frozen_until <= mono_ns);
}

/** Ready fibers of processes that can run, of ${only} alone if it is one; FIBERS_MAX: none. */
static unsigned
choose(unsigned only)
{
    unsigned ready[FIBERS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < fiber_count; i++) {
        struct fiber *f = &fibers[i];
        if (!can_run(&processes[f->process]) || (only != PROCESSES_MAX && f->process != only)) {
            continue;
        }
        if (f->state == FIBER_WAITING && f->until <= mono_ns) {
            f->state = FIBER_READY;
            f->timed_out = true;
        }
        if (f->state == FIBER_READY) {
            ready[count++] = i;
        }
    }
    return count == 0 ? FIBERS_MAX : ready[count == 1 ? 0 : fibers_below(count)];
}

/** Nobody can run: go to the next moment at which somebody can; false: there is none. */
static bool
pass_time(void)
{
    uint64_t next = NEVER;

    for (unsigned i = 0; i < fiber_count; i++) {
        const struct fiber *f = &fibers[i];
        if (can_run(&processes[f->process]) && f->state == FIBER_WAITING && f->until < next) {
            next = f->until;
        }
    }
    for (unsigned i = 0; i < process_count; i++) {
        const struct process *p = &processes[i];
        if (!p->ended && !p->held && p->frozen_until > mono_ns && p->frozen_until < next) {
            next = p->frozen_until;
        }
    }
    if (next == NEVER) {
        return false;
    }
    if (next > mono_ns) {
        fibers_advance(next - mono_ns);
    }
    return true;
}

bool
fibers_run(bool (*between)(void *arg), void *arg)
{
    running = FIBERS_MAX;
    while (between(arg)) {
        unsigned n = FIBERS_MAX;
        if (fibers_live() == 0) {
            return true;
        }
        if (last_process < process_count && fibers_chance(prefer_percent, 100)) {
            n = choose(last_process);
        }
        if (n == FIBERS_MAX) {
            n = choose(PROCESSES_MAX);
        }
        if (n != FIBERS_MAX) {
            to_fiber(n);
        } else if (!pass_time()) {
            return false;
        }
    }
    return true;
}

bool
fibers_run_one(unsigned process)
{
    unsigned n = choose(process);

    running = FIBERS_MAX;
    while (n == FIBERS_MAX && pass_time()) {
        n = choose(process);
    }
    if (n == FIBERS_MAX) {
        return false;
    }
    to_fiber(n);
    return true;
}
