/* SPDX-License-Identifier: BSD-2-Clause */
/* How a job is doing: judging what is known. */
#include "service/exit_codes.h"
#include "service/status_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define FINDINGS_OF_JOB 5u

enum status_level
status_worse(enum status_level a, enum status_level b)
{
    static const int rank[] = {
        [STATUS_OK] = 0, [STATUS_UNKNOWN] = 1, [STATUS_WARNING] = 2, [STATUS_CRITICAL] = 3};

    return rank[a] >= rank[b] ? a : b;
}

const char *
status_level_name(enum status_level l)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

    return names[l];
}

/* There is room for all that can be found. */
void
status_find(struct judging *k, enum status_level level, const char *topic, const char *place,
            const char *fmt, ...)
{
    struct status_report *r = k->report;
    char text[512];
    char *copy;
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    copy = vv_arena_copy(&r->arena, text, strlen(text));
    k->failed = k->failed || copy == NULL;
    r->findings[r->count++] = (struct status_finding){level, topic, place, copy};
    r->level = status_worse(r->level, level);
}

const char *
status_age(int64_t ns, char out[32])
{
    vv_text_duration(ns > 0 ? (uint64_t)(ns / STATUS_SECOND) : 0, out);
    return out;
}

/* ---- the job ---- */

static void
judge_last_run(struct judging *k)
{
    const struct status_run *r = &k->job->last;
    int64_t most = k->job->rules.age_most;
    bool late = most != 0 && !k->job->only_watched && k->job->now - r->ended > most;
    char ago[32];
    char limit[32];

    status_age(k->job->now - r->ended, ago);
    if (r->exit_code == 0 && r->ended > k->job->now + STATUS_SKEW) {
        status_find(k, STATUS_WARNING, "run", "",
                    "the last run is of the future: a clock is, or was, wrong");
    } else if (r->exit_code == 0 && late) {
        status_find(k, STATUS_WARNING, "run", "",
                    "the last run on record ended well, but %s ago, more than %s", ago,
                    status_age(k->job->rules.age_most, limit));
    } else if (r->exit_code == 0) {
        status_find(k, STATUS_OK, "run", "", "the last run ended well %s ago", ago);
    } else if (r->exit_code == CODE_PROBLEMS) {
        status_find(k, STATUS_WARNING, "run", "", "the last run, %s ago, had problems%s%s", ago,
                    r->failed[0] != '\0' ? ": " : "", r->failed);
    } else {
        status_find(k, STATUS_CRITICAL, "run", "",
                    "the last run FAILED %s ago with exit code %d%s%s", ago, r->exit_code,
                    r->failed[0] != '\0' ? ": " : "", r->failed);
    }
}

static void
judge_run(struct judging *k)
{
    const struct status_job *j = k->job;
    char ago[32];

    if (j->history == STATUS_HISTORY_DAMAGED) {
        status_find(k, STATUS_UNKNOWN, "history", "", "the history of runs cannot be read: %s",
                    j->history_text);
        return;
    }
    if (j->history == STATUS_HISTORY_UNWRITABLE) {
        status_find(k, STATUS_UNKNOWN, "history", "",
                    "runs do not get into the history, which cannot be written: %s",
                    j->history_text);
    }
    if (j->cut_off != 0) {
        status_find(k, STATUS_CRITICAL, "run", "", "the run that began %s ago was cut off",
                    status_age(j->now - j->cut_off, ago));
    } else if (j->last.began != 0) {
        judge_last_run(k);
    } else if (j->only_watched) {
        status_find(k, STATUS_OK, "run", "", "it is watched, and was not run by itself");
    } else if (j->running_since == 0) {
        status_find(k, STATUS_WARNING, "history", "",
                    "no run of this job is in the history of this host%s",
                    j->history == STATUS_HISTORY_MISSING ? ", which does not exist" : "");
    } else { /* the first one: nothing is known before it has ended */
        status_find(k, STATUS_UNKNOWN, "run", "", "the first run began %s ago, and goes on",
                    status_age(j->now - j->running_since, ago));
        return;
    }
    if (j->running_since != 0) {
        status_find(k, STATUS_OK, "run", "", "a run goes on since %s",
                    status_age(j->now - j->running_since, ago));
    }
}

static void
judge_rehearsal(struct judging *k)
{
    const struct status_rehearsal *r = &k->job->rehearsal;
    int64_t most = k->job->rules.rehearsal_age_most;
    char ago[32];
    char took[32];
    char limit[32];

    if (r->time == 0) {
        if (most != 0) {
            status_find(k, STATUS_WARNING, "rehearsal", "", "a restore was never rehearsed");
        }
        return;
    }
    status_age(k->job->now - r->time, ago);
    vv_text_duration((uint64_t)r->milliseconds / 1000, took);
    if (r->time > k->job->now + STATUS_SKEW) {
        status_find(k, STATUS_WARNING, "rehearsal", "",
                    "the last rehearsal is of the future: a clock is, or was, wrong");
    } else if (r->exit_code != 0) {
        status_find(k, r->exit_code == CODE_DAMAGED ? STATUS_CRITICAL : STATUS_WARNING, "rehearsal",
                    "", "the last rehearsal, %s ago, did not hold (exit code %d)", ago,
                    r->exit_code);
    } else if (most != 0 && k->job->now - r->time > most) {
        status_find(k, STATUS_WARNING, "rehearsal", "",
                    "the last rehearsal was %s ago, more than %s", ago, status_age(most, limit));
    } else {
        status_find(k, STATUS_OK, "rehearsal", "", "the last rehearsal, %s ago, took %s", ago,
                    took);
    }
}

static void
judge_wal(struct judging *k, const struct status_wal *w)
{
    if (!w->asked) {
        status_find(k, STATUS_UNKNOWN, "wal", w->database, "its WAL could not be checked: %s",
                    w->text);
    } else if (!w->well) {
        status_find(k, STATUS_CRITICAL, "wal", w->database, "%s", w->text);
    } else {
        status_find(k, STATUS_OK, "wal", w->database, "WAL comes in, without gaps and in time");
    }
}

/* 3-2-1: copies, places, off site.  Of what holds the job's data now. */
static void
count_copies(struct judging *k)
{
    unsigned copies = 1; /* the data itself */
    unsigned media = 1;
    unsigned away = 0;

    for (size_t i = 0; i < k->job->place_count; i++) {
        const struct status_place *p = &k->job->places[i];
        bool holds = p->reach == STATUS_REACHED && p->newest != 0;
        copies += holds;
        media += holds && p->remote;
        away += holds && p->remote;
    }
    status_find(k, STATUS_OK, "copies", "",
                "%u cop%s with the data itself, on %u host%s, %u off this one", copies,
                copies == 1 ? "y" : "ies", media, media == 1 ? "" : "s", away);
}

enum vv_rc
status_judge(const struct status_job *j, struct status_report *ret, struct vv_error *err)
{
    size_t most = FINDINGS_OF_JOB + j->place_count * FINDINGS_OF_PLACE + j->wal_count;
    struct judging k = {.job = j, .report = ret};

    *ret = (struct status_report){0};
    ret->findings = vv_arena_alloc(&ret->arena, most * sizeof(*ret->findings));
    if (ret->findings == NULL) {
        return vv_error_nomem(err);
    }
    judge_run(&k);
    for (size_t i = 0; i < j->place_count; i++) {
        status_judge_place(&k, &j->places[i]);
    }
    for (size_t i = 0; i < j->wal_count; i++) {
        judge_wal(&k, &j->wal[i]);
    }
    judge_rehearsal(&k);
    count_copies(&k);
    return k.failed ? vv_error_nomem(err) : VV_OK;
}

void
status_report_release(struct status_report *r)
{
    vv_arena_release(&r->arena);
    *r = (struct status_report){0};
}
