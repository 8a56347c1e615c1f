/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of the journal of a replica, as they stand in its file. */

#include <string.h>

#include "core/fast_hash.h"
#include "repo/replica_journal_internal.h"

size_t
journal_element_size(uint8_t kind)
{
    return kind == KIND_SEGMENT                       ? sizeof(struct pack_name)
           : kind == KIND_SLOT || kind == KIND_SOURCE ? sizeof(struct vv_id)
                                                      : 0;
}

void
journal_encode_item(const struct journal_item *item, struct vv_buf *out)
{
    size_t list_len = item->count * journal_element_size(item->kind);
    size_t at = out->len;

    vv_buf_put_u32(out, (uint32_t)(PAYLOAD_LEN + list_len));
    vv_buf_put_u8(out, item->kind);
    vv_buf_put(out, item->key, KEY_LEN);
    vv_buf_put_u64(out, item->size);
    vv_buf_put_u64(out, (uint64_t)item->number);
    vv_buf_put_u8(out, item->bad ? 1 : 0);
    vv_buf_put_u32(out, item->count);
    if (list_len > 0) {
        vv_buf_put(out, item->list, list_len);
    }
    if (!out->failed) {
        vv_buf_put_u64(out, vv_hash64(out->data + at, out->len - at, 0));
    }
}

bool
journal_decode_item(struct vv_reader *in, struct journal_item *ret, struct vv_buf *list)
{
    const uint8_t *start = in->at;
    uint32_t len = vv_get_u32(in);
    struct vv_span body = vv_get_bytes(in, len, 1);
    uint64_t sum = vv_get_u64(in);
    struct vv_reader r = vv_reader(body.data, body.len);
    struct vv_span rest;

    if (in->failed || sum != vv_hash64(start, (size_t)len + 4, 0)) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    ret->kind = vv_get_u8(&r);
    vv_get_copy(&r, ret->key, KEY_LEN);
    ret->size = vv_get_u64(&r);
    ret->number = (int64_t)vv_get_u64(&r);
    ret->bad = vv_get_u8(&r) != 0;
    ret->count = vv_get_u32(&r);
    rest = vv_get_bytes(&r, ret->count, journal_element_size(ret->kind));
    vv_buf_reset(list);
    vv_buf_put(list, rest.data, rest.len);
    ret->list = list->data;
    return vv_reader_done(&r) && ret->kind >= KIND_PACK && ret->kind <= KIND_BUDGET;
}
