/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/alloc.h and core/arena.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_sweep.h"
#include "core/arena.h"

static void
alloc__empty_requests_yield_memory(void **state)
{
    (void)state;
    void *a = vv_alloc(0);
    void *b = vv_alloc_array(0, 8);
    void *c = vv_realloc_array(NULL, 0, 8);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    c = vv_realloc_array(c, 0, 0);
    assert_non_null(c);
    vv_free(a);
    vv_free(b);
    vv_free(c);
    vv_free(NULL);
}

static void
alloc__array_is_cleared_and_checks_overflow(void **state)
{
    (void)state;
    uint8_t *p = vv_alloc_array(100, 10);
    assert_non_null(p);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(p[i], 0);
    }
    assert_null(vv_alloc_array(SIZE_MAX / 2, 4));
    assert_null(vv_realloc_array(p, SIZE_MAX / 2, 4));
    p[999] = 1; /* still ours */
    vv_free(p);
}

/** Does the system give huge pages to who asks for them? */
static bool
gives_huge_pages(void)
{
    char text[64] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");

    if (f != NULL) {
        (void)!fgets(text, sizeof(text), f);
        assert_int_equal(fclose(f), 0);
    }
    return strstr(text, "[madvise]") != NULL || strstr(text, "[always]") != NULL;
}

/** Was the system asked for huge pages for the mapping in which ${p} lies ("hg" in its flags)? */
static bool
is_huge(const void *p)
{
    char line[4096];
    bool here = false;
    bool ret = false;
    FILE *f = fopen("/proc/self/smaps", "re");

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        uintptr_t from;
        uintptr_t to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
            here = (uintptr_t)p >= from && (uintptr_t)p < to;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            ret = strstr(line, " hg") != NULL;
        }
    }
    assert_int_equal(fclose(f), 0);
    return ret;
}

static void
alloc__what_will_be_filled_asks_for_huge_pages(void **state)
{
    (void)state;
    enum { HUGE = 2 << 20, N = 3 * HUGE + 4097 };
    uint8_t *small = vv_alloc_to_fill(N, HUGE - 1);
    uint8_t *large = vv_alloc_to_fill(N, 3 * HUGE - 1);

    assert_non_null(small);
    assert_non_null(large);
    assert_int_equal((uintptr_t)large % HUGE, 0);
    if (gives_huge_pages()) {
        assert_true(is_huge(large));
        assert_true(is_huge(large + 2 * HUGE - 1));
        assert_false(is_huge(large + 2 * HUGE)); /* will not be filled */
        assert_false(is_huge(small));
    }
    memset(large, 0x5a, N);
    large = vv_realloc_array(large, 2, N);
    assert_non_null(large);
    assert_int_equal(large[0], 0x5a);
    assert_int_equal(large[N - 1], 0x5a);
    vv_free(large);
    vv_free(small);
    vv_alloc_fail_at(1, 0);
    large = vv_alloc_to_fill(N, N);
    vv_alloc_fail_at(0, 0);
    assert_null(large);
    assert_null(vv_alloc_to_fill(SIZE_MAX, SIZE_MAX));
}

static void
alloc__copies_end_with_nul(void **state)
{
    (void)state;
    char *s = vv_strdup("abc");
    char *m = vv_memdup("x\0y", 3);
    char *empty = vv_memdup(NULL, 0);
    assert_string_equal(s, "abc");
    assert_memory_equal(m, "x\0y", 4);
    assert_string_equal(empty, "");
    vv_free(s);
    vv_free(m);
    vv_free(empty);
}

static void
alloc__fails_at_the_chosen_one(void **state)
{
    (void)state;
    vv_alloc_fail_at(2, 0);
    void *first = vv_alloc(1);
    void *second = vv_alloc_array(1, 1);
    void *third = vv_realloc_array(NULL, 1, 1);
    uint64_t count = vv_alloc_count();
    vv_alloc_fail_at(0, 0);
    void *off = vv_alloc(1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_non_null(off);
    assert_int_equal(count, 3);
    assert_int_equal(vv_alloc_count(), 3);
    vv_free(first);
    vv_free(third);
    vv_free(off);

    vv_alloc_fail_at(1, 1);
    first = vv_alloc(1);
    second = vv_strdup("a");
    vv_alloc_fail_at(0, 0);
    assert_null(first);
    assert_null(second);
}

static void
arena__aligns_and_keeps_contents_apart(void **state)
{
    (void)state;
    enum { N = 3000 };
    static uint8_t *parts[N];
    struct vv_arena a = {0};

    for (size_t i = 0; i < N; i++) {
        size_t n = i % 97 == 0 ? 20000 : i % 61;
        parts[i] = vv_arena_alloc(&a, n);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
        memset(parts[i], (int)(i & 0xff), n);
    }
    for (size_t i = 0; i < N; i++) {
        size_t n = i % 97 == 0 ? 20000 : i % 61;
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(parts[i][j], i & 0xff);
        }
    }
    assert_true(a.used >= 31 * 20000);
    vv_arena_release(&a);
    assert_null(a.newest);
    assert_int_equal(a.used, 0);
}

static void
arena__reset_reuses_its_block(void **state)
{
    (void)state;
    struct vv_arena a = {0};
    assert_string_equal(vv_arena_copy(&a, "hello", 5), "hello");
    vv_arena_reset(&a);
    assert_int_equal(a.used, 0);
    vv_alloc_fail_at(1, 1);
    void *p = vv_arena_alloc(&a, 64);
    vv_alloc_fail_at(0, 0);
    assert_non_null(p);
    vv_arena_release(&a);
}

static void
arena__refuses_impossible_sizes(void **state)
{
    (void)state;
    struct vv_arena a = {0};
    assert_null(vv_arena_alloc(&a, SIZE_MAX));
    assert_null(vv_arena_alloc(&a, SIZE_MAX - 32));
    assert_null(vv_arena_copy(&a, "", SIZE_MAX));
    assert_non_null(vv_arena_alloc(&a, 1));
    assert_null(vv_arena_alloc(&a, SIZE_MAX - 32));
    vv_arena_release(&a);
}

static enum vv_rc
arena_work(void *arg, struct vv_error *err)
{
    struct vv_arena a = {0};
    enum vv_rc rc = VV_OK;

    (void)arg;
    for (size_t i = 0; i < 40 && rc == VV_OK; i++) {
        if (vv_arena_alloc(&a, i * 300) == NULL) {
            rc = vv_error_nomem(err);
        }
    }
    vv_arena_release(&a);
    return rc;
}

static void
arena__survives_any_failed_allocation(void **state)
{
    (void)state;
    assert_true(alloc_sweep(arena_work, NULL) > 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc__empty_requests_yield_memory),
        cmocka_unit_test(alloc__array_is_cleared_and_checks_overflow),
        cmocka_unit_test(alloc__what_will_be_filled_asks_for_huge_pages),
        cmocka_unit_test(alloc__copies_end_with_nul),
        cmocka_unit_test(alloc__fails_at_the_chosen_one),
        cmocka_unit_test(arena__aligns_and_keeps_contents_apart),
        cmocka_unit_test(arena__reset_reuses_its_block),
        cmocka_unit_test(arena__refuses_impossible_sizes),
        cmocka_unit_test(arena__survives_any_failed_allocation),
    };
    return cmocka_run_group_tests_name("core/alloc", tests, NULL, NULL);
}
