/* SPDX-License-Identifier: BSD-2-Clause */
/* varve schedule list | install | remove: jobs that run by themselves. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "core/clock.h"
#include "render.h"
#include "schedule_install.h"
#include "schedule_list.h"

#define PLACE_OPTIONS                                                                              \
    {"systemd",   '\0',                                                                            \
     OPTION_FLAG, offsetof(struct schedule_options, systemd),                                      \
     NULL,        "timers and services of systemd",                                                \
     NULL},                                                                                        \
        {"crontab",        '\0', OPTION_FLAG, offsetof(struct schedule_options, crontab), NULL,    \
         "lines for cron", NULL},                                                                  \
        {"system",    '\0',                                                                        \
         OPTION_FLAG, offsetof(struct schedule_options, system),                                   \
         NULL,        "of the system: for root, the default",                                      \
         NULL},                                                                                    \
        {"user",      '\0',                                                                        \
         OPTION_FLAG, offsetof(struct schedule_options, user),                                     \
         NULL,        "of this user: for others, the default",                                     \
         NULL},                                                                                    \
    {                                                                                              \
        "directory", '\0', OPTION_TEXT, offsetof(struct schedule_options, directory), "DIR",       \
            "files in this directory, of which nobody is told", NULL                               \
    }

static const struct option_spec list_specs[] = {PLACE_OPTIONS, OPTION_END};
static const struct option_spec change_specs[] = {
    PLACE_OPTIONS,
    {"dry-run", '\0', OPTION_FLAG, offsetof(struct schedule_options, dry_run), NULL,
     "change nothing, and show what would be written", NULL},
    OPTION_END};

static bool
begin(struct app *app, int argc, char **argv, struct schedule_options *o)
{
    struct arguments args = {0};

    if (!app_arguments(app, o, argc, argv, 0, 0, &args)) {
        return false;
    }
    arguments_release(&args);
    return true;
}

static enum vv_rc
read_settings(struct app *app, struct settings **ret)
{
    VV_TRY(settings_input_need(app, ret, &app->err));
    return settings_input_refuse(*ret, 0, &app->err);
}

/* ---- list ---- */

static enum vv_rc
list(struct app *app, const struct schedule_options *o)
{
    struct schedule_place places[2] = {{0}};
    struct settings *c = NULL;
    unsigned count = 0;
    enum vv_rc rc = read_settings(app, &c);

    rc = rc == VV_OK ? schedule_place_all(app, o, places, &count) : rc;
    if (rc == VV_OK) {
        rc = schedule_list(app, c, places, count, vv_clock_system()->realtime(vv_clock_system()));
    }
    schedule_place_release(&places[0]);
    schedule_place_release(&places[1]);
    return rc;
}

static enum exit_code
run_list(struct app *app, int argc, char **argv)
{
    struct schedule_options o = {0};

    if (!begin(app, argc, argv, &o)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    return app_finish(app, list(app, &o), EXIT_DONE);
}

/* ---- install and remove ---- */

static void
add_changes(struct schedule_changes *sum, const struct schedule_changes *more)
{
    sum->written += more->written;
    sum->removed += more->removed;
    sum->unchanged += more->unchanged;
}

/* Whatever stands elsewhere goes, or jobs would be run twice. */
static enum vv_rc
clear_others(struct app *app, const struct schedule_options *o, const struct schedule_place *chosen,
             struct schedule_changes *sum)
{
    const struct schedule_options everywhere = {
        .system = o->system, .user = o->user, .directory = o->directory};
    const struct schedule_jobs none = {0};
    struct schedule_place places[2] = {{0}};
    unsigned count = 0;
    enum vv_rc rc = schedule_place_all(app, chosen != NULL ? &everywhere : o, places, &count);

    for (unsigned i = 0; i < count && rc == VV_OK; i++) {
        struct schedule_changes changes = {0};
        if (chosen == NULL || places[i].manager != chosen->manager) {
            rc = schedule_install(app, &places[i], &none, o->dry_run, &changes);
            add_changes(sum, &changes);
        }
    }
    schedule_place_release(&places[0]);
    schedule_place_release(&places[1]);
    return rc;
}

static void
say_installed(struct app *app, const struct schedule_place *p, const struct schedule_jobs *jobs)
{
    size_t runs = 0;

    if (app->global.quiet || app_json(app) != NULL) {
        return;
    }
    if (jobs->count == 0) {
        printf("no job of the configuration has a key 'schedule'\n");
        return;
    }
    for (size_t i = 0; i < jobs->count; i++) {
        runs += jobs->items[i].kind != SCHEDULED_STATUS;
    }
    render_count(runs, "job", "jobs", stdout);
    if (p->manager == SCHEDULE_CRONTAB) {
        printf(p->live ? ", run by cron\n" : ", for cron\n");
    } else if (!p->live) {
        printf(", for systemd: 'systemctl enable' them where they are to run\n");
    } else if (!schedule_place_running(p)) {
        printf(", run by systemd when it is started\n");
    } else {
        printf(", run by systemd: 'systemctl %slist-timers' shows them\n",
               p->user ? "--user " : "");
    }
    if (p->live && p->user && p->manager == SCHEDULE_SYSTEMD) {
        printf("they run while you are logged in; always, after 'loginctl enable-linger'\n");
    }
}

/*
 * What its unit lets a job write to (ReadWritePaths=) must be there when the unit is started: in a read-only
 * system it cannot be made.  The directory above it is not given to the unit for that: it may be the root
 * directory, or that of a disk that is not mounted.
 */
static void
warn_of_missing_directories(struct app *app, const struct schedule_place *p,
                            const struct schedule_jobs *jobs)
{
    struct stat st;

    if (!p->live || p->user || p->manager != SCHEDULE_SYSTEMD) {
        return;
    }
    for (size_t i = 0; i < jobs->count; i++) {
        const struct scheduled_job *j = &jobs->items[i];
        bool again = i > 0 && strcmp(j->name, jobs->items[i - 1].name) == 0; /* run and watched */
        if (j->commands || again) {
            continue;
        }
        for (const char *const *path = j->writable; *path != NULL; path++) {
            if (stat(*path, &st) != 0 && errno == ENOENT) {
                messages_warning(&app->messages, "schedule-directory-missing",
                                 "'%s' does not exist, and systemd does not let job '%s' make it: "
                                 "make it first by 'varve run %s' by hand, once",
                                 *path, j->name, j->name);
            }
        }
    }
}

static enum vv_rc
install(struct app *app, const struct schedule_options *o, const struct schedule_place *p,
        const struct settings *c, struct schedule_changes *sum)
{
    struct schedule_jobs jobs = {0};
    enum vv_rc rc = schedule_jobs_make(app, c, p->manager, p->user, &jobs, &app->err);

    rc = rc == VV_OK ? schedule_install(app, p, &jobs, o->dry_run, sum) : rc;
    rc = rc == VV_OK ? clear_others(app, o, p, sum) : rc;
    if (rc == VV_OK) {
        warn_of_missing_directories(app, p, &jobs);
    }
    if (rc == VV_OK && !o->dry_run) {
        say_installed(app, p, &jobs);
    }
    schedule_jobs_release(&jobs);
    return rc;
}

static void
begin_json(struct app *app, const struct schedule_options *o, const struct schedule_place *p)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        json_put_bool(j, "dry_run", o->dry_run);
        if (p != NULL) {
            json_put_text(j, "by", p->manager == SCHEDULE_SYSTEMD ? "systemd" : "crontab");
        }
        json_put_array(j, "files");
    }
}

static enum exit_code
run_install(struct app *app, int argc, char **argv)
{
    struct schedule_options o = {0};
    struct schedule_place place = {0};
    struct schedule_changes sum = {0};
    struct settings *c = NULL;
    enum vv_rc rc;

    if (!begin(app, argc, argv, &o)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = read_settings(app, &c);
    rc = rc == VV_OK ? schedule_place_choose(app, &o, &place) : rc;
    if (rc == VV_OK) {
        begin_json(app, &o, &place);
        rc = install(app, &o, &place, c, &sum);
    }
    schedule_place_release(&place);
    return app_finish(app, rc, EXIT_DONE);
}

static enum exit_code
run_remove(struct app *app, int argc, char **argv)
{
    struct schedule_options o = {0};
    struct schedule_changes sum = {0};
    enum vv_rc rc;

    if (!begin(app, argc, argv, &o)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    begin_json(app, &o, NULL);
    rc = clear_others(app, &o, NULL, &sum);
    if (rc == VV_OK && sum.removed == 0 && !app->global.quiet && app_json(app) == NULL) {
        printf("nothing is installed\n");
    }
    return app_finish(app, rc, EXIT_DONE);
}

static const struct command schedule_list_command = {
    .name = "list",
    .arguments = "",
    .summary = "show which job is run when, and by what",
    .specs = list_specs,
    .run = run_list,
};
static const struct command schedule_install_command = {
    .name = "install",
    .arguments = "",
    .summary = "have jobs run by systemd, or by cron where there is none",
    .details = "To be given again when the configuration has changed: what is superfluous goes.\n"
               "Only files that begin with its own mark are ever replaced or removed.\n",
    .specs = change_specs,
    .run = run_install,
};
static const struct command schedule_remove_command = {
    .name = "remove",
    .arguments = "",
    .summary = "have no job run by itself any more",
    .specs = change_specs,
    .run = run_remove,
};
static const struct command *const subcommands[] = {
    &schedule_list_command, &schedule_install_command, &schedule_remove_command, NULL};
const struct command cmd_schedule = {
    .name = "schedule",
    .summary = "run jobs of the configuration by themselves, at their times",
    .details = "When a job is run says its key 'schedule', see varve.conf(5):\n"
               "daily 02:30, weekly sunday 03:00, monthly 1 04:00, hourly :15, every 6h.\n",
    .subcommands = subcommands,
};
