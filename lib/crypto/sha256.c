/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 by OpenSSL (six times libsodium's speed where the CPU has SHA extensions).  The algorithm
 * is fetched once for the process.  Where OpenSSL runs out of memory at the beginning of a message,
 * libsodium's implementation, which needs none, does that message.
 */
#include <openssl/evp.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "crypto/library_internal.h"

struct sha256 {
    EVP_MD_CTX *ctx;
    bool portable; /* libsodium does the present message */
    crypto_hash_sha256_state state;
};

/* The algorithm, NULL if OpenSSL cannot give it now. */
static const EVP_MD *
algorithm(void)
{
    static _Atomic(EVP_MD *) fetched;
    EVP_MD *md = atomic_load(&fetched);
    if (md != NULL) {
        return md;
    }
    EVP_MD *mine = EVP_MD_fetch(crypto_library(), "SHA256", NULL);
    if (mine != NULL && !atomic_compare_exchange_strong(&fetched, &md, mine)) {
        EVP_MD_free(mine); /* another thread was first; md is now its */
        return md;
    }
    return mine;
}

static void
begin_message(struct sha256 *s)
{
    const EVP_MD *md = algorithm();
    s->portable = md == NULL || EVP_DigestInit_ex2(s->ctx, md, NULL) != 1;
    if (s->portable) {
        crypto_hash_sha256_init(&s->state);
    }
}

enum vv_rc
sha256_new(struct sha256 **ret, struct vv_error *err)
{
    struct sha256 *s = vv_alloc(sizeof(*s));
    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->ctx = EVP_MD_CTX_new();
    if (s->ctx == NULL) {
        vv_free(s);
        return vv_error_nomem(err);
    }
    begin_message(s);
    *ret = s;
    return VV_OK;
}

void
sha256_update(struct sha256 *s, const void *data, size_t len)
{
    if (s->portable) {
        crypto_hash_sha256_update(&s->state, data, len);
    } else if (EVP_DigestUpdate(s->ctx, data, len) != 1) {
        abort(); /* works on memory it has: only a broken libcrypto gets here */
    }
}

void
sha256_finish(struct sha256 *s, uint8_t out[32])
{
    if (s->portable) {
        crypto_hash_sha256_final(&s->state, out);
    } else if (EVP_DigestFinal_ex(s->ctx, out, NULL) != 1) {
        abort();
    }
    begin_message(s);
}

void
sha256_free(struct sha256 *s)
{
    if (s == NULL) {
        return;
    }
    EVP_MD_CTX_free(s->ctx);
    sodium_memzero(&s->state, sizeof(s->state));
    vv_free(s);
}

void
sha256(const void *data, size_t len, uint8_t out[32])
{
    const EVP_MD *md = algorithm();
    if (md == NULL || EVP_Digest(data, len, out, NULL, md, NULL) != 1) {
        crypto_hash_sha256(out, data, len);
    }
}
