/* SPDX-License-Identifier: BSD-2-Clause */
/* varve pin [--until WHEN | --unpin] SNAP...: keep snapshots whatever a policy says. */
#include "commands.h"
#include "core/clock.h"
#include "duration.h"
#include "engine/forget.h"
#include "render.h"
#include "snapshot_arguments.h"

struct pin_command_line {
    const char *until;
    bool unpin;
};

static const struct option_spec specs[] = {
    {"until", '\0', OPTION_TEXT, offsetof(struct pin_command_line, until), "WHEN",
     "until a day (2027-01-31), a time ('2027-01-31 12:30'), or for a duration (90d, 1y)", NULL},
    {"unpin", '\0', OPTION_FLAG, offsetof(struct pin_command_line, unpin), NULL, "take pins back",
     NULL},
    OPTION_END,
};

static void
report(struct app *app, const struct snapshot_arguments *named, bool unpin, int64_t until)
{
    struct json *j = app_json(app);
    char when[VV_TIME_TEXT];

    if (j != NULL) {
        json_put_array(j, unpin ? "unpinned" : "pinned");
        for (size_t i = 0; i < named->count; i++) {
            render_json_uuid(j, NULL, &named->items[i]->id);
        }
        json_put_end(j);
        if (!unpin && until != 0) {
            json_put_time(j, "until", until);
        } else if (!unpin) {
            json_put_null(j, "until");
        }
    } else if (!app->global.quiet) {
        vv_time_format(until, when);
        render_count(named->count, "snapshot", "snapshots", stdout);
        printf("%s%s\n",
               unpin        ? " unpinned"
               : until != 0 ? " pinned until "
                            : " pinned",
               !unpin && until != 0 ? when : "");
    }
}

static enum vv_rc
pin(struct app *app, const struct arguments *args, bool unpin, int64_t until,
    enum exit_code *ret_code)
{
    struct snapshot_arguments named = {0};
    struct snapshot_list l = {0};
    enum vv_rc rc;

    VV_TRY(app_open(app, APP_ADMIN));
    VV_TRY(app_snapshots(app, &l));
    rc = snapshot_arguments_resolve(app, args->items, args->count, AMONG_SNAPSHOTS, &l, &named);
    if (rc == VV_OK && unpin) {
        rc = unpin_run(app->repo, &l, named.items, named.count, &app->err);
    } else if (rc == VV_OK) {
        rc = pin_run(app->repo, &l, named.items, named.count, until, &app->err);
    }
    if (rc == VV_OK) {
        report(app, &named, unpin, until);
    }
    *ret_code = app_list_verdict(&l);
    snapshot_arguments_release(&named);
    snapshot_list_release(&l);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    const struct vv_clock *clock = vv_clock_system();
    struct pin_command_line o = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    int64_t until = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    if (o.until != NULL && o.unpin) {
        rc = app_usage(app, "--until and --unpin exclude each other");
    } else if (o.until != NULL && !moment_parse(o.until, clock->realtime(clock), &until)) {
        rc = app_usage(app, "option '--until': '%s' is no day, time or duration", o.until);
    } else {
        rc = pin(app, &args, o.unpin, until, &code);
    }
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_pin = {
    .name = "pin",
    .arguments = "SNAP...",
    .summary = "keep snapshots whatever a policy says",
    .specs = specs,
    .run = run,
};
