/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_PASSPHRASE_H
#define VARVE_CRYPTO_PASSPHRASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/** argon2id(passphrase, salt, passes, memory_kib, out, err): Argon2id version 1.3, one lane, 32
 *  bytes.  The caller has checked floor and cap.  VV_ENOMEM if ${memory_kib} cannot be had. */
MUST_CHECK enum vv_rc argon2id(struct vv_span passphrase, const uint8_t salt[16], uint32_t passes,
                               uint32_t memory_kib, uint8_t out[32], struct vv_error *err);

/*
 * Recovery words: 256 bits and an 8-bit check as 24 words of a list of 2048 short English words
 * (11 bits each; the list's words differ in their first four letters).  check = first byte of
 * the unkeyed BLAKE2b-256 of the secret's 32 bytes followed by "varve recovery words".  Secret and
 * check are 264 bits, cut from the most significant bit of the first byte on.
 */
#define RECOVERY_WORDS 24u
#define RECOVERY_TEXT_MAX 256u
/** recovery_words_encode(secret, out): lower-case words with single blanks between, NUL. */
void recovery_words_encode(const uint8_t secret[32], char out[RECOVERY_TEXT_MAX]);
/** recovery_words_decode(text, secret, err): any case, any white space, digits with dots and
 *  commas between words ignored ("1. apple 2. bird").  VV_EKEY if they are wrong.  Errors name the
 * wrong word, its place and the nearest right one; or tell the wrong count; or that all are words
 * but the check fails. */
MUST_CHECK enum vv_rc recovery_words_decode(struct vv_span text, uint8_t secret[32],
                                            struct vv_error *err);
/** recovery_words_like(text): does it look like recovery words (12 or more words, three quarters of
 *  them from the list, so that a few slips do not matter) rather than a passphrase? */
bool recovery_words_like(struct vv_span text);

#endif
