/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_HASH_SELFTEST_H
#define VARVE_CRYPTO_HASH_SELFTEST_H

#include "core/error.h"

/** hash_selftest(err): known-answer tests of every hash on the paths this CPU selects (batch
 * kernels of all widths in force, libsodium's BLAKE2b and SipHash, SHA-256); far under 1 ms.
 * VV_ECORRUPT names the one that fails.  For crypto_init; libsodium is initialised. */
MUST_CHECK enum vv_rc hash_selftest(struct vv_error *err);

#endif
