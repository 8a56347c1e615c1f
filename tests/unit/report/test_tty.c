/* SPDX-License-Identifier: BSD-2-Clause */
/* Terminals that are reached through a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/tty.h"

static int ends[2];

/* The variable names the pipe, and that behind it. */
static void
lead(const char *behind)
{
    struct stat st;
    char text[128];

    assert_int_equal(fstat(ends[1], &st), 0);
    (void)snprintf(text, sizeof(text), "%ju:%ju%s", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                   behind);
    assert_int_equal(setenv("VARVE_TERMINAL_STREAM", text, 1), 0);
}

static void
tty__is_what_a_pipe_leads_to(void **state)
{
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    assert_int_equal(unsetenv("VARVE_TERMINAL_STREAM"), 0);
    assert_false(tty_is_terminal(ends[1]));
    assert_int_equal(tty_width(ends[1]), 80);
    lead(":99");
    assert_true(tty_is_terminal(ends[1]));
    assert_int_equal(tty_width(ends[1]), 99);
    lead(":3");
    assert_int_equal(tty_width(ends[1]), 20);
    lead("");
    assert_false(tty_is_terminal(ends[1]));
    lead("0:99"); /* another one */
    assert_false(tty_is_terminal(ends[1]));
    lead(":99");
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_false(tty_is_terminal(ends[1]));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(tty__is_what_a_pipe_leads_to)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
