/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands inside administrator's records, one codec a type; those of retention are in
 * admin_retention.c, graves in admin_grave.c. */
#include <string.h>

#include "format/admin.h"
#include "format/format_internal.h"
#include "format/key_slot.h"
#include "format/pack.h"

#define RECIPIENT_LEN (16u + 1u + PACK_SEALED_LEN)
#define PACK_NAME_LEN 48u

void
certificate_encode(const struct certificate *c, struct vv_buf *out)
{
    vv_buf_put(out, c->client.b, sizeof(c->client.b));
    vv_buf_put_u8(out, c->role);
    vv_buf_put(out, c->ed25519, sizeof(c->ed25519));
    vv_buf_put(out, c->x25519, sizeof(c->x25519));
    label_put(out, c->name);
}

enum vv_rc
certificate_decode(struct vv_span payload, struct certificate *ret, struct vv_error *err)
{
    struct certificate c;
    struct vv_reader r = vv_reader(payload.data, payload.len);
    vv_get_copy(&r, c.client.b, sizeof(c.client.b));
    c.role = vv_get_u8(&r);
    vv_get_copy(&r, c.ed25519, sizeof(c.ed25519));
    vv_get_copy(&r, c.x25519, sizeof(c.x25519));
    bool name_ok = label_get(&r, c.name);
    if (!name_ok || !vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "certificate: impossible content");
    }
    if (c.role < KEY_ROLE_ADMIN || c.role > KEY_ROLE_WRITER) {
        return vv_error_set(err, VV_EUNSUPPORTED, "certificate: unknown role %u", c.role);
    }
    *ret = c;
    return VV_OK;
}

void
revocation_encode(const struct revocation *r, struct vv_buf *out)
{
    vv_buf_put(out, r->client.b, sizeof(r->client.b));
    vv_buf_put_u64(out, r->since);
}

enum vv_rc
revocation_decode(struct vv_span payload, struct revocation *ret, struct vv_error *err)
{
    struct revocation revocation;
    struct vv_reader r = vv_reader(payload.data, payload.len);
    vv_get_copy(&r, revocation.client.b, sizeof(revocation.client.b));
    revocation.since = vv_get_u64(&r);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "revocation: wrong length");
    }
    *ret = revocation;
    return VV_OK;
}

void
epoch_encode(const struct epoch_record *e, struct vv_buf *out)
{
    if (e->recipients.len != (uint64_t)e->recipient_count * RECIPIENT_LEN) {
        out->failed = true;
        return;
    }
    vv_buf_put_u32(out, e->number);
    vv_buf_put(out, e->x25519, sizeof(e->x25519));
    vv_buf_put_u32(out, e->recipient_count);
    if (e->recipients.len > 0) {
        vv_buf_put(out, e->recipients.data, e->recipients.len);
    }
}

enum vv_rc
epoch_decode(struct vv_span payload, struct epoch_record *ret, struct vv_error *err)
{
    struct epoch_record e;
    struct vv_reader r = vv_reader(payload.data, payload.len);
    e.number = vv_get_u32(&r);
    vv_get_copy(&r, e.x25519, sizeof(e.x25519));
    e.recipient_count = vv_get_u32(&r);
    e.recipients = vv_get_bytes(&r, e.recipient_count, RECIPIENT_LEN);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "epoch: wrong length");
    }
    for (size_t at = 16; at < e.recipients.len; at += RECIPIENT_LEN) {
        uint8_t what = e.recipients.data[at];
        if (what < 1 || what > 2) {
            return vv_error_set(err, VV_EUNSUPPORTED, "epoch: unknown kind of secret %u", what);
        }
    }
    *ret = e;
    return VV_OK;
}

void
epoch_recipient_put(const struct epoch_recipient *to, struct vv_buf *out)
{
    vv_buf_put(out, to->client.b, sizeof(to->client.b));
    vv_buf_put_u8(out, to->what);
    vv_buf_put(out, to->sealed, sizeof(to->sealed));
}

void
epoch_recipient_at(const struct epoch_record *e, uint32_t i, struct epoch_recipient *ret)
{
    const uint8_t *at = e->recipients.data + (size_t)i * RECIPIENT_LEN;

    memcpy(ret->client.b, at, 16);
    ret->what = at[16];
    memcpy(ret->sealed, at + 17, sizeof(ret->sealed));
}

enum vv_rc
counted_list_open(struct vv_span payload, size_t item_len, const char *what, struct vv_reader *ret,
                  uint32_t *ret_count, struct vv_error *err)
{
    struct vv_reader r = vv_reader(payload.data, payload.len);
    uint32_t count = vv_get_u32(&r);
    if (r.failed || vv_reader_left(&r) != (uint64_t)count * item_len) {
        return vv_error_set(err, VV_ECORRUPT, "%s: count and length do not agree", what);
    }
    *ret = r;
    *ret_count = count;
    return VV_OK;
}

void
pack_list_encode(const struct pack_name *names, uint32_t count, struct vv_buf *out)
{
    vv_buf_put_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        vv_buf_put(out, names[i].hash.b, sizeof(names[i].hash.b));
        vv_buf_put(out, names[i].suffix.b, sizeof(names[i].suffix.b));
    }
}

enum vv_rc
pack_list_open(struct vv_span payload, struct vv_reader *ret, uint32_t *ret_count,
               struct vv_error *err)
{
    return counted_list_open(payload, PACK_NAME_LEN, "list of packs", ret, ret_count, err);
}

void
pack_list_next(struct vv_reader *r, struct pack_name *ret)
{
    vv_get_copy(r, ret->hash.b, sizeof(ret->hash.b));
    vv_get_copy(r, ret->suffix.b, sizeof(ret->suffix.b));
}
