/* SPDX-License-Identifier: BSD-2-Clause */
/* varve runs [JOB]: what this host did, from the history. */
#include <string.h>

#include "commands.h"
#include "core/clock.h"
#include "core/text.h"
#include "report/table.h"
#include "run_notes.h"

#define MOST_DEFAULT 20u

struct runs_command_line {
    bool replications;
    bool rehearsals;
    bool incidents;
    bool all;
    unsigned last;
};
#define AT(member) offsetof(struct runs_command_line, member)
static const struct option_spec specs[] = {
    {"replications", '\0', OPTION_FLAG, AT(replications), NULL,
     "list replications, one line for each destination", NULL},
    {"rehearsals", '\0', OPTION_FLAG, AT(rehearsals), NULL, "list rehearsals", NULL},
    {"incidents", '\0', OPTION_FLAG, AT(incidents), NULL,
     "list commands that found damage, or missing or forged records", NULL},
    {"last", 'n', OPTION_NUMBER, AT(last), "N", "so many, newest first (default: 20)", NULL},
    {"all", '\0', OPTION_FLAG, AT(all), NULL, "all that is known (two years)", NULL},
    OPTION_END,
};

struct listing {
    struct app *app;
    struct run_history *history;
    struct json *json;    /* NULL: text */
    struct table *table;  /* text */
    const char *job;      /* NULL: all */
    struct vv_buf failed; /* of the run being printed */
    size_t shown;
    size_t most;
};

/* ---- runs ---- */

static enum vv_rc
put_part(void *ctx, const struct history_part *p, struct vv_error *err)
{
    struct listing *l = ctx;
    struct json *j = l->json;

    (void)err;
    if (j == NULL) {
        if (strcmp(p->state, "ok") != 0 && strcmp(p->state, "left out") != 0) {
            vv_buf_printf(&l->failed, "%s%s: %s", l->failed.len > 0 ? ", " : "", p->name,
                          p->why[0] != '\0' ? p->why : p->state);
        }
        return VV_OK;
    }
    json_put_object(j, NULL);
    json_put_text(j, "part", p->name);
    if (p->command[0] != '\0') {
        json_put_text(j, "command", p->command);
    }
    json_put_text(j, "state", p->state);
    if (p->why[0] != '\0') {
        json_put_text(j, "why", p->why);
    }
    if (strcmp(p->state, "left out") != 0) { /* as 'varve run --json': 0 would look like success */
        json_put_i64(j, "exit_code", p->exit_code);
        json_put_real(j, "seconds", (double)p->milliseconds / 1000);
    }
    json_put_end(j);
    return VV_OK;
}

static enum vv_rc
put_run_json(struct listing *l, const struct history_run *r, struct vv_error *err)
{
    struct json *j = l->json;

    json_put_object(j, NULL);
    json_put_text(j, "run", r->id);
    json_put_text(j, "job", r->job);
    json_put_time(j, "began", r->began);
    if (r->ended != 0) {
        json_put_time(j, "ended", r->ended);
        json_put_i64(j, "exit_code", r->exit_code);
    } else {
        json_put_null(j, "ended");
        json_put_null(j, "exit_code");
    }
    json_put_array(j, "parts");
    VV_TRY(run_history_parts(l->history, r->id, put_part, l, err));
    json_put_end(j);
    json_put_end(j);
    return VV_OK;
}

static const char *
result_text(const struct history_run *r, char out[32])
{
    if (r->ended == 0) {
        return "no end"; /* goes on, or was cut off */
    }
    if (r->exit_code == EXIT_DONE) {
        return "ok";
    }
    (void)snprintf(out, 32, "%s (%d)", r->exit_code == EXIT_PROBLEMS ? "problems" : "FAILED",
                   r->exit_code);
    return out;
}

static enum vv_rc
put_run(void *ctx, const struct history_run *r, struct vv_error *err)
{
    struct listing *l = ctx;
    char text[VV_TIME_TEXT];

    l->shown++;
    if (l->json != NULL) {
        return put_run_json(l, r, err);
    }
    vv_buf_reset(&l->failed);
    VV_TRY(run_history_parts(l->history, r->id, put_part, l, err));
    vv_time_format(r->began, text);
    table_text(l->table, text);
    table_text(l->table, r->job);
    table_text(l->table, r->id);
    text[0] = '\0';
    if (r->ended != 0) {
        vv_text_duration((uint64_t)(r->ended - r->began) / 1000000000, text);
    }
    table_text(l->table, text);
    table_text(l->table, result_text(r, text));
    table_cell(l->table, vv_buf_span(&l->failed));
    return vv_buf_check(&l->failed, err);
}

/* ---- events ---- */

static void
put_event_json(struct json *j, const struct history_event *e)
{
    static const char *const others[HISTORY_KINDS] = {"destination", "snapshot", "command",
                                                      "other"};

    json_put_object(j, NULL);
    json_put_time(j, "time", e->time);
    json_put_text(j, "run", e->run[0] != '\0' ? e->run : NULL);
    json_put_text(j, "job", e->job[0] != '\0' ? e->job : NULL);
    json_put_text(j, "repository", e->repository);
    json_put_text(j, others[e->kind], e->other);
    json_put_i64(j, "exit_code", e->exit_code);
    if (e->kind != HISTORY_INCIDENT) {
        json_put_real(j, "seconds", (double)e->milliseconds / 1000);
        json_put_i64(j, "bytes", e->bytes);
    }
    json_put_text(j, "text", e->text);
    json_put_end(j);
}

static enum vv_rc
put_event(void *ctx, const struct history_event *e, struct vv_error *err)
{
    struct listing *l = ctx;
    char text[VV_TIME_TEXT];

    (void)err;
    if ((l->job != NULL && strcmp(l->job, e->job) != 0) || l->shown == l->most) {
        return VV_OK;
    }
    l->shown++;
    if (l->json != NULL) {
        put_event_json(l->json, e);
        return VV_OK;
    }
    vv_time_format(e->time, text);
    table_text(l->table, text);
    table_text(l->table, e->job);
    table_text(l->table, e->repository);
    table_text(l->table, e->other);
    vv_text_duration((uint64_t)e->milliseconds / 1000, text);
    table_text(l->table, e->kind == HISTORY_INCIDENT ? "" : text);
    vv_text_size((uint64_t)e->bytes, text);
    table_text(l->table, e->kind == HISTORY_INCIDENT ? "" : text);
    (void)snprintf(text, sizeof(text), e->exit_code == EXIT_DONE ? "ok" : "exit code %d",
                   e->exit_code);
    table_text(l->table, text);
    table_text(l->table, e->text);
    return VV_OK;
}

/* ---- either ---- */

static enum vv_rc
list(struct listing *l, const struct runs_command_line *o, struct vv_error *err)
{
    static const struct table_column runs[] = {
        {"began", TABLE_LEFT}, {"job", TABLE_LEFT},    {"run", TABLE_LEFT},
        {"took", TABLE_RIGHT}, {"result", TABLE_LEFT}, {"what went wrong", TABLE_LEFT},
    };
    static const struct table_column events[] = {
        {"time", TABLE_LEFT},   {"job", TABLE_LEFT},   {"repository", TABLE_LEFT},
        {"of", TABLE_LEFT},     {"took", TABLE_RIGHT}, {"bytes", TABLE_RIGHT},
        {"result", TABLE_LEFT}, {"", TABLE_LEFT},
    };
    static const char *const names[] = {"replications", "rehearsals", "incidents"};
    bool of_events = o->replications || o->rehearsals || o->incidents;
    enum history_kind kind = o->replications ? HISTORY_REPLICATION
                             : o->rehearsals ? HISTORY_REHEARSAL
                                             : HISTORY_INCIDENT;
    VV_CLEANUP(table_freep) struct table *t = NULL;

    l->most = o->all ? INT64_MAX : o->last > 0 ? o->last : MOST_DEFAULT;

    if (l->json != NULL) {
        json_put_array(l->json, of_events ? names[kind] : "runs");
    } else {
        VV_TRY(table_new(of_events ? events : runs, of_events ? VV_COUNT(events) : VV_COUNT(runs),
                         &t, err));
        l->table = t;
    }
    if (l->history == NULL) { /* nothing was noted yet */
    } else if (of_events) {
        /* Those of the job are chosen here: how many there are of others is not known before. */
        VV_TRY(run_history_events(l->history, kind, NULL, 0, l->job != NULL ? INT64_MAX : l->most,
                                  put_event, l, err));
    } else {
        VV_TRY(run_history_runs(l->history, l->job, l->most, put_run, l, err));
    }
    if (l->json != NULL) {
        json_put_end(l->json);
    } else if (l->shown > 0) {
        VV_TRY(table_print(t, stdout, err));
    } else if (!l->app->global.quiet) {
        messages_say(&l->app->messages, "there are none in the history of this host");
    }
    return VV_OK;
}

static enum vv_rc
runs(struct app *app, const struct runs_command_line *o, const char *job)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    struct listing l = {.app = app, .job = job, .json = app_json(app)};
    enum vv_rc rc;

    if (o->replications + o->rehearsals + o->incidents > 1) {
        return app_usage(app, "only one of --replications, --rehearsals, --incidents");
    }
    rc = run_notes_open(&h, &app->err);
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(&app->err);
    } else {
        VV_TRY(rc);
    }
    l.history = h;
    rc = list(&l, o, &app->err);
    vv_buf_release(&l.failed);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct runs_command_line o = {0};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = runs(app, &o, args.count > 0 ? args.items[0] : NULL);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command cmd_runs = {
    .name = "runs",
    .arguments = "[JOB]",
    .summary = "list past runs of jobs, replications, rehearsals and incidents of this host",
    .details =
        "They are kept for two years in the state directory; losing them loses nothing else.",
    .specs = specs,
    .run = run,
};
