/* SPDX-License-Identifier: BSD-2-Clause */
/* The plan: entries become directories at once, and files become pieces of batches sorted by
 * block. */

#include <string.h>
#include <sys/resource.h>

#include "core/alloc.h"
#include "engine/restore_internal.h"

#define OPEN_FILES_MIN 16u
#define OPEN_FILES_MAX 16384u
#define OPEN_FILES_OTHERS 192u /* what everything else in the process may have open */

/* --- files ------------------------------------------------------------------------------------ */

enum vv_rc
plan_own_file(struct restore *r, const struct entry *e, struct restore_file **ret,
              struct vv_error *err)
{
    struct restore_file *f = vv_alloc_array(1, sizeof(*f));

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->own = true;
    if (entry_copy(&f->arena, e, &f->entry, err) != VV_OK) {
        vv_arena_release(&f->arena);
        vv_free(f);
        return VV_ENOMEM;
    }
    vv_mutex_lock(&r->plan.lock);
    f->next = r->plan.own_files;
    if (f->next != NULL) {
        f->next->previous = f;
    }
    r->plan.own_files = f;
    vv_mutex_unlock(&r->plan.lock);
    *ret = f;
    return VV_OK;
}

void
plan_free_file(struct restore *r, struct restore_file *f)
{
    sink_file_abort(f->out);
    f->out = NULL;
    if (!f->own) {
        return;
    }
    vv_mutex_lock(&r->plan.lock);
    if (f->previous != NULL) {
        f->previous->next = f->next;
    } else {
        r->plan.own_files = f->next;
    }
    if (f->next != NULL) {
        f->next->previous = f->previous;
    }
    vv_mutex_unlock(&r->plan.lock);
    vv_arena_release(&f->arena);
    vv_free(f);
}

/* --- the chunks of a file --------------------------------------------------------------------- */

struct fetching {
    struct restore *r;
    struct restore_file *file;
    uint64_t pieces;
};

/** Where a chunk is, here or in a replica; false: nowhere, which was reported. */
static enum vv_rc
locate(struct fetching *x, const struct chunk_ref *chunk, uint64_t offset,
       struct chunk_location *ret, bool *ret_found, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = chunk_locate(x->r->reader, CHUNK_DATA, &chunk->id, ret, &why);

    *ret_found = false;
    if (rc == VV_OK && ret->chunk_len != chunk->size) {
        rc = vv_error_set(&why, VV_ECORRUPT, "a chunk is not as long as its list says");
    }
    if (file_lost_trouble(rc)) {
        return file_damaged(x->r, x->file, offset, chunk->size, why.message, err);
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    *ret_found = true;
    return VV_OK;
}

static enum vv_rc
add_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct fetching *x = ctx;
    struct restore *r = x->r;
    struct chunk_location loc;
    struct piece *p = NULL;
    bool found;

    VV_TRY(vv_cancel_check(repo_cancel(r->repo), err));
    if (chunk->size == 0) {
        return VV_OK;
    }
    VV_TRY(locate(x, chunk, offset, &loc, &found, err));
    if (!found) {
        return VV_OK;
    }
    if (r->options->dry_run) {
        return restore_estimate_note(r, &loc, err);
    }
    if (x->file->own && batch_is_full(r)) {
        VV_TRY(plan_submit(r, err));
    }
    VV_TRY(batch_need(r, err));
    VV_TRY(batch_new_piece(r->plan.batch, &p, err));
    *p = (struct piece){.loc = loc, .id = chunk->id, .file = x->file, .offset = offset};
    r->plan.batch->piece_count++;
    r->plan.batch->bytes += chunk->size;
    atomic_fetch_add(&x->file->refs, 1);
    x->pieces++;
    return VV_OK;
}

static enum vv_rc
lose_list(void *ctx, uint64_t offset, uint64_t len, const struct vv_error *why,
          struct vv_error *err)
{
    struct fetching *x = ctx;

    return file_damaged(x->r, x->file, offset, len, why->message, err);
}

enum vv_rc
plan_fetch(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    struct fetching x = {.r = r, .file = f};
    struct vv_arena *arena = f->own ? &f->arena : &r->plan.batch->arena;
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    VV_TRY(batch_need(r, err));
    r->plan.batch->files++;
    if (f->entry.type == ENTRY_FILE) {
        rc = extents_prepare(&f->entry, arena, &f->starts, &why);
    }
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc == VV_OK && (f->entry.type != ENTRY_FILE || f->entry.content.size == 0)) {
        if (r->options->dry_run) {
            restore_done(r, &f->entry);
            file_settle(r, f, LINK_GOOD);
            return VV_OK;
        }
        return batch_add_plain(r, f, err);
    }
    atomic_store(&f->refs, 1);
    if (rc != VV_OK) {
        VV_TRY(file_damaged(r, f, 0, f->entry.size, why.message, err));
    } else {
        VV_TRY(stream_each_chunk(r->reader, &f->entry.content, add_chunk, lose_list, &x, err));
    }
    f->single = x.pieces == 1 && !atomic_load(&f->damaged) && f->entry.content.height == 0;
    return file_release(r, f, err);
}

/* --- entries ---------------------------------------------------------------------------------- */

enum vv_rc
entry_bring(struct restore *r, struct entry *e, struct vv_arena *arena, bool *ret_lost,
            struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    *ret_lost = false;
    if ((e->flags & (ENTRY_HAS_XATTRS_STREAM | ENTRY_HAS_EXTENTS_STREAM)) == 0) {
        return VV_OK;
    }
    rc = entry_complete(r->reader, e, arena, &why);
    if (rc == VV_OK) {
        return VV_OK;
    }
    if (!file_lost_trouble(rc) && rc != VV_ELIMIT) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    *ret_lost = true;
    restore_emit(r, VV_EVENT_PROBLEM, "chunk-damaged", e->path,
                 "its extended attributes or map of holes cannot be read: %s", why.message);
    restore_add(&r->counts.damaged, 1);
    return skipped_add(&r->skipped, e->path, err);
}

static enum vv_rc
plan_directory(struct restore *r, struct walk *w, struct walk_item *item, struct vv_error *err)
{
    struct entry *e = &item->frame->entry;
    enum sink_existing existing = SINK_ABSENT;
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;
    bool lost;

    VV_TRY(entry_bring(r, e, &item->frame->arena, &lost, err));
    if (item->parent == NULL || !item->parent->absent) {
        rc = sink_existing(r->sink, e, &existing, &why);
    }
    item->frame->absent = existing == SINK_ABSENT;
    if (rc == VV_OK && !r->options->dry_run) {
        rc = sink_directory(r->sink, e, &why);
    }
    if (rc != VV_OK) {
        VV_TRY(restore_trouble(r, e->path, rc, &why, err));
        return restore_walk_skip_below(w, err);
    }
    if (existing == SINK_EQUAL) {
        restore_already(r, e);
    } else {
        restore_done(r, e);
    }
    return VV_OK;
}

/** A file struct for an entry to be fetched: in the batch, or by itself if it may outlast it. */
static enum vv_rc
new_file(struct restore *r, const struct entry *e, struct restore_file **ret, struct vv_error *err)
{
    struct vv_arena *arena;
    struct restore_file *f;

    if (batch_is_full(r)) {
        VV_TRY(plan_submit(r, err));
    }
    if (e->content.height > 0) {
        return plan_own_file(r, e, ret, err);
    }
    VV_TRY(batch_need(r, err));
    arena = &r->plan.batch->arena;
    f = vv_arena_alloc(arena, sizeof(*f));
    if (f == NULL) {
        return vv_error_nomem(err);
    }
    memset(f, 0, sizeof(*f));
    VV_TRY(entry_copy(arena, e, &f->entry, err));
    *ret = f;
    return VV_OK;
}

static enum vv_rc
plan_entry(struct restore *r, struct walk_item *item, struct vv_arena *scratch,
           struct vv_error *err)
{
    struct entry *e = &item->entry;
    enum existing_verdict verdict = EXISTING_FETCH;
    struct link_first *first = NULL;
    struct restore_file *f;
    struct vv_error why = {0};
    bool done = false;
    enum vv_rc rc;

    vv_arena_reset(scratch);
    VV_TRY(entry_bring(r, e, scratch, &done, err));
    if (!done) {
        VV_TRY(links_meet(r, item, &first, &done, err));
    }
    if (done) {
        return VV_OK;
    }
    rc = existing_judge(r, e, item->parent != NULL && item->parent->absent, &verdict, &why);
    if (rc != VV_OK || verdict == EXISTING_KEPT || verdict == EXISTING_ALREADY) {
        if (first != NULL) {
            atomic_store(&first->state, verdict == EXISTING_ALREADY ? LINK_GOOD : LINK_UNUSABLE);
        }
        return rc == VV_OK ? VV_OK : restore_trouble(r, e->path, rc, &why, err);
    }
    if (verdict == EXISTING_CHECK) {
        return existing_check_later(r, e, first, err);
    }
    VV_TRY(new_file(r, e, &f, err));
    f->first = first;
    return plan_fetch(r, f, err);
}

static void
set_limits(struct planner *p)
{
    struct rlimit limit = {0};
    uint64_t files = 1024;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        files = limit.rlim_cur;
    }
    files = files > OPEN_FILES_OTHERS ? files - OPEN_FILES_OTHERS : 0;
    files = files < OPEN_FILES_MIN ? OPEN_FILES_MIN : files;
    p->open_limit = files > OPEN_FILES_MAX ? OPEN_FILES_MAX : files;
    p->bytes_limit = PLAN_BYTES_FIRST;
}

static enum vv_rc
plan_all(struct restore *r, struct walk *w, struct vv_arena *scratch, struct vv_error *err)
{
    for (;;) {
        struct walk_item item;
        bool end;
        VV_TRY(vv_cancel_check(repo_cancel(r->repo), err));
        VV_TRY(restore_walk_next(w, &item, &end, err));
        if (end) {
            break;
        }
        if (item.entry.type != ENTRY_DIRECTORY) {
            r->plan.seen_files++;
            r->plan.seen_bytes += item.entry.content.size;
        }
        if (item.entry.type == ENTRY_DIRECTORY) {
            VV_TRY(plan_directory(r, w, &item, err));
        } else {
            VV_TRY(plan_entry(r, &item, scratch, err));
        }
    }
    atomic_store(&r->progress->bytes_total, r->plan.seen_bytes);
    atomic_store(&r->progress->files_total, r->plan.seen_files);
    atomic_store(&r->progress->total_is_final, 1);
    VV_TRY(existing_check_all(r, err));
    VV_TRY(plan_submit(r, err));
    VV_TRY(links_flush(r, err));
    VV_TRY(plan_submit(r, err)); /* names that became files */
    return jobs_drain(r, err);
}

enum vv_rc
plan_run(struct restore *r, struct vv_error *err)
{
    VV_CLEANUP(restore_walk_freep) struct walk *w = NULL;
    struct vv_arena scratch = {0};
    enum vv_rc rc;

    set_limits(&r->plan);
    VV_TRY(restore_walk_new(r, true, &w, err));
    rc = plan_all(r, w, &scratch, err);
    vv_arena_release(&scratch);
    return rc;
}

void
plan_release(struct restore *r)
{
    if (r->plan.batch != NULL) {
        batch_free(r, &r->plan.batch->job);
        r->plan.batch = NULL;
    }
    while (r->plan.own_files != NULL) {
        plan_free_file(r, r->plan.own_files);
    }
    vv_free(r->plan.checks.files);
    vv_mutex_release(&r->plan.lock);
}
