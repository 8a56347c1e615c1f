/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations and moments on the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/error.h"
#include "duration.h"

#define HOUR INT64_C(3600000000000)

static void
duration__is_a_sum_of_parts(void **state)
{
    static const struct {
        const char *text;
        int hours;
    } good[] = {{"0", 0},        {"36h", 36},      {"7d", 7 * 24},
                {"2w", 14 * 24}, {"1y", 365 * 24}, {"1y6w", (365 + 42) * 24},
                {"120min", 2},   {"1d60min", 25},  {"0d", 0},
                {"7200s", 2}};
    static const char *const bad[] = {"",
                                      "3",
                                      "h",
                                      "3 h",
                                      "3m",
                                      "3hours",
                                      "-1d",
                                      "1.5d",
                                      "1d ",
                                      "d1",
                                      "1d2",
                                      "+1d",
                                      "99999999999999999999d",
                                      "400y"};
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < VV_COUNT(good); i++) {
        ns = -1;
        assert_true(duration_parse(good[i].text, &ns));
        assert_int_equal(ns, good[i].hours * HOUR);
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        if (duration_parse(bad[i], &ns)) {
            fail_msg("'%s' is taken", bad[i]);
        }
    }
}

static void
moment__is_local_or_from_now(void **state)
{
    static const char *const bad[] = {
        "",         "2027-13-01",       "2027-02-30", "2027-01-31 25:00", "2027-01-31T12:30",
        "tomorrow", "2027-01-31 12:30 "};
    int64_t ns;

    (void)state;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    assert_true(moment_parse("2027-01-31", 5, &ns));
    assert_int_equal(ns, INT64_C(1801350000000000000)); /* 2027-01-30 23:00 UTC */
    assert_true(moment_parse("2027-07-31 12:30", 5, &ns));
    assert_int_equal(ns, INT64_C(1817029800000000000)); /* 10:30 UTC */
    assert_true(moment_parse("1h", 5, &ns));
    assert_int_equal(ns, HOUR + 5);
    assert_false(moment_parse("1h", INT64_MAX, &ns));
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        if (moment_parse(bad[i], 5, &ns)) {
            fail_msg("'%s' is taken", bad[i]);
        }
    }
    unsetenv("TZ");
    tzset();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration__is_a_sum_of_parts),
        cmocka_unit_test(moment__is_local_or_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
