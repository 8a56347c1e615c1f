/* SPDX-License-Identifier: BSD-2-Clause */
/* varve status [JOB...]: how are the jobs of the configuration doing? */
#include <string.h>

#include "commands.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "duration.h"
#include "job_start.h"
#include "status_notify.h"
#include "status_print.h"

#define LIMIT_DEFAULT_MS (UINT64_C(60) * 1000)

struct status_command_line {
    bool offline;
    bool nagios;
    bool notify;
    const char *prometheus;
    const char *timeout;
};
#define AT(member) offsetof(struct status_command_line, member)
static const struct option_spec specs[] = {
    {"nagios", '\0', OPTION_FLAG, AT(nagios), NULL,
     "one line with performance data, as monitoring plugins print it", NULL},
    {"notify", '\0', OPTION_FLAG, AT(notify), NULL,
     "tell of jobs that are CRITICAL, or not any more, as [notify] in the configuration says",
     NULL},
    {"offline", '\0', OPTION_FLAG, AT(offline), NULL,
     "ask no repository: tell what was known last (never OK)", NULL},
    {"prometheus", '\0', OPTION_TEXT, AT(prometheus), "FILE",
     "also write metrics to FILE, for the textfile collector of node_exporter", NULL},
    {"timeout", '\0', OPTION_TEXT, AT(timeout), "DURATION",
     "wait so long for each repository (default: 1min)", NULL},
    OPTION_END,
};

static enum vv_rc
read_limit(struct app *app, const struct status_command_line *o, uint64_t *ret)
{
    int64_t ns = 0;

    *ret = LIMIT_DEFAULT_MS;
    if (o->timeout == NULL) {
        return VV_OK;
    }
    if (!duration_parse(o->timeout, &ns) || ns <= 0) {
        return app_usage(app, "option '--timeout': '%s' is no duration such as 1min or 1h",
                         o->timeout);
    }
    *ret = (uint64_t)ns / 1000000;
    return VV_OK;
}

/* Those named, or all. */
static enum vv_rc
choose(struct app *app, const struct settings *c, const struct arguments *args,
       const struct settings_section ***ret, size_t *ret_count)
{
    const struct settings_section **chosen;
    size_t count = 0;

    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        count += strcmp(s->spec->kind, "job") == 0;
    }
    if (count == 0) {
        return app_usage(app, "there is no job in the configuration");
    }
    count = args->count > 0 ? args->count : count;
    chosen = vv_alloc_array(count, sizeof(*chosen));
    if (chosen == NULL) {
        return vv_error_nomem(&app->err);
    }
    *ret = chosen;
    for (size_t i = 0; i < args->count; i++) {
        VV_TRY(job_find(app, c, args->items[i], &chosen[i]));
    }
    *ret_count = 0;
    for (const struct settings_section *s = settings_sections(c); s != NULL && args->count == 0;
         s = s->next) {
        if (strcmp(s->spec->kind, "job") == 0) {
            chosen[(*ret_count)++] = s;
        }
    }
    *ret_count = count;
    return VV_OK;
}

static void
open_history(struct status_asking *a, struct vv_error *why)
{
    enum vv_rc rc = run_notes_open(&a->history, why);

    a->history_state = rc == VV_OK          ? STATUS_HISTORY_READ
                       : rc == VV_ENOTFOUND ? STATUS_HISTORY_MISSING
                                            : STATUS_HISTORY_DAMAGED;
    a->history_text = why->message;
}

static enum vv_rc
look(const struct status_asking *a, const struct settings_section *const *chosen, size_t count,
     struct status_looked *jobs, enum status_level *ret)
{
    struct vv_error *err = &a->app->err;

    for (size_t i = 0; i < count; i++) {
        VV_TRY(status_gather(a, chosen[i], &jobs[i].facts, err));
        VV_TRY(status_judge(&jobs[i].facts.job, &jobs[i].report, err));
        *ret = status_worse(*ret, jobs[i].report.level);
    }
    return VV_OK;
}

static void
print(struct app *app, const struct status_command_line *o, const struct status_looked *jobs,
      size_t count, enum status_level level)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        status_print_json(j, jobs, count, level);
        return;
    }
    if (app->global.quiet && (level == STATUS_OK || o->notify) && !o->nagios) {
        return; /* who is to be told was told */
    }
    status_print_line(jobs, count, level, o->nagios);
    if (!o->nagios) {
        status_print_text(jobs, count);
    }
}

static enum vv_rc
status(struct app *app, const struct status_command_line *o, const struct arguments *args,
       enum status_level *ret)
{
    VV_CLEANUP(vv_freep) const struct settings_section **chosen = NULL;
    VV_CLEANUP(vv_freep) struct status_looked *jobs = NULL;
    struct status_asking a = {.app = app, .offline = o->offline};
    struct vv_error why = {0};
    struct vv_error unwritable = {0};
    struct settings *c = NULL;
    size_t count = 0;
    enum vv_rc rc;

    VV_TRY(read_limit(app, o, &a.limit_ms));
    VV_TRY(settings_input_need(app, &c, &app->err));
    VV_TRY(settings_input_refuse(c, 0, &app->err));
    VV_TRY(choose(app, c, args, &chosen, &count));
    jobs = vv_alloc_array(count, sizeof(*jobs));
    if (jobs == NULL) {
        return vv_error_nomem(&app->err);
    }
    memset(jobs, 0, count * sizeof(*jobs));
    a.settings = c;
    a.unwritable = &unwritable;
    a.now = vv_clock_system()->realtime(vv_clock_system());
    open_history(&a, &why);
    rc = look(&a, chosen, count, jobs, ret);
    run_history_free(a.history);
    for (size_t i = 0; rc == VV_OK && o->notify && i < count; i++) {
        status_notify(app, chosen[i], &jobs[i].report);
    }
    if (rc == VV_OK) {
        print(app, o, jobs, count, *ret);
        rc = o->prometheus == NULL
                 ? VV_OK
                 : status_metrics_write(o->prometheus, jobs, count, a.now, &app->err);
    }
    for (size_t i = 0; i < count; i++) {
        status_report_release(&jobs[i].report);
        status_facts_release(&jobs[i].facts);
    }
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct status_command_line o = {0};
    struct arguments args = {0};
    enum status_level level = STATUS_OK;
    enum vv_rc rc;

    app->unknown_on_failure = true;
    if (!app_arguments(app, &o, argc, argv, 0, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = status(app, &o, &args, &level);
    arguments_release(&args);
    return app_finish(app, rc, (enum exit_code)level);
}

const struct command cmd_status = {
    .name = "status",
    .arguments = "[JOB...]",
    .summary = "tell how jobs are doing: last runs, age of snapshots here and in copies, space",
    .details =
        "Exit codes are those of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also\n"
        "if this could not be found out).",
    .specs = specs,
    .run = run,
};
