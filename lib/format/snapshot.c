/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshot records: the open, signed head and the sealed body behind it. */
#include "format/snapshot.h"

#include <assert.h>

#include "format/envelope.h"
#include "format/format_internal.h"
#include "format/pack.h"

static_assert(SNAPSHOT_SEEN_LEN == 16 + 8 + 32, "varve-format(5), Snapshot record");

void
snapshot_seen_put(struct vv_buf *out, const struct snapshot_seen *seen)
{
    vv_buf_put(out, seen->client.b, sizeof(seen->client.b));
    vv_buf_put_u64(out, seen->sequence);
    vv_buf_put(out, seen->hash.b, sizeof(seen->hash.b));
}

bool
snapshot_seen_at(const struct snapshot_head *h, uint32_t i, struct snapshot_seen *ret)
{
    if (i >= h->seen_count || h->seen.len < ((uint64_t)i + 1) * SNAPSHOT_SEEN_LEN) {
        return false;
    }
    struct vv_reader r = vv_reader(h->seen.data + (size_t)i * SNAPSHOT_SEEN_LEN, SNAPSHOT_SEEN_LEN);
    vv_get_copy(&r, ret->client.b, sizeof(ret->client.b));
    ret->sequence = vv_get_u64(&r);
    vv_get_copy(&r, ret->hash.b, sizeof(ret->hash.b));
    return true;
}

enum vv_rc
snapshot_head_encode(const struct snapshot_head *h, struct vv_buf *out, struct vv_error *err)
{
    if (h->sequence == 0 || h->seen.len != (uint64_t)h->seen_count * SNAPSHOT_SEEN_LEN) {
        return vv_error_set(err, VV_EUSAGE, "snapshot record: impossible head");
    }
    header_put(out, FORMAT_SNAPSHOT_RECORD, &h->repository);
    vv_buf_put(out, h->id.b, sizeof(h->id.b));
    vv_buf_put(out, h->client.b, sizeof(h->client.b));
    vv_buf_put_u64(out, h->sequence);
    vv_buf_put(out, h->previous.b, sizeof(h->previous.b));
    vv_buf_put(out, h->site.b, sizeof(h->site.b));
    vv_buf_put_u64(out, (uint64_t)h->time);
    vv_buf_put_u32(out, h->seen_count);
    if (h->seen.len > 0) {
        vv_buf_put(out, h->seen.data, h->seen.len);
    }
    vv_buf_put_u32(out, h->epoch);
    return vv_buf_check(out, err);
}

enum vv_rc
snapshot_record_decode(struct vv_span record, const struct vv_uuid *repo,
                       struct snapshot_record *ret, struct vv_error *err)
{
    if (record.len > LIMIT_BLOCK_PLAIN) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot record: too large (%zu bytes)", record.len);
    }
    VV_TRY(header_check(record, FORMAT_SNAPSHOT_RECORD, repo, err));
    struct vv_reader r = vv_reader(record.data + FORMAT_HEADER_LEN, record.len - FORMAT_HEADER_LEN);
    struct snapshot_record s = {.head.repository = header_repository(record)};
    vv_get_copy(&r, s.head.id.b, sizeof(s.head.id.b));
    vv_get_copy(&r, s.head.client.b, sizeof(s.head.client.b));
    s.head.sequence = vv_get_u64(&r);
    vv_get_copy(&r, s.head.previous.b, sizeof(s.head.previous.b));
    vv_get_copy(&r, s.head.site.b, sizeof(s.head.site.b));
    s.head.time = (int64_t)vv_get_u64(&r);
    s.head.seen_count = vv_get_u32(&r);
    s.head.seen = vv_get_bytes(&r, s.head.seen_count, SNAPSHOT_SEEN_LEN);
    s.head.epoch = vv_get_u32(&r);
    uint32_t body_len = vv_get_u32(&r);
    s.sealed_body = vv_get_bytes(&r, body_len, 1);
    s.signature = vv_get_bytes(&r, FORMAT_SIGNATURE_LEN, 1);
    if (!vv_reader_done(&r) || body_len < PACK_SEALED_LEN + ENVELOPE_OVERHEAD) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot record: wrong length");
    }
    if (s.head.sequence == 0) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot record: sequence number 0");
    }
    s.prefix = vv_span(record.data, (size_t)(s.sealed_body.data - record.data) - 4);
    s.signed_part = vv_span(record.data, record.len - FORMAT_SIGNATURE_LEN);
    *ret = s;
    return VV_OK;
}
