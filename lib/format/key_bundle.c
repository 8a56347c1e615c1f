/* SPDX-License-Identifier: BSD-2-Clause */
/* The key bundle inside a key slot: tagged fields. */
#include <string.h>

#include "crypto/secret.h"
#include "format/key_slot.h"

#define BUNDLE_LEN (6u + 8u + 4u * (6u + 32u))

enum vv_rc
key_bundle_encode(const struct key_bundle *b, struct vv_buf *out, struct vv_error *err)
{
    if (b->role != KEY_ROLE_ADMIN) {
        return vv_error_set(err, VV_EUNSUPPORTED, "key bundle: role %u is not supported yet",
                            (unsigned)b->role);
    }
    /* In one piece: growing would leave copies of the keys behind in freed memory. */
    VV_TRY(vv_buf_reserve(out, BUNDLE_LEN, err));
    field_put_u64(out, BUNDLE_ROLE, (uint64_t)b->role);
    field_put(out, BUNDLE_CONFIG_HASH, b->config_hash, sizeof(b->config_hash));
    field_put(out, BUNDLE_ADMIN_PUBLIC, b->admin_public, sizeof(b->admin_public));
    field_put(out, BUNDLE_MASTER, b->master, sizeof(b->master));
    field_put(out, BUNDLE_ADMIN_SEED, b->admin_seed, sizeof(b->admin_seed));
    return vv_buf_check(out, err);
}

/* Where a 32-byte field belongs; NULL if the tag is not one of them. */
static uint8_t *
field_target(struct key_bundle *b, uint16_t tag)
{
    switch (tag) {
    case BUNDLE_CONFIG_HASH:
        return b->config_hash;
    case BUNDLE_ADMIN_PUBLIC:
        return b->admin_public;
    case BUNDLE_MASTER:
        return b->master;
    case BUNDLE_ADMIN_SEED:
        return b->admin_seed;
    default:
        return NULL;
    }
}

static enum vv_rc
decode_fields(struct vv_span plain, struct key_bundle *b, struct vv_error *err)
{
    const unsigned wanted = 1u << BUNDLE_ROLE | 1u << BUNDLE_CONFIG_HASH |
                            1u << BUNDLE_ADMIN_PUBLIC | 1u << BUNDLE_MASTER |
                            1u << BUNDLE_ADMIN_SEED;
    unsigned found = 0;
    uint16_t last = 0;
    uint16_t tag;
    struct vv_span value;
    struct vv_reader r = vv_reader(plain.data, plain.len);
    while (field_next(&r, &tag, &value)) {
        if (tag < last || (tag < 16 && (found & 1u << tag) != 0)) {
            return vv_error_set(err, VV_ECORRUPT, "key bundle: field %u out of order", tag);
        }
        last = tag;
        uint8_t *target = field_target(b, tag);
        if (tag == BUNDLE_ROLE) {
            uint64_t role;
            if (!field_u64(value, &role)) {
                return vv_error_set(err, VV_ECORRUPT, "key bundle: field 1 has a wrong length");
            }
            if (role != KEY_ROLE_ADMIN) {
                return vv_error_set(err, VV_EUNSUPPORTED,
                                    "key bundle: role %llu is not supported by this version",
                                    (unsigned long long)role);
            }
            b->role = KEY_ROLE_ADMIN;
        } else if (target != NULL) {
            if (value.len != 32) {
                return vv_error_set(err, VV_ECORRUPT, "key bundle: field %u has a wrong length",
                                    tag);
            }
            memcpy(target, value.data, value.len);
        } else if ((tag & FIELD_OPTIONAL) == 0) {
            return vv_error_set(err, VV_EUNSUPPORTED, "key bundle: unknown field %u", tag);
        }
        if (tag < 16) {
            found |= 1u << tag;
        }
    }
    if (!vv_reader_done(&r) || found != wanted) {
        return vv_error_set(err, VV_ECORRUPT, "key bundle: incomplete");
    }
    return VV_OK;
}

enum vv_rc
key_bundle_decode(struct vv_span plain, struct key_bundle *ret, struct vv_error *err)
{
    struct key_bundle b = {0};
    enum vv_rc rc = decode_fields(plain, &b, err);
    if (rc == VV_OK) {
        *ret = b;
    }
    crypto_wipe(&b, sizeof(b));
    return rc;
}
