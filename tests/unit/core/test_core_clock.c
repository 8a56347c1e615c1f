/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/clock.h, core/random.h and core/fast_hash.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/fast_hash.h"
#include "core/random.h"

static void
set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void
clock__system_runs(void **state)
{
    (void)state;
    const struct vv_clock *c = vv_clock_system();
    uint64_t before = c->monotonic(c);
    c->sleep(c, 1);
    assert_true(c->monotonic(c) > before);
    assert_true(c->realtime(c) > INT64_C(1600000000) * 1000000000);
}

static void
clock__manual_moves_when_told(void **state)
{
    (void)state;
    struct vv_clock_manual m;
    vv_clock_manual_init(&m, -5);
    const struct vv_clock *c = &m.base;
    uint64_t start = c->monotonic(c);
    assert_int_equal(c->realtime(c), -5);
    vv_clock_manual_advance(&m, 7);
    c->sleep(c, 10);
    assert_int_equal(c->realtime(c), 12);
    assert_int_equal(c->monotonic(c) - start, 17);
}

static void
time__is_local_with_its_zone(void **state)
{
    (void)state;
    char out[VV_TIME_TEXT];
    const int64_t ns = INT64_C(1795360545) * 1000000000 + 123456789;
    set_zone("UTC0");
    vv_time_format(ns, out);
    assert_string_equal(out, "2026-11-22 15:15:45+00:00");
    vv_time_format_iso(ns, out);
    assert_string_equal(out, "2026-11-22T15:15:45.123456789+00:00");
    set_zone("IST-5:30");
    vv_time_format(ns, out);
    assert_string_equal(out, "2026-11-22 20:45:45+05:30");
    set_zone("NST3:30");
    vv_time_format(ns, out);
    assert_string_equal(out, "2026-11-22 11:45:45-03:30");
    set_zone("UTC0");
}

static void
time__before_the_epoch_and_at_the_ends(void **state)
{
    (void)state;
    char out[VV_TIME_TEXT];
    set_zone("UTC0");
    vv_time_format_iso(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999999999+00:00");
    vv_time_format_iso(INT64_MIN, out);
    assert_string_equal(out, "1677-09-21T00:12:43.145224192+00:00");
    vv_time_format_iso(INT64_MAX, out);
    assert_string_equal(out, "2262-04-11T23:47:16.854775807+00:00");
}

static void
random__differs_and_fills_everything(void **state)
{
    (void)state;
    uint8_t a[1000] = {0};
    uint8_t b[1000] = {0};
    size_t zeros = 0;
    vv_random(a, sizeof(a));
    vv_random(b, sizeof(b));
    vv_random(NULL, 0);
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++) {
        zeros += a[i] == 0;
    }
    assert_true(zeros < 60); /* 4 expected; 60 is beyond 25 deviations */
}

static void
random__does_not_repeat_after_fork(void **state)
{
    (void)state;
    uint8_t ours[32];
    uint8_t theirs[32];
    int ends[2];
    int status = 0;
    vv_random(ours, 8); /* anything buffered would now be shared */
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        vv_random(theirs, sizeof(theirs));
        _exit(write(ends[1], theirs, sizeof(theirs)) == (ssize_t)sizeof(theirs) ? 0 : 1);
    }
    vv_random(ours, sizeof(ours));
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_memory_not_equal(ours, theirs, sizeof(ours));
    close(ends[0]);
    close(ends[1]);
}

static void
random__test_seed_reproduces(void **state)
{
    (void)state;
    uint8_t a[21];
    uint8_t b[21];
    uint8_t c[21];
    vv_random_test_seed(42);
    vv_random(a, sizeof(a));
    vv_random(c, sizeof(c));
    vv_random_test_seed(42);
    vv_random(b, sizeof(b));
    vv_random_test_seed(0);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
    vv_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void
hash__published_values(void **state)
{
    (void)state;
    uint8_t out[16];
    char text[33];
    /* XXH3 of the empty input, as published with xxHash. */
    assert_true(vv_hash64(NULL, 0, 0) == UINT64_C(0x2d06800538d394c2));
    vv_hash128(NULL, 0, out);
    vv_hex(text, out, 16);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    assert_true(vv_hash64("abc", 3, 1) != vv_hash64("abc", 3, 2));
    assert_true(vv_hash64("abc", 3, 1) != vv_hash64("abd", 3, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock__system_runs),
        cmocka_unit_test(clock__manual_moves_when_told),
        cmocka_unit_test(time__is_local_with_its_zone),
        cmocka_unit_test(time__before_the_epoch_and_at_the_ends),
        cmocka_unit_test(random__differs_and_fills_everything),
        cmocka_unit_test(random__does_not_repeat_after_fork),
        cmocka_unit_test(random__test_seed_reproduces),
        cmocka_unit_test(hash__published_values),
    };
    return cmocka_run_group_tests_name("core/clock", tests, NULL, NULL);
}
