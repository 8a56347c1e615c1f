/* SPDX-License-Identifier: BSD-2-Clause */
/* What PostgreSQL makes of an exit code decides about data: no failure of 'wal get' may look like a
 * file that does not exist, and none of 'wal push' may end the archiver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wal_exit.h"

#define LINE(...)                                                                                  \
    (char *[]){(char[]){"varve"}, __VA_ARGS__}, (int)VV_COUNT(((char *[]){NULL, __VA_ARGS__}))
#define W(text)                                                                                    \
    (char[])                                                                                       \
    {                                                                                              \
        text                                                                                       \
    }

static int
of(char **argv, int argc, enum wal_answer answer, enum exit_code code)
{
    return (int)wal_exit_code(argc, argv, answer, code);
}

static void
get__never_ends_with_1_to_125_for_a_failure(void **state)
{
    (void)state;
    for (int code = 1; code <= 255; code++) {
        enum exit_code c = (enum exit_code)code;
        assert_in_range(of(LINE(W("wal"), W("get")), WAL_ANSWER_NONE, c), 126, 255);
        assert_in_range(of(LINE(W("wal"), W("get")), WAL_ANSWER_ABSENT, c), 126, 255);
        assert_in_range(of(LINE(W("--x"), W("wal"), W("--y"), W("get")), WAL_ANSWER_NONE, c), 126,
                        255);
        assert_in_range(of(LINE(W("wal"), W("gte"), W("x")), WAL_ANSWER_NONE, c), 126, 255);
        assert_in_range(of(LINE(W("wal")), WAL_ANSWER_NONE, c), 126, 255);
        assert_int_equal(of(LINE(W("wal"), W("get")), WAL_ANSWER_DELIVERED, c), 0);
        assert_int_equal(of(LINE(W("backup"), W("x")), WAL_ANSWER_NONE, c), code);
        assert_int_equal(of(LINE(W("wal"), W("list")), WAL_ANSWER_NONE, c), code);
    }
    assert_int_equal(of(LINE(W("wal"), W("get")), WAL_ANSWER_ABSENT, EXIT_DONE), 1);
    assert_int_equal(of(LINE(W("wal"), W("get")), WAL_ANSWER_DELIVERED, EXIT_DONE), 0);
    assert_int_equal(of(LINE(W("wal"), W("get")), WAL_ANSWER_NONE, EXIT_DONE), 0); /* --help */
}

static void
push__never_ends_with_more_than_125(void **state)
{
    static const enum exit_code codes[] = {EXIT_DONE,     EXIT_FAILED,        EXIT_USAGE,
                                           EXIT_PROBLEMS, EXIT_NO_REPOSITORY, EXIT_WRONG_KEY,
                                           EXIT_CORRUPT,  EXIT_FORGED,        EXIT_NO_SPACE,
                                           EXIT_REFUSED,  EXIT_UNREACHABLE,   EXIT_INTERRUPTED};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(codes); i++) {
        int code = of(LINE(W("wal"), W("push"), W("x")), WAL_ANSWER_NONE, codes[i]);
        assert_in_range(code, 0, 125);
        assert_int_equal(code == 0, codes[i] == EXIT_DONE);
        /* The file is safe: what else is wrong must not make the server keep it. */
        assert_int_equal(of(LINE(W("wal"), W("push"), W("x")), WAL_ANSWER_DELIVERED, codes[i]), 0);
    }
    assert_in_range(wal_exit_interrupted((int)VV_COUNT(((char *[]){NULL, NULL, NULL})),
                                         (char *[]){W("varve"), W("wal"), W("push")}),
                    1, 125);
    assert_int_equal(wal_exit_interrupted(2, (char *[]){W("varve"), W("backup")}), 130);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get__never_ends_with_1_to_125_for_a_failure),
        cmocka_unit_test(push__never_ends_with_more_than_125),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
