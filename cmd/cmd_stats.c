/* SPDX-License-Identifier: BSD-2-Clause */
/* varve stats [--storage]: sizes and ratios. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "core/alloc.h"
#include "core/text.h"
#include "engine/look.h"
#include "render.h"
#include "repo/pack_epochs.h"
#include "report/table.h"

struct stats_options {
    bool storage;
};
static const struct option_spec specs[] = {
    {"storage", '\0', OPTION_FLAG, offsetof(struct stats_options, storage), NULL,
     "what takes up the room, and how much is free; without the snapshots", NULL},
    OPTION_END,
};

static double
ratio(const struct repo_statistics *s)
{
    return s->stored_bytes > 0 ? (double)s->logical_bytes / (double)s->stored_bytes : 0;
}

static void
put_json(struct json *j, const struct repo_statistics *s)
{
    json_put_u64(j, "snapshot_count", s->snapshots);
    json_put_u64(j, "logical_bytes", s->logical_bytes);
    json_put_u64(j, "unique_bytes", s->unique_bytes);
    json_put_u64(j, "stored_bytes", s->stored_bytes);
    json_put_u64(j, "metadata_bytes", s->metadata_bytes);
    json_put_u64(j, "other_bytes", s->other_bytes);
    json_put_real(j, "ratio", ratio(s));
    json_put_u64(j, "packs", s->packs);
    json_put_u64(j, "blocks", s->blocks);
    json_put_u64(j, "chunks", s->chunks);
}

static void
put_size(const char *name, uint64_t bytes, const char *what)
{
    char text[32];

    vv_text_size(bytes, text);
    printf("%-10s%11s  %s\n", name, text, what);
}

static void
put_text(const struct repo_statistics *s)
{
    put_size("logical", s->logical_bytes, "sizes of all files in all snapshots");
    put_size("unique", s->unique_bytes, "distinct chunks, before compression");
    put_size("stored", s->stored_bytes, "all packs");
    printf("%-10s%11.2f  logical to stored\n", "ratio", ratio(s));
}

/** What is stored under the keys of which epoch. */
static enum vv_rc
put_epochs(struct app *app, const struct snapshot_list *l, struct json *j)
{
    VV_CLEANUP(vv_freep) struct epoch_share *shares = NULL;
    size_t count = 0;

    VV_TRY(pack_epochs_count(app->repo, l->admin.newest_epoch, &shares, &count, &app->err));
    if (j != NULL) {
        json_put_array(j, "epochs");
    }
    for (size_t i = 0; i < count; i++) {
        const struct epoch_share *s = &shares[i];
        char text[64] = "under an epoch that cannot be told";
        if (s->epoch != PACK_EPOCH_UNKNOWN) {
            (void)snprintf(text, sizeof(text), "under the keys of epoch %u%s", (unsigned)s->epoch,
                           s->epoch == l->admin.newest_epoch ? ", the newest" : "");
        }
        if (j != NULL) {
            json_put_object(j, NULL);
            if (s->epoch != PACK_EPOCH_UNKNOWN) {
                json_put_u64(j, "epoch", s->epoch);
            }
            json_put_u64(j, "packs", s->packs);
            json_put_u64(j, "bytes", s->bytes);
            json_put_end(j);
        } else if (l->admin.newest_epoch > 0) {
            put_size("epoch", s->bytes, text);
        }
    }
    if (j != NULL) {
        json_put_end(j);
    }
    return VV_OK;
}

/** What the driver tells of itself, a line each. */
static enum vv_rc
put_description(struct app *app, struct json *j)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    VV_TRY(storage_describe(app->storage, &text, &app->err));
    VV_TRY(vv_buf_check(&text, &app->err));
    if (j != NULL) {
        json_put_array(j, "storage");
    }
    for (const char *line = vv_buf_text(&text); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        VV_CLEANUP(vv_freep) char *copy = vv_memdup(line, len);
        if (copy == NULL) {
            return vv_error_nomem(&app->err);
        }
        if (j != NULL) {
            json_put_text(j, NULL, copy);
        } else {
            message_print(copy, stdout);
            printf("\n");
        }
        line += len + (line[len] != '\0');
    }
    if (j != NULL) {
        json_put_end(j);
    }
    return VV_OK;
}

static void
put_storage(struct app *app, const struct repo_statistics *s, struct json *j)
{
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    bool known = storage_space(app->storage, &free_bytes, &total, NULL) == VV_OK;

    if (j != NULL) {
        if (known) {
            json_put_u64(j, "free_bytes", free_bytes);
            json_put_u64(j, "total_bytes", total);
        }
        return;
    }
    put_size("data", s->stored_bytes - s->metadata_bytes, "packs of content");
    put_size("metadata", s->metadata_bytes, "packs of names, attributes and lists");
    put_size("other", s->other_bytes, "index, snapshots, keys, and the reserve");
    printf("%-10s", "objects");
    render_count(s->packs, "pack, ", "packs, ", stdout);
    render_count(s->blocks, "block, ", "blocks, ", stdout);
    render_count(s->chunks, "chunk", "chunks", stdout);
    printf("\n");
    if (known) {
        put_size("free", free_bytes, "for this user where the repository is");
    }
}

static enum vv_rc
put_snapshots(struct app *app, const struct snapshot_list *l, const uint64_t *unique,
              struct json *j)
{
    static const struct table_column columns[] = {
        {"id", TABLE_LEFT},    {"time", TABLE_LEFT},   {"host", TABLE_LEFT},
        {"size", TABLE_RIGHT}, {"added", TABLE_RIGHT}, {"only here", TABLE_RIGHT},
    };
    VV_CLEANUP(table_freep) struct table *t = NULL;

    VV_TRY(table_new(columns, VV_COUNT(columns), &t, &app->err));
    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *s = &l->snapshots[i];
        char text[VV_TIME_TEXT];
        if (j != NULL) {
            json_put_object(j, NULL);
            render_json_uuid(j, "id", &s->id);
            json_put_time(j, "time", s->time);
            json_put_text(j, "host", s->body.host);
            json_put_u64(j, "bytes", s->body.statistics.bytes);
            json_put_u64(j, "bytes_stored", s->body.statistics.bytes_stored);
            json_put_u64(j, "unique_bytes", unique[i]);
            json_put_end(j);
            continue;
        }
        render_short_id(&s->id, text);
        table_text(t, text);
        vv_time_format(s->time, text);
        table_text(t, text);
        table_text(t, s->body.host);
        vv_text_size(s->body.statistics.bytes, text);
        table_text(t, text);
        vv_text_size(s->body.statistics.bytes_stored, text);
        table_text(t, text);
        vv_text_size(unique[i], text);
        table_text(t, text);
    }
    if (j != NULL || l->count == 0) {
        return VV_OK;
    }
    printf("\n");
    return table_print(t, stdout, &app->err);
}

static enum vv_rc
stats(struct app *app, const struct stats_options *o, const struct snapshot_list *l)
{
    VV_CLEANUP(vv_freep) uint64_t *unique = NULL;
    struct repo_statistics s = {0};
    struct json *j = app_json(app);
    enum vv_rc rc;

    VV_TRY(look_statistics(app->repo, l, &s, &app->err));
    if (!o->storage) {
        VV_TRY(look_unique(app->repo, l, &unique, &app->err));
    }
    if (j != NULL) {
        put_json(j, &s);
    } else {
        put_text(&s);
    }
    if (o->storage) {
        put_storage(app, &s, j);
        VV_TRY(put_epochs(app, l, j));
        return put_description(app, j);
    }
    if (j != NULL) {
        json_put_array(j, "snapshots");
    }
    rc = put_snapshots(app, l, unique, j);
    if (j != NULL) {
        json_put_end(j);
    }
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct stats_options o = {0};
    struct snapshot_list l = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = app_open(app, APP_READ);
    if (rc == VV_OK) {
        rc = app_snapshots(app, &l);
    }
    if (rc == VV_OK) {
        rc = stats(app, &o, &l);
        code = app_list_verdict(&l);
    }
    snapshot_list_release(&l);
    return app_finish(app, rc, code);
}

const struct command cmd_stats = {
    .name = "stats",
    .arguments = "",
    .summary = "tell sizes and ratios",
    .details = "For each snapshot also what it added, and the chunks that only it refers to: what\n"
               "would become free without it (before compression).",
    .specs = specs,
    .run = run,
};
