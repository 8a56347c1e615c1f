/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many channels help.  One channel of OpenSSH carries at most a window of 2 MiB a round trip
 * (both ways with the ssh command, upwards with libssh2), so on a long line several are faster; on a
 * short one a second only costs.
 *
 * On a long line it is plain when: the least loaded channel has more to do than its window carries
 * in the time that opening another one takes, and what the channels move is what their windows
 * allow (nothing was measured yet: up to FEW).  When as many calls are under way as the driver asks
 * for, as much again is expected to come: many small objects have little to do each, and wait for
 * one another.  Else, while every channel is busy, measure for a few
 * seconds; add one; measure again; go on as long as each brought at least 15 % more.  If one did
 * not, try again much later: the line may have changed.
 */
#include "storage/sftp_internal.h"

#define NS_PER_S UINT64_C(1000000000)

enum {
    MEASURE_S = 2,           /* at least */
    MEASURE_BYTES = 1 << 20, /* at least: less than this is no load at all */
    SETTLE_S = 120,          /* before trying again after one that did not help */
    REFUSED_S = 300,         /* after the server would not have another */
    FEW = 6,                 /* channels without a measurement, on a long line */
    OPENING_TRIPS = 9,       /* round trips until a channel can be used */
    LONG_TRIP_NS = 8000000,  /* from there on the window is what limits a channel */
    SHORT_MEASURE_MS = 500,
};
#define GAIN 1.15
#define CHANNEL_WINDOW (UINT64_C(2) << 20)
#define WINDOW_SHARE 0.45 /* of what windows allow: then they are what limits */

uint64_t
sftp_pool_bytes(const struct sftp_pool *p)
{
    uint64_t sum = p->bytes_retired;
    for (unsigned i = 0; i < p->count; i++) {
        struct sftp_counts counts;
        sftp_client_counts(p->channels[i]->client, &counts);
        sum += counts.bytes_sent + counts.bytes_received;
    }
    return sum;
}

void
sftp_grow_idle(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    for (unsigned i = 0; i < p->count; i++) {
        if (p->channels[i]->users == 0) {
            p->growth.since_ns = 0;
            return;
        }
    }
}

static bool
all_busy(const struct sftp_pool *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->channels[i]->users == 0) {
            return false;
        }
    }
    return p->count > 0;
}

static uint64_t
round_trip_ns(const struct sftp_pool *p)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < p->count; i++) {
        uint64_t trip = sftp_client_round_trip_ns(p->channels[i]->client);
        best = best == 0 || (trip != 0 && trip < best) ? trip : best;
    }
    return best;
}

bool
sftp_grow_long(const struct sftp *s, uint64_t load)
{
    return load > OPENING_TRIPS * CHANNEL_WINDOW && round_trip_ns(&s->pool) >= LONG_TRIP_NS;
}

/* The same for what is to be expected. */
static bool
has_long_to_do(const struct sftp *s, uint64_t load)
{
    bool saturated = s->pool.under_way >= SFTP_PARALLEL / 4 * 3;
    return sftp_grow_long(s, saturated ? 2 * load : load);
}

/* All channels have long to do on a long line, and their windows are what holds them. */
static bool
windows_are_full(const struct sftp *s, uint64_t now)
{
    const struct sftp_pool *p = &s->pool;
    const struct sftp_growth *g = &p->growth;
    for (unsigned i = 0; i < p->count; i++) {
        if (!has_long_to_do(s, p->channels[i]->load)) {
            return false;
        }
    }
    if (p->count + p->opening < FEW) {
        return true;
    }
    uint64_t took = g->since_ns != 0 ? now - g->since_ns : 0;
    if (p->opening > 0 || took < SHORT_MEASURE_MS * (NS_PER_S / 1000)) {
        return false;
    }
    double trips = (double)took / (double)round_trip_ns(p);
    double most = trips * (double)CHANNEL_WINDOW * p->count;
    return (double)(sftp_pool_bytes(p) - g->since_bytes) >= most * WINDOW_SHARE;
}

bool
sftp_grow_wanted(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    struct sftp_growth *g = &p->growth;
    if (p->opening >= SFTP_OPENING_MOST || p->count + p->opening >= s->most || !all_busy(p)) {
        return false;
    }
    uint64_t t = s->clock->monotonic(s->clock);
    if (t < g->not_before_ns) {
        return false;
    }
    if (windows_are_full(s, t)) {
        g->settled = false;
        g->rate_before = 0;
        return true;
    }
    if (p->opening > 0) {
        return false;
    }
    if (g->since_ns == 0) {
        g->since_ns = t;
        g->since_bytes = sftp_pool_bytes(p);
        return false;
    }
    uint64_t moved = sftp_pool_bytes(p) - g->since_bytes;
    if (t - g->since_ns < MEASURE_S * NS_PER_S || moved < MEASURE_BYTES) {
        return false;
    }
    double rate = (double)moved * (double)NS_PER_S / (double)(t - g->since_ns);
    if (!g->settled && g->rate_before > 0 && rate < g->rate_before * GAIN) {
        g->settled = true;
        g->not_before_ns = t + SETTLE_S * NS_PER_S;
        g->since_ns = 0;
        return false;
    }
    g->settled = false;
    g->rate_before = rate;
    return true;
}

void
sftp_grow_added(struct sftp *s, bool added)
{
    struct sftp_growth *g = &s->pool.growth;
    g->since_ns = 0;
    if (!added) {
        g->settled = true;
        g->not_before_ns = s->clock->monotonic(s->clock) + REFUSED_S * NS_PER_S;
    }
}
