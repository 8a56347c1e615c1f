/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_TARGET_H
#define VARVE_ENGINE_WAL_TARGET_H

#include "core/bytes.h"

/*
 * A file that is put in its place when it is whole.  It has no name until then, where the file system can
 * do that: a process that is killed leaves nothing behind, in a server's pg_wal, say, where nobody would
 * ever look for it.  Elsewhere it is PATH.varve-PROCESS until then.
 */
struct wal_target {
    int fd;                  /* to write to */
    struct vv_buf temporary; /* its name, or the one it will have on its way */
    bool named;
};
/** wal_target_open(path, ret, err): 0600, in the directory of ${path}. */
MUST_CHECK enum vv_rc wal_target_open(const char *path, struct wal_target *ret,
                                      struct vv_error *err);
/** wal_target_finish(t, path, err): what was written, at ${path}, in the place of what is there. */
MUST_CHECK enum vv_rc wal_target_finish(struct wal_target *t, const char *path,
                                        struct vv_error *err);
/** wal_target_release(t): gone, unless it was finished. */
void wal_target_release(struct wal_target *t);

#endif
