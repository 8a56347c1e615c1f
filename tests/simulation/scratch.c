/* SPDX-License-Identifier: BSD-2-Clause */
#include "simulation/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned
scratch_claim(unsigned from, char out[64])
{
    for (unsigned n = from; n < from + 1000; n++) {
        int fd;
        (void)snprintf(out, 64, "/dev/shm/varve-simulation-%u", n);
        if (mkdir(out, 0700) != 0 && access(out, W_OK) != 0) {
            continue;
        }
        fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return n;
        }
        (void)close(fd);
    }
    abort();
}
