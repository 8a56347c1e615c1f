/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgetting, undelete, pins, accepting: what is refused, what counts afterwards. */
#include "engine/forget.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/helper_replicate.h"
#include "engine/prune.h"
#include "repo/retention_publish.h"

#define SNAPSHOTS 13

static struct replicate_world w;
static struct repo *repo;
static struct snapshot_list l;
static struct forget_options options;
static struct retention_policy policy;
static struct forget_summary sum;

static void
read_list(void)
{
    snapshot_list_release(&l);
    rw_must(&w, snapshot_list_read(repo, &l, &w.err));
}

static int
begin_with(unsigned snapshots)
{
    rw_begin(&w, snapshots);
    repo = rw_open(&w, w.b.memory, WITH_KEY);
    memset(&l, 0, sizeof(l));
    memset(&policy, 0, sizeof(policy));
    policy.group_by = RETENTION_BY_HOST | RETENTION_BY_PATHS;
    options = (struct forget_options){.policy = &policy, .grace = FORGET_GRACE, .most_percent = 50};
    read_list();
    assert_int_equal(l.count, snapshots);
    return 0;
}

static int
begin(void **state)
{
    (void)state;
    return begin_with(3);
}

static int
begin_many(void **state)
{
    (void)state;
    return begin_with(SNAPSHOTS);
}

static int
end(void **state)
{
    (void)state;
    forget_summary_release(&sum);
    snapshot_list_release(&l);
    repo_free(repo);
    rw_end(&w);
    return 0;
}

static enum vv_rc
forget(void)
{
    forget_summary_release(&sum);
    return forget_run(repo, &l, &options, &sum, &w.err);
}

static void
policy__hides_what_it_does_not_keep(void **state)
{
    (void)state;
    policy.keep[RETENTION_LAST] = 2;
    options.dry_run = true;
    rw_must(&w, forget());
    assert_int_equal(sum.judged.dropped, 1);
    assert_int_equal(sum.forgotten, 0);
    assert_int_equal(rw_count(w.b.memory, "admin"), 1);
    options.dry_run = false;
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 1);
    assert_int_equal(sum.until, w.clock.real_ns + FORGET_GRACE);
    read_list();
    assert_int_equal(l.count, 2);
    assert_int_equal(l.forgotten_count, 1);
    rw_must(&w, forget()); /* nothing more to do: nothing is written */
    assert_int_equal(sum.forgotten, 0);
    assert_int_equal(rw_count(w.b.memory, "admin"), 2);
}

static void
policy__empty_or_emptying_is_refused(void **state)
{
    static const char *const tags[] = {"nowhere"};
    const struct snapshot *all[3];

    (void)state;
    assert_int_equal(forget(), VV_EUSAGE);
    policy.tags = tags;
    policy.tag_count = 1;
    assert_int_equal(forget(), VV_EREFUSED);
    for (size_t i = 0; i < 3; i++) {
        all[i] = &l.snapshots[i];
    }
    options.snapshots = all;
    options.snapshot_count = 3;
    assert_int_equal(forget(), VV_EREFUSED);
    options.snapshot_count = 2;
    rw_must(&w, forget());
    read_list();
    assert_int_equal(l.count, 1);
}

static void
mass_loss__needs_to_be_allowed(void **state)
{
    (void)state;
    policy.keep[RETENTION_LAST] = 2;
    assert_int_equal(forget(), VV_EREFUSED); /* 11 of 13 */
    assert_non_null(strstr(w.err.message, "11 of 13"));
    assert_int_equal(sum.judged.dropped, 11);
    assert_int_equal(rw_count(w.b.memory, "admin"), 1);
    policy.keep[RETENTION_LAST] = 3; /* ten are few */
    rw_must(&w, forget());
    read_list();
    assert_int_equal(l.count, 3);
}

static void
mass_loss__may_be_allowed(void **state)
{
    (void)state;
    policy.keep[RETENTION_LAST] = 1;
    options.most_percent = 92;
    assert_int_equal(forget(), VV_EREFUSED); /* 12 of 13 are 92.3 */
    options.most_percent = 93;
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 12);
}

static void
named__pinned_ones_are_refused(void **state)
{
    const struct snapshot *named[1] = {&l.snapshots[0]};

    (void)state;
    rw_must(&w, pin_run(repo, &l, named, 1, 0, &w.err));
    read_list();
    named[0] = &l.snapshots[0];
    options.snapshots = named;
    options.snapshot_count = 1;
    assert_int_equal(forget(), VV_EREFUSED);
    rw_must(&w, unpin_run(repo, &l, named, 1, &w.err));
    read_list();
    named[0] = &l.snapshots[0];
    assert_int_equal(unpin_run(repo, &l, named, 1, &w.err), VV_EREFUSED);
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 1);
}

static void
pin__ends(void **state)
{
    const struct snapshot *named[1] = {&l.snapshots[0]};

    (void)state;
    policy.keep[RETENTION_LAST] = 1;
    assert_int_equal(pin_run(repo, &l, named, 1, w.clock.real_ns, &w.err), VV_EREFUSED);
    rw_must(&w, pin_run(repo, &l, named, 1, w.clock.real_ns + 1000, &w.err));
    read_list();
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 1);
    rw_advance(&w, 1000);
    read_list();
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 1);
}

static void
undelete__brings_back_some_of_a_forget(void **state)
{
    const struct snapshot *named[1];
    const struct forgotten *rest;
    struct vv_uuid wanted;
    int64_t until;
    size_t count = 0;

    (void)state;
    policy.keep[RETENTION_LAST] = 1;
    rw_must(&w, forget());
    until = sum.until;
    read_list();
    assert_int_equal(l.forgotten_count, 2);
    wanted = l.forgotten[0].id;
    named[0] = &l.forgotten[0];
    rw_advance(&w, 5000);
    rw_must(&w, undelete_run(repo, &l, named, 1, &count, &w.err));
    assert_int_equal(count, 1);
    read_list();
    assert_int_equal(l.count, 2);
    assert_true(vv_uuid_equal(&l.snapshots[0].id, &wanted));
    assert_int_equal(l.forgotten_count, 1);
    rest = admin_forgotten(&l.admin, &l.forgotten[0].id);
    assert_int_equal(rest->until, until); /* no longer and no shorter than it was */
}

static void
undelete__of_what_several_forgets_hide(void **state)
{
    const struct snapshot *named[1];
    size_t count = 0;

    (void)state;
    rw_must(&w, forget_publish(repo, &l.snapshots[0].id, 1, 5, NULL, &w.err));
    rw_must(&w, forget_publish(repo, &l.snapshots[0].id, 1, 9, NULL, &w.err));
    read_list();
    named[0] = &l.forgotten[0];
    rw_must(&w, undelete_run(repo, &l, named, 1, &count, &w.err));
    read_list();
    assert_int_equal(l.count, 3);
}

static void
undelete__comes_too_late(void **state)
{
    const struct snapshot *named[1];
    struct vv_uuid run;
    size_t count = 0;

    (void)state;
    rw_must(&w, forget_publish(repo, &l.snapshots[0].id, 1, 0, &run, &w.err));
    read_list();
    named[0] = &l.forgotten[0];
    rw_must(&w, forget_end(repo, &run, FORGET_CARRIED_OUT, &w.err)); /* behind our back */
    assert_int_equal(undelete_run(repo, &l, named, 1, &count, &w.err), VV_EREFUSED);
    read_list();
    named[0] = &l.forgotten[0];
    assert_int_equal(undelete_run(repo, &l, named, 1, &count, &w.err), VV_EREFUSED);
    assert_non_null(strstr(w.err.message, "grace"));
}

static void
grace__does_not_end_because_this_clock_is_behind(void **state)
{
    int64_t newest;

    (void)state;
    rw_must(&w, accepted_publish(repo, &l.snapshots[0].id, 1, &w.err));
    newest = w.clock.real_ns;
    w.clock.real_ns -= INT64_C(100000000000); /* less than the slack for snapshots */
    read_list();
    policy.keep[RETENTION_LAST] = 1;
    rw_must(&w, forget());
    assert_int_equal(rw_told(&w, "clock-behind"), 1);
    read_list();
    assert_int_equal(admin_forgotten(&l.admin, &l.forgotten[0].id)->until, newest + FORGET_GRACE);
}

/* Snapshots dated ahead of this clock are recorded, kept and named. */
static void
dated_ahead__is_recorded_when_first_listed(void **state)
{
    int64_t made;
    int64_t when = 0;

    (void)state;
    made = l.snapshots[0].time;
    repo_free(repo);
    w.clock.real_ns = made - INT64_C(86400000000000);
    repo = rw_open(&w, w.b.memory, WITH_KEY);
    read_list();
    l.admin.newest = INT64_MIN; /* as if certified by an earlier run; the clock is believed */
    policy.keep[RETENTION_LAST] = 1;
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 0);
    assert_int_equal(sum.times, 3);
    assert_int_equal(rw_told(&w, "snapshot-time"), 3);
    read_list();
    assert_true(admin_first_listed(&l.admin, &l.snapshots[2].id, &when));
    assert_int_equal(when, w.clock.real_ns);
    w.clock.real_ns = made + INT64_C(86400000000000); /* and it is never believed any more */
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 0);
    assert_int_equal(sum.times, 3);
}

static void
hole_in_a_chain__nothing_is_forgotten(void **state)
{
    const struct snapshot *named[1];
    char name[64] = "snapshots/";
    char id[VV_UUID_TEXT];

    (void)state;
    vv_uuid_text(&l.snapshots[1].session, id);
    memcpy(name + 10, id, sizeof(id));
    rw_must(&w, storage_memory_poke(w.b.memory, name, vv_span(NULL, 0), &w.err));
    read_list();
    assert_int_equal(l.count, 2);
    policy.keep[RETENTION_LAST] = 1;
    assert_int_equal(forget(), VV_EFORGED);
    assert_int_equal(rw_count(w.b.memory, "admin"), 1);
    named[0] = &l.snapshots[0];
    rw_must(&w, pin_run(repo, &l, named, 1, 0, &w.err)); /* keeps more: allowed */
}

static void
unreadable_record__nothing_is_forgotten(void **state)
{
    (void)state;
    l.admin.unreadable = 1; /* it may be a pin */
    policy.keep[RETENTION_LAST] = 1;
    assert_int_equal(forget(), VV_EIO);
}

static void
key__of_the_administrator_is_needed(void **state)
{
    const struct snapshot *named[1] = {&l.snapshots[0]};
    struct repo *keyless = rw_open(&w, w.b.memory, KEYLESS);
    size_t count = 0;

    (void)state;
    policy.keep[RETENTION_LAST] = 1;
    assert_int_equal(forget_run(keyless, &l, &options, &sum, &w.err), VV_EKEY);
    assert_int_equal(pin_run(keyless, &l, named, 1, 0, &w.err), VV_EKEY);
    assert_int_equal(unpin_run(keyless, &l, named, 1, &w.err), VV_EKEY);
    assert_int_equal(accept_run(keyless, &l, named, 1, &w.err), VV_EKEY);
    assert_int_equal(undelete_run(keyless, &l, named, 1, &count, &w.err), VV_EKEY);
    repo_free(keyless);
}

/* Real backups: thirty files, then all of them with other content. */
static void
mark__keeps_older_ones_until_accepted(void **state)
{
    const struct snapshot *named[1];
    char name[32];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 30; i++) {
            (void)snprintf(name, sizeof(name), "order%u", i);
            if (round != 1) {
                bw_file(&w.b, name, 3000, round * 100 + i);
            }
        }
        bw_backup(&w.b);
    }
    read_list();
    assert_int_equal(l.count, 6);
    policy.keep[RETENTION_LAST] = 1;
    rw_must(&w, forget());
    assert_int_equal(sum.marked, 1);
    assert_int_equal(sum.forgotten, 0);
    assert_int_equal(rw_told(&w, "snapshot-marked"), 1);
    named[0] = &l.snapshots[2];
    options.snapshots = named;
    options.snapshot_count = 1;
    assert_int_equal(forget(), VV_EREFUSED); /* named or not */
    assert_int_equal(accept_run(repo, &l, named, 1, &w.err), VV_EREFUSED);
    named[0] = &l.snapshots[5];
    rw_must(&w, accept_run(repo, &l, named, 1, &w.err));
    options.snapshots = NULL;
    read_list();
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 5);
}

/** Carry out what may be; how many were buried. */
static uint64_t
prune(void)
{
    struct prune_options o = {.budget = UINT64_MAX, .grace_ns = INT64_MAX, .level = 3};
    struct prune_summary s = {0};

    rw_must(&w, prune_run(repo, &o, NULL, &s, &w.err));
    return s.snapshots_buried;
}

/* Forgotten long before, and the grace is over: a mark put on a later snapshot holds it. */
static void
mark__holds_back_what_prune_would_carry_out(void **state)
{
    const struct snapshot *named[1];
    struct vv_uuid kept;
    char name[32];
    size_t count = 0;

    (void)state;
    options.grace = 0;
    policy.keep[RETENTION_LAST] = 2;
    rw_must(&w, forget());
    assert_int_equal(sum.forgotten, 1);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 30; i++) {
            (void)snprintf(name, sizeof(name), "order%u", i);
            bw_file(&w.b, name, 3000, round * 100 + i);
        }
        bw_backup(&w.b);
    }
    read_list();
    assert_int_equal(prune(), 0);
    read_list();
    assert_int_equal(l.forgotten_count, 1);
    kept = l.forgotten[0].id;
    named[0] = &l.forgotten[0];
    rw_must(&w, undelete_run(repo, &l, named, 1, &count, &w.err)); /* it is all there */
    read_list();
    assert_true(vv_uuid_equal(&l.snapshots[0].id, &kept));
    named[0] = &l.snapshots[4];
    rw_must(&w, accept_run(repo, &l, named, 1, &w.err));
    read_list();
    policy.keep[RETENTION_LAST] = 4;
    rw_must(&w, forget());
    assert_int_equal(prune(), 1);
    read_list();
    assert_int_equal(l.count, 4);
    assert_int_equal(l.forgotten_count, 0);
    assert_int_equal(rw_sound(&w, w.b.memory), 4);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define MANY(f) cmocka_unit_test_setup_teardown(f, begin_many, end)
    const struct CMUnitTest tests[] = {
        CASE(policy__hides_what_it_does_not_keep),
        CASE(policy__empty_or_emptying_is_refused),
        MANY(mass_loss__needs_to_be_allowed),
        MANY(mass_loss__may_be_allowed),
        CASE(named__pinned_ones_are_refused),
        CASE(pin__ends),
        CASE(undelete__brings_back_some_of_a_forget),
        CASE(undelete__of_what_several_forgets_hide),
        CASE(undelete__comes_too_late),
        CASE(grace__does_not_end_because_this_clock_is_behind),
        CASE(dated_ahead__is_recorded_when_first_listed),
        CASE(hole_in_a_chain__nothing_is_forgotten),
        CASE(unreadable_record__nothing_is_forgotten),
        CASE(key__of_the_administrator_is_needed),
        CASE(mark__keeps_older_ones_until_accepted),
        CASE(mark__holds_back_what_prune_would_carry_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
