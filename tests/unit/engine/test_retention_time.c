/* SPDX-License-Identifier: BSD-2-Clause */
/* Wrong clocks, snapshots seen for the first time, marked snapshots, forgets that may be carried
 * out. */
#include "engine/helper_retention.h"

#include <string.h>

#include "core/alloc.h"

static struct past p;

static int
begin(void **state)
{
    (void)state;
    past_begin(&p);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    past_end(&p);
    return 0;
}

#define BIT(rule) (1u << (rule))

static void
days(uint8_t client, int count)
{
    for (int i = 0; i < count; i++) {
        past_add(&p, client, p.now - (count - i) * DAY);
    }
}

static void
time__before_its_predecessor_fills_nothing(void **state)
{
    struct snapshot *s;

    (void)state;
    days(1, 10);
    s = past_add(&p, 1, p.now - 3650 * DAY); /* the clock was lost */
    past_add(&p, 1, p.now - 3649 * DAY);     /* and went on from there: still wrong */
    past_add(&p, 1, p.now - HOUR);
    p.policy.keep[RETENTION_DAILY] = 3;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, s), KEPT_TIME);
    assert_int_equal(past_reasons(&p, s + 1), KEPT_TIME);
    assert_int_equal(past_reasons(&p, s + 2), BIT(RETENTION_DAILY));
    assert_int_equal(past_kept(&p), 5);
}

static void
time__after_now_fills_nothing_and_bounds_nothing(void **state)
{
    struct snapshot *s;

    (void)state;
    days(1, 5);
    s = past_add(&p, 1, p.now + 3650 * DAY);
    past_add(&p, 1, p.now - HOUR);                     /* the clock was set right */
    past_add(&p, 1, p.now + RETENTION_SLACK - SECOND); /* clocks differ a little */
    p.policy.keep[RETENTION_LAST] = 3;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, s), KEPT_TIME);
    assert_int_equal(past_reasons(&p, s + 1), BIT(RETENTION_LAST));
    assert_int_equal(past_reasons(&p, s + 2), BIT(RETENTION_LAST));
    assert_int_equal(past_reasons(&p, s - 1), BIT(RETENTION_LAST));
    assert_int_equal(past_kept(&p), 4);
}

/* A thief dates snapshots ahead, one for each of the coming days.  When these days come, they must
 * not have pushed out what was good. */
static void
time__is_never_believed_once_it_was_ahead(void **state)
{
    (void)state;
    days(1, 7);
    for (int i = 1; i <= 7; i++) {
        past_listed(&p, past_add(&p, 1, p.now + i * DAY), p.now);
    }
    p.now += 8 * DAY;
    p.policy.keep[RETENTION_DAILY] = 7;
    past_judge(&p);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(past_reasons(&p, &p.snapshots[i]), BIT(RETENTION_DAILY));
        assert_int_equal(past_reasons(&p, &p.snapshots[7 + i]), KEPT_TIME);
    }
}

static void
unlisted__are_those_dated_ahead(void **state)
{
    struct first_listed *listed = NULL;
    struct vv_error err;
    size_t count = 0;

    (void)state;
    days(1, 3);
    past_add(&p, 1, p.now + DAY);
    past_listed(&p, past_add(&p, 1, p.now + 2 * DAY), p.now - DAY);
    past_judge(&p);
    assert_int_equal(retention_unlisted(&p.list, p.now, &listed, &count, &err), VV_OK);
    assert_int_equal(count, 1);
    assert_true(vv_uuid_equal(&listed[0].snapshot, &p.snapshots[3].id));
    assert_int_equal(listed[0].time, p.now);
    vv_free(listed);
    /* This clock is behind what the administrator has signed before: it knows nothing. */
    p.list.admin.newest = p.now + SECOND;
    assert_int_equal(retention_unlisted(&p.list, p.now, &listed, &count, &err), VV_OK);
    assert_int_equal(count, 0);
    vv_free(listed);
}

/* Nothing is dropped by a host whose clock stands in the past, nor by one that is years ahead. */
static void
clock_of_the_administrator__wrong_keeps_more(void **state)
{
    size_t kept;

    (void)state;
    days(1, 30);
    p.policy.keep[RETENTION_DAILY] = 7;
    p.policy.within = 10 * DAY;
    past_judge(&p);
    kept = past_kept(&p);
    assert_int_equal(kept, 11);
    p.now -= 3650 * DAY;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 30);
    p.now += 7300 * DAY;
    past_judge(&p);
    assert_int_equal(past_kept(&p), kept);
}

/* The same snapshots on a host that has listed them day by day, and where all are seen at once, years
 * later: whatever the one keeps the other keeps. */
static void
first_sight__never_shortens_retention(void **state)
{
    bool kept[512];
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        size_t count = 40;
        int64_t real = p.now - 60 * DAY;
        past_end(&p);
        past_begin(&p);
        p.policy.keep[RETENTION_DAILY] = 7;
        p.policy.keep[RETENTION_WEEKLY] = 2;
        for (size_t i = 0; i < count; i++) {
            int64_t wrong = 0;
            struct snapshot *s;
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            real += (int64_t)(seed % 3) * DAY / 2 + HOUR;
            if (seed % 5 == 0) {
                wrong = ((int64_t)(seed / 5 % 21) - 10) * DAY;
            }
            s = past_add(&p, 1, real + wrong);
            if (wrong > 0) {
                past_listed(&p, s, real + MINUTE); /* what the old host records; it travels */
            }
        }
        p.now = real + HOUR;
        past_judge(&p);
        for (size_t i = 0; i < count; i++) {
            kept[i] = p.result.verdicts[i].reasons != 0;
        }
        p.now += 20 * DAY;
        past_judge(&p);
        for (size_t i = 0; i < count; i++) {
            if (kept[i] && p.result.verdicts[i].reasons == 0) {
                fail_msg("round %u: snapshot %zu is lost", round, i);
            }
        }
    }
}

static void
mark__is_put_on_what_changed_far_more_than_usual(void **state)
{
    struct retention_marks m;
    struct vv_error err;
    struct snapshot *s;

    (void)state;
    days(1, 20);
    for (int i = 1; i < 20; i++) {
        past_changed(&p.snapshots[i], (uint64_t)(i % 4) * 10);
    }
    s = past_add(&p, 1, p.now - 3 * HOUR);
    past_changed(s, 950);
    past_changed(past_add(&p, 1, p.now - 2 * HOUR), 5);
    past_add(&p, 2, p.now - 4 * HOUR)->body.host = (char *)(uintptr_t) "b";
    past_add(&p, 2, p.now - HOUR)->body.host = (char *)(uintptr_t) "b";
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 1);
    assert_ptr_equal(m.marks[0].snapshot, s);
    assert_int_equal(m.marks[0].percent, 95);
    assert_int_equal(m.marks[0].usual, 3);
    assert_true(retention_held(&m, &p.snapshots[0]));
    assert_false(retention_held(&m, s));
    assert_false(retention_held(&m, s + 1));
    assert_true(retention_held(&m, s + 2)); /* older, of another host */
    assert_false(retention_held(&m, s + 3));
    retention_marks_release(&m);
    p.policy.keep[RETENTION_LAST] = 1;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, s), KEPT_MARKED);
    assert_int_equal(past_reasons(&p, &p.snapshots[0]), KEPT_OLDER);
    assert_int_equal(p.result.dropped, 0);
    past_accept(&p, s);
    past_judge(&p);
    assert_int_equal(past_reasons(&p, s), 0);
    assert_int_equal(p.result.dropped, 22);
}

static size_t
marks_of(uint64_t changed, uint64_t usual)
{
    struct retention_marks m;
    struct vv_error err;
    size_t count;

    past_end(&p);
    past_begin(&p);
    days(1, 12);
    for (int i = 1; i < 11; i++) {
        past_changed(&p.snapshots[i], usual);
    }
    past_changed(&p.snapshots[11], changed);
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    count = m.count;
    retention_marks_release(&m);
    return count;
}

static void
mark__is_not_put_on_what_is_usual(void **state)
{
    (void)state;
    assert_int_equal(marks_of(299, 0), 0);
    assert_int_equal(marks_of(300, 0), 1);
    assert_int_equal(marks_of(300, 160), 0);
    assert_int_equal(marks_of(302, 150), 1);
    assert_int_equal(marks_of(1000, 600), 11); /* none of which was accepted */
}

/* Renamed by a thief: everything is gone, and as much is new. */
static void
mark__counts_files_that_are_gone_and_not_new_ones(void **state)
{
    struct retention_marks m;
    struct vv_error err;
    struct snapshot_statistics *n;

    (void)state;
    days(1, 4);
    n = &p.snapshots[2].body.statistics;
    n->files = 9000; /* a new directory */
    n->files_new = 8000;
    n = &p.snapshots[3].body.statistics;
    n->files = 9000;
    n->files_new = 8990;
    n->chunks_new = 9000;
    n->files_unchanged = 10;
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 1);
    assert_ptr_equal(m.marks[0].snapshot, &p.snapshots[3]);
    assert_int_equal(m.marks[0].percent, 99);
    retention_marks_release(&m);
    n->chunks_new = 140; /* no new content: a directory got another name */
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 0);
    retention_marks_release(&m);
    n->files = 10; /* deleted */
    n->files_new = 0;
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 1);
    retention_marks_release(&m);
}

static void
mark__new_attributes_are_no_new_content(void **state)
{
    struct retention_marks m;
    struct vv_error err;

    (void)state;
    days(1, 4);
    past_changed(&p.snapshots[3], 1000);
    p.snapshots[3].body.statistics.chunks_new = 20; /* nodes of the tree */
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 0);
    retention_marks_release(&m);
}

static void
mark__small_trees_and_first_snapshots_are_left_alone(void **state)
{
    struct retention_marks m;
    struct vv_error err;

    (void)state;
    days(1, 3);
    for (int i = 0; i < 3; i++) {
        p.snapshots[i].body.statistics = (struct snapshot_statistics){
            .files = 19, .files_changed = i == 0 ? 0 : 19, .chunks_new = 19};
    }
    p.snapshots[0].body.statistics.files_new = 19;
    past_add(&p, 3, p.now - HOUR)->body.statistics =
        (struct snapshot_statistics){.files = 5000, .files_new = 5000};
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 0);
    retention_marks_release(&m);
}

/* An archive that is new every time: accepted twice, it is usual. */
static void
mark__twice_accepted_is_usual(void **state)
{
    struct retention_marks m;
    struct vv_error err;

    (void)state;
    days(1, 6);
    for (int i = 1; i < 6; i++) {
        past_changed(&p.snapshots[i], 1000);
    }
    past_accept(&p, &p.snapshots[1]);
    past_accept(&p, &p.snapshots[2]);
    past_judge(&p);
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_int_equal(m.count, 0);
    retention_marks_release(&m);
}

static void
move_to_forgotten(const struct snapshot *s, uint8_t run, int64_t time, int64_t grace)
{
    struct retention_records *l = &p.list.admin.retention;
    struct forget_run *f;

    p.forgotten[p.list.forgotten_count++] = *s;
    l->forgets = vv_realloc_array(l->forgets, l->forget_count + 1, sizeof(*l->forgets));
    l->forget_snapshots = vv_realloc_array(l->forget_snapshots, l->forget_snapshot_count + 1,
                                           sizeof(*l->forget_snapshots));
    f = &l->forgets[l->forget_count++];
    *f = (struct forget_run){
        .id = {{run}}, .time = time, .grace = grace, .first = l->forget_snapshot_count, .count = 1};
    l->forget_snapshots[l->forget_snapshot_count++] = s->id;
}

static bool
holds(const struct retention_marks *m, size_t run)
{
    return retention_holds(&p.list, m, &p.list.admin.retention.forgets[run], p.now);
}

static void
forget__is_held_by_pins_and_by_marks_after_it(void **state)
{
    struct retention_marks m = {0};
    struct vv_error err;
    struct snapshot old[4];

    (void)state;
    days(1, 10);
    memcpy(old, p.snapshots, sizeof(old));
    move_to_forgotten(&old[0], 1, p.now - 8 * DAY, 0);
    move_to_forgotten(&old[2], 2, p.now - 8 * DAY, 0);
    past_pin(&p, &old[2], 0); /* by two administrators at once */
    past_judge(&p);
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_false(holds(&m, 0));
    assert_true(holds(&m, 1));
    retention_marks_release(&m);
    past_changed(&p.snapshots[9], 900);
    assert_int_equal(retention_marks_find(&p.list, &m, &err), VV_OK);
    assert_true(holds(&m, 0));
    retention_marks_release(&m);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(time__before_its_predecessor_fills_nothing),
        CASE(time__after_now_fills_nothing_and_bounds_nothing),
        CASE(time__is_never_believed_once_it_was_ahead),
        CASE(unlisted__are_those_dated_ahead),
        CASE(clock_of_the_administrator__wrong_keeps_more),
        CASE(first_sight__never_shortens_retention),
        CASE(mark__is_put_on_what_changed_far_more_than_usual),
        CASE(mark__is_not_put_on_what_is_usual),
        CASE(mark__counts_files_that_are_gone_and_not_new_ones),
        CASE(mark__new_attributes_are_no_new_content),
        CASE(mark__small_trees_and_first_snapshots_are_left_alone),
        CASE(mark__twice_accepted_is_usual),
        CASE(forget__is_held_by_pins_and_by_marks_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
