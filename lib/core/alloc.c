/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator of lib/: malloc, with a switch that makes a chosen allocation fail. */
#include "core/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20) /* of x86-64, and of arm64 with pages of 4 KiB */

/* While `armed` is clear (always, outside tests) an allocation costs one relaxed load more. */
static atomic_bool armed;
static atomic_bool fail_later_too;
static _Atomic uint64_t fail_nth;
static _Atomic uint64_t asked;

static bool
armed_must_fail(void)
{
    uint64_t nth = atomic_fetch_add(&asked, 1) + 1;
    uint64_t target = atomic_load(&fail_nth);

    return nth == target || (nth > target && atomic_load(&fail_later_too));
}

static inline bool
must_fail(void)
{
    return __builtin_expect(atomic_load_explicit(&armed, memory_order_relaxed), false) &&
           armed_must_fail();
}

/* ${count} * ${size} bytes, at least one, in ${ret}; false if no object can be that large.  Decided
 * here since sanitizers end the process where malloc would return NULL. */
static inline bool
object_size(size_t count, size_t size, size_t *ret)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n) || n > PTRDIFF_MAX) {
        return false;
    }
    *ret = n > 0 ? n : 1;
    return true;
}

void *
vv_alloc(size_t n)
{
    if (must_fail() || !object_size(n, 1, &n)) {
        return NULL;
    }
    return malloc(n);
}

void *
vv_alloc_to_fill(size_t n, size_t filled)
{
    void *p;

    if (filled < HUGE_PAGE) {
        return vv_alloc(n);
    }
    if (must_fail() || !object_size(n, 1, &n) || posix_memalign(&p, HUGE_PAGE, n) != 0) {
        return NULL;
    }
    (void)madvise(p, filled - filled % HUGE_PAGE, MADV_HUGEPAGE); /* a hint */
    return p;
}

void *
vv_alloc_array(size_t count, size_t size)
{
    size_t n;

    if (must_fail() || !object_size(count, size, &n)) {
        return NULL;
    }
    return calloc(1, n);
}

void *
vv_realloc_array(void *p, size_t count, size_t size)
{
    size_t n;

    if (must_fail() || !object_size(count, size, &n)) {
        return NULL;
    }
    return realloc(p, n); /* n > 0: realloc(p, 0) would free */
}

void
vv_free(void *p)
{
    free(p);
}

char *
vv_strdup(const char *s)
{
    return vv_memdup(s, strlen(s));
}

void *
vv_memdup(const void *p, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = vv_alloc(n + 1);

    if (copy == NULL) {
        return NULL;
    }
    if (n > 0) {
        memcpy(copy, p, n);
    }
    copy[n] = '\0';
    return copy;
}

void
vv_alloc_fail_at(uint64_t nth, int and_after)
{
    atomic_store(&armed, false);
    if (nth == 0) {
        return; /* the count stays readable */
    }
    atomic_store(&asked, 0);
    atomic_store(&fail_nth, nth);
    atomic_store(&fail_later_too, and_after != 0);
    atomic_store(&armed, true);
}

uint64_t
vv_alloc_count(void)
{
    return atomic_load(&asked);
}
