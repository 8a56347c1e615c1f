/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rate_limit.h"

#define SECOND 1000000000ull

/* Send pieces of ${piece} bytes for ${seconds} of the clock, idle for ${idle_ns} first: bytes. */
static uint64_t
send_for(struct vv_rate_limit *l, struct vv_clock_manual *c, uint64_t seconds, uint64_t piece)
{
    uint64_t end = c->mono_ns + seconds * SECOND;
    uint64_t sent = 0;

    while (c->mono_ns < end) {
        vv_clock_manual_advance(c, vv_rate_limit_reserve(l, piece));
        sent += piece;
    }
    return sent;
}

static void
rate_limit__holds_to_five_per_cent(void **state)
{
    static const uint64_t rates[] = {1000, 1 << 20, 100u << 20};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct vv_clock_manual clock;
        struct vv_error err = {0};
        struct vv_rate_limit *l = NULL;
        uint64_t expected = rates[i] * 10;
        vv_clock_manual_init(&clock, 0);
        assert_int_equal(vv_rate_limit_new(&clock.base, rates[i], &l, &err), VV_OK);
        for (unsigned pause = 0; pause < 2; pause++) {
            uint64_t sent = send_for(l, &clock, 10, rates[i] / 100 + 1);
            assert_in_range(sent, expected - expected / 20, expected + expected / 20);
            vv_clock_manual_advance(&clock, 3600 * SECOND); /* idle time is not made up for */
        }
        vv_rate_limit_free(l);
    }
}

static void
rate_limit__zero_and_none_never_wait(void **state)
{
    struct vv_clock_manual clock;
    struct vv_error err = {0};
    struct vv_rate_limit *l = NULL;

    (void)state;
    vv_clock_manual_init(&clock, 0);
    assert_int_equal(vv_rate_limit_new(&clock.base, 0, &l, &err), VV_OK);
    assert_int_equal(vv_rate_limit_reserve(l, UINT64_MAX), 0);
    assert_int_equal(vv_rate_limit_reserve(l, 1), 0);
    vv_rate_limit_set(l, 1000);
    assert_int_equal(vv_rate_limit_reserve(l, 1000), 0);
    assert_in_range(vv_rate_limit_reserve(l, 1), SECOND * 9 / 10, SECOND);
    assert_int_equal(vv_rate_limit_reserve(NULL, 1), 0);
    vv_rate_limit_free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_limit__holds_to_five_per_cent),
        cmocka_unit_test(rate_limit__zero_and_none_never_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
