/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many channels help.  One channel of OpenSSH carries at most 2 MiB a round trip upwards, so on
 * a long line several are faster; on a short one a second only costs.  So: while every channel is
 * busy, measure for a few seconds; add one; measure again; go on as long as each brought at least
 * 15 % more.  If one did not, try again much later: the line may have changed.
 */
#include "storage/sftp_internal.h"

#define NS_PER_S UINT64_C(1000000000)

enum {
    MEASURE_S = 2,           /* at least */
    MEASURE_BYTES = 1 << 20, /* at least: less than this is no load at all */
    SETTLE_S = 120,          /* before trying again after one that did not help */
    REFUSED_S = 300,         /* after the server would not have another */
};
#define GAIN 1.15

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

bool
sftp_grow_wanted(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    struct sftp_growth *g = &p->growth;
    if (p->opening || p->count >= s->most || !all_busy(p)) {
        return false;
    }
    uint64_t t = s->clock->monotonic(s->clock);
    if (t < g->not_before_ns) {
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
