/* SPDX-License-Identifier: BSD-2-Clause */
/* For unit tests: how much of what could be tried is tried. */
#ifndef VARVE_TESTS_SWEEP_H
#define VARVE_TESTS_SWEEP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/** sweep_stride(usual): a test that tries every operation, every byte or every case takes long, so only
 *  each ${usual}th is tried: or every one with VARVE_SWEEP=all, a fifth of the usual with
 *  VARVE_SWEEP=sparse. */
static inline unsigned
sweep_stride(unsigned usual)
{
    const char *sweep = getenv("VARVE_SWEEP");

    if (sweep == NULL) {
        return usual;
    }
    if (strcmp(sweep, "all") != 0 && strcmp(sweep, "sparse") != 0) {
        fail_msg("VARVE_SWEEP is '%s', neither 'all' nor 'sparse'", sweep);
    }
    return strcmp(sweep, "all") == 0 ? 1 : 5 * usual;
}

#endif
