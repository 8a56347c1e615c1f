/* SPDX-License-Identifier: BSD-2-Clause */
/* A pack's header, footer and the additional data of its records. */
#include "format/pack.h"

#include <assert.h>
#include <string.h>

#include "format/format_internal.h"
#include "format/pack_internal.h"

static_assert(PACK_COMMITTED_LEN == FORMAT_HEADER_LEN + 1 + 1 + 2 + 4 + 16 + 16 + PACK_SEALED_LEN,
              "varve-format(5), Pack header");
static_assert(PACK_COMMITTED_LEN + 32 <= PACK_HEADER_LEN, "varve-format(5), Pack header");
static_assert(PACK_AAD_LEN == 32 + 1 + 4 + 4 + 4 + 1, "varve-format(5), Pack records");
static_assert(PACK_FOOTER_PLAIN == 8 + 4 + 4 + 4 + 4 + 8, "varve-format(5), Pack footer");

void
pack_header_encode(const struct pack_header *h, uint8_t out[PACK_HEADER_LEN])
{
    memset(out, 0, PACK_HEADER_LEN);
    memcpy(out, FORMAT_MAGIC, FORMAT_MAGIC_LEN);
    out[5] = FORMAT_PACK;
    out[6] = FORMAT_VERSION;
    memcpy(out + 8, h->repository.b, 16);
    out[24] = (uint8_t)h->class;
    out[25] = (uint8_t)h->suite;
    vv_store_u32(out + 28, h->epoch);
    memcpy(out + 32, h->session.b, 16);
    memcpy(out + 48, h->client.b, 16);
    memcpy(out + 64, h->sealed, PACK_SEALED_LEN);
    memcpy(out + PACK_COMMITTED_LEN, h->commitment, 32);
}

enum vv_rc
pack_header_decode(const uint8_t in[PACK_HEADER_LEN], const struct vv_uuid *repo,
                   struct pack_header *ret, struct vv_error *err)
{
    struct vv_span header = vv_span(in, PACK_HEADER_LEN);
    VV_TRY(header_check(header, FORMAT_PACK, repo, err));
    struct vv_reader r = vv_reader(in + FORMAT_HEADER_LEN, PACK_HEADER_LEN - FORMAT_HEADER_LEN);
    struct pack_header h = {.repository = header_repository(header)};
    uint8_t class = vv_get_u8(&r);
    uint8_t suite = vv_get_u8(&r);
    vv_get_zeros(&r, 2);
    h.epoch = vv_get_u32(&r);
    vv_get_copy(&r, h.session.b, sizeof(h.session.b));
    vv_get_copy(&r, h.client.b, sizeof(h.client.b));
    vv_get_copy(&r, h.sealed, sizeof(h.sealed));
    vv_get_copy(&r, h.commitment, sizeof(h.commitment));
    vv_get_zeros(&r, vv_reader_left(&r));
    if (!vv_reader_done(&r) || class < PACK_METADATA || class > PACK_LOG || suite < PACK_AES_GCM ||
        suite > PACK_CHACHA20) {
        return vv_error_set(err, VV_ECORRUPT, "pack: impossible header");
    }
    h.class = (enum pack_class) class;
    h.suite = (enum pack_suite)suite;
    *ret = h;
    return VV_OK;
}

void
pack_aad(uint8_t out[PACK_AAD_LEN], const struct vv_id *pack_id, enum pack_record type,
         uint32_t number, uint32_t stored_len, uint32_t plain_len, uint8_t flags)
{
    memcpy(out, pack_id->b, 32);
    out[32] = (uint8_t)type;
    vv_store_u32(out + 33, number);
    vv_store_u32(out + 37, stored_len);
    vv_store_u32(out + 41, plain_len);
    out[45] = flags;
}

void
pack_footer_encode(const struct pack_footer *f, uint8_t out[PACK_FOOTER_PLAIN])
{
    vv_store_u64(out, f->directory_offset);
    vv_store_u32(out + 8, f->directory_stored);
    vv_store_u32(out + 12, f->directory_plain);
    vv_store_u32(out + 16, f->block_count);
    vv_store_u32(out + 20, f->chunk_count);
    vv_store_u64(out + 24, f->file_size);
}

enum vv_rc
pack_footer_decode(const uint8_t in[PACK_FOOTER_PLAIN], uint64_t file_size, struct pack_footer *ret,
                   struct vv_error *err)
{
    struct vv_reader r = vv_reader(in, PACK_FOOTER_PLAIN);
    struct pack_footer f;
    f.directory_offset = vv_get_u64(&r);
    f.directory_stored = vv_get_u32(&r);
    f.directory_plain = vv_get_u32(&r);
    f.block_count = vv_get_u32(&r);
    f.chunk_count = vv_get_u32(&r);
    f.file_size = vv_get_u64(&r);
    if (f.file_size != file_size || file_size > LIMIT_PACK) {
        return vv_error_set(err, VV_ECORRUPT, "pack: the file has %llu bytes, its footer says %llu",
                            (unsigned long long)file_size, (unsigned long long)f.file_size);
    }
    /* No sum below can overflow: the offset is at most 2^30, everything else has 32 bits. */
    uint64_t plain = PACK_DIRECTORY_COUNT_LEN + PACK_DIRECTORY_BLOCK_LEN * (uint64_t)f.block_count +
                     PACK_DIRECTORY_CHUNK_LEN * (uint64_t)f.chunk_count;
    if (f.block_count > LIMIT_BLOCKS || plain != f.directory_plain ||
        f.directory_stored != plain + PACK_TAG_LEN || f.directory_offset < PACK_HEADER_LEN ||
        f.directory_offset > file_size ||
        f.directory_offset + f.directory_stored + PACK_TAIL_LEN != file_size) {
        return vv_error_set(err, VV_ECORRUPT, "pack: impossible footer");
    }
    *ret = f;
    return VV_OK;
}
