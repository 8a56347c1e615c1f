/* SPDX-License-Identifier: BSD-2-Clause */
/* varve run JOB... | --all: jobs of the configuration, one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/random.h"
#include "job_lock.h"
#include "job_plan.h"
#include "job_report.h"
#include "run_notes.h"
#include "signals.h"

struct run_command_line {
    bool all;
    bool wait;
};
static const struct option_spec specs[] = {
    {"all", '\0', OPTION_FLAG, offsetof(struct run_command_line, all), NULL,
     "run every job, in the order of the configuration", NULL},
    {"wait", '\0', OPTION_FLAG, offsetof(struct run_command_line, wait), NULL,
     "wait while another run of the same job goes on, instead of failing", NULL},
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
        const struct settings_section *section = NULL;
        VV_TRY(settings_input_job(app, c, args->items[i], &section));
    }
    if (o->all && settings_names(c, "job", &names, NULL) == VV_OK && names.len == 0) {
        return app_usage(app, "there is no job in the configuration");
    }
    return VV_OK;
}

/* What each part must know stands in the configuration: given here, it would reach none of them. */
static enum vv_rc
check_global(struct app *app)
{
    const struct global_options *g = &app->global;
    const struct ssh_given *s = &g->ssh;

    if (g->repository != NULL) {
        return app_usage(app, "a job says by itself which repository it is for: no -r");
    }
    if (g->key_file != NULL || g->passphrase_file != NULL || g->passphrase_command != NULL ||
        g->recovery_file != NULL || g->replicas.count > 0 || s->transport >= 0 ||
        s->command != NULL || s->identity != NULL || s->known_hosts != NULL ||
        s->fingerprint != NULL || s->passphrase_file != NULL || s->passphrase_command != NULL ||
        s->accept_new_host_key) {
        return app_usage(app, "how a repository is opened and reached stands in the configuration, "
                              "not on this command line");
    }
    if (g->expect_head != NULL || g->accept_head) {
        return app_usage(app,
                         "--expect-head and --accept-head are for a command on one repository");
    }
    return VV_OK;
}

/* Of what this job needs; another's missing key is not its business. */
static enum vv_rc
check_secrets(struct app *app, const struct settings_section *job)
{
    static const char *const keys[] = {"repository", "replicate-to"};
    struct settings *c = NULL;

    VV_TRY(settings_input_read(app, &c, &app->err));
    for (size_t i = 0; i < VV_COUNT(keys); i++) {
        const struct settings_value *v = NULL;
        while ((v = settings_next(job, keys[i], v)) != NULL) {
            unsigned known = settings_problem_count(c); /* of jobs before this one */
            VV_TRY(settings_check_secrets(c, settings_find(c, "repository", v->text), &app->err));
            VV_TRY(settings_input_refuse(c, known, &app->err));
        }
    }
    return VV_OK;
}

/* ---- jobs ---- */

/* By it a run, its parts and its commands are known everywhere: they find it in their environment. */
#define RUN_ID 17
static enum vv_rc
begin_run(struct app *app, const char *job, char id[RUN_ID])
{
    uint8_t random[8];

    vv_random(random, sizeof(random));
    vv_hex(id, random, sizeof(random));
    if (setenv("VARVE_RUN", id, 1) != 0 || setenv("VARVE_JOB", job, 1) != 0) {
        return vv_error_nomem(&app->err);
    }
    return VV_OK;
}

static enum vv_rc
run_job(struct app *app, const struct settings_section *section, bool wait, enum exit_code *code)
{
    VV_CLEANUP(vv_fd_closep) int lock = -1;
    struct job_report report = {0};
    struct job_plan plan = {0};
    char id[RUN_ID];
    int64_t began;
    enum vv_rc rc = check_secrets(app, section);

    rc = rc == VV_OK ? job_lock_take(app, section->name, wait, &lock, &app->err) : rc;
    began = vv_clock_system()->realtime(vv_clock_system());
    rc = rc == VV_OK ? begin_run(app, section->name, id) : rc;
    rc = rc == VV_OK ? job_plan_make(app, section, &plan, &app->err) : rc;
    if (rc == VV_OK) {
        run_notes_begin(app, id, section->name, began);
    }
    rc = rc == VV_OK ? job_run(&plan.job, signals_cancel(), &report, &app->err) : rc;
    if (rc == VV_OK) {
        enum exit_code own = job_report_code(&report);
        run_notes_end(app, id, section->name, began, &report, own);
        job_report_print(app, section->name, &report, began, own);
        *code = exit_code_worse(*code, own);
        rc = report.cancelled ? vv_cancel_check(signals_cancel(), &app->err) : VV_OK;
    }
    job_report_release(&report);
    job_plan_release(&plan);
    return rc;
}

/* One that cannot begin keeps none of the others from it. */
static enum vv_rc
run_or_tell(struct app *app, const struct settings_section *job, bool wait, enum exit_code *code)
{
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(signals_cancel(), &app->err));
    rc = run_job(app, job, wait, code);
    if (rc == VV_OK || rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        return rc;
    }
    messages_error(&app->messages, &app->err);
    *code = exit_code_worse(*code, exit_code_of(rc, app->err.origin));
    vv_error_clear(&app->err);
    return VV_OK;
}

static enum vv_rc
run_jobs(struct app *app, const struct settings *c, const struct run_command_line *o,
         const struct arguments *args, enum exit_code *code)
{
    for (size_t i = 0; i < args->count; i++) {
        VV_TRY(run_or_tell(app, settings_find(c, "job", args->items[i]), o->wait, code));
    }
    for (const struct settings_section *s = o->all ? settings_sections(c) : NULL; s != NULL;
         s = s->next) {
        if (strcmp(s->spec->kind, "job") == 0) {
            VV_TRY(run_or_tell(app, s, o->wait, code));
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
    rc = check_global(app);
    rc = rc == VV_OK ? settings_input_need(app, &c, &app->err) : rc;
    rc = rc == VV_OK ? settings_input_refuse(c, 0, &app->err) : rc;
    rc = rc == VV_OK ? check_names(app, c, &o, &args) : rc;
    if (rc == VV_OK) {
        struct json *j = app_json(app);
        signals_wait_for_cleanup();
        if (j != NULL) {
            json_put_array(j, "jobs");
        }
        rc = run_jobs(app, c, &o, &args, &code);
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
