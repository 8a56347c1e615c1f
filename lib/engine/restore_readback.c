/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading files of the target back and comparing them with the snapshot: chunks of many files are
 * collected and hashed together. */

#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/restore_internal.h"

/** A chunk in the buffer, and what it must be. */
struct waiting {
    void *owner;
    struct vv_id id;
    uint64_t offset; /* in the file */
};
struct readback {
    struct restore *r;
    readback_fn *differs;
    uint8_t *buffer;
    size_t room;
    size_t used;
    struct hash_job jobs[READBACK_CHUNKS];
    struct waiting waiting[READBACK_CHUNKS];
    uint32_t count;
};

enum vv_rc
readback_new(struct restore *r, struct readback **ret, struct vv_error *err)
{
    struct readback *b = vv_alloc_array(1, sizeof(*b));

    if (b == NULL) {
        return vv_error_nomem(err);
    }
    b->r = r;
    b->room = READBACK_BYTES;
    b->buffer = vv_alloc(b->room);
    if (b->buffer == NULL) {
        vv_free(b);
        return vv_error_nomem(err);
    }
    *ret = b;
    return VV_OK;
}

void
readback_free(struct readback *b)
{
    if (b != NULL) {
        vv_free(b->buffer);
        vv_free(b);
    }
}

void
readback_begin(struct readback *b, readback_fn *fn)
{
    b->differs = fn;
    b->count = 0;
    b->used = 0;
}

void
readback_flush(struct readback *b)
{
    blake2b_256_many(keyring_id_key(repo_keyring(b->r->repo), CHUNK_DATA), b->jobs, b->count);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct waiting *w = &b->waiting[i];
        if (memcmp(b->jobs[i].out, w->id.b, sizeof(w->id.b)) != 0) {
            b->differs(b->r, w->owner, w->offset, b->jobs[i].len, "the content differs");
        }
    }
    b->count = 0;
    b->used = 0;
}

/** Room for ${len} more bytes and one more chunk. */
static enum vv_rc
make_room(struct readback *b, size_t len, struct vv_error *err)
{
    if (b->count == READBACK_CHUNKS || b->used + len > b->room) {
        readback_flush(b);
    }
    if (len > b->room) {
        uint8_t *larger = vv_realloc_array(b->buffer, len, 1);
        if (larger == NULL) {
            return vv_error_nomem(err);
        }
        b->buffer = larger;
        b->room = len;
    }
    return VV_OK;
}

enum vv_rc
readback_add(struct readback *b, void *owner, const struct entry *e, const uint64_t *starts, int fd,
             const struct chunk_ref *ref, uint64_t offset, struct vv_error *err)
{
    uint64_t first = 0;
    size_t done = 0;

    if (ref->size == 0) {
        return VV_OK;
    }
    if (ref->size > LIMIT_BLOCK_PLAIN || offset > e->content.size ||
        ref->size > e->content.size - offset) {
        return vv_error_set(err, VV_ECORRUPT, "a chunk of impossible size");
    }
    VV_TRY(make_room(b, (size_t)ref->size, err));
    while (done < ref->size) {
        struct vv_error why = {0};
        uint64_t at;
        size_t n = (size_t)extents_at(e, starts, offset + done, ref->size - done, &at);
        size_t got = 0;
        enum vv_rc rc = vv_fd_pread_full(fd, b->buffer + b->used + done, n, at, "the restored file",
                                         &got, &why);
        if (rc != VV_OK || got != n) {
            b->differs(b->r, owner, at, n, rc != VV_OK ? why.message : "the file ends there");
            return VV_OK;
        }
        first = done == 0 ? at : first;
        done += n;
    }
    b->jobs[b->count] = (struct hash_job){.data = b->buffer + b->used, .len = done};
    b->waiting[b->count++] = (struct waiting){.owner = owner, .id = ref->id, .offset = first};
    b->used += done;
    return VV_OK;
}

/** A file being compared. */
struct reading {
    struct readback *back;
    void *owner;
    const struct entry *entry;
    const uint64_t *starts;
    int fd;
};

static enum vv_rc
read_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct reading *x = ctx;

    VV_TRY(vv_cancel_check(repo_cancel(x->back->r->repo), err));
    return readback_add(x->back, x->owner, x->entry, x->starts, x->fd, chunk, offset, err);
}

enum vv_rc
readback_stream(struct readback *b, void *owner, const struct entry *e, const uint64_t *starts,
                int fd, struct vv_error *err)
{
    struct reading x = {b, owner, e, starts, fd};

    return stream_each_chunk(b->r->reader, &e->content, read_chunk, NULL, &x, err);
}

/** Bytes [from, to) must be zeros. */
static enum vv_rc
check_zeros(struct readback *b, void *owner, int fd, uint64_t from, uint64_t to,
            struct vv_error *err)
{
    static const uint8_t zeros[4096];

    readback_flush(b); /* its buffer serves */
    while (from < to) {
        size_t n = to - from < b->room ? (size_t)(to - from) : b->room;
        struct vv_error why = {0};
        size_t got = 0;
        enum vv_rc rc = vv_fd_pread_full(fd, b->buffer, n, from, "the restored file", &got, &why);
        VV_TRY(vv_cancel_check(repo_cancel(b->r->repo), err));
        if (rc != VV_OK) {
            b->differs(b->r, owner, from, n, why.message);
            return VV_OK;
        }
        for (size_t i = 0; i < got; i += sizeof(zeros)) {
            size_t len = got - i < sizeof(zeros) ? got - i : sizeof(zeros);
            if (memcmp(b->buffer + i, zeros, len) != 0) {
                b->differs(b->r, owner, from + i, len, "there is data in a hole");
                return VV_OK;
            }
        }
        if (got < n) {
            return VV_OK; /* its size is compared elsewhere */
        }
        from += n;
    }
    return VV_OK;
}

static bool
has_map(const struct entry *e)
{
    return (e->flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)) != 0;
}

enum vv_rc
readback_holes(struct readback *b, void *owner, const struct entry *e, const struct entry *found,
               int fd, struct vv_error *err)
{
    struct extent whole = {0, found->size};
    const struct extent *data = has_map(found) ? found->extents : &whole;
    uint32_t data_count = has_map(found) ? found->extent_count : 1;
    uint64_t hole = 0;
    uint32_t j = 0;

    if (!has_map(e)) {
        return VV_OK;
    }
    for (uint32_t i = 0; i <= e->extent_count; i++) {
        uint64_t end = i < e->extent_count ? e->extents[i].offset : e->size;
        while (j < data_count && data[j].offset + data[j].len <= hole) {
            j++;
        }
        for (uint32_t k = j; k < data_count && data[k].offset < end; k++) {
            uint64_t from = data[k].offset > hole ? data[k].offset : hole;
            uint64_t to = data[k].offset + data[k].len < end ? data[k].offset + data[k].len : end;
            if (from < to) {
                VV_TRY(check_zeros(b, owner, fd, from, to, err));
            }
        }
        if (i < e->extent_count) {
            hole = e->extents[i].offset + e->extents[i].len;
        }
    }
    return VV_OK;
}
