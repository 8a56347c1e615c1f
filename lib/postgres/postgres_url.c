/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be told of a source without libpq. */
#include <string.h>

#include "postgres/postgres.h"

bool
postgres_is_url(const char *text)
{
    return strncmp(text, "postgres://", 11) == 0 || strncmp(text, "postgresql://", 13) == 0;
}

const char *
postgres_url_of(const char *argument)
{
    const char *equals = strchr(argument, '=');

    if (postgres_is_url(argument)) {
        return argument;
    }
    return equals != NULL && equals > argument && postgres_is_url(equals + 1) ? equals + 1 : NULL;
}
