/* SPDX-License-Identifier: BSD-2-Clause */
/* From results to the documented exit codes. */
#include "exit_code.h"

#include "service/exit_codes.h"
#include <stddef.h>

_Static_assert((int)CODE_PROBLEMS == (int)EXIT_PROBLEMS && (int)CODE_DAMAGED == (int)EXIT_CORRUPT &&
                   (int)CODE_NO_SPACE == (int)EXIT_NO_SPACE &&
                   (int)CODE_INTERRUPTED == (int)EXIT_INTERRUPTED,
               "services act by the codes that commands end with");

enum exit_code
exit_code_of(enum vv_rc rc, enum vv_origin origin)
{
    switch (rc) {
    case VV_OK:
        return EXIT_DONE;
    case VV_EUSAGE:
        return EXIT_USAGE;
    case VV_ENOREPO:
        return EXIT_NO_REPOSITORY;
    case VV_EKEY:
        return EXIT_WRONG_KEY;
    case VV_ECORRUPT:
        /* A damaged archive that was to be backed up, or a damaged file of this host's state, says
         * nothing about the repository. */
        return origin == VV_ORIGIN_SOURCE || origin == VV_ORIGIN_LOCAL ? EXIT_FAILED : EXIT_CORRUPT;
    case VV_ETRANSIENT: /* storage or database: trying again may help */
        return EXIT_UNREACHABLE;
    case VV_EFORGED:
        return EXIT_FORGED;
    case VV_ENOSPACE:
        return EXIT_NO_SPACE;
    case VV_EAUTH:
        return EXIT_REFUSED;
    case VV_ECANCELLED:
        return EXIT_INTERRUPTED;
    case VV_ENOTFOUND:
    case VV_EEXISTS:
    case VV_EIO:
    case VV_EREFUSED:
    case VV_EUNSUPPORTED:
    case VV_ELIMIT:
    case VV_ENOMEM:
        return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

enum exit_code
exit_code_worse(enum exit_code a, enum exit_code b)
{
    static const enum exit_code order[] = {
        EXIT_INTERRUPTED, EXIT_USAGE,       EXIT_NO_REPOSITORY, EXIT_WRONG_KEY,
        EXIT_REFUSED,     EXIT_UNREACHABLE, EXIT_NO_SPACE,      EXIT_FAILED,
        EXIT_CORRUPT,     EXIT_FORGED,      EXIT_PROBLEMS,
    };

    for (size_t i = 0; i < VV_COUNT(order); i++) {
        if (a == order[i] || b == order[i]) {
            return order[i];
        }
    }
    return EXIT_DONE;
}
