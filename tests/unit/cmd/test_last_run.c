/* SPDX-License-Identifier: BSD-2-Clause */
/* When a job was last run. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "last_run.h"

static char directory[] = "/tmp/varve-last-run.XXXXXX";

static int
set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int
tear_down(void **state)
{
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/run-web.last", directory);
    (void)unlink(path);
    return rmdir(directory);
}

static void
last_run__is_what_was_written_last(void **state)
{
    const struct last_run first = {.began = 1, .ended = 2, .code = EXIT_FAILED};
    const struct last_run second = {
        .began = INT64_MAX - 1, .ended = INT64_MAX, .code = EXIT_UNREACHABLE};
    struct last_run got = {0};
    struct vv_error err = {0};
    bool found = true;

    (void)state;
    assert_int_equal(last_run_read(directory, "web", &got, &found, &err), VV_OK);
    assert_false(found);
    assert_int_equal(last_run_write(directory, "web", &first, &err), VV_OK);
    assert_int_equal(last_run_write(directory, "web", &second, &err), VV_OK);
    assert_int_equal(last_run_read(directory, "web", &got, &found, &err), VV_OK);
    assert_true(found);
    assert_true(got.began == second.began && got.ended == second.ended && got.code == second.code);
    assert_int_equal(last_run_read(directory, "other", &got, &found, &err), VV_OK);
    assert_false(found);
}

static void
last_run__of_a_damaged_record_is_never(void **state)
{
    static const char *const damaged[] = {"", "began 1 ended 2", "began 1 ended 2 code 3\nmore",
                                          "began x ended 2 code 3\n"};
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/run-web.last", directory);
    for (size_t i = 0; i < VV_COUNT(damaged); i++) {
        struct last_run got = {.began = 77};
        struct vv_error err = {0};
        bool found = true;
        assert_int_equal(
            vv_file_replace(AT_FDCWD, path, vv_span(damaged[i], strlen(damaged[i])), 0600, &err),
            VV_OK);
        assert_int_equal(last_run_read(directory, "web", &got, &found, &err), VV_OK);
        assert_false(found);
        assert_int_equal(got.began, 77);
    }
}

static void
last_run__that_cannot_be_kept_is_told(void **state)
{
    const struct last_run run = {.began = 1, .ended = 2};
    struct vv_error err = {0};

    (void)state;
    assert_int_not_equal(last_run_write("/nowhere/at/all", "web", &run, &err), VV_OK);
    assert_int_equal(err.origin, VV_ORIGIN_LOCAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_run__is_what_was_written_last),
        cmocka_unit_test(last_run__of_a_damaged_record_is_never),
        cmocka_unit_test(last_run__that_cannot_be_kept_is_told),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
