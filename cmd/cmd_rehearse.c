/* SPDX-License-Identifier: BSD-2-Clause */
/* varve rehearse SNAP[:PATH] [option]...: restore to a scratch directory, and prove that it works. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/file.h"
#include "duration.h"
#include "engine/rehearse.h"
#include "format/wal.h"
#include "point_options.h"
#include "postgres/postgres.h"
#include "postgres/statements.h"
#include "render.h"
#include "run_notes.h"
#include "signals.h"
#include "snapshot_argument.h"

#define QUESTIONS_LIMIT (16u << 20)
#define LIMIT_DEFAULT (INT64_C(6) * 3600 * 1000000000)
#define LIMIT_MOST (INT64_C(365) * 24 * 3600 * 1000000000)

struct rehearse_command_line {
    const char *questions;
    const char *scratch;
    const char *database;
    const char *role;
    const char *limit;
    const char *host;
    const char *tag;
    unsigned threads;
    struct point_options point;
};
#define AT(member) offsetof(struct rehearse_command_line, member)
static const struct option_spec specs[] = {
    {"check", '\0', OPTION_TEXT, AT(questions), "FILE", "queries that must return no row, in SQL",
     NULL},
    {"database", '\0', OPTION_TEXT, AT(database), "NAME",
     "where they are asked (default: postgres)", NULL},
    {"role", '\0', OPTION_TEXT, AT(role), "NAME", "a superuser of the cluster (default: postgres)",
     NULL},
    {"scratch", '\0', OPTION_TEXT, AT(scratch), "DIR",
     "make the scratch directory in there (default: TMPDIR, or /var/tmp)", NULL},
    {"limit", '\0', OPTION_TEXT, AT(limit), "DURATION", "how long recovery may take (default: 6h)",
     NULL},
    {"host", '\0', OPTION_TEXT, AT(host), "HOST", "whose 'latest' is meant (default: this host)",
     NULL},
    {"tag", '\0', OPTION_TEXT, AT(tag), "TAG", "choose among the snapshots with this tag", NULL},
    {"threads", '\0', OPTION_NUMBER, AT(threads), "N", "worker threads (default: by processors)",
     NULL},
    POINT_OPTION_SPECS(
        point, "recover to the newest moment there is (default: to the end of the base backup)"),
    OPTION_END,
};

/* ---- the report ---- */

static void
report_json(struct json *j, const struct rehearse_report *r, const struct point_plan *plan)
{
    enum rehearse_verdict worst = rehearse_worst(r);

    json_put_bool(j, "proven", worst == REHEARSE_PROVEN);
    json_put_bool(j, "damaged", worst == REHEARSE_DAMAGED);
    json_put_bool(j, "database", r->database);
    json_put_object(j, "steps");
    for (int i = 0; i < REHEARSE_STEPS; i++) {
        const struct rehearse_result *s = &r->steps[i];
        json_put_object(j, rehearse_step_name((enum rehearse_step)i));
        json_put_text(j, "verdict", rehearse_verdict_name(s->verdict));
        json_put_real(j, "seconds", (double)s->ns / 1e9);
        if (s->detail.len > 0) {
            json_put_bytes(j, "detail", vv_buf_span(&s->detail));
        }
        json_put_end(j);
    }
    json_put_end(j);
    if (r->database) {
        json_put_text(j, "server_user", r->user[0] != '\0' ? r->user : NULL);
        json_put_text(j, "position", r->position[0] != '\0' ? r->position : NULL);
        json_put_text(j, "last_commit", r->last_commit[0] != '\0' ? r->last_commit : NULL);
        json_put_u64(j, "timeline", plan->timeline);
        json_put_u64(j, "databases", r->databases);
        json_put_u64(j, "queries", r->questions);
        json_put_u64(j, "queries_answered", r->answers);
    }
    if (r->left.len > 0) {
        json_put_bytes(j, "left_behind", vv_buf_span(&r->left));
    }
    json_put_object(j, "restored");
    render_restore_json(j, &r->restored);
    json_put_end(j);
}

static void
report_text(struct rehearse_report *r)
{
    static const char *const what[REHEARSE_STEPS] = {"files restored and read back",
                                                     "pg_verifybackup",
                                                     "recovery",
                                                     "pg_amcheck",
                                                     "check queries",
                                                     "pg_checksums"};
    static const char *const verdicts[] = {"NOT PROVEN", "proven", "not applicable", "FAILED",
                                           "DAMAGED"};

    for (size_t i = 0; i < REHEARSE_STEPS; i++) {
        struct rehearse_result *s = &r->steps[i];
        if (s->verdict == REHEARSE_NOT_APPLICABLE && s->detail.len == 0) {
            continue;
        }
        printf("%-28s  %-14s  %.1f s\n", what[i], verdicts[s->verdict], (double)s->ns / 1e9);
        if (s->detail.len > 0) {
            printf("    ");
            message_print(vv_buf_text(&s->detail), stdout);
            printf("\n");
        }
    }
    if (r->position[0] != '\0') {
        printf("recovered to %s%s%s, as user '%s'\n", r->position,
               r->last_commit[0] != '\0' ? ", last transaction of " : "", r->last_commit, r->user);
    }
    printf("%s\n",
           rehearse_worst(r) == REHEARSE_PROVEN ? "all of this holds" : "this does not hold");
}

static enum exit_code
report(struct app *app, const struct snapshot *snap, struct rehearse_report *r,
       const struct point_plan *plan)
{
    struct json *j = app_json(app);
    enum rehearse_verdict worst = rehearse_worst(r);
    char id[RENDER_ID];
    char when[VV_TIME_TEXT];

    if (j != NULL) {
        render_json_uuid(j, "snapshot", &snap->id);
        report_json(j, r, plan);
    } else if (!app->global.quiet || worst != REHEARSE_PROVEN) {
        render_short_id(&snap->id, id);
        vv_time_format(snap->time, when);
        printf("snapshot %s of %s\n", id, when);
        report_text(r);
    }
    return worst == REHEARSE_PROVEN    ? EXIT_DONE
           : worst == REHEARSE_DAMAGED ? EXIT_CORRUPT
                                       : EXIT_FAILED;
}

/** What 'varve status' asks: how long ago, how long it took, and whether it held. */
static void
note_in_history(struct app *app, const struct snapshot_argument *a, const struct rehearse_report *r,
                enum exit_code code)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf what = {0};
    struct history_event e = {.kind = HISTORY_REHEARSAL,
                              .exit_code = (int)code,
                              .bytes = (int64_t)r->restored.bytes,
                              .text = rehearse_verdict_name(rehearse_worst(r))};
    char id[RENDER_ID];

    render_short_id(&a->snapshot->id, id);
    vv_buf_put_text(&what, id);
    if (a->path.path.len > 0) { /* only a part: that proves nothing of the rest */
        vv_buf_printf(&what, ":/%s", vv_buf_text((struct vv_buf *)(uintptr_t)&a->path.path));
    }
    e.other = vv_buf_text(&what);
    e.job = "";
    if (strcmp(a->snapshot->body.host, app_host()) == 0) {
        e.job = render_job(&a->snapshot->body);
    }
    for (size_t i = 0; i < REHEARSE_STEPS; i++) {
        e.milliseconds += (int64_t)(r->steps[i].ns / 1000000);
    }
    run_notes_event(app, &e);
}

/* ---- what is wanted ---- */

/** Read before anything is restored: a file that is missing shall not be noticed after an hour. */
static enum vv_rc
read_questions(struct app *app, const struct rehearse_command_line *o, struct vv_buf *out)
{
    struct vv_span rest;
    struct vv_span first;

    if (o->questions == NULL) {
        return VV_OK;
    }
    VV_TRY(vv_file_read(AT_FDCWD, o->questions, QUESTIONS_LIMIT, out, &app->err));
    rest = vv_buf_span(out);
    if (!postgres_statement_next(&rest, &first)) {
        return app_usage(app, "option '--check': there is no query in '%s'", o->questions);
    }
    return VV_OK;
}

static enum vv_rc
read_options(struct app *app, const struct rehearse_command_line *o, char scratch[PATH_MAX],
             struct rehearse_options *ret)
{
    const char *directory = o->scratch != NULL ? o->scratch : getenv("TMPDIR");
    int64_t limit = LIMIT_DEFAULT;

    if (o->limit != NULL &&
        (!duration_parse(o->limit, &limit) || limit == 0 || limit > LIMIT_MOST)) {
        return app_usage(app, "option '--limit': '%s' is no duration such as 30min or 6h",
                         o->limit);
    }
    if (directory == NULL || directory[0] == '\0') {
        directory = "/var/tmp";
    }
    if (realpath(directory, scratch) == NULL) {
        return vv_error_origin(&app->err, VV_ORIGIN_TARGET,
                               vv_error_sys(&app->err, errno, "cannot use '%s'", directory));
    }
    ret->scratch = scratch;
    ret->limit_ms = (uint64_t)limit / 1000000;
    ret->database = o->database != NULL ? o->database : "postgres";
    ret->role = o->role != NULL ? o->role : "postgres";
    ret->threads = o->threads;
    ret->cancel = signals_cancel();
    return VV_OK;
}

static bool
is_cluster(const struct snapshot_argument *a)
{
    struct vv_span path = vv_buf_span(&a->path.path);

    return a->snapshot->body.wal_count > 0 && a->snapshot->body.mode != SNAPSHOT_WAL &&
           (path.len == 0 || (path.len > 9 && memcmp(path.data, "postgres/", 9) == 0));
}

/** The cluster, and what it takes to bring it to the point. */
static enum vv_rc
make_plan(struct app *app, const struct snapshot_argument *a, struct point_choice *choice,
          struct point_plan *plan, struct rehearse_options *o)
{
    struct point_target base = {.kind = POINT_IMMEDIATE};
    bool to_point = choice->target.kind != POINT_NONE;

    if (!to_point && !is_cluster(a)) {
        return o->questions.len == 0
                   ? VV_OK
                   : app_usage(app, "--check: there is no database in what is rehearsed");
    }
    if (!postgres_available()) {
        return vv_error_set(&app->err, VV_EUNSUPPORTED,
                            "varve was built without libpq: no database can be rehearsed");
    }
    VV_TRY(point_plan_make(app->repo, &a->list, a->snapshot, vv_buf_span(&a->path.path),
                           to_point ? &choice->target : &base, plan, &app->err));
    if (to_point) {
        VV_TRY(point_options_command(app, choice, plan->base.system));
        o->restore_command = vv_buf_text(&choice->restore_command);
    }
    o->plan = plan;
    o->target = &choice->target;
    return VV_OK;
}

static enum vv_rc
rehearse(struct app *app, const struct rehearse_command_line *o, struct snapshot_argument *a,
         const char *text, enum exit_code *ret_code)
{
    static const char *const phases[] = {"planning", "restoring", "finishing", "verifying",
                                         "examining"};
    VV_CLEANUP(vv_buf_release) struct vv_buf questions = {0};
    VV_CLEANUP(point_choice_release) struct point_choice choice = {0};
    VV_CLEANUP(point_plan_release) struct point_plan plan = {0};
    VV_CLEANUP(rehearse_report_release) struct rehearse_report r = {0};
    struct rehearse_options options = {0};
    char scratch[PATH_MAX];
    enum vv_rc rc;

    VV_TRY(point_options_read(app, &o->point, &choice));
    VV_TRY(read_options(app, o, scratch, &options));
    VV_TRY(read_questions(app, o, &questions));
    VV_TRY(snapshot_argument_open_tagged(app, text, o->host, o->tag, a));
    options.questions = vv_buf_span(&questions);
    options.snap = a->snapshot;
    options.path = vv_buf_span(&a->path.path);
    options.path_given = a->path.path_given;
    VV_TRY(make_plan(app, a, &choice, &plan, &options));
    signals_wait_for_cleanup();
    rc = rehearse_run(app->repo, &options, app_progress(app, phases, VV_COUNT(phases)), &r,
                      &app->err);
    progress_stop(&app->progress);
    if (r.left.len > 0) {
        messages_warning(&app->messages, "scratch-left", "'%s' could not be removed",
                         vv_buf_text(&r.left));
    }
    VV_TRY(rc);
    *ret_code = report(app, a->snapshot, &r, &plan);
    note_in_history(app, a, &r, *ret_code);
    if (app_list_verdict(&a->list) == EXIT_FORGED) {
        *ret_code = exit_code_worse(*ret_code, EXIT_FORGED);
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct rehearse_command_line o = {0};
    struct snapshot_argument a = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        rc = app->err.rc;
    } else {
        rc = rehearse(app, &o, &a, args.items[0], &code);
    }
    snapshot_argument_release(&a);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_rehearse = {
    .name = "rehearse",
    .arguments = "SNAP[:PATH]",
    .summary = "restore to a scratch directory, examine it there, tell what was proven",
    .details =
        "A PostgreSQL cluster is started on a socket of its own, recovers to the point, is\n"
        "examined by pg_verifybackup, pg_amcheck and pg_checksums, and asked your own questions;\n"
        "then all of it is removed.  Exit code 0 only if everything holds, 12 if something is\n"
        "damaged, 1 if anything failed or could not be proven.",
    .specs = specs,
    .run = run,
};
