/* SPDX-License-Identifier: BSD-2-Clause */
/* Registered sessions and their heartbeats. */
#include "format/session.h"

#include "format/format_internal.h"

enum vv_rc
session_encode(const struct session_record *s, const struct vv_uuid *repo, struct vv_buf *out,
               struct vv_error *err)
{
    if (s->kind < SESSION_BACKUP || s->kind > SESSION_ADMIN ||
        s->snapshots.len != (uint64_t)s->snapshot_count * 16 ||
        (s->snapshot_count != 0 && s->kind != SESSION_READER)) {
        return vv_error_set(err, VV_EUSAGE, "session: impossible content");
    }
    if (s->snapshots.len > LIMIT_SMALL_OBJECT - 256) {
        return vv_error_set(err, VV_ELIMIT, "session: too many snapshots (%u)", s->snapshot_count);
    }
    container_begin(out, FORMAT_SESSION, repo);
    vv_buf_put(out, s->session.b, sizeof(s->session.b));
    vv_buf_put_u8(out, (uint8_t)s->kind);
    vv_buf_put(out, s->client.b, sizeof(s->client.b));
    vv_buf_put_u64(out, (uint64_t)s->time);
    vv_buf_put_u64(out, s->beat);
    vv_buf_put(out, s->nonce, sizeof(s->nonce));
    vv_buf_put_u32(out, s->snapshot_count);
    if (s->snapshots.len > 0) {
        vv_buf_put(out, s->snapshots.data, s->snapshots.len);
    }
    return container_finish(out, err);
}

enum vv_rc
session_decode(struct vv_span object, const struct vv_uuid *repo, struct session_record *ret,
               struct vv_error *err)
{
    if (object.len > LIMIT_SMALL_OBJECT) {
        return vv_error_set(err, VV_ECORRUPT, "session: too large (%zu bytes)", object.len);
    }
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_SESSION, repo, &r, err));
    struct session_record s;
    vv_get_copy(&r, s.session.b, sizeof(s.session.b));
    uint8_t kind = vv_get_u8(&r);
    vv_get_copy(&r, s.client.b, sizeof(s.client.b));
    s.time = (int64_t)vv_get_u64(&r);
    s.beat = vv_get_u64(&r);
    vv_get_copy(&r, s.nonce, sizeof(s.nonce));
    s.snapshot_count = vv_get_u32(&r);
    s.snapshots = vv_get_bytes(&r, s.snapshot_count, 16);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "session: wrong length");
    }
    if (kind < SESSION_BACKUP || kind > SESSION_ADMIN) {
        return vv_error_set(err, VV_EUNSUPPORTED, "session: unknown kind %u", kind);
    }
    s.kind = (enum session_kind)kind;
    if (s.snapshot_count != 0 && s.kind != SESSION_READER) {
        return vv_error_set(err, VV_ECORRUPT, "session: only readers name snapshots");
    }
    *ret = s;
    return VV_OK;
}
