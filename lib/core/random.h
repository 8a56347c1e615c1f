/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_RANDOM_H
#define VARVE_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** vv_random(buf, len): fill with unpredictable bytes from the kernel.  Ends the process (abort)
 *  if the kernel has none: nothing safe can follow.  Thread-safe. */
void vv_random(void *buf, size_t len);

/** For tests only: make vv_random a reproducible sequence from ${seed}; 0 goes back to the
 * kernel. */
void vv_random_test_seed(uint64_t seed);

#endif
