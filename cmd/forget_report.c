/* SPDX-License-Identifier: BSD-2-Clause */
/* What forget decided, for people and programs. */
#include "forget_report.h"

#include "core/text.h"
#include "render.h"
#include "report/table.h"

static void
put_snapshot(struct json *j, const struct snapshot_list *l, const struct retention *judged,
             size_t i)
{
    const struct snapshot *s = &l->snapshots[i];
    const struct retention_verdict *v = &judged->verdicts[i];
    bool kept = !v->considered || v->reasons != 0;

    json_put_object(j, NULL);
    render_json_uuid(j, "id", &s->id);
    json_put_time(j, "time", s->time);
    json_put_text(j, "host", s->body.host);
    json_put_bool(j, "considered", v->considered);
    if (v->considered) {
        json_put_u64(j, "group", v->group);
    }
    json_put_bool(j, "kept", kept);
    json_put_array(j, "reasons");
    for (unsigned bit = 0; bit < KEPT_REASONS; bit++) {
        if ((v->reasons & (1u << bit)) != 0) {
            json_put_text(j, NULL, retention_reason_name(bit));
        }
    }
    json_put_end(j);
    json_put_end(j);
}

void
forget_report_json(struct json *j, const struct snapshot_list *l, const struct forget_summary *s,
                   bool dry_run)
{
    json_put_bool(j, "dry_run", dry_run);
    json_put_array(j, "snapshots");
    for (size_t i = 0; i < l->count; i++) {
        put_snapshot(j, l, &s->judged, i);
    }
    json_put_end(j);
    json_put_u64(j, "considered", s->judged.considered);
    json_put_u64(j, "wal_considered", s->judged.wal_considered);
    json_put_u64(j, "wal_to_forget", s->judged.wal_dropped);
    json_put_u64(j, "groups", s->judged.groups);
    json_put_u64(j, "to_forget", s->judged.dropped);
    json_put_u64(j, "forgotten", s->forgotten);
    if (s->forgotten > 0) {
        json_put_time(j, "until", s->until);
    } else {
        json_put_null(j, "until");
    }
    json_put_u64(j, "times_not_fitting", s->times);
    json_put_u64(j, "marked", s->marked);
}

static void
put_reasons(struct table *t, unsigned reasons)
{
    struct vv_buf text = {0};

    for (unsigned bit = 0; bit < KEPT_REASONS; bit++) {
        if ((reasons & (1u << bit)) != 0) {
            vv_buf_printf(&text, "%s%s", text.len > 0 ? ", " : "", retention_reason_name(bit));
        }
    }
    table_cell(t, vv_buf_span(&text));
    vv_buf_release(&text);
}

enum vv_rc
forget_report_table(struct app *app, const struct snapshot_list *l, const struct forget_summary *s)
{
    static const struct table_column columns[] = {
        {"", TABLE_LEFT},     {"id", TABLE_LEFT},  {"time", TABLE_LEFT},
        {"host", TABLE_LEFT}, {"why", TABLE_LEFT}, {"paths", TABLE_LEFT},
    };
    VV_CLEANUP(table_freep) struct table *t = NULL;

    if (s->judged.considered == 0) {
        return VV_OK;
    }
    VV_TRY(table_new(columns, VV_COUNT(columns), &t, &app->err));
    for (size_t group = 0; group < s->judged.groups; group++) {
        for (size_t i = 0; i < l->count; i++) {
            const struct retention_verdict *v = &s->judged.verdicts[i];
            char text[VV_TIME_TEXT];
            if (!v->considered || v->wal || v->group != group) {
                continue;
            }
            table_text(t, v->reasons != 0 ? "keep" : "forget");
            render_short_id(&l->snapshots[i].id, text);
            table_text(t, text);
            vv_time_format(l->snapshots[i].time, text);
            table_text(t, text);
            table_text(t, l->snapshots[i].body.host);
            put_reasons(t, v->reasons);
            render_sources(t, &l->snapshots[i].body);
        }
    }
    return table_print(t, stdout, &app->err);
}

void
forget_report_summary(const struct forget_summary *s, bool dry_run)
{
    char until[VV_TIME_TEXT];
    size_t gone = (dry_run ? s->judged.dropped : s->forgotten);
    size_t wal = gone > 0 ? s->judged.wal_dropped : 0;

    gone -= wal < gone ? wal : gone;
    render_count(gone, "snapshot", "snapshots", stdout);
    fputs(dry_run ? " would be forgotten, " : " forgotten, ", stdout);
    render_count(s->judged.considered - s->judged.wal_considered - gone, "kept", "kept", stdout);
    if (s->judged.wal_considered > 0) {
        printf("; of WAL ");
        render_count(wal, "publication", "publications", stdout);
        printf(", ");
        render_count(s->judged.wal_considered - wal, "kept", "kept", stdout);
    }
    if (!dry_run && gone + wal > 0) {
        vv_time_format(s->until, until);
        printf("; 'varve undelete' brings them back until %s at least", until);
    }
    putchar('\n');
}
