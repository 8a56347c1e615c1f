/* SPDX-License-Identifier: BSD-2-Clause */
/* What 'varve status' says, for people, monitoring systems and programs. */
#include "status_print.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

/* ---- one line ---- */

/* The first of the worst; how many are not OK. */
static const struct status_finding *
worst_of(const struct status_looked *jobs, size_t count, enum status_level level,
         const char **ret_job, size_t *ret_more)
{
    const struct status_finding *worst = NULL;
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < jobs[i].report.count; k++) {
            const struct status_finding *f = &jobs[i].report.findings[k];
            bad += f->level != STATUS_OK;
            if (worst == NULL && f->level == level && level != STATUS_OK) {
                worst = f;
                *ret_job = jobs[i].facts.job.name;
            }
        }
    }
    *ret_more = bad > 0 ? bad - 1 : 0;
    return worst;
}

static void
print_perfdata(const struct status_looked *jobs, size_t count)
{
    printf(" |");
    for (size_t i = 0; i < count; i++) {
        const struct status_job *j = &jobs[i].facts.job;
        for (size_t p = 0; p < j->place_count; p++) {
            const struct status_place *place = &j->places[p];
            if (place->newest == 0) {
                continue;
            }
            printf(" '%s %s age'=%llds;;%lld;0", j->name, place->name,
                   (long long)((j->now - place->newest) / SECOND),
                   (long long)(j->rules.age_most / SECOND));
        }
    }
}

void
status_print_line(const struct status_looked *jobs, size_t count, enum status_level level,
                  bool perfdata)
{
    const char *job = "";
    size_t more = 0;
    const struct status_finding *f = worst_of(jobs, count, level, &job, &more);

    printf("VARVE %s: ", status_level_name(level));
    if (f == NULL) {
        printf("%zu job%s", count, count == 1 ? "" : "s");
    } else {
        printf("job '%s'%s%s: ", job, f->place[0] != '\0' ? ", " : "", f->place);
        message_print(f->text, stdout);
    }
    if (more > 0) {
        printf("; and %zu more", more);
    }
    if (perfdata) {
        print_perfdata(jobs, count);
    }
    printf("\n");
}

/* ---- text ---- */

void
status_print_text(const struct status_looked *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct status_report *r = &jobs[i].report;
        size_t width = 0;
        for (size_t k = 0; k < r->count; k++) {
            size_t len = strlen(r->findings[k].place);
            width = len > width ? len : width;
        }
        printf("\njob '%s': %s\n", jobs[i].facts.job.name, status_level_name(r->level));
        for (size_t k = 0; k < r->count; k++) {
            const struct status_finding *f = &r->findings[k];
            printf("  %-8s  %-9s  %-*s  ", status_level_name(f->level), f->topic, (int)width,
                   f->place);
            message_print(f->text, stdout);
            printf("\n");
        }
    }
}

/* ---- JSON ---- */

static void
put_time(struct json *j, const char *key, int64_t time)
{
    if (time != 0) {
        json_put_time(j, key, time);
    } else {
        json_put_null(j, key);
    }
}

static void
put_place(struct json *j, const struct status_place *p)
{
    static const char *const reaches[] = {"reached", "away", "unusable"};

    json_put_object(j, NULL);
    json_put_text(j, "repository", p->name);
    json_put_text(j, "reach", reaches[p->reach]);
    json_put_text(j, "why", p->reach != STATUS_REACHED ? p->why : NULL);
    put_time(j, "known", p->known);
    if (p->known != 0) {
        json_put_u64(j, "snapshots", p->snapshots);
        put_time(j, "newest", p->newest);
        put_time(j, "newest_full", p->newest_full);
        json_put_u64(j, "marked", p->marked);
        json_put_u64(j, "damaged_records", p->damaged);
        json_put_bool(j, "missing_or_forged_records", p->forged);
        json_put_u64(j, "bytes", p->bytes);
        json_put_u64(j, "bytes_read_in_30_days", p->bytes_recent);
        json_put_u64(j, "never_read", p->never_read);
        put_time(j, "oldest_read", p->oldest_read);
        if (p->space_known) {
            json_put_u64(j, "space_free", p->space_free);
            json_put_u64(j, "space_total", p->space_total);
        }
        if (p->space_lasts >= 0) {
            json_put_i64(j, "space_lasts_seconds", p->space_lasts / SECOND);
        } else {
            json_put_null(j, "space_lasts_seconds");
        }
    }
    json_put_end(j);
}

static void
put_job(struct json *j, const struct status_looked *l)
{
    const struct status_job *job = &l->facts.job;

    json_put_object(j, NULL);
    json_put_text(j, "job", job->name);
    json_put_text(j, "level", status_level_name(l->report.level));
    put_time(j, "last_run_began", job->last.began);
    put_time(j, "last_run_ended", job->last.ended);
    if (job->last.began != 0) {
        json_put_i64(j, "last_run_exit_code", job->last.exit_code);
    } else {
        json_put_null(j, "last_run_exit_code");
    }
    put_time(j, "running_since", job->running_since);
    put_time(j, "last_rehearsal", job->rehearsal.time);
    if (job->rehearsal.time != 0) {
        json_put_i64(j, "last_rehearsal_exit_code", job->rehearsal.exit_code);
        json_put_real(j, "last_rehearsal_seconds", (double)job->rehearsal.milliseconds / 1000);
    }
    json_put_array(j, "repositories");
    for (size_t i = 0; i < job->place_count; i++) {
        put_place(j, &job->places[i]);
    }
    json_put_end(j);
    json_put_array(j, "findings");
    for (size_t i = 0; i < l->report.count; i++) {
        const struct status_finding *f = &l->report.findings[i];
        json_put_object(j, NULL);
        json_put_text(j, "level", status_level_name(f->level));
        json_put_text(j, "topic", f->topic);
        json_put_text(j, "about", f->place[0] != '\0' ? f->place : NULL);
        json_put_text(j, "text", f->text);
        json_put_end(j);
    }
    json_put_end(j);
    json_put_end(j);
}

void
status_print_json(struct json *j, const struct status_looked *jobs, size_t count,
                  enum status_level level)
{
    json_put_text(j, "level", status_level_name(level));
    json_put_array(j, "jobs");
    for (size_t i = 0; i < count; i++) {
        put_job(j, &jobs[i]);
    }
    json_put_end(j);
}
