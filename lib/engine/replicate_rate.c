/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit on bandwidth and its daily schedule. */
#include <time.h>

#include "engine/replicate_internal.h"

#define PIECE (1u << 20)

uint64_t
rate_of(const struct replicate_rate *rates, size_t count, unsigned minute)
{
    uint64_t rate = 0;
    bool timed = false;

    for (size_t i = 0; i < count; i++) {
        const struct replicate_rate *r = &rates[i];
        bool always = r->from == r->to;
        bool now = always || (r->from < r->to ? minute >= r->from && minute < r->to
                                              : minute >= r->from || minute < r->to);
        if (now && (!always || !timed)) { /* a time of day goes before the rest of the day */
            rate = r->rate;
            timed = timed || !always;
        }
    }
    return rate;
}

static uint64_t
rate_now(const struct replication *run)
{
    time_t now = (time_t)(run->clock->realtime(run->clock) / INT64_C(1000000000));
    struct tm tm = {0};

    (void)localtime_r(&now, &tm);
    return rate_of(run->options->rates, run->options->rate_count,
                   (unsigned)tm.tm_hour * 60 + (unsigned)tm.tm_min);
}

enum vv_rc
rate_begin(struct replication *run, struct vv_error *err)
{
    if (run->options->rate_count == 0) {
        return VV_OK;
    }
    return vv_rate_limit_new(run->clock, rate_now(run), &run->rate, err);
}

enum vv_rc
rate_wait(struct destination *d, uint64_t bytes, struct vv_error *err)
{
    struct replication *run = d->run;

    if (run->rate == NULL) {
        return VV_OK;
    }
    for (uint64_t done = 0; done < bytes;) {
        uint64_t piece = bytes - done < PIECE ? bytes - done : PIECE;
        vv_rate_limit_set(run->rate, rate_now(run));
        if (d->paced) { /* the driver waits; the schedule is ours to keep */
            return VV_OK;
        }
        VV_TRY(pause_for(run, vv_rate_limit_reserve(run->rate, piece), err));
        done += piece;
    }
    return VV_OK;
}

enum vv_rc
rate_settle(struct destination *d, struct vv_error *err)
{
    if (d->run->rate == NULL || d->paced) {
        return VV_OK;
    }
    return pause_for(d->run, vv_rate_limit_reserve(d->run->rate, 0), err);
}
