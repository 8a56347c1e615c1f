/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker: takes windows and segments and carries them through to stored chunks. */

#include <string.h>

#include "core/alloc.h"
#include "engine/backup_internal.h"

#define BATCH_JOBS (WINDOW_ITEMS * UINT64_C(2))
#define READ_ATTEMPTS 2 /* a file that moves under the reader is read once more */

enum vv_rc
worker_open(struct backup *b, struct worker *w, struct vv_error *err)
{
    memset(w, 0, sizeof(*w));
    w->b = b;
    VV_TRY(block_builder_new(b->packs, &w->builder, err));
    VV_TRY(stream_writer_new(b->repo, w->builder, false, &w->stream, err));
    VV_TRY(stream_writer_new(b->repo, w->builder, true, &w->pages, err));
    w->buffer = vv_alloc(WINDOW_BYTES + LARGE_FILE);
    return w->buffer == NULL ? vv_error_nomem(err) : VV_OK;
}

void
worker_close(struct worker *w)
{
    stream_writer_free(w->stream);
    stream_writer_free(w->pages);
    block_builder_free(w->builder);
    vv_free(w->buffer);
    vv_free(w->carry);
    for (unsigned i = 0; i < w->segment_count; i++) {
        vv_free(w->segments[i]->buffer);
        vv_free(w->segments[i]);
    }
    memset(w, 0, sizeof(*w));
}

enum vv_rc
worker_hash_and_put(struct worker *w, struct hash_job *jobs, uint32_t count, enum block_kind kind,
                    struct vv_error *err)
{
    blake2b_256_many(keyring_id_key(repo_keyring(w->b->repo), CHUNK_DATA), jobs, count);
    for (uint32_t i = 0; i < count; i++) {
        struct vv_id id;
        bool is_new;
        memcpy(id.b, jobs[i].out, sizeof(id.b));
        VV_TRY(block_builder_put(w->builder, kind, CHUNK_DATA, &id,
                                 vv_span(jobs[i].data, jobs[i].len), &is_new, err));
    }
    return VV_OK;
}

enum vv_rc
worker_segment(struct worker *w, struct segment *s, struct vv_error *err)
{
    return worker_hash_and_put(w, s->jobs, s->chunks, s->kind, err);
}

enum vv_rc
worker_out_of_line(struct worker *w, struct entry *e, struct vv_arena *arena, struct vv_error *err)
{
    struct vv_buf bytes = {0};
    enum vv_rc rc = VV_OK;

    if (e->xattr_count > 0) {
        xattrs_encode(e->xattrs, e->xattr_count, &bytes);
        rc = vv_buf_check(&bytes, err);
        if (rc == VV_OK && bytes.len > XATTR_INLINE_LIMIT) {
            rc = stream_write(w->b->repo, w->builder, BLOCK_TREE, vv_buf_span(&bytes), arena,
                              &e->xattrs_stream, err);
            e->flags = (e->flags & ~ENTRY_HAS_XATTRS) | ENTRY_HAS_XATTRS_STREAM;
            e->xattr_count = 0;
        }
    }
    if (rc == VV_OK && e->extent_count > EXTENT_INLINE_LIMIT) {
        vv_buf_reset(&bytes);
        extents_encode(e->extents, e->extent_count, &bytes);
        rc = vv_buf_check(&bytes, err);
        if (rc == VV_OK) {
            rc = stream_write(w->b->repo, w->builder, BLOCK_TREE, vv_buf_span(&bytes), arena,
                              &e->extents_stream, err);
        }
        e->flags = (e->flags & ~ENTRY_HAS_EXTENTS) | ENTRY_HAS_EXTENTS_STREAM;
        e->extent_count = 0;
    }
    vv_buf_release(&bytes);
    return rc;
}

/** A small file read into the worker's buffer, waiting to be hashed with its neighbours. */
struct pending {
    struct window_item *item;
    size_t offset;
    size_t len;
};
/** The files of a window that are in the buffer. */
struct batch {
    struct pending files[WINDOW_ITEMS];
    uint32_t count;
    size_t used;
    struct hash_job jobs[BATCH_JOBS];
};

/** Set the content of one small file from its hashed chunks. */
static enum vv_rc
set_content(struct worker *w, struct vv_arena *arena, struct entry *e, const struct hash_job *jobs,
            uint32_t count, struct vv_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct chunk_ref ref = {.size = jobs[i].len};
        memcpy(ref.id.b, jobs[i].out, sizeof(ref.id.b));
        VV_TRY(stream_writer_add(w->stream, &ref, err));
    }
    VV_TRY(stream_writer_finish(w->stream, arena, &e->content, err));
    e->flags |= ENTRY_HAS_CONTENT;
    return VV_OK;
}

/** Cut files [from, to) of a batch into chunks; returns the number of jobs. */
static uint32_t
cut_files(struct worker *w, struct batch *t, uint32_t from, uint32_t to, uint32_t *chunks)
{
    const struct chunker *chunker = keyring_chunker(repo_keyring(w->b->repo));
    uint32_t jobs = 0;

    for (uint32_t i = from; i < to; i++) {
        const uint8_t *data = w->buffer + t->files[i].offset;
        size_t left = t->files[i].len;
        chunks[i] = 0;
        while (left > 0) {
            size_t len = chunker_cut(chunker, data, left);
            t->jobs[jobs++] = (struct hash_job){.data = data, .len = len};
            data += len;
            left -= len;
            chunks[i]++;
        }
    }
    return jobs;
}

/** May a file of this size be read into the buffer and cut at once? */
static bool
fits_batch(const struct worker *w, uint64_t size)
{
    size_t smallest = keyring_chunker(repo_keyring(w->b->repo))->min;

    return size <= LARGE_FILE && size / smallest < BATCH_JOBS;
}

/** How many files from ${from} on fit the job array for certain. */
static uint32_t
batch_end(const struct worker *w, const struct batch *t, uint32_t from)
{
    size_t smallest = keyring_chunker(repo_keyring(w->b->repo))->min;
    size_t jobs = 0;
    uint32_t i = from;

    for (; i < t->count; i++) {
        jobs += t->files[i].len / smallest + 1;
        if (jobs > BATCH_JOBS) { /* not by the first alone: fits_batch */
            break;
        }
    }
    return i;
}

/** Hash and store what is in the buffer, and complete the entries. */
static enum vv_rc
flush_batch(struct worker *w, struct window *win, struct batch *t, struct vv_error *err)
{
    uint32_t chunks[WINDOW_ITEMS];

    for (uint32_t from = 0; from < t->count;) {
        uint32_t to = batch_end(w, t, from);
        uint32_t at = 0;
        uint32_t jobs = cut_files(w, t, from, to, chunks);
        VV_TRY(worker_hash_and_put(w, t->jobs, jobs, BLOCK_SMALL, err));
        for (uint32_t i = from; i < to; i++) {
            VV_TRY(set_content(w, &win->arena, &t->files[i].item->entry, t->jobs + at, chunks[i],
                               err));
            at += chunks[i];
        }
        from = to;
    }
    t->count = 0;
    t->used = 0;
    return VV_OK;
}

static void
drop(struct backup *b, struct window_item *it, enum source_status status,
     const struct source_problem *problem)
{
    const char *event = "file-unreadable";

    if (status == SOURCE_VANISHED) {
        event = "file-vanished";
    } else if (status == SOURCE_REPLACED) {
        event = "file-replaced";
    }
    it->state = ITEM_DROPPED;
    backup_problem(b, &it->item, event, problem->text);
}

/** A file that changed while it was read is kept, flagged and counted. */
static void
flag_torn(struct backup *b, struct window_item *it)
{
    if (it->item.may_change) {
        it->entry.flags |= ENTRY_MAY_CHANGE;
    } else {
        it->entry.flags |= ENTRY_TORN;
    }
    backup_problem(b, &it->item, "file-changed",
                   "changed while it was read; stored as it was read");
}

/** Look at the file anew: does what was read before still read the same?  (it only grew) */
static bool
prefix_still_equal(struct worker *w, struct source *source, struct window_item *it,
                   const struct pending *small)
{
    struct source_item again = it->item; /* same handle, released once, with the window */
    struct source_problem problem;
    struct source_file *f = NULL;
    struct vv_arena scratch = {0};
    struct entry ignored;
    bool equal = false;

    if (source_open(source, &again, &scratch, &f, &problem) == SOURCE_OK && f != NULL) {
        if (small != NULL) {
            uint8_t *bytes = vv_alloc(small->len + 1);
            size_t got = 0;
            equal = bytes != NULL &&
                    source_read(f, 0, bytes, small->len, &got, &problem) == SOURCE_OK &&
                    got == small->len && memcmp(bytes, w->buffer + small->offset, got) == 0;
            vv_free(bytes);
        } else {
            equal = content_prefix_equal(w, f, &it->entry);
        }
        ignored = again.entry;
        (void)source_close(f, &ignored, &problem);
    }
    vv_arena_release(&scratch);
    return equal;
}

/** Read the content of an opened file: small ones into the batch (its place in ${small}), large
 * ones at once. */
static enum vv_rc
read_content(struct worker *w, struct window *win, struct window_item *it, struct source_file *f,
             struct batch *t, struct pending *small, enum source_status *status,
             struct source_problem *problem, struct vv_error *err)
{
    if (!fits_batch(w, it->entry.size) || (it->entry.flags & ENTRY_PAGES)) {
        small->item = NULL;
        return content_read_large(w, f, &it->entry, &win->arena, status, problem, err);
    }
    if (t->used + it->entry.size > WINDOW_BYTES + LARGE_FILE) { /* others grew since the walk */
        VV_TRY(flush_batch(w, win, t, err));
    }
    *small = (struct pending){it, t->used, 0};
    *status = source_read(f, 0, w->buffer + t->used, (size_t)it->entry.size, &small->len, problem);
    return VV_OK;
}

/** One attempt at an item.  *ret_again: it moved under the reader. */
static enum vv_rc
read_item(struct worker *w, struct window *win, struct window_item *it, struct batch *t,
          bool last_attempt, bool *ret_again, struct vv_error *err)
{
    struct backup *b = w->b;
    struct source_problem problem = {0};
    struct source_problem ignored = {0};
    struct source_file *f = NULL;
    struct pending small = {0};
    enum source_status status = source_open(win->source, &it->item, &win->arena, &f, &problem);
    enum source_status closed;
    enum vv_rc rc;

    *ret_again = false;
    if (status != SOURCE_OK) {
        drop(b, it, status, &problem);
        return VV_OK;
    }
    it->entry = it->item.entry;
    it->read = true;
    if (f == NULL) {
        return VV_OK;
    }
    rc = read_content(w, win, it, f, t, &small, &status, &problem, err);
    closed = source_close(f, &it->entry, &ignored);
    VV_TRY(rc);
    if (status != SOURCE_OK) {
        drop(b, it, status, &problem);
        return VV_OK;
    }
    if (closed == SOURCE_GREW &&
        prefix_still_equal(w, win->source, it, small.item != NULL ? &small : NULL)) {
        closed = SOURCE_OK;
    }
    if (closed != SOURCE_OK) {
        if (!last_attempt) {
            *ret_again = true;
            return VV_OK;
        }
        flag_torn(b, it);
    }
    if (small.item != NULL) {
        t->files[t->count++] = small;
        t->used += small.len;
        atomic_fetch_add_explicit(&b->progress->bytes_done, small.len, memory_order_relaxed);
        backup_add(b, &b->statistics.bytes_read, small.len);
    }
    return VV_OK;
}

/** Are all chunks of a baseline's entry still there to refer to? */
static enum vv_rc
known_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct worker *w = ctx;
    bool known = false;

    (void)offset;
    VV_TRY(pack_writer_knows(w->b->packs, CHUNK_DATA, &chunk->id, &known, err));
    return known ? VV_OK : VV_ENOTFOUND;
}

static enum vv_rc
known_list(void *ctx, const struct vv_id *list, struct vv_error *err)
{
    struct worker *w = ctx;
    bool known = false;

    VV_TRY(pack_writer_knows(w->b->packs, CHUNK_LIST, list, &known, err));
    return known ? VV_OK : VV_ENOTFOUND;
}

static enum vv_rc
stream_known(struct worker *w, const struct stream_root *root, struct vv_error *err)
{
    VV_TRY(stream_each_list(w->b->reader, root, known_list, w, err));
    return stream_each_chunk(w->b->reader, root, known_chunk, NULL, w, err);
}

/** Is a file's content as long as its size says? */
static bool
is_whole(const struct entry *e)
{
    return e->type != ENTRY_FILE || e->content.size == e->size ||
           (e->flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)) != 0;
}

/** ITEM_CHECK: take the baseline's entry over if everything it names is usable; else read the
 *  file. */
static enum vv_rc
check_item(struct worker *w, struct window_item *it, struct vv_error *err)
{
    const struct entry *e = &it->entry;
    enum vv_rc rc = is_whole(e) ? VV_OK : VV_ENOTFOUND;

    if (rc == VV_OK && (e->flags & ENTRY_HAS_CONTENT)) {
        rc = stream_known(w, &e->content, err);
    }
    if (rc == VV_OK && (e->flags & ENTRY_HAS_XATTRS_STREAM)) {
        rc = stream_known(w, &e->xattrs_stream, err);
    }
    if (rc == VV_OK && (e->flags & ENTRY_HAS_EXTENTS_STREAM)) {
        rc = stream_known(w, &e->extents_stream, err);
    }
    if (rc == VV_ENOTFOUND || rc == VV_ECORRUPT || rc == VV_EKEY) { /* EKEY: nobody here can tell */
        vv_error_clear(err);
        it->state = ITEM_READ;
        return VV_OK;
    }
    return rc;
}

static enum vv_rc
run_window(struct worker *w, struct window *win, struct batch *t, struct vv_error *err)
{
    struct backup *b = w->b;

    t->count = 0;
    t->used = 0;
    for (uint32_t i = 0; i < win->count; i++) {
        struct window_item *it = &win->items[i];
        bool again = true;
        VV_TRY(vv_cancel_check(repo_cancel(b->repo), err));
        if (it->state == ITEM_CHECK) {
            VV_TRY(check_item(w, it, err));
        }
        if (it->state != ITEM_READ) {
            continue;
        }
        vv_progress_current(b->progress, it->item.entry.path);
        for (int attempt = 1; again && it->state == ITEM_READ; attempt++) {
            VV_TRY(read_item(w, win, it, t, attempt == READ_ATTEMPTS, &again, err));
        }
    }
    VV_TRY(flush_batch(w, win, t, err));
    for (uint32_t i = 0; i < win->count; i++) {
        struct window_item *it = &win->items[i];
        if (it->state == ITEM_READ) {
            VV_TRY(judge_item(w, win->source, it, err));
            VV_TRY(worker_out_of_line(w, &it->entry, &win->arena, err));
        }
    }
    return VV_OK;
}

/** Another worker's segment.  Who reads that file has room for some more, and would wait for this one
 *  while a pack is published. */
static enum vv_rc
help(struct worker *w, struct segment *segment, struct vv_error *err)
{
    enum vv_rc published;
    enum vv_rc rc;

    block_builder_defer(w->builder);
    rc = worker_segment(w, segment, err);
    if (rc != VV_OK) {
        backup_fail(w->b, rc, err); /* before the others see it done: it is not what it should be */
    }
    pool_segment_done(w->b, segment);
    published = block_builder_publish(w->builder, rc == VV_OK ? err : NULL);
    return rc != VV_OK ? rc : published;
}

void
worker_main(void *arg)
{
    struct worker *w = arg;
    struct backup *b = w->b;
    struct vv_error err = {0};
    struct batch *t = vv_alloc(sizeof(*t));
    struct window *win;
    struct segment *segment;
    enum vv_rc rc = t == NULL ? vv_error_nomem(&err) : VV_OK;

    while (rc == VV_OK && pool_take(b, &win, &segment)) {
        if (segment != NULL) {
            rc = help(w, segment, &err);
            continue;
        }
        rc = run_window(w, win, t, &err);
        if (rc != VV_OK) {
            backup_fail(b, rc, &err); /* before the others see it done */
        }
        pool_window_done(b, win);
    }
    if (rc == VV_OK && !backup_failed(b)) {
        rc = block_builder_flush(w->builder, &err);
    }
    if (rc != VV_OK) {
        backup_fail(b, rc, &err);
    }
    vv_free(t);
}
