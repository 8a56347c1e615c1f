/* SPDX-License-Identifier: BSD-2-Clause */
/* How often a receiver of WAL publishes, on a clock that is made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/wal_pace.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)

/** Run for so long: WAL comes every ${every} ns (0: never), publishing takes ${took} and succeeds or
 *  not.  How many publications were tried? */
static unsigned
simulate(uint64_t length, uint64_t every, uint64_t took, bool ok, uint64_t *ret_least)
{
    struct wal_pace p = {0};
    uint64_t begin = 17 * SECOND;
    uint64_t now = begin;
    uint64_t next_wal = every > 0 ? now + every : UINT64_MAX;
    uint64_t last = 0;
    bool pending = false;
    unsigned count = 0;

    *ret_least = UINT64_MAX;
    while (now < begin + length) {
        uint64_t wait;
        if (now >= next_wal) {
            pending = true;
            next_wal += ((now - next_wal) / every + 1) * every;
        }
        wait = wal_pace_wait(&p, now, pending);
        if (wait == 0) {
            if (count > 0 && now - last < *ret_least) {
                *ret_least = now - last;
            }
            last = now;
            count++;
            wal_pace_ran(&p, now, now + took, ok);
            now += took;
            pending = pending && !ok;
        } else if (wait != WAL_PACE_NEVER && (pending || now + wait < next_wal)) {
            now += wait;
        } else {
            now = next_wal == UINT64_MAX ? begin + length : next_wal;
        }
    }
    return count;
}

static void
idle__publishes_nothing_in_a_day(void **state)
{
    uint64_t least;

    (void)state;
    assert_int_equal(simulate(DAY, 0, 50 * MS, true, &least), 0);
}

static void
load__publishes_once_a_second_at_most(void **state)
{
    uint64_t least;
    unsigned count;

    (void)state;
    count = simulate(3600 * SECOND, MS, 50 * MS, true, &least);
    assert_in_range(count, 3500, 3600);
    assert_true(least >= SECOND);
    /* A commit now and then is published at once. */
    count = simulate(DAY, 600 * SECOND, 50 * MS, true, &least);
    assert_int_equal(count, 143);
}

static void
slow_repository__has_a_pause(void **state)
{
    uint64_t least;
    unsigned count;

    (void)state;
    count = simulate(3600 * SECOND, MS, 3 * SECOND, true, &least);
    assert_in_range(count, 950, 961);
    assert_true(least >= 3750 * MS);
}

static void
unreachable_repository__is_tried_later_and_later(void **state)
{
    uint64_t least;
    unsigned count;

    (void)state;
    count = simulate(3600 * SECOND, MS, 10 * MS, false, &least);
    assert_in_range(count, 110, 130);
    count = simulate(3600 * SECOND, MS, 60 * SECOND, false, &least); /* each attempt hangs */
    assert_in_range(count, 50, 61);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle__publishes_nothing_in_a_day),
        cmocka_unit_test(load__publishes_once_a_second_at_most),
        cmocka_unit_test(slow_repository__has_a_pause),
        cmocka_unit_test(unreachable_repository__is_tried_later_and_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
