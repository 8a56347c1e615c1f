/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune: what no snapshot needs goes, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/helper_prune.h"
#include "repo/bury.h"
#include "repo/key_roles.h"
#include "repo/open_sessions.h"
#include "repo/pack_epochs.h"
#include "repo/retention_publish.h"

static struct prune_world w;

static int
setup(void **state)
{
    (void)state;
    pw_begin(&w, 6);
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
prune__frees_what_only_forgotten_snapshots_needed(void **state)
{
    uint64_t before = pw_bytes(&w);

    (void)state;
    pw_forget(&w, 0, 2);
    pw_prune(&w);
    assert_int_equal(w.s.forgets_carried_out, 3);
    assert_int_equal(w.s.snapshots_buried, 3);
    assert_int_equal(before - pw_bytes(&w), w.s.bytes_deleted - w.s.bytes_written);
    assert_true(w.s.bytes_deleted - w.s.bytes_written >= 3 * 60000);
    assert_int_equal(pw_sound(&w), 3);
    bw_assert_content(&w.b, "constant");
    bw_assert_content(&w.b, "own-5");
    assert_int_equal(pw_count(&w, "condemned"), 0);
}

static void
prune__without_waste_changes_nothing(void **state)
{
    uint64_t before;

    (void)state;
    pw_forget(&w, 0, 2);
    pw_prune(&w);
    before = pw_bytes(&w);
    pw_prune(&w);
    assert_int_equal(pw_bytes(&w), before);
    assert_int_equal(w.s.packs_dead + w.s.packs_emptied + w.s.packs_written, 0);
    assert_int_equal(w.s.bytes_deleted + w.s.bytes_written, 0);
    assert_int_equal(pw_sound(&w), 3);
}

static void
prune__dry_run_foretells_the_bytes_and_writes_nothing(void **state)
{
    struct prune_summary foretold;
    size_t objects;
    uint64_t before = pw_bytes(&w);

    (void)state;
    pw_forget(&w, 1, 2);
    objects = bw_objects(&w.b);
    w.options.dry_run = true;
    pw_prune(&w);
    foretold = w.s;
    assert_int_equal(bw_objects(&w.b), objects);
    w.options.dry_run = false;
    pw_prune(&w);
    assert_int_equal(w.s.bytes_deleted, foretold.bytes_deleted);
    assert_int_equal(w.s.bytes_written, foretold.bytes_written);
    assert_int_equal(w.s.packs_written, foretold.packs_written);
    assert_int_equal(w.s.packs_emptied, foretold.packs_emptied);
    assert_int_equal(w.s.packs_dead, foretold.packs_dead);
    assert_int_equal(before - pw_bytes(&w), foretold.bytes_deleted - foretold.bytes_written);
    pw_sound(&w);
}

static void
prune__with_a_budget_of_nothing_copies_nothing(void **state)
{
    (void)state;
    pw_forget(&w, 0, 2);
    w.options.budget = 0;
    pw_prune(&w);
    assert_int_equal(w.s.bytes_copied + w.s.chunks_copied + w.s.packs_written, 0);
    assert_int_equal(w.s.packs_emptied, 0);
    assert_true(w.s.packs_dead > 0);
    assert_int_equal(pw_sound(&w), 3);
    w.options.budget = UINT64_MAX;
    pw_prune(&w);
    assert_true(w.s.packs_emptied > 0);
    assert_int_equal(pw_sound(&w), 3);
}

/** When another administrator's prune runs: behind this call, when it meets this object. */
struct between {
    const char *after;
    enum storage_op op;
    const char *at;
    unsigned stage;
};

static enum fault_verdict
prune_between(void *ctx, enum storage_op op, const char *name)
{
    struct between *b = ctx;

    if (b->stage == 0 && strncmp(name, b->after, strlen(b->after)) == 0) {
        b->stage = 1;
    } else if (b->stage == 1 && op == b->op && strncmp(name, b->at, strlen(b->at)) == 0) {
        struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                                  .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
        struct prune_options o = w.options;
        struct prune_summary s = {0};
        struct vv_error err = {0};
        struct repo *other = NULL;
        char state[128];
        struct repo_options options = {.state_dir = state, .clock = &w.clock.base};
        b->stage = 2;
        o.fence = true;
        (void)snprintf(state, sizeof(state), "%s/home/other-state", w.b.base);
        assert_int_equal(repo_open(w.b.memory, &key, &options, &other, &err), VV_OK);
        if (prune_run(other, &o, NULL, &s, &err) != VV_OK) {
            fail_msg("the other prune: %s", err.message);
        }
        assert_true(s.sessions_fenced > 0);
        repo_free(other);
    }
    return FAULT_PASS;
}

/** How many packs there are of that epoch. */
static size_t
packs_of_epoch(uint32_t epoch)
{
    struct epoch_share *shares = NULL;
    size_t count = 0;
    size_t packs = 0;

    pw_must(&w, pack_epochs_count(w.admin, 1, &shares, &count, &w.err));
    for (size_t i = 0; i < count; i++) {
        packs += shares[i].epoch == epoch ? shares[i].packs : 0;
    }
    vv_free(shares);
    return packs;
}

/* After a rotation: nothing is touched unless it is asked for; then all of it ends under the new keys,
 * in as many runs as the budget makes of it, with the bytes the dry run told. */
static void
prune__puts_old_packs_under_the_newest_epoch(void **state)
{
    struct prune_summary told;
    size_t clients;
    size_t packs;
    uint32_t epoch;
    unsigned runs = 0;

    (void)state;
    w.options.max_waste = 1;
    pw_prune(&w);
    packs = packs_of_epoch(0);
    assert_true(packs > 1);
    pw_must(&w, key_rotate(w.admin, &epoch, &clients, &w.err));
    pw_prune(&w);
    assert_int_equal(packs_of_epoch(0), packs);
    assert_int_equal(w.s.packs_reencrypted, 0);

    w.options.reencrypt = true;
    w.options.budget = 0;
    pw_prune(&w);
    assert_int_equal(packs_of_epoch(0), packs);
    assert_true(w.s.bytes_old_epochs > 0);
    w.options.budget = 700000;
    w.options.dry_run = true;
    pw_prune(&w);
    told = w.s;
    assert_true(told.packs_reencrypted > 0 && told.bytes_old_epochs > 0);
    w.options.dry_run = false;
    for (; packs_of_epoch(0) > 0; runs++) {
        assert_true(runs < packs);
        pw_prune(&w);
        if (runs == 0) {
            assert_int_equal(w.s.packs_reencrypted, told.packs_reencrypted);
            assert_int_equal(w.s.bytes_written, told.bytes_written);
            assert_int_equal(w.s.bytes_deleted, told.bytes_deleted);
            assert_int_equal(w.s.bytes_old_epochs, told.bytes_old_epochs);
        }
    }
    assert_true(runs > 1);
    assert_true(packs_of_epoch(1) > 0);
    assert_int_equal(pw_sound(&w), 6);
    w.options.budget = UINT64_MAX;
    pw_prune(&w); /* and no more to do */
    assert_int_equal(w.s.packs_reencrypted, 0);
    assert_int_equal(w.s.bytes_copied, 0);
    assert_int_equal(w.s.bytes_old_epochs, 0);
}

static void
prune__that_was_fenced_takes_nothing_for_damage(void **state)
{
    struct between b = {"condemned/", STORAGE_READ, "packs/", 0};

    (void)state;
    pw_forget(&w, 0, 2);
    w.b.hook = prune_between;
    w.b.hook_ctx = &b;
    pw_prune(&w); /* begins again */
    assert_int_equal(b.stage, 2);
    assert_int_equal(w.s.packs_damaged, 0);
    assert_int_equal(bw_heard_count(&w.b, "pack-damaged"), 0);
    assert_int_equal(bw_heard_count(&w.b, "block-damaged"), 0);
    assert_int_equal(bw_heard_count(&w.b, "pack-kept"), 0);
    assert_int_equal(pw_sound(&w), 3);
}

/* A backup that slept through its fence finds its temporary file gone before it finds its slot taken; or
 * its slot free, because the fence lies behind a grave by now (A4). */
struct slept {
    const char *until; /* it publishes such an object */
    bool buried;
    bool fails;
    struct vv_uuid session;
    bool registered;
    bool fenced;
};

static enum fault_verdict
fence_and_tidy(void *ctx, enum storage_op op, const char *name)
{
    struct slept *s = ctx;
    uint64_t beat;
    size_t count;

    if (op != STORAGE_PUBLISH) {
        return FAULT_PASS;
    }
    if (!s->registered && strncmp(name, "sessions/", 9) == 0) {
        s->registered = session_name_parse(name + 9, &s->session, &beat);
    } else if (s->registered && !s->fenced && strncmp(name, s->until, strlen(s->until)) == 0) {
        s->fenced = true;
        pw_must(&w, session_fence(w.admin, &s->session, &w.err));
        if (s->buried) {
            pw_must(&w, bury_empty_sessions(w.admin, 1, &count, &w.err));
            pw_must(&w, slots_remove_buried(w.admin, &count, &w.err));
        }
        /* what the storage makes of a temporary file that is gone */
        return s->fails ? FAULT_TRANSIENT : FAULT_PASS;
    }
    return FAULT_PASS;
}

static void
backup__begins_again_when_its_session_was_fenced_while_it_slept(void **state)
{
    struct slept ways[] = {{.until = "packs/", .fails = true},
                           {.until = "packs/", .fails = true, .buried = true},
                           {.until = "snapshots/"},
                           {.until = "snapshots/", .buried = true}};

    (void)state;
    for (unsigned i = 0; i < VV_COUNT(ways); i++) {
        w.b.hook = fence_and_tidy;
        w.b.hook_ctx = &ways[i];
        vv_buf_reset(&w.b.ear.lines);
        pw_backup(&w, 6 + i);
        assert_true(ways[i].fenced);
        assert_int_equal(bw_heard_count(&w.b, "fenced"), 1);
        w.b.hook = NULL;
        assert_int_equal(pw_sound(&w), 7 + i);
    }
    bw_assert_content(&w.b, "own-9");
}

static enum fault_verdict
refuse_slots(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_PUBLISH && strncmp(name, "snapshots/", 10) == 0 ? FAULT_REFUSED
                                                                         : FAULT_PASS;
}

/* The account may not write there: no prune's work, and done once more it is refused once more. */
static void
backup__whose_slot_the_storage_refuses_was_not_fenced(void **state)
{
    (void)state;
    w.b.hook = refuse_slots;
    assert_int_equal(bw_run(&w.b), VV_EREFUSED);
    assert_non_null(strstr(w.b.err.message, "injected refusal"));
    assert_int_equal(bw_heard_count(&w.b, "fenced"), 0);
    w.b.hook = NULL;
    pw_backup(&w, 6);
    assert_int_equal(pw_sound(&w), 7);
}

static void
prune__takes_nothing_for_lost_that_another_moved(void **state)
{
    struct storage *saved = NULL;

    (void)state;
    pw_forget(&w, 0, 2);
    pw_save(&w, &saved);
    for (unsigned trial = 0; trial < 16; trial++) { /* which shard a pack is in is chance */
        /* the index is read, and half of the packs are listed */
        struct between b = {"packs/7f", STORAGE_LIST, "packs/80", 0};
        pw_restore(&w, saved);
        w.b.hook = prune_between;
        w.b.hook_ctx = &b;
        pw_prune(&w);
        assert_int_equal(b.stage, 2);
    }
    assert_int_equal(pw_sound(&w), 3);
    storage_free(saved);
}

static enum fault_verdict
stop_at_packs(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_REMOVE && strncmp(name, "packs/", 6) == 0 ? FAULT_STOP : FAULT_PASS;
}

static void
prune__interrupted_before_it_deletes_is_no_damage(void **state)
{
    (void)state;
    for (unsigned n = 6; n < 14; n++) { /* many small packs, which are merged */
        pw_backup(&w, n);
    }
    pw_reopen(&w);
    w.b.hook = stop_at_packs;
    assert_int_not_equal(pw_run(&w), VV_OK);
    assert_int_equal(pw_sound(&w), 14); /* packs no segment names lie there, condemned */
    assert_int_equal(pw_count(&w, "condemned"), 1);
    pw_prune(&w);
    assert_int_equal(pw_count(&w, "condemned"), 0);
    assert_int_equal(pw_sound(&w), 14);
}

static enum vv_rc
put_segment(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    char object[128];
    struct vv_span bytes;
    struct vv_span there;

    (void)size;
    (void)snprintf(object, sizeof(object), "index/%s", name);
    assert_true(storage_memory_peek(ctx, object, &bytes));
    return storage_memory_peek(w.b.memory, object, &there)
               ? VV_OK
               : storage_memory_poke(w.b.memory, object, bytes, err);
}

static struct verify_summary
look(void)
{
    struct verify_options o = {.threads = 1};
    struct verify_summary s = {0};
    struct snapshot_list l;

    pw_reopen(&w);
    vv_buf_reset(&w.b.ear.lines);
    pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
    pw_must(&w, verify_run(w.admin, &l, &o, NULL, &s, &w.err));
    snapshot_list_release(&l);
    return s;
}

/* A prune that stopped after it had published new index segments, and was fenced then, leaves names of
 * packs another one has deleted.  The index is a hint: that is no damage, and the next prune drops
 * them. */
static void
prune__stale_index_records_are_no_damage_and_go(void **state)
{
    struct storage *before = NULL;
    uint64_t bytes;

    (void)state;
    pw_forget(&w, 0, 2);
    pw_save(&w, &before);
    pw_prune(&w);
    bytes = pw_bytes(&w);
    pw_must(&w, storage_list(before, "index", put_segment, before, &w.err));
    storage_free(before);
    assert_true(pw_bytes(&w) > bytes);
    assert_int_equal(look().objects_damaged, 0);
    assert_int_equal(bw_heard_count(&w.b, "pack-missing"), 0);
    assert_true(bw_heard_count(&w.b, "index-stale") > 0);
    pw_prune(&w);
    assert_int_equal(look().objects_damaged, 0);
    assert_int_equal(bw_heard_count(&w.b, "index-stale"), 0);
    pw_sound(&w);
    pw_prune(&w); /* and there it ends */
    assert_int_equal(w.s.bytes_written, 0);
}

/* But one that holds something needed is missed, be it only by a forgotten snapshot in its grace or
 * as a copy of a record. */
static void
prune__packs_that_are_needed_are_missed(void **state)
{
    struct pack_name packs[128];
    uint32_t count;
    struct storage *saved = NULL;

    (void)state;
    pw_forget(&w, 0, 100); /* not carried out */
    pw_save(&w, &saved);
    count = bw_packs(&w.b, packs, 128);
    assert_true(count > 6);
    for (uint32_t i = 0; i < count; i++) {
        char object[PACK_OBJECT_TEXT];
        pw_restore(&w, saved);
        pack_object_text(&packs[i], object);
        pw_must(&w, storage_memory_poke(w.b.memory, object, vv_span(NULL, 0), &w.err));
        assert_true(look().objects_damaged > 0);
        assert_int_equal(bw_heard_count(&w.b, "pack-missing"), 1);
        assert_int_equal(bw_heard_count(&w.b, "index-stale"), 0);
    }
    storage_free(saved);
}

/** A repair takes the list away in the moment in which the first pack is to go. */
static enum fault_verdict
lose_list(void *ctx, enum storage_op op, const char *name)
{
    bool *lost = ctx;
    struct vv_error err = {0};
    static char list[128];

    if (op == STORAGE_PUBLISH && strncmp(name, "condemned/", 10) == 0 && !*lost) {
        (void)snprintf(list, sizeof(list), "%s", name);
    } else if (op == STORAGE_REMOVE && strncmp(name, "index/", 6) == 0 && !*lost) {
        *lost = true;
        assert_int_equal(storage_memory_poke(w.b.memory, list, vv_span(NULL, 0), &err), VV_OK);
    } else if (op == STORAGE_REMOVE && strncmp(name, "packs/", 6) == 0) {
        struct vv_span bytes; /* whatever goes, its list is there */
        assert_true(storage_memory_peek(w.b.memory, list, &bytes));
    } else if (op == STORAGE_PUBLISH && strncmp(name, "condemned/", 10) == 0) {
        (void)snprintf(list, sizeof(list), "%s", name); /* of the session that begins again */
    }
    return FAULT_PASS;
}

static void
prune__deletes_nothing_once_its_list_is_gone(void **state)
{
    bool lost = false;

    (void)state;
    pw_forget(&w, 0, 2);
    w.b.hook = lose_list;
    w.b.hook_ctx = &lost;
    pw_prune(&w); /* begins again */
    assert_true(lost);
    assert_true(w.s.packs_dead + w.s.packs_emptied > 0);
    assert_int_equal(pw_sound(&w), 3);
}

/* Two administrators forget the same snapshot at once: it goes once, as a dry run says. */
static void
prune__buries_what_was_forgotten_twice_once(void **state)
{
    struct snapshot_list l;

    (void)state;
    pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
    for (unsigned i = 0; i < 2; i++) {
        pw_must(&w, forget_publish(w.admin, &l.snapshots[0].id, 1, 0, NULL, &w.err));
    }
    snapshot_list_release(&l);
    w.options.dry_run = true;
    pw_prune(&w);
    assert_int_equal(w.s.snapshots_buried, 1);
    w.options.dry_run = false;
    pw_prune(&w);
    assert_int_equal(w.s.forgets_carried_out, 2);
    assert_int_equal(w.s.snapshots_buried, 1);
    assert_int_equal(pw_sound(&w), 5);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prune__frees_what_only_forgotten_snapshots_needed),
        CASE(prune__without_waste_changes_nothing),
        CASE(prune__with_a_budget_of_nothing_copies_nothing),
        CASE(prune__puts_old_packs_under_the_newest_epoch),
        CASE(prune__that_was_fenced_takes_nothing_for_damage),
        CASE(backup__begins_again_when_its_session_was_fenced_while_it_slept),
        CASE(backup__whose_slot_the_storage_refuses_was_not_fenced),
        CASE(prune__takes_nothing_for_lost_that_another_moved),
        CASE(prune__interrupted_before_it_deletes_is_no_damage),
        CASE(prune__dry_run_foretells_the_bytes_and_writes_nothing),
        CASE(prune__stale_index_records_are_no_damage_and_go),
        CASE(prune__packs_that_are_needed_are_missed),
        CASE(prune__deletes_nothing_once_its_list_is_gone),
        CASE(prune__buries_what_was_forgotten_twice_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
