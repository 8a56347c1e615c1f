/* SPDX-License-Identifier: BSD-2-Clause */
/* HMAC-SHA1, which ssh hides host names with. */
#include <openssl/evp.h>

#include "crypto/hash.h"
#include "crypto/library_internal.h"

enum vv_rc
hmac_sha1(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[20],
          struct vv_error *err)
{
    size_t out_len = 0;

    if (EVP_Q_mac(crypto_library(), "HMAC", NULL, "SHA1", NULL, key, key_len, data, len, out, 20,
                  &out_len) == NULL ||
        out_len != 20) {
        return vv_error_set(err, VV_EUNSUPPORTED, "the cipher library has no HMAC-SHA1");
    }
    return VV_OK;
}
