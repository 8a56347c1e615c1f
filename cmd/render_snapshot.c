/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots and the summary of a backup. */
#include <string.h>

#include "core/alloc.h"
#include "render.h"

void
render_json_statistics(struct json *j, const struct snapshot_statistics *s)
{
    json_put_u64(j, "files", s->files);
    json_put_u64(j, "directories", s->directories);
    json_put_u64(j, "symlinks", s->symlinks);
    json_put_u64(j, "others", s->others);
    json_put_u64(j, "sockets", s->sockets);
    json_put_u64(j, "bytes", s->bytes);
    json_put_u64(j, "files_new", s->files_new);
    json_put_u64(j, "files_changed", s->files_changed);
    json_put_u64(j, "files_unchanged", s->files_unchanged);
    json_put_u64(j, "bytes_read", s->bytes_read);
    json_put_u64(j, "bytes_new", s->bytes_new);
    json_put_u64(j, "bytes_stored", s->bytes_stored);
    json_put_u64(j, "chunks_new", s->chunks_new);
    json_put_u64(j, "skipped", s->problems);
    json_put_u64(j, "excluded", s->excluded);
    json_put_u64(j, "may_change", s->volatile_changed);
    json_put_u64(j, "silent_changes", s->silent_changes);
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
}

static void
put_texts(struct json *j, const char *key, char *const *texts, uint32_t count)
{
    json_put_array(j, key);
    for (uint32_t i = 0; i < count; i++) {
        json_put_text(j, NULL, texts[i]);
    }
    json_put_end(j);
}

const char *
render_mode(enum snapshot_mode mode)
{
    switch (mode) {
    case SNAPSHOT_FULL:
        return "full";
    case SNAPSHOT_INCREMENTAL:
        return "incremental";
    case SNAPSHOT_WAL:
        return "wal";
    }
    return "unknown";
}

void
render_json_snapshot(struct json *j, const char *key, const struct snapshot *s,
                     const struct admin_records *admin)
{
    const struct certificate *c = admin_certificate(admin, &s->client);
    const struct snapshot_body *b = &s->body;
    struct vv_span *paths = vv_alloc_array(b->source_count + 1u, sizeof(*paths));
    char head[HEAD_TEXT];

    if (paths == NULL) {
        j->failed = true;
        return;
    }
    for (uint32_t i = 0; i < b->source_count; i++) {
        paths[i] = vv_buf_span(&b->sources[i]);
    }
    json_put_object(j, key);
    render_json_uuid(j, "id", &s->id);
    json_put_time(j, "time", s->time);
    json_put_text(j, "host", b->host);
    json_put_bytes_array(j, "paths", paths, b->source_count);
    put_texts(j, "tags", b->tags, b->tag_count);
    json_put_text(j, "mode", render_mode(b->mode));
    if (b->has_parent) {
        render_json_uuid(j, "parent", &b->parent);
    } else {
        json_put_null(j, "parent");
    }
    json_put_text(j, "user", b->user);
    json_put_text(j, "program", b->program);
    json_put_time(j, "start", b->start);
    json_put_time(j, "end", b->end);
    render_json_uuid(j, "client", &s->client);
    json_put_text(j, "client_name", c != NULL && c->name[0] != '\0' ? c->name : NULL);
    json_put_text(j, "client_role", c != NULL ? render_role((enum key_role)c->role) : NULL);
    json_put_u64(j, "sequence", s->sequence);
    head_text(&s->client, s->sequence, &s->hash, head);
    json_put_text(j, "head", head);
    json_put_u64(j, "entries", b->root.entries);
    put_texts(j, "incomplete", b->incomplete, b->incomplete_count);
    json_put_object(j, "statistics");
    render_json_statistics(j, &b->statistics);
    json_put_end(j);
    json_put_end(j);
    vv_free(paths);
}

void
render_client(const struct snapshot *s, const struct admin_records *admin,
              char out[LIMIT_LABEL + 1])
{
    const struct certificate *c = admin_certificate(admin, &s->client);

    if (c != NULL && c->name[0] != '\0') {
        memcpy(out, c->name, LIMIT_LABEL + 1);
    } else {
        render_short_id(&s->client, out);
    }
}

void
render_backup_json(struct json *j, const struct backup_summary *s)
{
    char head[HEAD_TEXT];

    json_put_bool(j, "committed", s->committed);
    json_put_bool(j, "dry_run", s->dry_run);
    if (s->committed) {
        render_json_uuid(j, "snapshot", &s->snapshot.id);
        json_put_time(j, "time", s->snapshot.time);
        head_text(&s->snapshot.client, s->snapshot.sequence, &s->snapshot.hash, head);
        json_put_text(j, "head", head);
    }
    if (s->parent_used) {
        render_json_uuid(j, "parent", &s->parent);
    } else {
        json_put_null(j, "parent");
    }
    json_put_bool(j, "resumed", s->resumed);
    json_put_u64(j, "packs_data", s->packs_data);
    json_put_u64(j, "packs_metadata", s->packs_metadata);
    render_json_statistics(j, &s->statistics);
}

/** "12 skipped" and the like, where there is something to tell. */
static void
put_remarks(const struct snapshot_statistics *s, FILE *file)
{
    const struct {
        uint64_t n;
        const char *one;
        const char *many;
    } remarks[] = {
        {s->problems, "problem (named above)", "problems (named above)"},
        {s->silent_changes, "file had new content behind unchanged metadata",
         "files had new content behind unchanged metadata"},
        {s->volatile_changed, "file changed while it was read, as expected",
         "files changed while they were read, as expected"},
        {s->excluded, "entry excluded", "entries excluded"},
        {s->sockets, "socket left out", "sockets left out"},
    };

    for (size_t i = 0; i < VV_COUNT(remarks); i++) {
        if (remarks[i].n > 0) {
            fprintf(file, "  ");
            render_count(remarks[i].n, remarks[i].one, remarks[i].many, file);
            fputc('\n', file);
        }
    }
}

void
render_backup(const struct backup_summary *s, FILE *file)
{
    const struct snapshot_statistics *n = &s->statistics;
    char id[VV_UUID_TEXT];
    char head[HEAD_TEXT];
    char when[VV_TIME_TEXT];

    fprintf(file, s->dry_run ? "dry run, nothing was stored\n  " : "  ");
    render_count(n->files, "file", "files", file);
    fprintf(file, " in ");
    render_count(n->directories, "directory", "directories", file);
    fprintf(file, ", ");
    render_size(n->bytes, file);
    fprintf(file, "\n  ");
    render_count(n->files_new, "new", "new", file);
    fprintf(file, ", ");
    render_count(n->files_changed, "changed", "changed", file);
    fprintf(file, ", ");
    render_count(n->files_unchanged, "unchanged", "unchanged", file);
    fprintf(file, s->parent_used ? "" : " (no earlier snapshot to compare with)");
    fprintf(file, s->dry_run ? "\n  " : "\n  read ");
    render_size(n->bytes_read, file);
    if (s->dry_run) {
        fprintf(file, " would be read\n");
        put_remarks(n, file);
        return;
    }
    fprintf(file, ", added ");
    render_size(n->bytes_stored, file);
    fprintf(file, " to the repository, in ");
    render_duration(n->duration_ns, file);
    fprintf(file, s->resumed ? ", continuing an interrupted run\n" : "\n");
    put_remarks(n, file);
    if (s->committed) {
        vv_uuid_text(&s->snapshot.id, id);
        vv_time_format(s->snapshot.time, when);
        head_text(&s->snapshot.client, s->snapshot.sequence, &s->snapshot.hash, head);
        fprintf(file, "snapshot %.8s of %s\nhead %s\n", id, when, head);
    }
}

void
render_sources(struct table *t, const struct snapshot_body *b)
{
    struct vv_buf text = {0};

    for (uint32_t i = 0; i < b->source_count; i++) {
        vv_buf_put_text(&text, i > 0 ? " " : "");
        vv_buf_put(&text, b->sources[i].data, b->sources[i].len);
    }
    table_cell(t, vv_buf_span(&text));
    vv_buf_release(&text);
}

const char *
render_job(const struct snapshot_body *b)
{
    for (uint32_t i = 0; i < b->tag_count; i++) {
        if (strncmp(b->tags[i], "job:", 4) == 0) {
            return b->tags[i] + 4;
        }
    }
    return "";
}
