/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune and small packs: many become few, and those that cannot become fewer stay. */
#include <stdio.h>

#include "engine/helper_prune.h"
#include "repo/pack_writer.h"

#define SMALL_PACK (4u << 20) /* as prune has it */
#define FILES 40u
#define FILE_BYTES (256u << 10) /* four fill a block */

static struct prune_world w;
static uint32_t usual_chunks;

static int
setup(void **state)
{
    (void)state;
    usual_chunks = pack_writer_chunks_max;
    pw_begin(&w, 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    pw_end(&w);
    pack_writer_chunks_max = usual_chunks;
    return 0;
}

/** A prune that finds nothing to do; how many packs there are. */
static uint64_t
idle_prune(void)
{
    pw_reopen(&w);
    pw_prune(&w);
    assert_int_equal(w.s.packs_emptied, 0);
    assert_int_equal(w.s.packs_written, 0);
    return w.s.packs;
}

static void
prune__merges_small_packs_once(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 12; n++) {
        pw_backup(&w, n);
    }
    pw_reopen(&w);
    pw_prune(&w);
    assert_true(w.s.packs >= 24); /* data and trees */
    assert_true(w.s.packs_emptied >= 20);
    assert_int_equal(pw_sound(&w), 12);
    assert_true(idle_prune() < 6);
}

/* A million files of a hundred bytes make packs that are complete at so many chunks, and small.  Each prune
 * wrote all of them again. */
static void
prune__leaves_packs_that_are_full_of_chunks(void **state)
{
    uint64_t packs;

    (void)state;
    pack_writer_chunks_max = 4;
    for (unsigned i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "file-%u", i);
        bw_file(&w.b, name, FILE_BYTES, i + 1);
    }
    pw_backup(&w, 0);
    packs = idle_prune();
    assert_true(packs > 8 && pw_bytes(&w) / packs < SMALL_PACK);
    assert_int_equal(pw_sound(&w), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prune__merges_small_packs_once),
        CASE(prune__leaves_packs_that_are_full_of_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
