/* SPDX-License-Identifier: BSD-2-Clause */
/* varve wal check [CONNECTION]: is WAL being received, without gaps and in time? */
#include "core/clock.h"
#include "core/text.h"
#include "duration.h"
#include "engine/wal_check.h"
#include "format/wal.h"
#include "postgres/postgres.h"
#include "render.h"
#include "wal_commands.h"

#define MOST_AGE (INT64_C(300) * 1000000000)
#define LEAST_SAFE (UINT64_C(256) << 20)

struct check_command_line {
    const char *slot;
    const char *system;
    const char *most_age;
    uint64_t least_safe;
    bool no_slot;
    bool unbounded_slot;
};
#define AT(member) offsetof(struct check_command_line, member)
static const struct option_spec specs[] = {
    {"max-age", '\0', OPTION_TEXT, AT(most_age), "DURATION",
     "how old the newest publication may be, if the server has written more (default: 5min)", NULL},
    {"least-safe", '\0', OPTION_SIZE, AT(least_safe), "SIZE",
     "how much the server must be able to write before it lets go of WAL (default: 256M)", NULL},
    {"slot", '\0', OPTION_TEXT, AT(slot), "NAME", "the receiver's slot (default: varve)", NULL},
    {"no-slot", '\0', OPTION_FLAG, AT(no_slot), NULL,
     "there is no receiver: the server archives by 'wal push'", NULL},
    {"unbounded-slot", '\0', OPTION_FLAG, AT(unbounded_slot), NULL,
     "accept a server that keeps WAL for a slot without bound", NULL},
    {"system", '\0', OPTION_TEXT, AT(system), "ID", "without CONNECTION: only this cluster", NULL},
    OPTION_END,
};

static void
report_json(struct json *j, const struct wal_check_summary *s)
{
    char text[WAL_LSN_TEXT];

    json_put_u64(j, "clusters", s->clusters);
    json_put_u64(j, "gaps", s->gaps);
    if (s->newest != INT64_MIN) {
        json_put_time(j, "newest", s->newest);
    } else {
        json_put_null(j, "newest");
    }
    wal_lsn_text(s->published, text);
    json_put_text(j, "published", text);
    json_put_bool(j, "server_asked", s->asked);
    if (s->asked) {
        wal_json_system(j, s->system);
        json_put_u64(j, "timeline", s->timeline);
        wal_lsn_text(s->position, text);
        json_put_text(j, "position", text);
        json_put_bool(j, "slot_reserved", s->slot_reserved);
    }
    if (s->slot_reserved && s->bounded) {
        json_put_u64(j, "safe_bytes", s->safe);
    }
}

static void
report(struct app *app, const struct wal_check_summary *s)
{
    struct json *j = app_json(app);
    char text[VV_TIME_TEXT];

    if (j != NULL) {
        report_json(j, s);
        return;
    }
    if (app->global.quiet && app->messages.problems == 0) {
        return;
    }
    if (s->newest != INT64_MIN) {
        vv_time_format(s->newest, text);
        printf("newest publication: %s\n", text);
    }
    wal_lsn_text(s->published, text);
    printf("published up to %s", text);
    if (s->asked) {
        wal_lsn_text(s->position, text);
        printf(", the server is at %s on timeline %u", text, (unsigned)s->timeline);
    }
    if (s->slot_reserved && s->bounded) {
        printf("; WAL is safe there for ");
        render_size(s->safe, stdout);
        printf(" more");
    }
    printf("\n");
}

static enum vv_rc
check(struct app *app, const struct check_command_line *o, const char *target)
{
    VV_CLEANUP(snapshot_list_release) struct snapshot_list l = {0};
    struct wal_check_summary summary = {0};
    struct wal_check_options options = {.target = target,
                                        .slot = o->no_slot        ? NULL
                                                : o->slot != NULL ? o->slot
                                                                  : "varve",
                                        .most_age = MOST_AGE,
                                        .least_safe =
                                            o->least_safe != 0 ? o->least_safe : LEAST_SAFE,
                                        .unbounded_slot = o->unbounded_slot};

    VV_TRY(wal_system_option(app, o->system, &options.system));
    if (o->most_age != NULL && !duration_parse(o->most_age, &options.most_age)) {
        return app_usage(app, "option '--max-age': '%s' is no duration such as 5min, 2h or 0",
                         o->most_age);
    }
    if (target != NULL) {
        VV_TRY(postgres_target_check(target, &app->err));
    }
    VV_TRY(app_open(app, APP_READ));
    VV_TRY(app_snapshots(app, &l));
    VV_TRY(wal_check(app->repo, &l, &options, &summary, &app->err));
    report(app, &summary);
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct check_command_line o = {0};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = check(app, &o, args.count > 0 ? args.items[0] : NULL);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command wal_check_command = {
    .name = "check",
    .arguments = "[CONNECTION]",
    .summary = "tell whether WAL comes in, without gaps and in time",
    .details = "Exit code 3 if anything is wrong, each named on standard error.",
    .specs = specs,
    .run = run,
};
