/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_STORAGE_LOCAL_FIXTURE_H
#define VARVE_TESTS_STORAGE_LOCAL_FIXTURE_H

#include "storage/local_internal.h"
#include "storage/storage.h"

/* A directory of its own for a test of the local driver. */
struct local_fixture {
    char base[256]; /* the test's own directory */
    char root[300]; /* base + "/repo" */
    struct storage *s;
};

/** local_fixture_begin(f): make the directory and a storage on f->root, without layout. */
void local_fixture_begin(struct local_fixture *f);
/** local_fixture_begin_in(f, directory): below ${directory} unless TMPDIR says something else. */
void local_fixture_begin_in(struct local_fixture *f, const char *directory);
/** local_fixture_layout(f): and create the layout. */
void local_fixture_layout(struct local_fixture *f);
/** local_fixture_end(f): delete everything. */
void local_fixture_end(struct local_fixture *f);
/** local_fixture_path(f, name, out): root/name. */
const char *local_fixture_path(const struct local_fixture *f, const char *name, char out[600]);
/** delete_tree(path): rm -rf. */
void delete_tree(const char *path);
/** The system's calls without fsync. */
extern const struct local_calls calls_without_fsync;

#endif
