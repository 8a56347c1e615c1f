/* SPDX-License-Identifier: BSD-2-Clause */
/* varve wal push FILE: one file of pg_wal into the repository; PostgreSQL's archive_command. */
#include <string.h>

#include "compress/compress.h"
#include "engine/wal_push.h"
#include "render.h"
#include "wal_commands.h"

struct push_command_line {
    const char *system;
    const char *host;
};
static const struct option_spec specs[] = {
    {"system", '\0', OPTION_TEXT, offsetof(struct push_command_line, system), "ID",
     "the cluster a history belongs to (default: as global/pg_control says)", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct push_command_line, host), "HOST",
     "the name it is published under (default: this host's)", NULL},
    OPTION_END,
};

static void
report(struct app *app, const char *path, const struct wal_push_summary *s)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        json_put_bytes(j, "file", vv_span(path, strlen(path)));
        wal_json_system(j, s->system);
        json_put_u64(j, "bytes", s->bytes);
        json_put_bool(j, "already_there", s->already);
        json_put_bool(j, "compared", s->compared);
        if (s->already) {
            json_put_null(j, "snapshot");
        } else {
            render_json_uuid(j, "snapshot", &s->snapshot.id);
        }
    } else if (!app->global.quiet) {
        char id[RENDER_ID];
        render_short_id(&s->snapshot.id, id);
        printf("'");
        message_print(path, stdout);
        printf("' %s%s\n", s->already ? "is in the repository already" : "published as snapshot ",
               s->already ? "" : id);
    }
}

static enum vv_rc
push(struct app *app, const struct push_command_line *o, const char *path)
{
    struct wal_push_options options = {
        .path = path, .host = o->host != NULL ? o->host : app_host(), .level = COMPRESS_LEVEL};
    VV_CLEANUP(vv_buf_release) struct vv_buf user = {0};
    struct wal_push_summary summary = {0};

    VV_TRY(wal_system_option(app, o->system, &options.system));
    app->known_slots = KNOWN_SLOTS_TRUSTED;
    VV_TRY(app_open(app, APP_WRITE));
    wal_user(&user);
    options.user = vv_buf_text(&user);
    VV_TRY(wal_push(app->repo, &options, &summary, &app->err));
    app->wal_answer = WAL_ANSWER_DELIVERED;
    report(app, path, &summary);
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct push_command_line o = {0};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = push(app, &o, args.items[0]);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command wal_push_command = {
    .name = "push",
    .arguments = "FILE",
    .summary = "publish a finished file of pg_wal (archive_command = 'varve wal push %p')",
    .details =
        "Exit code 0 means that the file is in the repository, durably.  Failures give 1 to\n"
        "125, so that the server tries again.",
    .specs = specs,
    .run = run,
};
