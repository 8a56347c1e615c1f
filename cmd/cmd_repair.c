/* SPDX-License-Identifier: BSD-2-Clause */
/* varve repair [--from REPO]... [--no-files]: bring back what can be, and say what stays lost. */
#include "commands.h"
#include "core/alloc.h"
#include "engine/repair.h"
#include "render.h"

struct repair_command_line {
    struct option_list from;
    const char *host;
    unsigned threads;
    bool no_files;
};
static const struct option_spec specs[] = {
    {"from", '\0', OPTION_LIST, offsetof(struct repair_command_line, from), "REPO",
     "take what is lost from this other copy of the repository; may be repeated", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct repair_command_line, host), "HOST",
     "read files again for the snapshots of this host (default: this one)", NULL},
    {"no-files", '\0', OPTION_FLAG, offsetof(struct repair_command_line, no_files), NULL,
     "read no files of this host again", NULL},
    {"threads", '\0', OPTION_NUMBER, offsetof(struct repair_command_line, threads), "N",
     "worker threads (default: by processors and storage)", NULL},
    OPTION_END,
};

static enum exit_code
verdict(const struct repair_summary *s)
{
    enum exit_code code = EXIT_DONE;

    if (s->paths_lost > 0 || s->objects_lost > 0 || s->snapshots_unrecovered > 0 ||
        s->packs_lost > 0) {
        code = EXIT_CORRUPT;
    }
    return s->forged ? exit_code_worse(code, EXIT_FORGED) : code;
}

static void
report_json(struct json *j, const struct repair_summary *s)
{
    json_put_u64(j, "objects_mended", s->objects_mended);
    json_put_u64(j, "objects_aside", s->objects_aside);
    json_put_u64(j, "objects_left", s->objects_left);
    json_put_u64(j, "objects_lost", s->objects_lost);
    json_put_u64(j, "packs_damaged", s->packs_damaged);
    json_put_u64(j, "packs_healed_parity", s->packs_healed_parity);
    json_put_u64(j, "packs_healed_elsewhere", s->packs_healed_elsewhere);
    json_put_u64(j, "packs_lost", s->packs_lost);
    json_put_u64(j, "packs_indexed", s->packs_indexed);
    json_put_u64(j, "packs_suspect", s->packs_suspect);
    json_put_u64(j, "snapshots_recovered", s->snapshots_recovered);
    json_put_u64(j, "snapshots_unrecovered", s->snapshots_unrecovered);
    json_put_u64(j, "chunks_reread", s->chunks_reread);
    json_put_u64(j, "bytes_reread", s->bytes_reread);
    json_put_u64(j, "snapshot_count", s->snapshots);
    json_put_u64(j, "snapshots_whole", s->snapshots_whole);
    json_put_u64(j, "paths_lost", s->paths_lost);
    json_put_bool(j, "forged", s->forged);
    json_put_array(j, "snapshots");
    for (uint64_t i = 0; i < s->snapshots; i++) {
        json_put_object(j, NULL);
        render_json_uuid(j, "id", &s->each[i].id);
        json_put_time(j, "time", s->each[i].time);
        json_put_u64(j, "paths_lost", s->each[i].paths_lost);
        json_put_end(j);
    }
    json_put_end(j);
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
}

static void
put_count(uint64_t n, const char *one, const char *many)
{
    if (n > 0) {
        printf("  ");
        render_count(n, one, many, stdout);
        printf("\n");
    }
}

static void
put_snapshots(const struct repair_summary *s)
{
    for (uint64_t i = 0; i < s->snapshots; i++) {
        char id[VV_UUID_TEXT];
        char when[VV_TIME_TEXT];
        if (s->each[i].paths_lost == 0) {
            continue;
        }
        vv_uuid_text(&s->each[i].id, id);
        vv_time_format(s->each[i].time, when);
        printf("  snapshot %.8s of %s: ", id, when);
        render_count(s->each[i].paths_lost, "path is lost", "paths are lost", stdout);
        printf(" or damaged (named above)\n");
    }
    printf("  %llu of ", (unsigned long long)s->snapshots_whole);
    render_count(s->snapshots, "snapshot is whole", "snapshots are whole", stdout);
    printf("\n");
}

static void
report(struct app *app, const struct repair_summary *s)
{
    put_count(s->objects_mended, "object is put back", "objects are put back");
    put_count(s->packs_healed_parity, "pack is healed from its parity",
              "packs are healed from their parity");
    put_count(s->packs_healed_elsewhere, "pack came from another repository",
              "packs came from other repositories");
    put_count(s->packs_indexed, "pack is indexed again", "packs are indexed again");
    put_count(s->snapshots_recovered, "snapshot is recovered", "snapshots are recovered");
    put_count(s->chunks_reread, "lost chunk was read again from a file",
              "lost chunks were read again from files");
    put_count(s->packs_suspect, "damaged pack is suspect from now on",
              "damaged packs are suspect from now on");
    put_count(s->objects_aside, "damaged object was moved to tmp/",
              "damaged objects were moved to tmp/");
    put_count(s->objects_left, "damaged object stays: nothing can be deleted here",
              "damaged objects stay: nothing can be deleted here");
    put_count(s->objects_lost, "object is lost (named above)", "objects are lost (named above)");
    put_count(s->packs_lost, "pack is lost (named above)", "packs are lost (named above)");
    put_snapshots(s);
    printf("%s: '", verdict(s) == EXIT_DONE ? "whole" : "something is lost");
    message_print(app->storage->url, stdout);
    printf("', in ");
    render_duration(s->duration_ns, stdout);
    printf("\n");
}

/** The repositories named by --from. */
struct sources {
    struct storage **items;
    size_t count;
};

static void
sources_release(struct sources *s)
{
    for (size_t i = 0; i < s->count; i++) {
        storage_free(s->items[i]);
    }
    vv_free(s->items);
}

static enum vv_rc
open_sources(struct app *app, const struct option_list *from, struct sources *s)
{
    s->items = vv_alloc_array(from->count + 1, sizeof(struct storage *));
    if (s->items == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < from->count; i++) {
        VV_TRY(app_open_other_storage(app, from->uses[i].value, &s->items[i], &app->err));
        s->count++;
    }
    return VV_OK;
}

static enum vv_rc
repair(struct app *app, const struct repair_command_line *o, struct sources *sources,
       struct repair_summary *ret)
{
    static const char *const phases[] = {"reading", "healing", "indexing", "reading files",
                                         "naming paths"};
    struct repair_options options = {.threads = o->threads};
    enum vv_rc rc;

    VV_TRY(app_open(app, APP_MAINTAIN));
    VV_TRY(open_sources(app, &o->from, sources));
    options.others = sources->items;
    options.other_count = sources->count;
    options.host = o->no_files ? NULL : o->host != NULL ? o->host : app_host();
    rc = repair_run(app->repo, &options, app_progress(app, phases, VV_COUNT(phases)), ret,
                    &app->err);
    progress_stop(&app->progress);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct repair_command_line o = {0};
    struct repair_summary s = {0};
    struct sources sources = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        option_list_release(&o.from);
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = repair(app, &o, &sources, &s);
    if (rc == VV_OK) {
        struct json *j = app_json(app);
        code = verdict(&s);
        if (j != NULL) {
            report_json(j, &s);
        } else if (!app->global.quiet || code != EXIT_DONE) {
            report(app, &s);
        }
    }
    repair_summary_release(&s);
    code = app_finish(app, rc, code);
    repo_free(TAKE(app->repo));
    sources_release(&sources);
    option_list_release(&o.from);
    return code;
}

const struct command cmd_repair = {
    .name = "repair",
    .arguments = "",
    .summary = "bring back what is damaged or missing, and say what stays lost",
    .details =
        "Needs an administrator's key.  Reads everything; heals from parity, from other copies\n"
        "of the repository (--from) and from files that still have the wanted content.",
    .specs = specs,
    .run = run,
};
