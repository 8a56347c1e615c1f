/* SPDX-License-Identifier: BSD-2-Clause */
/* A text of SQL is taken apart where its statements end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "postgres/statements.h"

static void
check(const char *text, const char *const *want)
{
    struct vv_span rest = vv_span(text, strlen(text));
    struct vv_span got = {0};

    for (; *want != NULL; want++) {
        assert_true(postgres_statement_next(&rest, &got));
        assert_int_equal(got.len, strlen(*want));
        assert_memory_equal(got.data, *want, got.len);
    }
    assert_false(postgres_statement_next(&rest, &got));
}
#define CHECK(text, ...) check(text, (const char *const[]){__VA_ARGS__, NULL})

static void
statements__end_at_semicolons(void **state)
{
    (void)state;
    CHECK("select 1; select 2 ;\n\nselect 3", "select 1", "select 2", "select 3");
    CHECK(";; select 1;;", "select 1");
    CHECK("-- first\nselect 1 -- it; is\n;/* a; /* b; */ c; */ select 2 /* end */;", "select 1",
          "select 2");
}

static void
statements__do_not_end_in_quotes(void **state)
{
    (void)state;
    CHECK("select 'a;b', \"c;d\"; x", "select 'a;b', \"c;d\"", "x");
    CHECK("select 'it''s; so'; x", "select 'it''s; so'", "x");
    CHECK("select 'a\\'; x", "select 'a\\'", "x");
    CHECK("select e'a\\';b'; x", "select e'a\\';b'", "x");
    CHECK("select E'a''b\\';c'; x", "select E'a''b\\';c'", "x");
    CHECK("select name'a\\'; x", "select name'a\\'", "x");
    CHECK("do $$ a; b $$; x", "do $$ a; b $$", "x");
    CHECK("do $q$ a; $$ b; $q$; x", "do $q$ a; $$ b; $q$", "x");
    CHECK("select $1; select a$b; c$d", "select $1", "select a$b", "c$d");
    CHECK("select '--'; select '/*'; x", "select '--'", "select '/*'", "x");
}

static void
statements__unended_pieces_reach_to_the_end(void **state)
{
    (void)state;
    CHECK("select 'a; b", "select 'a; b");
    CHECK("select e'a\\", "select e'a\\");
    CHECK("select $$a; b$", "select $$a; b$");
    CHECK("select 1 /* a; b", "select 1");
    CHECK("x; $", "x", "$");
}

static void
statements__may_be_none(void **state)
{
    static const char *const none[] = {"", " \n", ";", "-- a", "/* a; */ ; -- b\n"};
    struct vv_span got;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct vv_span rest = vv_span(none[i], strlen(none[i]));
        assert_false(postgres_statement_next(&rest, &got));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements__end_at_semicolons),
        cmocka_unit_test(statements__do_not_end_in_quotes),
        cmocka_unit_test(statements__unended_pieces_reach_to_the_end),
        cmocka_unit_test(statements__may_be_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
