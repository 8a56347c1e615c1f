/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/buffer_pool.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/buffer_pool.h"

static struct vv_buf
buffer_of(size_t size)
{
    struct vv_buf buf = {0};

    assert_int_equal(vv_buf_reserve(&buf, size, NULL), VV_OK);
    vv_buf_put_u8(&buf, 7);
    return buf;
}

static void
buffer_pool__gives_back_what_was_used(void **state)
{
    struct buffer_pool p;
    struct vv_buf buf = buffer_of(1000);
    const uint8_t *memory = buf.data;

    (void)state;
    buffer_pool_init(&p, 1 << 20);
    buffer_pool_give(&p, &buf);
    assert_null(buf.data);
    buf = buffer_pool_take(&p);
    assert_ptr_equal(buf.data, memory);
    assert_int_equal(buf.len, 0);
    assert_true(buf.cap >= 1000);
    buffer_pool_give(&p, &buf);
    buf = buffer_pool_take(&p);
    assert_ptr_equal(buf.data, memory);
    vv_buf_release(&buf);
    buf = buffer_pool_take(&p);
    assert_null(buf.data); /* there is no other */
    buffer_pool_give(&p, &buf);
    assert_int_equal(p.bytes, 0);
    buffer_pool_release(&p);
}

static void
buffer_pool__forgets_that_an_append_failed(void **state)
{
    struct buffer_pool p;
    struct vv_buf buf = buffer_of(1000);

    (void)state;
    buffer_pool_init(&p, 1 << 20);
    buf.failed = true;
    buffer_pool_give(&p, &buf);
    buf = buffer_pool_take(&p);
    assert_false(buf.failed);
    buffer_pool_give(&p, &buf);
    buffer_pool_release(&p);
}

static void
buffer_pool__keeps_no_more_than_it_may(void **state)
{
    struct buffer_pool p;
    struct vv_buf bufs[BUFFER_POOL_KEPT + 1];
    size_t size = 0;

    (void)state;
    for (unsigned i = 0; i <= BUFFER_POOL_KEPT; i++) {
        bufs[i] = buffer_of(1000);
        size = bufs[i].cap;
    }
    buffer_pool_init(&p, 2 * size); /* two fit, although there is room for more */
    for (unsigned i = 0; i < 3; i++) {
        buffer_pool_give(&p, &bufs[i]);
    }
    assert_int_equal(p.bytes, 2 * size);
    buffer_pool_release(&p);
    buffer_pool_init(&p, SIZE_MAX);
    for (unsigned i = 0; i <= BUFFER_POOL_KEPT; i++) {
        if (i < 3) {
            bufs[i] = buffer_of(1000);
        }
        buffer_pool_give(&p, &bufs[i]);
        assert_null(bufs[i].data);
    }
    assert_int_equal(p.bytes, BUFFER_POOL_KEPT * size);
    buffer_pool_release(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_pool__gives_back_what_was_used),
        cmocka_unit_test(buffer_pool__forgets_that_an_append_failed),
        cmocka_unit_test(buffer_pool__keeps_no_more_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
