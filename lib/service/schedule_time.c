/* SPDX-License-Identifier: BSD-2-Clause */
/* The next run of a schedule, and the previous one. */
#include <string.h>
#include <time.h>

#include "service/schedule.h"

#define NS_PER_S INT64_C(1000000000)
#define DAY_S INT64_C(86400)
#define DAYS_MOST 400 /* longer than any distance, also where a month's only run falls out */

/* A day of local time. */
struct day {
    int64_t midnight; /* as if its local time were UTC */
    long offset
        [2]; /* of local time from UTC, before and behind a change on it; ascending by instant */
    unsigned week_day;
    unsigned month_day;
};

static int64_t
seconds_of(int64_t ns)
{
    return ns / NS_PER_S - (ns % NS_PER_S < 0 ? 1 : 0);
}

static long
offset_at(int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm tm = {0};

    return localtime_r(&at, &tm) != NULL ? tm.tm_gmtoff : 0;
}

/* The local day of ${now}, and ${further} days. */
static bool
day_find(int64_t now, int further, struct day *ret)
{
    time_t at = (time_t)now;
    struct tm tm = {0};

    if (localtime_r(&at, &tm) == NULL) {
        return false;
    }
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    ret->midnight = (int64_t)timegm(&tm) + further * DAY_S;
    at = (time_t)ret->midnight;
    if (gmtime_r(&at, &tm) == NULL) {
        return false;
    }
    ret->week_day = (unsigned)tm.tm_wday;
    ret->month_day = (unsigned)tm.tm_mday;
    ret->offset[0] = offset_at(ret->midnight - DAY_S);
    ret->offset[1] = offset_at(ret->midnight + 2 * DAY_S);
    return true;
}

static bool
day_is_due(const struct schedule *s, const struct day *d)
{
    return s->cycle < SCHEDULE_WEEKLY ||
           (s->days >> (s->cycle == SCHEDULE_WEEKLY ? d->week_day : d->month_day) & 1) != 0;
}

/*
 * When it is so many minutes after midnight by the clock; false: never on that day.  mktime(3) does not serve:
 * of a time that comes twice it takes the one that looks like the time it was last asked for.
 */
static bool
instant_of(const struct day *d, unsigned minute, int64_t *ret)
{
    for (unsigned i = 0; i < 2; i++) {
        int64_t seconds = d->midnight + minute * INT64_C(60) - d->offset[i];
        if (offset_at(seconds) == d->offset[i]) {
            *ret = seconds;
            return true;
        }
    }
    return false;
}

static unsigned
count_on_day(const struct schedule *s)
{
    unsigned count = s->time_count;

    if (s->cycle == SCHEDULE_HOURLY) {
        count = 24u * (unsigned)__builtin_popcountll(s->minutes);
    }
    return count;
}

/* The minute of the day of the ${i}th run. */
static unsigned
minute_on_day(const struct schedule *s, unsigned i)
{
    unsigned per_hour = (unsigned)__builtin_popcountll(s->minutes);
    unsigned left;
    unsigned minute = 0;

    if (s->cycle != SCHEDULE_HOURLY) {
        return s->times[i];
    }
    for (left = i % per_hour; left > 0 || (s->minutes >> minute & 1) == 0; minute++) {
        left -= (unsigned)(s->minutes >> minute & 1);
    }
    return i / per_hour * 60 + minute;
}

int64_t
schedule_next(const struct schedule *s, int64_t now)
{
    int64_t least = seconds_of(now) + (now % NS_PER_S != 0 ? 1 : 0);
    unsigned count = count_on_day(s);

    for (int further = 0; further <= DAYS_MOST; further++) {
        struct day d;
        if (!day_find(least, further, &d)) {
            break;
        }
        for (unsigned i = 0; i < count && day_is_due(s, &d); i++) {
            int64_t at;
            if (instant_of(&d, minute_on_day(s, i), &at) && at >= least) {
                return at * NS_PER_S;
            }
        }
    }
    return INT64_MAX;
}

int64_t
schedule_previous(const struct schedule *s, int64_t now)
{
    int64_t below = seconds_of(now) + (now % NS_PER_S != 0 ? 1 : 0);
    unsigned count = count_on_day(s);

    for (int back = 0; back <= DAYS_MOST; back++) {
        struct day d;
        if (!day_find(below, -back, &d)) {
            break;
        }
        for (unsigned i = count; i > 0 && day_is_due(s, &d); i--) {
            int64_t at;
            if (instant_of(&d, minute_on_day(s, i - 1), &at) && at < below) {
                return at * NS_PER_S;
            }
        }
    }
    return INT64_MIN;
}
