/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a segment, or another file of a timeline, and writing it out. */
#include "engine/wal_fetch.h"

#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/look_internal.h"
#include "format/wal.h"

#define ZEROS_AT_ONCE (64u << 10)

struct wal_fetcher {
    struct looker look;
    struct wal_catalog catalog;
    const struct snapshot_list *list;
};

void
wal_fetcher_free(struct wal_fetcher *f)
{
    if (f != NULL) {
        looker_close(&f->look);
        wal_catalog_release(&f->catalog);
        vv_free(f);
    }
}

enum vv_rc
wal_fetcher_open(struct repo *r, const struct snapshot_list *l, struct wal_fetcher **ret,
                 struct vv_error *err)
{
    VV_CLEANUP(wal_fetcher_freep) struct wal_fetcher *f = vv_alloc_array(1, sizeof(*f));

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->list = l;
    VV_TRY(wal_catalog_read(l, &f->catalog, err));
    VV_TRY(looker_open(&f->look, r, err));
    *ret = TAKE(f);
    return VV_OK;
}

const struct wal_catalog *
wal_fetcher_catalog(const struct wal_fetcher *f)
{
    return &f->catalog;
}

/** The entry of a publication's file; VV_ENOTFOUND if it holds none of that name. */
static enum vv_rc
find_entry(struct wal_fetcher *f, const struct snapshot *s, uint64_t system, const char *name,
           struct vv_arena *arena, struct entry *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    wal_path(system, name, &path);
    VV_TRY(vv_buf_check(&path, err));
    VV_TRY(look_entry(&f->look, s, vv_buf_span(&path), arena, ret, err));
    if (ret->type != ENTRY_FILE || (ret->flags & ENTRY_HAS_EXTENTS) != 0 ||
        (ret->flags & ENTRY_HAS_EXTENTS_STREAM) != 0 || ret->content.size != ret->size) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' is stored as something else than a file", name);
    }
    return VV_OK;
}

static bool
same_stream(const struct stream_root *a, const struct stream_root *b)
{
    if (a->height != b->height || a->size != b->size || a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->refs[i].size != b->refs[i].size || !vv_id_equal(&a->refs[i].id, &b->refs[i].id)) {
            return false;
        }
    }
    return true;
}

/** G5: all publications that hold a whole segment hold the same. */
static enum vv_rc
check_others(struct wal_fetcher *f, const struct wal_stretch *chosen, uint64_t at, uint64_t limit,
             const char *name, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct entry one;
    enum vv_rc rc = VV_OK;
    bool read = false;

    for (size_t i = 0; i < f->catalog.count && rc == VV_OK; i++) {
        const struct wal_stretch *s = &f->catalog.items[i];
        struct entry other;
        if (s == chosen || s->wal.system != chosen->wal.system ||
            s->wal.timeline != chosen->wal.timeline || s->wal.from > at || s->wal.to < limit) {
            continue;
        }
        if (!read) {
            rc = find_entry(f, chosen->snapshot, s->wal.system, name, &arena, &one, err);
            read = true;
        }
        if (rc == VV_OK) {
            rc = find_entry(f, s->snapshot, s->wal.system, name, &arena, &other, err);
        }
        if (rc == VV_OK && !same_stream(&one.content, &other.content)) {
            rc = vv_error_set(err, VV_EREFUSED,
                              "there are two segments '%s' that differ: two servers have written "
                              "this timeline",
                              name);
            vv_error_hint(err, "'varve wal list' tells who published what");
        }
    }
    vv_arena_release(&arena);
    return rc == VV_ENOTFOUND ? VV_ECORRUPT : rc;
}

static enum vv_rc
find_segment(struct wal_fetcher *f, uint64_t system, const struct wal_file_name *n,
             const char *name, uint32_t size, struct wal_found *ret, struct vv_error *err)
{
    const struct wal_stretch *s;
    uint64_t number;
    uint64_t at;
    uint64_t to = 0;

    if (!wal_file_number(n, size, &number)) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no segment of %u bytes", name, size);
    }
    at = number * size;
    s = wal_catalog_find(&f->catalog, system, n->timeline, at, at + size, &to);
    ret->size = size;
    ret->gap = (s == NULL || to < at + size) &&
               wal_catalog_end(&f->catalog, system, n->timeline) > (s == NULL ? at : to);
    if (ret->gap) {
        char from[WAL_LSN_TEXT];
        wal_lsn_text(s == NULL ? at : to, from);
        (void)vv_error_set(err, VV_EREFUSED,
                           "WAL from %s on timeline %u is missing, and later WAL is there: a gap",
                           from, (unsigned)n->timeline);
        vv_error_hint(err, "'varve wal list' shows what there is");
        return VV_EREFUSED;
    }
    ret->absent = s == NULL;
    if (s == NULL || to < at + size) {
        VV_TRY(wal_catalog_complete(f->list, err)); /* G1: what is not there decides */
    }
    if (s != NULL) {
        ret->snapshot = s->snapshot;
        ret->stored = to - at;
        if (to == at + size) {
            return check_others(f, s, at, at + size, name, err);
        }
    }
    return VV_OK;
}

/** Histories and the like: publications of their own. */
static enum vv_rc
find_other(struct wal_fetcher *f, uint64_t system, const struct wal_file_name *n, const char *name,
           struct wal_found *ret, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct vv_error own = {0};
    struct entry e;
    enum vv_rc rc = VV_ENOTFOUND;

    for (size_t i = f->catalog.count; i > 0 && rc == VV_ENOTFOUND; i--) {
        const struct wal_stretch *s = &f->catalog.items[i - 1];
        if (s->wal.system != system || s->wal.timeline != n->timeline || s->wal.from != s->wal.to) {
            continue;
        }
        rc = find_entry(f, s->snapshot, system, name, &arena, &e, &own);
        if (rc == VV_OK) {
            ret->snapshot = s->snapshot;
            ret->stored = e.size;
            ret->size = e.size;
        }
    }
    vv_arena_release(&arena);
    if (rc == VV_ENOTFOUND && n->kind == WAL_FILE_HISTORY && n->timeline > 1 &&
        wal_catalog_end(&f->catalog, system, n->timeline) > 0) { /* G4 */
        ret->gap = true;
        (void)vv_error_set(err, VV_EREFUSED,
                           "the history of timeline %u is missing, and WAL of it is there",
                           (unsigned)n->timeline);
        vv_error_hint(err, "'varve wal push .../pg_wal/%s' where a server has it", name);
        return VV_EREFUSED;
    }
    if (rc == VV_ENOTFOUND) {
        ret->absent = true;
        return wal_catalog_complete(f->list, err);
    }
    if (rc != VV_OK && err != NULL) {
        *err = own;
    }
    return rc;
}

enum vv_rc
wal_fetch_find(struct wal_fetcher *f, uint64_t system, const char *name, struct wal_found *ret,
               struct vv_error *err)
{
    struct wal_file_name n = wal_file_name_parse(name);
    uint32_t size = wal_catalog_segment_size(&f->catalog, system);

    memset(ret, 0, sizeof(*ret));
    if (n.kind == WAL_FILE_OTHER) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no name of a file of WAL", name);
    }
    if (size == 0) {
        VV_TRY(wal_catalog_complete(f->list, err));
        (void)vv_error_set(
            err, VV_EREFUSED,
            "this repository has nothing of a cluster with the system identifier %llu",
            (unsigned long long)system);
        vv_error_hint(err, "'varve wal list' tells which there are; is it the right repository?");
        return VV_EREFUSED;
    }
    return n.kind == WAL_FILE_SEGMENT ? find_segment(f, system, &n, name, size, ret, err)
                                      : find_other(f, system, &n, name, ret, err);
}

/** Where content goes. */
struct writing {
    int fd;
    const char *target;
    uint64_t at;
    uint64_t limit;
};

static enum vv_rc
write_data(void *ctx, struct vv_span data, struct vv_error *err)
{
    struct writing *w = ctx;
    size_t len = data.len < w->limit - w->at ? data.len : (size_t)(w->limit - w->at);
    enum vv_rc rc = vv_fd_pwrite_full(w->fd, data.data, len, w->at, w->target, err);

    w->at += len;
    return vv_error_origin(err, VV_ORIGIN_TARGET, rc);
}

static enum vv_rc
write_zeros(void *ctx, uint64_t len, struct vv_error *err)
{
    static const uint8_t zeros[ZEROS_AT_ONCE];

    for (uint64_t done = 0; done < len;) {
        size_t step = len - done < sizeof(zeros) ? (size_t)(len - done) : sizeof(zeros);
        VV_TRY(write_data(ctx, vv_span(zeros, step), err));
        done += step;
    }
    return VV_OK;
}

enum vv_rc
wal_fetch_write(struct wal_fetcher *f, uint64_t system, const char *name,
                const struct wal_found *found, int fd, const char *target, struct vv_error *err)
{
    struct writing w = {.fd = fd, .target = target, .limit = found->stored};
    struct vv_arena arena = {0};
    struct entry e;
    enum vv_rc rc = find_entry(f, found->snapshot, system, name, &arena, &e, err);

    if (rc == VV_OK && e.size < found->stored) {
        rc = vv_error_set(err, VV_ECORRUPT, "'%s' is shorter than its snapshot says", name);
    }
    if (rc == VV_OK) {
        rc = look_content(&f->look, &e, write_data, write_zeros, &w, err);
    }
    vv_arena_release(&arena);
    if (rc == VV_OK) { /* G3 */
        w.limit = found->size;
        rc = write_zeros(&w, found->size - found->stored, err);
    }
    return rc == VV_ENOTFOUND ? VV_ECORRUPT : rc;
}

enum vv_rc
wal_fetch_read(struct wal_fetcher *f, uint64_t system, const char *name,
               const struct wal_found *found, uint64_t limit, struct vv_buf *out,
               struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct entry e;
    enum vv_rc rc = find_entry(f, found->snapshot, system, name, &arena, &e, err);

    if (rc == VV_OK && e.size > limit) {
        rc = vv_error_set(err, VV_ECORRUPT, "'%s' is too large", name);
    }
    if (rc == VV_OK) {
        rc = stream_read_all(f->look.chunks, &e.content, limit, out, err);
    }
    vv_arena_release(&arena);
    return rc == VV_ENOTFOUND ? VV_ECORRUPT : rc;
}

/** A comparison under way. */
struct comparing {
    struct repo *repo;
    const struct wal_file *file;
    struct vv_buf bytes;
    bool same;
};

static enum vv_rc
compare_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct comparing *c = ctx;
    struct vv_id id;

    if (!c->same || offset >= c->file->size) {
        return VV_OK;
    }
    if (chunk->size > c->file->size - offset) {
        c->same = false; /* what is stored goes on where the file has ended */
        return VV_OK;
    }
    vv_buf_reset(&c->bytes);
    VV_TRY(vv_buf_reserve(&c->bytes, (size_t)chunk->size, err));
    VV_TRY(c->file->read(c->file->ctx, offset, c->bytes.data, (size_t)chunk->size, err));
    chunk_id(repo_keyring(c->repo), CHUNK_DATA, vv_span(c->bytes.data, (size_t)chunk->size), &id);
    c->same = vv_id_equal(&id, &chunk->id);
    return VV_OK;
}

enum vv_rc
wal_fetch_compare(struct wal_fetcher *f, uint64_t system, const char *name,
                  const struct wal_found *found, const struct wal_file *file, bool *ret,
                  struct vv_error *err)
{
    struct comparing c = {.repo = f->look.repo, .file = file, .same = true};
    struct vv_arena arena = {0};
    struct entry e;
    enum vv_rc rc = find_entry(f, found->snapshot, system, name, &arena, &e, err);

    if (rc == VV_OK) {
        rc = stream_each_chunk(f->look.chunks, &e.content, compare_chunk, NULL, &c, err);
    }
    vv_arena_release(&arena);
    vv_buf_release(&c.bytes);
    if (rc == VV_OK) {
        *ret = c.same;
    }
    return rc == VV_ENOTFOUND ? VV_ECORRUPT : rc;
}
