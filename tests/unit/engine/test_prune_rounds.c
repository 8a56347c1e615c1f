/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune in several rounds: where space is scarce they share one budget, in stored bytes; and where another
 * prune is faster each time. */
#include <stdio.h>
#include <string.h>

#include "engine/helper_prune.h"
#include "repo/open_sessions.h"

#define SNAPSHOTS 6u
#define TEXT_BYTES 400000u    /* compresses well */
#define SPACE_KEPT (8u << 20) /* as prune does, for the index, lists and slots */
/* What stays of the three packs of data that are partly waste takes 100 KiB, 100 KiB and 217 KiB, and
 * of trees next to nothing. */
#define ROOM (230u << 10)   /* in each round */
#define BUDGET (450u << 10) /* all of it, and not in plaintext */
#define BUDGET_TWO (300u << 10)

static struct prune_world w;
static struct storage_ops scarce;

static enum vv_rc
tell_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total, struct vv_error *err)
{
    (void)s;
    (void)err;
    *ret_free = SPACE_KEPT + ROOM;
    *ret_total = 1u << 30;
    return VV_OK;
}

/** From now on there is room for little in each round. */
static void
make_scarce(void)
{
    scarce = *w.b.memory->ops;
    scarce.space = tell_space;
    w.b.memory->ops = &scarce;
}

/** A text that stays, of its own for each ${n}. */
static void
add_text(unsigned n)
{
    static char text[TEXT_BYTES + 64];
    char name[32];
    size_t at = 0;

    for (unsigned i = 0; at < TEXT_BYTES; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "order %u of customer %u\n", i, n);
    }
    (void)snprintf(name, sizeof(name), "text-%u", n);
    bw_text(&w.b, name, text, false);
}

static int
setup(void **state)
{
    (void)state;
    pw_begin(&w, 0);
    for (unsigned n = 0; n < SNAPSHOTS; n++) {
        add_text(n);
        pw_backup(&w, n);
    }
    pw_reopen(&w);
    pw_forget(&w, 0, 2);
    w.options.budget = BUDGET;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    pw_end(&w);
    return 0;
}

static void
prune__takes_as_much_in_several_rounds_as_in_one(void **state)
{
    struct storage *saved;
    uint64_t emptied;

    (void)state;
    pw_save(&w, &saved);
    pw_restore(&w, saved);
    pw_prune(&w);
    emptied = w.s.packs_emptied;
    assert_true(emptied >= 3);
    assert_true(w.s.bytes_copied > BUDGET); /* in plaintext */
    pw_restore(&w, saved);
    make_scarce();
    pw_prune(&w);
    assert_true(w.s.rounds > 1);
    assert_int_equal(w.s.packs_emptied, emptied);
    assert_int_equal(pw_sound(&w), SNAPSHOTS / 2);
    storage_free(saved);
}

/* Another round finds no more budget than the first one left. */
static void
prune__that_has_spent_its_budget_is_done(void **state)
{
    (void)state;
    w.options.budget = BUDGET_TWO;
    pw_prune(&w);
    assert_true(w.s.packs_emptied >= 2 && w.s.bytes_waste > 0);
    assert_int_equal(w.s.rounds, 1);
    assert_int_equal(bw_heard_count(&w.b, "space-scarce"), 0);
}

static unsigned overtaken;

/** Each prune is ended from outside when it says what it is going to delete. */
static enum fault_verdict
fence_each_prune(void *ctx, enum storage_op op, const char *name)
{
    struct vv_uuid session;
    uint64_t beat;

    (void)ctx;
    if (op == STORAGE_PUBLISH && strncmp(name, "condemned/", 10) == 0) {
        assert_true(session_name_parse(name + 10, &session, &beat));
        pw_must(&w, session_fence(w.b.repo, &session, &w.err));
        overtaken++;
    }
    return FAULT_PASS;
}

/** Each prune finds its list gone when it is about to delete. */
static enum fault_verdict
retire_each_list(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_SIZE && strncmp(name, "condemned/", 10) == 0) {
        pw_must(&w, storage_memory_poke(w.b.memory, name, vv_span(NULL, 0), &w.err));
        overtaken++;
    }
    return FAULT_PASS;
}

/* Somebody else is always faster: it gives way in the end, and says what that means. */
static void
prune__that_is_overtaken_each_time_gives_way(void **state)
{
    static storage_fault_fn *const ways[] = {fence_each_prune, retire_each_list};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(ways); i++) {
        overtaken = 0;
        w.b.hook = ways[i];
        assert_int_equal(pw_run(&w), VV_EREFUSED);
        assert_non_null(strstr(w.err.message, "overtaken"));
        assert_non_null(strstr(w.err.hint, "nothing is lost"));
        assert_true(overtaken >= 10);
        w.b.hook = NULL;
        assert_int_equal(pw_sound(&w), SNAPSHOTS / 2);
    }
    pw_prune(&w);
    assert_int_equal(pw_sound(&w), SNAPSHOTS / 2);
}

static struct vv_uuid condemning; /* the session of the last list */
static struct writer_session *other;

/** Another prune begins and ends this one when that has waited for all it saw, as one with the same
 *  option would. */
static enum fault_verdict
begin_another_prune(void *ctx, enum storage_op op, const char *name)
{
    uint64_t beat;

    (void)ctx;
    if (op == STORAGE_PUBLISH && strncmp(name, "condemned/", 10) == 0) {
        assert_true(session_name_parse(name + 10, &condemning, &beat));
    }
    if (op == STORAGE_PUBLISH && strncmp(name, "index/", 6) == 0) {
        w.b.hook = NULL;
        pw_must(&w, writer_session_begin(w.b.repo, SESSION_PRUNE, &other, &w.err));
        pw_must(&w, session_fence(w.b.repo, &condemning, &w.err));
    }
    return FAULT_PASS;
}

/* Two that end each other at once would go on with that, and neither come to its end. */
static void
prune__that_another_has_ended_does_not_end_that_one(void **state)
{
    (void)state;
    w.options.fence = true;
    w.options.wait_ns = 0;
    w.b.hook = begin_another_prune;
    pw_prune(&w);
    assert_int_equal(w.s.rounds, 2);
    assert_int_equal(w.s.sessions_fenced, 0);
    assert_int_equal(w.s.sessions_open, 1);
    assert_true(w.s.lists_left > 0);
    pw_must(&w, writer_session_commit(other, vv_span(NULL, 0), 0, &w.err)); /* not fenced */
    writer_session_free(other);
    pw_prune(&w);
    assert_int_equal(w.s.lists_left, 0);
    assert_int_equal(pw_sound(&w), SNAPSHOTS / 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prune__takes_as_much_in_several_rounds_as_in_one),
        CASE(prune__that_has_spent_its_budget_is_done),
        CASE(prune__that_is_overtaken_each_time_gives_way),
        CASE(prune__that_another_has_ended_does_not_end_that_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
