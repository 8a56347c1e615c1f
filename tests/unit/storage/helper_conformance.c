/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite every storage driver runs; see conformance.h. */
#include "storage/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { RACERS = 16, RACES = 12, MANY_NAMES = 10000, BIG = 33 * 1024 * 1024 + 7 };

struct fixture {
    const struct conformance_driver *driver;
    struct storage *s;
    void *cookie;
};

static const struct conformance_driver *current;

/* --- helpers --- */

static struct vv_span
text_span(const char *text)
{
    return vv_span(text, strlen(text));
}

void
must_fail(enum vv_rc rc, enum vv_rc expected, const struct vv_error *err)
{
    if (rc != expected) {
        print_error("expected %s, got %s (%s)\n", vv_rc_name(expected), vv_rc_name(rc),
                    err->message);
    }
    assert_int_equal(rc, expected);
    assert_int_equal(err->rc, expected);
    assert_int_equal(err->origin, VV_ORIGIN_REPOSITORY);
    assert_true(err->message[0] != '\0');
}

static void
must_succeed(enum vv_rc rc, const struct vv_error *err)
{
    if (rc != VV_OK) {
        print_error("%s: %s\n", vv_rc_name(rc), err->message);
    }
    assert_int_equal(rc, VV_OK);
}

void
must_publish(struct storage *s, const char *name, const char *text)
{
    struct vv_error err = {0};
    must_succeed(storage_publish(s, name, text_span(text), &err), &err);
}

void
must_hold(struct storage *s, const char *name, struct vv_span data)
{
    struct vv_error err = {0};
    uint64_t size = UINT64_MAX;
    struct vv_buf all = {0};
    must_succeed(storage_size(s, name, &size, &err), &err);
    assert_int_equal(size, data.len);
    must_succeed(storage_read_all(s, name, data.len, &all, &err), &err);
    assert_int_equal(all.len, data.len);
    if (data.len > 0) {
        assert_memory_equal(all.data, data.data, data.len);
    }
    vv_buf_release(&all);
}

void
must_hold_text(struct storage *s, const char *name, const char *text)
{
    must_hold(s, name, text_span(text));
}

void
must_lack(struct storage *s, const char *name)
{
    struct vv_error err = {0};
    uint64_t size = 42;
    must_fail(storage_size(s, name, &size, &err), VV_ENOTFOUND, &err);
    assert_int_equal(size, 42);
}

static enum vv_rc
count_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)size;
    (void)err;
    ++*(unsigned *)ctx;
    return VV_OK;
}

unsigned
count_listed(struct storage *s, const char *directory)
{
    struct vv_error err = {0};
    unsigned n = 0;
    must_succeed(storage_list(s, directory, count_name, &n, &err), &err);
    return n;
}

void
fill_pattern(uint8_t *data, size_t len, uint64_t seed)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 32);
    }
}

static int
setup_bare(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->driver = current;
    f->s = current->open(&f->cookie);
    assert_non_null(f->s);
    *state = f;
    return 0;
}

static int
setup(void **state)
{
    setup_bare(state);
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_succeed(storage_make_layout(f->s, &err), &err);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    f->driver->close(f->s, f->cookie);
    free(f);
    return 0;
}

/* --- layout --- */

static void
layout__has_every_directory(void **state)
{
    static const char *const names[] = {"",      "keys",      "admin",  "sessions",  "snapshots",
                                        "index", "condemned", "packs",  "packs/00",  "packs/7f",
                                        "tmp",   "packs/ff",  "parity", "parity/00", "parity/ff"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(count_listed(f->s, names[i]), 0);
    }
}

static void
layout__refuses_a_storage_that_is_not_empty(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "config", "first");
    must_fail(storage_make_layout(f->s, &err), VV_EREFUSED, &err);
    assert_true(err.hint[0] != '\0');
    must_hold_text(f->s, "config", "first");
}

static void
without_layout__everything_is_missing(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    uint64_t size;
    unsigned n = 0;
    must_fail(storage_size(f->s, "config", &size, &err), VV_ENOTFOUND, &err);
    must_fail(storage_list(f->s, "keys", count_name, &n, &err), VV_ENOTFOUND, &err);
    must_fail(storage_list(f->s, "", count_name, &n, &err), VV_ENOTFOUND, &err);
    must_fail(storage_publish(f->s, "keys/a", text_span("x"), &err), VV_ENOTFOUND, &err);
    must_fail(storage_remove(f->s, "keys/a", &err), VV_ENOTFOUND, &err);
    assert_int_equal(n, 0);
}

/* --- publish --- */

static void
publish__stores_at_every_depth(void **state)
{
    struct fixture *f = *state;
    must_publish(f->s, "config", "the configuration");
    must_publish(f->s, "keys/a.b_c-D9", "a key");
    must_publish(f->s, "packs/ab/0123-4567", "a pack");
    must_publish(f->s, "keys/.hidden", "dot");
    must_publish(f->s, "keys/...", "dots");
    must_hold_text(f->s, "config", "the configuration");
    must_hold_text(f->s, "keys/a.b_c-D9", "a key");
    must_hold_text(f->s, "packs/ab/0123-4567", "a pack");
    must_hold_text(f->s, "keys/.hidden", "dot");
    must_hold_text(f->s, "keys/...", "dots");
}

static void
publish__is_exclusive(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "snapshots/s", "winner");
    must_fail(storage_publish(f->s, "snapshots/s", text_span("loser"), &err), VV_EEXISTS, &err);
    must_hold_text(f->s, "snapshots/s", "winner");
    /* equal bytes do not make it ours */
    must_fail(storage_publish(f->s, "snapshots/s", text_span("winner"), &err), VV_EEXISTS, &err);
    assert_int_equal(count_listed(f->s, "snapshots"), 1);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

static void
publish__refuses_the_name_of_a_directory(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_fail(storage_publish(f->s, "packs", text_span("x"), &err), VV_EEXISTS, &err);
    must_fail(storage_publish(f->s, "packs/ab", text_span("x"), &err), VV_EEXISTS, &err);
}

static void
publish__needs_the_directory(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_fail(storage_publish(f->s, "nowhere/x", text_span("x"), &err), VV_ENOTFOUND, &err);
    must_fail(storage_publish(f->s, "packs/xyz/x", text_span("x"), &err), VV_ENOTFOUND, &err);
    must_publish(f->s, "keys/file", "x");
    must_fail(storage_publish(f->s, "keys/file/x", text_span("x"), &err), VV_ENOTFOUND, &err);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

static void
publish__stores_empty_objects(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_succeed(storage_publish(f->s, "keys/empty", vv_span(NULL, 0), &err), &err);
    must_hold(f->s, "keys/empty", vv_span(NULL, 0));
    must_fail(storage_publish(f->s, "keys/empty", text_span("x"), &err), VV_EEXISTS, &err);
    assert_int_equal(count_listed(f->s, "keys"), 1);
}

static void
publish__stores_big_objects(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    uint8_t *data = malloc(BIG);
    assert_non_null(data);
    fill_pattern(data, BIG, 1);
    must_succeed(storage_publish(f->s, "packs/00/big", vv_span(data, BIG), &err), &err);
    storage_uncache(f->s, "packs/00/big");
    must_hold(f->s, "packs/00/big", vv_span(data, BIG));
    free(data);
}

static void
publish__stores_every_byte_value(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    uint8_t data[256];
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)i;
    }
    must_succeed(storage_publish(f->s, "keys/bytes", vv_span(data, sizeof(data)), &err), &err);
    must_hold(f->s, "keys/bytes", vv_span(data, sizeof(data)));
}

static void
names__are_checked_by_every_call(void **state)
{
    char long_component[STORAGE_COMPONENT_MAX + 2];
    memset(long_component, 'a', sizeof(long_component) - 1);
    long_component[sizeof(long_component) - 1] = '\0';
    const char *const bad[] = {"",          ".",       "..",     "/",        "/config",
                               "keys/",     "keys//a", "a/..",   "../a",     "./a",
                               "a/./b",     "a/b/c/d", "a/../b", "keys/a b", "keys/a\n",
                               "k\xc3\xa4", "a\\b",    "a:b",    "~",        long_component};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vv_error err = {0};
        uint64_t size = 0;
        size_t got = 0;
        uint8_t byte;
        struct vv_buf all = {0};
        assert_false(storage_name_valid(bad[i]));
        must_fail(storage_publish(f->s, bad[i], text_span("x"), &err), VV_EUSAGE, &err);
        must_fail(storage_read(f->s, bad[i], 0, &byte, 1, &got, &err), VV_EUSAGE, &err);
        must_fail(storage_read_all(f->s, bad[i], 9, &all, &err), VV_EUSAGE, &err);
        must_fail(storage_size(f->s, bad[i], &size, &err), VV_EUSAGE, &err);
        must_fail(storage_remove(f->s, bad[i], &err), VV_EUSAGE, &err);
        storage_uncache(f->s, bad[i]);
    }
    long_component[STORAGE_COMPONENT_MAX] = '\0';
    must_publish(f->s, long_component, "as long as can be");
    must_hold_text(f->s, long_component, "as long as can be");
}

/* --- read --- */

static void
read__honours_offset_and_length(void **state)
{
    static const struct {
        uint64_t offset;
        size_t len;
        const char *expected;
    } cases[] = {
        {0, 10, "0123456789"},
        {0, 3, "012"},
        {4, 3, "456"},
        {7, 3, "789"},
        {7, 4, "789"},
        {9, 9, "9"},
        {10, 5, ""},
        {11, 5, ""},
        {0, 0, ""},
        {5, 0, ""},
        {0, 20, "0123456789"},
        {UINT64_C(1) << 62, 5, ""},
        {UINT64_MAX, 5, ""},
        {UINT64_MAX - 3, 20, ""},
    };
    struct fixture *f = *state;
    must_publish(f->s, "index/x", "0123456789");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vv_error err = {0};
        uint8_t buf[32];
        size_t got = 99;
        memset(buf, '#', sizeof(buf));
        must_succeed(storage_read(f->s, "index/x", cases[i].offset, buf, cases[i].len, &got, &err),
                     &err);
        assert_int_equal(got, strlen(cases[i].expected));
        assert_memory_equal(buf, cases[i].expected, got);
        assert_int_equal(buf[cases[i].len], '#'); /* nothing behind what was asked for */
    }
}

static void
read__of_nothing_says_so(void **state)
{
    static const char *const missing[] = {"config",    "keys/none", "packs/ab/none",
                                          "none/none", "keys",      "packs/ab"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        struct vv_error err = {0};
        uint8_t byte = 7;
        size_t got = 9;
        struct vv_buf all = {0};
        vv_buf_put_text(&all, "before");
        must_fail(storage_read(f->s, missing[i], 0, &byte, 1, &got, &err), VV_ENOTFOUND, &err);
        assert_int_equal(got, 9);
        must_fail(storage_read_all(f->s, missing[i], 9, &all, &err), VV_ENOTFOUND, &err);
        assert_int_equal(all.len, 6);
        must_lack(f->s, missing[i]);
        vv_buf_release(&all);
    }
}

static void
read_all__appends_and_honours_the_limit(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    struct vv_buf all = {0};
    must_publish(f->s, "admin/x", "twelve bytes");
    vv_buf_put_text(&all, ">");
    must_fail(storage_read_all(f->s, "admin/x", 11, &all, &err), VV_ELIMIT, &err);
    assert_int_equal(all.len, 1);
    must_succeed(storage_read_all(f->s, "admin/x", 12, &all, &err), &err);
    must_succeed(storage_read_all(f->s, "admin/x", UINT64_MAX, &all, &err), &err);
    assert_string_equal(vv_buf_text(&all), ">twelve bytestwelve bytes");
    vv_buf_release(&all);
}

/* On a long line the beginning is read before the size is known. */
static void
read_all__takes_objects_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 65536, 262143, 262144, 262145, 327680, 1500001};
    struct fixture *f = *state;
    struct vv_error err = {0};
    uint8_t *data = vv_alloc(1500001);
    assert_non_null(data);
    for (size_t i = 0; i < 1500001; i++) {
        data[i] = (uint8_t)(i * 7 + i / 251);
    }
    for (size_t i = 0; i < VV_COUNT(sizes); i++) {
        struct vv_buf all = {0};
        char names[2][64];
        snprintf(names[0], sizeof(names[0]), "index/%zu", i);
        snprintf(names[1], sizeof(names[1]), "packs/00/%zu", i); /* kept open, read in units */
        for (unsigned k = 0; k < 2; k++) {
            must_succeed(storage_publish(f->s, names[k], vv_span(data, sizes[i]), &err), &err);
            vv_buf_reset(&all);
            vv_buf_put_text(&all, ">");
            must_succeed(storage_read_all(f->s, names[k], sizes[i], &all, &err), &err);
            assert_int_equal(all.len, sizes[i] + 1);
            assert_memory_equal(all.data + 1, data, sizes[i]);
            if (sizes[i] > 0) {
                must_fail(storage_read_all(f->s, names[k], sizes[i] - 1, &all, &err), VV_ELIMIT,
                          &err);
                assert_int_equal(all.len, sizes[i] + 1);
            }
        }
        vv_buf_release(&all);
    }
    vv_free(data);
}

/* --- list --- */

struct expected_name {
    const char *name;
    uint64_t size;
    unsigned seen;
};

static enum vv_rc
tick_off(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    for (struct expected_name *e = ctx; e->name != NULL; e++) {
        if (strcmp(e->name, name) == 0) {
            assert_int_equal(size, e->size);
            e->seen++;
            return VV_OK;
        }
    }
    return vv_error_set(err, VV_ECORRUPT, "unexpected name '%s'", name);
}

static void
list__yields_the_objects_of_one_directory(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "config", "root");
    must_publish(f->s, "packs/loose", "12");
    must_publish(f->s, "packs/ab/one", "1");
    must_publish(f->s, "packs/ab/two", "");
    must_publish(f->s, "packs/ac/three", "333");
    must_publish(f->s, "index/four", "4444");
    struct expected_name shard[] = {{"one", 1, 0}, {"two", 0, 0}, {NULL, 0, 0}};
    must_succeed(storage_list(f->s, "packs/ab", tick_off, shard, &err), &err);
    assert_int_equal(shard[0].seen, 1);
    assert_int_equal(shard[1].seen, 1);
    struct expected_name packs[] = {{"loose", 2, 0}, {NULL, 0, 0}};
    must_succeed(storage_list(f->s, "packs", tick_off, packs, &err), &err);
    assert_int_equal(packs[0].seen, 1);
    struct expected_name root[] = {{"config", 4, 0}, {NULL, 0, 0}};
    must_succeed(storage_list(f->s, "", tick_off, root, &err), &err);
    assert_int_equal(root[0].seen, 1);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

static void
list__of_a_missing_directory_is_an_error(void **state)
{
    static const char *const missing[] = {"none", "packs/xyz", "keys/none"};
    struct fixture *f = *state;
    unsigned n = 0;
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        struct vv_error err = {0};
        must_fail(storage_list(f->s, missing[i], count_name, &n, &err), VV_ENOTFOUND, &err);
    }
    static const char *const bad[] = {".", "..", "/", "keys/", "a/b/c", "keys/..", "/tmp"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vv_error err = {0};
        must_fail(storage_list(f->s, bad[i], count_name, &n, &err), VV_EUSAGE, &err);
    }
    assert_int_equal(n, 0);
}

static enum vv_rc
stop_at_second(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)size;
    unsigned *calls = ctx;
    return ++*calls == 2 ? vv_error_set(err, VV_ECANCELLED, "enough") : VV_OK;
}

static void
list__stops_when_the_callback_says_so(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    unsigned calls = 0;
    must_publish(f->s, "keys/a", "");
    must_publish(f->s, "keys/b", "");
    must_publish(f->s, "keys/c", "");
    assert_int_equal(storage_list(f->s, "keys", stop_at_second, &calls, &err), VV_ECANCELLED);
    assert_int_equal(calls, 2);
    assert_string_equal(err.message, "enough");
    assert_int_equal(err.origin, VV_ORIGIN_NONE); /* not the repository's fault */
}

struct using
{
    struct storage *s;
    unsigned removed;
};

static enum vv_rc
use_storage(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct using *u = ctx;
    char whole[64];
    snprintf(whole, sizeof(whole), "keys/%s", name);
    uint64_t again = 0;
    VV_TRY(storage_size(u->s, whole, &again, err));
    assert_int_equal(again, size);
    VV_TRY(storage_remove(u->s, whole, err));
    u->removed++;
    return VV_OK;
}

static void
list__lets_the_callback_use_the_storage(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    struct using u = {.s = f->s};
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof(name), "keys/%d", i);
        must_publish(f->s, name, name);
    }
    must_succeed(storage_list(f->s, "keys", use_storage, &u, &err), &err);
    assert_int_equal(u.removed, 50);
    assert_int_equal(count_listed(f->s, "keys"), 0);
}

static enum vv_rc
mark_number(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)err;
    uint8_t *seen = ctx;
    unsigned long n = strtoul(name, NULL, 10);
    assert_true(n < MANY_NAMES);
    assert_int_equal(size, 1 + n % 3);
    seen[n]++;
    return VV_OK;
}

static void
list__yields_ten_thousand_names_once_each(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    for (unsigned i = 0; i < MANY_NAMES; i++) {
        char name[64];
        snprintf(name, sizeof(name), "index/%05u-with-a-name-of-some-length", i);
        must_succeed(storage_publish(f->s, name, vv_span("abc", 1 + i % 3), &err), &err);
    }
    uint8_t *seen = calloc(MANY_NAMES, 1);
    assert_non_null(seen);
    must_succeed(storage_list(f->s, "index", mark_number, seen, &err), &err);
    for (unsigned i = 0; i < MANY_NAMES; i++) {
        assert_int_equal(seen[i], 1);
    }
    free(seen);
}

/* --- remove --- */

static void
remove__deletes_one_object(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "keys/a", "a");
    must_publish(f->s, "keys/b", "b");
    must_succeed(storage_remove(f->s, "keys/a", &err), &err);
    must_lack(f->s, "keys/a");
    must_hold_text(f->s, "keys/b", "b");
    must_fail(storage_remove(f->s, "keys/a", &err), VV_ENOTFOUND, &err);
    assert_int_equal(count_listed(f->s, "keys"), 1);
}

static void
remove__frees_the_name(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "keys/a", "old");
    must_succeed(storage_remove(f->s, "keys/a", &err), &err);
    must_publish(f->s, "keys/a", "new one");
    must_hold_text(f->s, "keys/a", "new one");
}

static void
remove__leaves_directories_alone(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_fail(storage_remove(f->s, "packs/ab", &err), VV_ENOTFOUND, &err);
    must_fail(storage_remove(f->s, "keys", &err), VV_ENOTFOUND, &err);
    must_publish(f->s, "packs/ab/x", "x");
}

static void
remove_many__deletes_what_is_there(void **state)
{
    static const char *const names[] = {"keys/a", "keys/none", "keys/b"};
    static const char *const spread[] = {"keys/c", "admin/c"};
    static const char *const directories[] = {"packs/ab"};
    struct fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "keys/a", "a");
    must_publish(f->s, "keys/b", "b");
    must_publish(f->s, "keys/c", "c");
    must_succeed(storage_remove_many(f->s, names, 3, &err), &err);
    must_lack(f->s, "keys/a");
    must_lack(f->s, "keys/b");
    must_succeed(storage_remove_many(f->s, names, 3, &err), &err);
    must_succeed(storage_remove_many(f->s, names, 0, &err), &err);
    must_succeed(storage_remove_many(f->s, directories, 1, &err), &err);
    must_publish(f->s, "packs/ab/x", "x");
    must_fail(storage_remove_many(f->s, spread, 2, &err), VV_EUSAGE, &err);
    must_hold_text(f->s, "keys/c", "c");
}

/* --- several threads --- */

struct race {
    struct storage *s;
    pthread_barrier_t start;
    char name[64];
    enum vv_rc results[RACERS];
};
struct racer {
    struct race *race;
    unsigned number;
    pthread_t thread;
};

static void *
run_racer(void *arg)
{
    struct racer *r = arg;
    uint8_t data[5000];
    memset(data, (int)r->number + 1, sizeof(data));
    pthread_barrier_wait(&r->race->start);
    r->race->results[r->number] =
        storage_publish(r->race->s, r->race->name, vv_span(data, sizeof(data)), NULL);
    return NULL;
}

static void
publish__lets_exactly_one_of_sixteen_win(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < RACES; round++) {
        struct race race = {.s = f->s};
        struct racer racers[RACERS];
        snprintf(race.name, sizeof(race.name), "snapshots/%u", round);
        pthread_barrier_init(&race.start, NULL, RACERS);
        for (unsigned i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.race = &race, .number = i};
            assert_int_equal(pthread_create(&racers[i].thread, NULL, run_racer, &racers[i]), 0);
        }
        unsigned winners = 0;
        unsigned winner = 0;
        for (unsigned i = 0; i < RACERS; i++) {
            pthread_join(racers[i].thread, NULL);
            if (race.results[i] == VV_OK) {
                winners++;
                winner = i;
            } else {
                assert_int_equal(race.results[i], VV_EEXISTS);
            }
        }
        pthread_barrier_destroy(&race.start);
        assert_int_equal(winners, 1);
        uint8_t data[5000];
        memset(data, (int)winner + 1, sizeof(data));
        must_hold(f->s, race.name, vv_span(data, sizeof(data)));
    }
    assert_int_equal(count_listed(f->s, "snapshots"), RACES);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

enum { STREAM = 400, STREAMS = 3 };
struct stream {
    struct storage *s;
    unsigned number;
    _Atomic unsigned published;
    _Atomic bool failed;
    pthread_t thread;
};

static void *
run_stream(void *arg)
{
    struct stream *stream = arg;
    for (unsigned i = 0; i < STREAM; i++) {
        char name[64];
        snprintf(name, sizeof(name), "packs/5a/%u-%u", stream->number, i);
        if (storage_publish(stream->s, name, text_span(name), NULL) != VV_OK) {
            atomic_store(&stream->failed, true);
            break;
        }
        atomic_store(&stream->published, i + 1);
    }
    return NULL;
}

static enum vv_rc
mark_stream(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    unsigned number;
    unsigned i;
    uint8_t(*seen)[STREAM] = ctx;
    if (sscanf(name, "%u-%u", &number, &i) != 2 || number >= STREAMS || i >= STREAM) {
        return vv_error_set(err, VV_ECORRUPT, "unexpected name '%s'", name);
    }
    /* S1: what is listed is there as a whole */
    if (size != strlen("packs/5a/") + strlen(name)) {
        return vv_error_set(err, VV_ECORRUPT, "partial object '%s'", name);
    }
    seen[number][i] = 1;
    return VV_OK;
}

static void
list__while_publishing_has_all_earlier_names(void **state)
{
    struct fixture *f = *state;
    static struct stream streams[STREAMS];
    for (unsigned i = 0; i < STREAMS; i++) {
        memset(&streams[i], 0, sizeof(streams[i]));
        streams[i].s = f->s;
        streams[i].number = i;
        assert_int_equal(pthread_create(&streams[i].thread, NULL, run_stream, &streams[i]), 0);
    }
    bool complete = false;
    bool failed = false;
    while (!complete && !failed) {
        static uint8_t seen[STREAMS][STREAM];
        unsigned before[STREAMS];
        struct vv_error err = {0};
        complete = true;
        memset(seen, 0, sizeof(seen));
        for (unsigned i = 0; i < STREAMS; i++) {
            before[i] = atomic_load(&streams[i].published);
            failed = failed || atomic_load(&streams[i].failed);
            complete = complete && before[i] == STREAM;
        }
        must_succeed(storage_list(f->s, "packs/5a", mark_stream, seen, &err), &err);
        for (unsigned i = 0; i < STREAMS; i++) {
            for (unsigned k = 0; k < before[i]; k++) {
                assert_int_equal(seen[i][k], 1);
            }
        }
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        pthread_join(streams[i].thread, NULL);
    }
    assert_false(failed);
}

/* --- the rest --- */

static void
abilities__allow_everything_a_repository_needs(void **state)
{
    struct fixture *f = *state;
    uint32_t needed = STORAGE_EXCLUSIVE_CREATE | STORAGE_DELETE;
    uint32_t known =
        needed | STORAGE_DURABLE_FILE | STORAGE_DURABLE_NAME | STORAGE_COMPLETE_LISTING;
    uint32_t abilities = storage_abilities(f->s);
    assert_int_equal(abilities & needed, needed);
    assert_int_equal(abilities & ~known, 0);
    assert_int_equal(storage_abilities(f->s), abilities);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

static void
optional_calls__work_or_say_that_they_do_not(void **state)
{
    struct fixture *f = *state;
    struct vv_error err = {0};
    uint64_t a = 1;
    uint64_t b = 2;
    enum vv_rc rc = storage_space(f->s, &a, &b, &err);
    if (rc != VV_OK) {
        must_fail(rc, VV_EUNSUPPORTED, &err);
        assert_int_equal(a, 1);
    } else {
        assert_true(b >= a);
    }
    a = 0;
    if (storage_local_identity(f->s, &a, &b)) {
        assert_true(a != 0);
    }
    storage_set_session(f->s, "00112233445566778899aabbccddeeff");
    must_publish(f->s, "keys/a", "after set_session");
    storage_uncache(f->s, "keys/a");
    storage_uncache(f->s, "keys/none");
    must_hold_text(f->s, "keys/a", "after set_session");
    assert_non_null(f->s->url);
    assert_non_null(f->s->ops->scheme);
    storage_free(NULL);
}

static void
errors__may_be_unwanted(void **state)
{
    struct fixture *f = *state;
    uint64_t size;
    unsigned n = 0;
    assert_int_equal(storage_size(f->s, "keys/none", &size, NULL), VV_ENOTFOUND);
    assert_int_equal(storage_size(f->s, "..", &size, NULL), VV_EUSAGE);
    assert_int_equal(storage_list(f->s, "none", count_name, &n, NULL), VV_ENOTFOUND);
    assert_int_equal(storage_remove(f->s, "keys/none", NULL), VV_ENOTFOUND);
    assert_int_equal(storage_make_layout(f->s, NULL), VV_EREFUSED);
}

/* One life of a storage; the first failure ends it. */
static enum vv_rc
live(struct storage *s, struct vv_error *err)
{
    struct vv_buf all = {0};
    unsigned n = 0;
    VV_TRY(storage_make_layout(s, err));
    VV_TRY(storage_publish(s, "keys/a", text_span("contents"), err));
    VV_TRY(storage_publish(s, "packs/ab/b", text_span("more"), err));
    enum vv_rc rc = storage_read_all(s, "keys/a", 100, &all, err);
    if (rc == VV_OK) {
        assert_string_equal(vv_buf_text(&all), "contents");
    } else {
        assert_int_equal(all.len, 0);
    }
    vv_buf_release(&all);
    VV_TRY(rc);
    VV_TRY(storage_list(s, "keys", count_name, &n, err));
    assert_int_equal(n, 1);
    return storage_remove(s, "packs/ab/b", err);
}

void
sweep_allocations(const struct conformance_driver *driver)
{
    enum vv_rc rc = VV_ENOMEM;
    unsigned step = driver->sweep_step > 0 ? driver->sweep_step : 1;
    unsigned k;
    for (k = 1; rc != VV_OK; k += step) {
        assert_true(k < 1000 * step);
        void *cookie = NULL;
        struct storage *s = driver->open(&cookie);
        struct vv_error err = {0};
        vv_alloc_fail_at(k, k % 2 == 0);
        rc = live(s, &err);
        vv_alloc_fail_at(0, 0);
        if (rc != VV_OK) {
            must_fail(rc, VV_ENOMEM, &err);
        }
        uint64_t size;
        if (storage_size(s, "keys/a", &size, NULL) == VV_OK) {
            must_hold_text(s, "keys/a", "contents");
        }
        driver->close(s, cookie);
    }
}

static void
allocations__may_fail_one_by_one(void **state)
{
    (void)state;
    sweep_allocations(current);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
conformance_run(const struct conformance_driver *driver)
{
    static const struct CMUnitTest tests[] = {
        CASE(layout__has_every_directory),
        CASE(layout__refuses_a_storage_that_is_not_empty),
        cmocka_unit_test_setup_teardown(without_layout__everything_is_missing, setup_bare,
                                        teardown),
        CASE(publish__stores_at_every_depth),
        CASE(publish__is_exclusive),
        CASE(publish__refuses_the_name_of_a_directory),
        CASE(publish__needs_the_directory),
        CASE(publish__stores_empty_objects),
        CASE(publish__stores_big_objects),
        CASE(publish__stores_every_byte_value),
        CASE(names__are_checked_by_every_call),
        CASE(read__honours_offset_and_length),
        CASE(read__of_nothing_says_so),
        CASE(read_all__appends_and_honours_the_limit),
        CASE(read_all__takes_objects_of_any_size),
        CASE(list__yields_the_objects_of_one_directory),
        CASE(list__of_a_missing_directory_is_an_error),
        CASE(list__stops_when_the_callback_says_so),
        CASE(list__lets_the_callback_use_the_storage),
        CASE(list__yields_ten_thousand_names_once_each),
        CASE(remove__deletes_one_object),
        CASE(remove__frees_the_name),
        CASE(remove__leaves_directories_alone),
        CASE(remove_many__deletes_what_is_there),
        CASE(publish__lets_exactly_one_of_sixteen_win),
        CASE(list__while_publishing_has_all_earlier_names),
        CASE(abilities__allow_everything_a_repository_needs),
        CASE(optional_calls__work_or_say_that_they_do_not),
        CASE(errors__may_be_unwanted),
        cmocka_unit_test(allocations__may_fail_one_by_one),
    };
    current = driver;
    return _cmocka_run_group_tests(driver->name, tests, sizeof(tests) / sizeof(tests[0]), NULL,
                                   NULL);
}
