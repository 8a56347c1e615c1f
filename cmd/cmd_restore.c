/* SPDX-License-Identifier: BSD-2-Clause */
/* varve restore SNAP[:PATH] --target DIR [option]...: bring files back, and prove it. */
#include <string.h>

#include "commands.h"
#include "format/wal.h"
#include "pattern_options.h"
#include "point_options.h"
#include "render.h"
#include "snapshot_argument.h"

struct restore_command_line {
    const char *target;
    const char *host;
    struct option_list includes;
    struct option_list excludes;
    int overwrite;
    unsigned threads;
    bool delete_extra;
    bool no_verify;
    bool dry_run;
    bool owner_by_name;
    bool no_owner;
    struct point_options point;
};
#define AT(member) offsetof(struct restore_command_line, member)
/* In the order of enum sink_overwrite. */
static const char *const overwrite_choices[] = {"never", "changed", "always", NULL};
static const struct option_spec specs[] = {
    {"target", 't', OPTION_TEXT, AT(target), "DIR", "where to (made if it is missing)", NULL},
    {"include", '\0', OPTION_LIST, AT(includes), "PATTERN", "restore only what matches", NULL},
    {"include-from", '\0', OPTION_LIST, AT(includes), "FILE", "patterns from a file, one a line",
     NULL},
    {"exclude", '\0', OPTION_LIST, AT(excludes), "PATTERN", "leave out what matches", NULL},
    {"exclude-from", '\0', OPTION_LIST, AT(excludes), "FILE", "patterns from a file, one a line",
     NULL},
    {"overwrite", '\0', OPTION_CHOICE, AT(overwrite), "WHEN",
     "never, changed or always: what to do about different entries (default: never)",
     overwrite_choices},
    {"delete", '\0', OPTION_FLAG, AT(delete_extra), NULL,
     "remove what the snapshot does not have (look with --dry-run first)", NULL},
    {"no-verify", '\0', OPTION_FLAG, AT(no_verify), NULL, "do not read back what was written",
     NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL,
     "write nothing; tell what would be read, how fast, and when it would be ready", NULL},
    {"owner-by-name", '\0', OPTION_FLAG, AT(owner_by_name), NULL,
     "owners and groups by name instead of number", NULL},
    {"no-owner", '\0', OPTION_FLAG, AT(no_owner), NULL, "leave owners and groups alone", NULL},
    {"host", '\0', OPTION_TEXT, AT(host), "HOST", "whose 'latest' is meant (default: this host)",
     NULL},
    {"threads", '\0', OPTION_NUMBER, AT(threads), "N", "worker threads (default: by processors)",
     NULL},
    POINT_OPTION_SPECS(point,
                       "a PostgreSQL cluster, set up to recover to the newest moment there is"),
    {"tablespace", '\0', OPTION_LIST, AT(point.tablespaces), "OID=DIR",
     "where a tablespace of it goes", NULL},
    OPTION_END,
};

/** What the command line asks for; the sets are the caller's to free. */
static enum vv_rc
make_options(struct app *app, const struct restore_command_line *o, struct pattern_set **includes,
             struct pattern_set **excludes, struct restore_options *ret)
{
    if (o->target == NULL) {
        return app_usage(app, "where to? give --target DIR");
    }
    if (o->owner_by_name && o->no_owner) {
        return app_usage(app, "--owner-by-name and --no-owner exclude each other");
    }
    VV_TRY(pattern_options_add(&o->includes, includes, &app->err));
    VV_TRY(pattern_options_add(&o->excludes, excludes, &app->err));
    *ret = (struct restore_options){
        .includes = *includes,
        .excludes = *excludes,
        .overwrite = (enum sink_overwrite)o->overwrite,
        .owner = o->no_owner        ? SINK_OWNER_NONE
                 : o->owner_by_name ? SINK_OWNER_NAME
                                    : SINK_OWNER_NUMBER,
        .target = o->target,
        .delete_extra = o->delete_extra,
        .verify = !o->no_verify,
        .dry_run = o->dry_run,
        .verbose = app->global.verbose > 0,
        .threads = o->threads,
    };
    return VV_OK;
}

static void
report(struct app *app, const struct snapshot *snap, const struct restore_options *o,
       const struct restore_summary *s)
{
    struct json *j = app_json(app);
    char id[RENDER_ID];
    char when[VV_TIME_TEXT];

    if (j != NULL) {
        render_json_uuid(j, "snapshot", &snap->id);
        json_put_text(j, "target", o->target);
        json_put_bool(j, "dry_run", o->dry_run);
        render_restore_json(j, s);
    } else if (!app->global.quiet || s->problems || app->messages.problems > 0) {
        render_short_id(&snap->id, id);
        vv_time_format(snap->time, when);
        printf("snapshot %s of %s\n", id, when);
        render_restore(s, o, stdout);
    }
}

/** A restore of one subtree, and what came of it added to ${sum}. */
static enum vv_rc
restore_subtree(struct app *app, const struct snapshot *snap, const struct restore_options *o,
                struct vv_progress *progress, struct restore_summary *sum)
{
    struct restore_summary one = {0};

    VV_TRY(restore_run(app->repo, snap, o, progress, &one, &app->err));
    restore_summary_add(sum, &one);
    return VV_OK;
}

/** What is at ${path} of the snapshot, into ${directory}. */
static enum vv_rc
restore_part(struct app *app, const struct snapshot *snap, const struct vv_buf *path,
             const char *directory, struct restore_options *o, struct vv_progress *progress,
             struct restore_summary *sum)
{
    const char *target = o->target;
    enum vv_rc rc;

    VV_TRY(vv_buf_check(path, &app->err));
    o->path = vv_buf_span(path);
    o->target = directory;
    rc = restore_subtree(app, snap, o, progress, sum);
    o->path = vv_span(NULL, 0);
    o->target = target;
    return rc;
}

/** The tablespaces each to its place, and all but the control file into the data directory. */
static enum vv_rc
restore_parts(struct app *app, const struct snapshot *snap, const struct point_plan *plan,
              const struct point_choice *choice, struct restore_options *o,
              struct vv_progress *progress, struct restore_summary *sum)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    for (size_t i = 0; i < choice->mapping_count; i++) {
        const struct point_mapping *m = &choice->mappings[i];
        vv_buf_reset(&path);
        vv_buf_printf(&path, "%s/tablespaces/%u", plan->root, (unsigned)m->oid);
        VV_TRY(restore_part(app, snap, &path, m->directory, o, progress, sum));
    }
    vv_buf_reset(&path);
    vv_buf_printf(&path, "%s/data", plan->root);
    return restore_part(app, snap, &path, o->target, o, progress, sum);
}

/** A server would start in a directory that lacks files, or has others of them, and tell nobody. */
static bool
is_whole(const struct restore_summary *s)
{
    return s->damaged + s->failed + s->kept + s->verify_differences == 0;
}

static void
tell_incomplete(struct app *app, const struct snapshot *snap, const struct point_plan *plan,
                const char *directory)
{
    char id[RENDER_ID];

    render_short_id(&snap->id, id);
    vv_emit(&app->messages.events, VV_EVENT_PROBLEM, "cluster-incomplete", vv_span(NULL, 0),
            "'" POINT_CONTROL "' is left out: no server starts in '%s' without what is named above",
            directory);
    messages_say(&app->messages,
                 "hint: when that is put right, restore again with --overwrite changed; to start "
                 "with less: varve restore %s:%s/data/" POINT_CONTROL " --target '%s/global'",
                 id, plan->root, directory);
}

/** A cluster.  Killed at whatever moment, it leaves a directory in which no server starts, or one that
 *  recovers to where it was asked to: the control file goes first and comes last, and only if all else
 *  is there. */
static enum vv_rc
restore_point(struct app *app, const struct snapshot *snap, const struct point_plan *plan,
              struct point_choice *choice, struct restore_options *o, struct vv_progress *progress,
              struct restore_summary *sum)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf control = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf parent = {0};
    struct point_finish_options f = {.directory = o->target,
                                     .restore_command = vv_buf_text(&choice->restore_command),
                                     .mappings = choice->mappings,
                                     .mapping_count = choice->mapping_count};
    bool delete_extra = o->delete_extra;
    enum vv_rc rc;

    vv_buf_printf(&control, "%s/data/" POINT_CONTROL, plan->root);
    vv_buf_printf(&parent, "%s/global", o->target);
    (void)vv_buf_text(&parent);
    VV_TRY(vv_buf_check(&control, &app->err));
    VV_TRY(vv_buf_check(&parent, &app->err));
    o->path_given = true;
    if (o->dry_run) {
        return restore_parts(app, snap, plan, choice, o, progress, sum);
    }
    VV_TRY(point_begin(o->target, o->overwrite != SINK_NEVER, &app->err));
    o->without = vv_buf_span(&control);
    rc = restore_parts(app, snap, plan, choice, o, progress, sum);
    o->without = vv_span(NULL, 0);
    VV_TRY(rc);
    VV_TRY(point_finish(plan, &choice->target, &f, &app->err));
    if (!is_whole(sum)) {
        tell_incomplete(app, snap, plan, o->target);
        return VV_OK;
    }
    o->delete_extra = false;
    rc = restore_part(app, snap, &control, vv_buf_text(&parent), o, progress, sum);
    o->delete_extra = delete_extra;
    return rc;
}

static void
report_point(struct app *app, const struct point_plan *p, const struct point_target *t,
             const struct restore_summary *s)
{
    struct json *j = app_json(app);
    char reach[WAL_LSN_TEXT];

    wal_lsn_text(p->reach, reach);
    if (j != NULL) {
        json_put_object(j, "recovery");
        json_put_u64(j, "timeline", p->timeline);
        json_put_text(j, "wal_reaches", reach);
        json_put_bool(j, "complete", is_whole(s));
        json_put_end(j);
    } else if (!app->global.quiet && t->kind != POINT_IMMEDIATE && is_whole(s)) {
        printf("recovers on timeline %u when it is started; WAL reaches to %s\n",
               (unsigned)p->timeline, reach);
    }
}

/** What is restored, once it is known from where. */
static enum vv_rc
restore_snapshot(struct app *app, const struct snapshot_argument *a, struct point_choice *choice,
                 struct restore_options *o, struct restore_summary *sum, struct point_plan *plan)
{
    static const char *const phases[] = {"planning", "restoring", "finishing", "verifying", "done"};
    struct vv_progress *progress;
    enum vv_rc rc;

    if (choice->target.kind != POINT_NONE) {
        VV_TRY(point_plan_make(app->repo, &a->list, a->snapshot, vv_buf_span(&a->path.path),
                               &choice->target, plan, &app->err));
        VV_TRY(point_options_check(app, choice, plan));
        VV_TRY(point_options_command(app, choice, plan->base.system));
    }
    progress = app_progress(app, phases, VV_COUNT(phases));
    if (choice->target.kind != POINT_NONE) {
        rc = restore_point(app, a->snapshot, plan, choice, o, progress, sum);
    } else {
        o->path = vv_buf_span(&a->path.path);
        o->path_given = a->path.path_given;
        rc = restore_subtree(app, a->snapshot, o, progress, sum);
    }
    progress_stop(&app->progress);
    return rc;
}

static enum exit_code
restore(struct app *app, const struct restore_command_line *o, struct snapshot_argument *a,
        const char *text, enum vv_rc *ret_rc)
{
    VV_CLEANUP(pattern_set_freep) struct pattern_set *includes = NULL;
    VV_CLEANUP(pattern_set_freep) struct pattern_set *excludes = NULL;
    VV_CLEANUP(point_choice_release) struct point_choice choice = {0};
    VV_CLEANUP(point_plan_release) struct point_plan plan = {0};
    struct restore_options options = {0};
    struct restore_summary summary = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc = make_options(app, o, &includes, &excludes, &options);

    if (rc == VV_OK) {
        rc = point_options_read(app, &o->point, &choice);
    }
    if (rc == VV_OK && choice.target.kind != POINT_NONE &&
        (o->includes.count > 0 || o->excludes.count > 0)) {
        rc = app_usage(app, "a cluster is restored as a whole: no patterns with --to-...");
    }
    if (rc == VV_OK) {
        rc = snapshot_argument_open(app, text, o->host, a);
    }
    if (rc == VV_OK) {
        rc = restore_snapshot(app, a, &choice, &options, &summary, &plan);
    }
    if (rc == VV_OK) {
        report(app, a->snapshot, &options, &summary);
        if (choice.target.kind != POINT_NONE) {
            report_point(app, &plan, &choice.target, &summary);
        }
        code = summary.problems ? EXIT_PROBLEMS : EXIT_DONE;
        if (app_list_verdict(&a->list) == EXIT_FORGED) {
            code = exit_code_worse(code, EXIT_FORGED);
        }
    }
    *ret_rc = rc;
    return code;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct restore_command_line o = {0};
    struct snapshot_argument a = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        rc = app->err.rc;
    } else {
        code = restore(app, &o, &a, args.items[0], &rc);
    }
    snapshot_argument_release(&a);
    arguments_release(&args);
    option_list_release(&o.includes);
    option_list_release(&o.excludes);
    option_list_release(&o.point.tablespaces);
    return app_finish(app, rc, code);
}

const struct command cmd_restore = {
    .name = "restore",
    .arguments = "SNAP[:PATH] --target DIR",
    .summary = "bring files back, and read them back to prove it",
    .details =
        "SNAP: the beginning of an id, latest, latest~2 or latest@HOST.  Without PATH full paths\n"
        "are made below DIR; SNAP:/srv/shop puts the content of /srv/shop into DIR, and\n"
        "SNAP:/etc/passwd makes DIR/passwd.  A restore that was interrupted continues where\n"
        "it was when it is repeated.",
    .specs = specs,
    .run = run,
};
