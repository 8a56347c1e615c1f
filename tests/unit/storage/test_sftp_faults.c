/* SPDX-License-Identifier: BSD-2-Clause */
/* The SFTP storage when lines break at any byte, hosts go away, and others are faster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/conformance.h"
#include "storage/sftp_fixture.h"

#define NS_PER_S UINT64_C(1000000000)

enum { BIG = 700000, CUTS = 60, RACERS = 12, RACES = 10 };

static int
setup(void **state)
{
    struct sftp_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    sftp_fixture_begin(f);
    assert_int_equal(storage_make_layout(f->s, NULL), VV_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct sftp_fixture *f = *state;
    sftp_fixture_end(f);
    free(f);
    return 0;
}

static void
must(enum vv_rc rc, const struct vv_error *err)
{
    if (rc != VV_OK) {
        fail_msg("%s: %s", vv_rc_name(rc), err->message);
    }
}

/* A number that is the same in each run. */
static uint64_t
number(uint64_t seed, uint64_t below)
{
    uint8_t bytes[8];
    fill_pattern(bytes, sizeof(bytes), seed);
    return vv_load_u64(bytes) % below;
}

/* Every place at which the line can break while a small object is published: the object is there
 * once, whole, and known to be ours; nothing is left over. */
static void
publish__survives_a_cut_at_any_byte(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    unsigned before = 0;
    unsigned made = 0;
    for (int64_t cut = 0; cut < 4000; cut += 13) {
        char name[64];
        snprintf(name, sizeof(name), "index/%d", (int)cut);
        atomic_store(&f->cut_after, cut);
        must(storage_publish(f->s, name, vv_span(name, strlen(name)), &err), &err);
        bool was_cut = atomic_load(&f->cut_after) == -1;
        atomic_store(&f->cut_after, -1);
        made++;
        must_hold_text(f->s, name, name);
        must_fail(storage_publish(f->s, name, vv_span(name, strlen(name)), &err), VV_EEXISTS, &err);
        if (!was_cut) {
            break; /* the line held to the end: all places were tried */
        }
        before++;
    }
    assert_in_range(before, 20, 299);
    assert_int_equal(count_listed(f->s, "index"), made);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
    assert_in_range(atomic_load(&f->connects), before, before + 2);
}

static void
publish__of_big_objects_survives_cuts(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    uint8_t *data = malloc(BIG);
    assert_non_null(data);
    for (unsigned i = 0; i < CUTS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "packs/%02x/big", i);
        fill_pattern(data, BIG, i + 1);
        atomic_store(&f->cut_after, (int64_t)number(i, BIG + 3000));
        must(storage_publish(f->s, name, vv_span(data, BIG), &err), &err);
        atomic_store(&f->cut_after, -1);
        must_hold(f->s, name, vv_span(data, BIG));
    }
    assert_int_equal(count_listed(f->s, "tmp"), 0);
    free(data);
}

static void
read__survives_cuts(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    uint8_t *data = malloc(BIG);
    uint8_t *out = malloc(BIG);
    assert_non_null(data);
    assert_non_null(out);
    fill_pattern(data, BIG, 9);
    must(storage_publish(f->s, "packs/ab/x", vv_span(data, BIG), &err), &err);
    for (unsigned i = 0; i < CUTS; i++) {
        size_t offset = number(i + 100, BIG);
        size_t got = 0;
        memset(out, 0, BIG);
        atomic_store(&f->cut_after, (int64_t)number(i + 200, BIG - offset + 66000));
        must(storage_read(f->s, "packs/ab/x", offset, out, BIG, &got, &err), &err);
        assert_int_equal(got, BIG - offset);
        assert_memory_equal(out, data + offset, got);
    }
    atomic_store(&f->cut_after, -1);
    free(data);
    free(out);
}

static void
list_and_remove__survive_cuts(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    for (unsigned i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof(name), "admin/an-object-with-a-name-of-some-length-%u", i);
        must_publish(f->s, name, "x");
    }
    for (unsigned i = 0; i < CUTS; i++) {
        char name[64];
        atomic_store(&f->cut_after, (int64_t)number(i + 300, 30000));
        assert_int_equal(count_listed(f->s, "admin"), 200 - i);
        snprintf(name, sizeof(name), "admin/an-object-with-a-name-of-some-length-%u", i);
        atomic_store(&f->cut_after, (int64_t)number(i + 400, 400));
        must(storage_remove(f->s, name, &err), &err); /* also when only the answer was lost */
    }
    atomic_store(&f->cut_after, -1);
}

struct racer {
    struct storage *s;
    const char *name;
    pthread_barrier_t *start;
    unsigned number;
    enum vv_rc rc;
    pthread_t thread;
};

static void *
race(void *arg)
{
    struct racer *r = arg;
    uint8_t data[3000];
    memset(data, (int)r->number + 1, sizeof(data));
    pthread_barrier_wait(r->start);
    r->rc = storage_publish(r->s, r->name, vv_span(data, sizeof(data)), NULL);
    return NULL;
}

static void
publish__from_two_storages_has_one_winner(void **state)
{
    struct sftp_fixture *f = *state;
    struct storage *other = sftp_fixture_storage(f, f->root);
    for (unsigned round = 0; round < RACES; round++) {
        struct racer racers[RACERS];
        pthread_barrier_t start;
        char name[64];
        unsigned winners = 0;
        unsigned winner = 0;
        uint8_t data[3000];
        snprintf(name, sizeof(name), "snapshots/%u", round);
        pthread_barrier_init(&start, NULL, RACERS);
        for (unsigned i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){
                .s = i % 2 == 0 ? f->s : other, .name = name, .start = &start, .number = i};
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (unsigned i = 0; i < RACERS; i++) {
            pthread_join(racers[i].thread, NULL);
            assert_true(racers[i].rc == VV_OK || racers[i].rc == VV_EEXISTS);
            winners += racers[i].rc == VV_OK;
            winner = racers[i].rc == VV_OK ? i : winner;
        }
        pthread_barrier_destroy(&start);
        assert_int_equal(winners, 1);
        memset(data, (int)winner + 1, sizeof(data));
        must_hold(other, name, vv_span(data, sizeof(data)));
    }
    storage_free(other);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

/* Somebody else has published other bytes while the line was down. */
static void
publish__does_not_take_the_work_of_others_for_its_own(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    struct storage *other = sftp_fixture_storage(f, f->root);
    must_publish(other, "snapshots/a", "theirs");
    for (int64_t cut = 0; cut < 1500; cut += 29) {
        atomic_store(&f->cut_after, cut);
        must_fail(storage_publish(f->s, "snapshots/a", vv_span("ours", 4), &err), VV_EEXISTS, &err);
    }
    atomic_store(&f->cut_after, -1);
    must_hold_text(other, "snapshots/a", "theirs");
    storage_free(other);
}

static void
a_host_never_reached__is_told_at_once(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    uint64_t size = 0;
    struct storage *s = sftp_fixture_storage(f, f->root);
    uint64_t begin = f->clock.base.monotonic(&f->clock.base);
    atomic_store(&f->refusals, 1000);
    must_fail(storage_size(s, "config", &size, &err), VV_ETRANSIENT, &err);
    assert_non_null(strstr(err.message, "the test refuses to connect"));
    assert_int_equal(f->clock.base.monotonic(&f->clock.base), begin);
    assert_int_equal(atomic_load(&f->refusals), 999);
    storage_free(s);
}

static void
a_host_that_comes_back__is_waited_for(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    uint64_t begin = f->clock.base.monotonic(&f->clock.base);
    atomic_store(&f->refusals, 5);
    atomic_store(&f->cut_after, 10);
    must(storage_publish(f->s, "keys/a", vv_span("a", 1), &err), &err);
    must_hold_text(f->s, "keys/a", "a");
    assert_int_equal(atomic_load(&f->refusals), 0);
    assert_true(f->clock.base.monotonic(&f->clock.base) > begin);
}

static void
a_host_that_stays_away__is_given_up_after_ten_minutes(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    uint64_t begin = f->clock.base.monotonic(&f->clock.base);
    atomic_store(&f->refusals, 100000);
    atomic_store(&f->cut_after, 10);
    must_fail(storage_publish(f->s, "keys/a", vv_span("a", 1), &err), VV_ETRANSIENT, &err);
    uint64_t waited = f->clock.base.monotonic(&f->clock.base) - begin;
    assert_in_range(waited / NS_PER_S, 540, 800);
    assert_in_range(100000 - atomic_load(&f->refusals), 8, 200);
    /* the next call does not wait as long again */
    begin = f->clock.base.monotonic(&f->clock.base);
    must_fail(storage_publish(f->s, "keys/b", vv_span("b", 1), &err), VV_ETRANSIENT, &err);
    assert_in_range((f->clock.base.monotonic(&f->clock.base) - begin) / NS_PER_S, 0, 61);
    atomic_store(&f->refusals, 0);
}

/* A clock on which somebody gives up waiting. */
struct impatient {
    struct vv_clock_manual clock; /* first */
    struct vv_cancel *cancel;
    unsigned sleeps;
};

static void
impatient_sleep(const struct vv_clock *c, uint64_t ns)
{
    struct impatient *i = (struct impatient *)(uintptr_t)c;
    vv_clock_manual_advance(&i->clock, ns);
    if (++i->sleeps == 3) {
        atomic_store(&i->cancel->wanted, true);
    }
}

static void
waiting__ends_when_cancelled(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    struct impatient clock = {.cancel = &f->cancel};
    vv_clock_manual_init(&clock.clock, 0);
    clock.clock.base.sleep = impatient_sleep;
    struct sftp *inside = (struct sftp *)f->s;
    inside->clock = &clock.clock.base;
    atomic_store(&f->refusals, 100000);
    atomic_store(&f->cut_after, 10);
    must_fail(storage_publish(f->s, "keys/a", vv_span("a", 1), &err), VV_ECANCELLED, &err);
    assert_in_range(clock.sleeps, 3, 4);
    inside->clock = &f->clock.base;
    atomic_store(&f->cancel.wanted, false);
    atomic_store(&f->refusals, 0);
}

/* --- how many channels --- */

struct holding {
    struct sftp_fixture *f;
    sftp_work_fn *then;
    uint64_t seconds; /* that moving 4 MiB takes */
    unsigned *published;
};

/* Keep this call's channel busy and move 4 MiB beside it, in ${seconds}; the next acquisition
 * judges. */
static void
move(struct sftp_fixture *f, unsigned *published, uint64_t seconds)
{
    static uint8_t data[2 << 20];
    for (unsigned i = 0; i < 2; i++) {
        char name[64];
        struct vv_error err = {0};
        snprintf(name, sizeof(name), "packs/00/%u", ++*published);
        must(storage_publish(f->s, name, vv_span(data, sizeof(data)), &err), &err);
        vv_clock_manual_advance(&f->clock, seconds * NS_PER_S / 2);
    }
    uint64_t size = 0;
    assert_int_equal(storage_size(f->s, "packs/00/1", &size, NULL), VV_OK);
}

static enum vv_rc
hold_second(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
            struct vv_error *err)
{
    struct holding *h = ctx;
    (void)c;
    (void)attempt;
    (void)err;
    assert_int_equal(s->pool.count, 2);
    move(h->f, h->published, h->seconds);
    return VV_OK;
}

static enum vv_rc
hold_first(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
           struct vv_error *err)
{
    struct holding *h = ctx;
    (void)c;
    (void)attempt;
    move(h->f, h->published, 4);
    assert_int_equal(s->pool.count, 2); /* all were busy: one more on trial */
    return sftp_run(s, hold_second, ctx, err);
}

static unsigned
channels_after(struct sftp_fixture *f, uint64_t seconds, unsigned most)
{
    unsigned published = 0;
    struct holding h = {.f = f, .seconds = seconds, .published = &published};
    struct sftp *inside = (struct sftp *)f->s;
    inside->most = most;
    assert_int_equal(inside->pool.count, 1);
    assert_int_equal(sftp_run(inside, hold_first, &h, NULL), VV_OK);
    return inside->pool.count;
}

static void
channels__are_added_while_they_help(void **state)
{
    assert_int_equal(channels_after(*state, 2, 8), 3);
}

static void
channels__are_not_added_when_the_last_did_not_help(void **state)
{
    assert_int_equal(channels_after(*state, 4, 8), 2);
}

static void
channels__have_an_upper_bound(void **state)
{
    assert_int_equal(channels_after(*state, 2, 2), 2);
}

static void
rate_limit__is_taken_up_by_new_channels(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_rate_limit *limit = NULL;
    unsigned before = atomic_load(&f->connects);
    assert_int_equal(vv_rate_limit_new(&f->clock.base, 0, &limit, NULL), VV_OK);
    assert_true(storage_set_rate_limit(f->s, limit));
    must_publish(f->s, "keys/a", "a");
    assert_int_equal(atomic_load(&f->connects), before + 1);
    assert_true(storage_set_rate_limit(f->s, NULL));
    vv_rate_limit_free(limit); /* nobody uses it any more */
    must_publish(f->s, "keys/b", "b");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(publish__survives_a_cut_at_any_byte),
        CASE(publish__of_big_objects_survives_cuts),
        CASE(read__survives_cuts),
        CASE(list_and_remove__survive_cuts),
        CASE(publish__from_two_storages_has_one_winner),
        CASE(publish__does_not_take_the_work_of_others_for_its_own),
        CASE(a_host_never_reached__is_told_at_once),
        CASE(a_host_that_comes_back__is_waited_for),
        CASE(a_host_that_stays_away__is_given_up_after_ten_minutes),
        CASE(waiting__ends_when_cancelled),
        CASE(channels__are_added_while_they_help),
        CASE(channels__are_not_added_when_the_last_did_not_help),
        CASE(channels__have_an_upper_bound),
        CASE(rate_limit__is_taken_up_by_new_channels),
    };
    if (sftp_server_path() == NULL) {
        print_message("skipped: no sftp-server is installed\n");
        return 77;
    }
    return cmocka_run_group_tests_name("sftp faults", tests, NULL, NULL);
}
