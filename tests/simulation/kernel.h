/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library learns from the kernel, made a function of the seed: clocks show the simulated
 * time, files have the inode numbers of a fresh file system and no times of their own, flock waits by
 * letting other processes run, and a killed process holds no lock.
 */
#ifndef VARVE_TESTS_KERNEL_H
#define VARVE_TESTS_KERNEL_H

/** kernel_begin(directory): bend from now on; ${directory} and what is above it have no times. */
void kernel_begin(const char *directory);
/** kernel_end(): the kernel's own answers again. */
void kernel_end(void);

#endif
