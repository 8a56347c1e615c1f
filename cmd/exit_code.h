/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_EXIT_CODE_H
#define VARVE_CMD_EXIT_CODE_H

#include "core/error.h"

/** The documented exit codes (varve(1)). */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,         /* also: an include, or a path in a snapshot, that matched nothing */
    EXIT_USAGE = 2,          /* the command line makes no sense */
    EXIT_PROBLEMS = 3,       /* finished, but something was skipped, kept or damaged */
    EXIT_NO_REPOSITORY = 10, /* there is none */
    EXIT_WRONG_KEY = 11,     /* no slot opens */
    EXIT_CORRUPT = 12,       /* corruption found */
    EXIT_UNREACHABLE = 13,   /* trying again may help */
    EXIT_FORGED = 14,        /* roll-back, missing or forged records */
    EXIT_NO_SPACE = 15,
    EXIT_REFUSED = 16, /* host key or credentials */
    EXIT_INTERRUPTED = 130,
};

/** exit_code_of(rc, origin): what a failure ends the program with. */
enum exit_code exit_code_of(enum vv_rc rc, enum vv_origin origin);
/** exit_code_worse(a, b): which of two is told: the first of 130, 2, 10, 11, 16, 13, 15, 1, 12, 14,
 *  3, 0. */
enum exit_code exit_code_worse(enum exit_code a, enum exit_code b);

#endif
