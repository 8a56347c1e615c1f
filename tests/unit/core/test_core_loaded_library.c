/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/loaded_library.h, with a library that is everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "core/loaded_library.h"

#define THREADS 8

struct functions {
    double (*cosine)(double);
    double (*root)(double);
};
static const char *const names[] = {"cos", "sqrt"};
static const char *const names_missing[] = {"cos", "no_such_function"};

static struct vv_loaded_library
library(const char *file, const char *const *wanted, struct functions *f)
{
    return (struct vv_loaded_library){.file = file,
                                      .purpose = "mathematics",
                                      .package = "libc6",
                                      .names = wanted,
                                      .count = 2,
                                      .functions = f,
                                      .lock = VV_MUTEX_INIT};
}

static void
assert_unset(const struct functions *f)
{
    assert_true(f->cosine == NULL);
    assert_true(f->root == NULL);
}

static void
loaded_library__opens_once(void **state)
{
    struct functions f = {0};
    struct vv_loaded_library l = library("libm.so.6", names, &f);
    struct vv_error err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vv_loaded_library_open(&l, &err), VV_OK);
        assert_true(f.cosine(0) == 1);
        assert_true(f.root(4) == 2);
    }
    /* The second time nothing is looked for. */
    l.file = "libnowhere.so.0";
    assert_int_equal(vv_loaded_library_open(&l, &err), VV_OK);
    assert_string_equal(err.message, "");
}

static void
loaded_library__names_a_missing_file_and_tries_again(void **state)
{
    struct functions f = {0};
    struct vv_loaded_library l = library("libnowhere.so.0", names, &f);
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(vv_loaded_library_open(&l, &err), VV_EUNSUPPORTED);
    assert_string_equal(err.message, "cannot open the library 'libnowhere.so.0', for mathematics: "
                                     "cannot open shared object file: No such file or directory");
    assert_non_null(strstr(err.hint, "libc6"));
    assert_unset(&f);
    assert_int_equal(vv_loaded_library_open(&l, NULL), VV_EUNSUPPORTED);
    l.file = "libm.so.6";
    assert_int_equal(vv_loaded_library_open(&l, &err), VV_OK);
    assert_true(f.cosine(0) == 1);
}

static void
loaded_library__names_a_missing_function(void **state)
{
    struct functions f = {0};
    struct vv_loaded_library l = library("libm.so.6", names_missing, &f);
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(vv_loaded_library_open(&l, &err), VV_EUNSUPPORTED);
    assert_string_equal(
        err.message,
        "the library 'libm.so.6', for mathematics, has no function 'no_such_function'");
    assert_non_null(strstr(err.hint, "libc6"));
    assert_unset(&f);
    l.names = names;
    assert_int_equal(vv_loaded_library_open(&l, &err), VV_OK);
    assert_true(f.root(4) == 2);
}

struct user {
    struct vv_loaded_library *library;
    const struct functions *functions;
    double result;
};

static void
use(void *arg)
{
    struct user *u = arg;

    if (vv_loaded_library_open(u->library, NULL) == VV_OK) {
        u->result = u->functions->root(u->functions->cosine(0) * 9);
    }
}

static void
loaded_library__may_be_opened_by_threads(void **state)
{
    struct functions f = {0};
    struct vv_loaded_library l = library("libm.so.6", names, &f);
    struct vv_thread threads[THREADS] = {0};
    struct user users[THREADS];
    struct vv_error err = {0};

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.library = &l, .functions = &f};
        assert_int_equal(vv_thread_start(&threads[i], "user", use, &users[i], &err), VV_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        vv_thread_join(&threads[i]);
        assert_true(users[i].result == 3);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_library__opens_once),
        cmocka_unit_test(loaded_library__names_a_missing_file_and_tries_again),
        cmocka_unit_test(loaded_library__names_a_missing_function),
        cmocka_unit_test(loaded_library__may_be_opened_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
