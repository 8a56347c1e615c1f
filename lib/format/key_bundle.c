/* SPDX-License-Identifier: BSD-2-Clause */
/* The key bundle inside a key slot: tagged fields. */
#include <assert.h>
#include <string.h>

#include "crypto/secret.h"
#include "format/key_slot.h"

#define CHUNK_KEYS_LEN (4u * 32u + 32u)
#define WRITER_EPOCH_LEN (4u + 32u + 32u)
#define READER_EPOCH_LEN (WRITER_EPOCH_LEN + 32u)
#define BUNDLE_LEN_MAX                                                                             \
    (11u * 6u + 8u + 16u + 7u * 32u + CHUNK_KEYS_LEN + LIMIT_EPOCHS * (6u + READER_EPOCH_LEN))

static_assert(BUNDLE_LEN_MAX < LIMIT_KEY_SLOT - 1024, "a slot has room for all epochs");

#define BIT(tag) (1u << (tag))
#define COMMON_FIELDS (BIT(BUNDLE_ROLE) | BIT(BUNDLE_CONFIG_HASH) | BIT(BUNDLE_ADMIN_PUBLIC))
#define ADMIN_FIELDS (COMMON_FIELDS | BIT(BUNDLE_MASTER) | BIT(BUNDLE_ADMIN_SEED))
#define CLIENT_FIELDS                                                                              \
    (COMMON_FIELDS | BIT(BUNDLE_CLIENT) | BIT(BUNDLE_CLIENT_SEED) | BIT(BUNDLE_CLIENT_X25519) |    \
     BIT(BUNDLE_CHUNK_KEYS) | BIT(BUNDLE_INDEX_KEY) | BIT(BUNDLE_EPOCH))

static void
put_epoch(const struct epoch_keys *e, enum key_role role, struct vv_buf *out)
{
    uint8_t value[READER_EPOCH_LEN];

    vv_store_u32(value, e->number);
    memcpy(value + 4, e->public_key, 32);
    memcpy(value + 36, e->writer, 32);
    memcpy(value + 68, e->reader, 32);
    field_put(out, BUNDLE_EPOCH, value,
              role == KEY_ROLE_READER ? READER_EPOCH_LEN : WRITER_EPOCH_LEN);
    crypto_wipe(value, sizeof(value));
}

static void
put_client_fields(const struct key_bundle *b, struct vv_buf *out)
{
    uint8_t chunk_keys[CHUNK_KEYS_LEN];

    field_put(out, BUNDLE_CLIENT, b->client.b, sizeof(b->client.b));
    field_put(out, BUNDLE_CLIENT_SEED, b->client_seed, sizeof(b->client_seed));
    field_put(out, BUNDLE_CLIENT_X25519, b->client_x25519, sizeof(b->client_x25519));
    memcpy(chunk_keys, b->id_keys, sizeof(b->id_keys));
    memcpy(chunk_keys + sizeof(b->id_keys), b->chunker_key, 32);
    field_put(out, BUNDLE_CHUNK_KEYS, chunk_keys, sizeof(chunk_keys));
    crypto_wipe(chunk_keys, sizeof(chunk_keys));
    field_put(out, BUNDLE_INDEX_KEY, b->index_key, sizeof(b->index_key));
    for (uint32_t i = 0; i < b->epoch_count; i++) {
        put_epoch(&b->epochs[i], b->role, out);
    }
}

enum vv_rc
key_bundle_encode(const struct key_bundle *b, struct vv_buf *out, struct vv_error *err)
{
    if (b->role < KEY_ROLE_ADMIN || b->role > KEY_ROLE_WRITER || b->epoch_count > LIMIT_EPOCHS) {
        return vv_error_set(err, VV_EUSAGE, "key bundle: impossible role or number of epochs");
    }
    /* In one piece: growing would leave copies of the keys behind in freed memory. */
    VV_TRY(vv_buf_reserve(out, BUNDLE_LEN_MAX, err));
    field_put_u64(out, BUNDLE_ROLE, (uint64_t)b->role);
    field_put(out, BUNDLE_CONFIG_HASH, b->config_hash, sizeof(b->config_hash));
    field_put(out, BUNDLE_ADMIN_PUBLIC, b->admin_public, sizeof(b->admin_public));
    if (b->role == KEY_ROLE_ADMIN) {
        field_put(out, BUNDLE_MASTER, b->master, sizeof(b->master));
        field_put(out, BUNDLE_ADMIN_SEED, b->admin_seed, sizeof(b->admin_seed));
    } else {
        put_client_fields(b, out);
    }
    return vv_buf_check(out, err);
}

/** Where a field of fixed length belongs; NULL if the tag is not one of them. */
static uint8_t *
field_target(struct key_bundle *b, uint16_t tag, size_t *ret_len)
{
    *ret_len = 32;
    switch (tag) {
    case BUNDLE_CONFIG_HASH:
        return b->config_hash;
    case BUNDLE_ADMIN_PUBLIC:
        return b->admin_public;
    case BUNDLE_MASTER:
        return b->master;
    case BUNDLE_ADMIN_SEED:
        return b->admin_seed;
    case BUNDLE_CLIENT:
        *ret_len = sizeof(b->client.b);
        return b->client.b;
    case BUNDLE_CLIENT_SEED:
        return b->client_seed;
    case BUNDLE_CLIENT_X25519:
        return b->client_x25519;
    case BUNDLE_INDEX_KEY:
        return b->index_key;
    default:
        return NULL;
    }
}

static enum vv_rc
wrong_length(uint16_t tag, struct vv_error *err)
{
    return vv_error_set(err, VV_ECORRUPT, "key bundle: field %u has a wrong length", tag);
}

static enum vv_rc
take_role(struct key_bundle *b, struct vv_span value, struct vv_error *err)
{
    uint64_t role;

    if (!field_u64(value, &role)) {
        return wrong_length(BUNDLE_ROLE, err);
    }
    if (role < KEY_ROLE_ADMIN || role > KEY_ROLE_WRITER) {
        return vv_error_set(err, VV_EUNSUPPORTED,
                            "key bundle: role %llu is not supported by this version",
                            (unsigned long long)role);
    }
    b->role = (enum key_role)role;
    return VV_OK;
}

static enum vv_rc
take_epoch(struct key_bundle *b, struct vv_span value, struct vv_error *err)
{
    struct epoch_keys *e;
    size_t len = b->role == KEY_ROLE_READER ? READER_EPOCH_LEN : WRITER_EPOCH_LEN;

    if (value.len != len) {
        return wrong_length(BUNDLE_EPOCH, err);
    }
    if (b->epoch_count == LIMIT_EPOCHS) {
        return vv_error_set(err, VV_ECORRUPT, "key bundle: too many epochs");
    }
    e = &b->epochs[b->epoch_count];
    e->number = vv_load_u32(value.data);
    if (e->number >= LIMIT_EPOCHS ||
        (b->epoch_count > 0 && e->number <= b->epochs[b->epoch_count - 1].number)) {
        return vv_error_set(err, VV_ECORRUPT, "key bundle: epochs out of order");
    }
    memcpy(e->public_key, value.data + 4, 32);
    memcpy(e->writer, value.data + 36, 32);
    if (b->role == KEY_ROLE_READER) {
        memcpy(e->reader, value.data + 68, 32);
    }
    b->epoch_count++;
    return VV_OK;
}

static enum vv_rc
take_field(struct key_bundle *b, uint16_t tag, struct vv_span value, struct vv_error *err)
{
    size_t len;
    uint8_t *target = field_target(b, tag, &len);

    if (tag == BUNDLE_ROLE) {
        return take_role(b, value, err);
    }
    if (tag == BUNDLE_EPOCH) {
        return take_epoch(b, value, err);
    }
    if (tag == BUNDLE_CHUNK_KEYS) {
        if (value.len != CHUNK_KEYS_LEN) {
            return wrong_length(tag, err);
        }
        memcpy(b->id_keys, value.data, sizeof(b->id_keys));
        memcpy(b->chunker_key, value.data + sizeof(b->id_keys), 32);
        return VV_OK;
    }
    if (target != NULL) {
        if (value.len != len) {
            return wrong_length(tag, err);
        }
        memcpy(target, value.data, value.len);
        return VV_OK;
    }
    return (tag & FIELD_OPTIONAL) != 0
               ? VV_OK
               : vv_error_set(err, VV_EUNSUPPORTED, "key bundle: unknown field %u", tag);
}

static enum vv_rc
decode_fields(struct vv_span plain, struct key_bundle *b, struct vv_error *err)
{
    unsigned found = 0;
    uint16_t last = 0;
    uint16_t tag;
    struct vv_span value;
    struct vv_reader r = vv_reader(plain.data, plain.len);
    while (field_next(&r, &tag, &value)) {
        if (tag < last || (tag < 16 && tag != BUNDLE_EPOCH && (found & BIT(tag)) != 0)) {
            return vv_error_set(err, VV_ECORRUPT, "key bundle: field %u out of order", tag);
        }
        last = tag;
        VV_TRY(take_field(b, tag, value, err));
        if (tag < 16) {
            found |= BIT(tag);
        }
    }
    if (!vv_reader_done(&r) ||
        found != (b->role == KEY_ROLE_ADMIN ? ADMIN_FIELDS : CLIENT_FIELDS)) {
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
