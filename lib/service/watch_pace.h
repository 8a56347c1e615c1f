/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_WATCH_PACE_H
#define VARVE_SERVICE_WATCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a watched job makes a snapshot, and of what kind: decisions only, on times that are given.
 *
 * P1  a change is in a snapshot begun at the latest `delay` after it was seen, or as soon as the one that
 *     was going on, or the trouble that kept it from being made, is over; earlier if for `quiet` there
 *     was no other.
 * P2  a whole walk is due at the beginning, when something says so, and once a day at `slot`, whatever
 *     the clock did meanwhile; where changes cannot be told (blind), every `blind`.
 * P3  after a failure the next attempt waits: a second, doubled each time, at most five minutes; what
 *     was to be saved stays so.
 * P4  forgetting comes at most once an hour, and only if snapshots were made since the last time.
 */
struct watch_pace_settings {
    uint64_t quiet;  /* ns */
    uint64_t delay;  /* ns */
    uint64_t blind;  /* ns */
    unsigned slot;   /* minute of the local day */
    bool may_forget; /* there are rules for it */
};
enum watch_action { WATCH_WAIT, WATCH_SNAPSHOT, WATCH_FORGET };
struct watch_step {
    enum watch_action action;
    bool whole;    /* look at everything */
    bool daily;    /* make a snapshot even if nothing has changed */
    uint64_t wait; /* WATCH_WAIT: ns, unless something comes before */
};
struct watch_pace {
    struct watch_pace_settings settings;
    bool changed; /* since `first`, last at `last`, something is not saved */
    uint64_t first;
    uint64_t last;
    bool whole; /* something calls for a whole walk */
    bool daily; /* it is the day's */
    bool blind;
    uint64_t whole_done;   /* monotonic: end of the last one */
    int64_t slot_at;       /* real: when the next daily one is due */
    int64_t slot_asked_at; /* real: when that was computed */
    uint64_t retry_at;
    unsigned failures; /* in a row */
    unsigned made;     /* snapshots since the last forget */
    bool forgot;
    uint64_t forgot_at;
};

/** watch_pace_begin(p, settings, now, real): monotonic and real time, ns: a whole walk is due. */
void watch_pace_begin(struct watch_pace *p, const struct watch_pace_settings *settings,
                      uint64_t now, int64_t real);
/** watch_pace_changed(p, now): something has changed.  watch_pace_whole(p): nobody knows what. */
void watch_pace_changed(struct watch_pace *p, uint64_t now);
void watch_pace_whole(struct watch_pace *p, uint64_t now);
/** watch_pace_blind(p, blind): changes cannot be told any more, or again. */
void watch_pace_blind(struct watch_pace *p, bool blind);
/** watch_pace_next(p, now, real): what is to be done. */
struct watch_step watch_pace_next(struct watch_pace *p, uint64_t now, int64_t real);
/** watch_pace_began(p): the snapshot of the last step begins: changes from now on are the next one's. */
void watch_pace_began(struct watch_pace *p);
/** watch_pace_ended(p, step, made, now, real): it has ended well; ${made}: there is a new snapshot. */
void watch_pace_ended(struct watch_pace *p, const struct watch_step *step, bool made, uint64_t now,
                      int64_t real);
/** watch_pace_put_off(p, step, failed, now): it was not made: what was to be saved stays so.  ${failed}: P3. */
void watch_pace_put_off(struct watch_pace *p, const struct watch_step *step, bool failed,
                        uint64_t now);
/** watch_pace_forgot(p, now): forgetting was tried. */
void watch_pace_forgot(struct watch_pace *p, uint64_t now);
/** watch_pace_unsaved(p): is there anything to save? */
bool watch_pace_unsaved(const struct watch_pace *p);

#endif
