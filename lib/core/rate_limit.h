/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_RATE_LIMIT_H
#define VARVE_CORE_RATE_LIMIT_H

#include "core/clock.h"
#include "core/error.h"

/** A limit on bytes a second, shared by everything that moves bytes over one line.  Thread-safe. */
struct vv_rate_limit;

/** vv_rate_limit_new(clock, rate, ret, err): ${rate} bytes a second; 0: no limit.  Unused time is
 *  kept for at most a tenth of a second of ${rate}, so that over ten seconds no more than 5 % too
 *  much passes. */
MUST_CHECK enum vv_rc vv_rate_limit_new(const struct vv_clock *clock, uint64_t rate,
                                        struct vv_rate_limit **ret, struct vv_error *err);
void vv_rate_limit_free(struct vv_rate_limit *l);
VV_DEFINE_CLEANUP(struct vv_rate_limit, vv_rate_limit_free);
/** vv_rate_limit_set(l, rate): from now on (a schedule's next part begins). */
void vv_rate_limit_set(struct vv_rate_limit *l, uint64_t rate);
/** vv_rate_limit_reserve(l, bytes): they will be sent; returns for how many nanoseconds the caller
 *  must wait before it sends them (0: now).  A NULL ${l} never waits.  Never sleeps itself. */
uint64_t vv_rate_limit_reserve(struct vv_rate_limit *l, uint64_t bytes);

#endif
