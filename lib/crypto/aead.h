/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_AEAD_H
#define VARVE_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/** Authenticated encryption by OpenSSL EVP: suite 1 AES-256-GCM, 2 ChaCha20-Poly1305; 12-byte
 *  nonce, 16-byte tag behind the ciphertext.  A context holds one key; one thread at a time.
 *  Plaintext and additional data may be empty; neither may exceed 2 GiB (VV_ELIMIT). */
#define AEAD_TAG_LEN 16u
struct aead;

/** aead_best_suite(): 1 where the CPU has AES and carry-less multiplication, else 2. */
uint8_t aead_best_suite(void);

MUST_CHECK enum vv_rc aead_new(uint8_t suite, const uint8_t key[32], struct aead **ret,
                               struct vv_error *err);
/** aead_rekey(a, suite, key, err): reuse the context for another key.  VV_EUNSUPPORTED for a suite
 *  this version does not know.  After a failure the context must get a key before it is used. */
MUST_CHECK enum vv_rc aead_rekey(struct aead *a, uint8_t suite, const uint8_t key[32],
                                 struct vv_error *err);
void aead_free(struct aead *a);
VV_DEFINE_CLEANUP(struct aead, aead_free);

/** aead_seal(a, nonce, aad, plain, out, err): writes plain.len + 16 bytes to ${out}; ${out} may be
 *  the plaintext's own memory (not overlap it otherwise) and is zeroed on failure. */
MUST_CHECK enum vv_rc aead_seal(struct aead *a, const uint8_t nonce[12], struct vv_span aad,
                                struct vv_span plain, uint8_t *out, struct vv_error *err);
/** aead_open(a, nonce, aad, sealed, out, err): writes sealed.len - 16 bytes; VV_ECORRUPT and
 *  zeroed output if the tag is wrong.  ${out} may be the memory of ${sealed}. */
MUST_CHECK enum vv_rc aead_open(struct aead *a, const uint8_t nonce[12], struct vv_span aad,
                                struct vv_span sealed, uint8_t *out, struct vv_error *err);

/** chacha20_keystream(key, out, len): ChaCha20 (IETF), zero nonce, counter 0. */
void chacha20_keystream(const uint8_t key[32], uint8_t *out, size_t len);

#endif
