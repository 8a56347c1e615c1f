/* SPDX-License-Identifier: BSD-2-Clause */
/* Key slots: how the key bundle is wrapped, and the copy of config beside it. */
#include "format/key_slot.h"

#include <string.h>

#include "core/text.h"
#include "format/envelope.h"
#include "format/format_internal.h"

/* Argon2id parameters fit the type and lie between floor and cap. */
static enum vv_rc
check_parameters(const struct key_slot *s, struct vv_error *err)
{
    if (s->type != KEY_SLOT_PASSPHRASE) {
        if (s->passes != 0 || s->memory_kib != 0) {
            return vv_error_set(err, VV_ECORRUPT,
                                "key slot: Argon2id parameters without a passphrase");
        }
        return VV_OK;
    }
    if (s->passes < ARGON2_FLOOR_PASSES || s->memory_kib < ARGON2_FLOOR_KIB) {
        return vv_error_set(err, VV_EREFUSED,
                            "key slot: Argon2id parameters too weak (%u passes, %u KiB)", s->passes,
                            s->memory_kib);
    }
    if (s->passes > ARGON2_CAP_PASSES || s->memory_kib > ARGON2_CAP_KIB) {
        return vv_error_set(err, VV_EREFUSED,
                            "key slot: Argon2id parameters out of bounds (%u passes, %u KiB)",
                            s->passes, s->memory_kib);
    }
    return VV_OK;
}

enum vv_rc
key_slot_encode_prefix(const struct key_slot *s, struct vv_buf *out, struct vv_error *err)
{
    size_t label_len = strnlen(s->label, sizeof(s->label));
    if (s->type < KEY_SLOT_PASSPHRASE || s->type > KEY_SLOT_RECOVERY || label_len > LIMIT_LABEL ||
        !vv_utf8_valid(vv_span(s->label, label_len))) {
        return vv_error_set(err, VV_EUSAGE,
                            "key slot: impossible type, or a label that is no text");
    }
    if (s->config.len == 0 || s->config.len > LIMIT_CONFIG) {
        return vv_error_set(err, VV_EUSAGE, "key slot: config of %zu bytes", s->config.len);
    }
    VV_TRY(check_parameters(s, err));
    container_begin(out, FORMAT_KEY_SLOT, &s->repository);
    vv_buf_put_u8(out, (uint8_t)s->type);
    vv_buf_put_u64(out, (uint64_t)s->created);
    label_put(out, s->label);
    vv_buf_put_u32(out, s->passes);
    vv_buf_put_u32(out, s->memory_kib);
    vv_buf_put(out, s->salt, sizeof(s->salt));
    vv_buf_put_u16(out, (uint16_t)s->config.len);
    vv_buf_put(out, s->config.data, s->config.len);
    return vv_buf_check(out, err);
}

enum vv_rc
key_slot_decode(struct vv_span object, struct key_slot *ret, struct vv_error *err)
{
    if (object.len > LIMIT_KEY_SLOT) {
        return vv_error_set(err, VV_ECORRUPT, "key slot: too large (%zu bytes)", object.len);
    }
    struct vv_reader r;
    VV_TRY(container_open(object, FORMAT_KEY_SLOT, NULL, &r, err));
    struct key_slot s = {.repository = header_repository(object)};
    uint8_t type = vv_get_u8(&r);
    s.created = (int64_t)vv_get_u64(&r);
    bool label_ok = label_get(&r, s.label);
    s.passes = vv_get_u32(&r);
    s.memory_kib = vv_get_u32(&r);
    vv_get_copy(&r, s.salt, sizeof(s.salt));
    uint16_t config_len = vv_get_u16(&r);
    s.config = vv_get_bytes(&r, config_len, 1);
    s.envelope = vv_get_bytes(&r, vv_reader_left(&r), 1);
    if (!label_ok || !vv_reader_done(&r) || config_len == 0 || config_len > LIMIT_CONFIG) {
        return vv_error_set(err, VV_ECORRUPT, "key slot: impossible content");
    }
    if (type < KEY_SLOT_PASSPHRASE || type > KEY_SLOT_RECOVERY) {
        return vv_error_set(err, VV_EUNSUPPORTED, "key slot: unknown type %u", type);
    }
    s.type = (enum key_slot_type)type;
    VV_TRY(check_parameters(&s, err));
    struct envelope envelope;
    VV_TRY(envelope_decode(s.envelope, &envelope, err));
    s.prefix = vv_span(object.data, (size_t)(s.envelope.data - object.data));
    *ret = s;
    return VV_OK;
}
