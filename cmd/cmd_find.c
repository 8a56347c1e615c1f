/* SPDX-License-Identifier: BSD-2-Clause */
/* varve find PATTERN...: names in all snapshots, deleted ones too. */
#include <inttypes.h>

#include "commands.h"
#include "engine/look.h"
#include "render.h"

struct find_options {
    bool deleted;
};
static const struct option_spec specs[] = {
    {"deleted", '\0', OPTION_FLAG, offsetof(struct find_options, deleted), NULL,
     "only what the newest snapshot does not have any more", NULL},
    OPTION_END,
};

struct finding {
    struct app *app;
    const struct find_options *options;
    struct json *json;
    uint64_t count;
};

static void
put_json(struct json *j, const struct found_path *f)
{
    json_put_object(j, NULL);
    render_json_entry(j, f->entry);
    render_json_uuid(j, "first", &f->first->id);
    json_put_time(j, "first_time", f->first->time);
    render_json_uuid(j, "last", &f->last->id);
    json_put_time(j, "last_time", f->last->time);
    json_put_text(j, "host", f->last->body.host);
    json_put_u64(j, "snapshots", f->snapshots);
    json_put_bool(j, "deleted", f->deleted);
    json_put_end(j);
}

static enum vv_rc
put_found(void *ctx, const struct found_path *f, struct vv_error *err)
{
    struct finding *l = ctx;
    char id[RENDER_ID];
    char when[VV_TIME_TEXT];

    if (l->options->deleted && !f->deleted) {
        return VV_OK;
    }
    l->count++;
    if (l->json != NULL) {
        put_json(l->json, f);
        return app_output_check(l->app, err);
    }
    render_short_id(&f->last->id, id);
    vv_time_format(f->last->time, when);
    printf("%s  %s  %12" PRIu64 "  ", id, when, f->entry->size);
    render_path(f->path, stdout);
    printf(f->deleted ? "  (deleted since)\n" : "\n");
    return app_output_check(l->app, err);
}

static enum vv_rc
find(struct app *app, const struct arguments *args, struct finding *f, enum exit_code *ret_code)
{
    VV_CLEANUP(pattern_set_freep) struct pattern_set *patterns = NULL;
    struct snapshot_list l = {0};
    enum vv_rc rc;

    VV_TRY(pattern_set_new(&patterns, &app->err));
    for (size_t i = 0; i < args->count; i++) {
        VV_TRY(pattern_set_add(patterns, args->items[i], &app->err));
    }
    VV_TRY(app_open(app, APP_READ));
    VV_TRY(app_snapshots(app, &l));
    f->json = app_json(app);
    if (f->json != NULL) {
        json_put_array(f->json, "found");
    }
    rc = look_find(app->repo, &l, patterns, put_found, f, &app->err);
    *ret_code = app_list_verdict(&l);
    snapshot_list_release(&l);
    if (rc == VV_OK && f->count == 0) {
        rc = vv_error_set(&app->err, VV_ENOTFOUND, "no path in any snapshot matches");
        vv_error_hint(&app->err, "a pattern is a name such as '*.conf', or, with a '/', a whole "
                                 "path such as '/etc/**/*.conf'");
    }
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct find_options o = {0};
    struct finding f = {.app = app, .options = &o};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = find(app, &args, &f, &code);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_find = {
    .name = "find",
    .arguments = "PATTERN...",
    .summary = "find names in all snapshots, with the last snapshot that has each",
    .specs = specs,
    .run = run,
};
