/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication that is interrupted, or meets a prune: whatever happens, the replica opens, verifies,
 * and lists only what is whole. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "engine/helper_replicate.h"
#include "format/slot.h"
#include "sweep.h"

static struct replicate_world w;

/* --- failing at a chosen operation ------------------------------------------------------------ */

struct plan {
    uint64_t calls;
    uint64_t at; /* the operation that meets ${verdict}; 0: none */
    enum fault_verdict verdict;
    bool writes_only;
};
static struct plan plan;

/** Listings of single shards are all alike: only the first counts. */
static bool
counts(enum storage_op op, const char *name)
{
    if (op == STORAGE_LIST && strncmp(name, "packs/", 6) == 0 && strcmp(name, "packs/00") != 0) {
        return false;
    }
    return !plan.writes_only || op == STORAGE_PUBLISH;
}

static enum fault_verdict
fail_at(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (!counts(op, name)) {
        return FAULT_PASS;
    }
    plan.calls++;
    return plan.calls == plan.at ? plan.verdict : FAULT_PASS;
}

/** How many operations a whole replication takes. */
static uint64_t
count_operations(enum with_key how, bool writes_only)
{
    rw_new_site(&w);
    plan = (struct plan){.writes_only = writes_only};
    w.hook = fail_at;
    rw_must_run(&w, how);
    return plan.calls;
}

/** Die at every operation; then run again: it is complete, and never was wrong. */
static void
die_everywhere(enum with_key how)
{
    uint64_t all = count_operations(how, false);

    for (uint64_t at = 1; at <= all; at += sweep_stride(1)) {
        size_t listed;
        rw_new_site(&w);
        plan = (struct plan){.at = at, .verdict = FAULT_STOP};
        w.hook = fail_at;
        assert_int_not_equal(rw_run(&w, how), VV_OK);
        listed = rw_sound(&w, w.memory);
        assert_true(listed <= 2);
        w.hook = NULL; /* the next process */
        storage_free(w.site);
        rw_must(&w, storage_fault_new(w.memory, NULL, NULL, &w.site, &w.err));
        rw_must_run(&w, how);
        assert_int_equal(rw_sound(&w, w.memory), 2);
    }
}

static void
death_at_every_operation__without_a_key(void **state)
{
    (void)state;
    die_everywhere(KEYLESS);
}

static void
death_at_every_operation__with_a_key(void **state)
{
    (void)state;
    die_everywhere(WITH_KEY);
}

/** One operation fails in passing (or its reply is lost): the same run goes on. */
static void
fail_everywhere(enum with_key how, enum fault_verdict verdict, bool writes_only)
{
    uint64_t all = count_operations(how, writes_only);

    for (uint64_t at = 1; at <= all; at += sweep_stride(1)) {
        rw_new_site(&w);
        plan = (struct plan){.at = at, .verdict = verdict, .writes_only = writes_only};
        w.hook = fail_at;
        rw_must_run(&w, how);
        w.hook = NULL;
        assert_int_equal(w.to.summary.snapshots_there, 2);
        assert_int_equal(rw_sound(&w, w.memory), 2);
    }
}

static void
failure_in_passing_at_every_operation__is_waited_out(void **state)
{
    (void)state;
    fail_everywhere(KEYLESS, FAULT_TRANSIENT, false);
}

static void
lost_reply_of_every_publication__is_settled(void **state)
{
    (void)state;
    fail_everywhere(KEYLESS, FAULT_LOST_REPLY, true);
    fail_everywhere(WITH_KEY, FAULT_LOST_REPLY, true);
}

static enum fault_verdict
always_away(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    (void)op;
    (void)name;
    return FAULT_TRANSIENT;
}

static void
dead_site__is_given_up_after_ten_minutes(void **state)
{
    uint64_t start = w.clock.mono_ns;

    (void)state;
    w.hook = always_away;
    assert_int_equal(rw_run(&w, KEYLESS), VV_ETRANSIENT);
    assert_true(w.clock.mono_ns - start >= UINT64_C(600) * 1000000000);
    assert_true(w.clock.mono_ns - start <= UINT64_C(700) * 1000000000);
    assert_true(w.to.summary.retries > 5);
}

/* From its first pack on the site is away for good.  Not from a later one: a thread that has stored a
 * pack and not counted it would renew the patience long after, by a clock that others' sleeps move. */
static enum fault_verdict
away_in_the_middle(void *ctx, enum storage_op op, const char *name)
{
    atomic_bool *away = ctx;

    if (op == STORAGE_PUBLISH && strncmp(name, "packs/", 6) == 0) {
        atomic_store(away, true);
    }
    return atomic_load(away) ? FAULT_TRANSIENT : FAULT_PASS;
}

static void
site_dead_in_the_middle__is_given_up_after_ten_minutes_in_all(void **state)
{
    uint64_t start = w.clock.mono_ns;
    atomic_bool away = false;

    (void)state;
    w.hook = away_in_the_middle;
    w.hook_ctx = &away;
    w.options.threads = 4; /* all of one patience */
    assert_int_equal(rw_run(&w, KEYLESS), VV_ETRANSIENT);
    assert_true(w.to.err.exhausted);
    assert_true(w.clock.mono_ns - start >= UINT64_C(600) * 1000000000);
    assert_true(w.clock.mono_ns - start <= UINT64_C(900) * 1000000000); /* four threads' sleeps */
    w.hook = NULL;
    w.options.threads = 0;
    rw_must_run(&w, KEYLESS);
    assert_int_equal(rw_sound(&w, w.memory), 2);
}

/* Of a storage that has waited for ten minutes itself. */
static enum vv_rc
publish_exhausted(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    (void)s;
    (void)data;
    (void)vv_error_set(err, VV_ETRANSIENT, "gave up after 9 attempts to publish '%s'", name);
    vv_error_mark_exhausted(err);
    return VV_ETRANSIENT;
}

static void
site_that_was_waited_for__is_not_waited_for_again(void **state)
{
    const struct storage_ops *whole = w.site->ops;
    struct storage_ops ops = *whole;
    uint64_t start = w.clock.mono_ns;

    (void)state;
    rw_must_run(&w, KEYLESS);
    rw_backup(&w, 7);
    ops.publish = publish_exhausted;
    w.site->ops = &ops;
    assert_int_equal(rw_run(&w, KEYLESS), VV_ETRANSIENT);
    assert_int_equal(w.clock.mono_ns, start);
    assert_int_equal(w.to.summary.retries, 0);
    w.site->ops = whole;
}

static enum fault_verdict
full(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_PUBLISH && strncmp(name, "packs/", 6) == 0 ? FAULT_NOSPACE : FAULT_PASS;
}

static void
full_site__is_no_reason_to_wait(void **state)
{
    uint64_t start = w.clock.mono_ns;

    (void)state;
    w.hook = full;
    assert_int_equal(rw_run(&w, KEYLESS), VV_ENOSPACE);
    assert_int_equal(w.clock.mono_ns, start);
    w.hook = NULL;
    assert_int_equal(rw_sound(&w, w.memory), 0);
    rw_must_run(&w, KEYLESS);
    assert_int_equal(rw_sound(&w, w.memory), 2);
}

/** Two destinations: the first one stalls until the second has its slot, and fails then. */
struct gate {
    struct vv_mutex lock;
    struct vv_cond opened;
    bool open;
};
static struct gate gate = {.lock = VV_MUTEX_INIT};

static enum fault_verdict
stall(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    (void)op;
    (void)name;
    vv_mutex_lock(&gate.lock);
    while (!gate.open) {
        vv_cond_wait(&gate.opened, &gate.lock);
    }
    vv_mutex_unlock(&gate.lock);
    return FAULT_FAIL;
}

static enum fault_verdict
open_gate(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_PUBLISH && strncmp(name, "snapshots/", 10) == 0) {
        vv_mutex_lock(&gate.lock);
        gate.open = true;
        vv_cond_broadcast(&gate.opened);
        vv_mutex_unlock(&gate.lock);
    }
    return FAULT_PASS;
}

static void
two_destinations__one_that_stalls_does_not_hold_the_other(void **state)
{
    struct repo_options options = {
        .state_dir = w.home, .clock = &w.clock.base, .events = &w.ear.base};
    struct replicate_destination to[2] = {0};
    struct storage *memory = NULL;
    struct repo *source;

    (void)state;
    vv_cond_init(&gate.opened);
    gate.open = false;
    rw_must(&w, storage_memory_new(&memory, &w.err));
    w.hook = stall;
    to[0].storage = w.site;
    rw_must(&w, storage_fault_new(memory, open_gate, NULL, &to[1].storage, &w.err));
    source = rw_open(&w, w.source, KEYLESS);
    rw_must(&w, replicate_run(source, to, 2, &options, &w.options, NULL, &w.err));
    assert_int_equal(to[0].rc, VV_EIO);
    assert_int_equal(to[1].rc, VV_OK);
    assert_int_equal(to[1].summary.snapshots_there, 2);
    assert_int_equal(rw_sound(&w, memory), 2);
    repo_free(source);
    storage_free(to[1].storage);
    storage_free(memory);
    vv_cond_release(&gate.opened);
}

/* --- a loss that somebody has accepted --------------------------------------------------------- */

/** Drop the newest slot of the source, and accept that on the host that replicates. */
static void
lose_and_accept(void)
{
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_options options = {.state_dir = w.home, .accept_heads = true};
    struct repo *r = rw_open(&w, w.b.memory, WITH_KEY);
    struct snapshot_list l = {0};
    char name[64] = "snapshots/";

    rw_must(&w, snapshot_list_read(r, &l, &w.err)); /* it is seen, and remembered */
    vv_uuid_text(&l.snapshots[l.count - 1].session, name + strlen(name));
    snapshot_list_release(&l);
    repo_free(r);
    rw_must(&w, storage_memory_poke(w.b.memory, name, vv_span(NULL, 0), &w.err));
    rw_must(&w, repo_open(w.b.memory, &key, &options, &r, &w.err));
    rw_must(&w, snapshot_list_read(r, &l, &w.err));
    assert_int_equal(l.freshness, FRESHNESS_OK);
    snapshot_list_release(&l);
    repo_free(r);
}

/** All destinations' threads look into the same memory. */
static void
loss_that_was_accepted__is_none_at_any_destination(void **state)
{
    struct repo_options options = {
        .state_dir = w.home, .cache_dir = w.home, .clock = &w.clock.base};
    struct replicate_destination to[2] = {{.storage = w.site}};
    struct repo *source;

    (void)state;
    rw_must(&w, storage_memory_new(&to[1].storage, &w.err));
    for (unsigned pass = 0; pass < 2; pass++) {
        source = rw_open(&w, w.b.memory, WITH_KEY);
        rw_must(&w, replicate_run(source, to, 2, &options, &w.options, NULL, &w.err));
        repo_free(source);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(to[i].rc, VV_OK);
            assert_false(to[i].summary.forged);
        }
        if (pass == 0) {
            lose_and_accept();
        }
    }
    storage_free(to[1].storage);
}

/* --- a prune at the source -------------------------------------------------------------------- */

struct moving {
    struct pack_name name;
    unsigned times; /* that the pack is gone when it is asked for */
    unsigned met;
};
static struct moving moving;

static enum fault_verdict
move_pack(void *ctx, enum storage_op op, const char *name)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_span bytes;

    (void)ctx;
    pack_object_text(&moving.name, object);
    if (op == STORAGE_SIZE && strcmp(name, object) == 0 && moving.met < moving.times) {
        struct pack_name next = moving.name;
        struct vv_buf copy = {0};
        char elsewhere[PACK_OBJECT_TEXT];
        moving.met++;
        assert_true(storage_memory_peek(w.b.memory, object, &bytes));
        vv_buf_put(&copy, bytes.data, bytes.len);
        next.suffix.b[0] ^= 0xff;
        pack_object_text(&next, elsewhere);
        assert_int_equal(storage_memory_poke(w.b.memory, elsewhere, vv_buf_span(&copy), NULL),
                         VV_OK);
        assert_int_equal(storage_memory_poke(w.b.memory, object, vv_span(NULL, 0), NULL), VV_OK);
        vv_buf_release(&copy);
        moving.name = next;
    }
    return FAULT_PASS;
}

static void
pack_that_moves_at_the_source__is_looked_for_again(void **state)
{
    struct pack_name packs[64];

    (void)state;
    (void)rw_packs(w.b.memory, packs, 64);
    moving = (struct moving){.name = packs[0], .times = 1};
    w.source_hook = move_pack;
    rw_must_run(&w, KEYLESS);
    assert_int_equal(moving.met, 1);
    assert_int_equal(w.to.summary.snapshots_copied, 2);
    assert_int_equal(w.to.summary.batches, 2);
    assert_int_equal(rw_sound(&w, w.memory), 2);
}

/* --- a prune at the destination --------------------------------------------------------------- */

/** Publish a fence for every open session there, as a prune does. */
static void
fence_all(struct repo *admin)
{
    struct name_list sessions;
    struct vv_buf object = {0};

    rw_must(&w, repo_list(admin, "sessions", &sessions, &w.err));
    for (size_t i = 0; i < sessions.count; i++) {
        struct slot slot = {.status = SLOT_FENCE};
        uint8_t signature[FORMAT_SIGNATURE_LEN];
        char name[64] = "snapshots/";
        if (!vv_uuid_parse(sessions.names[i], strlen(sessions.names[i]), &slot.session)) {
            continue;
        }
        vv_buf_reset(&object);
        vv_random(slot.nonce, sizeof(slot.nonce));
        vv_uuid_text(&slot.session, name + 10);
        rw_must(&w, slot_encode(&slot, repo_id(admin), &object, &w.err));
        keyring_admin_sign(repo_keyring(admin), vv_buf_span(&object), signature);
        vv_buf_put(&object, signature, sizeof(signature));
        rw_must(&w, container_finish(&object, &w.err));
        if (storage_publish(w.memory, name, vv_buf_span(&object), NULL) != VV_OK) {
            continue; /* it has ended */
        }
    }
    vv_buf_release(&object);
    name_list_release(&sessions);
}

/** Condemn, fence, delete: all packs there that no snapshot of the replica needs. */
static void
prune_everything(void)
{
    struct repo *admin = rw_open(&w, w.memory, WITH_KEY);
    struct pack_name packs[64];
    struct vv_uuid session;
    size_t count = rw_packs(w.memory, packs, 64);

    vv_random(session.b, sizeof(session.b));
    if (count > 0) {
        rw_must(&w, condemned_publish(admin, &session, packs, (uint32_t)count, &w.err));
    }
    fence_all(admin);
    for (size_t i = 0; i < count; i++) {
        rw_damage_pack(w.memory, &packs[i], 0, false);
    }
    repo_free(admin);
}

static unsigned pruned;

/** A prune runs to its end just before the slot is created. */
static enum fault_verdict
prune_before_the_slot(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_PUBLISH && strncmp(name, "snapshots/", 10) == 0 && pruned == 0) {
        pruned = 1;
        prune_everything();
    }
    return FAULT_PASS;
}

static void
fenced_session__publishes_nothing_and_begins_again(void **state)
{
    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        pruned = 0;
        w.hook = prune_before_the_slot;
        rw_must_run(&w, (enum with_key)how);
        w.hook = NULL;
        assert_int_equal(pruned, 1);
        assert_int_equal(w.to.summary.snapshots_copied, 2);
        assert_int_equal(rw_told(&w, "replica-fenced"), 1);
        assert_int_equal(rw_sound_but_missing(&w, w.memory), 2);
    }
}

static void
condemned_packs__are_not_relied_on(void **state)
{
    struct pack_name packs[64];
    struct vv_uuid session;
    struct repo *admin;
    size_t count;

    (void)state;
    rw_must_run(&w, KEYLESS);
    count = rw_packs(w.memory, packs, 64);
    admin = rw_open(&w, w.memory, WITH_KEY);
    vv_random(session.b, sizeof(session.b));
    rw_must(&w, condemned_publish(admin, &session, packs, (uint32_t)count, &w.err));
    repo_free(admin);
    rw_backup(&w, 5);
    rw_must_run(&w, KEYLESS);
    for (size_t i = 0; i < count; i++) { /* the prune goes on */
        rw_damage_pack(w.memory, &packs[i], 0, false);
    }
    assert_int_equal(rw_sound_but_missing(&w, w.memory), 3);
}

int
main(void)
{
#define CASE(name) rw_case(name, rw_setup_two, &w)
    const struct CMUnitTest tests[] = {
        CASE(death_at_every_operation__without_a_key),
        CASE(death_at_every_operation__with_a_key),
        CASE(failure_in_passing_at_every_operation__is_waited_out),
        CASE(lost_reply_of_every_publication__is_settled),
        CASE(dead_site__is_given_up_after_ten_minutes),
        CASE(site_dead_in_the_middle__is_given_up_after_ten_minutes_in_all),
        CASE(site_that_was_waited_for__is_not_waited_for_again),
        CASE(full_site__is_no_reason_to_wait),
        CASE(two_destinations__one_that_stalls_does_not_hold_the_other),
        CASE(loss_that_was_accepted__is_none_at_any_destination),
        CASE(pack_that_moves_at_the_source__is_looked_for_again),
        CASE(fenced_session__publishes_nothing_and_begins_again),
        CASE(condemned_packs__are_not_relied_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
