/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication: what is copied, what is refused, what is healed. */
#include <string.h>

#include "crypto/asymmetric.h"
#include "engine/helper_replicate.h"

static struct replicate_world w;

static void
replicate__copies_everything(void **state)
{
    static const enum with_key ways[] = {KEYLESS, WITH_KEY};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(ways); i++) {
        const struct replicate_summary *s;
        rw_new_site(&w);
        s = rw_must_run(&w, ways[i]);
        assert_true(s->made);
        assert_int_equal(s->snapshots_source, 3);
        assert_int_equal(s->snapshots_copied, 3);
        assert_int_equal(s->snapshots_there, 3);
        assert_int_equal(s->packs_there, s->packs_copied);
        assert_int_not_equal(s->useful_since, 0);
        assert_int_equal(rw_sound(&w, w.memory), 3);
    }
}

static void
replicate__gives_packs_new_names(void **state)
{
    struct pack_name here[64];
    struct pack_name there[64];
    size_t count;

    (void)state;
    rw_must_run(&w, KEYLESS);
    count = rw_packs(w.b.memory, here, 64);
    assert_int_equal(rw_packs(w.memory, there, 64), count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            assert_int_not_equal(pack_name_compare(&here[i], &there[k]), 0);
        }
    }
}

static void
replicate__with_a_key_newest_first(void **state)
{
    const struct replicate_summary *s;

    (void)state;
    s = rw_must_run(&w, WITH_KEY);
    assert_int_equal(s->batches, 2); /* the newest one, then the two others */
    assert_int_equal(rw_told(&w, "replica-useful"), 1);
}

static void
replicate__does_nothing_when_nothing_changed(void **state)
{
    const struct replicate_summary *s;
    size_t sessions;

    (void)state;
    rw_must_run(&w, KEYLESS);
    sessions = rw_count(w.memory, "sessions");
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        s = rw_must_run(&w, (enum with_key)how);
        assert_false(s->made);
        assert_int_equal(s->packs_copied, 0);
        assert_int_equal(s->batches, 0);
        assert_int_equal(s->snapshots_there, 3);
        assert_int_equal(rw_count(w.memory, "sessions"), sessions);
    }
}

static unsigned reads;

static enum fault_verdict
count_reads(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    (void)name;
    reads += op == STORAGE_READ || op == STORAGE_SIZE;
    return FAULT_PASS;
}

static void
replicate__remembers_what_it_need_not_read_again(void **state)
{
    (void)state;
    rw_must_run(&w, KEYLESS);
    rw_must_run(&w, KEYLESS); /* learns the slot it made itself */
    w.hook = count_reads;
    reads = 0;
    rw_must_run(&w, KEYLESS);
    assert_true(reads <= 10); /* config, site, one certificate; no index segment, no slot */
}

static void
replicate__brings_only_what_is_new(void **state)
{
    const struct replicate_summary *s;
    uint64_t first;

    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        first = rw_must_run(&w, (enum with_key)how)->packs_copied;
        rw_backup(&w, 10 + (unsigned)how);
        s = rw_must_run(&w, (enum with_key)how);
        assert_int_equal(s->snapshots_copied, 1);
        assert_true(s->packs_copied > 0 && s->packs_copied < first);
        assert_int_equal(rw_sound(&w, w.memory), 4 + (size_t)how);
    }
}

static void
replicate__selection_copies_only_its_closure(void **state)
{
    struct repo *source = rw_open(&w, w.source, KEYLESS);
    struct record_scan scan;
    struct vv_uuid id;

    (void)state;
    rw_must(&w, record_scan_read(source, &scan, &w.err));
    id = scan.list.snapshots[1].id;
    record_scan_release(&scan);
    repo_free(source);
    w.options.snapshots = &id;
    w.options.snapshot_count = 1;
    assert_int_equal(rw_must_run(&w, WITH_KEY)->snapshots_copied, 1);
    assert_int_equal(rw_sound(&w, w.memory), 1);
    w.options.snapshots = NULL;
    w.options.snapshot_count = 0;
    rw_must_run(&w, WITH_KEY);
    assert_int_equal(rw_sound(&w, w.memory), 3);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void
refused(const char *part)
{
    assert_int_equal(rw_run(&w, KEYLESS), VV_EREFUSED);
    assert_non_null(strstr(w.to.err.message, part));
    assert_true(w.to.err.hint[0] != '\0');
}

static void
replicate__refuses_a_place_with_something_else(void **state)
{
    (void)state;
    rw_must(&w, storage_memory_poke(w.memory, "holiday.jpg", vv_span("x", 1), &w.err));
    refused("is not empty");
    rw_new_site(&w);
    rw_must(&w, storage_memory_poke(w.memory, "snapshots/notes", vv_span("x", 1), &w.err));
    refused("is not empty");
    rw_new_site(&w);
    rw_must(&w, storage_memory_poke(w.memory, "keys/0123456789abcdef-a", vv_span("x", 1), &w.err));
    refused("is not empty");
    assert_int_equal(rw_count(w.memory, "keys"), 1); /* and nothing was changed */
}

static void
replicate__refuses_another_repository(void **state)
{
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_init_options init = {.secret = &key, .label = "other"};
    struct repo_options options = {0};
    struct repo *other = NULL;

    (void)state;
    rw_must(&w, repo_init(w.memory, &init, &options, &other, &w.err));
    repo_free(other);
    refused("another repository");
}

static void
replicate__refuses_a_plain_copy_of_the_source(void **state)
{
    struct storage *copy = NULL;

    (void)state;
    rw_must(&w, storage_memory_clone(w.b.memory, &copy, &w.err));
    storage_free(w.site);
    storage_free(w.memory);
    w.memory = copy;
    rw_must(&w, storage_fault_new(copy, NULL, NULL, &w.site, &w.err));
    refused("own site id");
}

static void
replicate__refuses_another_administrator_later(void **state)
{
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_options options = {
        .state_dir = w.home, .clock = &w.clock.base, .events = &w.ear.base};
    struct vv_buf forged = {0};
    struct vv_span config;
    struct config c;
    struct repo *r = NULL;
    uint8_t seed[32] = {7};
    uint8_t secret[64];
    uint8_t signature[64];

    (void)state;
    repo_free(rw_open(&w, w.b.memory, KEYLESS)); /* pins the key */
    assert_true(storage_memory_peek(w.b.memory, "config", &config));
    rw_must(&w, config_decode(config, &c, &w.err));
    ed25519_from_seed(seed, c.admin_public, secret);
    rw_must(&w, config_encode(&c, &forged, &w.err));
    ed25519_sign(secret, vv_buf_span(&forged), signature);
    vv_buf_put(&forged, signature, sizeof(signature));
    rw_must(&w, container_finish(&forged, &w.err));
    rw_must(&w, storage_memory_poke(w.b.memory, "config", vv_buf_span(&forged), &w.err));
    assert_int_equal(repo_open_keyless(w.b.memory, &options, &r, &w.err), VV_EFORGED);
    assert_int_equal(repo_open(w.b.memory, &key, &options, &r, &w.err), VV_EFORGED);
    vv_buf_release(&forged);
}

static void
replicate__stops_when_the_source_shrank(void **state)
{
    struct storage *empty_slots = NULL;
    struct vv_uuid session;
    struct repo *source;
    struct record_scan scan;

    (void)state;
    rw_must_run(&w, KEYLESS);
    rw_must(&w, storage_memory_clone(w.b.memory, &empty_slots, &w.err));
    source = rw_open(&w, w.source, KEYLESS);
    rw_must(&w, record_scan_read(source, &scan, &w.err));
    for (size_t i = 0; i < 2; i++) { /* two of three are gone */
        char name[64] = "snapshots/";
        session = scan.list.snapshots[i].session;
        vv_uuid_text(&session, name + 10);
        rw_must(&w, storage_memory_poke(w.b.memory, name, vv_span(NULL, 0), &w.err));
    }
    record_scan_release(&scan);
    repo_free(source);
    refused("lost 2 of the 3");
    refused("lost 2 of the 3"); /* it is not forgotten */
    w.options.accept_shrunken = true;
    rw_must_run(&w, KEYLESS);
    w.options.accept_shrunken = false;
    rw_must_run(&w, KEYLESS);
    assert_int_equal(rw_sound(&w, w.memory), 3); /* the replica keeps them */
    storage_free(empty_slots);
}

/* --- bandwidth -------------------------------------------------------------------------------- */

static void
limit__holds_within_five_percent(void **state)
{
    const struct replicate_rate rate = {.rate = 8000};
    uint64_t start = w.clock.mono_ns;
    uint64_t ideal;
    uint64_t took;

    (void)state;
    w.options.rates = &rate;
    w.options.rate_count = 1;
    ideal = rw_must_run(&w, KEYLESS)->bytes_copied * 1000000000 / rate.rate;
    took = w.clock.mono_ns - start;
    assert_true(took >= ideal - ideal / 20);
    assert_true(took <= ideal + ideal / 20);
}

int
main(void)
{
#define CASE(name) rw_case(name, rw_setup_three, &w)
    const struct CMUnitTest tests[] = {
        CASE(replicate__copies_everything),
        CASE(replicate__gives_packs_new_names),
        CASE(replicate__with_a_key_newest_first),
        CASE(replicate__does_nothing_when_nothing_changed),
        CASE(replicate__remembers_what_it_need_not_read_again),
        CASE(replicate__brings_only_what_is_new),
        CASE(replicate__selection_copies_only_its_closure),
        CASE(replicate__refuses_a_place_with_something_else),
        CASE(replicate__refuses_another_repository),
        CASE(replicate__refuses_a_plain_copy_of_the_source),
        CASE(replicate__refuses_another_administrator_later),
        CASE(replicate__stops_when_the_source_shrank),
        CASE(limit__holds_within_five_percent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
