/* SPDX-License-Identifier: BSD-2-Clause */
/* What a policy keeps, and why: rules, groups, days that are not 24 hours long. */
#include "engine/helper_retention.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

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
last__keeps_the_newest_of_each_group(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        past_add(&p, 1, p.now - (20 - i) * HOUR);
    }
    for (int i = 0; i < 3; i++) {
        past_add(&p, 2, p.now - (5 - i) * HOUR)->body.host = (char *)(uintptr_t) "b";
    }
    p.policy.keep[RETENTION_LAST] = 2;
    past_judge(&p);
    assert_int_equal(p.result.groups, 2);
    assert_int_equal(p.result.considered, 13);
    assert_int_equal(past_kept(&p), 4);
    assert_int_equal(p.result.emptied, 0);
    assert_int_equal(past_reasons(&p, &p.snapshots[9]), BIT(RETENTION_LAST));
    assert_int_equal(past_reasons(&p, &p.snapshots[8]), BIT(RETENTION_LAST));
    assert_int_equal(past_reasons(&p, &p.snapshots[7]), 0);
    assert_int_equal(past_reasons(&p, &p.snapshots[12]), BIT(RETENTION_LAST));
    assert_int_equal(past_reasons(&p, &p.snapshots[10]), 0);
    p.policy.group_by = 0;
    past_judge(&p);
    assert_int_equal(p.result.groups, 1);
    assert_int_equal(past_kept(&p), 2);
    p.policy.keep[RETENTION_LAST] = RETENTION_ALL;
    past_judge(&p);
    assert_int_equal(p.result.dropped, 0);
}

static void
groups__do_not_depend_on_the_order_of_paths(void **state)
{
    struct snapshot *s;

    (void)state;
    s = past_add(&p, 1, p.now - 5 * HOUR);
    past_source(&p, s, "/etc");
    s = past_add(&p, 1, p.now - 4 * HOUR);
    vv_buf_reset(&s->body.sources[0]);
    vv_buf_put_text(&s->body.sources[0], "/etc");
    past_source(&p, s, "/srv");
    past_add(&p, 1, p.now - 3 * HOUR);
    s = past_add(&p, 1, p.now - 2 * HOUR);
    past_tag(&p, s, "weekly");
    p.policy.keep[RETENTION_LAST] = 1;
    past_judge(&p);
    assert_int_equal(p.result.groups, 2);
    assert_int_equal(p.result.dropped, 2);
    p.policy.group_by = RETENTION_BY_TAGS;
    past_judge(&p);
    assert_int_equal(p.result.groups, 2);
    assert_int_equal(past_reasons(&p, &p.snapshots[2]), BIT(RETENTION_LAST));
    assert_int_equal(past_reasons(&p, &p.snapshots[3]), BIT(RETENTION_LAST));
    p.policy.group_by = RETENTION_BY_TAGS | RETENTION_BY_HOST | RETENTION_BY_PATHS;
    past_judge(&p);
    assert_int_equal(p.result.groups, 3);
}

/* Every six hours for 400 days: the rules together, as a person would write them. */
static void
slots__are_the_newest_of_each_period(void **state)
{
    int64_t start = p.now - 126 * DAY;
    unsigned reasons;

    (void)state;
    for (int i = 0; i < 504; i++) {
        past_add(&p, 1, start + 6 * HOUR * i);
    }
    p.policy.keep[RETENTION_DAILY] = 7;
    p.policy.keep[RETENTION_WEEKLY] = 4;
    p.policy.keep[RETENTION_MONTHLY] = 3;
    p.policy.keep[RETENTION_YEARLY] = 1;
    past_judge(&p);
    /* The newest is of 2026-07-01 06:00, a Wednesday: it fills a slot of every rule. */
    reasons = past_reasons(&p, &p.snapshots[503]);
    assert_int_equal(reasons, BIT(RETENTION_DAILY) | BIT(RETENTION_WEEKLY) |
                                  BIT(RETENTION_MONTHLY) | BIT(RETENTION_YEARLY));
    /* 06-30 18:00 is a day's and a month's last. */
    reasons = past_reasons(&p, &p.snapshots[501]);
    assert_int_equal(reasons, BIT(RETENTION_DAILY) | BIT(RETENTION_MONTHLY));
    assert_int_equal(past_reasons(&p, &p.snapshots[500]), 0);
    /* 06-28 18:00 is a Sunday's last. */
    reasons = past_reasons(&p, &p.snapshots[493]);
    assert_int_equal(reasons, BIT(RETENTION_DAILY) | BIT(RETENTION_WEEKLY));
    /* 7 days, 2 more weeks (06-21, 06-14), 1 more month (05-31). */
    assert_int_equal(past_kept(&p), 10);
}

static void
hours_and_minutes__are_counted_in_utc(void **state)
{
    (void)state;
    for (int i = 0; i < 240; i++) {
        struct snapshot *s = past_add(&p, 1, utc(2026, 6, 1, 0, 0) + 30 * SECOND * i);
        s->body.zone = i % 2 == 0 ? 3600 : 19800; /* nobody gains hours by it */
    }
    p.policy.keep[RETENTION_HOURLY] = RETENTION_ALL;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 2);
    p.policy.keep[RETENTION_HOURLY] = 0;
    p.policy.keep[RETENTION_MINUTELY] = 5;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 5);
    assert_int_equal(past_reasons(&p, &p.snapshots[239]), BIT(RETENTION_MINUTELY));
    assert_int_equal(past_reasons(&p, &p.snapshots[238]), 0);
}

/* Central Europe, 2026-03-29: the day has 23 hours; 2026-10-25: it has 25. */
static void
days__are_those_of_the_place_also_when_clocks_change(void **state)
{
    static const struct {
        int month, day, hour, minute;
        int64_t zone;
    } at[] = {
        {3, 28, 22, 30, 3600},  /* 03-28 23:30 there */
        {3, 28, 23, 30, 3600},  /* 03-29 00:30 */
        {3, 29, 21, 30, 7200},  /* 03-29 23:30, 22 hours later */
        {3, 29, 22, 30, 7200},  /* 03-30 00:30 */
        {10, 24, 22, 30, 7200}, /* 10-25 00:30 */
        {10, 25, 0, 30, 7200},  /* 10-25 02:30 */
        {10, 25, 1, 30, 3600},  /* 10-25 02:30 again */
        {10, 25, 22, 30, 3600}, /* 10-25 23:30 */
        {10, 25, 23, 30, 3600}, /* 10-26 00:30 */
    };

    (void)state;
    p.now = utc(2026, 11, 1, 0, 0);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        past_add(&p, 1, utc(2026, at[i].month, at[i].day, at[i].hour, at[i].minute))->body.zone =
            at[i].zone;
    }
    p.policy.keep[RETENTION_DAILY] = RETENTION_ALL;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 5);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        bool is_last = i == 0 || i == 2 || i == 3 || i == 7 || i == 8;
        assert_int_equal(past_reasons(&p, &p.snapshots[i]), is_last ? BIT(RETENTION_DAILY) : 0);
    }
    p.policy.keep[RETENTION_HOURLY] = RETENTION_ALL; /* the hour that came twice is two */
    past_judge(&p);
    assert_int_equal(past_kept(&p), 9);
}

static void
days__do_not_depend_on_this_machine(void **state)
{
    static const char *const zones[] = {"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"};
    size_t kept[3];

    (void)state;
    for (int i = 0; i < 100; i++) {
        past_add(&p, 1, p.now - 5 * HOUR * (100 - i))->body.zone = 7200;
    }
    p.policy.keep[RETENTION_DAILY] = 7;
    p.policy.keep[RETENTION_MONTHLY] = 2;
    for (unsigned i = 0; i < 3; i++) {
        setenv("TZ", zones[i], 1);
        tzset();
        past_judge(&p);
        kept[i] = past_kept(&p);
    }
    unsetenv("TZ");
    tzset();
    assert_int_equal(kept[0], kept[1]);
    assert_int_equal(kept[0], kept[2]);
}

/* Two days may not come out of one by naming another place. */
static void
days__never_go_back(void **state)
{
    (void)state;
    past_add(&p, 1, utc(2026, 6, 9, 12, 0));
    past_add(&p, 1, utc(2026, 6, 10, 1, 0));                     /* 06-10 */
    past_add(&p, 1, utc(2026, 6, 10, 2, 0))->body.zone = -36000; /* 06-09 16:00, said in Hawaii */
    past_add(&p, 1, utc(2026, 6, 10, 3, 0))->body.zone = INT64_MAX; /* nonsense: UTC */
    p.policy.keep[RETENTION_DAILY] = 2;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, &p.snapshots[0]), BIT(RETENTION_DAILY));
    assert_int_equal(past_reasons(&p, &p.snapshots[1]), 0);
    assert_int_equal(past_reasons(&p, &p.snapshots[2]), 0);
    assert_int_equal(past_reasons(&p, &p.snapshots[3]), BIT(RETENTION_DAILY));
}

static void
periods__of_long_ago_and_leap_years(void **state)
{
    static const struct {
        int year, month, day;
    } at[] = {{1969, 12, 31}, {1970, 1, 1},  {1999, 12, 31}, {2000, 2, 29},  {2000, 3, 1},
              {2023, 12, 31}, {2024, 2, 29}, {2024, 3, 1},   {2024, 12, 31}, {2025, 1, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        past_add(&p, 1, utc(at[i].year, at[i].month, at[i].day, 23, 59));
    }
    p.policy.keep[RETENTION_YEARLY] = RETENTION_ALL;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 7); /* 1969 1970 1999 2000 2023 2024 2025 */
    assert_int_equal(past_reasons(&p, &p.snapshots[3]), 0);
    assert_int_equal(past_reasons(&p, &p.snapshots[4]), BIT(RETENTION_YEARLY));
    assert_int_equal(past_reasons(&p, &p.snapshots[8]), BIT(RETENTION_YEARLY));
    p.policy.keep[RETENTION_MONTHLY] = RETENTION_ALL;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 10);
    p.policy.keep[RETENTION_MONTHLY] = 0;
    p.policy.keep[RETENTION_YEARLY] = 0;
    p.policy.keep[RETENTION_WEEKLY] = RETENTION_ALL;
    past_judge(&p);
    /* 1969-12-31 and 1970-01-01 are one week, 2000-02-29 and 03-01, 2024-02-29 and 03-01, 2024-12-31
     * and 2025-01-01. */
    assert_int_equal(past_kept(&p), 6);
}

static void
within__counts_back_from_the_newest(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        past_add(&p, 1, p.now - 300 * DAY + i * DAY); /* this host stopped long ago */
    }
    for (int i = 0; i < 20; i++) {
        past_add(&p, 2, p.now - 20 * DAY + i * DAY)->body.host = (char *)(uintptr_t) "b";
    }
    p.policy.within = 3 * DAY;
    past_judge(&p);
    assert_int_equal(past_kept(&p), 8);
    assert_int_equal(past_reasons(&p, &p.snapshots[16]), KEPT_WITHIN);
    assert_int_equal(past_reasons(&p, &p.snapshots[15]), 0);
}

static void
tags_and_pins__keep(void **state)
{
    static const char *const tags[] = {"x", "before-migration"};
    struct retention_filter filter = {.tag = "nightly"};
    struct vv_error err;

    (void)state;
    for (int i = 0; i < 6; i++) {
        past_add(&p, 1, p.now - (10 - i) * HOUR);
    }
    past_tag(&p, &p.snapshots[0], "before-migration");
    past_tag(&p, &p.snapshots[1], "nightly");
    past_tag(&p, &p.snapshots[2], "nightly");
    past_pin(&p, &p.snapshots[3], 0);
    past_pin(&p, &p.snapshots[4], p.now); /* has just ended */
    p.policy.tags = tags;
    p.policy.tag_count = 2;
    assert_false(retention_policy_empty(&p.policy));
    past_judge(&p);
    assert_int_equal(past_reasons(&p, &p.snapshots[0]), KEPT_TAG);
    assert_int_equal(past_reasons(&p, &p.snapshots[3]), KEPT_PINNED);
    assert_int_equal(past_kept(&p), 2);
    p.policy.tag_count = 0;
    p.policy.keep[RETENTION_LAST] = 1;
    retention_release(&p.result);
    assert_int_equal(retention_judge(&p.list, &p.policy, &filter, p.now, &p.result, &err), VV_OK);
    assert_int_equal(p.result.considered, 2);
    assert_int_equal(p.result.dropped, 1);
    assert_int_equal(past_reasons(&p, &p.snapshots[2]), BIT(RETENTION_LAST));
    filter = (struct retention_filter){.host = "nobody"};
    retention_release(&p.result);
    assert_int_equal(retention_judge(&p.list, &p.policy, &filter, p.now, &p.result, &err), VV_OK);
    assert_int_equal(p.result.considered, 0);
}

static void
groups__that_would_be_emptied_are_told(void **state)
{
    static const char *const tags[] = {"x"};

    (void)state;
    past_add(&p, 1, p.now - 2 * HOUR);
    past_tag(&p, &p.snapshots[0], "x");
    past_add(&p, 2, p.now - HOUR)->body.host = (char *)(uintptr_t) "b";
    past_add(&p, 2, p.now - HOUR)->body.host = (char *)(uintptr_t) "b";
    p.policy.tags = tags;
    p.policy.tag_count = 1;
    past_judge(&p);
    assert_int_equal(p.result.emptied, 1);
    assert_int_equal(p.result.example, 1);
    p.policy.tag_count = 0;
    assert_true(retention_policy_empty(&p.policy));
}

static enum vv_rc
judge_swept(void *ctx, struct vv_error *err)
{
    struct retention r = {0};
    enum vv_rc rc = retention_judge(&p.list, &p.policy, NULL, p.now, &r, err);

    (void)ctx;
    retention_release(&r);
    return rc;
}

static void
judge__reports_failing_allocations(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        past_add(&p, (uint8_t)(i % 2), p.now - (10 - i) * HOUR);
    }
    p.policy.keep[RETENTION_DAILY] = 1;
    past_judge(&p);
    for (uint64_t nth = 1;; nth++) {
        struct vv_error err = {0};
        enum vv_rc rc;
        vv_alloc_fail_at(nth, 0);
        rc = judge_swept(NULL, &err);
        vv_alloc_fail_at(0, 0);
        if (rc == VV_OK) {
            break;
        }
        assert_int_equal(rc, VV_ENOMEM);
    }
}

/** A database that fails every night under --keep-going: its last good backup does not age out. */
static void
complete_one__is_kept_while_newer_ones_lack_something(void **state)
{
    (void)state;
    const struct snapshot *older = past_add(&p, 1, p.now - 9 * DAY);
    const struct snapshot *complete = past_add(&p, 1, p.now - 8 * DAY);
    struct snapshot *lacking[3];

    for (int i = 0; i < 3; i++) {
        lacking[i] = past_add(&p, 1, p.now - (3 - i) * DAY);
        lacking[i]->body.incomplete_count = 1;
    }
    p.policy.keep[RETENTION_LAST] = 2;
    past_judge(&p);
    assert_int_equal(past_reasons(&p, older), 0);
    assert_int_equal(past_reasons(&p, complete), KEPT_COMPLETE);
    assert_int_equal(past_reasons(&p, lacking[0]), 0);
    assert_int_equal(past_reasons(&p, lacking[2]), 1u << RETENTION_LAST);
    lacking[2]->body.incomplete_count = 0; /* all is well again */
    past_judge(&p);
    assert_int_equal(past_reasons(&p, complete), 0);
}

static void
reasons__have_names(void **state)
{
    (void)state;
    assert_string_equal(retention_reason_name(RETENTION_LAST), "last");
    assert_string_equal(retention_reason_name(RETENTION_YEARLY), "yearly");
    assert_string_equal(retention_reason_name(KEPT_REASONS - 1), "complete");
    assert_int_equal(KEPT_COMPLETE, 1u << (KEPT_REASONS - 1));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(last__keeps_the_newest_of_each_group),
        CASE(groups__do_not_depend_on_the_order_of_paths),
        CASE(slots__are_the_newest_of_each_period),
        CASE(hours_and_minutes__are_counted_in_utc),
        CASE(days__are_those_of_the_place_also_when_clocks_change),
        CASE(days__do_not_depend_on_this_machine),
        CASE(days__never_go_back),
        CASE(periods__of_long_ago_and_leap_years),
        CASE(within__counts_back_from_the_newest),
        CASE(tags_and_pins__keep),
        CASE(groups__that_would_be_emptied_are_told),
        CASE(judge__reports_failing_allocations),
        CASE(complete_one__is_kept_while_newer_ones_lack_something),
        CASE(reasons__have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
