/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair and a session that was fenced before it could commit: its record lies in a pack and is whole,
 * and stays out as long as anything tells that the session was fenced. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/helper_prune.h"
#include "engine/parity_site.h"
#include "engine/repair.h"
#include "format/pack.h"
#include "repo/open_sessions.h"

#define SNAPSHOTS 2u

static struct prune_world w;
static struct storage *saved;
static char slot[STORAGE_NAME_MAX + 1]; /* of the session that did not commit */

/** The process dies when it is about to commit. */
static enum fault_verdict
die_at_slot(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op != STORAGE_PUBLISH || strncmp(name, "snapshots/", strlen("snapshots/")) != 0) {
        return FAULT_PASS;
    }
    (void)snprintf(slot, sizeof(slot), "%s", name);
    return FAULT_STOP;
}

static int
setup(void **state)
{
    (void)state;
    pw_begin(&w, SNAPSHOTS);
    bw_file(&w.b, "more", 50000, 77);
    w.b.hook = die_at_slot;
    assert_int_not_equal(bw_run(&w.b), VV_OK);
    w.b.hook = NULL;
    pw_reopen(&w);
    assert_int_equal(bw_snapshots(&w.b, NULL), SNAPSHOTS);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    storage_free(TAKE(saved));
    pw_end(&w);
    return 0;
}

static void
fence(void)
{
    const char *text = slot + strlen("snapshots/");
    struct vv_uuid session;

    assert_true(vv_uuid_parse(text, strlen(text), &session));
    pw_must(&w, session_fence(w.admin, &session, &w.err));
    pw_save(&w, &saved);
}

static enum vv_rc
repair(uint64_t *ret_recovered)
{
    const struct repair_options options = {.threads = 1};
    struct repair_summary s = {0};
    enum vv_rc rc;

    memset(&w.err, 0, sizeof(w.err));
    vv_buf_reset(&w.b.ear.lines);
    rc = repair_run(w.admin, &options, NULL, &s, &w.err);
    *ret_recovered = s.snapshots_recovered;
    repair_summary_release(&s);
    return rc;
}

/** Reads of the slot: one of them meets trouble. */
static struct {
    _Atomic unsigned reads;
    unsigned at;
    enum fault_verdict verdict;
} trouble;

static enum fault_verdict
meet_trouble(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_READ && strcmp(name, slot) == 0 && ++trouble.reads == trouble.at
               ? trouble.verdict
               : FAULT_PASS;
}

/* Otherwise what follows would show nothing. */
static void
repair__takes_the_record_of_a_session_that_nobody_fenced(void **state)
{
    uint64_t recovered;

    (void)state;
    pw_must(&w, repair(&recovered));
    assert_int_equal(recovered, 1);
    assert_int_equal(pw_sound(&w), SNAPSHOTS + 1);
}

static void
repair__leaves_out_what_was_fenced(void **state)
{
    uint64_t recovered;

    (void)state;
    fence();
    pw_must(&w, repair(&recovered));
    assert_int_equal(recovered, 0);
    assert_int_equal(pw_sound(&w), SNAPSHOTS);
}

/* A fence that cannot be read just now is no reason to believe that there is none. */
static void
repair__asks_again_for_a_fence_that_was_read_badly_once(void **state)
{
    static const enum fault_verdict verdicts[] = {FAULT_FAIL, FAULT_FLIP, FAULT_TRANSIENT};

    (void)state;
    fence();
    for (unsigned v = 0; v < VV_COUNT(verdicts); v++) {
        unsigned at = 0;
        do {
            uint64_t recovered;
            enum vv_rc rc;
            pw_restore(&w, saved);
            trouble.reads = 0;
            trouble.at = ++at;
            trouble.verdict = verdicts[v];
            w.b.hook = meet_trouble;
            rc = repair(&recovered);
            w.b.hook = NULL;
            assert_true(rc == VV_OK || rc == VV_ETRANSIENT);
            assert_true(rc == VV_OK || verdicts[v] == FAULT_TRANSIENT);
            if (recovered > 0) {
                fail_msg("read %u of the fence, verdict %u: the record came back", at, v);
            }
            pw_reopen(&w);
            assert_int_equal(bw_snapshots(&w.b, NULL), SNAPSHOTS);
        } while (trouble.reads >= at);
        assert_true(at > 3); /* the list, and the question asked here */
    }
}

/** Flip a bit of one of the headers of every pack, or of both. */
static void
spoil_headers(size_t at, bool first, bool second)
{
    struct pack_name packs[64];
    uint32_t count = bw_packs(&w.b, packs, VV_COUNT(packs));

    for (uint32_t i = 0; i < count; i++) {
        char object[PACK_OBJECT_TEXT];
        struct vv_span bytes;
        uint8_t *copy;
        pack_object_text(&packs[i], object);
        assert_true(storage_memory_peek(w.b.memory, object, &bytes));
        copy = vv_memdup(bytes.data, bytes.len);
        assert_non_null(copy);
        copy[at] ^= first;
        copy[bytes.len - PACK_TAIL_LEN + at] ^= second;
        pw_must(&w, storage_memory_poke(w.b.memory, object, vv_span(copy, bytes.len), &w.err));
        vv_free(copy);
    }
}

/* Which session wrote a pack stands in it twice, and in what parity makes of it. */
static void
repair__finds_the_fence_although_headers_are_damaged(void **state)
{
    static const size_t places[] = {0, 40}; /* the magic, the session */
    struct parity_summary parity;
    uint64_t recovered;

    (void)state;
    pw_must(&w, parity_site_add(w.admin, NULL, &parity, &w.err));
    for (unsigned fenced = 0; fenced < 2; fenced++) {
        if (fenced == 1) {
            fence();
        } else {
            pw_save(&w, &saved);
        }
        for (unsigned i = 0; i < 3 * VV_COUNT(places); i++) {
            pw_restore(&w, saved);
            spoil_headers(places[i / 3], i % 3 != 1, i % 3 != 0);
            pw_must(&w, repair(&recovered));
            if (recovered != !fenced) {
                fail_msg("fenced %u, damage %u: %u came back", fenced, i, (unsigned)recovered);
            }
        }
        pw_restore(&w, saved);
        storage_free(TAKE(saved));
    }
}

/* A slot that is damaged for good may have held the record: then it comes back, or it would be lost. */
static void
repair__takes_a_fence_that_is_damaged_for_good_for_a_lost_slot(void **state)
{
    uint64_t recovered;

    (void)state;
    fence();
    pw_must(&w, storage_memory_poke(w.b.memory, slot, vv_span("damaged", 7), &w.err));
    pw_must(&w, repair(&recovered));
    assert_int_equal(recovered, 1);
    assert_int_equal(pw_sound(&w), SNAPSHOTS + 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(repair__takes_the_record_of_a_session_that_nobody_fenced),
        CASE(repair__leaves_out_what_was_fenced),
        CASE(repair__asks_again_for_a_fence_that_was_read_badly_once),
        CASE(repair__finds_the_fence_although_headers_are_damaged),
        CASE(repair__takes_a_fence_that_is_damaged_for_good_for_a_lost_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
