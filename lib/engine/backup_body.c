/* SPDX-License-Identifier: BSD-2-Clause */
/* A run's snapshot record: what is known before it, and what after. */

#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "engine/backup_internal.h"

/** Sources as the snapshot names them: absolute paths, then names of commands, databases, archive. */
static enum vv_rc
collect_sources(struct backup *b, struct vv_buf **ret, uint32_t *ret_count, struct vv_error *err)
{
    const struct backup_options *o = b->options;
    size_t roots = 0;
    const struct vv_span *root = b->source != NULL ? source_fs_roots(b->source, &roots) : NULL;
    size_t room = roots + o->command_count + o->database_count + 1;
    struct vv_buf *sources = vv_alloc_array(room, sizeof(*sources));
    uint32_t count = 0;

    if (sources == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < roots; i++) {
        vv_buf_put(&sources[count++], root[i].data, root[i].len);
    }
    for (size_t i = 0; i < o->command_count; i++) {
        vv_buf_printf(&sources[count++], "%s:%s", o->commands[i].command != NULL ? "exec" : "stdin",
                      o->commands[i].name);
    }
    for (size_t i = 0; i < o->database_count; i++) {
        vv_buf_printf(&sources[count++], "database:postgres/%s", o->databases[i].name);
    }
    if (o->archive != NULL) {
        vv_buf_printf(&sources[count++], "archive:%s", o->archive);
    }
    *ret = sources;
    *ret_count = count;
    return VV_OK;
}

enum vv_rc
body_begin(struct backup *b, struct snapshot_body *body, struct vv_error *err)
{
    const struct backup_options *o = b->options;

    VV_TRY(collect_sources(b, &body->sources, &body->source_count, err));
    body->host = vv_strdup(o->host != NULL ? o->host : "");
    body->user = vv_strdup(o->user != NULL ? o->user : "");
    body->program = vv_strdup("varve " VARVE_VERSION);
    body->tags = vv_alloc_array(o->tag_count + 1, sizeof(*body->tags));
    if (body->host == NULL || body->user == NULL || body->program == NULL || body->tags == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < o->tag_count; i++) {
        body->tags[i] = vv_strdup(o->tags[i]);
        if (body->tags[i] == NULL) {
            return vv_error_nomem(err);
        }
        body->tag_count++;
    }
    body->mode = o->full ? SNAPSHOT_FULL : SNAPSHOT_INCREMENTAL;
    body->start = b->start;
    return VV_OK;
}

enum vv_rc
body_end(struct backup *b, const struct tree_root *root, struct snapshot_body *body,
         struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(b->repo);
    const struct pack_writer_counts *packs = pack_writer_counts(b->packs);
    const struct snapshot_file_system *table = NULL;
    uint32_t count = 0;
    time_t seconds;
    struct tm local;

    body->root = *root;
    body->end = clock->realtime(clock);
    seconds = (time_t)(body->end / 1000000000);
    if (localtime_r(&seconds, &local) != NULL) {
        body->zone = local.tm_gmtoff;
    }
    if (b->parent != NULL) {
        body->has_parent = true;
        body->parent = b->parent->id;
    }
    if (b->parent == NULL && !b->options->full) {
        body->mode = SNAPSHOT_FULL; /* nothing to be incremental against */
    }
    if (b->source != NULL) {
        table = source_fs_file_systems(b->source, &count);
        b->statistics.sockets += b->source->counts.sockets;
        b->statistics.excluded += b->source->counts.excluded;
    }
    body->file_systems = vv_alloc_array((size_t)count + 1, sizeof(*table));
    if (body->file_systems == NULL) {
        return vv_error_nomem(err);
    }
    if (count > 0) {
        memcpy(body->file_systems, table, count * sizeof(*table));
    }
    body->file_system_count = count;
    body->incomplete = TAKE(b->incomplete);
    body->incomplete_count = b->incomplete_count;
    b->incomplete_count = 0;
    VV_TRY(databases_describe(b, body, err));
    b->statistics.bytes_new = atomic_load(&packs->bytes_new);
    b->statistics.bytes_stored = atomic_load(&packs->bytes_stored);
    b->statistics.chunks_new = atomic_load(&packs->chunks_new);
    b->statistics.duration_ns = body->end > b->start ? (uint64_t)(body->end - b->start) : 0;
    body->statistics = b->statistics;
    return VV_OK;
}
