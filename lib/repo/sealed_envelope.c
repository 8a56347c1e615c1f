/* SPDX-License-Identifier: BSD-2-Clause */
/* Sealing and opening of envelopes: derivation, commitment and one AEAD record. */
#include "repo/sealed_envelope.h"

#include <assert.h>
#include <string.h>

#include "core/random.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/envelope.h"

/* What comes before the ciphertext; ENVELOPE_OVERHEAD counts the tag too. */
#define PREFIX_LEN (ENVELOPE_OVERHEAD - AEAD_TAG_LEN)

static_assert(PREFIX_LEN == 1 + 32 + 32 + 4, "varve-format(5): envelope");

/* The key is used for one record: the nonce is zero. */
static const uint8_t nonce[12];

/* The keys of one envelope. */
struct envelope_keys {
    uint8_t key[32];
    uint8_t commitment[32];
};

static void
wipe_keys(struct envelope_keys *k)
{
    crypto_wipe(k, sizeof(*k));
}

static void
derive_keys(const uint8_t key[32], const char *purpose, const uint8_t salt[32],
            struct envelope_keys *ret)
{
    static const char key_label[] = "varve envelope"; /* its NUL is part of the message */
    static const char commitment_label[] = "varve commitment";
    const struct vv_span key_parts[] = {
        vv_span(key_label, sizeof(key_label)),
        vv_span(purpose, strlen(purpose) + 1),
        vv_span(salt, 32),
    };
    const struct vv_span commitment_part = vv_span(commitment_label, sizeof(commitment_label) - 1);
    blake2b_256(key, 32, key_parts, VV_COUNT(key_parts), ret->key);
    blake2b_256(ret->key, 32, &commitment_part, 1, ret->commitment);
}

/* purpose 0x00 | u64 length | additional data */
static enum vv_rc
bind_data(const char *purpose, struct vv_span aad, struct vv_buf *ret, struct vv_error *err)
{
    vv_buf_put(ret, purpose, strlen(purpose) + 1);
    vv_buf_put_u64(ret, aad.len);
    vv_buf_put(ret, aad.data, aad.len);
    return vv_buf_check(ret, err);
}

enum vv_rc
envelope_seal(const uint8_t key[32], const char *purpose, struct vv_span aad, struct vv_span plain,
              struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(aead_freep) struct aead *a = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf bound = {0};
    VV_CLEANUP(wipe_keys) struct envelope_keys keys = {0};
    uint8_t suite = aead_best_suite();
    uint8_t salt[32];

    if (plain.len > UINT32_MAX) {
        return vv_error_set(err, VV_ELIMIT, "%zu bytes are too many for one envelope", plain.len);
    }
    vv_random(salt, sizeof(salt));
    derive_keys(key, purpose, salt, &keys);
    VV_TRY(bind_data(purpose, aad, &bound, err)); /* before ${out} moves: ${aad} may be inside */
    VV_TRY(aead_new(suite, keys.key, &a, err));
    VV_TRY(vv_buf_reserve(out, plain.len + ENVELOPE_OVERHEAD, err));
    uint8_t *to = out->data + out->len;
    to[0] = suite;
    memcpy(to + 1, salt, 32);
    memcpy(to + 33, keys.commitment, 32);
    vv_store_u32(to + 65, (uint32_t)plain.len);
    VV_TRY(aead_seal(a, nonce, vv_buf_span(&bound), plain, to + PREFIX_LEN, err));
    out->len += plain.len + ENVELOPE_OVERHEAD;
    return VV_OK;
}

enum vv_rc
envelope_open(const uint8_t key[32], const char *purpose, struct vv_span aad, struct vv_span sealed,
              struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(aead_freep) struct aead *a = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf bound = {0};
    VV_CLEANUP(wipe_keys) struct envelope_keys keys = {0};
    struct envelope e;

    VV_TRY(envelope_decode(sealed, &e, err));
    derive_keys(key, purpose, e.salt, &keys);
    if (!crypto_equal(keys.commitment, e.commitment, sizeof(e.commitment))) {
        return vv_error_set(err, VV_EKEY, "the key does not fit this %s", purpose);
    }
    VV_TRY(bind_data(purpose, aad, &bound, err));
    VV_TRY(aead_new(e.suite, keys.key, &a, err));
    VV_TRY(vv_buf_reserve(out, e.plain_len, err));
    uint8_t none; /* an empty buffer that was asked for nothing has no memory */
    uint8_t *to = e.plain_len == 0 ? &none : out->data + out->len;
    enum vv_rc rc = aead_open(a, nonce, vv_buf_span(&bound), e.ciphertext, to, err);
    if (rc != VV_OK) {
        (void)vv_error_prefix(err, "encrypted %s", purpose);
        return rc; /* also without ${err} */
    }
    out->len += e.plain_len;
    return VV_OK;
}
