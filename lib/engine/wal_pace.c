/* SPDX-License-Identifier: BSD-2-Clause */
/* When a receiver publishes. */
#include "engine/wal_pace.h"

#define SECOND UINT64_C(1000000000)
#define SHARE 4u              /* a part of so many of the time publishing takes is a pause */
#define LONGEST (30 * SECOND) /* between attempts */
#define FAILURES_COUNTED 5u   /* 1, 2, 4, 8, 16 s */

uint64_t
wal_pace_wait(const struct wal_pace *p, uint64_t now, bool pending)
{
    uint64_t interval = SECOND;
    uint64_t passed = now - p->start;

    if (!pending) {
        return WAL_PACE_NEVER;
    }
    if (!p->began) {
        return 0;
    }
    if (p->took + p->took / SHARE > interval) {
        interval = p->took + p->took / SHARE;
    }
    if (p->failures > 0) {
        unsigned doublings = p->failures < FAILURES_COUNTED ? p->failures : FAILURES_COUNTED;
        uint64_t later = p->took + (SECOND << doublings);
        interval = later > interval ? later : interval;
        interval = interval < LONGEST ? interval : LONGEST;
        interval = interval > p->took ? interval : p->took + SECOND;
    }
    return passed >= interval ? 0 : interval - passed;
}

void
wal_pace_ran(struct wal_pace *p, uint64_t start, uint64_t end, bool ok)
{
    p->began = true;
    p->start = start;
    p->took = end > start ? end - start : 0;
    p->failures = ok ? 0 : p->failures + 1;
}
