/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread's open blocks: chunks that compress well together, and those that do not, by kind. */
#include <assert.h>
#include <string.h>

#include "compress/compress.h"
#include "core/alloc.h"
#include "repo/pack_writer_internal.h"

#define KINDS 6u               /* arrays by enum block_kind */
#define BLOCK_CHUNKS_MAX 8192u /* bounds what one block adds to a directory */
#define SAVING_PERCENT 3u      /* less than that: stored as it is, and read faster */

/** A block being collected. */
struct open_block {
    uint8_t *data; /* block_target(kind) bytes, from the first use on */
    uint32_t len;
    struct pack_chunk *chunks;
    uint32_t chunk_count;
    uint32_t chunk_room;
};

struct block_builder {
    struct pack_writer *writer;
    struct compressor *compressor; /* NULL: level 0 */
    struct compressor *database;   /* for BLOCK_PAGE and BLOCK_LOG */
    struct image_checker *checker;
    struct vv_buf frame;
    struct aead *aead[PACK_CLASSES]; /* holds the key of the image with this serial */
    uint64_t aead_serial[PACK_CLASSES];
    struct open_block open[KINDS][2]; /* by kind and compressibility */
    bool defers;
    struct pack_image *deferred; /* complete, and not published yet */
};

static uint32_t
block_target(enum block_kind kind)
{
    switch (kind) {
    case BLOCK_TREE:
        return 128u << 10;
    case BLOCK_PAGE:
        return 256u << 10;
    case BLOCK_SMALL:
    case BLOCK_BULK:
    case BLOCK_LOG:
        break;
    }
    return 1u << 20;
}

enum vv_rc
block_builder_new(struct pack_writer *w, struct block_builder **ret, struct vv_error *err)
{
    VV_CLEANUP(block_builder_freep) struct block_builder *b = vv_alloc_array(1, sizeof(*b));

    if (b == NULL) {
        return vv_error_nomem(err);
    }
    b->writer = w;
    if (w->level != 0) {
        VV_TRY(compressor_new(w->level, COMPRESS_ANYTHING, &b->compressor, err));
        VV_TRY(compressor_new(w->level, COMPRESS_DATABASE, &b->database, err));
    }
    VV_TRY(image_checker_new(&b->checker, err));
    *ret = TAKE(b);
    return VV_OK;
}

void
block_builder_free(struct block_builder *b)
{
    if (b == NULL) {
        return;
    }
    assert(b->deferred == NULL);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (unsigned i = 0; i < 2; i++) {
            vv_free(b->open[kind][i].data);
            vv_free(b->open[kind][i].chunks);
        }
    }
    for (unsigned i = 0; i < PACK_CLASSES; i++) {
        aead_free(b->aead[i]);
    }
    vv_buf_release(&b->frame);
    image_checker_free(b->checker);
    compressor_free(b->database);
    compressor_free(b->compressor);
    vv_free(b);
}

/* --- storing a block -------------------------------------------------------------------------- */

/** Compress the draft's content if that pays. */
static enum vv_rc
compress_draft(struct block_builder *b, struct block_draft *draft, struct vv_error *err)
{
    bool database = draft->kind == BLOCK_PAGE || draft->kind == BLOCK_LOG;
    struct compressor *c = database ? b->database : b->compressor;
    size_t cap = compress_bound(draft->content.len);
    size_t len;

    vv_buf_reset(&b->frame);
    VV_TRY(vv_buf_reserve(&b->frame, cap, err));
    VV_TRY(compress_block(c, draft->content, b->frame.data, cap, &len, err));
    if ((uint64_t)len * 100 <= (uint64_t)draft->content.len * (100 - SAVING_PERCENT)) {
        draft->content = vv_span(b->frame.data, len);
        draft->flags = BLOCK_ZSTD;
    }
    return VV_OK;
}

/** An AEAD context with an image's key. */
static enum vv_rc
image_aead(struct block_builder *b, const struct pack_image *image, struct aead **ret,
           struct vv_error *err)
{
    unsigned class = image->class;
    uint8_t suite = (uint8_t)image->suite;

    if (b->aead[class] == NULL) {
        VV_TRY(aead_new(suite, secret_data(image->key), &b->aead[class], err));
    } else if (b->aead_serial[class] != image->serial) {
        b->aead_serial[class] = 0;
        VV_TRY(aead_rekey(b->aead[class], suite, secret_data(image->key), err));
    }
    b->aead_serial[class] = image->serial;
    *ret = b->aead[class];
    return VV_OK;
}

static void
publish_deferred(struct block_builder *b)
{
    if (b->deferred != NULL) {
        pack_writer_hand_over(b->writer, TAKE(b->deferred), b->checker);
    }
}

/** Compress, get a place, encrypt into it (P1). */
static enum vv_rc
store_block(struct block_builder *b, struct block_draft *draft, bool try_compress,
            struct vv_error *err)
{
    struct pack_writer *w = b->writer;
    struct block_place place;
    struct aead *aead;
    enum vv_rc rc;

    /* A block at a high level takes as long as whoever asked to stop is ready to wait. */
    VV_TRY(vv_cancel_check(repo_cancel(w->repo), err));
    if (try_compress && b->compressor != NULL) {
        VV_TRY(compress_draft(b, draft, err));
    }
    publish_deferred(b); /* nobody waits for room with a complete image in hand */
    VV_TRY(pack_writer_reserve(w, draft, b->checker, &place, err));
    rc = image_aead(b, place.image, &aead, err);
    if (rc == VV_OK) {
        rc = pack_image_seal(place.image, aead, &place, draft, err);
    }
    rc = pack_writer_complete(w, place.image, rc, &b->deferred, err);
    if (!b->defers) {
        publish_deferred(b);
    }
    return rc != VV_OK ? rc : pack_writer_check(w, err);
}

static enum vv_rc
close_block(struct block_builder *b, enum block_kind kind, bool compresses, struct vv_error *err)
{
    struct open_block *block = &b->open[kind][compresses];
    struct block_draft draft = {.kind = kind,
                                .plain_len = block->len,
                                .content = vv_span(block->data, block->len),
                                .chunks = block->chunks,
                                .chunk_count = block->chunk_count};

    if (block->chunk_count == 0) {
        return VV_OK;
    }
    VV_TRY(store_block(b, &draft, compresses, err));
    block->len = 0;
    block->chunk_count = 0;
    return VV_OK;
}

/* --- collecting chunks ------------------------------------------------------------------------ */

/** Room in an open block for another chunk. */
static enum vv_rc
prepare_block(struct open_block *block, uint32_t target, struct vv_error *err)
{
    if (block->data == NULL) {
        block->data = vv_alloc(target);
        if (block->data == NULL) {
            return vv_error_nomem(err);
        }
    }
    if (block->chunk_count == block->chunk_room) {
        uint32_t room = block->chunk_room == 0 ? 16 : block->chunk_room * 2;
        struct pack_chunk *chunks = vv_realloc_array(block->chunks, room, sizeof(*chunks));
        if (chunks == NULL) {
            return vv_error_nomem(err);
        }
        block->chunks = chunks;
        block->chunk_room = room;
    }
    return VV_OK;
}

/** Put a claimed chunk into the block it belongs to. */
static enum vv_rc
collect(struct block_builder *b, enum block_kind kind, const struct pack_chunk *chunk,
        struct vv_span data, struct vv_error *err)
{
    uint32_t target = block_target(kind);
    bool compresses = b->compressor != NULL && (kind == BLOCK_TREE || compressible(data));
    struct open_block *block = &b->open[kind][compresses];

    if (data.len > target - block->len) {
        VV_TRY(close_block(b, kind, compresses, err));
    }
    if (data.len > target) {
        struct block_draft draft = {.kind = kind,
                                    .plain_len = (uint32_t)data.len,
                                    .content = data,
                                    .chunks = chunk,
                                    .chunk_count = 1};
        return store_block(b, &draft, compresses, err);
    }
    VV_TRY(prepare_block(block, target, err));
    memcpy(block->data + block->len, data.data, data.len);
    block->len += (uint32_t)data.len;
    block->chunks[block->chunk_count++] = *chunk;
    if (block->len == target || block->chunk_count == BLOCK_CHUNKS_MAX) {
        return close_block(b, kind, compresses, err);
    }
    return VV_OK;
}

/** Is the chunk to be stored by this builder?  (P6) */
static enum vv_rc
claim(struct pack_writer *w, enum chunk_type type, const struct vv_id *id, bool *ret_new,
      struct vv_error *err)
{
    bool known;

    VV_TRY(claim_table_contains(w->claims, id, &known, err));
    if (!known && !w->own_only &&
        type != CHUNK_RECORD) { /* may take its time, so the claim comes after it; a
                                           * snapshot's record is new by its nature */
        VV_TRY(chunk_index_usable(w->index, type, id, &known, err));
    }
    if (known) {
        *ret_new = false;
        return VV_OK;
    }
    return claim_table_claim(w->claims, id, ret_new, err);
}

enum vv_rc
block_builder_put(struct block_builder *b, enum block_kind kind, enum chunk_type type,
                  const struct vv_id *id, struct vv_span data, bool *ret_new, struct vv_error *err)
{
    struct pack_writer *w = b->writer;
    struct pack_chunk chunk = {.id = *id, .len = (uint32_t)data.len, .type = (uint8_t)type};
    bool is_new = false;

    assert(kind >= BLOCK_TREE && kind <= BLOCK_LOG && type >= CHUNK_DATA && type <= CHUNK_RECORD);
    VV_TRY(pack_writer_check(w, err));
    if (data.len == 0 || data.len > LIMIT_BLOCK_PLAIN) {
        return vv_error_set(err, VV_ELIMIT, "a chunk of %zu bytes cannot be stored", data.len);
    }
    VV_TRY(pack_writer_fail(w, claim(w, type, id, &is_new, err), err));
    if (is_new) {
        atomic_fetch_add(&w->unstored, 1);
        VV_TRY(pack_writer_fail(w, collect(b, kind, &chunk, data, err), err));
        atomic_fetch_add_explicit(&w->counts.chunks_new, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->counts.bytes_new, data.len, memory_order_relaxed);
    }
    *ret_new = is_new;
    return VV_OK;
}

enum vv_rc
block_builder_move(struct block_builder *b, const struct pack_block *block, struct vv_span content,
                   const struct pack_chunk *chunks, const struct block_proof *proof,
                   struct vv_error *err)
{
    struct pack_writer *w = b->writer;
    struct block_draft draft = {.kind = (enum block_kind)block->kind,
                                .flags = block->flags,
                                .plain_len = block->plain_len,
                                .content = content,
                                .chunks = chunks,
                                .chunk_count = block->chunk_count,
                                .proof = proof};
    bool is_new;

    VV_TRY(pack_writer_check(w, err));
    atomic_fetch_add(&w->unstored, block->chunk_count);
    VV_TRY(pack_writer_fail(w, store_block(b, &draft, false, err), err));
    for (uint32_t i = 0; i < block->chunk_count; i++) {
        VV_TRY(pack_writer_fail(w, claim_table_claim(w->claims, &chunks[i].id, &is_new, err), err));
    }
    return VV_OK;
}

enum vv_rc
block_builder_flush_kind(struct block_builder *b, enum block_kind kind, struct vv_error *err)
{
    VV_TRY(pack_writer_check(b->writer, err));
    for (unsigned i = 0; i < 2; i++) {
        VV_TRY(pack_writer_fail(b->writer, close_block(b, kind, i != 0, err), err));
    }
    return VV_OK;
}

enum vv_rc
block_builder_flush(struct block_builder *b, struct vv_error *err)
{
    for (unsigned kind = BLOCK_TREE; kind <= BLOCK_LOG; kind++) {
        VV_TRY(block_builder_flush_kind(b, (enum block_kind)kind, err));
    }
    return VV_OK;
}

void
block_builder_defer(struct block_builder *b)
{
    b->defers = true;
}

enum vv_rc
block_builder_publish(struct block_builder *b, struct vv_error *err)
{
    b->defers = false;
    publish_deferred(b);
    return pack_writer_check(b->writer, err);
}
