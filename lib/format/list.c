/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: the root inside an entry, and the lists between it and the chunks. */
#include <string.h>

#include "format/entry.h"
#include "format/entry_internal.h"

#define CHUNK_REF_MIN_LEN (1u + 32u)

/* ${count} sizes below one another: each at least 1 (chunks: at most a block), no overflow. */
static bool
sizes_valid(const struct chunk_ref *refs, uint64_t count, bool chunks, uint64_t *ret_sum)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (refs[i].size == 0 || (chunks && refs[i].size > LIMIT_BLOCK_PLAIN) ||
            __builtin_add_overflow(sum, refs[i].size, &sum)) {
            return false;
        }
    }
    *ret_sum = sum;
    return true;
}

bool
stream_root_valid(const struct stream_root *s)
{
    uint64_t sum;
    if (s->height > LIMIT_STREAM_HEIGHT || s->size == 0) {
        return false;
    }
    if (s->height > 0) {
        return s->count == 1;
    }
    return s->count >= 1 && s->count <= STREAM_INLINE_CHUNKS &&
           sizes_valid(s->refs, s->count, true, &sum) && sum == s->size;
}

void
stream_root_put(struct vv_buf *out, const struct stream_root *s)
{
    uint8_t fixed[3 * VARINT_MAX];
    uint8_t *at = varint_put(fixed, s->height);
    at = varint_put(at, s->size);
    if (s->height > 0) {
        vv_buf_put(out, fixed, (size_t)(at - fixed));
        vv_buf_put(out, s->refs[0].id.b, sizeof(s->refs[0].id.b));
        return;
    }
    at = varint_put(at, s->count);
    vv_buf_put(out, fixed, (size_t)(at - fixed));
    for (uint32_t i = 0; i < s->count; i++) {
        at = varint_put(fixed, s->refs[i].size);
        vv_buf_put(out, fixed, (size_t)(at - fixed));
        vv_buf_put(out, s->refs[i].id.b, sizeof(s->refs[i].id.b));
    }
}

enum vv_rc
stream_root_get(struct vv_reader *r, struct vv_arena *arena, struct stream_root *ret,
                struct vv_error *err)
{
    struct stream_root s;
    s.height = varint_get_u32(r);
    s.size = varint_get(r);
    s.count = s.height > 0 ? 1 : varint_get_u32(r);
    if (r->failed || s.count == 0 || s.count > STREAM_INLINE_CHUNKS) {
        return vv_error_set(err, VV_ECORRUPT, "stream root: impossible count");
    }
    s.refs = vv_arena_alloc(arena, s.count * sizeof(*s.refs));
    if (s.refs == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < s.count; i++) {
        s.refs[i].size = s.height > 0 ? s.size : varint_get(r);
        vv_get_copy(r, s.refs[i].id.b, sizeof(s.refs[i].id.b));
    }
    if (r->failed || !stream_root_valid(&s)) {
        return vv_error_set(err, VV_ECORRUPT, "stream root: impossible height or sizes");
    }
    *ret = s;
    return VV_OK;
}

enum vv_rc
list_encode(uint32_t height, const struct chunk_ref *refs, uint32_t count, struct vv_buf *out,
            struct vv_error *err)
{
    uint64_t sum;
    if (height < 1 || height > LIMIT_STREAM_HEIGHT || count < 1 || count > LIST_COUNT_CAP ||
        !sizes_valid(refs, count, height == 1, &sum)) {
        return vv_error_set(err, VV_EUSAGE, "list: impossible height, count or sizes");
    }
    VV_TRY(vv_buf_reserve(out, 1 + VARINT_MAX + (size_t)count * (VARINT_MAX + 32), err));
    vv_buf_put_u8(out, (uint8_t)height);
    vv_buf_put_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t item[VARINT_MAX + 32];
        uint8_t *at = varint_put(item, refs[i].size);
        memcpy(at, refs[i].id.b, 32);
        vv_buf_put(out, item, (size_t)(at - item) + 32);
    }
    return vv_buf_check(out, err);
}

enum vv_rc
list_decode(struct vv_span bytes, struct vv_arena *arena, uint32_t *ret_height,
            struct chunk_ref **ret_refs, uint32_t *ret_count, struct vv_error *err)
{
    struct vv_reader r = vv_reader(bytes.data, bytes.len);
    uint8_t height = vv_get_u8(&r);
    uint64_t count = varint_get(&r);
    if (r.failed || height < 1 || height > LIMIT_STREAM_HEIGHT || count < 1 ||
        count > LIST_COUNT_CAP || count > vv_reader_left(&r) / CHUNK_REF_MIN_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "list: impossible height or count");
    }
    struct chunk_ref *refs = vv_arena_alloc(arena, (size_t)count * sizeof(*refs));
    if (refs == NULL) {
        return vv_error_nomem(err);
    }
    for (uint64_t i = 0; i < count; i++) {
        refs[i].size = varint_get(&r);
        vv_get_copy(&r, refs[i].id.b, sizeof(refs[i].id.b));
    }
    uint64_t sum;
    if (!vv_reader_done(&r) || !sizes_valid(refs, count, height == 1, &sum)) {
        return vv_error_set(err, VV_ECORRUPT, "list: wrong length or impossible sizes");
    }
    *ret_height = height;
    *ret_refs = refs;
    *ret_count = (uint32_t)count;
    return VV_OK;
}
