/* SPDX-License-Identifier: BSD-2-Clause */
/* A pack's directory: which chunk lies where. */
#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "format/pack.h"
#include "format/pack_internal.h"

static_assert(PACK_DIRECTORY_BLOCK_LEN == 1 + 1 + 4 + 4 + 4 + 4, "varve-format(5), Directory");
static_assert(PACK_DIRECTORY_CHUNK_LEN == 1 + 4 + 32, "varve-format(5), Directory");

/* zstd's bound for a block of the largest size, and the tag. */
#define STORED_LIMIT (LIMIT_BLOCK_PLAIN + (LIMIT_BLOCK_PLAIN >> 8) + PACK_TAG_LEN)

void
pack_directory_release(struct pack_directory *d)
{
    if (d == NULL) {
        return;
    }
    vv_free(d->blocks);
    vv_free(d->chunks);
    *d = (struct pack_directory){0};
}

/* One block and its chunks; ${from} and ${to} bound where it may lie.  VV_OK or why not. */
static enum vv_rc
check_block(const struct pack_block *b, const struct pack_chunk *chunks, uint64_t from, uint64_t to,
            struct vv_error *err)
{
    if (b->kind < BLOCK_TREE || b->kind > BLOCK_LOG || (b->flags & ~BLOCK_ZSTD) != 0) {
        return vv_error_set(err, VV_EUNSUPPORTED, "pack directory: unknown block kind %u, flags %u",
                            b->kind, b->flags);
    }
    if (b->offset < from || b->stored_len > to || b->offset > to - b->stored_len) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: a block overlaps or lies outside");
    }
    if (b->plain_len > LIMIT_BLOCK_PLAIN || b->stored_len <= PACK_TAG_LEN ||
        b->stored_len > STORED_LIMIT ||
        ((b->flags & BLOCK_ZSTD) == 0 && b->stored_len - PACK_TAG_LEN != b->plain_len)) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: impossible block length");
    }
    uint64_t sum = 0; /* of at most 2^32 numbers of 32 bits */
    for (uint32_t i = 0; i < b->chunk_count; i++) {
        const struct pack_chunk *c = &chunks[i];
        if (c->type < CHUNK_DATA || c->type > CHUNK_RECORD) {
            return vv_error_set(err, VV_EUNSUPPORTED, "pack directory: unknown chunk type %u",
                                c->type);
        }
        if (c->len == 0) {
            return vv_error_set(err, VV_ECORRUPT, "pack directory: an empty chunk");
        }
        sum += c->len;
    }
    if (b->chunk_count == 0 || sum != b->plain_len) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: chunks do not fill their block");
    }
    return VV_OK;
}

/* All rules that need both arrays. */
static enum vv_rc
check_directory(const struct pack_directory *d, uint64_t file_size, struct vv_error *err)
{
    if (file_size < PACK_HEADER_LEN + PACK_TAIL_LEN || file_size > LIMIT_PACK) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: impossible pack size");
    }
    uint64_t from = PACK_HEADER_LEN;
    uint64_t to = file_size - PACK_TAIL_LEN;
    uint32_t chunk = 0;
    for (uint32_t i = 0; i < d->block_count; i++) {
        const struct pack_block *b = &d->blocks[i];
        if (b->first_chunk != chunk || b->chunk_count > d->chunk_count - chunk) {
            return vv_error_set(err, VV_ECORRUPT, "pack directory: chunk counts do not add up");
        }
        VV_TRY(check_block(b, d->chunks + chunk, from, to, err));
        from = (uint64_t)b->offset + b->stored_len;
        chunk += b->chunk_count;
    }
    if (chunk != d->chunk_count) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: chunk counts do not add up");
    }
    return VV_OK;
}

enum vv_rc
pack_directory_encode(const struct pack_directory *d, struct vv_buf *out, struct vv_error *err)
{
    if (d->block_count > LIMIT_BLOCKS) {
        return vv_error_set(err, VV_ELIMIT, "pack directory: more than %u blocks", LIMIT_BLOCKS);
    }
    VV_TRY(check_directory(d, LIMIT_PACK, err));
    VV_TRY(vv_buf_reserve(out,
                          PACK_DIRECTORY_COUNT_LEN +
                              (size_t)d->block_count * PACK_DIRECTORY_BLOCK_LEN +
                              (size_t)d->chunk_count * PACK_DIRECTORY_CHUNK_LEN,
                          err));
    vv_buf_put_u32(out, d->block_count);
    for (uint32_t i = 0; i < d->block_count; i++) {
        const struct pack_block *b = &d->blocks[i];
        vv_buf_put_u8(out, b->kind);
        vv_buf_put_u8(out, b->flags);
        vv_buf_put_u32(out, b->offset);
        vv_buf_put_u32(out, b->stored_len);
        vv_buf_put_u32(out, b->plain_len);
        vv_buf_put_u32(out, b->chunk_count);
        for (uint32_t j = 0; j < b->chunk_count; j++) {
            const struct pack_chunk *c = &d->chunks[b->first_chunk + j];
            vv_buf_put_u8(out, c->type);
            vv_buf_put_u32(out, c->len);
            vv_buf_put(out, c->id.b, sizeof(c->id.b));
        }
    }
    return vv_buf_check(out, err);
}

/* Read blocks and chunks into arrays that are large enough for what the length promises. */
static bool
read_directory(struct vv_reader *r, struct pack_directory *d)
{
    uint32_t chunk = 0;
    for (uint32_t i = 0; i < d->block_count; i++) {
        struct pack_block *b = &d->blocks[i];
        b->kind = vv_get_u8(r);
        b->flags = vv_get_u8(r);
        b->offset = vv_get_u32(r);
        b->stored_len = vv_get_u32(r);
        b->plain_len = vv_get_u32(r);
        b->chunk_count = vv_get_u32(r);
        b->first_chunk = chunk;
        if (b->chunk_count > d->chunk_count - chunk) {
            return false;
        }
        for (uint32_t j = 0; j < b->chunk_count; j++) {
            struct vv_span bytes = vv_get_bytes(r, PACK_DIRECTORY_CHUNK_LEN, 1);
            if (bytes.len == 0) {
                return false;
            }
            struct pack_chunk *c = &d->chunks[chunk++];
            c->type = bytes.data[0];
            c->len = vv_load_u32(bytes.data + 1);
            memcpy(c->id.b, bytes.data + 5, sizeof(c->id.b));
        }
    }
    return vv_reader_done(r) && chunk == d->chunk_count;
}

enum vv_rc
pack_directory_decode(struct vv_span plain, uint64_t file_size, struct pack_directory *ret,
                      struct vv_error *err)
{
    struct vv_reader r = vv_reader(plain.data, plain.len);
    uint32_t blocks = vv_get_u32(&r);
    size_t left = vv_reader_left(&r);
    size_t block_bytes = (size_t)blocks * PACK_DIRECTORY_BLOCK_LEN;
    /* The length alone tells how many chunks there are. */
    if (r.failed || blocks > LIMIT_BLOCKS || plain.len > LIMIT_PACK || block_bytes > left ||
        (left - block_bytes) % PACK_DIRECTORY_CHUNK_LEN != 0) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: impossible length");
    }
    VV_CLEANUP(pack_directory_release)
    struct pack_directory d = {
        .block_count = blocks,
        .chunk_count = (uint32_t)((left - block_bytes) / PACK_DIRECTORY_CHUNK_LEN),
    };
    d.blocks = vv_alloc_array(d.block_count, sizeof(*d.blocks));
    d.chunks = vv_alloc_array(d.chunk_count, sizeof(*d.chunks));
    if (d.blocks == NULL || d.chunks == NULL) {
        return vv_error_nomem(err);
    }
    if (!read_directory(&r, &d)) {
        return vv_error_set(err, VV_ECORRUPT, "pack directory: chunk counts do not add up");
    }
    VV_TRY(check_directory(&d, file_size, err));
    *ret = d;
    d = (struct pack_directory){0};
    return VV_OK;
}
