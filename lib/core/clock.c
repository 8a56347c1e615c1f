/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's clocks, a clock for tests, and times as text. */
#include "core/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000

static int64_t
system_realtime(const struct vv_clock *c)
{
    struct timespec ts;

    (void)c;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static uint64_t
system_monotonic(const struct vv_clock *c)
{
    struct timespec ts;

    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void
system_sleep(const struct vv_clock *c, uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

    (void)c;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

const struct vv_clock *
vv_clock_system(void)
{
    static const struct vv_clock clock = {
        .realtime = system_realtime,
        .monotonic = system_monotonic,
        .sleep = system_sleep,
    };

    return &clock;
}

/* The fields are read and moved with relaxed atomics: threads under test may share a clock. */
static int64_t
manual_realtime(const struct vv_clock *c)
{
    const struct vv_clock_manual *m = (const struct vv_clock_manual *)c;

    return __atomic_load_n(&m->real_ns, __ATOMIC_RELAXED);
}

static uint64_t
manual_monotonic(const struct vv_clock *c)
{
    const struct vv_clock_manual *m = (const struct vv_clock_manual *)c;

    return __atomic_load_n(&m->mono_ns, __ATOMIC_RELAXED);
}

static void
manual_sleep(const struct vv_clock *c, uint64_t ns)
{
    /* Sleeping moves this clock, which its users see as constant. */
    vv_clock_manual_advance((struct vv_clock_manual *)(uintptr_t)c, ns);
}

void
vv_clock_manual_init(struct vv_clock_manual *c, int64_t real_ns)
{
    *c = (struct vv_clock_manual){
        .base = {.realtime = manual_realtime, .monotonic = manual_monotonic, .sleep = manual_sleep},
        .real_ns = real_ns,
        .mono_ns = NS_PER_S, /* not 0, which users like to take for "never" */
    };
}

void
vv_clock_manual_advance(struct vv_clock_manual *c, uint64_t ns)
{
    __atomic_fetch_add(&c->mono_ns, ns, __ATOMIC_RELAXED);
    __atomic_fetch_add(&c->real_ns, (int64_t)ns, __ATOMIC_RELAXED);
}

/* Local time; ${separator} stands between date and time, ${fraction} asks for nanoseconds. */
static void
format_time(int64_t ns, char separator, bool fraction, char out[VV_TIME_TEXT])
{
    int64_t seconds = ns / NS_PER_S;
    int64_t rest = ns % NS_PER_S;
    char digits[16] = "";
    struct tm tm;

    if (rest < 0) {
        seconds--;
        rest += NS_PER_S;
    }
    time_t t = (time_t)seconds;
    if (localtime_r(&t, &tm) == NULL && gmtime_r(&t, &tm) == NULL) {
        tm = (struct tm){.tm_year = 70, .tm_mday = 1}; /* cannot be: 64-bit ns span 1677 to 2262 */
    }
    if (fraction) {
        snprintf(digits, sizeof(digits), ".%09u", (unsigned)rest);
    }
    long offset = tm.tm_gmtoff / 60;
    char sign = offset < 0 ? '-' : '+';
    unsigned minutes = (unsigned)(offset < 0 ? -offset : offset);
    snprintf(out, VV_TIME_TEXT, "%04u-%02u-%02u%c%02u:%02u:%02u%s%c%02u:%02u",
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
             (unsigned)tm.tm_mday % 100, separator, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, digits, sign, minutes / 60 % 100,
             minutes % 60);
}

void
vv_time_format(int64_t ns, char out[VV_TIME_TEXT])
{
    format_time(ns, ' ', false, out);
}

void
vv_time_format_iso(int64_t ns, char out[VV_TIME_TEXT])
{
    format_time(ns, 'T', true, out);
}
