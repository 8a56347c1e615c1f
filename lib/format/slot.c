/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots: how a session ended. */
#include "format/slot.h"

#include "format/format_internal.h"

/* Are these exactly ${count} length-prefixed records? */
static bool
records_ok(struct vv_span records, uint32_t count)
{
    struct vv_reader r = vv_reader(records.data, records.len);
    struct vv_span record;
    uint32_t found = 0;
    while (slot_next_record(&r, &record)) {
        found++;
    }
    return vv_reader_done(&r) && found == count;
}

enum vv_rc
slot_encode(const struct slot *s, const struct vv_uuid *repo, struct vv_buf *out,
            struct vv_error *err)
{
    static const uint8_t nothing[1];
    struct vv_span records = s->records.len > 0 ? s->records : vv_span(nothing, 0);
    if (s->status < SLOT_RECORDS || s->status > SLOT_FENCE ||
        (s->status == SLOT_RECORDS) != (s->record_count > 0) ||
        !records_ok(records, s->record_count)) {
        return vv_error_set(err, VV_EUSAGE, "snapshot slot: impossible content");
    }
    if (records.len > LIMIT_SLOT - 256) {
        return vv_error_set(err, VV_ELIMIT, "snapshot slot: %zu bytes of records are too many",
                            records.len);
    }
    container_begin(out, FORMAT_SLOT, repo);
    vv_buf_put(out, s->session.b, sizeof(s->session.b));
    vv_buf_put_u8(out, (uint8_t)s->status);
    vv_buf_put(out, s->nonce, sizeof(s->nonce));
    vv_buf_put_u32(out, s->record_count);
    vv_buf_put(out, records.data, records.len);
    return vv_buf_check(out, err);
}

void
slot_append_record(struct vv_buf *records, struct vv_span record)
{
    if (record.len > LIMIT_SLOT) {
        records->failed = true;
        return;
    }
    vv_buf_put_u32(records, (uint32_t)record.len);
    vv_buf_put(records, record.data, record.len);
}

bool
slot_next_record(struct vv_reader *r, struct vv_span *ret)
{
    if (vv_reader_left(r) == 0) {
        return false;
    }
    uint32_t len = vv_get_u32(r);
    struct vv_span record = vv_get_bytes(r, len, 1);
    if (r->failed || len == 0) {
        r->failed = true;
        return false;
    }
    *ret = record;
    return true;
}

enum vv_rc
slot_decode(struct vv_span object, const struct vv_uuid *repo, struct slot *ret,
            struct vv_error *err)
{
    if (object.len > LIMIT_SLOT) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot slot: too large (%zu bytes)", object.len);
    }
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_SLOT, repo, &r, err));
    struct slot s;
    vv_get_copy(&r, s.session.b, sizeof(s.session.b));
    uint8_t status = vv_get_u8(&r);
    vv_get_copy(&r, s.nonce, sizeof(s.nonce));
    s.record_count = vv_get_u32(&r);
    if (r.failed) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot slot: too short");
    }
    if (status < SLOT_RECORDS || status > SLOT_FENCE) {
        return vv_error_set(err, VV_EUNSUPPORTED, "snapshot slot: unknown status %u", status);
    }
    s.status = (enum slot_status)status;
    size_t left = vv_reader_left(&r);
    size_t signature = s.status == SLOT_FENCE ? FORMAT_SIGNATURE_LEN : 0;
    if (left < signature || (s.status == SLOT_RECORDS) != (s.record_count > 0)) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot slot: impossible content");
    }
    s.records = vv_span(r.at, left - signature);
    if (!records_ok(s.records, s.record_count)) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot slot: records and count do not agree");
    }
    *ret = s;
    return VV_OK;
}
