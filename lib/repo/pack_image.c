/* SPDX-License-Identifier: BSD-2-Clause */
/* A pack in memory: from its header to the finished object. */
#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "repo/pack_writer_internal.h"

uint32_t pack_writer_chunks_max = 1u << 14;

#define ROOM_BEHIND_TARGET (2u << 20) /* for the last block; larger ones get a larger image */
#define WASTE_PERCENT 1u              /* padding that is worth closing for */

static_assert(PACK_SEALED_LEN == 32 + SEAL_OVERHEAD, "varve-format(5), Pack header");
static_assert(PACK_TAG_LEN == AEAD_TAG_LEN, "varve-format(5), Pack records");

void
pack_nonce(uint32_t number, uint8_t out[12])
{
    memset(out, 0, 8);
    out[8] = (uint8_t)(number >> 24);
    out[9] = (uint8_t)(number >> 16);
    out[10] = (uint8_t)(number >> 8);
    out[11] = (uint8_t)number;
}

void
pack_padding(const uint8_t key[32], uint8_t *out, size_t len)
{
    struct vv_span label = vv_span("varve padding", 13);
    uint8_t padding_key[32];

    if (len > 0) {
        blake2b_256(key, 32, &label, 1, padding_key);
        chacha20_keystream(padding_key, out, len);
        crypto_wipe(padding_key, sizeof(padding_key));
    }
}

/** P2: fresh random bytes, mixed with what a resumed copy of this machine would not have in common
 *  with it. */
static void
draw_secret(const struct pack_image_origin *o, const struct vv_id *first_chunk, uint8_t out[32])
{
    uint8_t fresh[32];
    uint8_t numbers[16];
    struct vv_span parts[4] = {vv_span("varve pack secret", 17), vv_span(o->session.b, 16),
                               vv_span(numbers, sizeof(numbers)), vv_span(first_chunk->b, 32)};

    vv_random(fresh, sizeof(fresh));
    vv_store_u64(numbers, o->serial);
    vv_store_u64(numbers + 8, (uint64_t)o->time);
    blake2b_256(fresh, sizeof(fresh), parts, VV_COUNT(parts), out);
    crypto_wipe(fresh, sizeof(fresh));
}

/** Draw the secret, derive the key, and write the header. */
static void
make_header(struct pack_image *image, const struct pack_image_origin *o,
            const struct vv_id *first_chunk)
{
    struct pack_header h = {.repository = keyring_config(o->keyring)->repository,
                            .class = o->class,
                            .suite = o->suite,
                            .epoch = o->epoch,
                            .session = o->session,
                            .client = o->client};
    uint8_t *bytes = image->memory.data;
    struct vv_span committed[2] = {vv_span("varve commitment", 16),
                                   vv_span(bytes, PACK_COMMITTED_LEN)};
    struct vv_span header = vv_span(bytes, PACK_HEADER_LEN);
    uint8_t secret[32];
    uint8_t public_key[32];

    draw_secret(o, first_chunk, secret);
    keyring_epoch_public(o->keyring, o->epoch, public_key);
    if (image->ephemeral != NULL) {
        vv_random(secret_data(image->ephemeral), 32);
        seal_box_from(secret_data(image->ephemeral), public_key, vv_span(secret, sizeof(secret)),
                      h.sealed);
    } else {
        seal_box(public_key, vv_span(secret, sizeof(secret)), h.sealed);
    }
    keyring_pack_key(o->keyring, o->epoch, secret, secret_data(image->key));
    crypto_wipe(secret, sizeof(secret));
    pack_header_encode(&h, bytes);
    blake2b_256(secret_data(image->key), 32, committed, 2, h.commitment);
    pack_header_encode(&h, bytes);
    blake2b_256(NULL, 0, &header, 1, image->id.b);
}

static uint64_t
stored_len(const struct block_draft *draft)
{
    return draft->content.len + PACK_TAG_LEN;
}

/** The size of an object with these contents, without padding. */
static uint64_t
object_len(uint64_t blocks_end, uint64_t blocks, uint64_t chunks)
{
    return blocks_end + PACK_DIRECTORY_FIXED + blocks * PACK_DIRECTORY_BLOCK +
           chunks * PACK_DIRECTORY_CHUNK + PACK_TAG_LEN + PACK_TAIL_LEN;
}

uint64_t
pack_image_room(const struct pack_image_origin *o, const struct block_draft *first)
{
    uint64_t needed = PACK_HEADER_LEN + stored_len(first) + PACK_TAIL_LEN;
    uint64_t usual = o->target + o->target / 4 + ROOM_BEHIND_TARGET;

    return needed < usual ? usual : needed;
}

enum vv_rc
pack_image_new(const struct pack_image_origin *o, const struct block_draft *first,
               struct image_memory *memory, struct pack_image **ret, struct vv_error *err)
{
    uint64_t needed = pack_image_room(o, first);
    struct pack_image *image = vv_alloc_array(1, sizeof(*image));
    enum vv_rc rc;

    if (image == NULL) {
        return vv_error_nomem(err);
    }
    image->class = o->class;
    image->suite = o->suite;
    image->serial = o->serial;
    image->target = o->target;
    rc = secret_new(32, &image->key, err);
    if (rc == VV_OK && !keyring_may_read(o->keyring)) {
        rc = secret_new(32, &image->ephemeral, err);
    }
    if (rc == VV_OK && memory->cap >= needed) {
        image->memory = *memory;
        *memory = (struct image_memory){0};
    } else if (rc == VV_OK) {
        image->memory.cap = (size_t)needed;
        image->memory.data = vv_alloc_to_fill((size_t)needed, (size_t)o->filled);
        if (image->memory.data == NULL) {
            rc = vv_error_nomem(err);
        }
    }
    if (rc != VV_OK) {
        pack_image_free(image, NULL);
        return rc;
    }
    make_header(image, o, &first->chunks[0].id);
    image->len = PACK_HEADER_LEN;
    *ret = image;
    return VV_OK;
}

void
pack_image_free(struct pack_image *image, struct image_memory *keep)
{
    if (image == NULL) {
        return;
    }
    if (keep != NULL) {
        *keep = image->memory;
    } else {
        vv_free(image->memory.data);
    }
    secret_free(image->key);
    secret_free(image->ephemeral);
    pack_directory_release(&image->directory);
    vv_free(image->proofs);
    vv_free(image);
}

bool
pack_image_fits(const struct pack_image *image, const struct block_draft *draft)
{
    return image->len + stored_len(draft) <= image->memory.cap &&
           image->directory.block_count < LIMIT_BLOCKS &&
           image->directory.chunk_count < pack_writer_chunks_max;
}

/** Room for one more block and its chunks in the directory. */
static enum vv_rc
grow_directory(struct pack_image *image, uint32_t chunks, struct vv_error *err)
{
    struct pack_directory *d = &image->directory;

    if (d->block_count == image->block_room) {
        uint32_t room = image->block_room == 0 ? 16 : image->block_room * 2;
        struct pack_block *blocks = vv_realloc_array(d->blocks, room, sizeof(*blocks));
        struct block_proof *proofs;
        if (blocks == NULL) {
            return vv_error_nomem(err);
        }
        d->blocks = blocks;
        proofs = vv_realloc_array(image->proofs, room, sizeof(*proofs));
        if (proofs == NULL) {
            return vv_error_nomem(err);
        }
        image->proofs = proofs;
        image->block_room = room;
    }
    if (image->chunk_room - d->chunk_count < chunks) {
        uint32_t room = image->chunk_room * 2 + chunks;
        struct pack_chunk *all = vv_realloc_array(d->chunks, room, sizeof(*all));
        if (all == NULL) {
            return vv_error_nomem(err);
        }
        d->chunks = all;
        image->chunk_room = room;
    }
    return VV_OK;
}

enum vv_rc
pack_image_reserve(struct pack_image *image, const struct block_draft *draft,
                   struct block_place *ret, struct vv_error *err)
{
    struct pack_directory *d = &image->directory;

    assert(!image->closed && pack_image_fits(image, draft));
    VV_TRY(grow_directory(image, draft->chunk_count, err));
    d->blocks[d->block_count] = (struct pack_block){
        .kind = (uint8_t)draft->kind,
        .flags = draft->flags,
        .offset = (uint32_t)image->len,
        .stored_len = (uint32_t)stored_len(draft),
        .plain_len = draft->plain_len,
        .first_chunk = d->chunk_count,
        .chunk_count = draft->chunk_count,
    };
    image->proofs[d->block_count] =
        draft->proof != NULL ? *draft->proof : (struct block_proof){.given = false};
    memcpy(d->chunks + d->chunk_count, draft->chunks, draft->chunk_count * sizeof(*d->chunks));
    ret->image = image;
    ret->number = d->block_count;
    ret->offset = (uint32_t)image->len;
    image->len += (size_t)stored_len(draft);
    d->block_count++;
    d->chunk_count += draft->chunk_count;
    image->outstanding++;
    return VV_OK;
}

bool
pack_image_full(const struct pack_image *image)
{
    const struct pack_directory *d = &image->directory;
    uint64_t len = object_len(image->len, d->block_count, d->chunk_count);

    if (d->block_count == LIMIT_BLOCKS || d->chunk_count >= pack_writer_chunks_max ||
        len >= image->target + image->target / 4) {
        return true;
    }
    return len >= image->target && (padme(len) - len) * 100 <= len * WASTE_PERCENT;
}

/** Encrypt one record to ${out}. */
static enum vv_rc
seal_record(const struct pack_image *image, struct aead *aead, enum pack_record type,
            uint32_t number, uint8_t flags, uint32_t plain_len, struct vv_span content,
            uint8_t *out, struct vv_error *err)
{
    uint8_t nonce[12];
    uint8_t aad[PACK_AAD_LEN];

    pack_nonce(number, nonce);
    pack_aad(aad, &image->id, type, number, (uint32_t)content.len + PACK_TAG_LEN, plain_len, flags);
    return aead_seal(aead, nonce, vv_span(aad, sizeof(aad)), content, out, err);
}

enum vv_rc
pack_image_seal(const struct pack_image *image, struct aead *aead, const struct block_place *place,
                const struct block_draft *draft, struct vv_error *err)
{
    return seal_record(image, aead, PACK_RECORD_BLOCK, place->number, draft->flags,
                       draft->plain_len, draft->content, image->memory.data + place->offset, err);
}

/** Make the memory large enough for the finished object. */
static enum vv_rc
grow_memory(struct pack_image *image, uint64_t total, struct vv_error *err)
{
    uint8_t *data;

    if (total <= image->memory.cap) {
        return VV_OK;
    }
    data = vv_realloc_array(image->memory.data, (size_t)total, 1);
    if (data == NULL) {
        return vv_error_nomem(err);
    }
    image->memory = (struct image_memory){.data = data, .cap = (size_t)total};
    return VV_OK;
}

enum vv_rc
pack_image_finish(struct pack_image *image, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    VV_CLEANUP(aead_freep) struct aead *aead = NULL;
    struct pack_footer footer = {.block_count = image->directory.block_count,
                                 .chunk_count = image->directory.chunk_count};
    uint8_t footer_plain[PACK_FOOTER_PLAIN];
    uint8_t *data;

    VV_TRY(pack_directory_encode(&image->directory, &plain, err));
    footer.directory_plain = (uint32_t)plain.len;
    footer.directory_stored = (uint32_t)plain.len + PACK_TAG_LEN;
    footer.file_size = padme(image->len + footer.directory_stored + PACK_TAIL_LEN);
    if (footer.file_size > LIMIT_PACK) {
        return vv_error_set(err, VV_ELIMIT, "a pack has become too large");
    }
    footer.directory_offset = footer.file_size - PACK_TAIL_LEN - footer.directory_stored;
    VV_TRY(grow_memory(image, footer.file_size, err));
    data = image->memory.data;
    pack_padding(secret_data(image->key), data + image->len,
                 (size_t)footer.directory_offset - image->len);
    VV_TRY(aead_new((uint8_t)image->suite, secret_data(image->key), &aead, err));
    VV_TRY(seal_record(image, aead, PACK_RECORD_DIRECTORY, PACK_NUMBER_DIRECTORY, 0,
                       footer.directory_plain, vv_buf_span(&plain), data + footer.directory_offset,
                       err));
    memcpy(data + footer.file_size - PACK_TAIL_LEN, data, PACK_HEADER_LEN);
    pack_footer_encode(&footer, footer_plain);
    VV_TRY(seal_record(image, aead, PACK_RECORD_FOOTER, PACK_NUMBER_FOOTER, 0, PACK_FOOTER_PLAIN,
                       vv_span(footer_plain, sizeof(footer_plain)),
                       data + footer.file_size - PACK_FOOTER_LEN, err));
    image->len = (size_t)footer.file_size;
    return VV_OK;
}
