/* SPDX-License-Identifier: BSD-2-Clause */
/* varve prune [--dry-run] [--max-waste P] [--budget SIZE]: delete what no snapshot needs. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "compress/compress.h"
#include "duration.h"
#include "engine/prune.h"
#include "log_results.h"
#include "render.h"

#define MAX_WASTE_DEFAULT 0.03
#define WAIT_DEFAULT (INT64_C(600) * 1000000000)

struct prune_command_line {
    const char *max_waste;
    const char *grace;
    const char *wait;
    uint64_t budget;
    bool dry_run;
    bool fence;
    bool reencrypt;
};
static const struct option_spec specs[] = {
    {"dry-run", '\0', OPTION_FLAG, offsetof(struct prune_command_line, dry_run), NULL,
     "only tell what would be deleted and written", NULL},
    {"max-waste", '\0', OPTION_TEXT, offsetof(struct prune_command_line, max_waste), "PERCENT",
     "packs with no more waste than that stay as they are (default: 3%)", NULL},
    {"budget", '\0', OPTION_SIZE, offsetof(struct prune_command_line, budget), "SIZE",
     "copy at most this much out of packs that are partly waste", NULL},
    {"grace", '\0', OPTION_TEXT, offsetof(struct prune_command_line, grace), "DURATION",
     "forgotten snapshots go after this time, if their own grace is longer", NULL},
    {"wait", '\0', OPTION_TEXT, offsetof(struct prune_command_line, wait), "DURATION",
     "how long to wait for runs that are at work (default: 10min)", NULL},
    {"fence", '\0', OPTION_FLAG, offsetof(struct prune_command_line, fence), NULL,
     "end runs that are at work instead of waiting for them", NULL},
    {"reencrypt", '\0', OPTION_FLAG, offsetof(struct prune_command_line, reencrypt), NULL,
     "copy all that is still under the keys of older epochs (see 'varve key rotate')", NULL},
    OPTION_END,
};

static enum vv_rc
parse_percent(struct app *app, const char *text, double *ret)
{
    char *end = NULL;
    double percent;

    if (text == NULL) {
        *ret = MAX_WASTE_DEFAULT;
        return VV_OK;
    }
    percent = strtod(text, &end);
    if (end == text || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) ||
        !(percent >= 0 && percent <= 100)) {
        return app_usage(app, "'%s' is no share: 0 to 100 percent", text);
    }
    *ret = percent / 100;
    return VV_OK;
}

static enum vv_rc
parse_duration(struct app *app, const char *text, int64_t fallback, int64_t *ret)
{
    *ret = fallback;
    if (text != NULL && !duration_parse(text, ret)) {
        return app_usage(app, "'%s' is no duration: 0, 10min, 36h, 7d, 2w", text);
    }
    return VV_OK;
}

static enum vv_rc
make_options(struct app *app, const struct prune_command_line *o, struct prune_options *ret)
{
    int64_t wait;

    ret->dry_run = o->dry_run;
    ret->fence = o->fence;
    ret->reencrypt = o->reencrypt;
    ret->budget = o->budget;
    ret->level = COMPRESS_LEVEL; /* of blocks that are compressed again */
    VV_TRY(parse_percent(app, o->max_waste, &ret->max_waste));
    VV_TRY(parse_duration(app, o->grace, INT64_MAX, &ret->grace_ns));
    VV_TRY(parse_duration(app, o->wait, WAIT_DEFAULT, &wait));
    ret->wait_ns = (uint64_t)wait;
    return VV_OK;
}

/** Bytes won, or, which happens when something had to be copied, lost. */
static int64_t
freed(const struct prune_summary *s)
{
    return (int64_t)s->bytes_deleted - (int64_t)s->bytes_written;
}

static void
report_json(struct json *j, const struct prune_summary *s)
{
    json_put_bool(j, "dry_run", s->dry_run);
    json_put_i64(j, "bytes_freed", freed(s));
    json_put_u64(j, "bytes_deleted", s->bytes_deleted);
    json_put_u64(j, "bytes_written", s->bytes_written);
    json_put_u64(j, "bytes_copied", s->bytes_copied);
    json_put_u64(j, "bytes_waste", s->bytes_waste);
    json_put_u64(j, "bytes_packs", s->bytes);
    json_put_u64(j, "packs", s->packs);
    json_put_u64(j, "packs_dead", s->packs_dead);
    json_put_u64(j, "packs_emptied", s->packs_emptied);
    json_put_u64(j, "packs_written", s->packs_written);
    json_put_u64(j, "packs_damaged", s->packs_damaged);
    json_put_u64(j, "chunks_copied", s->chunks_copied);
    json_put_u64(j, "chunks_rescued", s->chunks_rescued);
    json_put_u64(j, "snapshots", s->snapshots);
    json_put_u64(j, "snapshots_deleted", s->snapshots_buried);
    json_put_u64(j, "forgets_carried_out", s->forgets_carried_out);
    json_put_u64(j, "sessions_fenced", s->sessions_fenced);
    json_put_u64(j, "sessions_open", s->sessions_open);
    json_put_u64(j, "lists_adopted", s->lists_adopted);
    json_put_u64(j, "lists_left", s->lists_left);
    json_put_u64(j, "rounds", s->rounds);
    json_put_u64(j, "packs_reencrypted", s->packs_reencrypted);
    json_put_u64(j, "bytes_old_epochs", s->bytes_old_epochs);
    json_put_bool(j, "reserve_used", s->reserve_used);
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
}

static void
put_packs(uint64_t n, const char *what)
{
    if (n > 0) {
        printf("  ");
        render_count(n, "pack", "packs", stdout);
        printf(" %s\n", what);
    }
}

static void
report(const struct prune_summary *s)
{
    int64_t won = freed(s);

    if (s->snapshots_buried > 0) {
        printf("  ");
        render_count(s->snapshots_buried, "forgotten snapshot", "forgotten snapshots", stdout);
        printf(s->dry_run ? " would be deleted\n" : " deleted\n");
    }
    put_packs(s->packs_dead, "of which nothing is needed");
    put_packs(s->packs_emptied, "partly needed");
    put_packs(s->packs_written, "written with what is needed of them");
    put_packs(s->packs_reencrypted, s->dry_run ? "of older epochs would be encrypted anew"
                                               : "of older epochs encrypted anew");
    if (s->bytes_old_epochs > 0) {
        printf("  ");
        render_size(s->bytes_old_epochs, stdout);
        printf(" stay under the keys of older epochs\n");
    }
    put_packs(s->packs_damaged, "kept, because something in them is damaged (named above)");
    if (s->lists_left > 0) {
        printf("  what was condemned waits for the next prune, after runs that are at work now\n");
    }
    printf("  ");
    render_count(s->snapshots, "snapshot", "snapshots", stdout);
    printf(", ");
    render_count(s->packs, "pack", "packs", stdout);
    printf(" of ");
    render_size(s->bytes, stdout);
    printf(" looked at in ");
    render_duration(s->duration_ns, stdout);
    printf("\n%s", s->dry_run ? "would free " : "freed ");
    if (won < 0) {
        printf("less than nothing: ");
        render_size((uint64_t)-won, stdout);
        printf(" more");
    } else {
        render_size((uint64_t)won, stdout);
    }
    if (s->bytes_waste > 0) {
        printf("; about ");
        render_size(s->bytes_waste, stdout);
        printf(" of waste stay");
    }
    printf("\n");
}

static enum vv_rc
prune(struct app *app, const struct prune_command_line *o, enum exit_code *ret_code)
{
    static const char *const phases[] = {
        "starting", "marking", "waiting", "copying", "deleting", "cleaning", "done",
    };
    struct prune_options options = {0};
    struct prune_summary s = {0};
    struct vv_progress *progress;
    struct json *j;
    enum vv_rc rc;

    VV_TRY(make_options(app, o, &options));
    VV_TRY(app_open(app, APP_MAINTAIN));
    progress = app_progress(app, phases, VV_COUNT(phases));
    rc = prune_run(app->repo, &options, progress, &s, &app->err);
    progress_stop(&app->progress);
    VV_TRY(rc);
    if (s.packs_damaged > 0) {
        *ret_code = EXIT_CORRUPT;
    }
    log_prune(app, &s);
    j = app_json(app);
    if (j != NULL) {
        report_json(j, &s);
    } else if (!app->global.quiet || *ret_code != EXIT_DONE) {
        report(&s);
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct prune_command_line o = {.budget = UINT64_MAX};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = prune(app, &o, &code);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_prune = {
    .name = "prune",
    .arguments = "",
    .summary = "delete what no snapshot needs",
    .specs = specs,
    .run = run,
};
