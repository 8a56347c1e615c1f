/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing the history of runs, without ever being in the way. */
#include "run_notes.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "directories.h"
#include "job_report.h"

static int64_t
now(void)
{
    return vv_clock_system()->realtime(vv_clock_system());
}

static enum vv_rc
find_directory(struct vv_buf *out, struct vv_error *err)
{
    VV_TRY(directories_find(DIRECTORY_STATE, out, err));
    return directories_make(out, err);
}

/* To write; a damaged one makes room for a new one. */
static enum vv_rc
open_to_write(struct app *app, struct run_history **ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    struct vv_error damage = {0};
    enum vv_rc rc;

    VV_TRY(find_directory(&directory, err));
    rc = run_history_open(vv_buf_text(&directory), DATABASE_WRITE, ret, &damage);
    if (rc != VV_ECORRUPT) {
        if (rc != VV_OK) {
            *err = damage;
        }
        return rc;
    }
    VV_TRY(run_history_set_aside(vv_buf_text(&directory), err));
    messages_warning(&app->messages, "history-damaged",
                     "%s; it is now '%s/" RUN_HISTORY_FILE ".damaged', and a new one is begun",
                     damage.message, vv_buf_text(&directory));
    return run_history_open(vv_buf_text(&directory), DATABASE_WRITE, ret, err);
}

static void
complain(struct app *app, enum vv_rc rc, const struct vv_error *why)
{
    if (rc != VV_OK) {
        messages_warning(&app->messages, "history-unusable",
                         "this run does not get into the history: %s", why->message);
    }
}

void
run_notes_begin(struct app *app, const char *id, const char *job, int64_t began)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    const struct history_run run = {.id = id, .job = job, .began = began};
    struct vv_error why = {0};
    enum vv_rc rc = open_to_write(app, &h, &why);

    rc = rc == VV_OK ? run_history_put_run(h, &run, &why) : rc;
    complain(app, rc, &why);
}

void
run_notes_end(struct app *app, const char *id, const char *job, int64_t began,
              const struct job_report *report, enum exit_code code)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    VV_CLEANUP(vv_freep)
    struct history_part *parts = vv_alloc_array(report->count + 1, sizeof(*parts));
    const struct history_run run = {
        .id = id, .job = job, .began = began, .ended = now(), .exit_code = (int)code};
    struct vv_error why = {0};
    enum vv_rc rc = parts != NULL ? VV_OK : vv_error_nomem(&why);

    for (size_t i = 0; rc == VV_OK && i < report->count; i++) {
        const struct job_result *r = &report->results[i];
        parts[i] = (struct history_part){.name = r->name,
                                         .command = r->command,
                                         .state = job_state_name(r->state),
                                         .why = r->why,
                                         .exit_code = r->process.code,
                                         .milliseconds = (int64_t)r->process.milliseconds};
    }
    rc = rc == VV_OK ? open_to_write(app, &h, &why) : rc;
    rc = rc == VV_OK ? run_history_end_run(h, &run, parts, report->count, &why) : rc;
    complain(app, rc, &why);
}

static const char *
environment(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? value : "";
}

void
run_notes_event(struct app *app, const struct history_event *e)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    struct history_event whole = *e;
    struct vv_error why = {0};
    enum vv_rc rc = open_to_write(app, &h, &why);

    whole.run = e->run != NULL ? e->run : environment("VARVE_RUN");
    whole.job = e->job != NULL ? e->job : environment("VARVE_JOB");
    whole.time = e->time != 0 ? e->time : now();
    whole.repository = e->repository != NULL ? e->repository : app->global.repository;
    rc = rc == VV_OK ? run_history_put_event(h, &whole, &why) : rc;
    complain(app, rc, &why);
}

void
run_notes_incident(struct app *app, enum exit_code code)
{
    if ((code == EXIT_CORRUPT || code == EXIT_FORGED) && app->command != NULL &&
        app->storage != NULL) {
        const struct history_event e = {.kind = HISTORY_INCIDENT,
                                        .other = app->path[0],
                                        .exit_code = (int)code,
                                        .text = app->err.message};
        run_notes_event(app, &e);
    }
}

enum vv_rc
run_notes_open(struct run_history **ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};

    VV_TRY(directories_find(DIRECTORY_STATE, &directory, err));
    return run_history_open(vv_buf_text(&directory), DATABASE_READ, ret, err);
}

enum vv_rc
run_notes_fact(struct app *app, const char *about, const char *document, struct vv_error *err)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;

    VV_TRY(open_to_write(app, &h, err));
    return run_history_put_fact(h, about, now(), document, err);
}
