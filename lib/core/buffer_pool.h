/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_BUFFER_POOL_H
#define VARVE_CORE_BUFFER_POOL_H

#include "core/bytes.h"
#include "core/thread.h"

/**
 * Buffers kept for whoever needs one next.  Large ones that are freed go back to the system, and when
 * they come again each page costs a fault, which is more than filling it.  Thread-safe.
 */
#define BUFFER_POOL_KEPT 4u
struct buffer_pool {
    struct vv_mutex lock;
    size_t bytes_max; /* of all that are kept */
    size_t bytes;
    struct vv_buf kept[BUFFER_POOL_KEPT];
};

void buffer_pool_init(struct buffer_pool *p, size_t bytes_max);
/** buffer_pool_release(p): all that were given back; those still out are their owners'. */
void buffer_pool_release(struct buffer_pool *p);
/** buffer_pool_take(p): an empty buffer, with memory if there is any; the caller's. */
struct vv_buf buffer_pool_take(struct buffer_pool *p);
/** buffer_pool_give(p, buf): keep its memory, or release it where that would be too much; ${buf} is
 *  empty afterwards. */
void buffer_pool_give(struct buffer_pool *p, struct vv_buf *buf);

#endif
