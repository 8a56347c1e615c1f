/* SPDX-License-Identifier: BSD-2-Clause */
/* varve snapshots [--host HOST] [--tag TAG] [--forgotten]: list snapshots.
 * varve snapshots --accept SNAP...: accept what is marked. */
#include <string.h>

#include "commands.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/text.h"
#include "engine/forget.h"
#include "render.h"
#include "report/table.h"
#include "snapshot_arguments.h"

struct snapshots_options {
    const char *host;
    const char *tag;
    bool forgotten;
    bool wal;
    struct option_list accept;
};
static const struct option_spec specs[] = {
    {"host", '\0', OPTION_TEXT, offsetof(struct snapshots_options, host), "HOST",
     "only those of this host", NULL},
    {"tag", '\0', OPTION_TEXT, offsetof(struct snapshots_options, tag), "TAG",
     "only those with this tag", NULL},
    {"forgotten", '\0', OPTION_FLAG, offsetof(struct snapshots_options, forgotten), NULL,
     "only those that were forgotten and can be brought back", NULL},
    {"wal", '\0', OPTION_FLAG, offsetof(struct snapshots_options, wal), NULL,
     "also publications of WAL ('varve wal list' sums them up)", NULL},
    {"accept", '\0', OPTION_LIST, offsetof(struct snapshots_options, accept), "SNAP",
     "this marked snapshot is as it should be: older ones may be forgotten again", NULL},
    OPTION_END,
};

/** What is listed: those that count, or those in their grace. */
struct listing {
    const struct snapshots_options *options;
    const struct snapshot_list *list;
    const struct snapshot *snapshots;
    size_t count;
    struct retention_marks marks;
    int64_t now;
};

static enum vv_rc
listing_begin(struct listing *g, const struct snapshots_options *o, const struct snapshot_list *l,
              struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();

    *g = (struct listing){.options = o, .list = l, .now = clock->realtime(clock)};
    g->snapshots = o->forgotten ? l->forgotten : l->snapshots;
    g->count = o->forgotten ? l->forgotten_count : l->count;
    return retention_marks_find(l, &g->marks, err);
}

static bool
wanted(const struct listing *g, const struct snapshot *s)
{
    const struct snapshots_options *o = g->options;
    const struct forgotten *f = admin_forgotten(&g->list->admin, &s->id);
    bool tagged = o->tag == NULL;

    if ((f != NULL && f->carried_out) || (s->body.mode == SNAPSHOT_WAL && !o->wal)) {
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

/** An object around the snapshot, as its own members are those of its record. */
static void
put_snapshot(struct json *j, const struct listing *g, const struct snapshot *s)
{
    const struct forgotten *f = admin_forgotten(&g->list->admin, &s->id);

    if (!g->options->forgotten || f == NULL) {
        render_json_snapshot(j, NULL, s, &g->list->admin);
        return;
    }
    json_put_object(j, NULL);
    json_put_time(j, "forgotten", f->time);
    json_put_time(j, "until", f->until);
    render_json_snapshot(j, "snapshot", s, &g->list->admin);
    json_put_end(j);
}

static void
put_pins(struct json *j, const struct listing *g)
{
    json_put_array(j, "pinned");
    for (size_t i = 0; i < g->count; i++) {
        int64_t until;
        if (!admin_pinned(&g->list->admin, &g->snapshots[i].id, g->now, &until)) {
            continue;
        }
        json_put_object(j, NULL);
        render_json_uuid(j, "id", &g->snapshots[i].id);
        if (until != 0) {
            json_put_time(j, "until", until);
        } else {
            json_put_null(j, "until");
        }
        json_put_end(j);
    }
    json_put_end(j);
}

static void
put_marks(struct json *j, const struct listing *g)
{
    json_put_array(j, "marked");
    for (size_t i = 0; i < g->marks.count; i++) {
        json_put_object(j, NULL);
        render_json_uuid(j, "id", &g->marks.marks[i].snapshot->id);
        json_put_u64(j, "changed_percent", g->marks.marks[i].percent);
        json_put_u64(j, "usual_percent", g->marks.marks[i].usual);
        json_put_end(j);
    }
    json_put_end(j);
}

static void
list_json(struct json *j, const struct listing *g)
{
    json_put_array(j, g->options->forgotten ? "forgotten" : "snapshots");
    for (size_t i = 0; i < g->count; i++) {
        if (wanted(g, &g->snapshots[i])) {
            put_snapshot(j, g, &g->snapshots[i]);
        }
    }
    json_put_end(j);
    put_pins(j, g);
    put_marks(j, g);
    json_put_text(j, "freshness", freshness_name(g->list->freshness));
    json_put_u64(j, "damaged", g->list->damaged);
    json_put_u64(j, "forged", g->list->forged);
}

/** All sources and tags in one cell each, and what the administrator should know. */
static void
put_sources(struct table *t, const struct listing *g, const struct snapshot *s)
{
    const struct retention_mark *mark = retention_marked(&g->marks, s);
    const struct snapshot_body *b = &s->body;
    struct vv_buf text = {0};
    int64_t until = 0;

    for (uint32_t i = 0; i < b->source_count; i++) {
        vv_buf_put_text(&text, i > 0 ? " " : "");
        vv_buf_put(&text, b->sources[i].data, b->sources[i].len);
    }
    for (uint32_t i = 0; i < b->tag_count; i++) {
        vv_buf_printf(&text, " [%s]", b->tags[i]);
    }
    if (admin_pinned(&g->list->admin, &s->id, g->now, &until)) {
        char when[VV_TIME_TEXT];
        vv_time_format(until, when);
        vv_buf_printf(&text, " (pinned%s%s)", until != 0 ? " until " : "", until != 0 ? when : "");
    }
    if (mark != NULL) {
        vv_buf_printf(&text, " (MARKED: %u %% changed or gone)", mark->percent);
    }
    table_cell(t, vv_buf_span(&text));
    vv_buf_release(&text);
}

static void
put_row(struct table *t, const struct listing *g, const struct snapshot *s)
{
    const struct forgotten *f = admin_forgotten(&g->list->admin, &s->id);
    char id[RENDER_ID];
    char text[VV_TIME_TEXT];
    char client[LIMIT_LABEL + 1];

    render_short_id(&s->id, id);
    table_text(t, id);
    vv_time_format(s->time, text);
    table_text(t, text);
    table_text(t, s->body.host);
    render_client(s, &g->list->admin, client);
    table_text(t, client);
    table_text(t, s->body.mode == SNAPSHOT_INCREMENTAL ? "incr" : render_mode(s->body.mode));
    vv_text_count(s->body.statistics.files, text);
    table_text(t, text);
    vv_text_size(s->body.statistics.bytes, text);
    table_text(t, text);
    vv_text_size(s->body.statistics.bytes_stored, text);
    table_text(t, text);
    if (g->options->forgotten) {
        vv_time_format(f != NULL ? f->until : 0, text);
        table_text(t, text);
    }
    put_sources(t, g, s);
}

static enum vv_rc
list_text(struct app *app, const struct listing *g)
{
    static const struct table_column columns[] = {
        {"id", TABLE_LEFT},    {"time", TABLE_LEFT},   {"host", TABLE_LEFT},
        {"by", TABLE_LEFT},    {"mode", TABLE_LEFT},   {"files", TABLE_RIGHT},
        {"size", TABLE_RIGHT}, {"added", TABLE_RIGHT}, {"paths [tags]", TABLE_LEFT},
    };
    static const struct table_column columns_forgotten[] = {
        {"id", TABLE_LEFT},           {"time", TABLE_LEFT},   {"host", TABLE_LEFT},
        {"by", TABLE_LEFT},           {"mode", TABLE_LEFT},   {"files", TABLE_RIGHT},
        {"size", TABLE_RIGHT},        {"added", TABLE_RIGHT}, {"undelete until", TABLE_LEFT},
        {"paths [tags]", TABLE_LEFT},
    };
    bool forgotten = g->options->forgotten;
    VV_CLEANUP(table_freep) struct table *t = NULL;
    size_t shown = 0;

    VV_TRY(table_new(forgotten ? columns_forgotten : columns,
                     forgotten ? VV_COUNT(columns_forgotten) : VV_COUNT(columns), &t, &app->err));
    for (size_t i = 0; i < g->count; i++) {
        if (wanted(g, &g->snapshots[i])) {
            put_row(t, g, &g->snapshots[i]);
            shown++;
        }
    }
    if (shown > 0) {
        VV_TRY(table_print(t, stdout, &app->err));
    } else if (!app->global.quiet) {
        messages_say(&app->messages, "%s",
                     forgotten ? "no forgotten snapshots" : "there are no snapshots");
    }
    return VV_OK;
}

static enum vv_rc
list(struct app *app, const struct snapshots_options *o, const struct snapshot_list *l)
{
    struct listing g;
    struct json *j;
    enum vv_rc rc = listing_begin(&g, o, l, &app->err);

    VV_TRY(rc);
    j = app_json(app);
    if (j != NULL) {
        list_json(j, &g);
    } else {
        rc = list_text(app, &g);
    }
    retention_marks_release(&g.marks);
    return rc;
}

/** --accept */
static enum vv_rc
accept(struct app *app, const struct snapshots_options *o, const struct snapshot_list *l)
{
    VV_CLEANUP(vv_freep) const char **texts = vv_alloc_array(o->accept.count + 1, sizeof(*texts));
    struct snapshot_arguments named = {0};
    struct json *j;
    enum vv_rc rc;

    if (texts == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < o->accept.count; i++) {
        texts[i] = o->accept.uses[i].value;
    }
    VV_TRY(snapshot_arguments_resolve(app, texts, o->accept.count, AMONG_SNAPSHOTS, l, &named));
    rc = accept_run(app->repo, l, named.items, named.count, &app->err);
    j = rc == VV_OK ? app_json(app) : NULL;
    if (j != NULL) {
        json_put_array(j, "accepted");
        for (size_t i = 0; i < named.count; i++) {
            render_json_uuid(j, NULL, &named.items[i]->id);
        }
        json_put_end(j);
    } else if (rc == VV_OK && !app->global.quiet) {
        render_count(named.count, "snapshot", "snapshots", stdout);
        printf(" accepted\n");
    }
    snapshot_arguments_release(&named);
    return rc;
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
    if (o.accept.count > 0 && (o.forgotten || o.host != NULL || o.tag != NULL)) {
        rc = app_usage(app, "--accept goes with no other option");
    } else {
        rc = app_open(app, o.accept.count > 0 ? APP_ADMIN : APP_READ);
    }
    if (rc == VV_OK) {
        rc = app_snapshots(app, &l);
    }
    if (rc == VV_OK) {
        rc = o.accept.count > 0 ? accept(app, &o, &l) : list(app, &o, &l);
        code = app_list_verdict(&l);
    }
    snapshot_list_release(&l);
    option_list_release(&o.accept);
    return app_finish(app, rc, code);
}

const struct command cmd_snapshots = {
    .name = "snapshots",
    .arguments = "",
    .summary = "list the snapshots, oldest first",
    .specs = specs,
    .run = run,
};
