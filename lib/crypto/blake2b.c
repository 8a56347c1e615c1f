/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BLAKE2b of one message in parts and SipHash, both by libsodium.
 */
#include "crypto/hash.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

void
blake2b_256(const void *key, size_t key_len, const struct vv_span *parts, size_t count,
            uint8_t out[32])
{
    assert(key_len <= crypto_generichash_KEYBYTES_MAX);
    crypto_generichash_state state;
    int rc = crypto_generichash_init(&state, key_len > 0 ? key : NULL, key_len, 32);
    for (size_t i = 0; i < count; i++) {
        rc |= crypto_generichash_update(&state, parts[i].data, parts[i].len);
    }
    rc |= crypto_generichash_final(&state, out, 32);
    assert(rc == 0); /* can only complain about lengths */
    (void)rc;
    sodium_memzero(&state, sizeof(state));
}

uint64_t
siphash(const uint8_t key[16], const void *data, size_t len)
{
    uint64_t value;
    uint8_t out[sizeof(value)];
    static_assert(sizeof(out) == crypto_shorthash_BYTES, "SipHash-2-4 with 64 bits");
    crypto_shorthash(out, data, len, key);
    memcpy(&value, out, sizeof(value));
    return le64toh(value);
}
