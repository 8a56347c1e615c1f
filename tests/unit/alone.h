/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests that what others do meanwhile would disturb. */
#ifndef VARVE_TESTS_ALONE_H
#define VARVE_TESTS_ALONE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>

/** tests_alone(): from now on what this process mounts is seen by nobody else.  False: it has no right to. */
static inline bool
tests_alone(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

#endif
