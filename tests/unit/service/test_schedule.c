/* SPDX-License-Identifier: BSD-2-Clause */
/* Schedules: grammar, times with changes of the clock, what systemd and cron are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "service/schedule.h"

#define NS INT64_C(1000000000)

static struct schedule
parsed(const char *text)
{
    struct vv_error err = {0};
    struct schedule s;

    if (schedule_parse(text, &s, &err) != VV_OK) {
        fail_msg("'%s': %s", text, err.message);
    }
    return s;
}

static void
use_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

/* "2026-03-29 01:30", by the clock of UTC */
static int64_t
utc(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);

    assert_non_null(end);
    return (int64_t)timegm(&tm) * NS;
}

static void
assert_instant(int64_t got, const char *want, const char *what)
{
    if (got != utc(want)) {
        time_t t = (time_t)(got / NS);
        struct tm tm;
        char text[64];
        assert_non_null(gmtime_r(&t, &tm));
        assert_true(strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm) > 0);
        fail_msg("%s: %s UTC, not %s", what, text, want);
    }
}

/* The runs after ${now}, one after the other. */
static void
assert_runs(const char *schedule, const char *now, const char *const *want)
{
    struct schedule s = parsed(schedule);
    int64_t at = utc(now);

    for (; *want != NULL; want++) {
        at = schedule_next(&s, at);
        assert_instant(at, *want, schedule);
        assert_int_equal(schedule_next(&s, at), at); /* the first at this moment or later */
        at++;
        assert_int_equal(schedule_previous(&s, at), at - 1);
    }
}
#define RUNS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
schedule__is_told_to_systemd_and_cron(void **state)
{
    static const struct {
        const char *text;
        const char *calendar;
        const char *crontab;
        uint64_t longest_min;
        uint64_t shortest_min;
    } table[] = {
        {"hourly", "*-*-* *:00:00\n", "0 * * * *\n", 60, 60},
        {"hourly :15", "*-*-* *:15:00\n", "15 * * * *\n", 60, 60},
        {"hourly :45 :05", "*-*-* *:05,45:00\n", "5,45 * * * *\n", 40, 20},
        {"daily", "*-*-* 00:00:00\n", "0 0 * * *\n", 1440, 1440},
        {" daily  02:30 ", "*-*-* 02:30:00\n", "30 2 * * *\n", 1440, 1440},
        {"daily 14:30 2:30", "*-*-* 02,14:30:00\n", "30 2,14 * * *\n", 720, 720},
        {"daily 02:30 14:45", "*-*-* 02:30:00\n*-*-* 14:45:00\n", "30 2 * * *\n45 14 * * *\n", 735,
         705},
        {"weekly sunday 03:00", "Sun *-*-* 03:00:00\n", "0 3 * * 0\n", 7 * 1440, 7 * 1440},
        {"Weekly Wed SAT 23:59", "Wed,Sat *-*-* 23:59:00\n", "59 23 * * 3,6\n", 4 * 1440, 3 * 1440},
        {"weekly monday", "Mon *-*-* 00:00:00\n", "0 0 * * 1\n", 7 * 1440, 7 * 1440},
        {"monthly", "*-*-01 00:00:00\n", "0 0 1 * *\n", 31 * 1440, 28 * 1440},
        {"monthly 04:00", "*-*-01 04:00:00\n", "0 4 1 * *\n", 31 * 1440, 28 * 1440},
        {"monthly 1 15 04:00", "*-*-01,15 04:00:00\n", "0 4 1,15 * *\n", 17 * 1440, 14 * 1440},
        {"monthly 28 1", "*-*-01,28 00:00:00\n", "0 0 1,28 * *\n", 27 * 1440, 1440},
        {"every 15m", "*-*-* *:00,15,30,45:00\n", "0,15,30,45 * * * *\n", 15, 15},
        {"every 30min", "*-*-* *:00,30:00\n", "0,30 * * * *\n", 30, 30},
        {"every 1m", "*-*-* *:*:00\n", "* * * * *\n", 1, 1},
        {"every 1h", "*-*-* *:00:00\n", "0 * * * *\n", 60, 60},
        {"every 6h", "*-*-* 00,06,12,18:00:00\n", "0 0,6,12,18 * * *\n", 360, 360},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(table); i++) {
        struct schedule s = parsed(table[i].text);
        struct vv_buf out = {0};
        schedule_calendar(&s, &out);
        assert_string_equal(vv_buf_text(&out), table[i].calendar);
        vv_buf_reset(&out);
        schedule_crontab(&s, &out);
        assert_string_equal(vv_buf_text(&out), table[i].crontab);
        vv_buf_release(&out);
        assert_int_equal(schedule_longest(&s), table[i].longest_min * 60);
        assert_int_equal(schedule_shortest(&s), table[i].shortest_min * 60);
    }
}

static void
schedule__says_what_is_wanted(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } table[] = {
        {"", "something is missing: hourly, daily, weekly, monthly or every"},
        {"yearly", "'yearly' is not hourly, daily"},
        {"02:30", "'02:30' is not hourly, daily"},
        {"daily 24:00", "'24:00' is not a time such as 02:30"},
        {"daily 02:60", "'02:60' is not a time"},
        {"daily 2", "'2' is not a time"},
        {"daily 02:3", "'02:3' is not a time"},
        {"daily 002:30", "'002:30' is not a time"},
        {"daily 02:300", "'02:300' is not a time"},
        {"daily 02:30, 03:30", "'02:30,' is not a time"},
        {"daily 02:30 2:30", "02:30 is there twice"},
        {"hourly 15", "'15' is not minutes of the hour such as :15"},
        {"hourly :60", "':60' is not minutes"},
        {"hourly :5", "':5' is not minutes"},
        {"hourly 02:30", "'02:30' is not minutes"},
        {"weekly", "something is missing: a day of the week"},
        {"weekly 03:00", "'03:00' is not a day of the week"},
        {"weekly sunda", "'sunda' is not a day of the week"},
        {"weekly sunday someday", "'someday' is not a day of the week or a time"},
        {"monthly 29", "'29' is not a day that every month has"},
        {"monthly 0", "'0' is not a day that every month has"},
        {"monthly 001", "'001' is not a day"},
        {"monthly 1 04:00 2", "'2' is not a time such as 03:00"},
        {"every", "something is missing: 1, 2, 3"},
        {"every 0m", "'0m' is not 1, 2"},
        {"every 7m", "'7m' is not 1, 2"},
        {"every 60m", "'60m' is not 1, 2"},
        {"every 5h", "'5h' is not 1, 2"},
        {"every 24h", "'24h' is not 1, 2"},
        {"every 15", "'15' is not 1, 2"},
        {"every 1d", "'1d' is not 1, 2"},
        {"every h", "'h' is not 1, 2"},
        {"every 6h 02:00", "nothing follows"},
        {"daily 00:00 00:01 00:02 00:03 00:04 00:05 00:06 00:07 00:08 00:09 00:10 00:11 00:12 "
         "00:13 00:14 00:15 00:16 00:17 00:18 00:19 00:20 00:21 00:22 00:23 00:24",
         "more than 24 times"},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(table); i++) {
        struct vv_error err = {0};
        struct schedule s = {.days = 77};
        if (schedule_parse(table[i].text, &s, &err) != VV_EUSAGE ||
            strstr(err.message, table[i].message) == NULL) {
            fail_msg("'%s': %s", table[i].text, err.message);
        }
        assert_int_equal(s.days, 77); /* untouched */
    }
}

static void
schedule__runs_by_the_clock_on_the_wall(void **state)
{
    (void)state;
    use_zone("Europe/Berlin"); /* UTC+1, from March to October UTC+2 */
    assert_runs("daily 02:30", "2026-01-01 01:31", RUNS("2026-01-02 01:30", "2026-01-03 01:30"));
    assert_runs("weekly sunday 03:00", "2026-11-27 12:00",
                RUNS("2026-11-29 02:00", "2026-12-06 02:00"));
    assert_runs("monthly 1 28 04:00", "2026-01-28 04:00",
                RUNS("2026-02-01 03:00", "2026-02-28 03:00", "2026-03-01 03:00"));
    assert_runs("every 6h", "2026-06-01 00:00",
                RUNS("2026-06-01 04:00", "2026-06-01 10:00", "2026-06-01 16:00"));
    assert_runs("hourly :15 :45", "2026-06-01 00:15",
                RUNS("2026-06-01 00:15", "2026-06-01 00:45", "2026-06-01 01:15"));
    use_zone("Asia/Kolkata"); /* UTC+5:30 */
    assert_runs("daily 00:00", "2026-06-01 00:00", RUNS("2026-06-01 18:30", "2026-06-02 18:30"));
    use_zone("America/Los_Angeles"); /* UTC-8 */
    assert_runs("daily 23:00", "2026-01-01 00:00", RUNS("2026-01-01 07:00", "2026-01-02 07:00"));
}

static void
schedule__leaves_out_a_time_that_does_not_exist(void **state)
{
    (void)state;
    use_zone("Europe/Berlin"); /* on 2026-03-29 02:00 is 03:00 */
    assert_runs("daily 02:30", "2026-03-27 23:00",
                RUNS("2026-03-28 01:30", "2026-03-30 00:30", "2026-03-31 00:30"));
    assert_runs("daily 01:30 03:00", "2026-03-28 23:00",
                RUNS("2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 23:30"));
    assert_runs("every 30m", "2026-03-29 00:15",
                RUNS("2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30"));
    use_zone("Asia/Beirut"); /* on 2026-03-29 midnight is 01:00 */
    assert_runs("daily", "2026-03-27 12:00", RUNS("2026-03-27 22:00", "2026-03-29 21:00"));
}

static void
schedule__takes_a_time_that_comes_twice_once(void **state)
{
    (void)state;
    use_zone("Europe/Berlin"); /* on 2026-10-25 03:00 is 02:00 */
    assert_runs("daily 02:30", "2026-10-24 12:00",
                RUNS("2026-10-25 00:30", "2026-10-26 01:30", "2026-10-27 01:30"));
    assert_runs("every 30m", "2026-10-25 00:00",
                RUNS("2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 02:00"));
    assert_runs("daily 02:30", "2026-10-25 01:00", RUNS("2026-10-26 01:30")); /* in between */
}

/* xorshift: the same numbers each time */
static uint64_t
number(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
schedule__goes_through_time_without_a_gap(void **state)
{
    static const char *const schedules[] = {"hourly :07 :50",
                                            "daily 02:30 03:00 23:59",
                                            "weekly sun wed 02:15",
                                            "monthly 1 28",
                                            "every 2h",
                                            "every 4min"};
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York",
                                        "Australia/Lord_Howe", "Asia/Kathmandu"};
    uint64_t seed = 0x5eed5eed5eedULL;

    (void)state;
    for (size_t z = 0; z < VV_COUNT(zones); z++) {
        use_zone(zones[z]);
        for (size_t i = 0; i < VV_COUNT(schedules); i++) {
            struct schedule s = parsed(schedules[i]);
            for (unsigned n = 0; n < 100; n++) {
                int64_t now =
                    utc("2026-01-01 00:00") + (int64_t)(number(&seed) % (366 * 86400)) * NS;
                int64_t next;
                int64_t previous;
                now += (int64_t)(number(&seed) % 3) - 1;
                next = schedule_next(&s, now);
                previous = schedule_previous(&s, now);
                assert_true(previous < now && now <= next);
                /* Nothing lies between them, seen from either side. */
                assert_int_equal(schedule_next(&s, previous + 1), next);
                assert_int_equal(schedule_previous(&s, next), previous);
                /* Of two changes of the clock, and one run that falls out. */
                assert_true(next - previous <= (int64_t)(2 * schedule_longest(&s) + 7200) * NS);
            }
        }
    }
}

/* What systemd says; false: it is not there. */
static bool
systemd_next(const char *zone, int64_t now, const char *calendar, int64_t *ret)
{
    char command[512];
    char line[256];
    bool found = false;
    FILE *f;

    assert_true(snprintf(command, sizeof(command),
                         "TZ=%s systemd-analyze calendar --base-time=@%lld '%s' 2>/dev/null", zone,
                         (long long)(now / NS), calendar) < (int)sizeof(command));
    f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        /* In UTC the second line is left out. */
        char *at = strstr(line, "(in UTC): ");
        size_t skip = strlen("(in UTC): ");
        if (at == NULL && strcmp(zone, "UTC") == 0) {
            at = strstr(line, "Next elapse: ");
            skip = strlen("Next elapse: ");
        }
        if (at != NULL) {
            line[strcspn(line, "\n")] = '\0';
            at[skip + strlen("Mon 2026-03-29 01:30")] = '\0';
            *ret = utc(at + skip + strlen("Mon "));
            found = true;
        }
    }
    return pclose(f) == 0 && found;
}

static void
schedule__agrees_with_systemd(void **state)
{
    static const char *const schedules[] = {
        "hourly :15 :45", "daily 02:30 14:30", "daily 02:15", "weekly sunday wed 02:30",
        "monthly 1 28",   "monthly 04:00",     "every 6h",    "every 2h",
        "every 20m",      "weekly fri"};
    static const char *const zones[] = {"Europe/Berlin", "America/New_York", "UTC"};
    /* Around the changes of the clock. */
    static const char *const moments[] = {"2026-03-28 12:00", "2026-03-29 00:40",
                                          "2026-10-25 00:10", "2026-10-24 23:59",
                                          "2026-11-01 05:10"};

    (void)state;
    for (size_t z = 0; z < VV_COUNT(zones); z++) {
        use_zone(zones[z]);
        for (size_t i = 0; i < VV_COUNT(schedules) * VV_COUNT(moments); i++) {
            struct schedule s = parsed(schedules[i / VV_COUNT(moments)]);
            int64_t now = utc(moments[i % VV_COUNT(moments)]);
            struct vv_buf calendar = {0};
            int64_t theirs = 0;
            schedule_calendar(&s, &calendar);
            calendar.len--; /* the end of the line */
            if (!systemd_next(zones[z], now, vv_buf_text(&calendar), &theirs)) {
                vv_buf_release(&calendar);
                if (system("systemd-analyze --version >/dev/null 2>&1") == 0) {
                    fail_msg("systemd does not know '%s'", schedules[i / VV_COUNT(moments)]);
                }
                skip();
            }
            vv_buf_release(&calendar);
            if (schedule_next(&s, now + 1) != theirs) { /* theirs is later than now */
                fail_msg("%s, %s, %s: ours %lld, systemd's %lld", zones[z],
                         schedules[i / VV_COUNT(moments)], moments[i % VV_COUNT(moments)],
                         (long long)(schedule_next(&s, now + 1) / NS), (long long)(theirs / NS));
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule__is_told_to_systemd_and_cron),
        cmocka_unit_test(schedule__says_what_is_wanted),
        cmocka_unit_test(schedule__runs_by_the_clock_on_the_wall),
        cmocka_unit_test(schedule__leaves_out_a_time_that_does_not_exist),
        cmocka_unit_test(schedule__takes_a_time_that_comes_twice_once),
        cmocka_unit_test(schedule__goes_through_time_without_a_gap),
        cmocka_unit_test(schedule__agrees_with_systemd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
