/* SPDX-License-Identifier: BSD-2-Clause */
/* For unit tests: make every allocation of a piece of code fail in turn. */
#ifndef VARVE_TESTS_ALLOC_SWEEP_H
#define VARVE_TESTS_ALLOC_SWEEP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/error.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOC_SWEEP_LEAK_CHECK 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ALLOC_SWEEP_LEAK_CHECK 1
#endif
#ifdef ALLOC_SWEEP_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
#endif

#define ALLOC_SWEEP_MAX 1000000

/** What is swept: does everything from start to clean-up, so that it can run again and again.
 *  Releases what it took in every case; asserts what must hold after a failure (outputs untouched).
 */
typedef enum vv_rc alloc_sweep_fn(void *arg, struct vv_error *err);

static inline uint64_t
alloc_sweep_mode(alloc_sweep_fn *run, void *arg, bool and_after, bool may_cope)
{
    for (uint64_t k = 1; k < ALLOC_SWEEP_MAX; k++) {
        struct vv_error err = {0};
        vv_alloc_fail_at(k, and_after);
        enum vv_rc rc = run(arg, &err);
        bool failed_one = vv_alloc_count() >= k;
        vv_alloc_fail_at(0, 0);
        if (!failed_one) {
            assert_int_equal(rc, VV_OK);
            return k - 1;
        }
        if (may_cope && rc == VV_OK) {
            continue;
        }
        if (rc != VV_ENOMEM || err.rc != VV_ENOMEM) {
            fail_msg("allocation %llu failed: got '%s' with '%s' (%s)", (unsigned long long)k,
                     vv_rc_name(rc), vv_rc_name(err.rc), err.message);
        }
    }
    fail_msg("still allocating after %d allocations", ALLOC_SWEEP_MAX);
    return 0;
}

static inline uint64_t
alloc_sweep_both(alloc_sweep_fn *run, void *arg, bool may_cope)
{
    /* Alone (a fallback may hide the error), then with everything after it (clean-up that
     * allocates). */
    uint64_t count = alloc_sweep_mode(run, arg, false, may_cope);
    alloc_sweep_mode(run, arg, true, may_cope);
#ifdef ALLOC_SWEEP_LEAK_CHECK
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
#endif
    return count;
}

/** alloc_sweep(run, arg): run with the 1st, 2nd, ... allocation failing, each alone and with all
 *  later ones, until run gets through without meeting the failure.  Every failure must come back as
 *  VV_ENOMEM (as result and in err); nothing may leak (seen when built with AddressSanitizer).
 *  Returns the number of allocations of a successful run: assert that it is not 0. */
static inline uint64_t
alloc_sweep(alloc_sweep_fn *run, void *arg)
{
    return alloc_sweep_both(run, arg, false);
}

/** alloc_sweep_coping(run, arg): the same for code that may also do without the memory and return
 *  VV_OK (run then checks that the result is right all the same). */
static inline uint64_t
alloc_sweep_coping(alloc_sweep_fn *run, void *arg)
{
    return alloc_sweep_both(run, arg, true);
}

#endif
