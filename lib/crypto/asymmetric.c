/* SPDX-License-Identifier: BSD-2-Clause */
/* Ed25519 and X25519 by libsodium. */
#include "crypto/asymmetric.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

static_assert(SEAL_OVERHEAD == crypto_box_SEALBYTES, "varve-format(5): sealed secrets");

void
ed25519_from_seed(const uint8_t seed[32], uint8_t public_key[32], uint8_t secret_key[64])
{
    (void)crypto_sign_ed25519_seed_keypair(public_key, secret_key, seed); /* cannot fail */
}

void
ed25519_sign(const uint8_t secret_key[64], struct vv_span message, uint8_t signature[64])
{
    (void)crypto_sign_ed25519_detached(signature, NULL, message.data, message.len, secret_key);
}

bool
ed25519_verify(const uint8_t public_key[32], struct vv_span message, const uint8_t signature[64])
{
    return crypto_sign_ed25519_verify_detached(signature, message.data, message.len, public_key) ==
           0;
}

void
x25519_public(const uint8_t secret[32], uint8_t public_key[32])
{
    (void)crypto_scalarmult_curve25519_base(public_key, secret); /* never zero: it is clamped */
}

bool
x25519_public_usable(const uint8_t public_key[32])
{
    static const uint8_t any_secret[32] = {1};
    uint8_t shared[32];
    return crypto_scalarmult_curve25519(shared, any_secret, public_key) == 0;
}

void
seal_box(const uint8_t public_key[32], struct vv_span plain, uint8_t *out)
{
    if (crypto_box_seal(out, plain.data, plain.len, public_key) != 0) {
        abort(); /* see the header: the alternative is data nobody can ever open */
    }
}

/** The nonce crypto_box_seal takes. */
static void
seal_nonce(const uint8_t ephemeral_public[32], const uint8_t public_key[32],
           uint8_t out[crypto_box_NONCEBYTES])
{
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, NULL, 0, crypto_box_NONCEBYTES);
    (void)crypto_generichash_update(&state, ephemeral_public, 32);
    (void)crypto_generichash_update(&state, public_key, 32);
    (void)crypto_generichash_final(&state, out, crypto_box_NONCEBYTES);
}

void
seal_box_from(const uint8_t ephemeral[32], const uint8_t public_key[32], struct vv_span plain,
              uint8_t *out)
{
    uint8_t nonce[crypto_box_NONCEBYTES];

    x25519_public(ephemeral, out);
    seal_nonce(out, public_key, nonce);
    if (crypto_box_easy(out + 32, plain.data, plain.len, nonce, public_key, ephemeral) != 0) {
        abort(); /* as above */
    }
}

bool
reopen_box(const uint8_t public_key[32], const uint8_t ephemeral[32], struct vv_span sealed,
           uint8_t *out)
{
    uint8_t nonce[crypto_box_NONCEBYTES];
    uint8_t ephemeral_public[32];

    if (sealed.len < SEAL_OVERHEAD) {
        return false;
    }
    x25519_public(ephemeral, ephemeral_public);
    if (sodium_memcmp(ephemeral_public, sealed.data, 32) != 0) {
        return false;
    }
    seal_nonce(ephemeral_public, public_key, nonce);
    return crypto_box_open_easy(out, sealed.data + 32, sealed.len - 32, nonce, public_key,
                                ephemeral) == 0;
}

bool
open_box(const uint8_t public_key[32], const uint8_t secret[32], struct vv_span sealed,
         uint8_t *out)
{
    return crypto_box_seal_open(out, sealed.data, sealed.len, public_key, secret) == 0;
}
