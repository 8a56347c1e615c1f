/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_ARENA_H
#define VARVE_CORE_ARENA_H

#include <stddef.h>

/** Memory released all at once.  Initialise with {0}.  Not thread-safe: one owner at a time. */
struct vv_arena {
    struct vv_arena_block *newest;
    size_t used; /* bytes handed out since the last reset */
};

/** vv_arena_alloc(a, n): ${n} bytes aligned for any type, not cleared; NULL if out of memory. */
void *vv_arena_alloc(struct vv_arena *a, size_t n);
/** vv_arena_copy(a, p, n): a copy of ${n} bytes, with a NUL byte behind them. */
void *vv_arena_copy(struct vv_arena *a, const void *p, size_t n);
/** vv_arena_reset(a): forget everything handed out; keeps one block for reuse. */
void vv_arena_reset(struct vv_arena *a);
/** vv_arena_release(a): give all memory back, to {0}. */
void vv_arena_release(struct vv_arena *a);

#endif
