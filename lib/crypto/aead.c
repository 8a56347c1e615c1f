/* SPDX-License-Identifier: BSD-2-Clause */
/* Authenticated encryption by OpenSSL EVP, with ciphers fetched once. */
#include "crypto/aead.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "core/alloc.h"
#include "crypto/library_internal.h"
#include "crypto/secret.h"

#define NONCE_LEN 12u

static_assert(crypto_stream_chacha20_ietf_NONCEBYTES == NONCE_LEN, "ChaCha20 (IETF) nonce");

struct aead {
    EVP_CIPHER_CTX *seal; /* both hold the key; a message sets only the nonce */
    EVP_CIPHER_CTX *open;
};

/* Fetched on first use, kept until the process ends. */
static _Atomic(EVP_CIPHER *) ciphers[2];
static const char *const cipher_names[2] = {"AES-256-GCM", "ChaCha20-Poly1305"};

uint8_t
aead_best_suite(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") ? 1 : 2;
#elif defined(__aarch64__)
    unsigned long have = getauxval(AT_HWCAP);
    return (have & HWCAP_AES) != 0 && (have & HWCAP_PMULL) != 0 ? 1 : 2;
#else
    return 2;
#endif
}

static const EVP_CIPHER *
get_cipher(uint8_t suite)
{
    EVP_CIPHER *have = atomic_load(&ciphers[suite - 1]);
    if (have != NULL) {
        return have;
    }
    OSSL_LIB_CTX *context = crypto_library();
    if (context == NULL) {
        return NULL;
    }
    EVP_CIPHER *mine = EVP_CIPHER_fetch(context, cipher_names[suite - 1], NULL);
    if (mine == NULL || atomic_compare_exchange_strong(&ciphers[suite - 1], &have, mine)) {
        return mine;
    }
    EVP_CIPHER_free(mine); /* another thread was faster */
    return have;
}

/* OpenSSL could not do it, which with right arguments means memory. */
static enum vv_rc
library_error(struct vv_error *err, const char *what)
{
    char reason[160];
    unsigned long code = ERR_peek_last_error();
    if (code == 0 || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
        ERR_clear_error();
        return vv_error_nomem(err);
    }
    ERR_error_string_n(code, reason, sizeof(reason));
    ERR_clear_error();
    return vv_error_set(err, VV_EIO, "%s failed in libcrypto: %s", what, reason);
}

enum vv_rc
aead_rekey(struct aead *a, uint8_t suite, const uint8_t key[32], struct vv_error *err)
{
    if (suite != 1 && suite != 2) {
        return vv_error_set(err, VV_EUNSUPPORTED, "cipher suite %u is not known to this version",
                            suite);
    }
    const EVP_CIPHER *cipher = get_cipher(suite);
    if (cipher == NULL && ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_UNSUPPORTED) {
        ERR_clear_error();
        return vv_error_set(err, VV_EUNSUPPORTED, "libcrypto does not provide %s",
                            cipher_names[suite - 1]);
    }
    if (cipher == NULL) {
        return library_error(err, "looking up a cipher");
    }
    if (EVP_EncryptInit_ex2(a->seal, cipher, key, NULL, NULL) != 1 ||
        EVP_DecryptInit_ex2(a->open, cipher, key, NULL, NULL) != 1) {
        return library_error(err, "setting a key");
    }
    return VV_OK;
}

enum vv_rc
aead_new(uint8_t suite, const uint8_t key[32], struct aead **ret, struct vv_error *err)
{
    VV_CLEANUP(aead_freep) struct aead *a = vv_alloc_array(1, sizeof(*a));
    if (a == NULL) {
        return vv_error_nomem(err);
    }
    a->seal = EVP_CIPHER_CTX_new();
    a->open = EVP_CIPHER_CTX_new();
    if (a->seal == NULL || a->open == NULL) {
        return library_error(err, "creating a cipher context");
    }
    VV_TRY(aead_rekey(a, suite, key, err));
    *ret = TAKE(a);
    return VV_OK;
}

void
aead_free(struct aead *a)
{
    if (a == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(a->seal); /* wipes the key schedule */
    EVP_CIPHER_CTX_free(a->open);
    vv_free(a);
}

/* EVP counts in int; no object of a repository comes near. */
static enum vv_rc
check_lengths(size_t text, size_t aad, struct vv_error *err)
{
    if (text > INT_MAX - AEAD_TAG_LEN || aad > INT_MAX) {
        return vv_error_set(err, VV_ELIMIT, "%zu bytes are too many for one encrypted record",
                            text > aad ? text : aad);
    }
    return VV_OK;
}

enum vv_rc
aead_seal(struct aead *a, const uint8_t nonce[12], struct vv_span aad, struct vv_span plain,
          uint8_t *out, struct vv_error *err)
{
    VV_TRY(check_lengths(plain.len, aad.len, err));
    int n = 0;
    uint8_t rest[1]; /* neither suite has a last block */
    bool done = EVP_EncryptInit_ex2(a->seal, NULL, NULL, nonce, NULL) == 1;
    if (done && aad.len > 0) {
        done = EVP_EncryptUpdate(a->seal, NULL, &n, aad.data, (int)aad.len) == 1;
    }
    if (done && plain.len > 0) {
        done = EVP_EncryptUpdate(a->seal, out, &n, plain.data, (int)plain.len) == 1 &&
               (size_t)n == plain.len;
    }
    done = done && EVP_EncryptFinal_ex(a->seal, rest, &n) == 1 && n == 0 &&
           EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_AEAD_GET_TAG, (int)AEAD_TAG_LEN,
                               out + plain.len) == 1;
    if (!done) {
        crypto_wipe(out, plain.len + AEAD_TAG_LEN);
        return library_error(err, "encryption");
    }
    return VV_OK;
}

enum vv_rc
aead_open(struct aead *a, const uint8_t nonce[12], struct vv_span aad, struct vv_span sealed,
          uint8_t *out, struct vv_error *err)
{
    if (sealed.len < AEAD_TAG_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "encrypted data is shorter than its tag");
    }
    size_t len = sealed.len - AEAD_TAG_LEN;
    VV_TRY(check_lengths(len, aad.len, err));
    int n = 0;
    uint8_t rest[1];
    uint8_t tag[AEAD_TAG_LEN];
    memcpy(tag, sealed.data + len, sizeof(tag));
    bool done = EVP_DecryptInit_ex2(a->open, NULL, NULL, nonce, NULL) == 1 &&
                EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_AEAD_SET_TAG, (int)sizeof(tag), tag) == 1;
    if (done && aad.len > 0) {
        done = EVP_DecryptUpdate(a->open, NULL, &n, aad.data, (int)aad.len) == 1;
    }
    if (done && len > 0) {
        done = EVP_DecryptUpdate(a->open, out, &n, sealed.data, (int)len) == 1 && (size_t)n == len;
    }
    if (!done) {
        crypto_wipe(out, len);
        return library_error(err, "decryption");
    }
    if (EVP_DecryptFinal_ex(a->open, rest, &n) != 1) {
        crypto_wipe(out, len);
        ERR_clear_error();
        return vv_error_set(err, VV_ECORRUPT, "the authentication tag of encrypted data is wrong");
    }
    return VV_OK;
}

void
chacha20_keystream(const uint8_t key[32], uint8_t *out, size_t len)
{
    static const uint8_t nonce[NONCE_LEN];
    /* Fails only for more than 256 GiB. */
    (void)crypto_stream_chacha20_ietf(out, len, nonce, key);
}
