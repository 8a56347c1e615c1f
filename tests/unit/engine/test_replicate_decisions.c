/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication: what the administrators of both sides have decided, and what of that travels. */
#include <stdio.h>
#include <string.h>

#include "engine/helper_replicate.h"
#include "engine/prune.h"
#include "repo/key_roles.h"
#include "repo/replica_site.h"
#include "repo/retention_publish.h"

static struct replicate_world w;

static struct record_scan
scan_source(void)
{
    struct repo *source = rw_open(&w, w.source, KEYLESS);
    struct record_scan scan;

    rw_must(&w, record_scan_read(source, &scan, &w.err));
    repo_free(source);
    return scan;
}

static void
bury(struct storage *st, const char *name, const struct snapshot *s, uint8_t reason)
{
    struct grave g = {.session = s->session,
                      .snapshot = s->id,
                      .client = s->client,
                      .sequence = s->sequence,
                      .hash = s->hash,
                      .reason = reason};
    struct repo *admin = rw_open(&w, st, WITH_KEY);
    struct vv_buf payload = {0};

    grave_list_encode(&g, 1, NULL, 0, &payload);
    rw_must(&w, admin_publish(admin, 1, ADMIN_GRAVE, name, vv_buf_span(&payload), &w.err));
    vv_buf_release(&payload);
    repo_free(admin);
}

static void
forget(struct storage *st, const struct snapshot *s, int outcome)
{
    struct repo *admin = rw_open(&w, st, WITH_KEY);
    struct vv_uuid id;

    rw_must(&w, forget_publish(admin, &s->id, 1, 0, &id, &w.err));
    if (outcome != 0) {
        rw_must(&w, forget_end(admin, &id, (enum forget_outcome)outcome, &w.err));
    }
    repo_free(admin);
}

#define DIGITS "0123456789abcdef0123456789abcde"

static void
forgotten_at_the_source__is_not_copied(void **state)
{
    struct record_scan scan = scan_source();

    (void)state;
    bury(w.b.memory, "grave-" DIGITS "1", &scan.list.snapshots[0], GRAVE_FORGOTTEN);
    forget(w.b.memory, &scan.list.snapshots[1], 0);
    assert_int_equal(rw_must_run(&w, KEYLESS)->snapshots_copied, 1);
    assert_int_equal(rw_count(w.memory, "admin"), 1); /* the certificate; no grave, no forget */
    assert_int_equal(rw_sound(&w, w.memory), 1);
    record_scan_release(&scan);
}

static void
forget_that_was_cancelled__does_not_count(void **state)
{
    struct record_scan scan = scan_source();

    (void)state;
    forget(w.b.memory, &scan.list.snapshots[0], FORGET_CANCELLED);
    assert_int_equal(rw_must_run(&w, KEYLESS)->snapshots_copied, 3);
    record_scan_release(&scan);
}

static void
forgotten_at_the_replica__does_not_come_back(void **state)
{
    struct record_scan scan = scan_source();
    char name[64] = "snapshots/";
    struct repo *site;
    struct name_list slots;

    (void)state;
    rw_must_run(&w, KEYLESS);
    bury(w.memory, "grave-" DIGITS "4", &scan.list.snapshots[0], GRAVE_FORGOTTEN);
    forget(w.memory, &scan.list.snapshots[1], FORGET_CARRIED_OUT);
    site = rw_open(&w, w.memory, KEYLESS); /* the slot goes, too: it held all three */
    rw_must(&w, repo_list(site, "snapshots", &slots, &w.err));
    assert_int_equal(slots.count, 1);
    memcpy(name + 10, slots.names[0], VV_UUID_TEXT);
    rw_must(&w, storage_memory_poke(w.memory, name, vv_span(NULL, 0), &w.err));
    name_list_release(&slots);
    repo_free(site);
    assert_int_equal(rw_must_run(&w, KEYLESS)->snapshots_copied, 1); /* the third only */
    assert_int_equal(rw_sound(&w, w.memory), 1);
    record_scan_release(&scan);
}

/** Forget all but the newest at a place, and prune it there. */
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
    assert_int_equal(sum.snapshots_buried, l.count - 1);
    assert_true(sum.packs_written > 0); /* what stays has moved into other packs */
    snapshot_list_release(&l);
    repo_free(admin);
}

/** Packs of which a part dies with the older snapshots. */
static void
back_up_pairs(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bw_file(&w.b, "one", 30000, 50 + i);
        if (i == 0) {
            bw_file(&w.b, "other", 30000, 60);
        }
        bw_backup(&w.b);
    }
}

/* Must be so for ever: what was forgotten at the replica costs nothing again. */
static void
pruned_replica__gets_no_pack_again(void **state)
{
    struct pack_name packs[64];
    size_t before;

    (void)state;
    rw_must_run(&w, WITH_KEY);
    back_up_pairs();
    rw_must_run(&w, WITH_KEY);
    forget_and_prune(w.memory);
    assert_int_equal(rw_must_run(&w, WITH_KEY)->packs_copied, 0);
    assert_int_equal(rw_sound(&w, w.memory), 1);
    before = rw_packs(w.b.memory, packs, 64);
    rw_backup(&w, 8); /* most of it is there, in packs the source does not have */
    /* (The copy of its record travels in the slot.) */
    assert_int_equal(rw_must_run(&w, WITH_KEY)->packs_copied,
                     rw_packs(w.b.memory, packs, 64) - before - 1);
    assert_int_equal(rw_must_run(&w, WITH_KEY)->packs_copied, 0);
    assert_int_equal(rw_sound(&w, w.memory), 2);
}

/* Without a key they travel, and nothing is lost by it. */
static void
pruned_replica__without_a_key_is_whole(void **state)
{
    struct pack_name packs[64];
    size_t before;

    (void)state;
    back_up_pairs();
    rw_must_run(&w, KEYLESS);
    forget_and_prune(w.memory);
    assert_int_equal(rw_must_run(&w, KEYLESS)->packs_copied, 0); /* no snapshot is missing there */
    before = rw_packs(w.b.memory, packs, 64);
    rw_backup(&w, 8);
    assert_true(rw_must_run(&w, KEYLESS)->packs_copied > rw_packs(w.b.memory, packs, 64) - before);
    assert_int_equal(rw_sound(&w, w.memory), 2);
}

/* The other way round: what a prune has moved at the source lies at the replica as it was. */
static void
pruned_source__sends_only_what_is_new(void **state)
{
    struct pack_name packs[64];
    size_t before;

    (void)state;
    back_up_pairs();
    rw_must_run(&w, WITH_KEY);
    forget_and_prune(w.b.memory); /* by the administrator: no alarm */
    before = rw_packs(w.b.memory, packs, 64);
    rw_backup(&w, 8);
    /* (The copy of its record travels in the slot.) */
    assert_int_equal(rw_must_run(&w, WITH_KEY)->packs_copied,
                     rw_packs(w.b.memory, packs, 64) - before - 1);
    assert_int_equal(rw_sound(&w, w.memory), 6); /* deletions do not travel */
}

/* A pack of the replica's own that is damaged is no reason to leave anything out. */
static void
pruned_replica__damaged_there_comes_again(void **state)
{
    struct pack_name packs[64];
    size_t count;

    (void)state;
    back_up_pairs();
    rw_must_run(&w, WITH_KEY);
    forget_and_prune(w.memory);
    rw_must_run(&w, WITH_KEY); /* notes what lies there */
    count = rw_packs(w.memory, packs, 64);
    for (size_t i = 0; i < count; i++) {
        rw_damage_pack(w.memory, &packs[i], 100, false);
    }
    rw_backup(&w, 8);
    w.options.complete = true;
    (void)rw_must_run(&w, WITH_KEY);
    assert_int_equal(rw_sound_but_missing(&w, w.memory), 2);
}

static void
first_listing__travels(void **state)
{
    struct record_scan scan = scan_source();
    const struct first_listed l = {scan.list.snapshots[0].id, 5};
    struct repo *admin = rw_open(&w, w.b.memory, WITH_KEY);
    struct admin_records a;
    int64_t when = 0;

    (void)state;
    rw_must(&w, first_listed_publish(admin, &l, 1, &w.err));
    rw_must(&w, accepted_publish(admin, &l.snapshot, 1, &w.err));
    rw_must(&w, admin_records_read(admin, &a, &w.err));
    rw_must(&w, pin_publish(admin, &a, &(struct pin){l.snapshot, 0, true}, &w.err));
    admin_records_release(&a);
    repo_free(admin);
    rw_must_run(&w, KEYLESS);
    admin = rw_open(&w, w.memory, WITH_KEY);
    rw_must(&w, admin_records_read(admin, &a, &w.err));
    assert_true(admin_first_listed(&a, &l.snapshot, &when));
    assert_int_equal(when, 5);
    assert_int_equal(a.names.count, 2); /* and the certificate: pins and acceptance stay behind */
    admin_records_release(&a);
    repo_free(admin);
    record_scan_release(&scan);
}

static void
revoked__travels(void **state)
{
    struct record_scan scan = scan_source();

    (void)state;
    rw_must_run(&w, KEYLESS);
    bury(w.b.memory, "grave-" DIGITS "6", &scan.list.snapshots[0], GRAVE_REVOKED);
    assert_int_equal(rw_must_run(&w, KEYLESS)->objects_copied, 1);
    assert_int_equal(rw_sound(&w, w.memory), 2); /* the grave counts there */
    record_scan_release(&scan);
}

/** Revoke from ${since} on at ${st}; the number its name has there is the first that is free. */
static void
revoke(struct storage *st, const struct vv_uuid *client, uint64_t since)
{
    struct repo *admin = rw_open(&w, st, WITH_KEY);

    rw_must(&w, key_revoke(admin, client, since, &w.err));
    repo_free(admin);
}

static bool
is_revoked_at_replica(const struct vv_uuid *client, uint64_t sequence)
{
    struct repo *site = rw_open(&w, w.memory, WITH_KEY);
    struct admin_records a;
    bool revoked;

    rw_must(&w, admin_records_read(site, &a, &w.err));
    revoked = admin_revoked(&a, client, sequence);
    admin_records_release(&a);
    repo_free(site);
    return revoked;
}

/* Revoked at both sides, each time under the first name: the earlier number counts at the replica. */
static void
revoked_at_both__the_stricter_counts(void **state)
{
    const struct vv_uuid late = {{1}};
    const struct vv_uuid early = {{2}};

    (void)state;
    rw_must_run(&w, KEYLESS);
    revoke(w.b.memory, &late, 7);
    revoke(w.memory, &late, 3);
    revoke(w.b.memory, &early, 3);
    revoke(w.memory, &early, 7);
    assert_false(is_revoked_at_replica(&early, 3));
    assert_int_equal(rw_must_run(&w, KEYLESS)->objects_copied, 1);
    assert_true(is_revoked_at_replica(&early, 3));
    assert_false(is_revoked_at_replica(&early, 2));
    assert_true(is_revoked_at_replica(&late, 3));
    assert_false(is_revoked_at_replica(&late, 2));
    assert_int_equal(rw_must_run(&w, KEYLESS)->objects_copied, 0);
    assert_int_equal(rw_told(&w, "object-differs"), 0);
}

/* What was read there was read before the record arrived under its own name. */
static void
revocation_that_came_meanwhile__is_not_copied_again(void **state)
{
    const struct vv_uuid client = {{1}};
    struct replica_small_objects small;
    struct admin_records here;
    struct admin_records before;
    struct repo *source;
    struct repo *site;
    size_t count;

    (void)state;
    rw_must_run(&w, KEYLESS);
    source = rw_open(&w, w.b.memory, WITH_KEY);
    site = rw_open(&w, w.memory, WITH_KEY);
    rw_must(&w, admin_records_read(site, &before, &w.err));
    revoke(w.b.memory, &client, 3);
    assert_int_equal(rw_must_run(&w, KEYLESS)->objects_copied, 1);
    count = rw_count(w.memory, "admin");
    rw_must(&w, admin_records_read(source, &here, &w.err));
    assert_false(replica_revocations_hold(&here, &before));
    rw_must(&w, replica_copy_revocations(source, &here, site, &before, &small, &w.err));
    assert_int_equal(small.copied, 0);
    assert_int_equal(rw_count(w.memory, "admin"), count);
    admin_records_release(&before);
    admin_records_release(&here);
    repo_free(site);
    repo_free(source);
}

static void
key_slots__new_ones_travel_and_removed_ones_are_counted(void **state)
{
    struct slot_list slots;
    struct pack_name packs[64];
    char name[32];

    (void)state;
    (void)packs;
    rw_must_run(&w, KEYLESS);
    rw_must(&w, key_slots_list(w.memory, &slots, &w.err));
    assert_int_equal(slots.count, 1);
    assert_int_equal(slots.slots[0].copies, 2);
    (void)snprintf(name, sizeof(name), "keys/%s-a", slots.slots[0].id);
    rw_must(&w, storage_memory_poke(w.b.memory, name, vv_span(NULL, 0), &w.err));
    assert_int_equal(rw_must_run(&w, KEYLESS)->key_slots_extra, 1);
    rw_must(&w, storage_memory_poke(w.memory, name, vv_span(NULL, 0), &w.err));
    name[strlen(name) - 1] = 'b';
    rw_must(&w, storage_memory_poke(w.memory, name, vv_span(NULL, 0), &w.err));
    assert_int_equal(rw_must_run(&w, KEYLESS)->objects_copied, 1); /* -b comes back */
    slot_list_release(&slots);
}

static void
squatted_name__is_told_and_does_no_harm(void **state)
{
    struct repo *source = rw_open(&w, w.b.memory, KEYLESS);
    struct name_list admin;
    struct vv_buf name = {0};

    (void)state;
    rw_must_run(&w, KEYLESS);
    rw_must(&w, repo_list(source, "admin", &admin, &w.err));
    vv_buf_printf(&name, "admin/%s", admin.names[0]);
    rw_must(&w, storage_memory_poke(w.memory, vv_buf_text(&name), vv_span("garbage", 7), &w.err));
    rw_must_run(&w, KEYLESS);
    assert_true(rw_told(&w, "admin-record-damaged") > 0);
    name_list_release(&admin);
    vv_buf_release(&name);
    repo_free(source);
}

int
main(void)
{
#define CASE(name) rw_case(name, rw_setup_three, &w)
    const struct CMUnitTest tests[] = {
        CASE(forgotten_at_the_source__is_not_copied),
        CASE(forget_that_was_cancelled__does_not_count),
        CASE(forgotten_at_the_replica__does_not_come_back),
        CASE(pruned_replica__gets_no_pack_again),
        CASE(pruned_replica__without_a_key_is_whole),
        CASE(pruned_source__sends_only_what_is_new),
        CASE(pruned_replica__damaged_there_comes_again),
        CASE(first_listing__travels),
        CASE(revoked__travels),
        CASE(revoked_at_both__the_stricter_counts),
        CASE(revocation_that_came_meanwhile__is_not_copied_again),
        CASE(key_slots__new_ones_travel_and_removed_ones_are_counted),
        CASE(squatted_name__is_told_and_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
