/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_CLOCK_H
#define VARVE_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/** Time as a dependency, so that tests can fake it.  Nanoseconds throughout. */
struct vv_clock {
    int64_t (*realtime)(const struct vv_clock *);   /* since 1970-01-01 UTC */
    uint64_t (*monotonic)(const struct vv_clock *); /* since an arbitrary moment; never goes back */
    void (*sleep)(const struct vv_clock *, uint64_t ns);
};

/** vv_clock_system(): the machine's clocks. */
const struct vv_clock *vv_clock_system(void);

/** A clock that moves only when told (by tests, or by sleeping on it). */
struct vv_clock_manual {
    struct vv_clock base;
    int64_t real_ns;
    uint64_t mono_ns;
};
void vv_clock_manual_init(struct vv_clock_manual *c, int64_t real_ns);
void vv_clock_manual_advance(struct vv_clock_manual *c, uint64_t ns);

/** vv_time_format(ns, out): local time with its zone, "2026-11-22 15:15:45+00:00"; ${out} holds at
 *  least 40 bytes.  vv_time_format_iso: RFC 3339 with nanoseconds, for JSON
 *  ("2026-11-22T15:15:45.123456789+00:00"). */
#define VV_TIME_TEXT 48
void vv_time_format(int64_t ns, char out[VV_TIME_TEXT]);
void vv_time_format_iso(int64_t ns, char out[VV_TIME_TEXT]);

#endif
