/* SPDX-License-Identifier: BSD-2-Clause */
/* varve wal receive [--once] CONNECTION: a server's WAL, as it is written. */
#include "compress/compress.h"
#include "engine/wal_receive.h"
#include "format/wal.h"
#include "postgres/postgres.h"
#include "render.h"
#include "wal_commands.h"

#define JOURNAL_LIMIT (UINT64_C(4) << 30)

struct receive_command_line {
    const char *slot;
    const char *name;
    const char *host;
    uint64_t journal_limit;
    bool once;
    bool unbounded_slot;
};
#define AT(member) offsetof(struct receive_command_line, member)
static const struct option_spec specs[] = {
    {"once", '\0', OPTION_FLAG, AT(once), NULL,
     "up to where the server is now, publish it, and end", NULL},
    {"slot", '\0', OPTION_TEXT, AT(slot), "NAME",
     "the replication slot, made if it is missing (default: varve)", NULL},
    {"name", '\0', OPTION_TEXT, AT(name), "NAME",
     "as synchronous_standby_names knows it (default: varve)", NULL},
    {"journal-limit", '\0', OPTION_SIZE, AT(journal_limit), "SIZE",
     "take no more from the server while so much waits here (default: 4G)", NULL},
    {"unbounded-slot", '\0', OPTION_FLAG, AT(unbounded_slot), NULL,
     "accept a server that keeps WAL for a slot without bound", NULL},
    {"host", '\0', OPTION_TEXT, AT(host), "HOST",
     "the name it is published under (default: this host's)", NULL},
    OPTION_END,
};

static void
report(struct app *app, const struct wal_receive_summary *s)
{
    struct json *j = app_json(app);
    char position[WAL_LSN_TEXT];

    wal_lsn_text(s->position, position);
    if (j != NULL) {
        wal_json_system(j, s->system);
        json_put_u64(j, "timeline", s->timeline);
        json_put_text(j, "position", position);
        json_put_u64(j, "received_bytes", s->received);
        json_put_u64(j, "publications", s->publications);
        json_put_u64(j, "gaps", s->gaps);
        json_put_bool(j, "published", s->published);
    } else if (!app->global.quiet && s->timeline != 0) {
        printf("received up to %s on timeline %u, ", position, (unsigned)s->timeline);
        render_size(s->received, stdout);
        printf(" in this run; ");
        render_count(s->publications, "publication", "publications", stdout);
        printf("%s\n", s->published ? "" : "; some of it is in the journal only yet");
    }
}

static enum vv_rc
receive(struct app *app, const struct receive_command_line *o, const char *target)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf user = {0};
    struct wal_receive_summary summary = {0};
    struct wal_receive_options options = {.target = target,
                                          .slot = o->slot != NULL ? o->slot : "varve",
                                          .program = o->name != NULL ? o->name : "varve",
                                          .once = o->once,
                                          .unbounded_slot = o->unbounded_slot,
                                          .journal_limit = o->journal_limit != 0 ? o->journal_limit
                                                                                 : JOURNAL_LIMIT,
                                          .host = o->host != NULL ? o->host : app_host(),
                                          .level = COMPRESS_LEVEL};
    enum vv_rc rc;

    VV_TRY(postgres_target_check(target, &app->err));
    VV_TRY(app_open_waiting(app));
    wal_user(&user);
    options.user = vv_buf_text(&user);
    rc = wal_receive(app->repo, &options, &summary, &app->err);
    if (summary.system != 0) {
        report(app, &summary);
    }
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct receive_command_line o = {0};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = receive(app, &o, args.items[0]);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command wal_receive_command = {
    .name = "receive",
    .arguments = "CONNECTION",
    .summary = "receive a server's WAL as it is written, and publish it about every second",
    .details =
        "CONNECTION: postgres://USER@HOST/ or \"host=... user=...\"; no password (~/.pgpass).\n"
        "Runs until it is stopped (exit code 130), and loses nothing by being killed.",
    .specs = specs,
    .run = run,
};
