/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_STORAGE_SFTP_FIXTURE_H
#define VARVE_TESTS_STORAGE_SFTP_FIXTURE_H

#include "storage/sftp_internal.h"

/* SFTP storages over a pipe to sftp-server, in a directory of their own, on lines that can be cut. */

struct sftp_fixture {
    char directory[64]; /* of the test; the repository is "<directory>/repo" */
    char root[80];
    struct vv_clock_manual clock;
    struct vv_cancel cancel;
    /* What happens to the lines, all atomics: */
    _Atomic int64_t cut_after; /* bytes either way until the line breaks; negative: never */
    _Atomic unsigned connects; /* so many were made */
    _Atomic unsigned refusals; /* so many attempts to connect fail from now on */
    atomic_bool read_only;     /* the next servers get -R */
    const char *deny;          /* the next servers get -P this, or NULL */
    struct storage *s;
};

/** sftp_server_path(): where it is, NULL if it is not installed. */
const char *sftp_server_path(void);
/** sftp_fixture_begin(f): a directory and a storage without layout. */
void sftp_fixture_begin(struct sftp_fixture *f);
/** sftp_fixture_storage(f, root): another storage on the same lines. */
struct storage *sftp_fixture_storage(struct sftp_fixture *f, const char *root);
/** sftp_fixture_end(f): free the storage, delete the directory. */
void sftp_fixture_end(struct sftp_fixture *f);

#endif
