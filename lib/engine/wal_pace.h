/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_PACE_H
#define VARVE_ENGINE_WAL_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a receiver publishes: while there is something, about once a second, and never more often; if
 * publishing takes longer, after a pause of a quarter of that; after a failure later and later, up to
 * half a minute.  Computes only; times are of the monotonic clock, in ns.
 */
#define WAL_PACE_NEVER UINT64_MAX
struct wal_pace {
    bool began;
    uint64_t start; /* of the last publication */
    uint64_t took;
    unsigned failures; /* since the last success */
};
/** wal_pace_wait(p, now, pending): how long to wait from ${now} on; WAL_PACE_NEVER if nothing is
 *  ${pending}. */
uint64_t wal_pace_wait(const struct wal_pace *p, uint64_t now, bool pending);
/** wal_pace_ran(p, start, end, ok): a publication was tried. */
void wal_pace_ran(struct wal_pace *p, uint64_t start, uint64_t end, bool ok);

#endif
