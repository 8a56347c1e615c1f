/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_ASYMMETRIC_H
#define VARVE_CRYPTO_ASYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/* Ed25519 signatures and anonymous sealing to an X25519 key (libsodium). */

/** ed25519_from_seed(seed, public_key, secret_key): secret_key is libsodium's 64-byte form. */
void ed25519_from_seed(const uint8_t seed[32], uint8_t public_key[32], uint8_t secret_key[64]);
void ed25519_sign(const uint8_t secret_key[64], struct vv_span message, uint8_t signature[64]);
MUST_CHECK bool ed25519_verify(const uint8_t public_key[32], struct vv_span message,
                               const uint8_t signature[64]);

/** x25519_public(secret, public_key): the public key of a (clamped on use) 32-byte secret. */
void x25519_public(const uint8_t secret[32], uint8_t public_key[32]);
/** x25519_public_usable(public_key): false for the few points of small order nothing can be sealed
 *  to.  Check it once wherever a public key is accepted (certificates, epochs). */
MUST_CHECK bool x25519_public_usable(const uint8_t public_key[32]);
/** seal_box / open_box: crypto_box_seal; sealed length = plain + 48.  open_box: false if it was not
 *  sealed to this key.  seal_box ends the process (abort) if ${public_key} is not usable. */
#define SEAL_OVERHEAD 48u
void seal_box(const uint8_t public_key[32], struct vv_span plain, uint8_t *out);
/** seal_box_from(ephemeral, public_key, plain, out): the same bytes' form, with a fresh secret the
 *  caller drew, used once and kept as secret as ${plain}; reopen_box(public_key, ephemeral, ...) is
 *  what that caller can check with it: false if ${sealed} is not what it sealed. */
void seal_box_from(const uint8_t ephemeral[32], const uint8_t public_key[32], struct vv_span plain,
                   uint8_t *out);
MUST_CHECK bool reopen_box(const uint8_t public_key[32], const uint8_t ephemeral[32],
                           struct vv_span sealed, uint8_t *out);
MUST_CHECK bool open_box(const uint8_t public_key[32], const uint8_t secret[32],
                         struct vv_span sealed, uint8_t *out);

#endif
