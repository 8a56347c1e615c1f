/* SPDX-License-Identifier: BSD-2-Clause */
/* When a watched job makes a snapshot (P1 to P4). */
#include "service/watch_pace.h"

#include <time.h>

#define SECOND UINT64_C(1000000000)
#define RETRY_MOST (300 * SECOND)
#define FORGET_EVERY (3600 * SECOND)
#define SLOT_LOOK (60 * SECOND) /* the clock may be set: how often it is looked at at least */
#define DAY ((int64_t)SECOND * 86400)
#define DAY_MOST ((int64_t)SECOND * 26 * 3600) /* the longest one */

/** The next time after ${real} that the local clock shows the minute of the day ${slot}. */
static int64_t
next_slot(unsigned slot, int64_t real)
{
    time_t now = (time_t)(real / (int64_t)SECOND);
    struct tm t = {0};

    if (localtime_r(&now, &t) == NULL) {
        return real + DAY;
    }
    for (int day = 0; day < 3; day++) {
        struct tm at = t;
        time_t when;
        at.tm_mday += day;
        at.tm_hour = (int)slot / 60;
        at.tm_min = (int)slot % 60;
        at.tm_sec = 0;
        at.tm_isdst = -1;
        when = mktime(&at);
        if (when > now) {
            return (int64_t)when * (int64_t)SECOND;
        }
    }
    return real + DAY;
}

static void
set_slot(struct watch_pace *p, int64_t real)
{
    p->slot_at = next_slot(p->settings.slot, real);
    p->slot_asked_at = real;
}

void
watch_pace_begin(struct watch_pace *p, const struct watch_pace_settings *settings, uint64_t now,
                 int64_t real)
{
    *p = (struct watch_pace){.settings = *settings, .whole = true};
    p->first = now;
    p->last = now;
    set_slot(p, real);
}

void
watch_pace_changed(struct watch_pace *p, uint64_t now)
{
    if (!p->changed) {
        p->changed = true;
        p->first = now;
    }
    p->last = now;
}

void
watch_pace_whole(struct watch_pace *p, uint64_t now)
{
    p->whole = true;
    watch_pace_changed(p, now);
}

void
watch_pace_blind(struct watch_pace *p, bool blind)
{
    p->blind = blind;
}

/** The daily slot, if it is there; a clock that was set back does not put it off by more than a day. */
static void
look_at_clock(struct watch_pace *p, int64_t real)
{
    if (real >= p->slot_at) {
        p->whole = true;
        p->daily = true;
        set_slot(p, real);
    } else if (p->slot_at - real > DAY_MOST || real < p->slot_asked_at) {
        set_slot(p, real);
    }
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/** When the next snapshot is due; UINT64_MAX: none is. */
static uint64_t
due_at(const struct watch_pace *p)
{
    uint64_t due = UINT64_MAX;

    if (p->changed) {
        due = earlier(p->last + p->settings.quiet, p->first + p->settings.delay);
    } else if (p->whole) {
        due = 0;
    }
    if (p->blind) {
        due = earlier(due, p->whole_done + p->settings.blind);
    }
    return p->failures > 0 && due < p->retry_at ? p->retry_at : due;
}

struct watch_step
watch_pace_next(struct watch_pace *p, uint64_t now, int64_t real)
{
    uint64_t until_slot;
    uint64_t due;

    look_at_clock(p, real);
    due = due_at(p);
    if (due <= now) {
        bool blind = p->blind && p->whole_done + p->settings.blind <= now;
        return (struct watch_step){
            .action = WATCH_SNAPSHOT, .whole = p->whole || blind, .daily = p->daily};
    }
    if (p->settings.may_forget && p->made > 0 &&
        (!p->forgot || now - p->forgot_at >= FORGET_EVERY)) {
        return (struct watch_step){.action = WATCH_FORGET};
    }
    until_slot = earlier((uint64_t)(p->slot_at - real), SLOT_LOOK);
    return (struct watch_step){.action = WATCH_WAIT, .wait = earlier(due - now, until_slot)};
}

void
watch_pace_began(struct watch_pace *p)
{
    p->changed = false;
    p->whole = false;
    p->daily = false;
}

void
watch_pace_ended(struct watch_pace *p, const struct watch_step *step, bool made, uint64_t now,
                 int64_t real)
{
    p->failures = 0;
    p->made += made ? 1 : 0;
    if (step->whole) {
        p->whole_done = now;
    }
    look_at_clock(p, real);
}

void
watch_pace_put_off(struct watch_pace *p, const struct watch_step *step, bool failed, uint64_t now)
{
    uint64_t wait = SECOND << (p->failures < 9 ? p->failures : 9);

    if (failed) {
        p->failures++;
        p->retry_at = now + earlier(wait, RETRY_MOST);
    }
    p->whole = p->whole || step->whole;
    p->daily = p->daily || step->daily;
    watch_pace_changed(p, now);
}

void
watch_pace_forgot(struct watch_pace *p, uint64_t now)
{
    p->made = 0;
    p->forgot = true;
    p->forgot_at = now;
}

bool
watch_pace_unsaved(const struct watch_pace *p)
{
    return p->changed || p->whole;
}
