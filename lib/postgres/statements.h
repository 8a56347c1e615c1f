/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_POSTGRES_STATEMENTS_H
#define VARVE_POSTGRES_STATEMENTS_H

#include <stdbool.h>

#include "core/bytes.h"

/** postgres_statement_next(rest, ret): the next statement of a text of SQL, without blanks and comments
 *  around it and without its semicolon; ${rest} is what comes behind it.  Quoted texts and names, dollar
 *  quotes and (nested) comments are known.  False: there is none. */
MUST_CHECK bool postgres_statement_next(struct vv_span *rest, struct vv_span *ret);

#endif
