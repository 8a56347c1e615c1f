/* SPDX-License-Identifier: BSD-2-Clause */
/* Derivation of every key of a repository, once, at opening.  Labels: varve-format(5). */

#include "repo/keyring.h"

#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

/** Everything secret, in one piece of guarded memory. */
struct keyring_secrets {
    struct key_bundle bundle;
    uint8_t id[5][32]; /* by chunk_type */
    uint8_t index[32];
    uint8_t level[16];
    uint8_t chunker_key[32];
    uint8_t admin_secret[64];
    struct chunker chunker;
};

struct keyring {
    struct config config;
    struct secret *memory;
    struct keyring_secrets *s;
};

/** sub(label [, epoch]) of varve-format(5). */
static void
derive(const struct keyring *k, const char *label, const uint32_t *epoch, uint8_t out[32])
{
    uint8_t number[4] = {0};
    struct vv_span parts[3] = {vv_span(label, strlen(label)),
                               vv_span(k->config.repository.b, sizeof(k->config.repository.b)),
                               vv_span(number, sizeof(number))};

    if (epoch != NULL) {
        vv_store_u32(number, *epoch);
    }
    blake2b_256(k->s->bundle.master, sizeof(k->s->bundle.master), parts, epoch != NULL ? 3 : 2,
                out);
}

static void
derive_chunker(struct keyring *k)
{
    uint8_t table[2048];
    uint8_t level[32];
    uint8_t number[4];
    struct vv_span gear[2] = {vv_span("varve gear", 10), vv_span(number, sizeof(number))};
    struct vv_span level_label = vv_span("varve level", 11);

    derive(k, "varve chunker", NULL, k->s->chunker_key);
    for (uint32_t i = 0; i < 64; i++) {
        vv_store_u32(number, i);
        blake2b_256(k->s->chunker_key, 32, gear, 2, table + (size_t)i * 32);
    }
    chunker_init(&k->s->chunker, table, k->config.chunk_min, k->config.chunk_max,
                 k->config.chunk_threshold);
    blake2b_256(k->s->chunker_key, 32, &level_label, 1, level);
    memcpy(k->s->level, level, sizeof(k->s->level));
    crypto_wipe(table, sizeof(table));
    crypto_wipe(level, sizeof(level));
}

enum vv_rc
keyring_new(const struct key_bundle *bundle, const struct config *config, struct keyring **ret,
            struct vv_error *err)
{
    static const char *const id_labels[5] = {NULL, "varve id data", "varve id node",
                                             "varve id list", "varve id record"};
    VV_CLEANUP(keyring_freep) struct keyring *k = vv_alloc_array(1, sizeof(*k));
    uint8_t admin_public[32];

    if (k == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(secret_new(sizeof(*k->s), &k->memory, err));
    k->s = (struct keyring_secrets *)(void *)secret_data(k->memory);
    k->config = *config;
    k->s->bundle = *bundle;
    for (unsigned type = CHUNK_DATA; type <= CHUNK_RECORD; type++) {
        derive(k, id_labels[type], NULL, k->s->id[type]);
    }
    derive(k, "varve index", NULL, k->s->index);
    derive_chunker(k);
    ed25519_from_seed(bundle->admin_seed, admin_public, k->s->admin_secret);
    if (!crypto_equal(admin_public, bundle->admin_public, 32) ||
        !crypto_equal(admin_public, config->admin_public, 32)) {
        return vv_error_set(err, VV_EFORGED,
                            "the administrator's key in 'config' is not the one in the key slot");
    }
    *ret = TAKE(k);
    return VV_OK;
}

enum vv_rc
keyring_new_public(const struct config *config, struct keyring **ret, struct vv_error *err)
{
    struct keyring *k = vv_alloc_array(1, sizeof(*k));

    if (k == NULL) {
        return vv_error_nomem(err);
    }
    k->config = *config;
    *ret = k;
    return VV_OK;
}

bool
keyring_is_public(const struct keyring *k)
{
    return k->s == NULL;
}

void
keyring_free(struct keyring *k)
{
    if (k == NULL) {
        return;
    }
    secret_free(k->memory);
    vv_free(k);
}

const struct config *
keyring_config(const struct keyring *k)
{
    return &k->config;
}

const struct key_bundle *
keyring_bundle(const struct keyring *k)
{
    return &k->s->bundle;
}

const uint8_t *
keyring_id_key(const struct keyring *k, enum chunk_type type)
{
    return k->s->id[type];
}

const uint8_t *
keyring_index_key(const struct keyring *k)
{
    return k->s->index;
}

const struct chunker *
keyring_chunker(const struct keyring *k)
{
    return &k->s->chunker;
}

const uint8_t *
keyring_level_key(const struct keyring *k)
{
    return k->s->level;
}

void
keyring_local_key(const struct keyring *k, const char *purpose, uint8_t out[32])
{
    struct vv_span parts[3] = {vv_span("varve local", 11), vv_span(k->config.repository.b, 16),
                               vv_span(purpose, strlen(purpose))};

    blake2b_256(k->s->bundle.master, 32, parts, 3, out);
}

void
chunk_id(const struct keyring *k, enum chunk_type type, struct vv_span data, struct vv_id *ret)
{
    blake2b_256(keyring_id_key(k, type), 32, &data, 1, ret->b);
}

void
keyring_epoch_public(const struct keyring *k, uint32_t epoch, uint8_t out[32])
{
    uint8_t secret[32];

    derive(k, "varve reader", &epoch, secret);
    x25519_public(secret, out);
    crypto_wipe(secret, sizeof(secret));
}

void
keyring_pack_key(const struct keyring *k, uint32_t epoch, const uint8_t secret[32], uint8_t out[32])
{
    uint8_t writer[32];
    struct vv_span parts[3] = {vv_span("varve pack", 10), vv_span(secret, 32),
                               vv_span(k->config.repository.b, 16)};

    derive(k, "varve writer", &epoch, writer);
    blake2b_256(writer, 32, parts, 3, out);
    crypto_wipe(writer, sizeof(writer));
}

bool
keyring_unseal(const struct keyring *k, uint32_t epoch, struct vv_span sealed, uint8_t *out)
{
    uint8_t secret[32];
    uint8_t public_key[32];
    bool ok;

    derive(k, "varve reader", &epoch, secret);
    x25519_public(secret, public_key);
    ok = open_box(public_key, secret, sealed, out);
    crypto_wipe(secret, sizeof(secret));
    return ok;
}

enum vv_rc
keyring_open_pack(const struct keyring *k, const uint8_t header_bytes[PACK_HEADER_LEN],
                  struct pack_header *ret_header, uint8_t out_key[32], struct vv_error *err)
{
    struct pack_header header;
    uint8_t secret[32];
    uint8_t key[32];
    uint8_t commitment[32];
    struct vv_span parts[2] = {vv_span("varve commitment", 16),
                               vv_span(header_bytes, PACK_COMMITTED_LEN)};

    VV_TRY(pack_header_decode(header_bytes, &k->config.repository, &header, err));
    if (!keyring_unseal(k, header.epoch, vv_span(header.sealed, sizeof(header.sealed)), secret)) {
        return vv_error_set(err, VV_ECORRUPT, "pack header: the sealed secret does not open");
    }
    keyring_pack_key(k, header.epoch, secret, key);
    crypto_wipe(secret, sizeof(secret));
    blake2b_256(key, 32, parts, 2, commitment);
    if (!crypto_equal(commitment, header.commitment, 32)) {
        crypto_wipe(key, sizeof(key));
        return vv_error_set(err, VV_ECORRUPT, "pack header: the commitment does not fit");
    }
    *ret_header = header;
    memcpy(out_key, key, 32);
    crypto_wipe(key, sizeof(key));
    return VV_OK;
}

void
keyring_admin_sign(const struct keyring *k, struct vv_span message, uint8_t out[64])
{
    ed25519_sign(k->s->admin_secret, message, out);
}

const uint8_t *
keyring_admin_public(const struct keyring *k)
{
    return k->config.admin_public;
}

bool
keyring_admin_verify_object(const struct keyring *k, struct vv_span object)
{
    struct vv_span message;
    struct vv_span signature;

    return container_signed_part(object, &message, &signature) &&
           ed25519_verify(k->config.admin_public, message, signature.data);
}
