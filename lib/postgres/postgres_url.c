/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be told of a source without libpq. */
#include <string.h>

#include "postgres/postgres.h"

bool
postgres_is_url(const char *text)
{
    return strncmp(text, "postgres://", 11) == 0 || strncmp(text, "postgresql://", 13) == 0;
}
