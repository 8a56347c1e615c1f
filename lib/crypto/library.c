/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An OpenSSL library context of our own, which never reads openssl.cnf: the system-wide
 * configuration (a FIPS provider without ChaCha20, say) must not decide whether a repository can
 * be read.  Reading that file would also take as long as all self tests together.
 */
#include "crypto/library_internal.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(OSSL_LIB_CTX *) library;

OSSL_LIB_CTX *
crypto_library(void)
{
    OSSL_LIB_CTX *have = atomic_load(&library);
    if (have != NULL) {
        return have;
    }
    OSSL_LIB_CTX *mine = OSSL_LIB_CTX_new();
    if (mine == NULL || atomic_compare_exchange_strong(&library, &have, mine)) {
        return mine;
    }
    OSSL_LIB_CTX_free(mine); /* another thread was faster */
    return have;
}
