/* SPDX-License-Identifier: BSD-2-Clause */
/* varve cat SNAP:PATH: a file's content on standard output. */
#include <errno.h>

#include "commands.h"
#include "engine/look.h"
#include "render.h"
#include "snapshot_argument.h"

struct cat_options {
    const char *host;
};
static const struct option_spec specs[] = {
    {"host", '\0', OPTION_TEXT, offsetof(struct cat_options, host), "HOST",
     "whose 'latest' is meant (default: this host)", NULL},
    OPTION_END,
};

static enum vv_rc
put_bytes(void *ctx, struct vv_span data, struct vv_error *err)
{
    struct app *app = ctx;
    struct json *j = app_json(app);

    if (j != NULL) {
        json_base64_more(j, data);
    } else if (data.len > 0) {
        (void)fwrite(data.data, 1, data.len, stdout);
    }
    return app_output_check(app, err);
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct cat_options o = {0};
    struct snapshot_argument a = {0};
    struct arguments args = {0};
    struct json *j;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = snapshot_argument_open(app, args.items[0], o.host, &a);
    if (rc == VV_OK && a.path.path.len == 0) {
        rc = app_usage(app, "'%s' names no file: give SNAP:PATH", args.items[0]);
    }
    if (rc == VV_OK) {
        j = app_json(app);
        if (j != NULL) {
            render_json_uuid(j, "snapshot", &a.snapshot->id);
            render_json_path(j, "path", vv_buf_span(&a.path.path));
            json_base64_begin(j, "content_base64");
        }
        rc = look_cat(app->repo, a.snapshot, vv_buf_span(&a.path.path), put_bytes, app, &app->err);
        if (j != NULL) {
            json_base64_end(j);
        }
    }
    snapshot_argument_release(&a);
    arguments_release(&args);
    /* Whoever stops reading has not got the file. */
    return app_finish(app, rc, app->output_closed ? EXIT_FAILED : EXIT_DONE);
}

const struct command cmd_cat = {
    .name = "cat",
    .arguments = "SNAP:PATH",
    .summary = "write a file's content to standard output",
    .specs = specs,
    .run = run,
};
