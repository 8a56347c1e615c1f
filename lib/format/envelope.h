/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_ENVELOPE_H
#define VARVE_FORMAT_ENVELOPE_H

#include "format/common.h"

/*
 * The one envelope for everything small that is encrypted (packs have their own):
 *   u8 suite (1 AES-256-GCM, 2 ChaCha20-Poly1305) | 32 B salt | 32 B commitment | u32 plaintext
 *   length | ciphertext | 16 B tag
 * key        = BLAKE2b-256(key = sub-key, "varve envelope" 0x00 purpose 0x00 salt)
 * commitment = BLAKE2b-256(key = key, "varve commitment"), compared before any decryption
 * nonce      = 12 zero bytes (a key is used once); additional data = purpose 0x00 | u64 length of
 *              the caller's additional data | the caller's additional data
 * Sealing itself is in repo/sealed_envelope (it needs keys and random bytes); this is the layout.
 */
#define ENVELOPE_OVERHEAD (1u + 32u + 32u + 4u + 16u)
struct envelope {
    uint8_t suite;
    uint8_t salt[32];
    uint8_t commitment[32];
    uint32_t plain_len;
    struct vv_span ciphertext; /* plain_len + 16 bytes */
};
/** envelope_decode(bytes, ret, err): the layout only; the whole of ${bytes} is the envelope. */
MUST_CHECK enum vv_rc envelope_decode(struct vv_span bytes, struct envelope *ret,
                                      struct vv_error *err);

#endif
