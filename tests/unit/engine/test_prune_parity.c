/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune where parity is kept: its bytes are told like any others. */
#include <string.h>

#include "engine/helper_prune.h"
#include "engine/parity_site.h"
#include "repo/pack_parity.h"

static struct prune_world w;

static int
setup(void **state)
{
    struct parity_summary parity;

    (void)state;
    pw_begin(&w, 6);
    pw_must(&w, parity_site_add(w.admin, NULL, &parity, &w.err));
    assert_true(parity.added > 6);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    pw_end(&w);
    return 0;
}

static struct parity_summary
status(void)
{
    struct parity_summary s;

    pw_must(&w, parity_site_status(w.admin, &s, &w.err));
    return s;
}

/** A dry run, a run, and a look: all three tell the same bytes. */
static void
assert_exact(void)
{
    uint64_t before = pw_bytes(&w);
    size_t objects = bw_objects(&w.b);
    struct prune_summary told;

    w.options.dry_run = true;
    pw_prune(&w);
    told = w.s;
    assert_int_equal(bw_objects(&w.b), objects);
    w.options.dry_run = false;
    pw_prune(&w);
    assert_int_equal(w.s.bytes_deleted, told.bytes_deleted);
    assert_int_equal(w.s.bytes_written, told.bytes_written);
    assert_int_equal(w.s.packs_written, told.packs_written);
    assert_int_equal(before - pw_bytes(&w), told.bytes_deleted - told.bytes_written);
    assert_int_equal(status().orphans, 0);
}

static void
prune__tells_the_bytes_of_parity(void **state)
{
    struct parity_summary s;

    (void)state;
    pw_forget(&w, 0, 2);
    assert_exact();
    assert_true(w.s.packs_emptied > 0 && w.s.packs_written > 0);
    s = status();
    assert_int_equal(s.packs_with, s.packs);
    assert_exact(); /* a second time there is nothing to tell */
    assert_int_equal(w.s.bytes_deleted + w.s.bytes_written, 0);
    assert_int_equal(pw_sound(&w), 3);
}

/** Another object beside one of the same pack, of another size. */
static void
add_second_object(const struct pack_name *pack)
{
    struct pack_name name = *pack;
    char object[PARITY_OBJECT_TEXT];

    name.suffix.b[0] ^= 1;
    parity_object_text(&name, object);
    pw_must(&w, storage_memory_poke(w.b.memory, object, vv_span("damaged", 7), &w.err));
}

/* Parity belongs to a hash: it goes with the last pack that has it, all of it. */
static void
prune__takes_all_parity_of_a_hash_and_counts_it_once(void **state)
{
    struct pack_name packs[128];
    uint32_t count = bw_packs(&w.b, packs, 128);

    (void)state;
    assert_true(count > 6);
    for (uint32_t i = 0; i < count; i++) {
        struct pack_name second = packs[i];
        struct vv_span bytes;
        char object[PACK_OBJECT_TEXT];
        add_second_object(&packs[i]);
        second.suffix.b[0] ^= 1; /* no segment names it: nothing in it is live */
        pack_object_text(&packs[i], object);
        assert_true(storage_memory_peek(w.b.memory, object, &bytes));
        pack_object_text(&second, object);
        pw_must(&w, storage_memory_poke(w.b.memory, object, bytes, &w.err));
    }
    pw_forget(&w, 0, 2);
    assert_exact();
    assert_true(w.s.packs_dead >= count);
    assert_int_equal(status().packs_with, status().packs);
    assert_true(status().objects > status().packs); /* those of packs that stay are both there */
    assert_int_equal(pw_sound(&w), 3);
}

/* What an interrupted run has left without its pack goes, too, and is told. */
static void
prune__tells_the_bytes_of_parity_without_a_pack(void **state)
{
    struct pack_name nobody = {.hash = {{1, 2, 3}}};

    (void)state;
    pw_prune(&w);
    add_second_object(&nobody);
    assert_exact();
    assert_int_equal(w.s.bytes_deleted, 7);
    assert_int_equal(w.s.bytes_written, 0);
}

static void
prune__without_parity_from_now_on_tells_none(void **state)
{
    (void)state;
    pw_must(&w, parity_decide(w.admin, false, &w.err));
    pw_forget(&w, 0, 2);
    assert_exact();
    assert_true(status().packs_with < status().packs);
    assert_int_equal(pw_sound(&w), 3);
}

static enum fault_verdict
refuse_parity(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_PUBLISH && strncmp(name, "parity/", strlen("parity/")) == 0 ? FAULT_NOSPACE
                                                                                     : FAULT_PASS;
}

/* Parity that could not be stored was not written. */
static void
prune__does_not_tell_parity_that_was_not_stored(void **state)
{
    uint64_t before = pw_bytes(&w);

    (void)state;
    pw_forget(&w, 0, 2);
    w.b.hook = refuse_parity;
    pw_prune(&w);
    assert_true(w.s.packs_written > 0);
    assert_int_equal(bw_heard_count(&w.b, "parity-failed"), 1);
    assert_int_equal(before - pw_bytes(&w), w.s.bytes_deleted - w.s.bytes_written);
    assert_int_equal(pw_sound(&w), 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prune__tells_the_bytes_of_parity),
        CASE(prune__takes_all_parity_of_a_hash_and_counts_it_once),
        CASE(prune__tells_the_bytes_of_parity_without_a_pack),
        CASE(prune__without_parity_from_now_on_tells_none),
        CASE(prune__does_not_tell_parity_that_was_not_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
