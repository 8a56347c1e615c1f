/* SPDX-License-Identifier: BSD-2-Clause */
/* The id of a run. */
#include "run_id.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/random.h"

#define BYTES ((RUN_ID_TEXT - 1) / 2)

void
run_id_make(char out[RUN_ID_TEXT])
{
    uint8_t bytes[BYTES];

    vv_random(bytes, sizeof(bytes));
    vv_hex(out, bytes, sizeof(bytes));
}

void
run_id_inherit(char out[RUN_ID_TEXT])
{
    const char *given = getenv("VARVE_RUN");
    uint8_t bytes[BYTES];

    if (given != NULL && vv_unhex(bytes, sizeof(bytes), given, strlen(given))) {
        memcpy(out, given, RUN_ID_TEXT);
    } else {
        run_id_make(out);
    }
}
