/* SPDX-License-Identifier: BSD-2-Clause */
/* varve wal list: which WAL there is, and where it has gaps. */
#include "core/alloc.h"
#include "core/clock.h"
#include "core/text.h"
#include "engine/wal_catalog.h"
#include "format/wal.h"
#include "render.h"
#include "wal_commands.h"

struct list_command_line {
    const char *system;
};
static const struct option_spec specs[] = {
    {"system", '\0', OPTION_TEXT, offsetof(struct list_command_line, system), "ID",
     "only of this cluster", NULL},
    OPTION_END,
};

/** What is listed. */
struct listing {
    const struct snapshot_list *list;
    const struct wal_run *runs;
    size_t count;
    uint64_t system; /* 0: all */
    bool gaps;
};

static bool
wanted(const struct listing *g, uint64_t system)
{
    return g->system == 0 || g->system == system;
}

static void
put_position(struct json *j, const char *key, uint64_t lsn)
{
    char text[WAL_LSN_TEXT];

    wal_lsn_text(lsn, text);
    json_put_text(j, key, text);
}

static void
put_bases(struct json *j, const struct listing *g)
{
    json_put_array(j, "base_backups");
    for (size_t i = 0; i < g->list->count; i++) {
        const struct snapshot *s = &g->list->snapshots[i];
        for (uint32_t k = 0; s->body.mode != SNAPSHOT_WAL && k < s->body.wal_count; k++) {
            const struct snapshot_wal *w = &s->body.wal[k];
            if (!wanted(g, w->system)) {
                continue;
            }
            json_put_object(j, NULL);
            render_json_uuid(j, "snapshot", &s->id);
            json_put_time(j, "time", s->time);
            wal_json_system(j, w->system);
            json_put_u64(j, "timeline", w->timeline);
            put_position(j, "start", w->from);
            put_position(j, "consistent", w->to);
            json_put_end(j);
        }
    }
    json_put_end(j);
}

static void
list_json(struct json *j, const struct listing *g)
{
    json_put_array(j, "wal");
    for (size_t i = 0; i < g->count; i++) {
        const struct wal_run *r = &g->runs[i];
        if (!wanted(g, r->system)) {
            continue;
        }
        json_put_object(j, NULL);
        wal_json_system(j, r->system);
        json_put_u64(j, "timeline", r->timeline);
        json_put_u64(j, "segment_size", r->segment_size);
        put_position(j, "from", r->from);
        put_position(j, "to", r->to);
        json_put_u64(j, "bytes", r->to - r->from);
        json_put_u64(j, "publications", r->publications);
        json_put_time(j, "newest", r->newest);
        json_put_bool(j, "gap_before", r->gap_before);
        json_put_end(j);
    }
    json_put_end(j);
    put_bases(j, g);
    json_put_bool(j, "gaps", g->gaps);
}

static enum vv_rc
list_text(struct app *app, const struct listing *g)
{
    static const struct table_column columns[] = {
        {"system", TABLE_LEFT}, {"timeline", TABLE_RIGHT}, {"from", TABLE_LEFT},
        {"to", TABLE_LEFT},     {"size", TABLE_RIGHT},     {"publications", TABLE_RIGHT},
        {"newest", TABLE_LEFT}, {"", TABLE_LEFT},
    };
    VV_CLEANUP(table_freep) struct table *t = NULL;
    size_t shown = 0;

    VV_TRY(table_new(columns, VV_COUNT(columns), &t, &app->err));
    for (size_t i = 0; i < g->count; i++) {
        const struct wal_run *r = &g->runs[i];
        char text[VV_TIME_TEXT];
        if (!wanted(g, r->system)) {
            continue;
        }
        table_printf(t, "%llu", (unsigned long long)r->system);
        table_printf(t, "%u", (unsigned)r->timeline);
        wal_lsn_text(r->from, text);
        table_text(t, text);
        wal_lsn_text(r->to, text);
        table_text(t, text);
        vv_text_size(r->to - r->from, text);
        table_text(t, text);
        table_printf(t, "%zu", r->publications);
        vv_time_format(r->newest, text);
        table_text(t, text);
        table_text(t, r->gap_before ? "GAP BEFORE" : "");
        shown++;
    }
    if (shown > 0) {
        return table_print(t, stdout, &app->err);
    }
    if (!app->global.quiet) {
        messages_say(&app->messages, "there is no WAL");
    }
    return VV_OK;
}

static enum vv_rc
list(struct app *app, const struct list_command_line *o, enum exit_code *ret_code)
{
    VV_CLEANUP(snapshot_list_release) struct snapshot_list l = {0};
    VV_CLEANUP(wal_catalog_release) struct wal_catalog c = {0};
    VV_CLEANUP(vv_freep) struct wal_run *runs = NULL;
    struct listing g = {.list = &l};
    struct json *j;

    VV_TRY(wal_system_option(app, o->system, &g.system));
    VV_TRY(app_open(app, APP_READ));
    VV_TRY(app_snapshots(app, &l));
    *ret_code = app_list_verdict(&l);
    VV_TRY(wal_catalog_read(&l, &c, &app->err));
    VV_TRY(wal_catalog_runs(&c, &runs, &g.count, &app->err));
    g.runs = runs;
    for (size_t i = 0; i < g.count; i++) {
        g.gaps = g.gaps || (runs[i].gap_before && wanted(&g, runs[i].system));
    }
    if (g.gaps) {
        *ret_code = exit_code_worse(*ret_code, EXIT_PROBLEMS);
    }
    j = app_json(app);
    if (j != NULL) {
        list_json(j, &g);
        return VV_OK;
    }
    return list_text(app, &g);
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct list_command_line o = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = list(app, &o, &code);
    return app_finish(app, rc, code);
}

const struct command wal_list_command = {
    .name = "list",
    .arguments = "",
    .summary = "list the WAL there is, by timeline, with its gaps",
    .details = "Exit code 3: there is a gap.",
    .specs = specs,
    .run = run,
};
