/* SPDX-License-Identifier: BSD-2-Clause */
/* What 'varve run' does for a job: which commands, in which order. */
#include "job_plan.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "duration.h"
#include "job_start.h"
#include "postgres/postgres.h"
#include "run_notes.h"
#include "settings_keys.h"
#include "word_list.h"

#define PARTS_MOST 7u
#define HOOK_LIMIT_MS (UINT64_C(10) * 60 * 1000)
#define OURSELVES "/proc/self/exe"

/* "varve -r NAME COMMAND", with what was said to us. */
static void
begin_words(struct app *app, struct word_list *w, const struct settings_section *job,
            const char *command)
{
    word_list_put(w, OURSELVES);
    if (app->global.config != NULL) {
        word_list_option(w, "config", app->global.config);
    }
    word_list_option(w, "repo", settings_get(job, "repository"));
    word_list_put(w, command);
    if (app->global.json) {
        word_list_put(w, "--json");
    }
    if (app->global.progress) {
        word_list_put(w, "--progress");
    }
    for (unsigned i = 0; i < app->global.verbose; i++) {
        word_list_put(w, "--verbose");
    }
}

static void
put_options(struct word_list *w, const struct settings_section *job,
            const struct settings_option *options)
{
    for (const struct settings_option *o = options; o->key != NULL; o++) {
        const struct settings_value *v = NULL;
        while ((v = settings_next(job, o->key, v)) != NULL) {
            if (v->key->kind != SETTINGS_FLAG) {
                word_list_option(w, o->option, v->text);
            } else if (strcmp(v->text, "yes") == 0) {
                word_list_printf(w, "--%s", o->option);
            }
        }
    }
}

/* By this, and by the host, a job's snapshots are known: others in the repository are not its own to
 * forget. */
static void
put_tag(struct word_list *w, const struct settings_section *job)
{
    word_list_printf(w, "--tag=job:%s", job->name);
}

static void
put_arguments(struct word_list *w, const struct settings_section *job, const char *key)
{
    const struct settings_value *v = NULL;

    while ((v = settings_next(job, key, v)) != NULL) {
        word_list_put(w, v->text);
    }
}

static void
put_list(struct word_list *w, const struct settings_section *job, const char *key,
         const char *option)
{
    const struct settings_value *v = NULL;

    while ((v = settings_next(job, key, v)) != NULL) {
        word_list_option(w, option, v->text);
    }
}

static bool
has_any(const struct settings_section *job, const struct settings_option *options)
{
    for (const struct settings_option *o = options; o->key != NULL; o++) {
        if (settings_get(job, o->key) != NULL) {
            return true;
        }
    }
    return false;
}

struct planning {
    struct app *app;
    const struct settings_section *section;
    struct job_plan *plan;
    struct job_part *parts;
    struct word_list words; /* of the part being made */
};

static struct word_list *
begin_part(struct planning *k, const char *name, enum job_part_kind kind)
{
    struct job_part *part = &k->parts[k->plan->job.part_count++];

    *part = (struct job_part){.name = name, .kind = kind};
    k->words = (struct word_list){.arena = &k->plan->arena};
    begin_words(k->app, &k->words, k->section, name);
    return &k->words;
}

static enum vv_rc
end_part(struct planning *k, struct vv_error *err)
{
    k->parts[k->plan->job.part_count - 1].words = k->words.items;
    return k->words.failed ? vv_error_nomem(err) : VV_OK;
}

static enum vv_rc
plan_backup(struct planning *k, struct vv_error *err)
{
    const struct settings_section *s = k->section;
    struct word_list *w;

    if (settings_get(s, "path") == NULL && settings_get(s, "database") == NULL &&
        settings_get(s, "exec") == NULL) {
        return VV_OK;
    }
    w = begin_part(k, "backup", JOB_BACKUP);
    put_options(w, s, settings_backup_options);
    put_tag(w, s);
    word_list_put(w, "--");
    put_arguments(w, s, "path");
    put_arguments(w, s, "database");
    return end_part(k, err);
}

/* Before anything is given up. */
static enum vv_rc
plan_replicate(struct planning *k, struct vv_error *err)
{
    struct word_list *w;

    if (settings_get(k->section, "replicate-to") == NULL) {
        return VV_OK;
    }
    w = begin_part(k, "replicate", JOB_ANY);
    put_list(w, k->section, "replicate-to", "to");
    put_list(w, k->section, "replicate-limit", "limit");
    return end_part(k, err);
}

static enum vv_rc
plan_retention(struct planning *k, struct vv_error *err)
{
    bool forget = has_any(k->section, settings_forget_options);
    struct word_list *w;

    if (forget) {
        w = begin_part(k, "forget", JOB_NEEDS_BACKUP);
        put_options(w, k->section, settings_forget_options);
        put_tag(w, k->section);
        word_list_option(w, "host", app_host()); /* another host may have a job of this name */
        if (job_is_watched(k->app, k->section->name)) {
            word_list_option(w, "max-loss", "100"); /* of an hour's snapshots most are to go */
        }
        VV_TRY(end_part(k, err));
    }
    if (settings_flag(k->section, "prune", forget)) {
        (void)begin_part(k, "prune", JOB_RECLAIMS);
        VV_TRY(end_part(k, err));
    }
    return VV_OK;
}

static enum vv_rc
plan_reading(struct planning *k, const char *key, const char *command, struct vv_error *err)
{
    const char *budget = settings_get(k->section, key);

    if (budget == NULL) {
        return VV_OK;
    }
    word_list_option(begin_part(k, command, JOB_ANY), "budget", budget);
    return end_part(k, err);
}

/* The newest rehearsal that held, of a whole snapshot of this job. */
struct last_rehearsal {
    const char *job;
    int64_t time;
};

static enum vv_rc
note_rehearsal(void *ctx, const struct history_event *e, struct vv_error *err)
{
    struct last_rehearsal *last = ctx;

    (void)err;
    if (last->time == 0 && e->exit_code == EXIT_DONE && strcmp(e->job, last->job) == 0 &&
        strchr(e->other, ':') == NULL) {
        last->time = e->time;
    }
    return VV_OK;
}

/* Without a history it is time: once too often, rather than never. */
static bool
rehearsal_is_due(const struct settings_section *job)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    const char *every = settings_get(job, "rehearse-every");
    struct last_rehearsal last = {.job = job->name};
    int64_t ns = 0;

    if (every == NULL || !duration_parse(every, &ns)) {
        return false;
    }
    if (run_notes_open(&h, NULL) != VV_OK ||
        run_history_events(h, HISTORY_REHEARSAL, settings_get(job, "repository"), 0, SIZE_MAX / 2,
                           note_rehearsal, &last, NULL) != VV_OK) {
        return true;
    }
    /* A run that begins a little earlier than the last one is not one too early. */
    return vv_clock_system()->realtime(vv_clock_system()) - last.time > ns - ns / 24;
}

static enum vv_rc
plan_rehearsal(struct planning *k, struct vv_error *err)
{
    const char *scratch = settings_get(k->section, "rehearse-scratch");
    struct word_list *w;

    if (!rehearsal_is_due(k->section)) {
        return VV_OK;
    }
    w = begin_part(k, "rehearse", JOB_ANY);
    if (scratch != NULL) {
        word_list_option(w, "scratch", scratch);
    }
    put_tag(w, k->section);
    word_list_put(w, "latest");
    return end_part(k, err);
}

static uint64_t
limit_of(const struct settings_section *job, const char *key, uint64_t otherwise)
{
    const char *text = settings_get(job, key);
    int64_t ns = 0;

    return text != NULL && duration_parse(text, &ns) ? (uint64_t)ns / 1000000 : otherwise;
}

static enum vv_rc
plan_hooks(struct planning *k, struct vv_error *err)
{
    for (enum job_moment m = JOB_BEFORE; m < JOB_MOMENTS; m++) {
        struct word_list w = {.arena = &k->plan->arena};
        put_arguments(&w, k->section, job_moment_name(m));
        if (w.failed) {
            return vv_error_nomem(err);
        }
        k->plan->job.hooks[m] = (struct job_hooks){.commands = w.items, .count = w.count};
    }
    k->plan->job.hook_limit_ms = limit_of(k->section, "hook-timeout", HOOK_LIMIT_MS);
    return VV_OK;
}

enum vv_rc
job_plan_make(struct app *app, const struct settings_section *section, struct job_plan *ret,
              struct vv_error *err)
{
    struct planning k = {.app = app, .section = section, .plan = ret};

    *ret = (struct job_plan){
        .job = {.name = section->name, .limit_ms = limit_of(section, "max-runtime", 0)}};
    k.parts = vv_arena_alloc(&ret->arena, PARTS_MOST * sizeof(*k.parts));
    if (k.parts == NULL) {
        return vv_error_nomem(err);
    }
    ret->job.parts = k.parts;
    VV_TRY(plan_backup(&k, err));
    VV_TRY(plan_replicate(&k, err));
    VV_TRY(plan_retention(&k, err));
    VV_TRY(plan_reading(&k, "scrub-budget", "scrub", err));
    VV_TRY(plan_reading(&k, "verify-budget", "verify", err));
    VV_TRY(plan_rehearsal(&k, err));
    return plan_hooks(&k, err);
}

/* ---- for 'varve watch' ---- */

enum vv_rc
job_plan_files(const struct settings_section *section, struct vv_arena *arena, int *ret_count,
               const char *const **ret, struct vv_error *err)
{
    struct word_list w = {.arena = arena};

    put_options(&w, section, settings_file_options);
    put_tag(&w, section);
    word_list_put(&w, "--");
    put_arguments(&w, section, "path");
    *ret = w.items;
    *ret_count = (int)w.count;
    return w.failed ? vv_error_nomem(err) : VV_OK;
}

enum vv_rc
job_plan_receiver(struct app *app, const struct settings_section *section, const char *database,
                  struct vv_arena *arena, const char *const **ret, struct vv_error *err)
{
    struct word_list w = {.arena = arena};
    const char *url = postgres_url_of(database);

    begin_words(app, &w, section, "wal");
    word_list_put(&w, "receive");
    word_list_put(&w, "--");
    word_list_put(&w, url != NULL ? url : database);
    *ret = w.items;
    return w.failed ? vv_error_nomem(err) : VV_OK;
}

void
job_plan_release(struct job_plan *p)
{
    vv_arena_release(&p->arena);
    *p = (struct job_plan){0};
}
