/* SPDX-License-Identifier: BSD-2-Clause */
/* For unit tests: where they make files, if what they are about is not the disk. */
#ifndef VARVE_TESTS_SCRATCH_DIRECTORY_H
#define VARVE_TESTS_SCRATCH_DIRECTORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRATCH_ROOM (1ull << 30)

/** Is there room in /dev/shm, and does it keep users' extended attributes (Linux 6.6)? */
static inline bool
scratch_in_memory(void)
{
    char name[] = "/dev/shm/varve-test-XXXXXX";
    struct statvfs space;
    int fd;
    bool keeps;

    if (statvfs("/dev/shm", &space) != 0 || space.f_bavail * space.f_frsize < SCRATCH_ROOM) {
        return false;
    }
    fd = mkstemp(name);
    keeps = fd >= 0 && fsetxattr(fd, "user.test", "x", 1, 0) == 0;
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(name);
    }
    return keeps;
}

/** scratch_directory_make(out, size): a new directory, in memory if that can be, or else in /tmp; the caller
 *  removes it. */
static inline void
scratch_directory_make(char *out, size_t size)
{
    (void)snprintf(out, size, "%s/varve-test-XXXXXX", scratch_in_memory() ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(out));
}

#endif
