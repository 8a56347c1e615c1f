/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_HASH_H
#define VARVE_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/** blake2b_256(key, key_len, parts, count, out): keyed (key_len 0..64) BLAKE2b-256 of the parts
 *  one after the other.  Used for derivation: always pass labels of fixed form. */
void blake2b_256(const void *key, size_t key_len, const struct vv_span *parts, size_t count,
                 uint8_t out[32]);

/** One message of a batch. */
struct hash_job {
    const uint8_t *data;
    size_t len;
    uint8_t out[32];
};
/**
 * blake2b_256_many(key, jobs, count): keyed BLAKE2b-256 (32-byte key) of many messages at once, on
 * 8 (AVX-512), 4 (AVX2) or 1 lanes: bit-identical to blake2b_256.  Lengths may differ: a lane that
 * ends takes the next message, long ones first (the order given does not matter).  Hand over at
 * least 8 messages at a time, better 32.  Thread-safe; uses about 4 KiB of stack.
 */
void blake2b_256_many(const uint8_t key[32], struct hash_job *jobs, size_t count);

/** For tests and benchmarks: 8, 4 or 1; 0 selects by CPU.  Returns what is in force (a kernel the
 *  CPU lacks is not selected). */
unsigned blake2b_select_lanes(unsigned lanes);

/** SHA-256 (OpenSSL, with SHA extensions where there are any). */
struct sha256; /* a running computation */
MUST_CHECK enum vv_rc sha256_new(struct sha256 **ret, struct vv_error *err);
void sha256_update(struct sha256 *s, const void *data, size_t len);
/** sha256_finish(s, out): the digest; ${s} is ready for a new message. */
void sha256_finish(struct sha256 *s, uint8_t out[32]);
void sha256_free(struct sha256 *s);
VV_DEFINE_CLEANUP(struct sha256, sha256_free);
void sha256(const void *data, size_t len, uint8_t out[32]);

/** hmac_sha1(key, key_len, data, len, out, err): only for what others have hashed so (the host names
 *  of ssh's known_hosts files); protects nothing of ours. */
MUST_CHECK enum vv_rc hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
                                uint8_t out[20], struct vv_error *err);

/** siphash(key, data, len): SipHash-2-4, 64 bits (libsodium's crypto_shorthash). */
uint64_t siphash(const uint8_t key[16], const void *data, size_t len);

#endif
