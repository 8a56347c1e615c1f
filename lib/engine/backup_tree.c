/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree thread: windows in walk order become the tree (B2). */

#include "engine/parent_cache_internal.h"

/** What the tree thread counts; written back at the end. */
static void
count_entry(struct snapshot_statistics *s, const struct window_item *it, struct vv_progress *p)
{
    switch (it->entry.type) {
    case ENTRY_FILE:
        s->files++;
        s->bytes += it->entry.size;
        atomic_fetch_add_explicit(&p->files_done, 1, memory_order_relaxed);
        if (it->state == ITEM_TAKEN || it->state == ITEM_CHECK || (it->same_stat && !it->changed)) {
            s->files_unchanged++;
            atomic_fetch_add_explicit(&p->files_unchanged, 1, memory_order_relaxed);
        } else if (it->base.type == ENTRY_FILE) {
            s->files_changed++;
            atomic_fetch_add_explicit(&p->files_changed, 1, memory_order_relaxed);
        } else {
            s->files_new++;
            atomic_fetch_add_explicit(&p->files_new, 1, memory_order_relaxed);
        }
        break;
    case ENTRY_DIRECTORY:
        s->directories++;
        break;
    case ENTRY_SYMLINK:
        s->symlinks++;
        break;
    case ENTRY_FIFO:
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        s->others++;
        break;
    }
}

/** With -v: say what is news. */
static void
mention(struct backup *b, const struct window_item *it)
{
    const char *what = NULL;

    if (!b->options->verbose || it->state == ITEM_TAKEN || it->state == ITEM_CHECK) {
        return;
    }
    if (it->base.type == 0) {
        what = "new";
    } else if (!it->same_stat || it->changed) {
        what = "changed";
    }
    if (what != NULL) {
        vv_emit(repo_events(b->repo), VV_EVENT_ENTRY, "entry", it->entry.path, "%s", what);
    }
}

/** What this run could not settle is to be looked at again by the next (B8, B9). */
static void
note_unsettled(struct backup *b, const struct window_item *it)
{
    if (it->state == ITEM_DROPPED || has_other_names(&it->entry) ||
        (it->entry.flags & (ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE)) != 0) {
        keep_unsettled(b, it->state == ITEM_DROPPED ? it->item.entry.path : it->entry.path, false);
    }
}

static enum vv_rc
add_window(struct backup *b, struct tree_writer *t, const struct window *w, struct keeping *keeping,
           struct snapshot_statistics *s, struct vv_error *err)
{
    for (uint32_t i = 0; i < w->count; i++) {
        const struct window_item *it = &w->items[i];
        enum vv_rc rc;
        if (it->state == ITEM_KEPT) {
            VV_TRY(keeping_range(keeping, it->item.kept, err));
            continue;
        }
        note_unsettled(b, it);
        if (it->state == ITEM_DROPPED) {
            continue;
        }
        rc = tree_writer_add(t, &it->entry, err);
        if (rc == VV_ELIMIT) { /* one entry too large for the format: the source's trouble */
            backup_problem(b, &it->item, "entry-too-large", err != NULL ? err->message : "");
            keep_unsettled(b, it->entry.path, false);
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        VV_TRY(keeping_entry(keeping, &it->entry, err));
        count_entry(s, it, b->progress);
        mention(b, it);
        if (b->checkpoint != NULL && (it->read || it->state == ITEM_CHECK)) {
            checkpoint_add(b->checkpoint, &it->entry);
        }
    }
    return VV_OK;
}

static enum vv_rc
add_windows(struct backup *b, struct tree_writer *t, struct keeping *keeping,
            struct snapshot_statistics *s, struct vv_error *err)
{
    struct window *w;

    while ((w = pool_next_in_order(b)) != NULL) {
        enum vv_rc rc = add_window(b, t, w, keeping, s, err);
        pool_release_window(b, w);
        VV_TRY(rc);
    }
    return backup_failed(b) ? vv_error_set(err, VV_ECANCELLED, "stopped") : VV_OK;
}

enum vv_rc
tree_run(struct backup *b, struct tree_root *ret, struct vv_error *err)
{
    VV_CLEANUP(block_builder_freep) struct block_builder *builder = NULL;
    VV_CLEANUP(tree_writer_freep) struct tree_writer *t = NULL;
    VV_CLEANUP(keeping_close) struct keeping keeping = {0};
    struct snapshot_statistics s = {0};

    VV_TRY(block_builder_new(b->packs, &builder, err));
    VV_TRY(tree_writer_new(b->repo, builder, &t, err));
    if (b->kept != NULL) {
        tree_writer_on_node(t, parent_cache_node, b->kept);
    }
    if (b->unchanged.changes != NULL) {
        VV_TRY(keeping_open(b, t, &keeping, err));
    }
    VV_TRY(add_windows(b, t, &keeping, &s, err));
    if (b->unchanged.changes != NULL) {
        VV_TRY(keeping_finish(&keeping, &s, err));
    }
    VV_TRY(tree_writer_finish(t, ret, err));
    VV_TRY(block_builder_flush(builder, err));
    backup_add(b, &b->statistics.files, s.files);
    backup_add(b, &b->statistics.bytes, s.bytes);
    backup_add(b, &b->statistics.directories, s.directories);
    backup_add(b, &b->statistics.symlinks, s.symlinks);
    backup_add(b, &b->statistics.others, s.others);
    backup_add(b, &b->statistics.files_new, s.files_new);
    backup_add(b, &b->statistics.files_changed, s.files_changed);
    backup_add(b, &b->statistics.files_unchanged, s.files_unchanged);
    return VV_OK;
}
