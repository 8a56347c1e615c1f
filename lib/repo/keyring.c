/* SPDX-License-Identifier: BSD-2-Clause */
/* Derivation of every key of a repository, once, at opening.  Labels: varve-format(5). */

#include "repo/keyring.h"

#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

/** Everything secret, in one piece of guarded memory. */
struct keyring_secrets {
    struct key_bundle bundle; /* of a reader or writer: with the epochs learned since */
    uint8_t id[5][32];        /* by chunk_type */
    uint8_t index[32];
    uint8_t level[16];
    uint8_t chunker_key[32];
    uint8_t admin_secret[64];
    struct chunker chunker;
};

struct keyring {
    struct config config;
    struct secret *memory; /* NULL: no key at all */
    struct keyring_secrets *s;
    struct vv_mutex *lock; /* guards s->bundle's epochs */
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

/** Keys that never change: an administrator's are derived, others' are in the bundle. */
static void
set_lasting_keys(struct keyring *k)
{
    static const char *const id_labels[5] = {NULL, "varve id data", "varve id node",
                                             "varve id list", "varve id record"};
    const struct key_bundle *b = &k->s->bundle;

    for (unsigned type = CHUNK_DATA; type <= CHUNK_RECORD; type++) {
        if (b->role == KEY_ROLE_ADMIN) {
            derive(k, id_labels[type], NULL, k->s->id[type]);
        } else {
            memcpy(k->s->id[type], b->id_keys[type - CHUNK_DATA], 32);
        }
    }
    if (b->role == KEY_ROLE_ADMIN) {
        derive(k, "varve index", NULL, k->s->index);
        derive(k, "varve chunker", NULL, k->s->chunker_key);
    } else {
        memcpy(k->s->index, b->index_key, 32);
        memcpy(k->s->chunker_key, b->chunker_key, 32);
    }
    derive_chunker(k);
}

enum vv_rc
keyring_new(const struct key_bundle *bundle, const struct config *config, struct keyring **ret,
            struct vv_error *err)
{
    VV_CLEANUP(keyring_freep) struct keyring *k = vv_alloc_array(1, sizeof(*k));
    uint8_t admin_public[32];

    if (k == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(secret_new(sizeof(*k->s), &k->memory, err));
    k->s = (struct keyring_secrets *)(void *)secret_data(k->memory);
    k->lock = vv_alloc_array(1, sizeof(*k->lock));
    if (k->lock == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(k->lock);
    k->config = *config;
    k->s->bundle = *bundle;
    set_lasting_keys(k);
    memcpy(admin_public, bundle->admin_public, 32);
    if (bundle->role == KEY_ROLE_ADMIN) {
        ed25519_from_seed(bundle->admin_seed, admin_public, k->s->admin_secret);
    }
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
    if (k->lock != NULL) {
        vv_mutex_release(k->lock);
        vv_free(k->lock);
    }
    vv_free(k);
}

bool
keyring_may_administer(const struct keyring *k)
{
    return k->s != NULL && k->s->bundle.role == KEY_ROLE_ADMIN;
}

bool
keyring_may_read(const struct keyring *k)
{
    return k->s != NULL && k->s->bundle.role != KEY_ROLE_WRITER;
}

enum vv_rc
keyring_need_admin(const struct keyring *k, const char *what, struct vv_error *err)
{
    return keyring_may_administer(k)
               ? VV_OK
               : vv_error_set(err, VV_EKEY, "%s needs an administrator's key", what);
}

const struct key_bundle *
keyring_client(const struct keyring *k)
{
    return k->s == NULL || k->s->bundle.role == KEY_ROLE_ADMIN ? NULL : &k->s->bundle;
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
    const struct key_bundle *b = &k->s->bundle;

    blake2b_256(b->role == KEY_ROLE_ADMIN ? b->master : b->client_seed, 32, parts, 3, out);
}

void
chunk_id(const struct keyring *k, enum chunk_type type, struct vv_span data, struct vv_id *ret)
{
    blake2b_256(keyring_id_key(k, type), 32, &data, 1, ret->b);
}

/* --- epochs ----------------------------------------------------------------------------------- */

static bool
find_epoch(const struct keyring *k, uint32_t epoch, struct epoch_keys *ret)
{
    bool found = false;

    vv_mutex_lock(k->lock);
    for (uint32_t i = 0; i < k->s->bundle.epoch_count && !found; i++) {
        if (k->s->bundle.epochs[i].number == epoch) {
            *ret = k->s->bundle.epochs[i];
            found = true;
        }
    }
    vv_mutex_unlock(k->lock);
    return found;
}

bool
keyring_epoch_known(const struct keyring *k, uint32_t epoch)
{
    struct epoch_keys keys;
    bool known = keyring_may_administer(k) || find_epoch(k, epoch, &keys);

    crypto_wipe(&keys, sizeof(keys));
    return known;
}

void
keyring_epoch_keys(const struct keyring *k, uint32_t epoch, struct epoch_keys *ret)
{
    if (!keyring_may_administer(k)) {
        bool known = find_epoch(k, epoch, ret);
        assert(known); /* keyring_epoch_known */
        (void)known;
        return;
    }
    ret->number = epoch;
    derive(k, "varve writer", &epoch, ret->writer);
    derive(k, "varve reader", &epoch, ret->reader);
    x25519_public(ret->reader, ret->public_key);
}

void
keyring_learn_epoch(const struct keyring *k, const struct epoch_keys *keys)
{
    struct key_bundle *b = &k->s->bundle;
    uint32_t at = 0;

    vv_mutex_lock(k->lock);
    while (at < b->epoch_count && b->epochs[at].number < keys->number) {
        at++;
    }
    if (b->role != KEY_ROLE_ADMIN && b->epoch_count < LIMIT_EPOCHS &&
        (at == b->epoch_count || b->epochs[at].number != keys->number)) {
        memmove(&b->epochs[at + 1], &b->epochs[at], (b->epoch_count - at) * sizeof(b->epochs[0]));
        b->epochs[at] = *keys;
        b->epoch_count++;
    }
    vv_mutex_unlock(k->lock);
}

void
keyring_issue(const struct keyring *k, const struct key_bundle *client, enum key_role role,
              uint32_t newest, struct key_bundle *ret)
{
    uint32_t first = role == KEY_ROLE_READER ? 0 : newest;

    assert(keyring_may_administer(k) && newest < LIMIT_EPOCHS);
    memset(ret, 0, sizeof(*ret));
    ret->role = role;
    memcpy(ret->config_hash, k->s->bundle.config_hash, 32);
    memcpy(ret->admin_public, k->s->bundle.admin_public, 32);
    ret->client = client->client;
    memcpy(ret->client_seed, client->client_seed, 32);
    memcpy(ret->client_x25519, client->client_x25519, 32);
    memcpy(ret->id_keys, k->s->id[CHUNK_DATA], sizeof(ret->id_keys));
    memcpy(ret->chunker_key, k->s->chunker_key, 32);
    memcpy(ret->index_key, k->s->index, 32);
    for (uint32_t number = first; number <= newest; number++) {
        struct epoch_keys *e = &ret->epochs[ret->epoch_count++];
        keyring_epoch_keys(k, number, e);
        if (role == KEY_ROLE_WRITER) {
            crypto_wipe(e->reader, sizeof(e->reader));
        }
    }
}

void
keyring_epoch_public(const struct keyring *k, uint32_t epoch, uint8_t out[32])
{
    struct epoch_keys keys;

    keyring_epoch_keys(k, epoch, &keys);
    memcpy(out, keys.public_key, 32);
    crypto_wipe(&keys, sizeof(keys));
}

static void
pack_key(const struct keyring *k, const uint8_t writer[32], const uint8_t secret[32],
         uint8_t out[32])
{
    struct vv_span parts[3] = {vv_span("varve pack", 10), vv_span(secret, 32),
                               vv_span(k->config.repository.b, 16)};

    blake2b_256(writer, 32, parts, 3, out);
}

void
keyring_pack_key(const struct keyring *k, uint32_t epoch, const uint8_t secret[32], uint8_t out[32])
{
    struct epoch_keys keys;

    keyring_epoch_keys(k, epoch, &keys);
    pack_key(k, keys.writer, secret, out);
    crypto_wipe(&keys, sizeof(keys));
}

/** The keys of an epoch something is to be read of. */
static enum vv_rc
reading_keys(const struct keyring *k, uint32_t epoch, struct epoch_keys *ret, struct vv_error *err)
{
    if (!keyring_may_read(k)) {
        return vv_error_set(err, VV_EKEY, "a writer's key opens nothing that is stored");
    }
    if (epoch >= LIMIT_EPOCHS) {
        return vv_error_set(err, VV_ECORRUPT, "an impossible epoch (%u)", epoch);
    }
    if (!keyring_epoch_known(k, epoch)) {
        (void)vv_error_set(err, VV_EKEY, "this reader's key has no key of epoch %u", epoch);
        vv_error_hint(err, "it is no damage: the key was revoked, or was not certified here when "
                           "that epoch began; an administrator makes one that opens it with 'varve "
                           "key add --role reader'");
        return VV_EKEY;
    }
    keyring_epoch_keys(k, epoch, ret);
    return VV_OK;
}

enum vv_rc
keyring_unseal(const struct keyring *k, uint32_t epoch, struct vv_span sealed, uint8_t *out,
               struct vv_error *err)
{
    struct epoch_keys keys;
    bool ok;

    VV_TRY(reading_keys(k, epoch, &keys, err));
    ok = open_box(keys.public_key, keys.reader, sealed, out);
    crypto_wipe(&keys, sizeof(keys));
    return ok ? VV_OK : vv_error_set(err, VV_ECORRUPT, "the sealed secret does not open");
}

/** With the pack's secret: its key, if the commitment fits. */
static enum vv_rc
check_commitment(const struct keyring *k, const uint8_t header_bytes[PACK_HEADER_LEN],
                 const struct pack_header *header, const uint8_t secret[32], uint8_t out_key[32],
                 struct vv_error *err)
{
    uint8_t key[32];
    uint8_t commitment[32];
    struct vv_span parts[2] = {vv_span("varve commitment", 16),
                               vv_span(header_bytes, PACK_COMMITTED_LEN)};
    bool fits;

    keyring_pack_key(k, header->epoch, secret, key);
    blake2b_256(key, 32, parts, 2, commitment);
    fits = crypto_equal(commitment, header->commitment, 32) != 0;
    if (fits) {
        memcpy(out_key, key, 32);
    }
    crypto_wipe(key, sizeof(key));
    return fits ? VV_OK
                : vv_error_set(err, VV_ECORRUPT, "pack header: the commitment does not fit");
}

enum vv_rc
keyring_open_pack(const struct keyring *k, const uint8_t header_bytes[PACK_HEADER_LEN],
                  struct pack_header *ret_header, uint8_t out_key[32], struct vv_error *err)
{
    struct pack_header header;
    uint8_t secret[32];
    enum vv_rc rc;

    VV_TRY(pack_header_decode(header_bytes, &k->config.repository, &header, err));
    rc =
        keyring_unseal(k, header.epoch, vv_span(header.sealed, sizeof(header.sealed)), secret, err);
    if (rc != VV_OK) {
        (void)vv_error_prefix(err, "pack header");
        return rc;
    }
    rc = check_commitment(k, header_bytes, &header, secret, out_key, err);
    crypto_wipe(secret, sizeof(secret));
    VV_TRY(rc);
    *ret_header = header;
    return VV_OK;
}

enum vv_rc
keyring_reopen_pack(const struct keyring *k, const uint8_t header_bytes[PACK_HEADER_LEN],
                    const uint8_t ephemeral[32], struct pack_header *ret_header,
                    uint8_t out_key[32], struct vv_error *err)
{
    struct pack_header header;
    uint8_t public_key[32];
    uint8_t secret[32];
    enum vv_rc rc;

    VV_TRY(pack_header_decode(header_bytes, &k->config.repository, &header, err));
    if (!keyring_epoch_known(k, header.epoch)) {
        return vv_error_set(err, VV_ECORRUPT, "pack header: an unknown epoch (%u)", header.epoch);
    }
    keyring_epoch_public(k, header.epoch, public_key);
    if (!reopen_box(public_key, ephemeral, vv_span(header.sealed, sizeof(header.sealed)), secret)) {
        return vv_error_set(err, VV_ECORRUPT, "pack header: the sealed secret does not open");
    }
    rc = check_commitment(k, header_bytes, &header, secret, out_key, err);
    crypto_wipe(secret, sizeof(secret));
    VV_TRY(rc);
    *ret_header = header;
    return VV_OK;
}

void
keyring_admin_sign(const struct keyring *k, struct vv_span message, uint8_t out[64])
{
    assert(keyring_may_administer(k));
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
