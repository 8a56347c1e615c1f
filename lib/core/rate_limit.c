/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit on bytes a second: a moment before which the line is spoken for. */
#include "core/rate_limit.h"

#include "core/alloc.h"
#include "core/thread.h"

enum { KEPT_NS = 100 * 1000 * 1000 }; /* unused time that may be made up for */

struct vv_rate_limit {
    const struct vv_clock *clock;
    struct vv_mutex lock; /* guards what follows */
    uint64_t rate;
    uint64_t free_at; /* monotonic: everything reserved so far has passed by then */
};

enum vv_rc
vv_rate_limit_new(const struct vv_clock *clock, uint64_t rate, struct vv_rate_limit **ret,
                  struct vv_error *err)
{
    struct vv_rate_limit *l = vv_alloc_array(1, sizeof(*l));

    if (l == NULL) {
        return vv_error_nomem(err);
    }
    l->clock = clock != NULL ? clock : vv_clock_system();
    vv_mutex_init(&l->lock);
    l->rate = rate;
    l->free_at = l->clock->monotonic(l->clock);
    *ret = l;
    return VV_OK;
}

void
vv_rate_limit_free(struct vv_rate_limit *l)
{
    if (l != NULL) {
        vv_mutex_release(&l->lock);
        vv_free(l);
    }
}

void
vv_rate_limit_set(struct vv_rate_limit *l, uint64_t rate)
{
    vv_mutex_lock(&l->lock);
    l->rate = rate;
    vv_mutex_unlock(&l->lock);
}

uint64_t
vv_rate_limit_reserve(struct vv_rate_limit *l, uint64_t bytes)
{
    uint64_t now;
    uint64_t wait = 0;

    if (l == NULL) {
        return 0;
    }
    vv_mutex_lock(&l->lock);
    now = l->clock->monotonic(l->clock);
    if (l->rate == 0) {
        l->free_at = now;
    } else {
        uint64_t oldest = now > KEPT_NS ? now - KEPT_NS : 0;
        if (l->free_at < oldest) {
            l->free_at = oldest;
        }
        wait = l->free_at > now ? l->free_at - now : 0;
        l->free_at += (uint64_t)((__uint128_t)bytes * 1000000000u / l->rate);
    }
    vv_mutex_unlock(&l->lock);
    return wait;
}
