/* SPDX-License-Identifier: BSD-2-Clause */
/* Content of large files: read and cut by one worker, hashed and stored by all that are idle. */

#include <string.h>

#include "core/alloc.h"
#include "engine/backup_internal.h"

/** What one large file needs while it is read. */
struct reading {
    struct worker *w;
    struct source_file *file;
    struct stream_writer *stream;
    size_t page; /* fixed chunk size, 0: content-defined */
    enum block_kind kind;
    uint64_t offset;  /* next byte to read */
    size_t carry_len; /* bytes behind the last cut, in the worker's memory */
    bool at_end;
    struct segment *waiting[8]; /* offered, in file order */
    unsigned first;
    unsigned count;
};

static bool
ends_with(struct vv_span path, const char *suffix)
{
    size_t len = strlen(suffix);

    return path.len > len && memcmp(path.data + path.len - len, suffix, len) == 0;
}

bool
content_is_paged(struct vv_span path, struct vv_span head, uint64_t size)
{
    static const char *const suffixes[] = {".ibd",  ".qcow2", ".vmdk",   ".vdi",
                                           ".vhdx", ".img",   ".sqlite", ".sqlite3"};
    if (size <= LARGE_FILE) {
        return false;
    }
    if (head.len >= 16 && memcmp(head.data, "SQLite format 3", 16) == 0) {
        return true;
    }
    if (head.len >= 4 && memcmp(head.data, "QFI\xfb", 4) == 0) {
        return true;
    }
    for (size_t i = 0; i < VV_COUNT(suffixes); i++) {
        if (ends_with(path, suffixes[i])) {
            return true;
        }
    }
    return false;
}

/** The largest chunk this content may have. */
static size_t
largest_chunk(const struct reading *g)
{
    size_t most = g->page != 0 ? g->page : keyring_chunker(repo_keyring(g->w->b->repo))->max;

    return most < SEGMENT_BYTES ? most : SEGMENT_BYTES;
}

static enum vv_rc take_back_oldest(struct reading *g, struct vv_error *err);

/** A free segment of the worker: those done already are taken back first, since their memory is what
 *  the processor's caches hold; a new one only when others are at work on all there are. */
static enum vv_rc
free_segment(struct reading *g, struct segment **ret, struct vv_error *err)
{
    struct worker *w = g->w;
    struct segment *s;

    while (g->count > 0 &&
           (g->count == VV_COUNT(g->waiting) || pool_is_segment_done(w->b, g->waiting[g->first]))) {
        VV_TRY(take_back_oldest(g, err));
    }
    for (unsigned i = 0; i < w->segment_count; i++) {
        bool used = false;
        for (unsigned j = 0; j < g->count; j++) {
            used = used || g->waiting[(g->first + j) % VV_COUNT(g->waiting)] == w->segments[i];
        }
        if (!used) {
            *ret = w->segments[i];
            return VV_OK;
        }
    }
    s = vv_alloc_array(1, sizeof(*s));
    if (s == NULL || (s->buffer = vv_alloc(SEGMENT_BYTES)) == NULL) {
        vv_free(s);
        return vv_error_nomem(err);
    }
    w->segments[w->segment_count++] = s;
    *ret = s;
    return VV_OK;
}

/** While somebody is at the oldest waiting segment: do those behind it that nobody has begun. */
static enum vv_rc
do_others(struct reading *g, struct vv_error *err)
{
    struct backup *b = g->w->b;

    for (unsigned i = g->count; i > 1 && !pool_is_segment_done(b, g->waiting[g->first]); i--) {
        struct segment *s = g->waiting[(g->first + i - 1) % VV_COUNT(g->waiting)];
        if (pool_withdraw_segment(b, s)) {
            enum vv_rc rc = worker_segment(g->w, s, err);
            s->done = true;
            VV_TRY(rc);
        }
    }
    return VV_OK;
}

/** Enter the chunks of the oldest waiting segment into the stream, doing its work if nobody has. */
static enum vv_rc
take_back_oldest(struct reading *g, struct vv_error *err)
{
    struct segment *s = g->waiting[g->first];
    enum vv_rc rc = VV_OK;

    VV_TRY(do_others(g, err));
    if (!pool_wait_segment(g->w->b, s)) {
        rc = worker_segment(g->w, s, err);
    }
    g->first = (g->first + 1) % VV_COUNT(g->waiting);
    g->count--;
    VV_TRY(rc);
    for (uint32_t i = 0; i < s->chunks; i++) {
        struct chunk_ref ref = {.size = s->jobs[i].len};
        memcpy(ref.id.b, s->jobs[i].out, sizeof(ref.id.b));
        VV_TRY(stream_writer_add(g->stream, &ref, err));
    }
    return VV_OK;
}

/** Let go of every segment others may be working on (after a failure). */
static void
abandon(struct reading *g)
{
    while (g->count > 0) {
        (void)!pool_wait_segment(g->w->b, g->waiting[g->first]);
        g->first = (g->first + 1) % VV_COUNT(g->waiting);
        g->count--;
    }
}

/** Fill a segment's buffer: what was left behind the last cut, then new bytes. */
static enum source_status
fill(struct reading *g, struct segment *s, struct source_problem *problem)
{
    bool small = largest_chunk(g) <= SEGMENT_READ / 2 && g->carry_len <= SEGMENT_READ / 2;
    size_t room = small ? SEGMENT_READ : SEGMENT_BYTES;
    size_t got = 0;
    enum source_status status;

    memcpy(s->buffer, g->w->carry, g->carry_len);
    s->len = g->carry_len;
    g->carry_len = 0;
    status = source_read(g->file, g->offset, s->buffer + s->len, room - s->len, &got, problem);
    if (status != SOURCE_OK) {
        return status;
    }
    g->at_end = got < room - s->len;
    s->len += got;
    g->offset += got;
    atomic_fetch_add_explicit(&g->w->b->progress->bytes_done, got, memory_order_relaxed);
    backup_add(g->w->b, &g->w->b->statistics.bytes_read, got);
    return SOURCE_OK;
}

/** Cut the segment into whole chunks; the rest is carried over. */
static void
cut(struct reading *g, struct segment *s)
{
    const struct chunker *chunker = keyring_chunker(repo_keyring(g->w->b->repo));
    size_t most = largest_chunk(g);
    size_t at = 0;

    s->chunks = 0;
    while (at < s->len && s->chunks < SEGMENT_CHUNKS) {
        size_t left = s->len - at;
        size_t len;
        if (!g->at_end && left < most) {
            break;
        }
        if (g->page != 0) {
            len = left < g->page ? left : g->page;
        } else {
            len = chunker_cut(chunker, s->buffer + at, left);
        }
        s->jobs[s->chunks++] = (struct hash_job){.data = s->buffer + at, .len = len};
        at += len;
    }
    g->carry_len = s->len - at;
    memcpy(g->w->carry, s->buffer + at, g->carry_len);
}

/** Read, cut, and give away or do each segment until the end of the file. */
static enum vv_rc
read_segments(struct reading *g, struct entry *e, enum source_status *ret_status,
              struct source_problem *problem, struct vv_error *err)
{
    bool first = true;

    while (!g->at_end || g->carry_len > 0) {
        struct segment *s = NULL;
        VV_TRY(vv_cancel_check(repo_cancel(g->w->b->repo), err));
        VV_TRY(free_segment(g, &s, err));
        *ret_status = fill(g, s, problem);
        if (*ret_status != SOURCE_OK) {
            return VV_OK;
        }
        /* A database says by itself which of its files are pages, small ones too. */
        if (first && ((e->flags & ENTRY_PAGES) ||
                      content_is_paged(e->path, vv_span(s->buffer, s->len), e->size))) {
            g->page = keyring_config(repo_keyring(g->w->b->repo))->page_size;
            g->kind = BLOCK_PAGE;
            g->stream = g->w->pages;
            e->flags |= ENTRY_PAGES;
        }
        if (first && g->page == 0 && g->at_end && s->len <= LARGE_FILE) {
            g->kind = BLOCK_SMALL; /* an archive's member, whose size was not known before */
        }
        first = false;
        s->kind = g->kind;
        cut(g, s);
        s->done = false;
        g->waiting[(g->first + g->count) % VV_COUNT(g->waiting)] = s;
        g->count++;
        if (!pool_offer_segment(g->w->b, s)) {
            enum vv_rc rc = worker_segment(g->w, s, err);
            s->done = true; /* nobody else is at it, and nobody may wait for it */
            VV_TRY(rc);
        }
    }
    while (g->count > 0) {
        VV_TRY(take_back_oldest(g, err));
    }
    return VV_OK;
}

enum vv_rc
content_read_large(struct worker *w, struct source_file *f, struct entry *e, struct vv_arena *arena,
                   enum source_status *ret_status, struct source_problem *ret_problem,
                   struct vv_error *err)
{
    struct reading g = {.w = w, .file = f, .stream = w->stream, .kind = BLOCK_BULK};
    enum vv_rc rc;

    *ret_status = SOURCE_OK;
    if (w->carry == NULL && (w->carry = vv_alloc(SEGMENT_BYTES)) == NULL) {
        return vv_error_nomem(err);
    }
    rc = read_segments(&g, e, ret_status, ret_problem, err);
    abandon(&g);
    if (rc == VV_OK) { /* also after trouble of the source: the stream writer must be empty again */
        rc = stream_writer_finish(g.stream, arena, &e->content, err);
        e->flags |= ENTRY_HAS_CONTENT;
    }
    if (rc == VV_OK && e->content.height > 0) { /* has lists, which wait in an open block */
        w->listed_bytes += e->content.size;
        if (w->listed_bytes >= LISTED_BYTES) {
            w->listed_bytes = 0;
            rc = block_builder_flush_kind(w->builder, BLOCK_TREE, err);
        }
    }
    return rc;
}

struct prefix {
    struct worker *w;
    struct source_file *file;
    uint8_t *buffer;
};

static enum vv_rc
compare_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct prefix *p = ctx;
    struct source_problem problem;
    struct vv_id id;
    size_t got = 0;

    if (chunk->size > SEGMENT_BYTES ||
        source_read(p->file, offset, p->buffer, (size_t)chunk->size, &got, &problem) != SOURCE_OK ||
        got != chunk->size) {
        return vv_error_set(err, VV_ECORRUPT, "differs");
    }
    chunk_id(repo_keyring(p->w->b->repo), CHUNK_DATA, vv_span(p->buffer, got), &id);
    return vv_id_equal(&id, &chunk->id) ? VV_OK : vv_error_set(err, VV_ECORRUPT, "differs");
}

bool
content_prefix_equal(struct worker *w, struct source_file *f, const struct entry *e)
{
    struct prefix p = {w, f, NULL};
    bool equal;

    /* Lists just written may not be readable yet: only inline roots can be compared. */
    if (e->content.height > 0) {
        return false;
    }
    p.buffer = vv_alloc(SEGMENT_BYTES);
    equal = p.buffer != NULL &&
            stream_each_chunk(w->b->reader, &e->content, compare_chunk, NULL, &p, NULL) == VV_OK;
    vv_free(p.buffer);
    return equal;
}
