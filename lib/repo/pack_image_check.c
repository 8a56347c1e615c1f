/* SPDX-License-Identifier: BSD-2-Clause */
/* P3: a finished pack is read like a stranger's before it is published.  What it is compared with
 * are the chunk ids, which were computed from the source's bytes: a bit that flipped anywhere after
 * that, in memory or in a faulty processor, is found here. */
#include <string.h>

#include "compress/compress.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "repo/pack_writer_internal.h"

#define BATCH_BYTES (1u << 20) /* plaintext hashed at once, so that all lanes have work */
#define BATCH_JOBS 128u

struct image_checker {
    struct aead *aead;
    struct decompressor *decompressor;
    struct hash_job jobs[BATCH_JOBS];
    uint32_t job_chunk[BATCH_JOBS];
};

/** The image being checked, and what is known of it. */
struct opened_image {
    const struct keyring *keyring;
    const struct finished_image *image;
    struct pack_header header;
    struct vv_id id;
    struct pack_footer footer;
    struct pack_directory directory;
    struct check_memory *memory;
};

enum vv_rc
image_checker_new(struct image_checker **ret, struct vv_error *err)
{
    VV_CLEANUP(image_checker_freep) struct image_checker *c = vv_alloc_array(1, sizeof(*c));
    uint8_t none[32] = {0};

    if (c == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(aead_new(PACK_CHACHA20, none, &c->aead, err)); /* every image brings its own key */
    VV_TRY(decompressor_new(&c->decompressor, err));
    *ret = TAKE(c);
    return VV_OK;
}

void
image_checker_free(struct image_checker *c)
{
    if (c == NULL) {
        return;
    }
    aead_free(c->aead);
    decompressor_free(c->decompressor);
    vv_free(c);
}

void
check_memory_release(struct check_memory *m)
{
    vv_buf_release(&m->frame);
    vv_buf_release(&m->plain);
}

/** Decrypt one record to ${out}. */
static enum vv_rc
open_record(struct image_checker *c, const struct opened_image *o, enum pack_record type,
            uint32_t number, uint8_t flags, uint32_t plain_len, uint64_t offset, uint32_t stored,
            uint8_t *out, struct vv_error *err)
{
    uint8_t nonce[12];
    uint8_t aad[PACK_AAD_LEN];

    pack_nonce(number, nonce);
    pack_aad(aad, &o->id, type, number, stored, plain_len, flags);
    return aead_open(c->aead, nonce, vv_span(aad, sizeof(aad)),
                     vv_span(o->image->bytes.data + offset, stored), out, err);
}

/** Derive the key from the header and read footer and directory. */
static enum vv_rc
open_image(struct image_checker *c, struct opened_image *o, uint8_t key[32], struct vv_error *err)
{
    const uint8_t *tail = o->image->bytes.data + o->image->bytes.len - PACK_TAIL_LEN;
    struct vv_span header = vv_span(o->image->bytes.data, PACK_HEADER_LEN);
    uint8_t footer[PACK_FOOTER_PLAIN];

    VV_TRY(o->image->ephemeral == NULL
               ? keyring_open_pack(o->keyring, header.data, &o->header, key, err)
               : keyring_reopen_pack(o->keyring, header.data, o->image->ephemeral, &o->header, key,
                                     err));
    blake2b_256(NULL, 0, &header, 1, o->id.b);
    if (memcmp(tail, header.data, header.len) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "the copy of the header differs");
    }
    VV_TRY(aead_rekey(c->aead, (uint8_t)o->header.suite, key, err));
    VV_TRY(open_record(c, o, PACK_RECORD_FOOTER, PACK_NUMBER_FOOTER, 0, PACK_FOOTER_PLAIN,
                       o->image->bytes.len - PACK_FOOTER_LEN, PACK_FOOTER_LEN, footer, err));
    VV_TRY(pack_footer_decode(footer, o->image->bytes.len, &o->footer, err));
    vv_buf_reset(&o->memory->frame);
    VV_TRY(vv_buf_reserve(&o->memory->frame, o->footer.directory_plain, err));
    VV_TRY(open_record(c, o, PACK_RECORD_DIRECTORY, PACK_NUMBER_DIRECTORY, 0,
                       o->footer.directory_plain, o->footer.directory_offset,
                       o->footer.directory_stored, o->memory->frame.data, err));
    VV_TRY(pack_directory_decode(vv_span(o->memory->frame.data, o->footer.directory_plain),
                                 o->image->bytes.len, &o->directory, err));
    if (o->directory.block_count != o->footer.block_count ||
        o->directory.chunk_count != o->footer.chunk_count) {
        return vv_error_set(err, VV_ECORRUPT, "footer and directory disagree");
    }
    return VV_OK;
}

/** Append a block's plaintext to o->plain, which has room for it. */
static enum vv_rc
decode_block(struct image_checker *c, struct opened_image *o, uint32_t number, struct vv_error *err)
{
    const struct pack_block *b = &o->directory.blocks[number];
    uint32_t len = b->stored_len - PACK_TAG_LEN;
    uint8_t *out = o->memory->plain.data + o->memory->plain.len;

    if ((b->flags & BLOCK_ZSTD) == 0) {
        VV_TRY(open_record(c, o, PACK_RECORD_BLOCK, number, b->flags, b->plain_len, b->offset,
                           b->stored_len, out, err));
    } else {
        vv_buf_reset(&o->memory->frame);
        VV_TRY(vv_buf_reserve(&o->memory->frame, len, err));
        VV_TRY(open_record(c, o, PACK_RECORD_BLOCK, number, b->flags, b->plain_len, b->offset,
                           b->stored_len, o->memory->frame.data, err));
        VV_TRY(decompress_block(c->decompressor, vv_span(o->memory->frame.data, len), out,
                                b->plain_len, err));
    }
    o->memory->plain.len += b->plain_len;
    return VV_OK;
}

/** Hash the collected jobs and compare them with the directory. */
static enum vv_rc
compare_jobs(struct image_checker *c, const struct opened_image *o, enum chunk_type type,
             uint32_t count, struct vv_error *err)
{
    blake2b_256_many(keyring_id_key(o->keyring, type), c->jobs, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct pack_chunk *chunk = &o->directory.chunks[c->job_chunk[i]];
        if (memcmp(c->jobs[i].out, chunk->id.b, sizeof(chunk->id.b)) != 0) {
            return vv_error_set(err, VV_ECORRUPT, "a chunk does not have its id");
        }
    }
    return VV_OK;
}

/** Chunks ${from} to ${to} are what o->plain holds: recompute their ids, one type after the other
 *  because each has its own key. */
static enum vv_rc
compare_chunks(struct image_checker *c, const struct opened_image *o, uint32_t from, uint32_t to,
               struct vv_error *err)
{
    for (unsigned type = CHUNK_DATA; type <= CHUNK_RECORD; type++) {
        const uint8_t *at = o->memory->plain.data;
        uint32_t count = 0;
        for (uint32_t i = from; i < to; i++) {
            const struct pack_chunk *chunk = &o->directory.chunks[i];
            if (chunk->type == type) {
                c->jobs[count].data = at;
                c->jobs[count].len = chunk->len;
                c->job_chunk[count++] = i;
            }
            if (count == BATCH_JOBS) {
                VV_TRY(compare_jobs(c, o, (enum chunk_type)type, count, err));
                count = 0;
            }
            at += chunk->len;
        }
        VV_TRY(compare_jobs(c, o, (enum chunk_type)type, count, err));
    }
    return VV_OK;
}

/** Did the block move as it is (M1)? */
static bool
is_moved(const struct opened_image *o, uint32_t number)
{
    return number < o->image->proof_count && o->image->proofs[number].given;
}

/** M1: a block that was decoded when it was read. */
static enum vv_rc
check_moved(struct image_checker *c, struct opened_image *o, uint32_t number, struct vv_error *err)
{
    const struct pack_block *b = &o->directory.blocks[number];
    struct vv_buf *content = &o->memory->frame;

    vv_buf_reset(content);
    VV_TRY(vv_buf_reserve(content, b->stored_len, err));
    VV_TRY(open_record(c, o, PACK_RECORD_BLOCK, number, b->flags, b->plain_len, b->offset,
                       b->stored_len, content->data, err));
    content->len = b->stored_len - PACK_TAG_LEN;
    if (!block_proof_holds(&o->image->proofs[number], b, o->directory.chunks + b->first_chunk,
                           vv_buf_span(content))) {
        return vv_error_set(err, VV_ECORRUPT, "a block is not the one that was read");
    }
    return VV_OK;
}

/** From block number ${from} on: those that are decoded at once; the number of the first that is not. */
static uint32_t
end_of_batch(const struct opened_image *o, uint32_t from)
{
    const struct pack_directory *d = &o->directory;
    size_t bytes = 0;
    uint32_t end = from;

    while (end < d->block_count && !is_moved(o, end) &&
           (end == from || bytes + d->blocks[end].plain_len <= BATCH_BYTES)) {
        bytes += d->blocks[end++].plain_len;
    }
    return end;
}

static enum vv_rc
check_batch(struct image_checker *c, struct opened_image *o, uint32_t from, uint32_t end,
            struct vv_error *err)
{
    const struct pack_directory *d = &o->directory;
    const struct pack_block *last = &d->blocks[end - 1];
    size_t bytes = 0;

    for (uint32_t i = from; i < end; i++) {
        bytes += d->blocks[i].plain_len;
    }
    vv_buf_reset(&o->memory->plain);
    VV_TRY(vv_buf_reserve(&o->memory->plain, bytes, err));
    for (uint32_t i = from; i < end; i++) {
        VV_TRY(decode_block(c, o, i, err));
    }
    return compare_chunks(c, o, d->blocks[from].first_chunk, last->first_chunk + last->chunk_count,
                          err);
}

static enum vv_rc
check_blocks(struct image_checker *c, struct opened_image *o, struct vv_error *err)
{
    uint32_t block = 0;

    while (block < o->directory.block_count) {
        uint32_t end = end_of_batch(o, block);
        if (end == block) {
            VV_TRY(check_moved(c, o, block, err));
            end++;
        } else {
            VV_TRY(check_batch(c, o, block, end, err));
        }
        block = end;
    }
    return VV_OK;
}

static enum vv_rc
check_padding(struct opened_image *o, const uint8_t key[32], struct vv_error *err)
{
    const struct pack_directory *d = &o->directory;
    uint64_t from = PACK_HEADER_LEN;
    size_t len;

    if (d->block_count > 0) {
        const struct pack_block *last = &d->blocks[d->block_count - 1];
        from = (uint64_t)last->offset + last->stored_len;
    }
    len = (size_t)(o->footer.directory_offset - from);
    vv_buf_reset(&o->memory->frame);
    VV_TRY(vv_buf_reserve(&o->memory->frame, len, err));
    pack_padding(key, o->memory->frame.data, len);
    if (len > 0 && memcmp(o->memory->frame.data, o->image->bytes.data + from, len) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "the padding is wrong");
    }
    return VV_OK;
}

/** Also what a stranger's pack might be for good reasons (of a newer version, say) is damage
 * here. */
static enum vv_rc
is_damaged(struct vv_error *err)
{
    if (err != NULL) {
        err->rc = VV_ECORRUPT;
    }
    return VV_ECORRUPT;
}

enum vv_rc
image_check(struct image_checker *c, struct check_memory *memory, const struct keyring *k,
            const struct finished_image *image, struct pack_directory *ret, struct vv_error *err)
{
    struct opened_image o = {.memory = memory, .keyring = k, .image = image};
    uint8_t key[32];
    enum vv_rc rc;

    if (image->bytes.len < PACK_HEADER_LEN + PACK_TAIL_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "a pack of %zu bytes", image->bytes.len);
    }
    rc = open_image(c, &o, key, err);
    if (rc == VV_OK) {
        rc = check_blocks(c, &o, err);
    }
    if (rc == VV_OK) {
        rc = check_padding(&o, key, err);
    }
    crypto_wipe(key, sizeof(key));
    if (rc != VV_OK) {
        pack_directory_release(&o.directory);
        return rc == VV_ENOMEM || rc == VV_EKEY ? rc : is_damaged(err);
    }
    *ret = o.directory;
    return VV_OK;
}
