/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SEALED_ENVELOPE_H
#define VARVE_REPO_SEALED_ENVELOPE_H

#include <stdint.h>

#include "core/bytes.h"

/*
 * Sealing and opening of envelopes, the one form of everything small that is encrypted (key slots,
 * index records, snapshot bodies, local state); their layout is in format/envelope.h.  ${key} is a
 * long-lived key; each envelope draws a salt and derives a key of its own, so that no nonce can
 * ever be used twice.  ${purpose} is a short constant text without NUL: an envelope opens only for
 * the purpose and with the additional data it was sealed for.  Thread-safe.
 */

/** envelope_seal(key, purpose, aad, plain, out, err): append an envelope (plain.len +
 *  ENVELOPE_OVERHEAD bytes) to ${out}, which is unchanged on failure.  ${aad} may lie in ${out},
 *  ${plain} may not. */
MUST_CHECK enum vv_rc envelope_seal(const uint8_t key[32], const char *purpose, struct vv_span aad,
                                    struct vv_span plain, struct vv_buf *out, struct vv_error *err);

/** envelope_open(key, purpose, aad, sealed, out, err): append the plaintext of the envelope that is
 *  all of ${sealed} to ${out}, which is unchanged on failure.  VV_EKEY if it was sealed with
 * another key or for another purpose (told by the commitment, before anything is decrypted),
 * VV_ECORRUPT if the key fits but envelope or additional data were changed, VV_EUNSUPPORTED for a
 * cipher suite of the future. */
MUST_CHECK enum vv_rc envelope_open(const uint8_t key[32], const char *purpose, struct vv_span aad,
                                    struct vv_span sealed, struct vv_buf *out,
                                    struct vv_error *err);

#endif
