/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading objects before they are wanted gives what reading them one by one gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/object_ahead.h"

enum { OBJECTS = 100, FAR = 8 };

/* A memory storage that says how many calls at once it likes, and counts them. */
static struct storage_ops ops;
static const struct storage_ops *memory_ops;
static unsigned parallel;
static _Atomic unsigned reads;

static unsigned
tell_parallel(struct storage *s)
{
    (void)s;
    return parallel;
}

static enum vv_rc
count_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
           size_t *ret_len, struct vv_error *err)
{
    atomic_fetch_add(&reads, 1);
    return memory_ops->read(s, name, offset, buf, len, ret_len, err);
}

struct fixture {
    struct storage *s;
    char texts[OBJECTS][16];
    char *names[OBJECTS];
};

static void
begin(struct fixture *f, unsigned in_parallel)
{
    parallel = in_parallel;
    assert_int_equal(storage_memory_new(&f->s, NULL), VV_OK);
    assert_int_equal(storage_make_layout(f->s, NULL), VV_OK);
    memory_ops = f->s->ops;
    ops = *memory_ops;
    ops.parallel = tell_parallel;
    ops.read = count_read;
    f->s->ops = &ops;
    for (unsigned i = 0; i < OBJECTS; i++) {
        char name[32];
        snprintf(f->texts[i], sizeof(f->texts[i]), "n%03u", i);
        f->names[i] = f->texts[i];
        snprintf(name, sizeof(name), "index/%s", f->names[i]);
        assert_int_equal(storage_publish(f->s, name, vv_span(name, strlen(name)), NULL), VV_OK);
    }
    atomic_store(&reads, 0);
}

static void
check_all(unsigned in_parallel)
{
    struct fixture f;
    struct object_ahead *a = NULL;
    struct vv_buf out = {0};
    struct vv_error err = {0};
    begin(&f, in_parallel);
    assert_int_equal(storage_remove(f.s, "index/n041", NULL), VV_OK);
    snprintf(f.texts[60], sizeof(f.texts[60]), "no name");
    assert_int_equal(object_ahead_new(f.s, "index", f.names, OBJECTS, 10, &a, &err), VV_OK);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char expected[32];
        enum vv_rc rc = object_ahead_next(a, &out, &err);
        snprintf(expected, sizeof(expected), "index/%s", f.names[i]);
        if (i == 41 || i == 60) {
            assert_int_equal(rc, i == 41 ? VV_ENOTFOUND : VV_ECORRUPT);
            assert_int_equal(err.rc, rc);
            continue;
        }
        assert_int_equal(rc, VV_OK);
        assert_string_equal(vv_buf_text(&out), expected);
    }
    object_ahead_free(a);
    vv_buf_release(&out);
    storage_free(f.s);
}

static void
object_ahead__hands_out_in_order(void **state)
{
    (void)state;
    check_all(1);
    check_all(FAR);
    check_all(1000);
}

static void
object_ahead__keeps_the_limit(void **state)
{
    (void)state;
    for (unsigned p = 1; p <= FAR; p += FAR - 1) {
        struct fixture f;
        struct object_ahead *a = NULL;
        struct vv_buf out = {0};
        begin(&f, p);
        assert_int_equal(object_ahead_new(f.s, "index", f.names, 2, 9, &a, NULL), VV_OK);
        assert_int_equal(object_ahead_next(a, &out, NULL), VV_ELIMIT); /* "index/n000" has 10 */
        object_ahead_free(a);
        vv_buf_release(&out);
        storage_free(f.s);
    }
}

static void
object_ahead__reads_no_more_than_its_window(void **state)
{
    struct fixture f;
    struct object_ahead *a = NULL;
    struct vv_buf out = {0};
    (void)state;
    begin(&f, FAR);
    assert_int_equal(object_ahead_new(f.s, "index", f.names, OBJECTS, 100, &a, NULL), VV_OK);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(object_ahead_next(a, &out, NULL), VV_OK);
    }
    object_ahead_free(a); /* what is read ahead is dropped */
    assert_in_range(atomic_load(&reads), 10, 10 + OBJECT_AHEAD_WINDOW);
    vv_buf_release(&out);
    storage_free(f.s);
}

static void
object_ahead__of_nothing_is_fine(void **state)
{
    struct fixture f;
    struct object_ahead *a = NULL;
    (void)state;
    begin(&f, FAR);
    assert_int_equal(object_ahead_new(f.s, "index", NULL, 0, 100, &a, NULL), VV_OK);
    object_ahead_free(a);
    object_ahead_free(NULL);
    storage_free(f.s);
}

static void
object_ahead__allocations_may_fail(void **state)
{
    (void)state;
    for (unsigned k = 1; k < 60; k++) {
        struct fixture f;
        struct object_ahead *a = NULL;
        struct vv_buf out = {0};
        begin(&f, FAR);
        vv_alloc_fail_at(k, 0);
        enum vv_rc rc = object_ahead_new(f.s, "index", f.names, OBJECTS, 100, &a, NULL);
        for (unsigned i = 0; rc == VV_OK && i < 20; i++) {
            rc = object_ahead_next(a, &out, NULL);
        }
        vv_alloc_fail_at(0, 0);
        assert_true(rc == VV_OK || rc == VV_ENOMEM);
        object_ahead_free(a);
        vv_buf_release(&out);
        storage_free(f.s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(object_ahead__hands_out_in_order),
        cmocka_unit_test(object_ahead__keeps_the_limit),
        cmocka_unit_test(object_ahead__reads_no_more_than_its_window),
        cmocka_unit_test(object_ahead__of_nothing_is_fine),
        cmocka_unit_test(object_ahead__allocations_may_fail),
    };
    return cmocka_run_group_tests_name("object_ahead", tests, NULL, NULL);
}
