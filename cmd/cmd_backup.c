/* SPDX-License-Identifier: BSD-2-Clause */
/* varve backup [option]... PATH...: one snapshot of files, databases, commands and archives. */
#include <stdlib.h>

#include "backup_plan.h"
#include "commands.h"
#include "log_results.h"
#include "render.h"
#include "run_notes.h"
#include "storage_notes.h"

static void
report(struct app *app, const struct backup_summary *s)
{
    struct json *j = app_json(app);
    struct storage_notes notes;
    bool clean;

    log_backup(app, s);
    storage_notes(app, &notes);
    clean = !s->problems && app->messages.problems == 0;
    if (j != NULL) {
        render_backup_json(j, s);
        storage_notes_json(&notes, j);
    } else if (!app->global.quiet || !clean) {
        render_backup(s, stdout);
        storage_notes_print(&notes, stdout);
    }
}

/** In a run of a job: how much space there is, so that 'varve status' can tell when it runs out. */
static void
note_space(struct app *app)
{
    struct history_event e = {.kind = HISTORY_SPACE};
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;

    if (getenv("VARVE_RUN") != NULL &&
        storage_space(app->storage, &free_bytes, &total_bytes, NULL) == VV_OK) {
        e.bytes = (int64_t)free_bytes;
        e.total = (int64_t)total_bytes;
        run_notes_event(app, &e);
    }
}

static void
explain_space(struct app *app)
{
    if (app->err.hint[0] == '\0' && app->err.origin != VV_ORIGIN_LOCAL &&
        app->err.origin != VV_ORIGIN_SOURCE) {
        vv_error_hint(&app->err, "nothing is lost, and the next backup goes on with what this one "
                                 "has stored; 'varve forget' and 'varve prune' make room, or a "
                                 "larger disk; 'varve status' tells how fast it fills");
    }
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    static const char *const phases[] = {"starting", "reading", "committing", "done"};
    struct backup_command_line o = {0};
    struct backup_plan plan = {0};
    struct backup_summary summary = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, SIZE_MAX, &args)) {
        rc = app->err.rc;
    } else {
        rc = backup_plan_make(app, &o, &args, &plan);
        if (rc == VV_OK) {
            rc = app_open(app, APP_WRITE);
        }
        if (rc == VV_OK) {
            struct vv_progress *progress = app_progress(app, phases, VV_COUNT(phases));
            rc = backup_run(app->repo, &plan.options, progress, &summary, &app->err);
            progress_stop(&app->progress);
        }
        if (rc == VV_ENOSPACE) {
            explain_space(app);
        }
        if (rc == VV_OK) {
            report(app, &summary);
            note_space(app);
            code = summary.problems ? EXIT_PROBLEMS : EXIT_DONE;
        }
        if (summary.freshness == FRESHNESS_ROLLED_BACK || summary.forged > 0) {
            app->not_fresh = true;
        }
    }
    backup_plan_release(&plan);
    arguments_release(&args);
    backup_command_line_release(&o);
    return app_finish(app, rc, code);
}

const struct command cmd_backup = {
    .name = "backup",
    .arguments = "PATH|URL...",
    .summary = "take a snapshot of files, databases, the output of commands, and archives",
    .details = "Exit code 3: a snapshot was made, but something was skipped (named on standard\n"
               "error).  Nothing is committed if a command, a database or the repository fails.\n"
               "URL is postgres://[ROLE@]HOST[:PORT]/, or NAME=URL: see varve-postgres(7).",
    .specs = backup_option_specs,
    .run = run,
};
