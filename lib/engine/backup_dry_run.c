/* SPDX-License-Identifier: BSD-2-Clause */
/* --dry-run: what would be read, without reading or writing anything. */

#include "engine/backup_internal.h"

static void
count_item(struct backup *b, const struct source_item *item, const struct entry *base, bool same)
{
    struct snapshot_statistics *s = &b->statistics;
    const struct entry *e = &item->entry;

    if (e->type == ENTRY_DIRECTORY) {
        s->directories++;
    } else if (e->type == ENTRY_SYMLINK) {
        s->symlinks++;
    } else if (e->type != ENTRY_FILE) {
        s->others++;
    }
    if (e->type != ENTRY_FILE) {
        return;
    }
    s->files++;
    s->bytes += e->size;
    if (same) {
        s->files_unchanged++;
        return;
    }
    s->bytes_read += e->size;
    if (base != NULL) {
        s->files_changed++;
    } else {
        s->files_new++;
    }
    if (b->options->verbose) {
        vv_emit(repo_events(b->repo), VV_EVENT_ENTRY, "entry", e->path, "%s",
                base != NULL ? "changed" : "new");
    }
}

static enum vv_rc
look_at(struct backup *b, struct source_item *item, struct vv_error *err)
{
    const struct snapshot_file_system *table;
    const struct entry *base = NULL;
    uint32_t count = 0;
    bool trusted;
    bool same;

    if (item->status != SOURCE_OK) {
        backup_problem(b, item, "file-unreadable", item->problem.text);
        return VV_OK;
    }
    VV_TRY(baseline_find(b->baseline, item->entry.path, &base, &trusted, &table, &count, err));
    same = base != NULL && !b->options->full &&
           walk_same_metadata(b->source, &item->entry, base, table, count) &&
           !(base->flags & (ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE));
    count_item(b, item, base, same);
    return VV_OK;
}

enum vv_rc
dry_run(struct backup *b, struct vv_error *err)
{
    bool end = b->source == NULL;

    while (!end) {
        struct source_item item = {0};
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(repo_cancel(b->repo), err));
        VV_TRY(source_next(b->source, &item, &end, err));
        if (end) {
            break;
        }
        rc = look_at(b, &item, err);
        source_item_release(b->source, &item);
        VV_TRY(rc);
    }
    if (b->source != NULL) {
        b->statistics.excluded = b->source->counts.excluded;
        b->statistics.sockets = b->source->counts.sockets;
    }
    return VV_OK;
}
