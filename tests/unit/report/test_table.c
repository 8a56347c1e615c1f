/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables and text columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_sweep.h"
#include "report/table.h"
#include "report/tty.h"

static struct vv_span
span(const char *text)
{
    return vv_span(text, strlen(text));
}

static const struct table_column columns[] = {
    {"id", TABLE_LEFT}, {"size", TABLE_RIGHT}, {"name", TABLE_LEFT}};

static enum vv_rc
build(void *arg, struct vv_error *err)
{
    VV_CLEANUP(table_freep) struct table *t = NULL;
    FILE *file = arg;

    VV_TRY(table_new(columns, 3, &t, err));
    table_text(t, "abc");
    table_printf(t, "%d", 7);
    table_cell(t, span("x\ny"));
    table_text(t, "d");
    table_text(t, "12345");
    table_text(t, "");
    return table_print(t, file, err);
}

static void
table__aligns_and_escapes(void **state)
{
    struct vv_error err = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    assert_int_equal(build(file, &err), VV_OK);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "id    size  name\nabc      7  x\\ny\nd    12345\n");
    free(text);
}

static enum vv_rc
build_to_null(void *arg, struct vv_error *err)
{
    FILE *file = fopen("/dev/null", "w");
    enum vv_rc rc;

    (void)arg;
    assert_non_null(file);
    rc = build(file, err);
    (void)fclose(file);
    return rc;
}

static void
table__reports_lack_of_memory(void **state)
{
    (void)state;
    (void)alloc_sweep(build_to_null, NULL);
}

static void
tty__counts_columns(void **state)
{
    (void)state;
    assert_int_equal(tty_columns(span("abc")), 3);
    assert_int_equal(tty_columns(span("\xc3\xbc")), 1);     /* u umlaut */
    assert_int_equal(tty_columns(span("\xe6\xbc\xa2")), 2); /* a Han character */
    assert_int_equal(tty_columns(span("e\xcc\x81")), 1);    /* combining accent */
    assert_int_equal(tty_columns(span("")), 0);
}

static void
tty__cuts_between_characters(void **state)
{
    struct vv_span text = span("a\xe6\xbc\xa2z"); /* 1 + 2 + 1 columns */

    (void)state;
    assert_int_equal(tty_fit(text, 4), 5);
    assert_int_equal(tty_fit(text, 3), 4);
    assert_int_equal(tty_fit(text, 2), 1);
    assert_int_equal(tty_fit(text, 0), 0);
    assert_int_equal(tty_fit_end(text, 4), 5);
    assert_int_equal(tty_fit_end(text, 3), 4);
    assert_int_equal(tty_fit_end(text, 2), 1);
    assert_int_equal(tty_fit_end(text, 0), 0);
}

static void
tty__redraws_and_clears_a_line(void **state)
{
    char *text = NULL;
    size_t len = 0;
    struct tty_line line = {.file = open_memstream(&text, &len)};

    (void)state;
    tty_line_clear(&line); /* nothing drawn: nothing to take away */
    (void)fflush(line.file);
    assert_int_equal(len, 0);
    tty_line_draw(&line, span("one"));
    tty_line_clear(&line);
    tty_line_clear(&line);
    assert_int_equal(fclose(line.file), 0);
    assert_string_equal(text, "\r\033[Kone\r\033[K");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__aligns_and_escapes),
        cmocka_unit_test(table__reports_lack_of_memory),
        cmocka_unit_test(tty__counts_columns),
        cmocka_unit_test(tty__cuts_between_characters),
        cmocka_unit_test(tty__redraws_and_clears_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
