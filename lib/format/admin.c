/* SPDX-License-Identifier: BSD-2-Clause */
/* The objects an administrator signs or a site carries: the record around every payload, condemned
 * lists and `site`. */
#include "format/admin.h"

#include "format/format_internal.h"

enum vv_rc
admin_encode(const struct admin_record *a, const struct vv_uuid *repo, struct vv_buf *out,
             struct vv_error *err)
{
    if (a->type < ADMIN_CERTIFICATE || a->type > ADMIN_ACCEPTED) {
        return vv_error_set(err, VV_EUSAGE, "administrator's record: impossible type");
    }
    if (a->payload.len > LIMIT_ADMIN - 256) {
        return vv_error_set(err, VV_ELIMIT, "administrator's record: %zu bytes are too many",
                            a->payload.len);
    }
    container_begin(out, FORMAT_ADMIN, repo);
    vv_buf_put(out, a->site.b, sizeof(a->site.b));
    vv_buf_put_u8(out, (uint8_t)a->type);
    vv_buf_put_u64(out, (uint64_t)a->time);
    vv_buf_put(out, a->nonce, sizeof(a->nonce));
    vv_buf_put_u32(out, (uint32_t)a->payload.len);
    if (a->payload.len > 0) {
        vv_buf_put(out, a->payload.data, a->payload.len);
    }
    return vv_buf_check(out, err);
}

enum vv_rc
admin_decode(struct vv_span object, const struct vv_uuid *repo, struct admin_record *ret,
             struct vv_error *err)
{
    if (object.len > LIMIT_ADMIN) {
        return vv_error_set(err, VV_ECORRUPT, "administrator's record: too large (%zu bytes)",
                            object.len);
    }
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_ADMIN, repo, &r, err));
    struct admin_record a;
    vv_get_copy(&r, a.site.b, sizeof(a.site.b));
    uint8_t type = vv_get_u8(&r);
    a.time = (int64_t)vv_get_u64(&r);
    vv_get_copy(&r, a.nonce, sizeof(a.nonce));
    uint32_t len = vv_get_u32(&r);
    a.payload = vv_get_bytes(&r, len, 1);
    (void)vv_get_bytes(&r, FORMAT_SIGNATURE_LEN, 1);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "administrator's record: wrong length");
    }
    if (type < ADMIN_CERTIFICATE || type > ADMIN_ACCEPTED) {
        return vv_error_set(err, VV_EUNSUPPORTED, "administrator's record: unknown type %u", type);
    }
    a.type = (enum admin_type)type;
    if (a.type != ADMIN_GRAVE && object.len > LIMIT_SMALL_OBJECT) {
        return vv_error_set(err, VV_ECORRUPT, "administrator's record: too large (%zu bytes)",
                            object.len);
    }
    *ret = a;
    return VV_OK;
}

enum vv_rc
condemned_encode(const struct condemned *c, const struct vv_uuid *repo, struct vv_buf *out,
                 struct vv_error *err)
{
    struct vv_reader names;
    uint32_t count = 0;
    VV_TRY(pack_list_open(c->packs, &names, &count, err));
    if (c->packs.len > LIMIT_CONDEMNED - 256) {
        return vv_error_set(err, VV_ELIMIT, "condemned list: %u packs are too many", count);
    }
    container_begin(out, FORMAT_CONDEMNED, repo);
    vv_buf_put(out, c->session.b, sizeof(c->session.b));
    vv_buf_put(out, c->nonce, sizeof(c->nonce));
    vv_buf_put(out, c->packs.data, c->packs.len);
    return vv_buf_check(out, err);
}

enum vv_rc
condemned_decode(struct vv_span object, const struct vv_uuid *repo, struct condemned *ret,
                 struct vv_error *err)
{
    if (object.len > LIMIT_CONDEMNED) {
        return vv_error_set(err, VV_ECORRUPT, "condemned list: too large (%zu bytes)", object.len);
    }
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_CONDEMNED, repo, &r, err));
    struct condemned c;
    vv_get_copy(&r, c.session.b, sizeof(c.session.b));
    vv_get_copy(&r, c.nonce, sizeof(c.nonce));
    if (vv_reader_left(&r) < FORMAT_SIGNATURE_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "condemned list: too short");
    }
    c.packs = vv_get_bytes(&r, vv_reader_left(&r) - FORMAT_SIGNATURE_LEN, 1);
    struct vv_reader names;
    uint32_t count = 0;
    VV_TRY(pack_list_open(c.packs, &names, &count, err));
    *ret = c;
    return VV_OK;
}

enum vv_rc
site_encode(const struct site *s, const struct vv_uuid *repo, struct vv_buf *out,
            struct vv_error *err)
{
    container_begin(out, FORMAT_SITE, repo);
    vv_buf_put(out, s->id.b, sizeof(s->id.b));
    vv_buf_put_u64(out, (uint64_t)s->time);
    vv_buf_put_u32(out, s->abilities);
    return container_finish(out, err);
}

enum vv_rc
site_decode(struct vv_span object, const struct vv_uuid *repo, struct site *ret,
            struct vv_error *err)
{
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_SITE, repo, &r, err));
    struct site s;
    vv_get_copy(&r, s.id.b, sizeof(s.id.b));
    s.time = (int64_t)vv_get_u64(&r);
    s.abilities = vv_get_u32(&r);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "site: wrong length");
    }
    *ret = s;
    return VV_OK;
}
