/* SPDX-License-Identifier: BSD-2-Clause */
/* K7: which publications of WAL a policy keeps. */
#include "engine/helper_retention.h"

#include "core/alloc.h"

#define SYSTEM 7
#define SEGMENT (1u << 24)
#define MIB (1u << 20)

static struct past p;
static struct snapshot_wal said[512];

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

/** A publication, or (mode full) a base backup, at this time. */
static struct snapshot *
add(enum snapshot_mode mode, uint8_t client, int64_t time, uint32_t timeline, uint64_t from,
    uint64_t to)
{
    struct snapshot *s = past_add(&p, client, time);
    struct snapshot_wal *w = &said[s - p.snapshots];

    *w = (struct snapshot_wal){SYSTEM, SEGMENT, timeline, from, to};
    s->body.mode = mode;
    s->body.wal = w;
    s->body.wal_count = 1;
    return s;
}

static struct snapshot *
publish(int64_t time, uint64_t from, uint64_t to)
{
    return add(SNAPSHOT_WAL, 1, time, 1, from, to);
}

static void
pieces__go_when_the_segment_is_whole(void **state)
{
    (void)state;
    const struct snapshot *one = publish(p.now - 9 * SECOND, 0, MIB);
    const struct snapshot *two = publish(p.now - 8 * SECOND, 0, 5 * MIB);
    const struct snapshot *whole = publish(p.now - 7 * SECOND, 0, SEGMENT);
    const struct snapshot *next = publish(p.now - 6 * SECOND, SEGMENT, SEGMENT + MIB);

    p.policy.keep[RETENTION_LAST] = 1;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, one), 0);
    assert_int_equal(past_reasons(&p, two), 0);
    assert_int_equal(past_reasons(&p, whole), KEPT_WAL);
    assert_int_equal(past_reasons(&p, next), KEPT_WAL);
    assert_int_equal(p.result.wal_considered, 4);
    assert_int_equal(p.result.wal_dropped, 2);
    assert_int_equal(p.result.emptied, 0);
}

static void
pieces__of_another_client_or_timeline_stay(void **state)
{
    (void)state;
    const struct snapshot *piece = add(SNAPSHOT_WAL, 1, p.now - 9 * SECOND, 1, 0, MIB);
    const struct snapshot *old = add(SNAPSHOT_WAL, 2, p.now - 8 * SECOND, 2, 0, MIB);

    add(SNAPSHOT_WAL, 2, p.now - 7 * SECOND, 1, 0, SEGMENT);
    p.policy.keep[RETENTION_LAST] = 1;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, piece), KEPT_WAL);
    assert_int_equal(past_reasons(&p, old), KEPT_WAL);
}

static void
wal__fills_no_slots_and_takes_none(void **state)
{
    (void)state;
    const struct snapshot *files = past_add(&p, 1, p.now - 20 * HOUR);

    for (int i = 0; i < 20; i++) {
        publish(p.now - (19 - i) * HOUR, (uint64_t)i * SEGMENT, (uint64_t)(i + 1) * SEGMENT);
    }
    p.policy.keep[RETENTION_LAST] = 1;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, files), 1u << RETENTION_LAST);
    assert_int_equal(p.result.dropped, 0); /* no base backup is known: all of it may be needed */
}

static void
wal__goes_with_the_base_backups_before_it(void **state)
{
    (void)state;
    const struct snapshot *bases[4];
    const struct snapshot *wal[4];

    for (int i = 0; i < 4; i++) {
        uint64_t at = (uint64_t)i * 2 * SEGMENT;
        bases[i] = add(SNAPSHOT_FULL, 1, p.now - (8 - 2 * i) * DAY, 1, at + 40, at + 400);
        wal[i] = publish(p.now - (7 - 2 * i) * DAY, at, at + 2 * SEGMENT);
    }
    p.policy.keep[RETENTION_LAST] = 2;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, bases[1]), 0);
    assert_int_equal(past_reasons(&p, wal[1]), 0);
    assert_int_equal(past_reasons(&p, bases[2]), 1u << RETENTION_LAST);
    assert_int_equal(past_reasons(&p, wal[2]), KEPT_WAL);
    assert_int_equal(past_reasons(&p, wal[3]), KEPT_WAL);
    past_pin(&p, bases[0], 0); /* kept for another reason: what follows it is kept with it */
    past_judge(&p);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(past_reasons(&p, wal[i]), KEPT_WAL);
    }
}

static void
window__keeps_the_base_backup_it_begins_with(void **state)
{
    (void)state;
    const struct snapshot *bases[8];
    const struct snapshot *wal[8];

    for (int i = 0; i < 8; i++) {
        uint64_t at = (uint64_t)i * SEGMENT;
        bases[i] = add(SNAPSHOT_FULL, 1, p.now - (8 - i) * DAY, 1, at + 40, at + 400);
        wal[i] = publish(p.now - (8 - i) * DAY + HOUR, at, at + SEGMENT);
    }
    p.policy.keep[RETENTION_LAST] = 1;
    p.policy.wal_within = 3 * DAY; /* the newest is 23 hours old */
    past_judge(&p);
    for (int i = 0; i < 8; i++) {
        unsigned base = i == 7 ? 1u << RETENTION_LAST : i == 4 ? KEPT_WAL_WINDOW : 0;
        assert_int_equal(past_reasons(&p, bases[i]), base);
        assert_int_equal(past_reasons(&p, wal[i]), i >= 4 ? KEPT_WAL : 0);
    }
    past_pin(&p, bases[0], 0); /* restores by itself: the WAL it needs is in its snapshot */
    past_judge(&p);
    assert_int_equal(past_reasons(&p, wal[0]), 0);
    p.policy.wal_within = 100 * DAY; /* no base backup is so old: the oldest begins it */
    past_judge(&p);
    assert_int_equal(past_reasons(&p, bases[0]) & KEPT_WAL_WINDOW, KEPT_WAL_WINDOW);
    assert_int_equal(past_reasons(&p, wal[0]), KEPT_WAL);
}

/** A cluster that was recovered to an earlier moment writes positions again that it had passed. */
static void
window__holds_what_a_later_timeline_began_earlier(void **state)
{
    (void)state;
    const struct snapshot *branch;
    const struct snapshot *later;

    add(SNAPSHOT_FULL, 1, p.now - 9 * DAY, 1, 500 * SEGMENT, 500 * SEGMENT + 400);
    add(SNAPSHOT_WAL, 1, p.now - 3 * DAY, 2, 0, 0);
    branch = add(SNAPSHOT_FULL, 1, p.now - 3 * DAY + HOUR, 2, 310 * SEGMENT, 310 * SEGMENT + 400);
    later = add(SNAPSHOT_WAL, 1, p.now - 2 * DAY, 2, 310 * SEGMENT, 320 * SEGMENT);
    p.policy.keep[RETENTION_LAST] = 1;
    p.policy.wal_within = 7 * DAY;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, branch), 1u << RETENTION_LAST);
    assert_int_equal(past_reasons(&p, later), KEPT_WAL);
}

static void
histories__stay(void **state)
{
    (void)state;
    const struct snapshot *history = add(SNAPSHOT_WAL, 1, p.now - 9 * DAY, 2, 0, 0);
    const struct snapshot *again = add(SNAPSHOT_WAL, 1, p.now - 8 * DAY, 2, 0, 0);

    add(SNAPSHOT_FULL, 1, p.now - DAY, 2, 9 * SEGMENT, 9 * SEGMENT);
    p.policy.keep[RETENTION_LAST] = 1;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, history), KEPT_WAL);
    assert_int_equal(past_reasons(&p, again), KEPT_WAL);
}

/** Base backups of the job "db", and WAL that has no tag and comes from another host. */
static void
make_job(const struct snapshot *bases[4], struct snapshot *wal[4])
{
    for (int i = 0; i < 4; i++) {
        uint64_t at = (uint64_t)i * 2 * SEGMENT;
        struct snapshot *base =
            add(SNAPSHOT_FULL, 1, p.now - (8 - 2 * i) * DAY, 1, at + 40, at + 400);
        past_tag(&p, base, "job:db");
        bases[i] = base;
        wal[i] = add(SNAPSHOT_WAL, 2, p.now - (7 - 2 * i) * DAY, 1, at, at + 2 * SEGMENT);
        wal[i]->body.host = (char *)(uintptr_t) "b";
    }
}

static const struct retention_filter of_job = {.host = "a", .tag = "job:db"};

static void
filter__takes_wal_with_the_base_backups_of_its_cluster(void **state)
{
    (void)state;
    const struct snapshot *bases[4];
    struct snapshot *wal[4];
    struct snapshot *foreign = publish(p.now - 9 * DAY, 0, SEGMENT);
    struct snapshot *other = add(SNAPSHOT_FULL, 1, p.now - 8 * DAY, 1, SEGMENT, SEGMENT);

    said[foreign - p.snapshots].system = SYSTEM + 1;
    said[other - p.snapshots].system = SYSTEM + 1;
    make_job(bases, wal);
    p.policy.keep[RETENTION_LAST] = 2;
    p.filter = &of_job;
    past_judge(&p);
    for (int i = 0; i < 4; i++) {
        assert_true(p.result.verdicts[wal[i] - p.snapshots].considered);
        assert_int_equal(past_reasons(&p, bases[i]), i >= 2 ? 1u << RETENTION_LAST : 0);
        assert_int_equal(past_reasons(&p, wal[i]), i >= 2 ? KEPT_WAL : 0);
    }
    assert_int_equal(p.result.wal_dropped, 2);
    assert_false(p.result.verdicts[foreign - p.snapshots].considered);
}

/** Two jobs back up one cluster. */
static void
filter__keeps_what_base_backups_of_others_go_on_with(void **state)
{
    (void)state;
    const struct snapshot *bases[4];
    struct snapshot *wal[4];
    struct snapshot *other =
        add(SNAPSHOT_FULL, 3, p.now - 7 * DAY, 1, 2 * SEGMENT + 40, 2 * SEGMENT + 400);

    make_job(bases, wal);
    p.policy.keep[RETENTION_LAST] = 1;
    p.policy.wal_within = 2 * DAY; /* the newest is a day old */
    past_judge(&p);                /* nobody is left out: the window is for all */
    assert_int_equal(past_reasons(&p, wal[1]), 0);
    p.filter = &of_job;
    past_judge(&p);
    assert_false(p.result.verdicts[other - p.snapshots].considered);
    assert_int_equal(past_reasons(&p, wal[0]), 0);
    assert_int_equal(past_reasons(&p, wal[1]), KEPT_WAL);
    assert_int_equal(past_reasons(&p, bases[1]), 0);
    /* Nor does a base backup begin this window that another policy may give up. */
    other->time = p.now - 3 * DAY;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, other), 0);
    assert_int_equal(past_reasons(&p, bases[2]), KEPT_WAL_WINDOW);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(pieces__go_when_the_segment_is_whole),
        CASE(pieces__of_another_client_or_timeline_stay),
        CASE(wal__fills_no_slots_and_takes_none),
        CASE(wal__goes_with_the_base_backups_before_it),
        CASE(window__keeps_the_base_backup_it_begins_with),
        CASE(window__holds_what_a_later_timeline_began_earlier),
        CASE(histories__stay),
        CASE(filter__takes_wal_with_the_base_backups_of_its_cluster),
        CASE(filter__keeps_what_base_backups_of_others_go_on_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
