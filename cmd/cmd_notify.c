/* SPDX-License-Identifier: BSD-2-Clause */
/* varve notify test [JOB]: is anybody told? */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "core/clock.h"
#include "job_notify.h"
#include "notify_settings.h"

static const struct option_spec specs[] = {OPTION_END};

static const char hint[] = "add one with a channel, such as: mail-to = root (varve.conf(5))";

/* The sections to test: that of a job, else all.  ${before} NULL: the first. */
static const struct settings_section *
next_section(const struct settings *c, const struct settings_section *job,
             const struct settings_section *before)
{
    if (job != NULL) {
        return before == NULL ? notify_settings_of(c, job) : NULL;
    }
    before = before != NULL ? before->next : settings_sections(c);
    while (before != NULL && strcmp(before->spec->kind, "notify") != 0) {
        before = before->next;
    }
    return before;
}

static void
print_result(const char *name, enum notify_channel c, const struct notify_result *r)
{
    printf("[notify%s%s] %-8s %s", name[0] != '\0' ? " " : "", name, notify_channel_name(c),
           notify_outcome_name(r->outcome));
    if (r->outcome == NOTIFY_FAILED) {
        printf(": ");
        message_print(r->err.message, stdout);
        if (r->err.hint[0] != '\0') {
            printf("\n    ");
            message_print(r->err.hint, stdout);
        }
    }
    printf("\n");
}

static void
put_result(struct json *j, const char *name, enum notify_channel c, const struct notify_result *r)
{
    json_put_object(j, NULL);
    json_put_text(j, "notify", name);
    json_put_text(j, "channel", notify_channel_name(c));
    json_put_text(j, "state", notify_outcome_name(r->outcome));
    if (r->outcome == NOTIFY_FAILED) {
        json_put_text(j, "why", r->err.message);
        json_put_text(j, "hint", r->err.hint);
    }
    json_put_end(j);
}

static enum vv_rc
test_section(struct app *app, const struct settings_section *section, const char *job,
             enum exit_code *code)
{
    static const char summary[] = "If you read this, what becomes of jobs will reach you, too.";
    VV_CLEANUP(vv_arena_release) struct vv_arena arena = {0};
    const struct vv_clock *clock = vv_clock_system();
    struct notify_facts f = {.event = NOTIFY_TEST,
                             .job = job,
                             .run = "",
                             .host = app_host(),
                             .now = clock->realtime(clock),
                             .failed = "",
                             .summary = summary,
                             .tail = ""};
    struct notify_settings settings;
    struct notify_report report;
    struct json *j = app_json(app);
    unsigned channels = 0;

    VV_TRY(notify_settings_make(section, &arena, &settings, &app->err));
    notify_send(&settings, &f, NULL, &report);
    for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
        const struct notify_result *r = &report.results[c];
        if (r->outcome == NOTIFY_NONE) {
            continue;
        }
        channels++;
        *code = r->outcome == NOTIFY_FAILED ? exit_code_worse(*code, EXIT_FAILED) : *code;
        if (j != NULL) {
            put_result(j, section->name, c, r);
        } else {
            print_result(section->name, c, r);
        }
    }
    if (channels == 0) {
        (void)vv_error_set(&app->err, VV_EUSAGE, "%s:%u: this section tells nobody",
                           section->place.file, section->place.line);
        vv_error_hint(&app->err, "%s", hint);
        return VV_EUSAGE;
    }
    return VV_OK;
}

static enum vv_rc
test_all(struct app *app, const struct settings *c, const struct settings_section *job,
         enum exit_code *code)
{
    const struct settings_section *s = NULL;
    unsigned count = 0;

    while ((s = next_section(c, job, s)) != NULL) {
        VV_TRY(test_section(app, s, job != NULL ? job->name : "", code));
        count++;
    }
    if (count == 0) {
        (void)vv_error_set(&app->err, VV_EUSAGE, "there is no section [notify]%s%s%s",
                           job != NULL ? " for job '" : "", job != NULL ? job->name : "",
                           job != NULL ? "'" : "");
        vv_error_hint(&app->err, "%s", hint);
        return VV_EUSAGE;
    }
    return VV_OK;
}

/* The configuration without a mistake, and the job that is named. */
static enum vv_rc
find_job(struct app *app, const char *name, struct settings **ret,
         const struct settings_section **ret_job)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};

    VV_TRY(settings_input_need(app, ret, &app->err));
    VV_TRY(settings_input_refuse(*ret, 0, &app->err));
    *ret_job = name != NULL ? settings_find(*ret, "job", name) : NULL;
    if (name != NULL && *ret_job == NULL) {
        (void)app_usage(app, "there is no job '%s' in the configuration", name);
        if (settings_names(*ret, "job", &names, NULL) == VV_OK && names.len > 0) {
            vv_error_hint(&app->err, "there are: %s", vv_buf_text(&names));
        }
        return VV_EUSAGE;
    }
    return VV_OK;
}

static enum exit_code
run_test(struct app *app, int argc, char **argv)
{
    const struct settings_section *job = NULL;
    struct arguments args = {0};
    struct settings *c = NULL;
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;
    char none = 0;

    if (!app_arguments(app, &none, argc, argv, 0, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = find_job(app, args.count > 0 ? args.items[0] : NULL, &c, &job);
    if (rc == VV_OK) {
        struct json *j = app_json(app);
        if (j != NULL) {
            json_put_array(j, "tests");
        }
        rc = test_all(app, c, job, &code);
        if (j != NULL) {
            json_put_end(j);
        }
    }
    arguments_release(&args);
    return app_finish(app, rc, code);
}

static const struct command notify_test_command = {
    .name = "test",
    .arguments = "[JOB]",
    .summary = "send a test over every channel, and tell what became of it",
    .details =
        "Without a job: of every section [notify].  A ping goes to the address for failures, "
        "since\n"
        "it must not look like a success; the service may raise an alarm.\n",
    .specs = specs,
    .run = run_test,
};
static const struct command *const subcommands[] = {&notify_test_command, NULL};
const struct command cmd_notify = {
    .name = "notify",
    .summary = "try out who is told what becomes of jobs",
    .details = "Who that is stands in the sections [notify] of the configuration, see "
               "varve.conf(5).\n",
    .subcommands = subcommands,
};
