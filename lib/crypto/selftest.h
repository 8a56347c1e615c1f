/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CRYPTO_SELFTEST_H
#define VARVE_CRYPTO_SELFTEST_H

#include "core/error.h"

/** crypto_selftest(err): known-answer tests of every algorithm, inside crypto/ (crypto_init calls
 *  it).  VV_ECORRUPT names the algorithm that computes wrongly. */
MUST_CHECK enum vv_rc crypto_selftest(struct vv_error *err);

#endif
