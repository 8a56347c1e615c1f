/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_SCRATCH_H
#define VARVE_TESTS_SCRATCH_H

/** scratch_claim(out): a directory in memory whose name depends on nothing (names of paths are part
 *  of trees): the lowest number no other program of this kind uses.  Held until the program ends. */
void scratch_claim(char out[64]);

#endif
