/* SPDX-License-Identifier: BSD-2-Clause */
/* The repository's `config` object. */
#include "format/config.h"

#include "format/format_internal.h"

#define CHUNKER_GEAR64 1u
#define ID_BLAKE2B 1u
#define CHUNK_MIN_FLOOR 64u /* the chunker's window */
#define PAGE_SIZE_FLOOR 512u

/* The rules a config keeps; both directions check them. */
static enum vv_rc
config_check(const struct config *c, enum vv_rc bad, struct vv_error *err)
{
    if (c->chunker_suite != CHUNKER_GEAR64 || c->id_suite != ID_BLAKE2B) {
        return vv_error_set(err, VV_EUNSUPPORTED, "config: unknown chunker (%u) or id suite (%u)",
                            c->chunker_suite, c->id_suite);
    }
    if (c->dedup_trust > 1) {
        return vv_error_set(err, VV_EUNSUPPORTED, "config: unknown deduplication trust %u",
                            c->dedup_trust);
    }
    if (c->chunk_min < CHUNK_MIN_FLOOR || c->chunk_min > c->chunk_max ||
        c->chunk_max > LIMIT_BLOCK_PLAIN || c->chunk_threshold == 0) {
        return vv_error_set(err, bad, "config: impossible chunk sizes (%u to %u)", c->chunk_min,
                            c->chunk_max);
    }
    if (c->page_size < PAGE_SIZE_FLOOR || c->page_size > LIMIT_BLOCK_PLAIN ||
        (c->page_size & (c->page_size - 1)) != 0) {
        return vv_error_set(err, bad, "config: impossible page size %u", c->page_size);
    }
    return VV_OK;
}

enum vv_rc
config_encode(const struct config *c, struct vv_buf *out, struct vv_error *err)
{
    VV_TRY(config_check(c, VV_EUSAGE, err));
    container_begin(out, FORMAT_CONFIG, &c->repository);
    vv_buf_put_u64(out, (uint64_t)c->created);
    vv_buf_put_u16(out, c->chunker_suite);
    vv_buf_put_u32(out, c->chunk_min);
    vv_buf_put_u32(out, c->chunk_max);
    vv_buf_put_u64(out, c->chunk_threshold);
    vv_buf_put_u32(out, c->page_size);
    vv_buf_put_u16(out, c->id_suite);
    vv_buf_put_u8(out, c->dedup_trust);
    vv_buf_put(out, c->admin_public, sizeof(c->admin_public));
    return vv_buf_check(out, err);
}

enum vv_rc
config_decode(struct vv_span object, struct config *ret, struct vv_error *err)
{
    if (object.len > LIMIT_CONFIG) {
        return vv_error_set(err, VV_ECORRUPT, "config: too large (%zu bytes)", object.len);
    }
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_CONFIG, NULL, &r, err));
    struct config c = {.repository = header_repository(object)};
    c.created = (int64_t)vv_get_u64(&r);
    c.chunker_suite = vv_get_u16(&r);
    c.chunk_min = vv_get_u32(&r);
    c.chunk_max = vv_get_u32(&r);
    c.chunk_threshold = vv_get_u64(&r);
    c.page_size = vv_get_u32(&r);
    c.id_suite = vv_get_u16(&r);
    c.dedup_trust = vv_get_u8(&r);
    vv_get_copy(&r, c.admin_public, sizeof(c.admin_public));
    (void)vv_get_bytes(&r, FORMAT_SIGNATURE_LEN, 1);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "config: wrong length");
    }
    VV_TRY(config_check(&c, VV_ECORRUPT, err));
    *ret = c;
    return VV_OK;
}
