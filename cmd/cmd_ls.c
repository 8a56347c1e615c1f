/* SPDX-License-Identifier: BSD-2-Clause */
/* varve ls [-l] [-R] SNAP[:PATH]: list what is in a snapshot. */
#include "commands.h"
#include "engine/look.h"
#include "render.h"
#include "snapshot_argument.h"

struct ls_options {
    const char *host;
    bool details;
    bool recursive;
};
static const struct option_spec specs[] = {
    {"long", 'l', OPTION_FLAG, offsetof(struct ls_options, details), NULL,
     "mode, links, owner, group, size, time and target too", NULL},
    {"recursive", 'R', OPTION_FLAG, offsetof(struct ls_options, recursive), NULL,
     "everything below, too", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct ls_options, host), "HOST",
     "whose 'latest' is meant (default: this host)", NULL},
    OPTION_END,
};

struct listing {
    struct app *app;
    const struct ls_options *options;
    struct json *json;
};

static enum vv_rc
put_entry(void *ctx, const struct entry *e, struct vv_error *err)
{
    struct listing *l = ctx;

    if (l->json != NULL) {
        json_put_object(l->json, NULL);
        render_json_entry(l->json, e);
        json_put_end(l->json);
    } else if (l->options->details) {
        render_entry_long(e, stdout);
    } else {
        render_path(e->path, stdout);
        (void)fputc('\n', stdout);
    }
    return app_output_check(l->app, err);
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct ls_options o = {0};
    struct listing l = {.app = app, .options = &o};
    struct snapshot_argument a = {0};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = snapshot_argument_open(app, args.items[0], o.host, &a);
    if (rc == VV_OK) {
        l.json = app_json(app);
        if (l.json != NULL) {
            render_json_uuid(l.json, "snapshot", &a.snapshot->id);
            render_json_path(l.json, "path", vv_buf_span(&a.path.path));
            json_put_array(l.json, "entries");
        }
        rc = look_list(app->repo, a.snapshot, vv_buf_span(&a.path.path), o.recursive, put_entry, &l,
                       &app->err);
    }
    snapshot_argument_release(&a);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command cmd_ls = {
    .name = "ls",
    .arguments = "SNAP[:PATH]",
    .summary = "list what is in a snapshot",
    .specs = specs,
    .run = run,
};
