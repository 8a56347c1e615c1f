/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments to restore to: a zone is needed, and nonsense is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/point_restore.h"

#define S INT64_C(1000000000)

static void
time__is_read_with_its_zone(void **state)
{
    static const struct {
        const char *text;
        int64_t time;
    } good[] = {{"1970-01-01 00:00:00Z", 0},
                {"1970-01-01T01:00:00+01", 0},
                {"1969-12-31 19:00:00 -05:00", 0},
                {"2026-11-26 14:00:00+01:00", 1795698000 * S},
                {"2026-11-26 13:00Z", 1795698000 * S},
                {"2026-11-26 18:30:00.25+0530", 1795698000 * S + S / 4},
                {"2026-11-26 13:00:00.000000001z", 1795698000 * S + 1},
                {"2028-02-29 00:00:00Z", 1835395200 * S}};
    int64_t got;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        got = -1;
        assert_true(point_time_parse(good[i].text, &got));
        assert_int_equal(got, good[i].time);
    }
}

static void
time__without_zone_is_none(void **state)
{
    static const char *const bad[] = {"",
                                      "2026-11-26",
                                      "2026-11-26 14:00:00",
                                      "2026-11-26 14:00:00 ",
                                      "2026-11-26 14:00:00+",
                                      "2026-11-26 14:00:00+1",
                                      "2026-11-26 14:00:00+01:6",
                                      "2026-11-26 14:00:00+01:60",
                                      "2026-11-26 14:00:00 CET",
                                      "2026-11-26 14:00:00Zx",
                                      "2026-11-26 24:00:00Z",
                                      "2026-11-26 14:60:00Z",
                                      "2026-13-26 14:00:00Z",
                                      "2026-11-31 14:00:00Z",
                                      "2027-02-29 14:00:00Z",
                                      "26-11-26 14:00:00Z",
                                      "yesterday"};
    int64_t got;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(point_time_parse(bad[i], &got));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time__is_read_with_its_zone),
        cmocka_unit_test(time__without_zone_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
