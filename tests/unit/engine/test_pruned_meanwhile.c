/* SPDX-License-Identifier: BSD-2-Clause */
/* The source or the replica is pruned while replication or scrub looks at it: between any two looks.  What the index
 * named a moment ago and the prune has deleted since is no damage, and what was forgotten meanwhile does not
 * come to the replica without its content. */
#include <string.h>

#include "engine/helper_replicate.h"
#include "engine/prune.h"
#include "engine/scrub.h"
#include "repo/retention_publish.h"
#include "sweep.h"

static struct replicate_world w;
static unsigned lists; /* of the one that is pruned, since the run began */
static unsigned at;    /* before which of them somebody prunes; 0: before none */

static void
forget_and_prune(struct storage *st)
{
    struct prune_options o = {.budget = UINT64_MAX, .grace_ns = INT64_MAX, .level = 3};
    struct repo *admin = rw_open(&w, st, WITH_KEY);
    struct prune_summary sum = {0};
    struct snapshot_list l = {0};

    rw_must(&w, snapshot_list_read(admin, &l, &w.err));
    for (size_t i = 0; i + 1 < l.count; i++) {
        rw_must(&w, forget_publish(admin, &l.snapshots[i].id, 1, 0, NULL, &w.err));
    }
    rw_must(&w, prune_run(admin, &o, NULL, &sum, &w.err));
    snapshot_list_release(&l);
    repo_free(admin);
}

/** Of the listings of single shards (of packs/, of parity/) two stand for all. */
static bool
counts(const char *name)
{
    const char *shard = strchr(name, '/');

    return shard == NULL || strcmp(shard, "/00") == 0 || strcmp(shard, "/80") == 0;
}

static void
prune_at(enum storage_op op, const char *name, struct storage *st)
{
    if (op == STORAGE_LIST && counts(name) && ++lists == at) {
        forget_and_prune(st);
    }
}

static enum fault_verdict
prune_site(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    prune_at(op, name, w.memory);
    return FAULT_PASS;
}

static enum fault_verdict
prune_source(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    prune_at(op, name, w.b.memory);
    return FAULT_PASS;
}

/** A replica of all but the newest snapshot, in which a prune finds something to do. */
static void
make_replica(void)
{
    rw_new_site(&w);
    rw_must_run(&w, WITH_KEY);
    rw_backup(&w, 2);
}

/** A prune before each of the listings in turn. */
static void
prune_at_every_look(enum with_key how)
{
    at = 0;
    do {
        at += sweep_stride(1);
        lists = 0;
        w.hook = NULL;
        make_replica();
        w.hook = prune_site;
        rw_must_run(&w, how);
        if (rw_told(&w, "replica-pack-damaged") > 0) {
            fail_msg("false alarm when pruned before listing %u", at);
        }
        assert_int_equal(w.to.summary.packs_damaged, 0);
        w.hook = NULL;
        assert_true(rw_sound(&w, w.memory) >= 1);
    } while (lists >= at);
    assert_true(at > 8);
}

/** Is all well with a replica whose source was pruned while it was made? */
static void
assert_whole(void)
{
    static const char *const alarms[] = {"snapshot-incomplete", "snapshots-held-back",
                                         "pack-missing", "source-lost-snapshot"};

    for (size_t i = 0; i < VV_COUNT(alarms); i++) {
        if (rw_told(&w, alarms[i]) > 0) {
            fail_msg("'%s' when pruned before listing %u", alarms[i], at);
        }
    }
    assert_in_range(rw_sound(&w, w.memory), 1, 2);
}

/** A prune of the source before each of the listings there in turn. */
static void
prune_source_at_every_look(enum with_key how)
{
    at = 0;
    do {
        at += sweep_stride(1);
        rw_end(&w);
        rw_begin(&w, 2);
        lists = 0;
        w.source_hook = prune_source;
        rw_must_run(&w, how);
        assert_whole();
    } while (lists >= at);
    assert_true(at > 8);
}

static void
prune_of_the_source__leaves_the_replica_whole_without_a_key(void **state)
{
    (void)state;
    prune_source_at_every_look(KEYLESS);
}

static void
prune_of_the_source__leaves_the_replica_whole_with_a_key(void **state)
{
    (void)state;
    prune_source_at_every_look(WITH_KEY);
}

static void
prune_between_looks__is_no_damage_without_a_key(void **state)
{
    (void)state;
    prune_at_every_look(KEYLESS);
}

static void
prune_between_looks__is_no_damage_with_a_key(void **state)
{
    (void)state;
    prune_at_every_look(WITH_KEY);
}

/* --- while it is scrubbed ---------------------------------------------------------------------- */

static bool published;
static bool pruned;

/** Snapshots are made when packs have been listed, and all but one go when the index has been read. */
static enum fault_verdict
come_and_go(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_LIST && strcmp(name, "index") == 0 && !published && ++lists == 2) {
        published = true;
        rw_backup(&w, 5);
        rw_backup(&w, 6);
        rw_backup(&w, 7);
    }
    if (op == STORAGE_LIST && strcmp(name, "condemned") == 0 && published && !pruned) {
        pruned = true;
        forget_and_prune(w.b.memory);
    }
    return FAULT_PASS;
}

/* The index named packs that were there neither before nor after. */
static void
pack_that_comes_and_goes_while_it_is_scrubbed__is_no_damage(void **state)
{
    const struct scrub_options options = {.threads = 1};
    struct scrub_summary s;
    struct repo *source;

    (void)state;
    published = pruned = false;
    lists = 0; /* of index/: the first is before that of packs */
    w.source_hook = come_and_go;
    source = rw_open(&w, w.source, KEYLESS);
    rw_must(&w, scrub_run(source, &options, NULL, &s, &w.err));
    repo_free(source);
    assert_true(published && pruned);
    assert_int_equal(s.packs_missing, 0);
    assert_int_equal(s.objects_damaged, 0);
}

static void
prune_while_it_is_scrubbed__is_no_damage(void **state)
{
    const struct scrub_options options = {.threads = 1};

    (void)state;
    at = 0;
    do {
        struct scrub_summary s;
        struct repo *source;
        at += sweep_stride(1);
        rw_end(&w);
        rw_begin(&w, 2);
        w.source_hook = prune_source;
        source = rw_open(&w, w.source, KEYLESS);
        lists = 0;
        rw_must(&w, scrub_run(source, &options, NULL, &s, &w.err));
        if (s.objects_damaged > 0) {
            fail_msg("false alarm when pruned before listing %u", at);
        }
        repo_free(source);
    } while (lists >= at);
    assert_true(at > 8);
}

/* --- while it is read back --------------------------------------------------------------------- */

static void (*before_reading)(void); /* the next pack of the site */

static enum fault_verdict
act_before_reading(void *ctx, enum storage_op op, const char *name)
{
    void (*act)(void) = before_reading;

    (void)ctx;
    if (op == STORAGE_READ && strncmp(name, "packs/", 6) == 0 && act != NULL) {
        before_reading = NULL;
        act();
    }
    return FAULT_PASS;
}

static void
prune_the_site(void)
{
    forget_and_prune(w.memory);
}

static void
lose_all_packs(void)
{
    struct pack_name packs[64];
    size_t count = rw_packs(w.memory, packs, 64);

    for (size_t i = 0; i < count; i++) {
        rw_damage_pack(w.memory, &packs[i], 0, false);
    }
}

/** A replica where nothing is new is read back, and something happens before. */
static const struct replicate_summary *
read_back_after(void (*act)(void))
{
    rw_must_run(&w, KEYLESS);
    w.options.share = REPLICATE_SHARE_ALL;
    w.hook = act_before_reading;
    before_reading = act;
    rw_must_run(&w, KEYLESS);
    assert_null(before_reading);
    return &w.to.summary;
}

static void
pack_that_is_pruned_before_it_is_read_back__is_no_damage(void **state)
{
    (void)state;
    assert_int_equal(read_back_after(prune_the_site)->packs_damaged, 0);
    assert_int_equal(rw_told(&w, "replica-pack-damaged"), 0);
    assert_int_equal(rw_sound(&w, w.memory), 1);
}

static void
pack_that_is_lost_before_it_is_read_back__is_told_and_healed(void **state)
{
    const struct replicate_summary *s = read_back_after(lose_all_packs);

    (void)state;
    assert_true(s->packs_damaged > 1);
    assert_int_equal(s->packs_healed, s->packs_damaged);
    assert_int_equal(rw_told(&w, "replica-pack-damaged"), s->packs_damaged);
    assert_int_equal(rw_sound_but_missing(&w, w.memory), 2);
}

/* --- what an interrupted run has left ---------------------------------------------------------- */

/** Lay a pack of the source there that was pruned, without an index record. */
static void
leave_a_pack(void)
{
    struct pack_name here[64];
    struct pack_name there[64];
    size_t count = rw_packs(w.b.memory, here, 64);
    size_t others = rw_packs(w.memory, there, 64);

    for (size_t i = 0; i < count; i++) {
        char object[PACK_OBJECT_TEXT];
        struct vv_span bytes;
        bool known = false;
        for (size_t k = 0; k < others; k++) {
            known = known || vv_id_equal(&here[i].hash, &there[k].hash);
        }
        if (!known) {
            pack_object_text(&here[i], object);
            assert_true(storage_memory_peek(w.b.memory, object, &bytes));
            here[i].suffix.b[0] ^= 0xff;
            pack_object_text(&here[i], object);
            rw_must(&w, storage_memory_poke(w.memory, object, bytes, &w.err));
            return;
        }
    }
    fail_msg("nothing was pruned");
}

static void
pack_that_was_pruned_and_lies_there_again__is_no_alarm(void **state)
{
    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        rw_must_run(&w, (enum with_key)how);
        forget_and_prune(w.memory);
        leave_a_pack();
        rw_must_run(&w, (enum with_key)how);
        assert_int_equal(w.ear.problems, 0);
        assert_int_equal(w.to.summary.packs_adopted, 1);
        assert_int_equal(rw_told(&w, "replica-unindexed"), 1);
        assert_int_equal(rw_sound(&w, w.memory), 1);
    }
}

static void
lost_index__is_told_although_something_new_comes(void **state)
{
    struct pack_name packs[64];
    size_t before;

    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        rw_must_run(&w, (enum with_key)how);
        before = rw_sound(&w, w.memory);
        rw_lose_index(&w);
        (void)rw_packs(w.memory, packs, 64);
        rw_damage_pack(w.memory, &packs[0], 0, false);
        rw_backup(&w, 10 + (unsigned)how);
        rw_must_run(&w, (enum with_key)how);
        assert_int_equal(rw_told(&w, "replica-incomplete"), 1);
        assert_int_equal(rw_sound(&w, w.memory), before + 1);
    }
}

/** Until its grace is over somebody may want it back. */
static void
forgotten_there_in_grace__is_made_whole(void **state)
{
    struct pack_name packs[64];
    struct snapshot_list l = {0};
    struct vv_uuid forget;
    struct repo *admin;
    size_t all;
    size_t count;

    (void)state;
    rw_must_run(&w, WITH_KEY);
    all = rw_sound(&w, w.memory);
    admin = rw_open(&w, w.memory, WITH_KEY);
    rw_must(&w, snapshot_list_read(admin, &l, &w.err));
    rw_must(&w, forget_publish(admin, &l.snapshots[0].id, 1, INT64_C(86400) * 1000000000, &forget,
                               &w.err));
    rw_lose_index(&w);
    count = rw_packs(w.memory, packs, 64);
    for (size_t i = 0; i < count; i++) {
        rw_damage_pack(w.memory, &packs[i], 0, false);
    }
    rw_must_run(&w, WITH_KEY);
    rw_must(&w, forget_end(admin, &forget, FORGET_CANCELLED, &w.err));
    snapshot_list_release(&l);
    repo_free(admin);
    assert_int_equal(rw_sound(&w, w.memory), all);
}

int
main(void)
{
#define CASE(name) rw_case(name, rw_setup_two, &w)
    const struct CMUnitTest tests[] = {
        CASE(prune_between_looks__is_no_damage_without_a_key),
        CASE(prune_between_looks__is_no_damage_with_a_key),
        CASE(prune_of_the_source__leaves_the_replica_whole_without_a_key),
        CASE(prune_of_the_source__leaves_the_replica_whole_with_a_key),
        CASE(pack_that_is_pruned_before_it_is_read_back__is_no_damage),
        CASE(pack_that_is_lost_before_it_is_read_back__is_told_and_healed),
        CASE(pack_that_was_pruned_and_lies_there_again__is_no_alarm),
        CASE(lost_index__is_told_although_something_new_comes),
        CASE(forgotten_there_in_grace__is_made_whole),
        CASE(prune_while_it_is_scrubbed__is_no_damage),
        CASE(pack_that_comes_and_goes_while_it_is_scrubbed__is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
