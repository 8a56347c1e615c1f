/* SPDX-License-Identifier: BSD-2-Clause */
/* varve diff [--content] SNAP[:PATH] [SNAP]: two snapshots, or a snapshot and the live tree. */
#include <string.h>

#include "commands.h"
#include "engine/look.h"
#include "entry_difference.h"
#include "render.h"
#include "repo/pack_reader.h"
#include "repo/tree.h"
#include "snapshot_argument.h"

#define CACHE_BYTES (64u << 20)

struct diff_options {
    const char *host;
    bool content;
};
static const struct option_spec specs[] = {
    {"content", '\0', OPTION_FLAG, offsetof(struct diff_options, content), NULL,
     "with one snapshot: read the files on the disk and compare every byte", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct diff_options, host), "HOST",
     "whose 'latest' is meant (default: this host)", NULL},
    OPTION_END,
};

struct difference {
    struct app *app;
    struct json *json;
    struct vv_span below;
    bool live; /* b is no snapshot: it has no content */
    uint64_t added;
    uint64_t removed;
    uint64_t changed;
};

/** The path of whichever there is. */
static struct vv_span
some_path(const struct entry *a, const struct entry *b)
{
    if (a != NULL) {
        return a->path;
    }
    return b != NULL ? b->path : vv_span(NULL, 0);
}

static void
put_json(struct json *j, const struct entry *a, const struct entry *b, uint32_t what)
{
    const char *const change = a == NULL ? "added" : b == NULL ? "removed" : "changed";

    json_put_object(j, NULL);
    render_json_path(j, "path", some_path(a, b));
    json_put_text(j, "change", change);
    if (a != NULL && b != NULL) {
        json_put_array(j, "what");
        for (unsigned i = 0; i < ENTRY_DIFFERENCES; i++) {
            if ((what & (1u << i)) != 0) {
                json_put_text(j, NULL, entry_difference_name(i));
            }
        }
        json_put_end(j);
    }
    if (a != NULL) {
        json_put_object(j, "a");
        render_json_entry(j, a);
        json_put_end(j);
    }
    if (b != NULL) {
        json_put_object(j, "b");
        render_json_entry(j, b);
        json_put_end(j);
    }
    json_put_end(j);
}

static void
put_text(const struct entry *a, const struct entry *b, uint32_t what)
{
    const char *separator = "  (";

    printf(a == NULL ? "+ " : b == NULL ? "- " : "~ ");
    render_path(some_path(a, b), stdout);
    if (a != NULL && b != NULL) {
        for (unsigned i = 0; i < ENTRY_DIFFERENCES; i++) {
            if ((what & (1u << i)) != 0) {
                printf("%s%s", separator, entry_difference_name(i));
                separator = ", ";
            }
        }
        printf("%s", separator[0] == ',' ? ")" : "");
    }
    printf("\n");
}

static enum vv_rc
put_difference(void *ctx, const struct entry *a, const struct entry *b, struct vv_error *err)
{
    struct difference *d = ctx;
    struct vv_span path = some_path(a, b);
    uint32_t what = 0;

    if (d->below.len > 0 && !path_is_below(path, d->below) &&
        !(path.len == d->below.len && memcmp(path.data, d->below.data, path.len) == 0)) {
        return VV_OK;
    }
    if (a != NULL && b != NULL) {
        what = entry_difference(a, b, d->live);
        d->changed++;
    } else if (a == NULL) {
        d->added++;
    } else {
        d->removed++;
    }
    if (d->json != NULL) {
        put_json(d->json, a, b, what);
    } else {
        put_text(a, b, what);
    }
    return app_output_check(d->app, err);
}

static enum vv_rc
compare_snapshots(struct app *app, const struct snapshot *a, const struct snapshot *b,
                  struct difference *d)
{
    VV_CLEANUP(chunk_index_freep) struct chunk_index *index = NULL;
    VV_CLEANUP(chunk_reader_freep) struct chunk_reader *reader = NULL;

    VV_TRY(chunk_index_open(app->repo, &index, &app->err));
    VV_TRY(chunk_reader_new(app->repo, index, CACHE_BYTES, &reader, &app->err));
    return tree_diff(reader, &a->body.root, &b->body.root, put_difference, d, &app->err);
}

/** The second argument; its path, if it has one, must be that of the first. */
static enum vv_rc
second_snapshot(struct app *app, const char *text, const char *host, struct snapshot_argument *a,
                const struct snapshot **ret)
{
    struct snapshot_path p = {0};
    enum vv_rc rc = snapshot_path_parse(text, &p, &app->err);

    if (rc == VV_OK && p.path_given &&
        (p.path.len != a->path.path.len ||
         (p.path.len > 0 && memcmp(p.path.data, a->path.path.data, p.path.len) != 0))) {
        rc = app_usage(app, "two different paths cannot be compared");
    }
    if (rc == VV_OK) {
        rc = snapshot_argument_resolve(app, &a->list, &p, host, ret);
    }
    snapshot_path_release(&p);
    return rc;
}

static void
put_totals(struct app *app, const struct difference *d)
{
    struct json *j = d->json;

    if (j != NULL) {
        json_put_end(j);
        json_put_u64(j, "added", d->added);
        json_put_u64(j, "removed", d->removed);
        json_put_u64(j, "changed", d->changed);
    } else if (!app->global.quiet) {
        render_count(d->added, "added", "added", stdout);
        printf(", ");
        render_count(d->removed, "removed", "removed", stdout);
        printf(", ");
        render_count(d->changed, "changed\n", "changed\n", stdout);
    }
}

static enum vv_rc
diff(struct app *app, const struct diff_options *o, const struct arguments *args,
     struct snapshot_argument *a)
{
    const struct snapshot *b = NULL;
    struct difference d = {.app = app, .live = args->count == 1};
    enum vv_rc rc;

    if (o->content && !d.live) {
        return app_usage(app, "--content is for one snapshot: two are always compared by content");
    }
    VV_TRY(snapshot_argument_open(app, args->items[0], o->host, a));
    if (!d.live) {
        VV_TRY(second_snapshot(app, args->items[1], o->host, a, &b));
    }
    d.below = vv_buf_span(&a->path.path);
    d.json = app_json(app);
    if (d.json != NULL) {
        render_json_uuid(d.json, "a", &a->snapshot->id);
        if (b != NULL) {
            render_json_uuid(d.json, "b", &b->id);
        } else {
            json_put_null(d.json, "b");
        }
        json_put_array(d.json, "differences");
    }
    rc = d.live ? look_diff_live(app->repo, a->snapshot, d.below, o->content, put_difference, &d,
                                 &app->err)
                : compare_snapshots(app, a->snapshot, b, &d);
    if (rc == VV_OK) {
        put_totals(app, &d);
    }
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct diff_options o = {0};
    struct snapshot_argument a = {0};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 2, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = diff(app, &o, &args, &a);
    snapshot_argument_release(&a);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command cmd_diff = {
    .name = "diff",
    .arguments = "SNAP[:PATH] [SNAP]",
    .summary = "compare two snapshots, or a snapshot with what is on the disk now",
    .details = "+ only in the second, - only in the first, ~ in both but different (what differs\n"
               "follows in brackets).  Differences do not set the exit code.",
    .specs = specs,
    .run = run,
};
