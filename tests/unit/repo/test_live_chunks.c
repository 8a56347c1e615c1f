/* SPDX-License-Identifier: BSD-2-Clause */
/* Every id that was added comes out, once, in order: with and without a temporary file, whatever is
 * passed over when it is added again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/live_chunks.h"

#define IDS 5000u

/** Id number ${n}: 0 is all zeros; of four that follow each other, the low bits are equal. */
static struct vv_id
id_of(uint32_t n)
{
    struct vv_id id = {{0}};

    if (n > 0) {
        id.b[0] = (uint8_t)(n * 37);
        id.b[3] = (uint8_t)(n % 4);
        id.b[4] = (uint8_t)(n >> 8);
        id.b[5] = (uint8_t)n;
        id.b[13] = (uint8_t)(n / 4 >> 8);
        id.b[14] = (uint8_t)(n / 4);
        id.b[15] = 1;
    }
    return id;
}

struct found {
    struct live_key keys[IDS];
    size_t count;
};

static enum vv_rc
note(void *ctx, const struct live_key *key, struct vv_error *err)
{
    struct found *f = ctx;

    (void)err;
    assert_true(f->count < IDS);
    f->keys[f->count++] = *key;
    return VV_OK;
}

static int
compare(const void *a, const void *b)
{
    return live_key_compare(a, b);
}

static void
add(struct live_chunks *l, uint32_t n)
{
    struct vv_id id = id_of(n);

    assert_int_equal(live_chunks_add(l, &id, NULL), VV_OK);
}

static void
try_memory(size_t memory, bool spills)
{
    struct live_chunks *l = NULL;
    struct found *found = vv_alloc_array(1, sizeof(*found));
    struct live_key *wanted = vv_alloc_array(IDS, sizeof(*wanted));

    assert_non_null(found);
    assert_non_null(wanted);
    assert_int_equal(live_chunks_new("/tmp", memory, &l, NULL), VV_OK);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t n = 0; n < IDS; n++) {
            uint32_t shuffled = (uint32_t)((uint64_t)n * 2741 % IDS);
            add(l, shuffled);
            add(l, n);
            add(l, shuffled);
        }
    }
    for (uint32_t n = 0; n < IDS; n++) {
        struct vv_id id = id_of(n);
        wanted[n] = live_key_of(&id);
    }
    qsort(wanted, IDS, sizeof(*wanted), compare);
    assert_int_equal(live_chunks_spilled(l) > 0, spills);
    for (unsigned again = 0; again < 2; again++) {
        found->count = 0;
        assert_int_equal(live_chunks_each(l, note, found, NULL), VV_OK);
        assert_int_equal(found->count, IDS);
        assert_memory_equal(found->keys, wanted, IDS * sizeof(*wanted));
    }
    live_chunks_free(l);
    vv_free(found);
    vv_free(wanted);
}

static void
live_chunks__come_out_once_and_in_order(void **state)
{
    (void)state;
    try_memory(8u << 20, false);
    try_memory(0, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_chunks__come_out_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
