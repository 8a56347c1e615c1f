/* SPDX-License-Identifier: BSD-2-Clause */
/* varve undelete SNAP...: bring forgotten snapshots back. */
#include "commands.h"
#include "engine/forget.h"
#include "render.h"
#include "snapshot_arguments.h"

static const struct option_spec specs[] = {OPTION_END};

static void
report(struct app *app, const struct snapshot_arguments *named)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        json_put_array(j, "undeleted");
        for (size_t i = 0; i < named->count; i++) {
            render_json_uuid(j, NULL, &named->items[i]->id);
        }
        json_put_end(j);
    } else if (!app->global.quiet) {
        render_count(named->count, "snapshot is", "snapshots are", stdout);
        printf(" back\n");
    }
}

static enum vv_rc
undelete(struct app *app, const struct arguments *args, enum exit_code *ret_code)
{
    struct snapshot_arguments named = {0};
    struct snapshot_list l = {0};
    size_t count = 0;
    enum vv_rc rc;

    VV_TRY(app_open(app, APP_ADMIN));
    VV_TRY(app_snapshots(app, &l));
    rc = snapshot_arguments_resolve(app, args->items, args->count, AMONG_FORGOTTEN, &l, &named);
    if (rc == VV_OK) {
        rc = undelete_run(app->repo, &l, named.items, named.count, &count, &app->err);
    }
    if (rc == VV_OK) {
        report(app, &named);
    }
    *ret_code = app_list_verdict(&l);
    snapshot_arguments_release(&named);
    snapshot_list_release(&l);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, NULL, argc, argv, 1, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = undelete(app, &args, &code);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_undelete = {
    .name = "undelete",
    .arguments = "SNAP...",
    .summary = "bring forgotten snapshots back",
    .details = "'varve snapshots --forgotten' lists them.",
    .specs = specs,
    .run = run,
};
