/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes as a server shows its settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/wal_check.h"

static void
setting__is_a_size_with_its_unit(void **state)
{
    static const char *const bad[] = {"-1",  "", "GB", "1 GB", "1gb", "1PB", "20000000000TB",
                                      "1GBx"};
    uint64_t size = 7;

    (void)state;
    assert_true(wal_size_setting("0", &size));
    assert_int_equal(size, 0);
    assert_true(wal_size_setting("64GB", &size));
    assert_int_equal(size, UINT64_C(64) << 30);
    assert_true(wal_size_setting("512kB", &size));
    assert_int_equal(size, 512 << 10);
    assert_true(wal_size_setting("300MB", &size));
    assert_int_equal(size, 300 << 20);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(wal_size_setting(bad[i], &size));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(setting__is_a_size_with_its_unit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
