/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on bandwidth: as they are typed, and which one holds when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/replicate_internal.h"
#include "rate_option.h"

static struct replicate_rate
parsed(const char *text)
{
    struct replicate_rate r;
    struct vv_error err = {0};

    assert_int_equal(rate_option_parse(text, &r, &err), VV_OK);
    return r;
}

static void
rate_option__takes_rates_and_times(void **state)
{
    struct replicate_rate r = parsed("10M");

    (void)state;
    assert_int_equal(r.rate, 10 << 20);
    assert_int_equal(r.from, r.to);
    r = parsed("08:30-18:05=512k");
    assert_int_equal(r.rate, 512 << 10);
    assert_int_equal(r.from, 8 * 60 + 30);
    assert_int_equal(r.to, 18 * 60 + 5);
    assert_int_equal(parsed("off").rate, 0);
    assert_int_equal(parsed("22:00-24:00=off").to, 0);
}

static void
rate_option__refuses_everything_else(void **state)
{
    static const char *const wrong[] = {"",
                                        "0",
                                        "fast",
                                        "-5M",
                                        "8:00-9:00=1M",
                                        "08:00=1M",
                                        "25:00-26:00=1M",
                                        "08:60-09:00=1M",
                                        "08:00-09:00=",
                                        "08:00-09:00=x",
                                        "24:30-09:00=1M",
                                        "08:00 09:00=1M"};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(wrong); i++) {
        struct replicate_rate r;
        struct vv_error err = {0};
        assert_int_equal(rate_option_parse(wrong[i], &r, &err), VV_EUSAGE);
        assert_true(err.hint[0] != '\0');
    }
}

static void
schedule__time_of_day_goes_before_the_rest(void **state)
{
    const struct replicate_rate rates[] = {
        {.from = 480, .to = 1080, .rate = 2}, /* 08:00-18:00 */
        {.rate = 10},                         /* else */
        {.from = 1320, .to = 360, .rate = 0}, /* 22:00-06:00 none */
        {.from = 700, .to = 720, .rate = 1},
    };

    (void)state;
    assert_int_equal(rate_of(rates, 4, 479), 10);
    assert_int_equal(rate_of(rates, 4, 480), 2);
    assert_int_equal(rate_of(rates, 4, 699), 2);
    assert_int_equal(rate_of(rates, 4, 710), 1);
    assert_int_equal(rate_of(rates, 4, 1079), 2);
    assert_int_equal(rate_of(rates, 4, 1080), 10);
    assert_int_equal(rate_of(rates, 4, 1320), 0);
    assert_int_equal(rate_of(rates, 4, 0), 0);
    assert_int_equal(rate_of(rates, 4, 359), 0);
    assert_int_equal(rate_of(rates, 4, 360), 10);
    assert_int_equal(rate_of(rates, 0, 360), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_option__takes_rates_and_times),
        cmocka_unit_test(rate_option__refuses_everything_else),
        cmocka_unit_test(schedule__time_of_day_goes_before_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
