/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: long */
/* Prune that dies, or whose storage fails, at any operation: nothing is lost, and the next run
 * finishes. */
#include <stdlib.h>
#include <string.h>

#include "engine/helper_prune.h"
#include "sweep.h"

static struct prune_world w;
static struct storage *saved;
static uint64_t end_bytes; /* what an undisturbed run leaves */

static int
setup(void **state)
{
    (void)state;
    pw_begin(&w, 4);
    pw_forget(&w, 0, 2);
    pw_save(&w, &saved);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    storage_free(saved);
    pw_end(&w);
    return 0;
}

struct plan {
    _Atomic uint64_t calls; /* from any thread */
    uint64_t at;            /* the operation that meets ${verdict}; 0: none */
    enum fault_verdict verdict;
};
static struct plan plan;

/** Listings of single shards are all alike: only the first counts. */
static enum fault_verdict
fail_at(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_LIST && strchr(name, '/') != NULL && strcmp(name, "packs/00") != 0) {
        return FAULT_PASS;
    }
    return ++plan.calls == plan.at ? plan.verdict : FAULT_PASS;
}

/** How many operations an undisturbed run takes. */
static uint64_t
count_operations(void)
{
    pw_restore(&w, saved);
    plan = (struct plan){0};
    w.b.hook = fail_at;
    pw_prune(&w);
    w.b.hook = NULL;
    end_bytes = pw_bytes(&w);
    return plan.calls;
}

/** Sessions that died are ended because it is asked for, because they died on this host, or by their
 *  silence, where another host knows no more of them. */
enum ending { ENDING_ASKED, ENDING_LEFT, ENDING_SILENT, ENDINGS };

/** Run again until all is done. */
static void
finish(enum ending ending)
{
    w.b.hook = NULL;
    w.hosts += ending == ENDING_SILENT;
    pw_reopen(&w);
    w.options.fence = ending == ENDING_ASKED;
    pw_prune(&w);
    assert_true(w.s.lists_left == 0 || ending == ENDING_SILENT);
    if (w.s.lists_left > 0) {
        vv_clock_manual_advance(&w.clock, UINT64_C(3601) * 1000000000);
        pw_reopen(&w);
        pw_prune(&w);
        assert_int_equal(w.s.sessions_fenced, 1);
    }
    pw_prune(&w); /* what a session that died had stored goes when it is not open any more */
    w.options.fence = false;
    assert_int_equal(w.s.lists_left, 0);
    assert_int_equal(pw_count(&w, "condemned"), 0);
}

static void
check_end(void)
{
    assert_int_equal(pw_sound(&w), 2);
    /* What was written before the failure may be merged differently. */
    assert_true(pw_bytes(&w) <= end_bytes + 65536);
}

static void
prune__that_dies_anywhere_is_finished_by_the_next(void **state)
{
    uint64_t all = count_operations();

    (void)state;
    for (uint64_t at = 1; at <= all; at += sweep_stride(3)) {
        pw_restore(&w, saved);
        plan = (struct plan){.at = at, .verdict = FAULT_STOP};
        w.b.hook = fail_at;
        (void)!pw_run(&w);
        assert_int_equal(pw_sound(&w), 2);
        finish((enum ending)(at % ENDINGS));
        check_end();
    }
}

static void
prune__whose_storage_fails_once_is_finished_by_the_next(void **state)
{
    static const enum fault_verdict verdicts[] = {FAULT_FAIL, FAULT_TRANSIENT, FAULT_LOST_REPLY,
                                                  FAULT_NOSPACE};
    uint64_t all = count_operations();

    (void)state;
    for (uint64_t at = 1; at <= all; at += sweep_stride(7)) {
        pw_restore(&w, saved);
        plan = (struct plan){.at = at, .verdict = verdicts[at % VV_COUNT(verdicts)]};
        w.b.hook = fail_at;
        (void)!pw_run(&w);
        assert_int_equal(pw_sound(&w), 2);
        finish(ENDING_ASKED);
        check_end();
    }
}

/** The second new pack meets a full disk, once. */
static struct {
    _Atomic unsigned tried;
    _Atomic unsigned stored;
} filling;

static enum fault_verdict
fill_at_second_pack(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op != STORAGE_PUBLISH || strncmp(name, "packs/", strlen("packs/")) != 0) {
        return FAULT_PASS;
    }
    if (++filling.tried == 2) {
        return FAULT_NOSPACE;
    }
    filling.stored++;
    return FAULT_PASS;
}

static void
prune__on_a_full_disk_copies_nothing_twice(void **state)
{
    struct storage *many;
    uint64_t written;

    (void)state;
    for (unsigned n = 4; n < 14; n++) { /* small packs, of data and of trees, that are merged */
        pw_backup(&w, n);
    }
    pw_save(&w, &many);
    pw_restore(&w, many);
    pw_prune(&w);
    written = w.s.packs_written;
    assert_int_equal(written, 2);
    pw_restore(&w, many);
    filling.tried = 0;
    filling.stored = 0;
    w.b.hook = fill_at_second_pack;
    pw_prune(&w);
    assert_int_equal(filling.stored, written); /* what was stored before the disk was full counts */
    assert_int_equal(w.s.packs_written, written);
    assert_true(w.s.rounds > 1);
    assert_int_equal(w.s.lists_left, 0);
    assert_int_equal(pw_count(&w, "condemned"), 0);
    assert_int_equal(pw_sound(&w), 12);
    storage_free(many);
}

static void
prune__that_reads_wrong_bytes_loses_nothing(void **state)
{
    uint64_t all = count_operations();

    (void)state;
    for (uint64_t at = 2; at <= all; at += sweep_stride(9)) {
        pw_restore(&w, saved);
        plan = (struct plan){.at = at, .verdict = FAULT_FLIP};
        w.b.hook = fail_at;
        (void)!pw_run(&w);
        assert_int_equal(pw_sound(&w), 2);
        finish(ENDING_ASKED);
        check_end();
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prune__that_dies_anywhere_is_finished_by_the_next),
        CASE(prune__whose_storage_fails_once_is_finished_by_the_next),
        CASE(prune__on_a_full_disk_copies_nothing_twice),
        CASE(prune__that_reads_wrong_bytes_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
