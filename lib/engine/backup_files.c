/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A database's files, if they are on this machine: walked and read by the pool like any others, before
 * the sequence that ends the copy.  The entries are kept with those of sequences: what must come last in
 * time (pg_control, the label, the manifest) comes earlier in the tree.
 */

#include <string.h>

#include "engine/parent_cache_internal.h"
#include "format/backup_manifest.h"
#include "source/postgres_source.h"

/** The walk's thread. */
struct files_walk {
    struct backup *b;
    struct worker *worker;
    struct source *source; /* the walk */
    struct source *rest;   /* what it belongs to */
    struct baseline *baseline;
    struct vv_error error;
    enum vv_rc rc;
};

static void
walk_main(void *arg)
{
    struct files_walk *k = arg;

    k->rc = walk_alone(k->b, k->source, k->baseline, &k->error);
    pool_walk_paused(k->b, true);
}

/** The manifest in the parent: checksums of files that are taken over from there.  Nothing depends on it. */
static enum vv_rc
previous_manifest(struct backup *b, const char *root, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct vv_arena arena = {0};
    struct entry e;
    enum vv_rc rc;

    if (b->parent == NULL || !keyring_may_read(repo_keyring(b->repo))) {
        return VV_OK;
    }
    vv_buf_printf(&path, "%s/data/backup_manifest", root);
    VV_TRY(vv_buf_check(&path, err));
    rc = parent_find(b, vv_buf_span(&path), &arena, &e, err);
    if (rc == VV_OK && e.type == ENTRY_FILE) {
        rc = stream_read_all(b->reader, &e.content, LIMIT_BACKUP_MANIFEST, out, err);
    }
    vv_arena_release(&arena);
    if (rc != VV_OK && rc != VV_ENOMEM && rc != VV_ECANCELLED) {
        vv_buf_reset(out);
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

static enum vv_rc
keep_window(struct backup *b, const struct window *w, struct vv_error *err)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->items[i].state != ITEM_DROPPED) {
            VV_TRY(sequence_keep(b, &w->items[i].entry, err));
        }
    }
    return VV_OK;
}

/** Everything the walk gives, in its order, to its end in any case: its items must not outlive it.
 *  ${err} is not NULL. */
static enum vv_rc
keep_all(struct files_walk *k, struct vv_error *err)
{
    struct backup *b = k->b;
    enum vv_rc wal = VV_OK; /* trouble of the server's, which ends nothing but this source */
    struct window *win;

    while ((win = pool_next_in_order(b)) != NULL) {
        enum vv_rc rc = wal == VV_OK ? keep_window(b, win, err) : VV_OK;
        pool_release_window(b, win);
        if (rc == VV_OK && wal == VV_OK) {
            wal = sequence_take(b, k->worker, k->rest, false, err);
        }
        if (wal != VV_OK && err->origin != VV_ORIGIN_SOURCE) {
            rc = wal;
        }
        if (rc != VV_OK) {
            backup_fail(b, rc, err); /* so that the walk does not wait for us */
            return rc;
        }
    }
    if (wal != VV_OK) {
        return wal;
    }
    return backup_failed(b) ? vv_error_set(err, VV_ECANCELLED, "stopped") : VV_OK;
}

static enum vv_rc
walk_files(struct files_walk *k, struct vv_error *err)
{
    struct vv_thread walker = {0};
    struct vv_error local = {0};
    enum vv_rc rc = vv_thread_start(&walker, "walk", walk_main, k, err);

    VV_TRY(rc);
    rc = keep_all(k, &local);
    vv_thread_join(&walker);
    pool_walk_paused(k->b, false);
    if (rc == VV_OK && k->rc != VV_OK) {
        local = k->error;
        rc = k->rc;
    }
    if (rc != VV_OK && err != NULL) {
        *err = local;
    }
    return rc;
}

enum vv_rc
files_read(struct backup *b, struct worker *w, const char *root, struct source *s,
           struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf previous = {0};
    struct files_walk k = {.b = b, .worker = w, .rest = s};
    enum vv_rc rc;

    VV_TRY(previous_manifest(b, root, &previous, err));
    VV_TRY(source_postgres_begin(s, vv_buf_span(&previous), &k.source, err));
    if (k.source == NULL) {
        return VV_OK;
    }
    VV_TRY(baseline_open_parent(b, &k.baseline, err));
    rc = walk_files(&k, err);
    baseline_free(k.baseline);
    if (rc == VV_OK) {
        source_postgres_files_read(s);
    }
    return rc;
}
