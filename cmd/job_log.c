/* SPDX-License-Identifier: BSD-2-Clause */
/* What a job does, in the log for programs. */
#include "job_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "job_report.h"

static enum event_level
level_of(enum job_state state)
{
    return state == JOB_DONE ? EVENT_INFO : state == JOB_LEFT_OUT ? EVENT_WARNING : EVENT_ERROR;
}

/* Commands of hooks are not named: there may be a secret in one. */
static void
on_step(struct job_observer *self, enum job_step step, const struct job_result *r)
{
    struct job_log *l = (struct job_log *)self;
    bool hook = r->command != NULL;
    struct event_field fields[5];
    size_t count = 0;

    fields[count++] = event_text(hook ? "moment" : "part", r->name);
    if (step == JOB_BEGINS) {
        event_log_write(&l->app->log, EVENT_INFO, hook ? "hook.begin" : "part.begin", fields,
                        count);
        return;
    }
    fields[count++] = event_text("state", job_state_name(r->state));
    if (r->state != JOB_LEFT_OUT) {
        fields[count++] = event_number("code", r->process.code);
        fields[count++] = event_seconds("seconds", r->process.milliseconds);
    }
    if (r->why[0] != '\0') {
        fields[count++] = event_text("why", r->why);
    }
    event_log_write(&l->app->log, level_of(r->state), hook ? "hook.end" : "part.end", fields,
                    count);
}

/* A hook may be somewhere else: from the root. */
static void
put_log_file(const char *file, struct vv_buf *out)
{
    char directory[4096];

    vv_buf_put_text(out, "VARVE_LOG_FILE=");
    if (file[0] != '/' && getcwd(directory, sizeof(directory)) != NULL) {
        vv_buf_printf(out, "%s/", directory);
    }
    vv_buf_put_text(out, file);
}

/* What the options say must reach those that have only the environment. */
static enum vv_rc
make_environment(struct job_log *l, struct vv_error *err)
{
    const struct global_options *g = &l->app->global;
    const char *file = g->log_file != NULL ? g->log_file : getenv("VARVE_LOG_FILE");
    size_t count = 0;

    vv_buf_printf(&l->texts[count++], "VARVE_RUN=%s", l->run);
    if (g->log_format >= 0) {
        vv_buf_printf(&l->texts[count++], "VARVE_LOG_FORMAT=%s", app_log_formats[g->log_format]);
    }
    if (file != NULL && file[0] != '\0') {
        put_log_file(file, &l->texts[count++]);
    }
    for (size_t i = 0; i < count; i++) {
        l->environment[i] = vv_buf_text(&l->texts[i]);
        VV_TRY(vv_buf_check(&l->texts[i], err));
    }
    return VV_OK;
}

enum vv_rc
job_log_begin(struct job_log *l, struct app *app, const char *job, struct vv_error *err)
{
    *l = (struct job_log){.observer.step = on_step,
                          .app = app,
                          .began = vv_clock_system()->monotonic(vv_clock_system())};
    run_id_make(l->run);
    memcpy(app->log.run, l->run, sizeof(l->run));
    app->log.job = job;
    event_log_write(&app->log, EVENT_INFO, "run.begin", NULL, 0);
    return make_environment(l, err);
}

void
job_log_end(struct job_log *l, enum exit_code code)
{
    uint64_t now = vv_clock_system()->monotonic(vv_clock_system());
    const struct event_field fields[] = {event_number("code", (int64_t)code),
                                         event_seconds("seconds", (now - l->began) / 1000000)};

    event_log_write(&l->app->log, code == EXIT_DONE ? EVENT_INFO : EVENT_ERROR, "run.end", fields,
                    VV_COUNT(fields));
}

void
job_log_release(struct job_log *l)
{
    for (size_t i = 0; i < VV_COUNT(l->texts); i++) {
        vv_buf_release(&l->texts[i]);
    }
}
