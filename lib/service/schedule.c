/* SPDX-License-Identifier: BSD-2-Clause */
/* Schedules: their grammar, and what they are for systemd and cron. */
#include "service/schedule.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MINUTES_A_DAY 1440u
#define LAST_DAY 28u /* that every month has */
#define EVERY_MINUTE ((UINT64_C(1) << 60) - 1)

static const char *const day_names[] = {"sunday",   "monday", "tuesday", "wednesday",
                                        "thursday", "friday", "saturday"};

/* ---- words ---- */

struct words {
    const char *at;
    const char *word; /* the present one; "" behind the last */
    size_t len;
};

static void
next_word(struct words *w)
{
    while (*w->at == ' ' || *w->at == '\t') {
        w->at++;
    }
    w->word = w->at;
    w->len = strcspn(w->at, " \t");
    w->at += w->len;
}

static bool
is_word(const struct words *w, const char *name)
{
    return strlen(name) == w->len && strncasecmp(w->word, name, w->len) == 0;
}

/* A number of one or two digits; how many of ${len} bytes it has, 0: none. */
static size_t
take_number(const char *text, size_t len, unsigned *ret)
{
    size_t n = 0;

    *ret = 0;
    while (n < len && n < 2 && isdigit((unsigned char)text[n])) {
        *ret = *ret * 10 + (unsigned)(text[n++] - '0');
    }
    return n;
}

/* "HH:MM" */
static bool
take_time(const struct words *w, unsigned *ret)
{
    unsigned hour;
    unsigned minute;
    size_t n = take_number(w->word, w->len, &hour);

    if (n == 0 || n >= w->len || w->word[n] != ':' || w->len - n - 1 != 2 ||
        take_number(w->word + n + 1, 2, &minute) != 2 || hour > 23 || minute > 59) {
        return false;
    }
    *ret = hour * 60 + minute;
    return true;
}

static enum vv_rc
refuse(const struct words *w, const char *wanted, struct vv_error *err)
{
    if (w->len == 0) {
        return vv_error_set(err, VV_EUSAGE, "something is missing: %s", wanted);
    }
    return vv_error_set(err, VV_EUSAGE, "'%.*s' is not %s", (int)(w->len < 100 ? w->len : 100),
                        w->word, wanted);
}

/* ---- grammar ---- */

static enum vv_rc
add_time(struct schedule *s, unsigned time, struct vv_error *err)
{
    unsigned at = s->time_count;

    while (at > 0 && s->times[at - 1] > time) {
        at--;
    }
    if (at > 0 && s->times[at - 1] == time) {
        return vv_error_set(err, VV_EUSAGE, "%02u:%02u is there twice", time / 60, time % 60);
    }
    if (s->time_count == SCHEDULE_TIMES_MOST) {
        return vv_error_set(err, VV_EUSAGE, "these are more than %u times of day",
                            SCHEDULE_TIMES_MOST);
    }
    memmove(s->times + at + 1, s->times + at, (s->time_count - at) * sizeof(s->times[0]));
    s->times[at] = (uint16_t)time;
    s->time_count++;
    return VV_OK;
}

/* All that is left; midnight if that is nothing. */
static enum vv_rc
parse_times(struct words *w, struct schedule *s, const char *wanted, struct vv_error *err)
{
    unsigned time;

    for (; w->len > 0; next_word(w)) {
        if (!take_time(w, &time)) {
            return refuse(w, wanted, err);
        }
        VV_TRY(add_time(s, time, err));
    }
    return s->time_count == 0 ? add_time(s, 0, err) : VV_OK;
}

static enum vv_rc
parse_hourly(struct words *w, struct schedule *s, struct vv_error *err)
{
    unsigned minute;

    s->cycle = SCHEDULE_HOURLY;
    for (; w->len > 0; next_word(w)) {
        if (w->len != 3 || w->word[0] != ':' || take_number(w->word + 1, 2, &minute) != 2 ||
            minute > 59) {
            return refuse(w, "minutes of the hour such as :15", err);
        }
        s->minutes |= UINT64_C(1) << minute;
    }
    if (s->minutes == 0) {
        s->minutes = 1;
    }
    return VV_OK;
}

static enum vv_rc
parse_every(struct words *w, struct schedule *s, struct vv_error *err)
{
    static const char wanted[] = "1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 minutes, or 1, 2, 3, 4, "
                                 "6, 8 or 12 hours, such as 15min or 6h";
    unsigned n;
    size_t digits = take_number(w->word, w->len, &n);
    struct words unit = {.word = w->word + digits, .len = w->len - digits};
    bool minutes = is_word(&unit, "min") || is_word(&unit, "m");

    if (digits == 0 || n == 0 || (!minutes && !is_word(&unit, "h")) ||
        (minutes ? n > 30 || 60 % n != 0 : n > 12 || 24 % n != 0)) {
        return refuse(w, wanted, err);
    }
    next_word(w);
    if (w->len > 0) {
        return refuse(w, "needed: nothing follows after 'every'", err);
    }
    s->cycle = minutes || n == 1 ? SCHEDULE_HOURLY : SCHEDULE_DAILY;
    if (!minutes && n == 1) {
        s->minutes = 1;
    }
    for (unsigned at = 0; minutes && at < 60; at += n) {
        s->minutes |= UINT64_C(1) << at;
    }
    for (unsigned at = 0; s->cycle == SCHEDULE_DAILY && at < 24; at += n) {
        VV_TRY(add_time(s, at * 60, err));
    }
    return VV_OK;
}

static enum vv_rc
parse_weekly(struct words *w, struct schedule *s, struct vv_error *err)
{
    s->cycle = SCHEDULE_WEEKLY;
    for (; w->len > 0; next_word(w)) {
        unsigned day = 0;
        while (day < 7 && !is_word(w, day_names[day]) &&
               (w->len != 3 || strncasecmp(w->word, day_names[day], 3) != 0)) {
            day++;
        }
        if (day == 7) {
            break;
        }
        s->days |= UINT32_C(1) << day;
    }
    if (s->days == 0) {
        return refuse(w, "a day of the week, such as sunday", err);
    }
    return parse_times(w, s, "a day of the week or a time such as 03:00", err);
}

static enum vv_rc
parse_monthly(struct words *w, struct schedule *s, struct vv_error *err)
{
    unsigned day;

    s->cycle = SCHEDULE_MONTHLY;
    for (; w->len > 0 && memchr(w->word, ':', w->len) == NULL; next_word(w)) {
        if (take_number(w->word, w->len, &day) != w->len || day < 1 || day > LAST_DAY) {
            return refuse(w, "a day that every month has, 1 to 28, or a time such as 03:00", err);
        }
        s->days |= UINT32_C(1) << day;
    }
    if (s->days == 0) {
        s->days = UINT32_C(1) << 1;
    }
    return parse_times(w, s, "a time such as 03:00", err);
}

enum vv_rc
schedule_parse(const char *text, struct schedule *ret, struct vv_error *err)
{
    struct words w = {.at = text};
    struct words first;
    struct schedule s = {0};

    next_word(&w);
    first = w;
    next_word(&w);
    if (is_word(&first, "hourly")) {
        VV_TRY(parse_hourly(&w, &s, err));
    } else if (is_word(&first, "every")) {
        VV_TRY(parse_every(&w, &s, err));
    } else if (is_word(&first, "daily")) {
        s.cycle = SCHEDULE_DAILY;
        VV_TRY(parse_times(&w, &s, "a time such as 02:30", err));
    } else if (is_word(&first, "weekly")) {
        VV_TRY(parse_weekly(&w, &s, err));
    } else if (is_word(&first, "monthly")) {
        VV_TRY(parse_monthly(&w, &s, err));
    } else {
        return refuse(&first, "hourly, daily, weekly, monthly or every", err);
    }
    *ret = s;
    return VV_OK;
}

/* ---- distances ---- */

/* Of the runs in a cycle of so many days, and from its last one to the first of the next. */
static uint64_t
distance(const struct schedule *s, unsigned cycle_days, bool longest)
{
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    uint64_t best = longest ? 0 : UINT64_MAX;

    for (unsigned minute = 0; minute < cycle_days * MINUTES_A_DAY; minute++) {
        unsigned day = minute / MINUTES_A_DAY + (s->cycle == SCHEDULE_MONTHLY ? 1 : 0);
        bool due = s->cycle == SCHEDULE_HOURLY && (s->minutes >> (minute % 60) & 1) != 0;
        for (unsigned i = 0; i < s->time_count && !due; i++) {
            due = s->times[i] == minute % MINUTES_A_DAY &&
                  (s->cycle == SCHEDULE_DAILY || (s->days >> day & 1) != 0);
        }
        if (due) {
            uint64_t gap = minute - last;
            if (first == UINT64_MAX) {
                first = minute;
            } else if (longest ? gap > best : gap < best) {
                best = gap;
            }
            last = minute;
        }
    }
    first += (uint64_t)cycle_days * MINUTES_A_DAY - last;
    return 60 * ((longest ? first > best : first < best) ? first : best);
}

uint64_t
schedule_longest(const struct schedule *s)
{
    return distance(s,
                    s->cycle == SCHEDULE_MONTHLY  ? 31
                    : s->cycle == SCHEDULE_WEEKLY ? 7
                                                  : 1,
                    true);
}

uint64_t
schedule_shortest(const struct schedule *s)
{
    return distance(s,
                    s->cycle == SCHEDULE_MONTHLY  ? 28
                    : s->cycle == SCHEDULE_WEEKLY ? 7
                                                  : 1,
                    false);
}

/* ---- for systemd and cron ---- */

/* "00,15,30,45", each with so many digits; "*" for all of them. */
static void
put_minutes(uint64_t minutes, int digits, struct vv_buf *out)
{
    const char *comma = "";

    if (minutes == EVERY_MINUTE) {
        vv_buf_put_text(out, "*");
        return;
    }
    for (unsigned i = 0; i < 60; i++) {
        if ((minutes >> i & 1) != 0) {
            vv_buf_printf(out, "%s%0*u", comma, digits, i);
            comma = ",";
        }
    }
}

/* The hours of the times with this minute. */
static void
put_hours(const struct schedule *s, unsigned minute, int digits, struct vv_buf *out)
{
    const char *comma = "";

    for (unsigned i = 0; i < s->time_count; i++) {
        if (s->times[i] % 60 == minute) {
            vv_buf_printf(out, "%s%0*u", comma, digits, s->times[i] / 60u);
            comma = ",";
        }
    }
}

/* Days of the week by name, or days of the month. */
static void
put_days(const struct schedule *s, bool names, int digits, struct vv_buf *out)
{
    const char *comma = "";

    for (unsigned i = 0; i <= LAST_DAY; i++) {
        if ((s->days >> i & 1) == 0) {
            continue;
        }
        if (names) {
            vv_buf_printf(out, "%s%c%.2s", comma, toupper((unsigned char)day_names[i][0]),
                          day_names[i] + 1);
        } else {
            vv_buf_printf(out, "%s%0*u", comma, digits, i);
        }
        comma = ",";
    }
}

/* Neither can say "02:30 and 14:45" at once: an expression for each minute that occurs. */
static uint64_t
minutes_of_times(const struct schedule *s)
{
    uint64_t minutes = 0;

    for (unsigned i = 0; i < s->time_count; i++) {
        minutes |= UINT64_C(1) << (s->times[i] % 60);
    }
    return minutes;
}

void
schedule_calendar(const struct schedule *s, struct vv_buf *out)
{
    uint64_t minutes = minutes_of_times(s);

    if (s->cycle == SCHEDULE_HOURLY) {
        vv_buf_put_text(out, "*-*-* *:");
        put_minutes(s->minutes, 2, out);
        vv_buf_put_text(out, ":00\n");
        return;
    }
    for (unsigned minute = 0; minute < 60; minute++) {
        if ((minutes >> minute & 1) == 0) {
            continue;
        }
        if (s->cycle == SCHEDULE_WEEKLY) {
            put_days(s, true, 0, out);
            vv_buf_put_text(out, " ");
        }
        vv_buf_put_text(out, "*-*-");
        if (s->cycle == SCHEDULE_MONTHLY) {
            put_days(s, false, 2, out);
        } else {
            vv_buf_put_text(out, "*");
        }
        vv_buf_put_text(out, " ");
        put_hours(s, minute, 2, out);
        vv_buf_printf(out, ":%02u:00\n", minute);
    }
}

void
schedule_crontab(const struct schedule *s, struct vv_buf *out)
{
    uint64_t minutes = minutes_of_times(s);

    if (s->cycle == SCHEDULE_HOURLY) {
        put_minutes(s->minutes, 1, out);
        vv_buf_put_text(out, " * * * *\n");
        return;
    }
    for (unsigned minute = 0; minute < 60; minute++) {
        if ((minutes >> minute & 1) == 0) {
            continue;
        }
        vv_buf_printf(out, "%u ", minute);
        put_hours(s, minute, 1, out);
        vv_buf_put_text(out, " ");
        if (s->cycle == SCHEDULE_MONTHLY) {
            put_days(s, false, 1, out);
        } else {
            vv_buf_put_text(out, "*");
        }
        vv_buf_put_text(out, " * ");
        if (s->cycle == SCHEDULE_WEEKLY) {
            put_days(s, false, 1, out);
        } else {
            vv_buf_put_text(out, "*");
        }
        vv_buf_put_text(out, "\n");
    }
}
