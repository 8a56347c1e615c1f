/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a job: rules, runs, rehearsals; and of its repositories (status_ask.c). */
#include "status_gather.h"

#include <string.h>

#include "duration.h"
#include "job_start.h"
#include "schedule_jobs.h"
#include "status_ask.h"

#define HOUR (INT64_C(3600) * 1000000000)
#define DAY (24 * HOUR)
#define AGE_DEFAULT (26 * HOUR)
#define RUNS_LOOKED_AT 16u

static int64_t
rule(const struct settings_section *s, const char *key, int64_t otherwise)
{
    const char *text = settings_get(s, key);
    int64_t ns = 0;

    return text != NULL && duration_parse(text, &ns) ? ns : otherwise;
}

/* As old as the schedule lets the newest snapshot be, and some time for the run itself. */
static int64_t
age_by_schedule(const struct settings_section *s)
{
    struct schedule schedule;
    int64_t period;

    if (!schedule_of(s, &schedule)) {
        return AGE_DEFAULT;
    }
    period = (int64_t)schedule_longest(&schedule) * (HOUR / 3600);
    return period + (period / 8 > 2 * HOUR ? period / 8 : 2 * HOUR) + rule(s, "schedule-jitter", 0);
}

/* ---- runs ---- */

struct looking {
    struct status_facts *facts;
    const char *job;
    size_t seen; /* runs */
    char last_id[64];
    struct vv_buf failed;
    const char *const *places; /* names of the job's repositories */
    size_t place_count;
};

/* Newest first. */
static enum vv_rc
look_at_run(void *ctx, const struct history_run *r, struct vv_error *err)
{
    struct looking *l = ctx;
    struct status_job *j = &l->facts->job;

    (void)err;
    if (j->last.began != 0) {
        return VV_OK;
    }
    if (r->ended != 0) {
        j->last = (struct status_run){r->began, r->ended, r->exit_code, ""};
        (void)snprintf(l->last_id, sizeof(l->last_id), "%s", r->id);
    } else if (l->seen == 0 && job_is_running(l->job)) { /* only the newest can go on */
        j->running_since = r->began;
    } else if (j->cut_off == 0) {
        j->cut_off = r->began;
    }
    l->seen++;
    return VV_OK;
}

static enum vv_rc
look_at_part(void *ctx, const struct history_part *p, struct vv_error *err)
{
    struct looking *l = ctx;

    (void)err;
    if (strcmp(p->state, "failed") == 0 || strcmp(p->state, "problems") == 0) {
        vv_buf_printf(&l->failed, "%s%s", l->failed.len > 0 ? " " : "", p->name);
    }
    return VV_OK;
}

static enum vv_rc
look_at_rehearsal(void *ctx, const struct history_event *e, struct vv_error *err)
{
    struct looking *l = ctx;
    struct status_rehearsal *r = &l->facts->job.rehearsal;

    (void)err;
    for (size_t i = 0; i < l->place_count && r->time == 0; i++) {
        if (strcmp(e->repository, l->places[i]) == 0 && strcmp(e->job, l->job) == 0 &&
            strchr(e->other, ':') == NULL) {
            *r = (struct status_rehearsal){e->time, e->milliseconds, e->exit_code};
        }
    }
    return VV_OK;
}

static enum vv_rc
read_history(struct run_history *h, struct looking *l, struct vv_error *err)
{
    struct status_job *j = &l->facts->job;

    VV_TRY(run_history_runs(h, l->job, RUNS_LOOKED_AT, look_at_run, l, err));
    if (l->last_id[0] != '\0') {
        VV_TRY(run_history_parts(h, l->last_id, look_at_part, l, err));
        j->last.failed = vv_arena_copy(&l->facts->arena, l->failed.data, l->failed.len);
        if (j->last.failed == NULL) {
            return vv_error_nomem(err);
        }
    }
    return run_history_events(h, HISTORY_REHEARSAL, NULL, 0, 1000, look_at_rehearsal, l, err);
}

/* A history that cannot be read now is a damaged one (Z2). */
static enum vv_rc
gather_history(const struct status_asking *a, struct looking *l, struct vv_error *err)
{
    struct status_job *j = &l->facts->job;
    struct vv_error why = {0};

    j->history = a->history_state;
    j->history_text = a->history_text;
    if (a->history == NULL || read_history(a->history, l, &why) == VV_OK) {
        return VV_OK;
    }
    j->history = STATUS_HISTORY_DAMAGED;
    j->history_text = vv_arena_copy(&l->facts->arena, why.message, strlen(why.message));
    return j->history_text != NULL ? VV_OK : vv_error_nomem(err);
}

/* ---- the job ---- */

static enum vv_rc
name_places(const struct settings_section *s, struct status_facts *f, const char ***ret,
            struct vv_error *err)
{
    const struct settings_value *v = NULL;
    size_t count = 1;
    const char **names;

    while ((v = settings_next(s, "replicate-to", v)) != NULL) {
        count++;
    }
    names = vv_arena_alloc(&f->arena, count * sizeof(*names));
    if (names == NULL) {
        return vv_error_nomem(err);
    }
    names[0] = settings_get(s, "repository");
    for (size_t i = 1; (v = settings_next(s, "replicate-to", v)) != NULL; i++) {
        names[i] = v->text;
    }
    f->job.place_count = count;
    *ret = names;
    return VV_OK;
}

enum vv_rc
status_gather(const struct status_asking *a, const struct settings_section *section,
              struct status_facts *ret, struct vv_error *err)
{
    struct looking l = {.facts = ret, .job = section->name};
    struct status_place *places;
    const char **names = NULL;
    enum vv_rc rc;

    *ret = (struct status_facts){.job = {.name = section->name, .now = a->now}};
    ret->job.has_source = settings_get(section, "path") != NULL ||
                          settings_get(section, "database") != NULL ||
                          settings_get(section, "exec") != NULL;
    ret->job.only_watched =
        settings_flag(section, "watch", false) && settings_get(section, "schedule") == NULL;
    ret->job.rules =
        (struct status_rules){.age_most = rule(section, "max-age", age_by_schedule(section)),
                              .full_age_most = rule(section, "max-full-age", 0),
                              .unread_age_most = rule(section, "max-unread-age", 0),
                              .rehearsal_age_most = rule(section, "max-rehearsal-age", 0),
                              .space_least = rule(section, "space-lasts", 14 * DAY)};
    VV_TRY(name_places(section, ret, &names, err));
    l.places = names;
    l.place_count = ret->job.place_count;
    rc = gather_history(a, &l, err);
    vv_buf_release(&l.failed);
    VV_TRY(rc);
    places = vv_arena_alloc(&ret->arena, ret->job.place_count * sizeof(*places));
    if (places == NULL) {
        return vv_error_nomem(err);
    }
    ret->job.places = places;
    for (size_t i = 0; i < ret->job.place_count; i++) {
        VV_TRY(status_ask_place(a, section, names[i], ret, &places[i], err));
    }
    if (ret->job.history == STATUS_HISTORY_READ && a->unwritable->rc != VV_OK) {
        ret->job.history = STATUS_HISTORY_UNWRITABLE;
        ret->job.history_text = a->unwritable->message;
    }
    return status_ask_wal(a, section, ret, err);
}

void
status_facts_release(struct status_facts *f)
{
    vv_arena_release(&f->arena);
    *f = (struct status_facts){0};
}
