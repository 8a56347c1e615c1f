/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A day within minutes: loaded before a program (LD_PRELOAD) whose clocks shall run FAST_CLOCK_SPEED times as
 * fast since FAST_CLOCK_ORIGIN (ns since 1970; of the monotonic clock: FAST_CLOCK_MONOTONIC), and whose waiting
 * shall be as much shorter.  The coarse clocks stay as they are: what is compared with the kernel's times of
 * files is read from these, which libfaketime cannot know.
 *
 *   cc -O2 -shared -fPIC -o fast_clock.so fast_clock.c
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static int64_t
setting(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static int64_t
speed(void)
{
    int64_t n = setting("FAST_CLOCK_SPEED");

    return n > 0 ? n : 1;
}

static int64_t
origin(clockid_t id)
{
    return setting(id == CLOCK_REALTIME ? "FAST_CLOCK_ORIGIN" : "FAST_CLOCK_MONOTONIC");
}

static int64_t
real_ns(clockid_t id)
{
    struct timespec ts = {0};

    (void)syscall(SYS_clock_gettime, id, &ts);
    return ts.tv_sec * SECOND + ts.tv_nsec;
}

static struct timespec
to_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static int64_t
fast_ns(clockid_t id)
{
    return origin(id) + (real_ns(id) - origin(id)) * speed();
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC) {
        return (int)syscall(SYS_clock_gettime, id, ts);
    }
    *ts = to_timespec(fast_ns(id));
    return 0;
}

time_t
time(time_t *ret)
{
    time_t now = fast_ns(CLOCK_REALTIME) / SECOND;

    if (ret != NULL) {
        *ret = now;
    }
    return now;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    int64_t ns = fast_ns(CLOCK_REALTIME);

    (void)zone;
    *tv = (struct timeval){.tv_sec = ns / SECOND, .tv_usec = ns % SECOND / 1000};
    return 0;
}

int
poll(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec wait = to_timespec((int64_t)ms * 1000000 / speed());

    return ppoll(fds, count, ms < 0 ? NULL : &wait, NULL);
}

int
clock_nanosleep(clockid_t id, int flags, const struct timespec *wanted, struct timespec *left)
{
    struct timespec wait = to_timespec((wanted->tv_sec * SECOND + wanted->tv_nsec) / speed());

    (void)left;
    (void)flags; /* relative ones only */
    (void)syscall(SYS_clock_nanosleep, id, 0, &wait, NULL);
    return 0;
}

int
pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                       const struct timespec *restrict until)
{
    int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    int64_t from = origin(CLOCK_MONOTONIC); /* the clock of every condition in varve */
    struct timespec real =
        to_timespec(from + (until->tv_sec * SECOND + until->tv_nsec - from) / speed());

    *(void **)&next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    return next(cond, mutex, &real);
}
