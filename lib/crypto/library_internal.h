/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_LIBRARY_INTERNAL_H
#define VARVE_CRYPTO_LIBRARY_INTERNAL_H

#include <openssl/types.h>

/** crypto_library(): the OpenSSL library context all algorithms are fetched from, made on first use
 *  and kept until the process ends; NULL if there is no memory.  Thread-safe. */
OSSL_LIB_CTX *crypto_library(void);

#endif
