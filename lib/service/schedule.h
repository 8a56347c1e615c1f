/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_SCHEDULE_H
#define VARVE_SERVICE_SCHEDULE_H

#include "core/bytes.h"

/*
 * When a job is run:
 *
 *   hourly [:MM...]                   at these minutes of every hour; at the full hour
 *   every Nmin | every Nh             what divides an hour or a day evenly: 1, 2, 3, 4, 5, 6, 10, 12, 15,
 *                                     20, 30 minutes; 1, 2, 3, 4, 6, 8, 12 hours
 *   daily [HH:MM...]                  at midnight, if no time is given
 *   weekly DAY... [HH:MM...]          DAY: sunday to saturday, or its first three letters
 *   monthly [N...] [HH:MM...]         on these days, 1 to 28 (further ones not every month has); on the first
 *
 * That is what systemd's timers and cron can both say, with the same meaning.  A weekly one needs its day,
 * since what 'weekly' alone means they do not agree on.
 *
 * Times are local.  One that does not exist on a day, since the clock goes forward, is left out that day;
 * one that comes twice, since it goes back, counts when it comes first: so do systemd's timers.
 */
#define SCHEDULE_TIMES_MOST 24u

enum schedule_cycle { SCHEDULE_HOURLY, SCHEDULE_DAILY, SCHEDULE_WEEKLY, SCHEDULE_MONTHLY };
struct schedule {
    enum schedule_cycle cycle;
    uint64_t minutes;                    /* hourly: bit 0 to 59 */
    uint32_t days;                       /* weekly: bit 0 is Sunday; monthly: bit 1 to 28 */
    uint16_t times[SCHEDULE_TIMES_MOST]; /* but hourly: minutes of the day, ascending */
    unsigned time_count;
};

/** schedule_parse(text, ret, err): VV_EUSAGE, and what is wanted, if it is none. */
MUST_CHECK enum vv_rc schedule_parse(const char *text, struct schedule *ret, struct vv_error *err);
/** schedule_next(s, now): the first run at ${now} or later; schedule_previous: the last one before ${now}.
 *  Nanoseconds since 1970; INT64_MAX and INT64_MIN if there is none within a year. */
int64_t schedule_next(const struct schedule *s, int64_t now);
int64_t schedule_previous(const struct schedule *s, int64_t now);
/** schedule_longest(s), schedule_shortest(s): how far two runs in succession are apart, in seconds; where the
 *  clock is not changed between them. */
uint64_t schedule_longest(const struct schedule *s);
uint64_t schedule_shortest(const struct schedule *s);
/** schedule_calendar(s, out): as for OnCalendar= of systemd.timer(5), one line or several; schedule_crontab:
 *  the five fields of crontab(5). */
void schedule_calendar(const struct schedule *s, struct vv_buf *out);
void schedule_crontab(const struct schedule *s, struct vv_buf *out);

#endif
