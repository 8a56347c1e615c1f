/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_ALLOC_H
#define VARVE_CORE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/*
 * Memory for lib/.  All of lib/ allocates through these calls, so that a test can make the
 * k-th allocation fail (once or for ever) and see that nothing leaks, crashes or lies.
 */

/** vv_alloc(n): ${n} bytes (at least one), NULL if there is no memory.  Not cleared. */
void *vv_alloc(size_t n) __attribute__((malloc));

/** vv_alloc_to_fill(n, filled): as vv_alloc, for what is going to be filled from its beginning, up to
 *  ${filled} <= ${n} bytes: as much of that as fills huge pages (2 MiB) lies in such, of which the first
 *  touch costs one fault instead of 512, and takes all of its memory. */
void *vv_alloc_to_fill(size_t n, size_t filled) __attribute__((malloc));

/** vv_alloc_array(count, size): ${count} * ${size} cleared bytes; NULL on overflow too. */
void *vv_alloc_array(size_t count, size_t size) __attribute__((malloc));

/** vv_realloc_array(p, count, size): as reallocarray(3); on NULL, ${p} is still the caller's. */
void *vv_realloc_array(void *p, size_t count, size_t size);

/** vv_free(p): release; NULL is allowed. */
void vv_free(void *p);

/** vv_strdup(s), vv_memdup(p, n): copies; vv_memdup appends a NUL byte after the n bytes. */
char *vv_strdup(const char *s) __attribute__((malloc));
void *vv_memdup(const void *p, size_t n) __attribute__((malloc));

/** Cleanup for locals: VV_CLEANUP(vv_freep) char *name = ... */
static inline void
vv_freep(void *pointer_to_pointer)
{
    vv_free(*(void **)pointer_to_pointer);
}

/** For tests: let allocation number ${nth} (counted from 1, from now) fail, and every later one
 *  too if ${and_after}; 0 switches it off.  vv_alloc_count() tells how many were asked for while it
 *  was on (UINT64_MAX only counts).  One switch for all threads. */
void vv_alloc_fail_at(uint64_t nth, int and_after);
uint64_t vv_alloc_count(void);

#endif
