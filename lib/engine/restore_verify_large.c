/* SPDX-License-Identifier: BSD-2-Clause */
/* The verify pass for large files: their chunks are shared out among the workers. */

#include <inttypes.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/restore_internal.h"

#define SEGMENT_REFS 256u

/** A file that several workers read; freed by the last. */
struct large_file {
    struct restore *r;
    struct vv_arena arena;
    struct entry entry;
    uint64_t *starts;
    int fd;
    atomic_bool differs;
    _Atomic uint32_t refs;
};
/** Consecutive chunks of it. */
struct large_segment {
    struct job job;
    struct large_file *file;
    struct chunk_ref refs[SEGMENT_REFS];
    uint64_t offset; /* of the first, in the content */
    uint64_t bytes;
    uint32_t count;
};

static void
file_unref(struct large_file *f)
{
    if (atomic_fetch_sub(&f->refs, 1) == 1) {
        vv_fd_close(f->fd);
        vv_arena_release(&f->arena);
        vv_free(f);
    }
}

static void
large_differs(struct restore *r, void *owner, uint64_t offset, uint64_t len, const char *why)
{
    struct large_file *f = owner;

    if (!atomic_exchange(&f->differs, true)) {
        restore_differs(r, f->entry.path, "bytes %" PRIu64 " to %" PRIu64 ": %s", offset,
                        offset + len, why);
    }
}

static enum vv_rc
run_segment(struct restore_worker *w, struct job *j, uint32_t index, struct vv_error *err)
{
    struct large_segment *s = (struct large_segment *)(void *)j;
    struct large_file *f = s->file;
    struct readback *back;
    uint64_t offset = s->offset;

    (void)index;
    VV_TRY(worker_readback(w, &back, err));
    readback_begin(back, large_differs);
    vv_progress_current(w->r->progress, f->entry.path);
    for (uint32_t i = 0; i < s->count; i++) {
        struct vv_error why = {0};
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(repo_cancel(w->r->repo), err));
        rc = readback_add(back, f, &f->entry, f->starts, f->fd, &s->refs[i], offset, &why);
        if (rc == VV_ECORRUPT) {
            large_differs(w->r, f, offset, s->refs[i].size, why.message);
        } else if (rc != VV_OK) {
            if (err != NULL) {
                *err = why;
            }
            return rc;
        }
        offset += s->refs[i].size;
    }
    readback_flush(back);
    restore_add(&w->r->counts.verified_bytes, s->bytes);
    restore_add(&w->r->progress->bytes_done, s->bytes);
    return VV_OK;
}

static void
free_segment(struct restore *r, struct job *j)
{
    struct large_segment *s = (struct large_segment *)(void *)j;

    (void)r;
    file_unref(s->file);
    vv_free(s);
}

/** Shares out a file's chunks. */
struct sharing {
    struct large_file *file;
    struct large_segment *segment; /* being filled */
};

static enum vv_rc
submit_segment(struct sharing *x, struct vv_error *err)
{
    struct large_segment *s = TAKE(x->segment);
    struct restore *r = x->file->r;

    return s == NULL ? VV_OK : jobs_submit(r, &s->job, restore_in_flight(r), err);
}

static enum vv_rc
share_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct sharing *x = ctx;
    struct large_segment *s = x->segment;

    if (s != NULL && (s->count == SEGMENT_REFS || s->bytes + chunk->size > READBACK_BYTES)) {
        VV_TRY(submit_segment(x, err));
        s = NULL;
    }
    if (s == NULL) {
        s = vv_alloc(sizeof(*s));
        if (s == NULL) {
            return vv_error_nomem(err);
        }
        s->job = (struct job){.run = run_segment, .end = free_segment, .count = 1};
        s->file = x->file;
        s->offset = offset;
        s->bytes = 0;
        s->count = 0;
        atomic_fetch_add(&x->file->refs, 1);
        x->segment = s;
    }
    s->refs[s->count++] = *chunk;
    s->bytes += chunk->size;
    return VV_OK;
}

/** Holes are checked at once: hardly ever is there anything to read. */
static enum vv_rc
check_holes(struct restore *r, struct large_file *f, const struct entry *found,
            struct vv_error *err)
{
    struct readback *back;
    enum vv_rc rc;

    if (f->starts == NULL) {
        return VV_OK;
    }
    VV_TRY(readback_new(r, &back, err));
    readback_begin(back, large_differs);
    rc = readback_holes(back, f, &f->entry, found, f->fd, err);
    readback_free(back);
    return rc;
}

static enum vv_rc
share_content(struct restore *r, struct large_file *f, const struct entry *found,
              struct vv_error *err)
{
    struct sharing x = {.file = f};
    struct vv_error why = {0};
    enum vv_rc rc = extents_prepare(&f->entry, &f->arena, &f->starts, &why);

    if (rc == VV_OK) {
        rc = check_holes(r, f, found, &why);
    }
    if (rc == VV_OK) {
        rc = stream_each_chunk(r->reader, &f->entry.content, share_chunk, NULL, &x, &why);
    }
    if (rc == VV_OK) {
        rc = submit_segment(&x, &why);
    }
    if (x.segment != NULL) {
        free_segment(r, &x.segment->job);
    }
    if (file_lost_trouble(rc)) {
        restore_differs(r, f->entry.path, "its content could not be compared: %s", why.message);
        return VV_OK;
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    restore_add(&r->counts.verified_files, 1);
    restore_add(&r->progress->files_done, 1);
    return VV_OK;
}

enum vv_rc
restore_verify_large(struct restore *r, const struct entry *e, struct vv_error *err)
{
    struct large_file *f = vv_alloc_array(1, sizeof(*f));
    struct entry found = {0};
    bool there = false;
    bool content = false;
    bool lost = false;
    enum vv_rc rc;

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->r = r;
    f->fd = -1;
    atomic_store(&f->refs, 1);
    rc = entry_copy(&f->arena, e, &f->entry, err);
    if (rc == VV_OK) {
        rc = entry_bring(r, &f->entry, &f->arena, &lost, err);
    }
    if (rc == VV_OK && !lost) {
        rc = restore_verify_inspect(r, &f->entry, &f->arena, &found, &f->fd, &there, err);
    }
    if (rc == VV_OK && there) {
        rc = restore_verify_metadata(r, &f->entry, &found, &content, err);
    }
    if (rc == VV_OK && content) {
        rc = share_content(r, f, &found, err);
    }
    file_unref(f);
    return rc;
}
