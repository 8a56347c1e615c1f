/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of snapshots made up by hand, for tests of what a policy keeps. */
#ifndef VARVE_TESTS_HELPER_RETENTION_H
#define VARVE_TESTS_HELPER_RETENTION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/retention.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/** Texts and sources the made-up snapshots may have; they own nothing. */
struct past {
    struct snapshot_list list;
    struct snapshot snapshots[512];
    struct snapshot forgotten[16];
    struct vv_buf sources[512][2];
    char *tags[512][2];
    struct retention result;
    struct retention_policy policy;
    const struct retention_filter *filter;
    int64_t now;
};
/** past_begin(p), past_end(p): an empty one, now 2026-07-01 12:00 UTC, grouped by host and paths. */
void past_begin(struct past *p);
void past_end(struct past *p);
/** past_add(p, client, time): the next snapshot of client number ${client}, host "a", source "/srv",
 *  zone 0, nothing changed in it, 1000 files. */
struct snapshot *past_add(struct past *p, uint8_t client, int64_t time);
void past_source(struct past *p, struct snapshot *s, const char *source);
void past_tag(struct past *p, struct snapshot *s, const char *tag);
/** past_changed(p, s, changed): so many of the 1000 files. */
void past_changed(struct snapshot *s, uint64_t changed);
/** past_listed(p, s, when), past_pin(p, s, until), past_accept(p, s): as the administrator would. */
void past_listed(struct past *p, const struct snapshot *s, int64_t when);
void past_pin(struct past *p, const struct snapshot *s, int64_t until);
void past_accept(struct past *p, const struct snapshot *s);
/** past_judge(p): by p->policy.  Snapshots must not be added afterwards. */
void past_judge(struct past *p);
/** past_kept(p): how many are kept.  past_reasons(p, s): of one of the list. */
size_t past_kept(const struct past *p);
unsigned past_reasons(const struct past *p, const struct snapshot *s);
/** utc(year, month, day, hour, minute): ns since 1970. */
int64_t utc(int year, int month, int day, int hour, int minute);

#endif
