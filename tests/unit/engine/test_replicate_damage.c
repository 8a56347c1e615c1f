/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication: what is damaged or lost at either side, and what a place holds already. */
#include <stdio.h>

#include "engine/helper_replicate.h"
#include "format/index.h"

static struct replicate_world w;

/* --- damage ----------------------------------------------------------------------------------- */

static void
replicate__names_and_heals_what_is_damaged_there(void **state)
{
    struct pack_name packs[64];
    const struct replicate_summary *s;

    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        rw_must_run(&w, (enum with_key)how);
        assert_true(rw_packs(w.memory, packs, 64) >= 2);
        rw_damage_pack(w.memory, &packs[0], 100, false);
        rw_damage_pack(w.memory, &packs[1], 0, false);
        s = rw_must_run(&w, (enum with_key)how);
        assert_int_equal(s->packs_damaged, 2);
        assert_int_equal(s->packs_healed, 2);
        assert_int_equal(s->packs_unhealed, 0);
        assert_int_equal(rw_told(&w, "replica-pack-damaged"), 2);
        s = rw_must_run(&w, (enum with_key)how);
        assert_int_equal(s->packs_damaged, 0);
        assert_int_equal(s->batches, 0);
        assert_int_equal(rw_told(&w, "replica-pack-superseded"),
                         1); /* the cut one still lies there */
    }
}

static void
replicate__finds_and_heals_wrong_bytes_by_reading_back(void **state)
{
    struct pack_name packs[64];
    const struct replicate_summary *s;

    (void)state;
    rw_must_run(&w, KEYLESS);
    (void)rw_packs(w.memory, packs, 64);
    rw_damage_pack(w.memory, &packs[0], 0, true);
    assert_int_equal(rw_must_run(&w, KEYLESS)->packs_damaged, 0); /* not seen by its size */
    w.options.share = REPLICATE_SHARE_ALL;
    s = rw_must_run(&w, KEYLESS);
    assert_int_equal(s->packs_damaged, 1);
    assert_int_equal(s->packs_healed, 1);
    assert_int_equal(s->packs_unhealed, 0);
}

static void
replicate__says_what_stays_damaged(void **state)
{
    struct pack_name packs[64];
    struct pack_name there[64];
    const struct replicate_summary *s;
    size_t count;

    (void)state;
    rw_must_run(&w, KEYLESS);
    count = rw_packs(w.b.memory, packs, 64);
    assert_int_equal(rw_packs(w.memory, there, 64), count);
    rw_damage_pack(w.memory, &there[0], 0, false);
    for (size_t i = 0; i < count; i++) { /* and nobody else has it */
        if (vv_id_equal(&packs[i].hash, &there[0].hash)) {
            rw_damage_pack(w.b.memory, &packs[i], 0, true);
        }
    }
    s = rw_must_run(&w, KEYLESS);
    assert_int_equal(s->packs_unhealed, 1);
    assert_int_equal(s->source_damaged, 1);
    assert_int_equal(rw_told(&w, "pack-damaged"), 1);
}

static void
replicate__without_a_key_holds_back_when_a_pack_is_lost(void **state)
{
    struct pack_name packs[64];
    const struct replicate_summary *s;

    (void)state;
    (void)rw_packs(w.b.memory, packs, 64);
    rw_damage_pack(w.b.memory, &packs[0], 0, true);
    s = rw_must_run(&w, KEYLESS);
    assert_int_equal(s->source_damaged, 1);
    assert_int_equal(s->snapshots_copied, 0);
    assert_int_equal(s->snapshots_incomplete, 3);
    assert_int_equal(rw_told(&w, "snapshots-held-back"), 1);
    assert_int_equal(rw_sound(&w, w.memory), 0);
}

static void
replicate__with_a_key_copies_what_is_whole(void **state)
{
    struct pack_name before[64];
    struct pack_name after[64];
    const struct replicate_summary *s;
    size_t count = rw_packs(w.b.memory, before, 64);
    size_t now;

    (void)state;
    rw_backup(&w, 20);
    now = rw_packs(w.b.memory, after, 64);
    for (size_t i = 0; i < now; i++) { /* what only the last one needs */
        bool old = false;
        for (size_t k = 0; k < count; k++) {
            old = old || pack_name_compare(&after[i], &before[k]) == 0;
        }
        if (!old) {
            rw_damage_pack(w.b.memory, &after[i], 0, i % 2 == 0);
        }
    }
    s = rw_must_run(&w, WITH_KEY);
    assert_int_equal(s->snapshots_copied, 3);
    assert_int_equal(s->snapshots_incomplete, 1);
    assert_int_equal(rw_told(&w, "snapshot-incomplete"), 1);
    assert_int_equal(rw_sound(&w, w.memory), 3);
}

/* --- journal, seeding ------------------------------------------------------------------------- */

static void
journal__damaged_is_started_over(void **state)
{
    char path[256];
    struct repo *site;
    char id[VV_UUID_TEXT];
    char repository[VV_UUID_TEXT];
    FILE *f;

    (void)state;
    rw_must_run(&w, KEYLESS);
    site = rw_open(&w, w.memory, KEYLESS);
    vv_uuid_text(&repo_site(site)->id, id);
    vv_uuid_text(repo_id(site), repository);
    repo_free(site);
    (void)snprintf(path, sizeof(path), "%s/%s/replica-%s", w.home, repository, id);
    for (long at = 0; at < 120; at += 60) { /* in its head, and behind it */
        f = fopen(path, "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite("damage", 1, 6, f), 6);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(rw_must_run(&w, KEYLESS)->packs_copied, 0);
        assert_int_equal(rw_told(&w, "journal-damaged"), 1);
        rw_must_run(&w, KEYLESS);
        assert_int_equal(rw_told(&w, "journal-damaged"), 0);
    }
}

static void
seed(const struct pack_name *name, bool damaged)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_span bytes;

    pack_object_text(name, object);
    assert_true(storage_memory_peek(w.b.memory, object, &bytes));
    rw_must(&w, storage_memory_poke(w.memory, object, bytes, &w.err));
    if (damaged) {
        rw_damage_pack(w.memory, name, 0, true);
    }
}

static void
replicate__takes_over_seeded_packs(void **state)
{
    struct pack_name packs[64];
    const struct replicate_summary *s;
    size_t count = rw_packs(w.b.memory, packs, 64);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        seed(&packs[i], i == 0);
    }
    s = rw_must_run(&w, KEYLESS);
    assert_true(s->made);
    assert_int_equal(s->packs_adopted, count - 1);
    assert_int_equal(s->packs_copied, 1); /* in place of the one with wrong bytes */
    assert_int_equal(s->packs_read, count);
    assert_int_equal(s->snapshots_copied, 3);
    s = rw_must_run(&w, KEYLESS);
    assert_int_equal(s->packs_read, 0);
    assert_int_equal(s->packs_damaged, 0);
    rw_must(&w, storage_memory_poke(w.memory, "packs/00/unused", vv_span(NULL, 0), &w.err));
}

static void
read_back__reads_all_in_thirty_days(void **state)
{
    uint64_t read = 0;
    uint64_t there;

    (void)state;
    rw_must_run(&w, KEYLESS);
    w.options.share = REPLICATE_SHARE_MONTH;
    there = rw_must_run(&w, KEYLESS)->bytes_there;
    read = w.to.summary.bytes_read;
    for (int day = 0; day < 30; day++) {
        rw_advance(&w, UINT64_C(86400) * 1000000000);
        read += rw_must_run(&w, KEYLESS)->bytes_read;
        assert_int_equal(rw_must_run(&w, KEYLESS)->bytes_read, 0); /* no time has passed */
    }
    assert_true(read >= there);
    assert_true(read <= there + there / 2);
}

static void
replicate__brings_a_lost_index_back(void **state)
{
    const struct replicate_summary *s;
    struct pack_name packs[64];

    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        rw_must_run(&w, (enum with_key)how);
        rw_lose_index(&w);
        (void)rw_packs(w.memory, packs, 64);
        rw_damage_pack(w.memory, &packs[0], 0, false); /* nothing there names it any more */
        s = rw_must_run(&w, (enum with_key)how);
        assert_int_equal(s->packs_copied, 1);
        assert_int_equal(s->packs_adopted + 1, s->packs_there);
        assert_int_equal(rw_told(&w, "replica-incomplete"), 1);
        assert_int_equal(rw_sound(&w, w.memory), 3);
        assert_int_equal(rw_must_run(&w, (enum with_key)how)->batches, 0);
    }
}

/* A segment of the memory site by its number in the listing; how many bytes its packs have. */
static uint64_t
open_segment(struct repo *site, const char *digits, char name[6 + 65], struct index_iter *ret)
{
    struct index_record record;
    struct index_iter it;
    struct vv_span bytes;
    struct vv_span pack;
    char object[PACK_OBJECT_TEXT];
    uint64_t total = 0;

    (void)snprintf(name, 6 + 65, "index/%s", digits);
    assert_true(storage_memory_peek(w.memory, name, &bytes));
    rw_must(&w, index_segment_open(bytes, repo_id(site), ret, &w.err));
    it = *ret;
    while (index_segment_next(&it, &record)) {
        pack_object_text(&record.name, object);
        assert_true(storage_memory_peek(w.memory, object, &pack));
        total += pack.len;
    }
    return total;
}

static void
replicate__complete_finds_what_nothing_names(void **state)
{
    struct repo *site;
    struct name_list segments;
    char name[6 + 65];
    struct index_iter it;
    struct index_record record;
    uint64_t most = 0;
    size_t chosen = 0; /* the one with content, not only with the copy of a snapshot's record */

    (void)state;
    rw_must_run(&w, KEYLESS);
    site = rw_open(&w, w.memory, KEYLESS);
    rw_must(&w, repo_list(site, "index", &segments, &w.err));
    for (size_t i = 0; i < segments.count; i++) {
        uint64_t bytes = open_segment(site, segments.names[i], name, &it);
        chosen = bytes > most ? i : chosen;
        most = bytes > most ? bytes : most;
    }
    (void)open_segment(site, segments.names[chosen], name, &it);
    while (index_segment_next(&it, &record)) {
        rw_damage_pack(w.memory, &record.name, 0, false);
    }
    rw_must(&w, storage_memory_poke(w.memory, name, vv_span(NULL, 0), &w.err));
    name_list_release(&segments);
    repo_free(site);
    assert_int_equal(rw_must_run(&w, KEYLESS)->batches, 0); /* no trace of them is left */
    w.options.complete = true;
    assert_true(rw_must_run(&w, WITH_KEY)->packs_copied > 0);
    assert_int_equal(rw_sound(&w, w.memory), 3);
}

int
main(void)
{
#define CASE(name) rw_case(name, rw_setup_three, &w)
    const struct CMUnitTest tests[] = {
        CASE(replicate__names_and_heals_what_is_damaged_there),
        CASE(replicate__finds_and_heals_wrong_bytes_by_reading_back),
        CASE(replicate__says_what_stays_damaged),
        CASE(replicate__without_a_key_holds_back_when_a_pack_is_lost),
        CASE(replicate__with_a_key_copies_what_is_whole),
        CASE(journal__damaged_is_started_over),
        CASE(replicate__takes_over_seeded_packs),
        CASE(read_back__reads_all_in_thirty_days),
        CASE(replicate__brings_a_lost_index_back),
        CASE(replicate__complete_finds_what_nothing_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
