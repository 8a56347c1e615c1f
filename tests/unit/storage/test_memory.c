/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory storage: the conformance suite, and the tests' direct access to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/alloc.h"
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

/* What storages far away are asked for. */
static struct {
    const struct storage_ops *real;
    unsigned calls;
    size_t bytes;
} asked;

static unsigned
tell_parallel(struct storage *s)
{
    (void)s;
    return 16;
}

static enum vv_rc
count_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
           size_t *ret_len, struct vv_error *err)
{
    enum vv_rc rc = asked.real->read(s, name, offset, buf, len, ret_len, err);
    asked.calls++;
    asked.bytes += *ret_len;
    return rc;
}

static void
read_all__asks_a_far_storage_for_each_byte_once(void **state)
{
    (void)state;
    void *cookie;
    struct storage *s = new_memory(&cookie);
    struct storage_ops far = *s->ops;
    struct vv_buf all = {0};
    uint8_t *data = vv_alloc(300000);
    assert_non_null(data);
    assert_int_equal(storage_make_layout(s, NULL), VV_OK);
    assert_int_equal(storage_publish(s, "index/a", vv_span(data, 200000), NULL), VV_OK);
    assert_int_equal(storage_publish(s, "index/b", vv_span(data, 300000), NULL), VV_OK);
    asked.real = s->ops;
    far.parallel = tell_parallel;
    far.read = count_read;
    s->ops = &far;
    assert_int_equal(storage_read_all(s, "index/a", 300000, &all, NULL), VV_OK);
    assert_int_equal(asked.calls, 1);
    assert_int_equal(asked.bytes, 200000);
    assert_int_equal(storage_read_all(s, "index/b", 300000, &all, NULL), VV_OK);
    assert_int_equal(asked.calls, 3);
    assert_int_equal(asked.bytes, 500000);
    assert_int_equal(all.len, 500000);
    s->ops = asked.real;
    vv_buf_release(&all);
    vv_free(data);
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
        cmocka_unit_test(read_all__asks_a_far_storage_for_each_byte_once),
        cmocka_unit_test(memory_poke__replaces_creates_and_drops),
        cmocka_unit_test(memory_poke__needs_no_directory),
        cmocka_unit_test(memory_peek__borrows_the_bytes),
        cmocka_unit_test(memory_clone__is_independent),
    };
    int failed = conformance_run(&driver);
    return failed + cmocka_run_group_tests_name("memory only", tests, NULL, NULL);
}
