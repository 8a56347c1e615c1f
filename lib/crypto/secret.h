/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_SECRET_H
#define VARVE_CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/** Secret bytes in guarded, locked, non-dumpable memory, wiped when freed (where the lock limit is
 *  too small: unlocked, but still excluded from core dumps and wiped). */
struct secret;

/** crypto_init(err): once per process, before anything else of crypto/ (thread-safe, repeatable):
 *  initialises libsodium, sets the process non-dumpable, selects kernels, runs the known-answer
 *  tests of every path the CPU selects.  VV_ECORRUPT if one fails: nothing may be done then. */
MUST_CHECK enum vv_rc crypto_init(struct vv_error *err);

MUST_CHECK enum vv_rc secret_new(size_t len, struct secret **ret, struct vv_error *err);
void secret_free(struct secret *s);
VV_DEFINE_CLEANUP(struct secret, secret_free);
uint8_t *secret_data(struct secret *s);
size_t secret_len(const struct secret *s);

/** crypto_wipe(p, len): zeroing the compiler does not remove. */
void crypto_wipe(void *p, size_t len);
/** crypto_equal(a, b, len): constant-time comparison, non-zero if equal. */
int crypto_equal(const void *a, const void *b, size_t len);

#endif
