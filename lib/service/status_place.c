/* SPDX-License-Identifier: BSD-2-Clause */
/* How a job is doing: its repository, and its copies. */
#include <stdio.h>

#include "core/text.h"
#include "service/status_internal.h"

#define DAY (INT64_C(24) * 3600 * STATUS_SECOND)
#define FORESEEABLE (400 * DAY)

static void
judge_reach(struct judging *k, const struct status_place *p)
{
    char ago[32];

    if (p->reach == STATUS_UNUSABLE) {
        status_find(k, STATUS_CRITICAL, "reach", p->name, "cannot be used: %s", p->why);
    } else if (p->reach == STATUS_AWAY && p->known == 0) {
        status_find(k, STATUS_UNKNOWN, "reach", p->name,
                    "no answer, and nothing is known of it: %s", p->why);
    } else if (p->reach == STATUS_AWAY) {
        status_find(k, STATUS_WARNING, "reach", p->name,
                    "no answer (%s); what follows was known %s ago", p->why,
                    status_age(k->job->now - p->known, ago));
    }
}

/* The newest snapshot, here or in a copy. */
static void
judge_age(struct judging *k, const struct status_place *p)
{
    const struct status_job *j = k->job;
    bool own = p == j->places;
    const char *topic = own ? "snapshot" : "copy";
    int64_t most = j->rules.age_most;
    char ago[32];
    char limit[32];
    char behind[64] = "";

    if (p->newest == 0) {
        status_find(k, STATUS_CRITICAL, topic, p->name, "there is no snapshot of this job%s",
                    p->reach != STATUS_REACHED ? " as far as is known" : "");
        return;
    }
    if (p->newest > j->now + STATUS_SKEW) {
        status_find(k, STATUS_WARNING, topic, p->name,
                    "the newest snapshot is of the future: a clock is, or was, wrong");
        return;
    }
    if (!own && p->newest < j->places[0].newest) {
        (void)snprintf(behind, sizeof(behind), ", %s behind",
                       status_age(j->places[0].newest - p->newest, ago));
    }
    status_age(j->now - p->newest, ago);
    if (most != 0 && j->now - p->newest > most) {
        status_find(k, STATUS_CRITICAL, topic, p->name,
                    "the newest snapshot is %s old, more than %s%s", ago, status_age(most, limit),
                    behind);
    } else {
        status_find(k, STATUS_OK, topic, p->name, "the newest of %llu snapshot%s is %s old%s",
                    (unsigned long long)p->snapshots, p->snapshots == 1 ? "" : "s", ago, behind);
    }
}

static void
judge_full(struct judging *k, const struct status_place *p)
{
    int64_t most = k->job->rules.full_age_most;
    char ago[32];
    char limit[32];

    if (p->newest_full == 0) {
        if (most != 0) {
            status_find(k, STATUS_WARNING, "full", p->name, "there is no full snapshot");
        }
        return;
    }
    if (p->newest_full > k->job->now + STATUS_SKEW) {
        return; /* judge_age has told it of the newest one */
    }
    status_age(k->job->now - p->newest_full, ago);
    if (most != 0 && k->job->now - p->newest_full > most) {
        status_find(k, STATUS_WARNING, "full", p->name,
                    "the last full snapshot is %s old, more than %s", ago, status_age(most, limit));
    } else {
        status_find(k, STATUS_OK, "full", p->name, "the last full snapshot is %s old", ago);
    }
}

static void
judge_records(struct judging *k, const struct status_place *p)
{
    if (p->forged) {
        status_find(k, STATUS_CRITICAL, "records", p->name,
                    "records are missing or forged: 'varve -r %s snapshots' tells more", p->name);
    }
    if (p->damaged > 0) {
        status_find(k, STATUS_CRITICAL, "records", p->name,
                    "%llu damaged record%s: 'varve -r %s repair'", (unsigned long long)p->damaged,
                    p->damaged == 1 ? "" : "s", p->name);
    }
    if (p->marked > 0) {
        status_find(
            k, STATUS_CRITICAL, "marked", p->name,
            "%llu snapshot%s with far more changes than usual; if they are meant, 'varve -r %s "
            "snapshots --accept'",
            (unsigned long long)p->marked, p->marked == 1 ? "" : "s", p->name);
    }
}

/* What was read longest ago; and what never was, which is read first: if nothing was for so long, or ever. */
static bool
is_unread_for(const struct status_place *p, int64_t now, int64_t most)
{
    int64_t waits_since = p->last_read != 0 ? p->last_read : p->oldest;

    return (p->oldest_read != 0 && now - p->oldest_read > most) ||
           p->last_read > now + STATUS_SKEW ||
           (p->never_read > 0 && waits_since != 0 && now - waits_since > most);
}

static void
judge_read_back(struct judging *k, const struct status_place *p)
{
    int64_t most = k->job->rules.unread_age_most;
    unsigned percent =
        p->bytes > 0 ? (unsigned)((double)p->bytes_recent * 100 / (double)p->bytes) : 100;
    char ago[32] = "";
    bool late = most != 0 && is_unread_for(p, k->job->now, most);

    if (p->never_read > 0) {
        status_find(k, late ? STATUS_WARNING : STATUS_OK, "read-back", p->name,
                    "%u %% was read back in the last 30 days; never: %llu object%s", percent,
                    (unsigned long long)p->never_read, p->never_read == 1 ? "" : "s");
    } else if (p->oldest_read != 0) {
        status_find(k, late ? STATUS_WARNING : STATUS_OK, "read-back", p->name,
                    "%u %% was read back in the last 30 days, all of it in %s", percent,
                    status_age(k->job->now - p->oldest_read, ago));
    }
}

static void
judge_space(struct judging *k, const struct status_place *p)
{
    int64_t least = k->job->rules.space_least;
    double share = p->space_total > 0 ? (double)p->space_free / (double)p->space_total : 1;
    bool falls = p->space_lasts >= 0;
    enum status_level level = STATUS_OK;
    char size[32];
    char lasts[48] = "";
    char until[32];

    if (!p->space_known) {
        return;
    }
    vv_text_size(p->space_free, size);
    if (falls && p->space_lasts < FORESEEABLE) {
        (void)snprintf(lasts, sizeof(lasts), ", at the present growth for %s",
                       status_age(p->space_lasts, until));
    }
    if (share < 0.01 || (falls && least != 0 && p->space_lasts < least / 7)) {
        level = STATUS_CRITICAL;
    } else if (share < 0.05 || (falls && least != 0 && p->space_lasts < least)) {
        level = STATUS_WARNING;
    }
    status_find(k, level, "space", p->name, "%s free, %.0f %%%s", size, share * 100, lasts);
}

void
status_judge_place(struct judging *k, const struct status_place *p)
{
    judge_reach(k, p);
    if (p->known == 0) {
        return;
    }
    if (k->job->has_source) {
        judge_age(k, p);
    }
    if (k->job->has_source && p == k->job->places) {
        judge_full(k, p);
    }
    judge_records(k, p);
    judge_read_back(k, p);
    judge_space(k, p);
}

int64_t
status_space_lasts(const struct status_sample *samples, size_t count, int64_t now)
{
    double t0;
    double st = 0, sf = 0, stt = 0, stf = 0;
    double slope;
    double level;
    double n = (double)count;
    double lasts;
    int64_t first = INT64_MAX;
    int64_t last = INT64_MIN;

    for (size_t i = 0; i < count; i++) {
        first = samples[i].time < first ? samples[i].time : first;
        last = samples[i].time > last ? samples[i].time : last;
    }
    if (count < 2 || last - first < DAY) {
        return -1;
    }
    t0 = (double)now / (double)STATUS_SECOND;
    for (size_t i = 0; i < count; i++) {
        double t = (double)samples[i].time / (double)STATUS_SECOND - t0;
        double f = (double)samples[i].free_bytes;
        st += t;
        sf += f;
        stt += t * t;
        stf += t * f;
    }
    slope = (n * stf - st * sf) / (n * stt - st * st);
    level = (sf - slope * st) / n; /* at t = 0: now */
    if (slope >= 0) {
        return -1;
    }
    lasts = level > 0 ? level / -slope : 0;
    return lasts < 3e9 ? (int64_t)(lasts * (double)STATUS_SECOND) : -1;
}
