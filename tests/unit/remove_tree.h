/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests: a temporary directory, and all in it, away. */
#ifndef VARVE_TESTS_REMOVE_TREE_H
#define VARVE_TESTS_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int
remove_tree_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

/** remove_tree(path): what can be removed; symbolic links are not followed. */
static inline void
remove_tree(const char *path)
{
    (void)nftw(path, remove_tree_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
