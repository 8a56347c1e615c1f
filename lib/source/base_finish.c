/* SPDX-License-Identifier: BSD-2-Clause */
/* How a base backup ends: the server's verdict, and what we add. */
#include <stdio.h>
#include <string.h>

#include "source/base_source.h"

#define CONTROL "global/pg_control"

enum vv_rc
base_queue_mark(struct base_source *b, const char *name, struct vv_error *err)
{
    char mark[40];

    (void)snprintf(mark, sizeof(mark), "%s.done", name);
    return base_queue_file(b, "data/pg_wal/archive_status", mark, vv_span(NULL, 0), err);
}

enum vv_rc
base_queue_history(struct base_source *b, struct vv_error *err)
{
    char name[24];

    if (b->facts.timeline <= 1) {
        return VV_OK;
    }
    VV_TRY(postgres_timeline_history(b->server, b->facts.timeline, &b->history, err));
    (void)snprintf(name, sizeof(name), "%08X.history", b->facts.timeline);
    VV_TRY(base_queue_file(b, "data/pg_wal", name, vv_buf_span(&b->history), err));
    return base_queue_mark(b, name, err);
}

enum vv_rc
base_finish(struct base_source *b, struct vv_error *err)
{
    struct postgres_base_end end;

    if (!b->control_was_last) {
        return base_corrupt(err, "its last file is not " CONTROL);
    }
    VV_TRY(base_feed_manifest(b, err));
    VV_TRY(postgres_base_finish(b->server, &end, err));
    b->facts.end = end.end;
    if (end.timeline != b->facts.timeline) {
        return base_corrupt(err, "it began on another timeline than it ended on");
    }
    VV_TRY(vv_error_origin(err, VV_ORIGIN_SOURCE,
                           base_members_compare(&b->members, vv_buf_span(&b->manifest),
                                                b->facts.start, b->facts.end, err)));
    base_wal_stop_at(b->wal, end.end);
    if (end.bad_pages && b->facts.bad_pages == 0) {
        vv_emit(b->options.events, VV_EVENT_PROBLEM, "page-checksum", vv_span(NULL, 0),
                "the server at '%s' found pages with wrong checksums, but did not say where",
                postgres_name(b->server));
        b->facts.bad_pages = 1;
    }
    VV_TRY(base_queue_file(b, "data/backup_manifest", NULL, vv_buf_span(&b->manifest), err));
    if (b->pages.list.len > 0) {
        VV_TRY(base_queue_file(b, "bad_pages", NULL, vv_buf_span(&b->pages.list), err));
    }
    b->phase = BASE_CLOSING;
    return base_queue_history(b, err);
}
