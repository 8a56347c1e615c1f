/* SPDX-License-Identifier: BSD-2-Clause */
/* varve verify [--data] [--sample P%] [--budget AMOUNT] [SNAP...]: check that everything can be restored. */
#include <stdlib.h>
#include <string.h>

#include "budget_option.h"
#include "commands.h"
#include "core/alloc.h"
#include "engine/verify.h"
#include "render.h"
#include "snapshot_argument.h"

struct verify_command_line {
    const char *host;
    const char *sample;
    const char *budget;
    unsigned threads;
    bool data;
};
static const struct option_spec specs[] = {
    {"data", '\0', OPTION_FLAG, offsetof(struct verify_command_line, data), NULL,
     "read every pack and check every byte of it", NULL},
    {"sample", '\0', OPTION_TEXT, offsetof(struct verify_command_line, sample), "PERCENT",
     "read this part of the packs, drawn at random (implies --data)", NULL},
    {"budget", '\0', OPTION_TEXT, offsetof(struct verify_command_line, budget), "AMOUNT",
     "read at most this of the packs, longest unread first: 5%, 10GiB, 30m (implies --data)", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct verify_command_line, host), "HOST",
     "whose 'latest' is meant (default: this host)", NULL},
    {"threads", '\0', OPTION_NUMBER, offsetof(struct verify_command_line, threads), "N",
     "worker threads (default: by processors)", NULL},
    OPTION_END,
};

static enum exit_code
verdict(const struct verify_summary *s, const struct snapshot_list *l)
{
    enum exit_code code = app_list_verdict(l);

    if (s->objects_damaged > 0 || s->paths_damaged > 0 || s->chunks_missing > 0) {
        code = exit_code_worse(code, EXIT_CORRUPT);
    }
    return s->forged ? exit_code_worse(code, EXIT_FORGED) : code;
}

static void
report_json(struct json *j, const struct verify_summary *s, bool data)
{
    json_put_bool(j, "data", data);
    json_put_u64(j, "snapshots", s->snapshots);
    json_put_u64(j, "entries", s->entries);
    json_put_u64(j, "chunks", s->chunks);
    json_put_u64(j, "packs", s->packs);
    json_put_u64(j, "packs_read", s->packs_read);
    json_put_u64(j, "bytes_read", s->bytes_read);
    json_put_u64(j, "objects_damaged", s->objects_damaged);
    json_put_u64(j, "paths_damaged", s->paths_damaged);
    json_put_u64(j, "chunks_missing", s->chunks_missing);
    json_put_u64(j, "packs_damaged", s->packs_damaged);
    json_put_u64(j, "packs_healable", s->packs_healable);
    json_put_u64(j, "packs_at_replicas", s->packs_at_replicas);
    json_put_u64(j, "packs_unindexed", s->packs_unindexed);
    json_put_u64(j, "packs_vouched", s->packs_vouched);
    json_put_bool(j, "forged", s->forged);
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
}

static void
put_damage(uint64_t n, const char *one, const char *many)
{
    if (n > 0) {
        printf("  ");
        render_count(n, one, many, stdout);
        printf(" (named above)\n");
    }
}

/** The last line says what was read, from where, and when; nothing that was not read is called
 *  verified. */
static void
report(struct app *app, const struct verify_summary *s, bool data)
{
    const struct vv_clock *clock = vv_clock_system();
    char when[VV_TIME_TEXT];
    bool clean =
        s->objects_damaged == 0 && s->paths_damaged == 0 && s->chunks_missing == 0 && !s->forged;

    put_damage(s->objects_damaged, "object is damaged", "objects are damaged");
    put_damage(s->chunks_missing, "chunk is missing", "chunks are missing");
    put_damage(s->paths_damaged, "path is damaged", "paths are damaged");
    if (s->packs_healable > 0) {
        printf("  ");
        render_count(s->packs_healable, "damaged pack is", "damaged packs are", stdout);
        printf(" healed by parity: 'varve scrub' does it\n");
    }
    if (s->packs_at_replicas > 0) {
        printf("  ");
        render_count(s->packs_at_replicas, "damaged pack is", "damaged packs are", stdout);
        printf(" whole at a replica: 'varve replicate --from REPLICA' brings them back\n");
    }
    if (s->packs_vouched > 0) {
        printf("  ");
        render_count(s->packs_vouched, "pack of a writer", "packs of writers", stdout);
        printf(" signed, for other writers to deduplicate against\n");
    }
    vv_time_format(clock->realtime(clock), when);
    printf("  ");
    render_count(s->snapshots, "snapshot", "snapshots", stdout);
    printf(", ");
    render_count(s->entries, "entry", "entries", stdout);
    printf(", ");
    render_count(s->chunks, "reference to a chunk", "references to chunks", stdout);
    printf(", ");
    render_count(s->packs, "pack", "packs", stdout);
    printf(" in ");
    render_duration(s->duration_ns, stdout);
    if (data) {
        bool all = s->packs_read >= s->packs;
        printf("\n%s: %s, ", clean ? "verified" : "damaged",
               all ? "all data" : "structure, metadata, and part of the data");
        render_count(s->packs_read, "pack", "packs", stdout);
    } else {
        printf("\n%s: structure and metadata, without the data (--data)",
               clean ? "verified" : "damaged");
    }
    if (s->bytes_read > 0) {
        printf("; ");
        render_size(s->bytes_read, stdout);
    }
    printf(" read from '");
    message_print(app->storage->url, stdout);
    printf("', %s\n", when);
}

/** The snapshots named by arguments; NULL if there are none: all. */
static enum vv_rc
choose(struct app *app, const struct arguments *args, const char *host,
       const struct snapshot_list *l, const struct snapshot ***ret)
{
    const struct snapshot **chosen;
    enum vv_rc rc = VV_OK;

    if (args->count == 0) {
        return VV_OK;
    }
    chosen = vv_alloc_array(args->count, sizeof(*chosen));
    if (chosen == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < args->count && rc == VV_OK; i++) {
        struct snapshot_path p = {0};
        rc = snapshot_path_parse(args->items[i], &p, &app->err);
        if (rc == VV_OK && p.path_given) {
            rc = app_usage(app, "'%s': whole snapshots are verified", args->items[i]);
        }
        if (rc == VV_OK) {
            rc = snapshot_argument_resolve(app, l, &p, host, &chosen[i]);
        }
        snapshot_path_release(&p);
    }
    *ret = chosen;
    return rc;
}

/** --sample and --budget: how much data is read. */
static enum vv_rc
parse_reading(struct app *app, const struct verify_command_line *o, struct verify_options *ret)
{
    if (o->sample != NULL) {
        char *end = NULL;
        double percent = strtod(o->sample, &end);
        if (end == o->sample || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) ||
            !(percent > 0 && percent <= 100)) {
            return app_usage(app, "'%s' is no sample: more than 0 to 100 percent", o->sample);
        }
        ret->sample = percent / 100;
        ret->data = true;
    }
    if (o->budget != NULL) {
        VV_TRY(budget_option_parse(o->budget, &ret->budget, &app->err));
        ret->data = true;
    }
    return VV_OK;
}

static enum vv_rc
verify(struct app *app, const struct verify_command_line *o, const struct arguments *args,
       enum exit_code *ret_code)
{
    static const char *const phases[] = {"checking objects", "checking trees", "reading packs",
                                         "naming paths", "done"};
    struct snapshot_list l = {0};
    const struct snapshot **chosen = NULL;
    struct verify_options options = {.data = o->data, .vouch = true, .threads = o->threads};
    struct verify_summary s = {0};
    struct json *j;
    enum vv_rc rc;

    VV_TRY(parse_reading(app, o, &options));
    VV_TRY(app_open(app, APP_READ));
    VV_TRY(app_snapshots(app, &l));
    rc = choose(app, args, o->host, &l, &chosen);
    if (rc == VV_OK) {
        struct vv_progress *progress = app_progress(app, phases, VV_COUNT(phases));
        options.snapshots = chosen;
        options.snapshot_count = args->count;
        rc = verify_run(app->repo, &l, &options, progress, &s, &app->err);
        progress_stop(&app->progress);
    }
    if (rc == VV_OK) {
        *ret_code = verdict(&s, &l);
        j = app_json(app);
        if (j != NULL) {
            report_json(j, &s, options.data);
        } else if (!app->global.quiet || *ret_code != EXIT_DONE) {
            report(app, &s, options.data);
        }
    }
    vv_free(chosen);
    snapshot_list_release(&l);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct verify_command_line o = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = verify(app, &o, &args, &code);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_verify = {
    .name = "verify",
    .arguments = "[SNAP...]",
    .summary = "check that everything can be restored",
    .specs = specs,
    .run = run,
};
