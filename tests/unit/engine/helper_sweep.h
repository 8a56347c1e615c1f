/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TEST_HELPER_SWEEP_H
#define VARVE_TEST_HELPER_SWEEP_H

#include <stdint.h>

/** sweep_stride(usual): a test that tries every operation, or every byte, takes long, so only each
 *  ${usual}th is tried: or every one with VARVE_SWEEP=all, a fifth of the usual with VARVE_SWEEP=sparse. */
uint64_t sweep_stride(uint64_t usual);

#endif
