/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of changed directories: bounded, and never too little in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "source/change_set.h"

static struct vv_span
text(const char *s)
{
    return vv_span(s, strlen(s));
}

static void
change_set__tells_what_is_here_and_below(void **state)
{
    VV_CLEANUP(change_set_freep) struct change_set *s = NULL;
    size_t from;

    (void)state;
    assert_int_equal(change_set_new(1u << 20, &s, NULL), VV_OK);
    assert_true(change_set_is_empty(s));
    change_set_sort(s);
    assert_int_equal(change_set_ask(s, text("")), CHANGE_NONE);
    change_set_add(s, text("srv/a"), CHANGE_HERE);
    change_set_add(s, text("srv/a/b/c"), CHANGE_ALL);
    change_set_add(s, text("srv/a-b"), CHANGE_HERE);
    change_set_add_parent(s, text("etc/passwd"));
    change_set_add_parent(s, text("top"));
    change_set_sort(s);
    assert_false(change_set_is_empty(s));
    assert_int_equal(change_set_count(s), 5);
    assert_int_equal(change_set_ask(s, text("")), CHANGE_HERE);
    assert_int_equal(change_set_ask(s, text("etc")), CHANGE_HERE);
    assert_int_equal(change_set_ask(s, text("srv")), CHANGE_BELOW);
    assert_int_equal(change_set_ask(s, text("srv/a")), CHANGE_HERE);
    assert_int_equal(change_set_ask(s, text("srv/a/b")), CHANGE_BELOW);
    assert_int_equal(change_set_ask(s, text("srv/a/b/c")), CHANGE_ALL);
    assert_int_equal(change_set_ask(s, text("srv/a/b/c/d")), CHANGE_NONE);
    assert_int_equal(change_set_ask(s, text("srv/a-")), CHANGE_NONE);
    assert_int_equal(change_set_ask(s, text("srv/b")), CHANGE_NONE);
    assert_int_equal(change_set_below(s, text("srv/a"), &from), 1);
    assert_memory_equal(change_set_path(s, from).data, "srv/a/b/c", 9);
    assert_int_equal(change_set_below(s, text("srv"), &from), 3);
    assert_int_equal(change_set_below(s, text("srv/a/b/c"), &from), 0);
    assert_int_equal(change_set_below(s, text(""), &from), 4);
}

/* C2, also for what is added after it was sorted. */
static void
change_set__keeps_the_larger_change(void **state)
{
    VV_CLEANUP(change_set_freep) struct change_set *s = NULL;
    VV_CLEANUP(change_set_freep) struct change_set *other = NULL;

    (void)state;
    assert_int_equal(change_set_new(1u << 20, &s, NULL), VV_OK);
    assert_int_equal(change_set_new(1u << 20, &other, NULL), VV_OK);
    change_set_add(s, text("a"), CHANGE_HERE);
    change_set_add(s, text("b"), CHANGE_ALL);
    change_set_sort(s);
    change_set_add(other, text("a"), CHANGE_ALL);
    change_set_add(other, text("b"), CHANGE_HERE);
    change_set_add(other, text("c"), CHANGE_HERE);
    change_set_merge(s, other);
    change_set_sort(s);
    assert_int_equal(change_set_count(s), 3);
    assert_int_equal(change_set_ask(s, text("a")), CHANGE_ALL);
    assert_int_equal(change_set_ask(s, text("b")), CHANGE_ALL);
    assert_int_equal(change_set_ask(s, text("c")), CHANGE_HERE);
    change_set_clear(s);
    assert_true(change_set_is_empty(s));
    change_set_add_everything(other);
    change_set_merge(s, other);
    assert_true(change_set_is_everything(s));
    change_set_sort(s);
    assert_int_equal(change_set_ask(s, text("x")), CHANGE_ALL);
}

/* C1: and everything it is from then on, until it is cleared. */
static void
change_set__becomes_everything_beyond_its_bound(void **state)
{
    VV_CLEANUP(change_set_freep) struct change_set *s = NULL;
    char path[64];
    size_t most = 0;

    (void)state;
    assert_int_equal(change_set_new(64u << 10, &s, NULL), VV_OK);
    for (unsigned i = 0; i < 5000 && !change_set_is_everything(s); i++) {
        int n = snprintf(path, sizeof(path), "some/directory/number-%u", i);
        change_set_add(s, vv_span(path, (size_t)n), CHANGE_HERE);
        change_set_add(s, vv_span(path, (size_t)n), CHANGE_HERE); /* twice is once */
        most = change_set_count(s) > most ? change_set_count(s) : most;
    }
    assert_true(change_set_is_everything(s));
    assert_false(change_set_is_empty(s));
    assert_in_range(most, 100, 1000);
    change_set_add(s, text("a"), CHANGE_HERE);
    assert_int_equal(change_set_count(s), 0);
    change_set_clear(s);
    change_set_add(s, text("a"), CHANGE_HERE);
    change_set_sort(s);
    assert_int_equal(change_set_ask(s, text("a")), CHANGE_HERE);
    assert_int_equal(change_set_ask(s, text("some")), CHANGE_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_set__tells_what_is_here_and_below),
        cmocka_unit_test(change_set__keeps_the_larger_change),
        cmocka_unit_test(change_set__becomes_everything_beyond_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
