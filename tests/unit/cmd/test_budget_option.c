/* SPDX-License-Identifier: BSD-2-Clause */
/* How budgets are typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "budget_option.h"

static struct read_budget
parsed(const char *text)
{
    struct read_budget b = {0};

    assert_int_equal(budget_option_parse(text, &b, NULL), VV_OK);
    return b;
}

static void
budget_option__takes_shares_bytes_and_times(void **state)
{
    (void)state;
    assert_int_equal(parsed("5%").kind, BUDGET_PART);
    assert_true(parsed("12.5%").part == 0.125);
    assert_true(parsed("100%").part == 1.0);
    assert_int_equal(parsed("10GiB").kind, BUDGET_BYTES);
    assert_int_equal(parsed("10GiB").amount, UINT64_C(10) << 30);
    assert_int_equal(parsed("3M").amount, 3u << 20);
    assert_int_equal(parsed("1").amount, 1);
    assert_int_equal(parsed("30m").kind, BUDGET_TIME);
    assert_int_equal(parsed("30m").amount, UINT64_C(1800000000000));
    assert_int_equal(parsed("1.5h").amount, UINT64_C(5400000000000));
    assert_int_equal(parsed("90s").amount, UINT64_C(90000000000));
    assert_int_equal(parsed("1d").amount, UINT64_C(86400000000000));
}

static void
budget_option__refuses_what_is_none(void **state)
{
    static const char *const wrong[] = {"",   "0",    "0%",  "101%", "-5%",  "5x",
                                        "m",  "nan",  "inf", "0s",   "1e9d", "5%%",
                                        " 5", "0x10", "5 %", "%",    "1e5s"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct read_budget b = {0};
        if (budget_option_parse(wrong[i], &b, NULL) != VV_EUSAGE) {
            fail_msg("'%s' was accepted", wrong[i]);
        }
    }
}

static void
read_budget__ends_before_an_object(void **state)
{
    struct read_budget part = {.kind = BUDGET_PART, .part = 0.5};
    struct read_budget bytes = {.kind = BUDGET_BYTES, .amount = 10};
    struct read_budget time = {.kind = BUDGET_TIME, .amount = 10};
    struct read_budget none = {0};

    (void)state;
    assert_true(budget_allows(&none, 100, 100, 100));
    assert_true(budget_allows(&part, 49, 100, 0));
    assert_false(budget_allows(&part, 50, 100, 0));
    assert_true(budget_allows(&bytes, 9, 100, 0));
    assert_false(budget_allows(&bytes, 10, 100, 0));
    assert_true(budget_allows(&time, 1000, 1, 9));
    assert_false(budget_allows(&time, 0, 1, 10));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_option__takes_shares_bytes_and_times),
        cmocka_unit_test(budget_option__refuses_what_is_none),
        cmocka_unit_test(read_budget__ends_before_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
