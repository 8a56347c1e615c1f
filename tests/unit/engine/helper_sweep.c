/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helper_sweep.h"

#include <stdlib.h>
#include <string.h>

uint64_t
sweep_stride(uint64_t usual)
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
