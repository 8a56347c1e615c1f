/* SPDX-License-Identifier: BSD-2-Clause */
/* varve run JOB... | --all: jobs of the configuration, one after the other. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "core/clock.h"
#include "core/file.h"
#include "job_log.h"
#include "job_notify.h"
#include "job_plan.h"
#include "job_report.h"
#include "job_start.h"
#include "run_notes.h"
#include "run_times.h"
#include "signals.h"

struct run_command_line {
    bool all;
    bool wait;
    bool missed;
    const char *jitter;
};
static const struct option_spec specs[] = {
    {"all", '\0', OPTION_FLAG, offsetof(struct run_command_line, all), NULL,
     "run every job, in the order of the configuration", NULL},
    {"wait", '\0', OPTION_FLAG, offsetof(struct run_command_line, wait), NULL,
     "wait while another run of the same job goes on, instead of failing", NULL},
    {"missed", '\0', OPTION_FLAG, offsetof(struct run_command_line, missed), NULL,
     "only jobs that should have run since their last run, by their schedule", NULL},
    {"jitter", '\0', OPTION_TEXT, offsetof(struct run_command_line, jitter), "DURATION",
     "wait for a random time up to this before beginning", NULL},
    OPTION_END,
};

static enum vv_rc
check_names(struct app *app, const struct settings *c, const struct run_command_line *o,
            const struct arguments *args)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};

    if (o->all == (args->count > 0)) {
        (void)app_usage(app, o->all ? "either --all or names of jobs" : "which job?");
        if (!o->all && settings_names(c, "job", &names, NULL) == VV_OK && names.len > 0) {
            vv_error_hint(&app->err, "there are: %s; or --all", vv_buf_text(&names));
        }
        return VV_EUSAGE;
    }
    for (size_t i = 0; i < args->count; i++) {
        VV_TRY(job_find(app, c, args->items[i], NULL));
    }
    if (o->all && settings_names(c, "job", &names, NULL) == VV_OK && names.len == 0) {
        return app_usage(app, "there is no job in the configuration");
    }
    return VV_OK;
}

/* ---- jobs ---- */

/* How a run of a job is told. */
struct job_run {
    const struct settings_section *section;
    struct job_log log;
    struct job_notify notify;
    enum exit_code code;
};

static int64_t
now(void)
{
    return vv_clock_system()->realtime(vv_clock_system());
}

static enum vv_rc
run_job(struct app *app, struct job_run *k, bool wait)
{
    VV_CLEANUP(vv_fd_closep) int lock = -1;
    struct job_report report = {0};
    struct job_plan plan = {0};
    enum exit_code sites = EXIT_DONE;
    int64_t began;
    enum vv_rc rc = job_check_secrets(app, k->section);

    rc = rc == VV_OK ? job_lock(app, k->section->name, wait ? JOB_LOCK_WAIT : JOB_LOCK_RUN, &lock)
                     : rc;
    began = now();
    rc = rc == VV_OK ? job_plan_make(app, k->section, &plan, &app->err) : rc;
    if (rc == VV_OK) {
        sites = job_check_sites(app, k->section) ? EXIT_DONE : EXIT_PROBLEMS;
        run_notes_begin(app, k->log.run, k->section->name, began);
        job_notify_start(&k->notify);
        plan.job.environment = k->log.environment;
        plan.job.observer = &k->log.observer;
        plan.job.tail = k->notify.wanted ? &k->notify.tail : NULL;
        rc = job_run(&plan.job, signals_cancel(), &report, &app->err);
    }
    if (rc == VV_OK) {
        enum exit_code own = exit_code_worse(job_report_code(&report), sites);
        /* First: telling may take long, and be ended. */
        run_notes_end(app, k->log.run, k->section->name, began, &report, own);
        k->code = job_notify_end(&k->notify, &report, own);
        if (k->code != own) {
            run_notes_end(app, k->log.run, k->section->name, began, &report, k->code);
        }
        job_report_print(app, k->section->name, &report, began, k->code, &k->notify);
        rc = report.cancelled ? vv_cancel_check(signals_cancel(), &app->err) : VV_OK;
    }
    job_report_release(&report);
    job_plan_release(&plan);
    return rc;
}

/* One that cannot begin keeps none of the others from it. */
static enum vv_rc
run_and_tell(struct app *app, struct job_run *k, bool wait)
{
    enum vv_rc rc = run_job(app, k, wait);

    if (rc == VV_OK || rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        return rc;
    }
    messages_error(&app->messages, &app->err);
    k->code = job_notify_end(&k->notify, NULL, exit_code_of(rc, app->err.origin));
    if (rc != VV_EREFUSED) { /* another one goes on: that one counts */
        const struct job_report none = {0};
        run_notes_end(app, k->log.run, k->section->name, now(), &none, k->code);
    }
    vv_error_clear(&app->err);
    return VV_OK;
}

static enum vv_rc
run_one(struct app *app, const struct settings_section *job, const struct run_command_line *o,
        enum exit_code *code)
{
    struct job_run k = {.section = job};
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(signals_cancel(), &app->err));
    if (o->missed && !run_times_missed(job)) {
        if (!app->global.quiet && app_json(app) == NULL) {
            printf("job '%s': nothing was missed\n", job->name);
        }
        return VV_OK;
    }
    rc = job_log_begin(&k.log, app, job->name, &app->err);
    job_notify_init(&k.notify, app, job, k.log.run);
    rc = rc == VV_OK ? run_and_tell(app, &k, o->wait) : rc;
    k.code = rc != VV_OK ? exit_code_worse(k.code, exit_code_of(rc, app->err.origin)) : k.code;
    job_log_end(&k.log, k.code);
    *code = exit_code_worse(*code, k.code);
    job_notify_release(&k.notify);
    job_log_release(&k.log);
    return rc;
}

static enum vv_rc
run_jobs(struct app *app, const struct settings *c, const struct run_command_line *o,
         const struct arguments *args, enum exit_code *code)
{
    for (size_t i = 0; i < args->count; i++) {
        VV_TRY(run_one(app, settings_find(c, "job", args->items[i]), o, code));
    }
    for (const struct settings_section *s = o->all ? settings_sections(c) : NULL; s != NULL;
         s = s->next) {
        if (strcmp(s->spec->kind, "job") == 0) {
            VV_TRY(run_one(app, s, o, code));
        }
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct run_command_line o = {0};
    struct arguments args = {0};
    struct settings *c = NULL;
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = job_check_global(app);
    rc = rc == VV_OK ? settings_input_need(app, &c, &app->err) : rc;
    rc = rc == VV_OK ? settings_input_refuse(c, 0, &app->err) : rc;
    rc = rc == VV_OK ? check_names(app, c, &o, &args) : rc;
    if (rc == VV_OK) {
        struct json *j = app_json(app);
        signals_wait_for_cleanup();
        if (j != NULL) {
            json_put_array(j, "jobs");
        }
        rc = run_times_jitter(app, o.jitter);
        rc = rc == VV_OK ? run_jobs(app, c, &o, &args, &code) : rc;
        if (j != NULL) {
            json_put_end(j);
        }
    }
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_run = {
    .name = "run",
    .arguments = "JOB... | --all",
    .summary =
        "run jobs of the configuration: hooks, backup, replicate, forget, prune, scrub, verify",
    .details =
        "What a job does is in its section of /etc/varve/varve.conf, see varve.conf(5).  A part "
        "that\n"
        "fails keeps no other from running, but for forget and prune, which need a backup.  The\n"
        "exit code is the worst of all parts.\n",
    .specs = specs,
    .run = run,
};
