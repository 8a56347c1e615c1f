/* SPDX-License-Identifier: BSD-2-Clause */
/* varve history [--test COMMAND] PATH: the versions of one file, newest first. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "engine/look.h"
#include "history_test.h"
#include "render.h"

struct history_options {
    const char *test;
    const char *host;
};
static const struct option_spec specs[] = {
    {"test", '\0', OPTION_TEXT, offsetof(struct history_options, test), "COMMAND",
     "run it with each version as $1, from new to old, until it exits with 0", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct history_options, host), "HOST",
     "only snapshots of this host", NULL},
    OPTION_END,
};

struct history {
    struct app *app;
    const struct history_options *options;
    struct json *json;
    struct vv_span path;
    uint64_t count;
    bool passed;
};

static void
put_snapshot(const struct snapshot *s, const char *before)
{
    char id[RENDER_ID];
    char when[VV_TIME_TEXT];

    render_short_id(&s->id, id);
    vv_time_format(s->time, when);
    printf("%s%s of %s", before, id, when);
}

static void
put_text(const struct version *v)
{
    char when[VV_TIME_TEXT];

    vv_time_format(render_time(&v->entry->mtime), when);
    printf("%12" PRIu64 "  %s", v->entry->size, when);
    put_snapshot(v->first, "  first ");
    put_snapshot(v->last, ", last ");
}

static void
put_json(struct json *j, const struct version *v)
{
    render_json_entry(j, v->entry);
    render_json_uuid(j, "first", &v->first->id);
    json_put_time(j, "first_time", v->first->time);
    render_json_uuid(j, "last", &v->last->id);
    json_put_time(j, "last_time", v->last->time);
    json_put_u64(j, "snapshots", v->snapshots);
}

static enum vv_rc
put_version(void *ctx, const struct version *v, bool *ret_stop, struct vv_error *err)
{
    struct history *h = ctx;
    int status = 0;

    h->count++;
    if (h->json != NULL) {
        json_put_object(h->json, NULL);
        put_json(h->json, v);
    } else {
        put_text(v);
    }
    if (h->options->test != NULL && v->entry->type == ENTRY_FILE) {
        (void)fflush(stdout);
        VV_TRY(history_test(h->app, v->last, h->path, h->options->test, &status, err));
        h->passed = status == 0;
        *ret_stop = h->passed;
        if (h->json != NULL) {
            json_put_bool(h->json, "passed", h->passed);
            json_put_i64(h->json, "status", status);
        } else {
            printf(h->passed ? "  passes" : "  fails (%d)", status);
        }
    }
    if (h->json != NULL) {
        json_put_end(h->json);
    } else {
        printf("\n");
    }
    return app_output_check(h->app, err);
}

/** Take the snapshots of other hosts out of the list. */
static void
keep_host(struct snapshot_list *l, const char *host)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->snapshots[i].body.host, host) == 0) {
            struct snapshot s = l->snapshots[kept];
            l->snapshots[kept++] = l->snapshots[i];
            l->snapshots[i] = s; /* swapped, so that all are released together */
        }
    }
}

static size_t
count_host(const struct snapshot_list *l, const char *host)
{
    size_t n = 0;

    for (size_t i = 0; i < l->count; i++) {
        n += strcmp(l->snapshots[i].body.host, host) == 0;
    }
    return n;
}

static enum vv_rc
history(struct app *app, const struct history_options *o, const char *text, struct history *h,
        enum exit_code *ret_code)
{
    struct snapshot_list l = {0};
    struct vv_buf path = {0};
    size_t all;
    enum vv_rc rc = snapshot_path_normalise(text, &path, &app->err);

    if (rc == VV_OK) {
        rc = app_open(app, APP_READ);
    }
    if (rc == VV_OK) {
        rc = app_snapshots(app, &l);
    }
    all = l.count;
    if (rc == VV_OK) {
        if (o->host != NULL) {
            keep_host(&l, o->host);
            l.count = count_host(&l, o->host);
        }
        h->path = vv_buf_span(&path);
        h->json = app_json(app);
        if (h->json != NULL) {
            render_json_path(h->json, "path", h->path);
            json_put_array(h->json, "versions");
        }
        rc = look_history(app->repo, &l, h->path, put_version, h, &app->err);
        *ret_code = app_list_verdict(&l);
    }
    if (rc == VV_OK && h->count == 0) {
        rc = vv_error_set(&app->err, VV_ENOTFOUND, "no snapshot has '%s'", text);
        vv_error_hint(&app->err, "'varve find NAME' looks for a name anywhere");
    } else if (rc == VV_OK && o->test != NULL && !h->passed) {
        rc = vv_error_set(&app->err, VV_ENOTFOUND, "no version of '%s' passes the test", text);
    }
    l.count = all;
    snapshot_list_release(&l);
    vv_buf_release(&path);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct history_options o = {0};
    struct history h = {.app = app, .options = &o};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = history(app, &o, args.items[0], &h, &code);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_history = {
    .name = "history",
    .arguments = "PATH",
    .summary = "list the versions of one file, one line for each distinct content",
    .specs = specs,
    .run = run,
};
