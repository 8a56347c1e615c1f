/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers: a block is read and decoded once, its chunks checked (R1) and written to all their
 * files. */

#include <inttypes.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/restore_internal.h"

bool
file_lost_trouble(enum vv_rc rc)
{
    return rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_EIO || rc == VV_EUNSUPPORTED;
}

void
file_settle(struct restore *r, struct restore_file *f, enum link_state state)
{
    if (f->first != NULL) {
        atomic_store(&f->first->state, (int)state);
    }
    if (f->own) {
        plan_free_file(r, f);
    }
}

enum vv_rc
file_damaged(struct restore *r, struct restore_file *f, uint64_t offset, uint64_t len,
             const char *why, struct vv_error *err)
{
    uint64_t at = offset;
    bool fits = offset < f->entry.content.size && len <= f->entry.content.size - offset;

    if (fits && (f->starts != NULL || f->entry.extent_count == 0)) {
        uint64_t piece = extents_at(&f->entry, f->starts, offset, len, &at);
        if (piece < len) { /* spread over several extents: from the first byte to the last */
            uint64_t last = at;
            (void)extents_at(&f->entry, f->starts, offset + len - 1, 1, &last);
            len = last + 1 - at;
        }
    }
    restore_emit(r, VV_EVENT_PROBLEM, "chunk-damaged", f->entry.path,
                 "bytes %" PRIu64 " to %" PRIu64 " cannot be read, the file is not restored: %s",
                 at, at + len, why);
    if (atomic_exchange(&f->damaged, true)) {
        return VV_OK;
    }
    restore_add(&r->counts.damaged, 1);
    return skipped_add(&r->skipped, f->entry.path, err);
}

/** The target refused a file: the first time it is named. */
static enum vv_rc
file_refused(struct restore *r, struct restore_file *f, enum vv_rc rc, const struct vv_error *why,
             struct vv_error *err)
{
    if (atomic_exchange(&f->failed, true)) {
        return VV_OK;
    }
    return restore_trouble(r, f->entry.path, rc, why, err);
}

/** All of a file is written: give it its name. */
static enum vv_rc
file_complete(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    struct vv_error why = {0};
    enum link_state state = LINK_GOOD;
    enum vv_rc rc = VV_OK;

    if (atomic_load(&f->damaged)) {
        state = LINK_DAMAGED;
    } else if (atomic_load(&f->failed)) {
        state = LINK_UNUSABLE;
    } else if (!r->options->dry_run) {
        rc = f->out == NULL ? sink_file_begin(r->sink, &f->entry, &f->out, &why) : VV_OK;
        if (rc == VV_OK) {
            rc = sink_file_finish(TAKE(f->out), &why);
        }
        if (rc != VV_OK) {
            state = LINK_UNUSABLE;
            rc = file_refused(r, f, rc, &why, err);
        }
    }
    sink_file_abort(TAKE(f->out));
    if (f->opened) {
        f->opened = false;
        atomic_fetch_sub(&r->open_files, 1);
    }
    if (state == LINK_GOOD) {
        restore_done(r, &f->entry);
    }
    file_settle(r, f, state);
    return rc;
}

enum vv_rc
file_release(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    if (atomic_fetch_sub(&f->refs, 1) > 1) {
        return VV_OK;
    }
    return file_complete(r, f, err);
}

/** Open a file of several pieces once, whoever comes first; *ret_later if too many are open. */
static enum vv_rc
open_once(struct restore *r, struct restore_file *f, bool *ret_later, struct vv_error *err)
{
    struct vv_mutex *lock = restore_file_lock(r, f);
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(lock);
    if (f->out == NULL && !f->deferred && !atomic_load(&f->failed)) {
        if (atomic_fetch_add(&r->open_files, 1) < r->plan.open_limit) {
            f->opened = true;
            rc = sink_file_begin(r->sink, &f->entry, &f->out, err);
        } else {
            f->deferred = true;
            atomic_fetch_sub(&r->open_files, 1);
        }
    }
    *ret_later = f->out == NULL && f->deferred;
    vv_mutex_unlock(lock);
    return rc;
}

/** Write content bytes to their places in the file. */
static enum vv_rc
scatter(const struct restore_file *f, uint64_t offset, struct vv_span data, struct vv_error *err)
{
    while (data.len > 0) {
        uint64_t at;
        uint64_t n = extents_at(&f->entry, f->starts, offset, data.len, &at);
        VV_TRY(sink_file_write(f->out, at, vv_span(data.data, (size_t)n), err));
        data.data += n;
        data.len -= (size_t)n;
        offset += n;
    }
    return VV_OK;
}

/** A checked chunk for one file. */
static enum vv_rc
deliver(struct restore *r, struct piece *p, struct vv_span data, struct vv_error *err)
{
    struct restore_file *f = p->file;
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    if (atomic_load(&f->damaged) || atomic_load(&f->failed)) {
        return VV_OK;
    }
    rc = f->single ? sink_file_begin(r->sink, &f->entry, &f->out, &why)
                   : open_once(r, f, &p->later, &why);
    if (p->later) {
        return VV_OK;
    }
    if (rc == VV_OK && f->out != NULL) {
        rc = scatter(f, p->offset, data, &why);
    }
    restore_add(&r->progress->bytes_done, data.len);
    return rc == VV_OK ? VV_OK : file_refused(r, f, rc, &why, err);
}

/** A chunk that its block did not yield: from anywhere else, or it is damaged (R2). */
static enum vv_rc
deliver_otherwise(struct restore_worker *w, struct piece *p, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    vv_buf_reset(&w->chunk);
    rc = chunk_read(w->r->reader, CHUNK_DATA, &p->id, &w->chunk, &why);
    if (rc == VV_OK && w->chunk.len != p->loc.chunk_len) {
        rc = vv_error_set(&why, VV_ECORRUPT, "a chunk is not as long as its list says");
    }
    if (rc == VV_OK) {
        return deliver(w->r, p, vv_buf_span(&w->chunk), err);
    }
    if (file_lost_trouble(rc)) {
        return file_damaged(w->r, p->file, p->offset, p->loc.chunk_len, why.message, err);
    }
    if (err != NULL) {
        *err = why;
    }
    return rc;
}

/** Hash the chunks of a decoded block that are wanted; pieces of the same chunk share a job. */
static enum vv_rc
hash_pieces(struct restore_worker *w, struct piece *pieces, uint32_t count, struct vv_error *err)
{
    uint32_t jobs = 0;

    VV_TRY(worker_hash_jobs(w, count, err));
    for (uint32_t i = 0; i < count; i++) {
        struct piece *p = &pieces[i];
        if (i > 0 && p->loc.chunk_offset == pieces[i - 1].loc.chunk_offset &&
            p->loc.chunk_len == pieces[i - 1].loc.chunk_len) {
            p->job = pieces[i - 1].job;
        } else if (p->loc.chunk_offset > w->block.len ||
                   p->loc.chunk_len > w->block.len - p->loc.chunk_offset) {
            p->job = UINT32_MAX; /* outside its block: the index is wrong */
        } else {
            p->job = jobs;
            w->jobs[jobs++] = (struct hash_job){.data = w->block.data + p->loc.chunk_offset,
                                                .len = p->loc.chunk_len};
        }
    }
    blake2b_256_many(keyring_id_key(repo_keyring(w->r->repo), CHUNK_DATA), w->jobs, jobs);
    return VV_OK;
}

static bool
has_its_id(const struct restore_worker *w, const struct piece *p)
{
    return p->job != UINT32_MAX && memcmp(w->jobs[p->job].out, p->id.b, sizeof(p->id.b)) == 0;
}

/** Read the block of some pieces; *ret_good = false if it cannot be had from there. */
static enum vv_rc
read_block(struct restore_worker *w, const struct chunk_location *loc, bool *ret_good,
           struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    *ret_good = false;
    if (loc->block_plain > LIMIT_BLOCK_PLAIN) {
        return VV_OK;
    }
    vv_buf_reset(&w->block);
    VV_TRY(vv_buf_reserve(&w->block, (size_t)loc->block_plain + 1, err));
    rc = pack_read_block(w->packs, loc, w->block.data, &why);
    restore_add(&w->r->counts.bytes_read, loc->block_stored);
    if (rc == VV_OK) {
        w->block.len = loc->block_plain;
        *ret_good = true;
        return VV_OK;
    }
    if (file_lost_trouble(rc) || rc == VV_ETRANSIENT) { /* a replica may have it */
        return VV_OK;
    }
    if (err != NULL) {
        *err = why;
    }
    return rc;
}

static enum vv_rc
write_block(struct restore_worker *w, struct piece *pieces, uint32_t count, struct vv_error *err)
{
    struct restore *r = w->r;
    bool good;

    VV_TRY(read_block(w, &pieces[0].loc, &good, err));
    if (good) {
        VV_TRY(hash_pieces(w, pieces, count, err));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct piece *p = &pieces[i];
        struct restore_file *f = p->file;
        VV_TRY(vv_cancel_check(repo_cancel(r->repo), err));
        if (good && has_its_id(w, p)) {
            struct vv_span data = vv_span(w->block.data + p->loc.chunk_offset, p->loc.chunk_len);
            VV_TRY(deliver(r, p, data, err));
        } else {
            VV_TRY(deliver_otherwise(w, p, err));
        }
        if (p->later) {
            continue;
        }
        p->file = NULL;
        VV_TRY(file_release(r, f, err));
    }
    return VV_OK;
}

/** Empty files, files that are all hole, links and nodes. */
static enum vv_rc
write_plain(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    if (f->entry.type == ENTRY_FILE) {
        return file_complete(r, f, err);
    }
    rc = sink_other(r->sink, &f->entry, &why);
    if (rc == VV_OK) {
        restore_done(r, &f->entry);
    } else {
        rc = file_refused(r, f, rc, &why, err);
    }
    file_settle(r, f, atomic_load(&f->failed) ? LINK_UNUSABLE : LINK_GOOD);
    return rc;
}

enum vv_rc
write_unit(struct restore_worker *w, struct job *j, uint32_t index, struct vv_error *err)
{
    struct batch *b = (struct batch *)(void *)j;
    struct unit *u;

    if (index >= b->unit_count) {
        return write_plain(w->r, b->plain[index - b->unit_count], err);
    }
    u = &b->units[index];
    vv_progress_current(w->r->progress, b->pieces[u->first].file->entry.path);
    return write_block(w, &b->pieces[u->first], u->count, err);
}
