/* SPDX-License-Identifier: BSD-2-Clause */
/* varve snapshots [--host HOST] [--tag TAG] [--forgotten]: list snapshots. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "core/text.h"
#include "render.h"
#include "report/table.h"

struct snapshots_options {
    const char *host;
    const char *tag;
    bool forgotten;
};
static const struct option_spec specs[] = {
    {"host", '\0', OPTION_TEXT, offsetof(struct snapshots_options, host), "HOST",
     "only those of this host", NULL},
    {"tag", '\0', OPTION_TEXT, offsetof(struct snapshots_options, tag), "TAG",
     "only those with this tag", NULL},
    {"forgotten", '\0', OPTION_FLAG, offsetof(struct snapshots_options, forgotten), NULL,
     "only those that were forgotten and can be brought back", NULL},
    OPTION_END,
};

/** What is listed: those that count, or those in their grace. */
struct listed {
    const struct snapshot *snapshots;
    size_t count;
};

static struct listed
choose(const struct snapshots_options *o, const struct snapshot_list *l)
{
    return o->forgotten ? (struct listed){l->forgotten, l->forgotten_count}
                        : (struct listed){l->snapshots, l->count};
}

static bool
wanted(const struct snapshots_options *o, const struct snapshot_list *l, const struct snapshot *s)
{
    const struct forgotten *f = admin_forgotten(&l->admin, &s->id);
    bool tagged = o->tag == NULL;

    if (f != NULL && f->carried_out) {
        return false;
    }

    for (uint32_t i = 0; i < s->body.tag_count && !tagged; i++) {
        tagged = strcmp(s->body.tags[i], o->tag) == 0;
    }
    return tagged && (o->host == NULL || strcmp(o->host, s->body.host) == 0);
}

static const char *
freshness_name(enum freshness f)
{
    switch (f) {
    case FRESHNESS_OK:
        return "ok";
    case FRESHNESS_NOT_CHECKED:
        return "not-checked";
    case FRESHNESS_LAG:
        return "lag";
    case FRESHNESS_ROLLED_BACK:
        return "rolled-back";
    }
    return "unknown";
}

static void
put_snapshot(struct json *j, const struct snapshots_options *o, const struct snapshot_list *l,
             const struct snapshot *s)
{
    const struct forgotten *f = admin_forgotten(&l->admin, &s->id);

    if (!o->forgotten || f == NULL) {
        render_json_snapshot(j, NULL, s, &l->admin);
        return;
    }
    json_put_object(j, NULL);
    json_put_time(j, "forgotten", f->time);
    json_put_time(j, "until", f->until);
    render_json_snapshot(j, "snapshot", s, &l->admin);
    json_put_end(j);
}

static void
list_json(struct json *j, const struct snapshots_options *o, const struct snapshot_list *l)
{
    struct listed listed = choose(o, l);

    json_put_array(j, o->forgotten ? "forgotten" : "snapshots");
    for (size_t i = 0; i < listed.count; i++) {
        if (wanted(o, l, &listed.snapshots[i])) {
            put_snapshot(j, o, l, &listed.snapshots[i]);
        }
    }
    json_put_end(j);
    json_put_text(j, "freshness", freshness_name(l->freshness));
    json_put_u64(j, "damaged", l->damaged);
    json_put_u64(j, "forged", l->forged);
}

/** All sources and tags in one cell each. */
static void
put_sources(struct table *t, const struct snapshot_body *b)
{
    struct vv_buf text = {0};

    for (uint32_t i = 0; i < b->source_count; i++) {
        vv_buf_put_text(&text, i > 0 ? " " : "");
        vv_buf_put(&text, b->sources[i].data, b->sources[i].len);
    }
    for (uint32_t i = 0; i < b->tag_count; i++) {
        vv_buf_printf(&text, " [%s]", b->tags[i]);
    }
    table_cell(t, vv_buf_span(&text));
    vv_buf_release(&text);
}

static void
put_row(struct table *t, const struct snapshots_options *o, const struct snapshot_list *l,
        const struct snapshot *s)
{
    const struct forgotten *f = admin_forgotten(&l->admin, &s->id);
    char id[RENDER_ID];
    char text[VV_TIME_TEXT];
    char client[LIMIT_LABEL + 1];

    render_short_id(&s->id, id);
    table_text(t, id);
    vv_time_format(s->time, text);
    table_text(t, text);
    table_text(t, s->body.host);
    render_client(s, &l->admin, client);
    table_text(t, client);
    table_text(t, s->body.mode == SNAPSHOT_FULL ? "full" : "incr");
    vv_text_count(s->body.statistics.files, text);
    table_text(t, text);
    vv_text_size(s->body.statistics.bytes, text);
    table_text(t, text);
    vv_text_size(s->body.statistics.bytes_stored, text);
    table_text(t, text);
    if (o->forgotten) {
        vv_time_format(f != NULL ? f->until : 0, text);
        table_text(t, text);
    }
    put_sources(t, &s->body);
}

static enum vv_rc
list_text(struct app *app, const struct snapshots_options *o, const struct snapshot_list *l)
{
    static const struct table_column columns[] = {
        {"id", TABLE_LEFT},    {"time", TABLE_LEFT},   {"host", TABLE_LEFT},
        {"by", TABLE_LEFT},    {"mode", TABLE_LEFT},   {"files", TABLE_RIGHT},
        {"size", TABLE_RIGHT}, {"added", TABLE_RIGHT}, {"paths [tags]", TABLE_LEFT},
    };
    static const struct table_column columns_forgotten[] = {
        {"id", TABLE_LEFT},
        {"time", TABLE_LEFT},
        {"host", TABLE_LEFT},
        {"by", TABLE_LEFT},
        {"mode", TABLE_LEFT},
        {"files", TABLE_RIGHT},
        {"size", TABLE_RIGHT},
        {"added", TABLE_RIGHT},
        {"can be brought back until", TABLE_LEFT},
        {"paths [tags]", TABLE_LEFT},
    };
    struct listed listed = choose(o, l);
    VV_CLEANUP(table_freep) struct table *t = NULL;
    size_t shown = 0;

    VV_TRY(table_new(o->forgotten ? columns_forgotten : columns,
                     o->forgotten ? VV_COUNT(columns_forgotten) : VV_COUNT(columns), &t,
                     &app->err));
    for (size_t i = 0; i < listed.count; i++) {
        if (wanted(o, l, &listed.snapshots[i])) {
            put_row(t, o, l, &listed.snapshots[i]);
            shown++;
        }
    }
    if (shown > 0) {
        VV_TRY(table_print(t, stdout, &app->err));
    } else if (!app->global.quiet) {
        messages_say(&app->messages,
                     o->forgotten ? "no forgotten snapshots" : "there are no snapshots");
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct snapshots_options o = {0};
    struct arguments args;
    struct snapshot_list l = {0};
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
        struct json *j = app_json(app);
        if (j != NULL) {
            list_json(j, &o, &l);
        } else {
            rc = list_text(app, &o, &l);
        }
        code = app_list_verdict(&l);
    }
    snapshot_list_release(&l);
    return app_finish(app, rc, code);
}

const struct command cmd_snapshots = {
    .name = "snapshots",
    .arguments = "",
    .summary = "list the snapshots, oldest first",
    .specs = specs,
    .run = run,
};
