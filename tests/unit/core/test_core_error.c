/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/error.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"

static void
error__null_is_accepted_everywhere(void **state)
{
    (void)state;
    assert_int_equal(vv_error_set(NULL, VV_ECORRUPT, "x"), VV_ECORRUPT);
    assert_int_equal(vv_error_sys(NULL, ENOSPC, "x"), VV_ENOSPACE);
    assert_int_equal(vv_error_nomem(NULL), VV_ENOMEM);
    assert_int_equal(vv_error_prefix(NULL, "x"), VV_EIO);
    vv_error_hint(NULL, "x");
    assert_int_equal(vv_error_origin(NULL, VV_ORIGIN_SOURCE, VV_EIO), VV_EIO);
    vv_error_clear(NULL);
}

static void
error__set_starts_afresh(void **state)
{
    (void)state;
    struct vv_error err = {0};
    vv_error_sys(&err, EIO, "first");
    vv_error_hint(&err, "do %s", "this");
    vv_error_origin(&err, VV_ORIGIN_SOURCE, err.rc);
    assert_string_equal(err.hint, "do this");
    /* The arguments may be the old message. */
    assert_int_equal(vv_error_set(&err, VV_EUSAGE, "second after '%s'", err.message), VV_EUSAGE);
    assert_string_equal(err.message, "second after 'first: Input/output error'");
    assert_string_equal(err.hint, "");
    assert_int_equal(err.origin, VV_ORIGIN_NONE);
    assert_int_equal(err.sys, 0);
    assert_int_equal(err.rc, VV_EUSAGE);
}

static void
error__sys_categories(void **state)
{
    (void)state;
    static const struct {
        int sys;
        enum vv_rc rc;
    } cases[] = {
        {ENOSPC, VV_ENOSPACE},   {EDQUOT, VV_ENOSPACE}, {ENOENT, VV_ENOTFOUND},
        {ENOTDIR, VV_ENOTFOUND}, {EEXIST, VV_EEXISTS},  {ENOMEM, VV_ENOMEM},
        {EIO, VV_EIO},           {EACCES, VV_EIO},      {99999, VV_EIO},
    };
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        struct vv_error err = {0};
        assert_int_equal(vv_error_sys(&err, cases[i].sys, "x"), cases[i].rc);
        assert_int_equal(err.rc, cases[i].rc);
        assert_int_equal(err.sys, cases[i].sys);
    }
}

static void
error__prefix_keeps_the_cause(void **state)
{
    (void)state;
    struct vv_error err = {0};
    vv_error_sys(&err, ENOENT, "cannot open '%s'", "a");
    assert_int_equal(vv_error_prefix(&err, "pack %d", 7), VV_ENOTFOUND);
    assert_string_equal(err.message, "pack 7: cannot open 'a': No such file or directory");
    assert_int_equal(err.sys, ENOENT);
}

static void
error__long_texts_keep_the_reason(void **state)
{
    (void)state;
    struct vv_error err = {0};
    char longest[4096];
    memset(longest, 'p', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';

    vv_error_sys(&err, ENOSPC, "cannot write '%s'", longest);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_non_null(strstr(err.message, "...: No space left on device"));

    for (int i = 0; i < 5; i++) {
        vv_error_prefix(&err, "%s", longest);
        assert_true(strlen(err.message) < sizeof(err.message));
        assert_int_equal(strncmp(err.message, "pppp", 4), 0);
    }
    vv_error_set(&err, VV_ECORRUPT, "short cause");
    vv_error_prefix(&err, "%s", longest);
    assert_non_null(strstr(err.message, "ppp...: short cause"));
    vv_error_set(&err, VV_ECORRUPT, "%s", longest);
    assert_true(strlen(err.message) >= sizeof(err.message) - 2);
    vv_error_hint(&err, "%s", longest);
    assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

static void
error__cutting_respects_utf8(void **state)
{
    (void)state;
    char text[2048];
    /* Whatever the alignment, no lead byte may stand alone before the dots. */
    for (size_t shift = 0; shift < 3; shift++) {
        struct vv_error err = {0};
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\u20ac", 4);
        }
        vv_error_set(&err, VV_EIO, "%s", text);
        char *dots = strstr(err.message, "...");
        assert_non_null(dots);
        assert_memory_equal(dots - 3, "\u20ac", 3);
    }
}

static void
error__origin_is_noted_once(void **state)
{
    (void)state;
    struct vv_error err = {0};
    assert_int_equal(vv_error_origin(&err, VV_ORIGIN_SOURCE, VV_OK), VV_OK);
    assert_int_equal(err.origin, VV_ORIGIN_NONE);
    vv_error_set(&err, VV_EIO, "x");
    assert_int_equal(vv_error_origin(&err, VV_ORIGIN_SOURCE, VV_EIO), VV_EIO);
    vv_error_origin(&err, VV_ORIGIN_REPOSITORY, VV_EIO);
    assert_int_equal(err.origin, VV_ORIGIN_SOURCE);
}

static void
error__every_result_has_its_own_name(void **state)
{
    (void)state;
    for (int i = VV_OK; i <= VV_ENOREPO; i++) {
        const char *name = vv_rc_name((enum vv_rc)i);
        assert_string_not_equal(name, "unknown");
        for (int j = VV_OK; j < i; j++) {
            assert_string_not_equal(name, vv_rc_name((enum vv_rc)j));
        }
    }
    assert_string_equal(vv_rc_name(VV_ECORRUPT), "corrupt");
    assert_string_equal(vv_rc_name(VV_ENOSPACE), "no-space");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error__null_is_accepted_everywhere),
        cmocka_unit_test(error__set_starts_afresh),
        cmocka_unit_test(error__sys_categories),
        cmocka_unit_test(error__prefix_keeps_the_cause),
        cmocka_unit_test(error__long_texts_keep_the_reason),
        cmocka_unit_test(error__cutting_respects_utf8),
        cmocka_unit_test(error__origin_is_noted_once),
        cmocka_unit_test(error__every_result_has_its_own_name),
    };
    return cmocka_run_group_tests_name("core/error", tests, NULL, NULL);
}
