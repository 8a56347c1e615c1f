/* SPDX-License-Identifier: BSD-2-Clause */
/* Graves: what an administrator's record says about snapshots and sessions that are gone. */
#include <assert.h>
#include <string.h>

#include "format/admin.h"

static_assert(GRAVE_LEN == 16 + 16 + 16 + 8 + 32 + 32 + 16 + 1, "varve-format(5), Grave");

static void
put_grave(struct vv_buf *out, const struct grave *g)
{
    vv_buf_put(out, g->session.b, sizeof(g->session.b));
    vv_buf_put(out, g->snapshot.b, sizeof(g->snapshot.b));
    vv_buf_put(out, g->client.b, sizeof(g->client.b));
    vv_buf_put_u64(out, g->sequence);
    vv_buf_put(out, g->hash.b, sizeof(g->hash.b));
    vv_buf_put(out, g->previous.b, sizeof(g->previous.b));
    vv_buf_put(out, g->site.b, sizeof(g->site.b));
    vv_buf_put_u8(out, g->reason);
}

void
grave_list_encode(const struct grave *graves, uint32_t count, const struct snapshot_seen *heads,
                  uint32_t head_count, struct vv_buf *out)
{
    vv_buf_put_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        put_grave(out, &graves[i]);
    }
    vv_buf_put_u32(out, head_count);
    for (uint32_t i = 0; i < head_count; i++) {
        snapshot_seen_put(out, &heads[i]);
    }
}

enum vv_rc
grave_list_decode(struct vv_span payload, struct grave_list *ret, struct vv_error *err)
{
    struct grave_list l;
    struct vv_reader r = vv_reader(payload.data, payload.len);

    l.count = vv_get_u32(&r);
    l.graves = vv_get_bytes(&r, l.count, GRAVE_LEN);
    l.head_count = vv_get_u32(&r);
    l.heads = vv_get_bytes(&r, l.head_count, SNAPSHOT_SEEN_LEN);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "grave: counts and length do not agree");
    }
    for (uint32_t i = 0; i < l.count; i++) {
        uint8_t reason = l.graves.data[(size_t)i * GRAVE_LEN + GRAVE_LEN - 1];
        if (reason < GRAVE_FENCED || reason > GRAVE_REVOKED) {
            return vv_error_set(err, VV_EUNSUPPORTED, "grave: unknown reason %u", reason);
        }
    }
    *ret = l;
    return VV_OK;
}

void
grave_list_at(const struct grave_list *l, uint32_t i, struct grave *ret)
{
    struct vv_reader r = vv_reader(l->graves.data + (size_t)i * GRAVE_LEN, GRAVE_LEN);

    assert(i < l->count);
    memset(ret, 0, sizeof(*ret)); /* what lies between the members, too */
    vv_get_copy(&r, ret->session.b, sizeof(ret->session.b));
    vv_get_copy(&r, ret->snapshot.b, sizeof(ret->snapshot.b));
    vv_get_copy(&r, ret->client.b, sizeof(ret->client.b));
    ret->sequence = vv_get_u64(&r);
    vv_get_copy(&r, ret->hash.b, sizeof(ret->hash.b));
    vv_get_copy(&r, ret->previous.b, sizeof(ret->previous.b));
    vv_get_copy(&r, ret->site.b, sizeof(ret->site.b));
    ret->reason = vv_get_u8(&r);
}

void
grave_list_head_at(const struct grave_list *l, uint32_t i, struct snapshot_seen *ret)
{
    struct vv_reader r =
        vv_reader(l->heads.data + (size_t)i * SNAPSHOT_SEEN_LEN, SNAPSHOT_SEEN_LEN);

    assert(i < l->head_count);
    memset(ret, 0, sizeof(*ret));
    vv_get_copy(&r, ret->client.b, sizeof(ret->client.b));
    ret->sequence = vv_get_u64(&r);
    vv_get_copy(&r, ret->hash.b, sizeof(ret->hash.b));
}
