/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Known-answer tests at start-up: a CPU, a hypervisor or a library that computes wrongly must stop
 * the program before it writes anything nobody can read again.  Messages are long enough to enter
 * the wide code paths.  The expected values come from other implementations (Python's
 * cryptography and PyNaCl).
 */
#include "crypto/selftest.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/asymmetric.h"
#include "crypto/hash_selftest.h"
#include "crypto/passphrase.h"
#include "crypto/secret.h"

#define TEXT_LEN 2061u /* two wide strides of every kernel and a ragged end */

static const char words[15] = "varve self test"; /* without a NUL */

/* First 16 bytes of ciphertext and tag of suite 1 and 2; text i -> 7 * i, key 00..1f, nonce 40..4b,
 * additional data `words`. */
static const uint8_t sealed_ends[2][32] = {
    {0xe2, 0xbe, 0xa0, 0x36, 0x3a, 0x1f, 0xad, 0x32, 0xf5, 0xfb, 0x51,
     0x7b, 0xcf, 0x3f, 0x71, 0x32, 0x77, 0x6f, 0x29, 0x76, 0xaf, 0xd3,
     0xd2, 0xca, 0x33, 0x11, 0x6c, 0x8a, 0xcd, 0xb3, 0xd9, 0x47},
    {0xf8, 0x53, 0x72, 0x94, 0x6e, 0x69, 0xc4, 0x30, 0x60, 0xf0, 0xb0,
     0x4d, 0xef, 0xb4, 0x0f, 0xa4, 0x72, 0xa7, 0x2c, 0x71, 0xac, 0x7e,
     0x99, 0x74, 0x1e, 0x76, 0xdd, 0x59, 0xdb, 0xc4, 0x0e, 0x13},
};

static const uint8_t keystream_start[32] = {
    0x39, 0xfd, 0x2b, 0x7d, 0xd9, 0xc5, 0x19, 0x6a, 0x8d, 0xbd, 0x03, 0x77, 0xb8, 0xdc, 0x4a, 0x49,
    0x8a, 0x35, 0xd8, 0x6f, 0xbc, 0xde, 0x6a, 0xcc, 0xb2, 0xcc, 0x7d, 0x4c, 0xd8, 0xea, 0x24, 0x92,
};

/* Of `words` by the Ed25519 key with seed 00..1f. */
static const uint8_t signature[64] = {
    0xc3, 0x3c, 0x06, 0xd7, 0xb0, 0x68, 0xc3, 0x62, 0xf2, 0xb9, 0xba, 0xd9, 0x5e, 0x4e, 0xd9, 0x60,
    0x0e, 0x3e, 0x25, 0x54, 0xd5, 0x8d, 0xad, 0x89, 0x7e, 0x71, 0xda, 0xb9, 0xce, 0xd3, 0xa6, 0x40,
    0xfb, 0x7a, 0x44, 0xa5, 0x71, 0x68, 0xe7, 0x2e, 0xc6, 0x9d, 0x80, 0xa6, 0xd8, 0xf9, 0xec, 0xd0,
    0x6a, 0xe3, 0xbd, 0xb3, 0xd1, 0x18, 0x9d, 0x79, 0x8b, 0x40, 0x30, 0xc7, 0xad, 0x75, 0x55, 0x06,
};

/* `words` sealed to the X25519 secret 00..1f. */
static const uint8_t sealed_box[63] = {
    0x0a, 0xc3, 0x48, 0xbd, 0x39, 0x52, 0x9b, 0x53, 0x1b, 0xee, 0x97, 0x27, 0xae, 0x39, 0xcc, 0x94,
    0x43, 0x8e, 0x70, 0xde, 0x58, 0x8b, 0x4b, 0x7f, 0xd3, 0x97, 0x46, 0x70, 0xd6, 0x00, 0x28, 0x41,
    0xc4, 0x4b, 0xca, 0xae, 0xc6, 0x53, 0x23, 0x01, 0xf3, 0xdc, 0x40, 0x18, 0x01, 0x9c, 0x71, 0x2c,
    0xec, 0xbf, 0x3b, 0xe3, 0x4a, 0x16, 0xd3, 0x99, 0x99, 0xe9, 0x6e, 0x06, 0x91, 0xdb, 0x14,
};

/* Of `words`, salt 00..0f, one pass over 8 KiB. */
static const uint8_t argon2id_key[32] = {
    0x9e, 0x7f, 0xae, 0x31, 0xb5, 0x22, 0x7d, 0x5d, 0xe1, 0x91, 0xc8, 0xe5, 0x3e, 0xbc, 0x5f, 0x20,
    0xa0, 0xa0, 0x07, 0xc7, 0xef, 0x12, 0xe5, 0x93, 0x59, 0x9d, 0x02, 0x90, 0x09, 0xce, 0x99, 0x9d,
};

static enum vv_rc
wrong(struct vv_error *err, const char *algorithm)
{
    enum vv_rc rc = vv_error_set(err, VV_ECORRUPT, "the self test of %s failed", algorithm);
    vv_error_hint(err, "this machine computes wrongly (processor, hypervisor or library): "
                       "nothing was read or written");
    return rc;
}

static void
counting_bytes(uint8_t *out, size_t len, uint8_t from)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(from + i);
    }
}

/* Sealing gives the known bytes, opening gives the text back, a changed byte is noticed. */
static enum vv_rc
test_aead(uint8_t suite, const uint8_t key[32], struct vv_error *err)
{
    const char *name = suite == 1 ? "AES-256-GCM" : "ChaCha20-Poly1305";
    const uint8_t *ends = sealed_ends[suite - 1];
    uint8_t nonce[12];
    uint8_t text[TEXT_LEN];
    uint8_t work[TEXT_LEN + AEAD_TAG_LEN];
    counting_bytes(nonce, sizeof(nonce), 0x40);
    for (size_t i = 0; i < TEXT_LEN; i++) {
        text[i] = (uint8_t)(7 * i);
    }
    struct vv_span aad = vv_span(words, sizeof(words));
    struct vv_span sealed = vv_span(work, sizeof(work));
    VV_CLEANUP(aead_freep) struct aead *a = NULL;
    VV_TRY(aead_new(suite, key, &a, err));
    VV_TRY(aead_seal(a, nonce, aad, vv_span(text, TEXT_LEN), work, err));
    if (memcmp(work, ends, 16) != 0 || memcmp(work + TEXT_LEN, ends + 16, AEAD_TAG_LEN) != 0) {
        return wrong(err, name);
    }
    if (aead_open(a, nonce, aad, sealed, work, NULL) != VV_OK ||
        memcmp(work, text, TEXT_LEN) != 0) {
        return wrong(err, name);
    }
    VV_TRY(aead_seal(a, nonce, aad, vv_span(text, TEXT_LEN), work, err));
    work[TEXT_LEN / 2] ^= 1;
    if (aead_open(a, nonce, aad, sealed, work, NULL) != VV_ECORRUPT) {
        return wrong(err, name);
    }
    return VV_OK;
}

/* The start against a constant; the rest against the other library, whose AEAD encrypts from
 * block 1 on, with the same key and nonce. */
static enum vv_rc
test_keystream(const uint8_t key[32], struct vv_error *err)
{
    static const uint8_t zeros[TEXT_LEN];
    uint8_t stream[64 + TEXT_LEN];
    uint8_t sealed[TEXT_LEN + AEAD_TAG_LEN];
    VV_CLEANUP(aead_freep) struct aead *a = NULL;
    VV_TRY(aead_new(2, key, &a, err));
    VV_TRY(aead_seal(a, zeros, vv_span(NULL, 0), vv_span(zeros, TEXT_LEN), sealed, err));
    chacha20_keystream(key, stream, sizeof(stream));
    if (memcmp(stream, keystream_start, sizeof(keystream_start)) != 0 ||
        memcmp(stream + 64, sealed, TEXT_LEN) != 0) {
        return wrong(err, "ChaCha20");
    }
    return VV_OK;
}

static enum vv_rc
test_asymmetric(const uint8_t key[32], struct vv_error *err)
{
    uint8_t public_key[32];
    uint8_t secret_key[64];
    uint8_t made[64];
    struct vv_span message = vv_span(words, sizeof(words));
    ed25519_from_seed(key, public_key, secret_key);
    ed25519_sign(secret_key, message, made);
    bool good = memcmp(made, signature, sizeof(made)) == 0 &&
                ed25519_verify(public_key, message, signature);
    made[0] ^= 1;
    if (!good || ed25519_verify(public_key, message, made)) {
        return wrong(err, "Ed25519");
    }
    uint8_t opened[sizeof(sealed_box) - SEAL_OVERHEAD];
    x25519_public(key, public_key);
    if (!open_box(public_key, key, vv_span(sealed_box, sizeof(sealed_box)), opened) ||
        memcmp(opened, words, sizeof(words)) != 0) {
        return wrong(err, "X25519");
    }
    return VV_OK;
}

enum vv_rc
crypto_selftest(struct vv_error *err)
{
    uint8_t key[32];
    uint8_t derived[32];
    counting_bytes(key, sizeof(key), 0);
    VV_TRY(hash_selftest(err));
    VV_TRY(test_aead(1, key, err)); /* both: either may have been written elsewhere */
    VV_TRY(test_aead(2, key, err));
    VV_TRY(test_keystream(key, err));
    VV_TRY(test_asymmetric(key, err));
    VV_TRY(argon2id(vv_span(words, sizeof(words)), key, 1, 8, derived, err));
    if (memcmp(derived, argon2id_key, sizeof(derived)) != 0) {
        return wrong(err, "Argon2id");
    }
    return VV_OK;
}
