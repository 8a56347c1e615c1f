/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory storage: the conformance suite, and the tests' direct access to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "storage/conformance.h"

static struct storage *
new_memory(void **ret_cookie)
{
    struct storage *s = NULL;
    *ret_cookie = NULL;
    assert_int_equal(storage_memory_new(&s, NULL), VV_OK);
    return s;
}

static void
free_memory(struct storage *s, void *cookie)
{
    (void)cookie;
    storage_free(s);
}

static void
memory_poke__replaces_creates_and_drops(void **state)
{
    (void)state;
    void *cookie;
    struct storage *s = new_memory(&cookie);
    assert_int_equal(storage_make_layout(s, NULL), VV_OK);
    must_publish(s, "keys/a", "good");
    assert_int_equal(storage_memory_poke(s, "keys/a", vv_span("rotten", 6), NULL), VV_OK);
    must_hold_text(s, "keys/a", "rotten");
    assert_int_equal(storage_memory_poke(s, "keys/b", vv_span("", 0), NULL), VV_OK);
    must_hold_text(s, "keys/b", "");
    assert_int_equal(storage_memory_poke(s, "keys/a", vv_span(NULL, 0), NULL), VV_OK);
    must_lack(s, "keys/a");
    assert_int_equal(storage_memory_poke(s, "keys/a", vv_span(NULL, 0), NULL), VV_OK);
    storage_free(s);
}

static void
memory_poke__needs_no_directory(void **state)
{
    (void)state;
    void *cookie;
    struct storage *s = new_memory(&cookie);
    assert_int_equal(storage_memory_poke(s, "odd/place/x", vv_span("1", 1), NULL), VV_OK);
    must_hold_text(s, "odd/place/x", "1");
    assert_int_equal(count_listed(s, "odd/place"), 1);
    assert_int_equal(count_listed(s, "odd"), 0);
    unsigned n = 0;
    assert_int_equal(storage_list(s, "od", NULL, &n, NULL), VV_ENOTFOUND);
    assert_int_equal(storage_list(s, "odd/pla", NULL, &n, NULL), VV_ENOTFOUND);
    must_publish(s, "odd/place/y", "2");
    storage_free(s);
}

static void
memory_peek__borrows_the_bytes(void **state)
{
    (void)state;
    void *cookie;
    struct storage *s = new_memory(&cookie);
    struct vv_span span = vv_span("untouched", 9);
    assert_int_equal(storage_make_layout(s, NULL), VV_OK);
    assert_false(storage_memory_peek(s, "keys/a", &span));
    assert_int_equal(span.len, 9);
    must_publish(s, "keys/a", "value");
    assert_true(storage_memory_peek(s, "keys/a", &span));
    assert_int_equal(span.len, 5);
    assert_memory_equal(span.data, "value", 5);
    storage_free(s);
}

static void
memory_clone__is_independent(void **state)
{
    (void)state;
    void *cookie;
    struct storage *s = new_memory(&cookie);
    struct storage *copy = NULL;
    assert_int_equal(storage_make_layout(s, NULL), VV_OK);
    must_publish(s, "keys/a", "a");
    must_publish(s, "keys/b", "b");
    assert_int_equal(storage_memory_clone(s, &copy, NULL), VV_OK);
    must_publish(s, "keys/later", "x");
    must_publish(copy, "packs/00/only-there", "y");
    assert_int_equal(storage_remove(s, "keys/a", NULL), VV_OK);
    must_hold_text(copy, "keys/a", "a");
    must_lack(copy, "keys/later");
    must_lack(s, "packs/00/only-there");
    storage_free(s);
    must_hold_text(copy, "keys/b", "b");
    storage_free(copy);
}

int
main(void)
{
    static const struct conformance_driver driver = {
        .name = "memory", .open = new_memory, .close = free_memory};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_poke__replaces_creates_and_drops),
        cmocka_unit_test(memory_poke__needs_no_directory),
        cmocka_unit_test(memory_peek__borrows_the_bytes),
        cmocka_unit_test(memory_clone__is_independent),
    };
    int failed = conformance_run(&driver);
    return failed + cmocka_run_group_tests_name("memory only", tests, NULL, NULL);
}
