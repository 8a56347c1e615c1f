/* SPDX-License-Identifier: BSD-2-Clause */
/* The fault storage: passes the conformance suite while it is told nothing, and does each kind of
 * misbehaviour as told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "storage/conformance.h"

static struct storage *
new_fault(void **ret_cookie)
{
    struct storage *inner = NULL;
    struct storage *s = NULL;
    assert_int_equal(storage_memory_new(&inner, NULL), VV_OK);
    assert_int_equal(storage_fault_new(inner, NULL, NULL, &s, NULL), VV_OK);
    *ret_cookie = inner;
    return s;
}

static void
free_fault(struct storage *s, void *cookie)
{
    storage_free(s);
    storage_free(cookie);
}

/* What the hook is to say from now on, and what it was asked last. */
struct script {
    enum fault_verdict verdict;
    enum storage_op last_op;
    char last_name[64];
    unsigned asked;
};

static enum fault_verdict
follow(void *ctx, enum storage_op op, const char *name)
{
    struct script *script = ctx;
    script->last_op = op;
    strncpy(script->last_name, name, sizeof(script->last_name) - 1);
    script->asked++;
    return script->verdict;
}

struct fixture {
    struct script script;
    struct storage *inner;
    struct storage *s;
};

static void
setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(storage_memory_new(&f->inner, NULL), VV_OK);
    assert_int_equal(storage_make_layout(f->inner, NULL), VV_OK);
    must_publish(f->inner, "keys/there", "there all along");
    assert_int_equal(storage_fault_new(f->inner, follow, &f->script, &f->s, NULL), VV_OK);
}

static void
teardown(struct fixture *f)
{
    storage_free(f->s);
    storage_free(f->inner);
}

static enum vv_rc
count(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)size;
    (void)err;
    ++*(unsigned *)ctx;
    return VV_OK;
}

/* All five operations; each must fail with ${expected}, and what it was asked must be right. */
static void
expect_all(struct fixture *f, enum vv_rc expected, bool asked)
{
    struct vv_error err = {0};
    uint8_t buf[4];
    size_t got = 77;
    uint64_t size = 77;
    unsigned n = 0;
    must_fail(storage_publish(f->s, "keys/new", vv_span("x", 1), &err), expected, &err);
    assert_true(!asked || (f->script.last_op == STORAGE_PUBLISH &&
                           strcmp(f->script.last_name, "keys/new") == 0));
    must_fail(storage_read(f->s, "keys/there", 0, buf, 4, &got, &err), expected, &err);
    assert_true(!asked || f->script.last_op == STORAGE_READ);
    must_fail(storage_size(f->s, "keys/there", &size, &err), expected, &err);
    assert_true(!asked || f->script.last_op == STORAGE_SIZE);
    must_fail(storage_list(f->s, "keys", count, &n, &err), expected, &err);
    assert_true(!asked || f->script.last_op == STORAGE_LIST);
    must_fail(storage_remove(f->s, "keys/there", &err), expected, &err);
    assert_true(!asked || f->script.last_op == STORAGE_REMOVE);
    assert_int_equal(got, 77);
    assert_int_equal(size, 77);
}

static void
fault__failures_do_nothing(void **state)
{
    (void)state;
    static const struct {
        enum fault_verdict verdict;
        enum vv_rc expected;
    } cases[] = {{FAULT_FAIL, VV_EIO},
                 {FAULT_TRANSIENT, VV_ETRANSIENT},
                 {FAULT_NOSPACE, VV_ENOSPACE},
                 {FAULT_REFUSED, VV_EREFUSED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        setup(&f);
        f.script.verdict = cases[i].verdict;
        expect_all(&f, cases[i].expected, true);
        must_lack(f.inner, "keys/new");
        must_hold_text(f.inner, "keys/there", "there all along");
        f.script.verdict = FAULT_PASS;
        must_hold_text(f.s, "keys/there", "there all along");
        teardown(&f);
    }
}

static void
fault__lost_reply_does_it_and_fails(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.script.verdict = FAULT_LOST_REPLY;
    expect_all(&f, VV_ETRANSIENT, true);
    must_hold_text(f.inner, "keys/new", "x");
    must_lack(f.inner, "keys/there");
    teardown(&f);
}

static void
fault__flip_changes_one_bit_of_reads(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.script.verdict = FAULT_FLIP;
    const char *good = "there all along";
    uint8_t places[15] = {0};
    for (int round = 0; round < 200; round++) {
        uint8_t buf[15];
        size_t got = 0;
        unsigned bits = 0;
        assert_int_equal(storage_read(f.s, "keys/there", 0, buf, sizeof(buf), &got, NULL), VV_OK);
        assert_int_equal(got, sizeof(buf));
        for (size_t i = 0; i < sizeof(buf); i++) {
            unsigned difference = buf[i] ^ (uint8_t)good[i];
            bits += (unsigned)__builtin_popcount(difference);
            places[i] |= (uint8_t)difference;
        }
        assert_int_equal(bits, 1);
    }
    for (size_t i = 0; i < sizeof(places); i++) {
        assert_int_not_equal(places[i], 0); /* not always the same place */
    }
    must_publish(f.s, "keys/new", "not a read");
    f.script.verdict = FAULT_PASS;
    must_hold_text(f.s, "keys/new", "not a read");
    size_t got = 9;
    must_publish(f.s, "keys/empty", "");
    f.script.verdict = FAULT_FLIP;
    assert_int_equal(storage_read(f.s, "keys/empty", 0, NULL, 0, &got, NULL), VV_OK);
    assert_int_equal(got, 0);
    teardown(&f);
}

static void
fault__stop_is_for_ever(void **state)
{
    (void)state;
    struct fixture f;
    struct vv_error err = {0};
    setup(&f);
    must_publish(f.s, "keys/before", "1");
    f.script.verdict = FAULT_STOP;
    must_fail(storage_publish(f.s, "keys/at", vv_span("1", 1), &err), VV_EIO, &err);
    unsigned asked = f.script.asked;
    f.script.verdict = FAULT_PASS;
    expect_all(&f, VV_EIO, false);
    must_fail(storage_make_layout(f.s, &err), VV_EIO, &err);
    assert_int_equal(f.script.asked, asked); /* a dead process asks nothing */
    must_lack(f.inner, "keys/at");
    must_lack(f.inner, "keys/new");
    must_hold_text(f.inner, "keys/before", "1");
    teardown(&f);
}

int
main(void)
{
    static const struct conformance_driver driver = {
        .name = "fault", .open = new_fault, .close = free_fault};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault__failures_do_nothing),
        cmocka_unit_test(fault__lost_reply_does_it_and_fails),
        cmocka_unit_test(fault__flip_changes_one_bit_of_reads),
        cmocka_unit_test(fault__stop_is_for_ever),
    };
    int failed = conformance_run(&driver);
    return failed + cmocka_run_group_tests_name("fault only", tests, NULL, NULL);
}
