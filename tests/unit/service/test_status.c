/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging what is known of a job: green must be earned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alloc_sweep.h"
#include "service/status.h"

#define SECOND INT64_C(1000000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define NOW (INT64_C(1800000000) * SECOND)
#define GIB (UINT64_C(1) << 30)

/* A job with which all is well; each test breaks something. */
struct world {
    struct status_place places[2];
    struct status_wal wal[1];
    struct status_job job;
};

static struct status_place
good_place(const char *name)
{
    return (struct status_place){.name = name,
                                 .reach = STATUS_REACHED,
                                 .why = "",
                                 .known = NOW,
                                 .newest = NOW - HOUR,
                                 .newest_full = NOW - 3 * DAY,
                                 .snapshots = 5,
                                 .bytes = GIB,
                                 .bytes_recent = GIB / 2,
                                 .oldest_read = NOW - 40 * DAY,
                                 .last_read = NOW - DAY,
                                 .oldest = NOW - 100 * DAY,
                                 .space_known = true,
                                 .space_free = 50 * GIB,
                                 .space_total = 100 * GIB,
                                 .space_lasts = -1};
}

static void
make_good(struct world *w)
{
    *w = (struct world){.places = {good_place("main"), good_place("site")},
                        .wal = {{.database = "shop", .asked = true, .well = true, .text = ""}}};
    w->places[1].remote = true;
    w->job = (struct status_job){.name = "web",
                                 .rules = {.age_most = 26 * HOUR,
                                           .full_age_most = 10 * DAY,
                                           .unread_age_most = 60 * DAY,
                                           .rehearsal_age_most = 30 * DAY,
                                           .space_least = 14 * DAY},
                                 .now = NOW,
                                 .history = STATUS_HISTORY_READ,
                                 .history_text = "",
                                 .has_source = true,
                                 .last = {NOW - HOUR, NOW - HOUR / 2, 0, ""},
                                 .rehearsal = {NOW - 2 * DAY, 90000, 0},
                                 .places = w->places,
                                 .place_count = 2,
                                 .wal = w->wal,
                                 .wal_count = 1};
}

static const struct status_finding *
finding(const struct status_report *r, const char *topic, const char *place)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->findings[i].topic, topic) == 0 && strcmp(r->findings[i].place, place) == 0) {
            return &r->findings[i];
        }
    }
    return NULL;
}

/* The whole is ${level} because of ${topic} at ${place}, and of nothing else; the text holds ${part}. */
static void
expect(struct world *w, enum status_level level, const char *topic, const char *place,
       const char *part)
{
    struct status_report r = {0};
    const struct status_finding *f;

    assert_int_equal(status_judge(&w->job, &r, NULL), VV_OK);
    f = finding(&r, topic, place);
    if (f == NULL) {
        fail_msg("nothing about %s %s", topic, place);
        return; /* never */
    }
    for (size_t i = 0; i < r.count; i++) {
        if (&r.findings[i] != f && r.findings[i].level != STATUS_OK) {
            fail_msg("also: %s %s: %s", r.findings[i].topic, r.findings[i].place,
                     r.findings[i].text);
        }
    }
    assert_int_equal(f->level, level);
    assert_int_equal(r.level, level);
    if (strstr(f->text, part) == NULL) {
        fail_msg("'%s' does not hold '%s'", f->text, part);
    }
    status_report_release(&r);
}

static void
a_job_with_which_all_is_well__is_green(void **state)
{
    struct world w;
    struct status_report r = {0};

    (void)state;
    make_good(&w);
    assert_int_equal(status_judge(&w.job, &r, NULL), VV_OK);
    assert_int_equal(r.level, STATUS_OK);
    assert_string_equal(finding(&r, "copies", "")->text,
                        "3 copies with the data itself, on 2 hosts, 1 off this one");
    assert_string_equal(finding(&r, "rehearsal", "")->text,
                        "the last rehearsal, 2 d 0 h ago, took 1 min 30 s");
    status_report_release(&r);
}

static void
runs__that_did_not_end_well_are_told(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.job.last.exit_code = 3;
    w.job.last.failed = "backup scrub";
    expect(&w, STATUS_WARNING, "run", "", "problems: backup scrub");
    w.job.last.exit_code = 13;
    w.job.last.failed = "replicate";
    expect(&w, STATUS_CRITICAL, "run", "", "exit code 13: replicate");
    make_good(&w);
    w.job.cut_off = NOW - 2 * HOUR;
    expect(&w, STATUS_CRITICAL, "run", "", "cut off");
    w.job.running_since = NOW - HOUR;
    expect(&w, STATUS_CRITICAL, "run", "", "cut off");
    make_good(&w);
    w.job.last = (struct status_run){.failed = ""};
    w.job.running_since = NOW - HOUR;
    expect(&w, STATUS_UNKNOWN, "run", "", "the first run");
}

/* Snapshots are young, but no run is on record that has made them. */
static void
runs__that_are_not_on_record_are_missed(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.job.last.ended = NOW - 26 * HOUR;
    expect(&w, STATUS_OK, "run", "", "ended well 1 d 2 h ago");
    w.job.last.ended = NOW - 26 * HOUR - SECOND;
    expect(&w, STATUS_WARNING, "run", "", "on record ended well, but 1 d 2 h ago");
    w.job.only_watched = true;
    expect(&w, STATUS_OK, "run", "", "ended well");
    w.job.last = (struct status_run){.failed = ""};
    expect(&w, STATUS_OK, "run", "", "it is watched");
    make_good(&w);
    w.job.history = STATUS_HISTORY_UNWRITABLE;
    w.job.history_text = "disk full";
    expect(&w, STATUS_UNKNOWN, "history", "", "disk full");
}

/* Z4 */
static void
times__in_the_future_are_findings(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.job.last.ended = NOW + HOUR;
    expect(&w, STATUS_WARNING, "run", "", "future");
    w.job.last.exit_code = 13; /* whenever that was */
    expect(&w, STATUS_CRITICAL, "run", "", "exit code 13");
    make_good(&w);
    w.job.rehearsal.time = NOW + HOUR;
    expect(&w, STATUS_WARNING, "rehearsal", "", "future");
    make_good(&w);
    w.places[0].last_read = NOW + HOUR;
    expect(&w, STATUS_WARNING, "read-back", "main", "30 days");
    w.job.rules.unread_age_most = 0;
    expect(&w, STATUS_OK, "read-back", "main", "30 days");
}

/* One that copies and reads only. */
static void
a_job_without_a_source__needs_no_snapshot(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.job.has_source = false;
    w.places[0].newest = w.places[0].newest_full = w.places[1].newest = 0;
    expect(&w, STATUS_OK, "run", "", "well");
    w.job.has_source = true;
    w.places[1].newest = w.places[0].newest_full = NOW;
    expect(&w, STATUS_CRITICAL, "snapshot", "main", "no snapshot");
}

static void
no_history__is_no_green(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.job.history = STATUS_HISTORY_DAMAGED;
    w.job.history_text = "malformed";
    expect(&w, STATUS_UNKNOWN, "history", "", "malformed");
    make_good(&w);
    w.job.last = (struct status_run){.failed = ""};
    expect(&w, STATUS_WARNING, "history", "", "no run of this job");
    w.job.history = STATUS_HISTORY_MISSING;
    expect(&w, STATUS_WARNING, "history", "", "does not exist");
}

static void
old_snapshots__are_critical_here_and_in_copies(void **state)
{
    struct world w;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *topic = i == 0 ? "snapshot" : "copy";
        make_good(&w);
        w.places[i].newest = NOW - 26 * HOUR;
        expect(&w, STATUS_OK, topic, w.places[i].name, "1 d 2 h old");
        w.places[i].newest = NOW - 26 * HOUR - SECOND;
        expect(&w, STATUS_CRITICAL, topic, w.places[i].name, "more than 1 d 2 h");
        w.places[i].newest = 0;
        w.places[i].newest_full = NOW;
        expect(&w, STATUS_CRITICAL, topic, w.places[i].name, "no snapshot of this job");
        w.places[i].newest = NOW + HOUR; /* Z4 */
        expect(&w, STATUS_WARNING, topic, w.places[i].name, "future");
    }
    make_good(&w);
    w.places[1].newest = NOW - 3 * HOUR;
    expect(&w, STATUS_OK, "copy", "site", "2 h 00 min behind");
}

/* 8 days of silence: everything was fine, and nothing has happened since. */
static void
silence__is_never_green(void **state)
{
    struct world w;
    struct status_report r = {0};

    (void)state;
    make_good(&w);
    w.job.now = NOW + 8 * DAY;
    assert_int_equal(status_judge(&w.job, &r, NULL), VV_OK);
    assert_int_equal(r.level, STATUS_CRITICAL);
    assert_int_equal(finding(&r, "snapshot", "main")->level, STATUS_CRITICAL);
    assert_int_equal(finding(&r, "copy", "site")->level, STATUS_CRITICAL);
    status_report_release(&r);
}

static void
places__that_do_not_answer_are_no_green(void **state)
{
    struct world w;
    struct status_report r = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        make_good(&w);
        w.places[i].reach = STATUS_AWAY;
        w.places[i].why = "timed out";
        expect(&w, STATUS_WARNING, "reach", w.places[i].name, "timed out");
        w.places[i].reach = STATUS_UNUSABLE;
        w.places[i].why = "wrong key";
        expect(&w, STATUS_CRITICAL, "reach", w.places[i].name, "wrong key");
        w.places[i] = (struct status_place){
            .name = w.places[i].name, .reach = STATUS_AWAY, .why = "down", .space_lasts = -1};
        expect(&w, STATUS_UNKNOWN, "reach", w.places[i].name, "nothing is known");
    }
    /* What was known of it is judged by now, not by then. */
    make_good(&w);
    w.places[0].reach = STATUS_AWAY;
    w.places[0].known = NOW - 2 * DAY;
    w.places[0].newest = NOW - 2 * DAY;
    assert_int_equal(status_judge(&w.job, &r, NULL), VV_OK);
    assert_int_equal(finding(&r, "snapshot", "main")->level, STATUS_CRITICAL);
    status_report_release(&r);
}

static void
records__that_are_wrong_are_critical(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.places[1].forged = true;
    expect(&w, STATUS_CRITICAL, "records", "site", "missing or forged");
    make_good(&w);
    w.places[0].damaged = 2;
    expect(&w, STATUS_CRITICAL, "records", "main", "2 damaged records");
    make_good(&w);
    w.places[0].marked = 1;
    expect(&w, STATUS_CRITICAL, "marked", "main", "--accept");
}

static void
rules__are_kept_as_far_as_they_are_given(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.places[0].newest_full = NOW - 11 * DAY;
    expect(&w, STATUS_WARNING, "full", "main", "more than 10 d");
    w.job.rules.full_age_most = 0;
    expect(&w, STATUS_OK, "full", "main", "11 d");
    make_good(&w);
    w.places[0].newest_full = 0;
    expect(&w, STATUS_WARNING, "full", "main", "no full");
    make_good(&w);
    w.places[1].oldest_read = NOW - 61 * DAY;
    expect(&w, STATUS_WARNING, "read-back", "site", "all of it in 61 d");
    make_good(&w);
    w.places[1].never_read = 3; /* they come first the next time, and are young */
    expect(&w, STATUS_OK, "read-back", "site", "never: 3");
    w.places[1].last_read = NOW - 61 * DAY;
    expect(&w, STATUS_WARNING, "read-back", "site",
           "50 % was read back in the last 30 days; never: 3");
    w.places[1].last_read = w.places[1].oldest_read = 0; /* nothing was ever read */
    expect(&w, STATUS_WARNING, "read-back", "site", "never: 3");
    w.places[1].oldest = NOW - 59 * DAY;
    expect(&w, STATUS_OK, "read-back", "site", "never: 3");
    w.places[1].oldest = NOW - 61 * DAY;
    w.job.rules.unread_age_most = 0;
    expect(&w, STATUS_OK, "read-back", "site", "never: 3");
    make_good(&w);
    w.job.rehearsal.time = NOW - 31 * DAY;
    expect(&w, STATUS_WARNING, "rehearsal", "", "more than 30 d");
    w.job.rehearsal = (struct status_rehearsal){0};
    expect(&w, STATUS_WARNING, "rehearsal", "", "never");
    w.job.rehearsal = (struct status_rehearsal){NOW - DAY, 5, 12};
    expect(&w, STATUS_CRITICAL, "rehearsal", "", "exit code 12");
    w.job.rehearsal.exit_code = 1;
    w.job.rules.rehearsal_age_most = 0;
    expect(&w, STATUS_WARNING, "rehearsal", "", "did not hold");
}

static void
space__is_watched(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.places[0].space_free = 5 * GIB - 1;
    expect(&w, STATUS_WARNING, "space", "main", "5 %");
    w.places[0].space_free = GIB - 1;
    expect(&w, STATUS_CRITICAL, "space", "main", "1 %");
    make_good(&w);
    w.places[1].space_lasts = 15 * DAY;
    expect(&w, STATUS_OK, "space", "site", "15 d");
    w.places[1].space_lasts = 13 * DAY;
    expect(&w, STATUS_WARNING, "space", "site", "13 d");
    w.places[1].space_lasts = DAY;
    expect(&w, STATUS_CRITICAL, "space", "site", "present growth");
}

static void
wal__that_lags_is_critical(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    w.wal[0].well = false;
    w.wal[0].text = "a gap";
    expect(&w, STATUS_CRITICAL, "wal", "shop", "a gap");
    w.wal[0].asked = false;
    w.wal[0].text = "the server is down";
    expect(&w, STATUS_UNKNOWN, "wal", "shop", "the server is down");
}

static void
levels__have_an_order(void **state)
{
    static const enum status_level order[] = {STATUS_OK, STATUS_UNKNOWN, STATUS_WARNING,
                                              STATUS_CRITICAL};

    (void)state;
    for (size_t a = 0; a < 4; a++) {
        for (size_t b = 0; b < 4; b++) {
            assert_int_equal(status_worse(order[a], order[b]), order[a > b ? a : b]);
        }
    }
}

static void
space__runs_out_where_the_line_ends(void **state)
{
    struct status_sample s[30];

    (void)state;
    for (size_t i = 0; i < 30; i++) { /* 1 GiB a day less; 71 left now */
        s[i] = (struct status_sample){NOW - (int64_t)(29 - i) * DAY, (int64_t)((100 - i) * GIB)};
    }
    assert_true(llabs(status_space_lasts(s, 30, NOW) - 71 * DAY) < HOUR);
    assert_true(llabs(status_space_lasts(s, 30, NOW + DAY) - 70 * DAY) < HOUR);
    assert_int_equal(status_space_lasts(s, 1, NOW), -1);
    assert_int_equal(status_space_lasts(s, 0, NOW), -1);
    assert_int_equal(status_space_lasts(s, 30, NOW + 200 * DAY), 0);
    for (size_t i = 0; i < 30; i++) {
        s[i].free_bytes = (int64_t)(50 * GIB);
    }
    assert_int_equal(status_space_lasts(s, 30, NOW), -1);
    for (size_t i = 0; i < 30; i++) { /* a burst within a day says nothing */
        s[i] = (struct status_sample){NOW - (int64_t)(29 - i) * SECOND, (int64_t)((100 - i) * GIB)};
    }
    assert_int_equal(status_space_lasts(s, 30, NOW), -1);
}

static enum vv_rc
judge_bad_job(void *arg, struct vv_error *err)
{
    struct world *w = arg;
    struct status_report r = {0};
    enum vv_rc rc = status_judge(&w->job, &r, err);

    status_report_release(&r);
    return rc;
}

static void
memory__may_run_out(void **state)
{
    struct world w;

    (void)state;
    make_good(&w);
    alloc_sweep(judge_bad_job, &w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_with_which_all_is_well__is_green),
        cmocka_unit_test(runs__that_did_not_end_well_are_told),
        cmocka_unit_test(runs__that_are_not_on_record_are_missed),
        cmocka_unit_test(times__in_the_future_are_findings),
        cmocka_unit_test(a_job_without_a_source__needs_no_snapshot),
        cmocka_unit_test(no_history__is_no_green),
        cmocka_unit_test(old_snapshots__are_critical_here_and_in_copies),
        cmocka_unit_test(silence__is_never_green),
        cmocka_unit_test(places__that_do_not_answer_are_no_green),
        cmocka_unit_test(records__that_are_wrong_are_critical),
        cmocka_unit_test(rules__are_kept_as_far_as_they_are_given),
        cmocka_unit_test(space__is_watched),
        cmocka_unit_test(wal__that_lags_is_critical),
        cmocka_unit_test(levels__have_an_order),
        cmocka_unit_test(space__runs_out_where_the_line_ends),
        cmocka_unit_test(memory__may_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
