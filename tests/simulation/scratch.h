/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_SCRATCH_H
#define VARVE_TESTS_SCRATCH_H

/** scratch_claim(from, out): a directory in memory whose name depends on a number only (names of paths
 *  are part of trees): the lowest, beginning with ${from}, that no other program of this kind uses,
 *  which is returned.  Held until the program ends. */
unsigned scratch_claim(unsigned from, char out[64]);

#endif
