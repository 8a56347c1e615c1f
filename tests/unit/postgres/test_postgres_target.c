/* SPDX-License-Identifier: BSD-2-Clause */
/* Connection strings: what is refused, what a server is called, and how connecting fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "postgres/postgres.h"

static void
password_is_refused_and_never_repeated(void **state)
{
    static const char *const targets[] = {
        "postgres://backup:s3cret@db/",      "postgresql://backup@db/?password=s3cret",
        "host=db password=s3cret",           "postgres://db/?sslpassword=s3cret",
        "postgres://backup:s3cret@[broken/", "host=db password='s3cret"};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(targets); i++) {
        struct vv_error err = {0};
        assert_int_equal(postgres_target_check(targets[i], &err), VV_EUSAGE);
        assert_null(strstr(err.message, "s3cret"));
        assert_null(strstr(err.hint, "s3cret"));
        struct postgres *p = NULL;
        struct postgres_options o = {.target = targets[i]};
        assert_int_equal(postgres_open(&o, &p, &err), VV_EUSAGE);
        assert_null(p);
    }
}

static void
what_is_no_connection_is_refused(void **state)
{
    static const char *const targets[] = {"", "shop", "postgres://%zz/", "nonsense=1",
                                          "http://db/"};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(targets); i++) {
        struct vv_error err = {0};
        assert_int_equal(postgres_target_check(targets[i], &err), VV_EUSAGE);
    }
    assert_int_equal(postgres_target_check("postgres://", NULL), VV_OK);
    assert_int_equal(postgres_target_check("postgres://backup@db1,db2:5433/shop", NULL), VV_OK);
    assert_int_equal(postgres_target_check("host=/run/postgresql user=backup", NULL), VV_OK);
}

static void
expect_name(const char *target, const char *name)
{
    struct vv_buf out = {0};

    assert_int_equal(postgres_target_name(target, &out, NULL), VV_OK);
    assert_string_equal(vv_buf_text(&out), name);
    vv_buf_release(&out);
}

static void
names_are_fit_for_a_path(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("PGHOST") | unsetenv("PGPORT") | unsetenv("PGSERVICE"), 0);
    expect_name("postgres://backup@db/", "db");
    expect_name("postgres://backup@db:5432/", "db");
    expect_name("postgres://backup@db.example.org:5433/", "db.example.org-5433");
    expect_name("postgres://db1,db2/", "db1+db2");
    expect_name("host=../../etc", "_._.._etc");
    expect_name("postgres:///", "local");
    expect_name("host=/run/postgresql port=5499", "local-5499");
    expect_name("postgres://[fe80::1]/", "fe80__1");
    expect_name("service=shop", "shop");
    assert_int_equal(setenv("PGHOST", "elsewhere", 1), 0);
    assert_int_equal(setenv("PGPORT", "6000", 1), 0);
    expect_name("postgres://", "elsewhere-6000");
    assert_int_equal(unsetenv("PGHOST") | unsetenv("PGPORT"), 0);
}

static void
nobody_there_is_transient(void **state)
{
    struct vv_error err = {0};
    struct postgres *p = NULL;
    struct postgres_options o = {.target = "host=/nonexistent port=1 user=nobody",
                                 .use = POSTGRES_REPLICATION};

    (void)state;
    assert_int_equal(postgres_open(&o, &p, &err), VV_ETRANSIENT);
    assert_int_equal(err.origin, VV_ORIGIN_SOURCE);
    assert_non_null(strstr(err.message, "/nonexistent"));
}

static void
without_libpq_it_is_said(void **state)
{
    struct vv_error err = {0};
    struct postgres *p = NULL;
    struct postgres_options o = {.target = "postgres://db/"};

    (void)state;
    assert_int_equal(postgres_open(&o, &p, &err), VV_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "no PostgreSQL"));
    assert_int_equal(postgres_target_check("postgres://db/", &err), VV_EUNSUPPORTED);
}

static void
urls_are_known(void **state)
{
    (void)state;
    assert_true(postgres_is_url("postgres://"));
    assert_true(postgres_is_url("postgresql://db/"));
    assert_false(postgres_is_url("postgres:/"));
    assert_false(postgres_is_url("/postgres://"));
}

int
main(void)
{
    static const struct CMUnitTest with[] = {
        cmocka_unit_test(password_is_refused_and_never_repeated),
        cmocka_unit_test(what_is_no_connection_is_refused),
        cmocka_unit_test(names_are_fit_for_a_path),
        cmocka_unit_test(nobody_there_is_transient),
        cmocka_unit_test(urls_are_known),
    };
    static const struct CMUnitTest without[] = {
        cmocka_unit_test(without_libpq_it_is_said),
        cmocka_unit_test(urls_are_known),
    };

    return postgres_available() ? cmocka_run_group_tests_name("postgres", with, NULL, NULL)
                                : cmocka_run_group_tests_name("no postgres", without, NULL, NULL);
}
