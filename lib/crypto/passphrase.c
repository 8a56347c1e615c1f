/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys from passphrases: Argon2id by libsodium. */
#include "crypto/passphrase.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/secret.h"

static_assert(crypto_pwhash_argon2id_SALTBYTES == 16, "varve-format(5): key slots");

enum vv_rc
argon2id(struct vv_span passphrase, const uint8_t salt[16], uint32_t passes, uint32_t memory_kib,
         uint8_t out[32], struct vv_error *err)
{
    uint64_t memory = (uint64_t)memory_kib * 1024;
    if (passes < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
        memory < crypto_pwhash_argon2id_MEMLIMIT_MIN ||
        memory > crypto_pwhash_argon2id_memlimit_max()) {
        return vv_error_set(err, VV_EUSAGE, "Argon2id cannot work with %u passes over %u KiB",
                            passes, memory_kib);
    }
    uint8_t key[32];
    const char *text = passphrase.len > 0 ? (const char *)passphrase.data : "";
    errno = 0;
    if (crypto_pwhash(key, sizeof(key), text, passphrase.len, salt, passes, (size_t)memory,
                      crypto_pwhash_ALG_ARGON2ID13) != 0) {
        if (errno == EINVAL || errno == EFBIG) {
            return vv_error_set(err, VV_EUSAGE, "a passphrase of %zu bytes is too long",
                                passphrase.len);
        }
        enum vv_rc rc =
            vv_error_set(err, VV_ENOMEM, "not enough memory to derive a key from the passphrase");
        vv_error_hint(err, "%u MiB are needed for a moment; a key file needs none",
                      memory_kib / 1024);
        return rc;
    }
    memcpy(out, key, sizeof(key));
    crypto_wipe(key, sizeof(key));
    return VV_OK;
}
