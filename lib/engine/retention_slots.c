/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots: of each period that has any, the newest snapshot; of the periods, the newest n. */
#include <stdlib.h>

#include "engine/retention_internal.h"

#define NS_PER_MINUTE INT64_C(60000000000)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)

static int64_t
floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/** Year and month of a day since 1970 in the Gregorian calendar, as year * 12 + month (0 to 11). */
static int64_t
month_of(int64_t day)
{
    /* Years begin in March, so that the leap day is the last; eras of 400 years have equal lengths. */
    int64_t shifted = day + 719468;
    int64_t era = floor_divide(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0: March */

    return (era * 400 + year_of_era) * 12 + month + 2;
}

/** Which slot of a rule the snapshot falls into.  K3 */
static int64_t
period_of(enum retention_rule rule, const struct chain_item *it)
{
    switch (rule) {
    case RETENTION_MINUTELY:
        return floor_divide(it->snapshot->time, NS_PER_MINUTE);
    case RETENTION_HOURLY:
        return floor_divide(it->snapshot->time, NS_PER_HOUR);
    case RETENTION_DAILY:
        return it->day;
    case RETENTION_WEEKLY:
        return floor_divide(it->day + 3, 7); /* 1970 began on a Thursday */
    case RETENTION_MONTHLY:
        return month_of(it->day);
    case RETENTION_YEARLY:
        return floor_divide(month_of(it->day), 12);
    case RETENTION_LAST:
    case RETENTION_RULES:
        break;
    }
    return 0;
}

/* By group; newest period first; in it the newest snapshot first. */
static int
compare_candidates(const void *a, const void *b)
{
    const struct slot_candidate *x = a;
    const struct slot_candidate *y = b;

    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->period != y->period) {
        return x->period > y->period ? -1 : 1;
    }
    if (x->item->snapshot->time != y->item->snapshot->time) {
        return x->item->snapshot->time > y->item->snapshot->time ? -1 : 1;
    }
    return x->index > y->index ? -1 : x->index < y->index;
}

static void
fill_rule(struct slot_candidate *c, size_t count, enum retention_rule rule, uint32_t most,
          struct retention_verdict *verdicts)
{
    uint32_t filled = 0;

    for (size_t i = 0; i < count; i++) {
        c[i].period = period_of(rule, c[i].item);
    }
    qsort(c, count, sizeof(*c), compare_candidates);
    for (size_t i = 0; i < count; i++) {
        bool same_group = i > 0 && c[i].group == c[i - 1].group;
        bool same_slot = same_group && rule != RETENTION_LAST && c[i].period == c[i - 1].period;
        filled = same_group ? filled : 0;
        if (!same_slot && filled < most) {
            filled++;
            verdicts[c[i].index].reasons |= 1u << rule;
        }
    }
}

/** K4.  The candidates of a group are in the order of their times. */
static void
fill_within(struct slot_candidate *c, size_t count, int64_t within,
            struct retention_verdict *verdicts)
{
    int64_t newest = 0;

    for (size_t i = 0; i < count; i++) {
        c[i].period = 0;
    }
    qsort(c, count, sizeof(*c), compare_candidates);
    for (size_t i = 0; i < count; i++) {
        int64_t time = c[i].item->snapshot->time;
        int64_t age;
        if (i == 0 || c[i].group != c[i - 1].group) {
            newest = time;
        }
        if (!__builtin_sub_overflow(newest, time, &age) && age <= within) {
            verdicts[c[i].index].reasons |= KEPT_WITHIN;
        }
    }
}

void
slots_fill(struct slot_candidate *candidates, size_t count, const struct retention_policy *policy,
           struct retention_verdict *verdicts)
{
    if (count == 0) {
        return;
    }
    for (unsigned rule = 0; rule < RETENTION_RULES; rule++) {
        if (policy->keep[rule] > 0) {
            fill_rule(candidates, count, (enum retention_rule)rule, policy->keep[rule], verdicts);
        }
    }
    if (policy->within > 0) {
        fill_within(candidates, count, policy->within, verdicts);
    }
}
