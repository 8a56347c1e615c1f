/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_EXIT_CODES_H
#define VARVE_SERVICE_EXIT_CODES_H

/** What a varve that was run may end with, as far as services act by it: of varve(1), as cmd/exit_code.h has all
 *  (cmd/exit_code.c compares). */
enum {
    CODE_PROBLEMS = 3,
    CODE_DAMAGED = 12,
    CODE_NO_SPACE = 15,
    CODE_INTERRUPTED = 130,
};

#endif
