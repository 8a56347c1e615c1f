/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_FILE_H
#define VARVE_CORE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/bytes.h"
#include "core/error.h"

/*
 * Descriptors and small files.  Every call retries EINTR; short reads and writes are completed.
 * ${name} is only for messages.
 */

/** vv_fd_close(fd): close without a verdict (for descriptors that were only read); -1 is fine. */
void vv_fd_close(int fd);
static inline void
vv_fd_closep(const int *fd)
{
    vv_fd_close(*fd);
}

/** vv_fd_is(fd, text, ret_rest): does "DEVICE:INODE" at the beginning of ${text} name what ${fd} is?  That is how
 *  who starts a program says where its pipe leads.  *ret_rest: what stands behind; may be NULL. */
MUST_CHECK bool vv_fd_is(int fd, const char *text, const char **ret_rest);

/** vv_fd_read_full(fd, buf, len, ret_len, err): read until ${len} bytes or the end of file. */
MUST_CHECK enum vv_rc vv_fd_read_full(int fd, void *buf, size_t len, const char *name,
                                      size_t *ret_len, struct vv_error *err);
/** vv_fd_pread_full(fd, buf, len, offset, ...): the same at an offset. */
MUST_CHECK enum vv_rc vv_fd_pread_full(int fd, void *buf, size_t len, uint64_t offset,
                                       const char *name, size_t *ret_len, struct vv_error *err);
MUST_CHECK enum vv_rc vv_fd_write_full(int fd, const void *buf, size_t len, const char *name,
                                       struct vv_error *err);
MUST_CHECK enum vv_rc vv_fd_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset,
                                        const char *name, struct vv_error *err);

/** vv_file_read(dir, path, limit, out, err): append a whole file to ${out}; more than ${limit}
 *  bytes is VV_ELIMIT.  ${dir} may be AT_FDCWD. */
MUST_CHECK enum vv_rc vv_file_read(int dir, const char *path, size_t limit, struct vv_buf *out,
                                   struct vv_error *err);

/** vv_file_replace(dir, path, data, mode, err): atomically and durably put ${data} at ${path}
 *  (temporary file, fsync, rename, fsync of the directory).  On failure no temporary is left and
 *  ${path} is as before, except when only the last step failed: then the new content is in place,
 *  but may not survive a crash.  A failed fsync is never repeated.  ${mode} is subject to umask. */
MUST_CHECK enum vv_rc vv_file_replace(int dir, const char *path, struct vv_span data, mode_t mode,
                                      struct vv_error *err);

/** vv_file_create(dir, path, data, mode, err): the same, but VV_EEXISTS if ${path} exists. */
MUST_CHECK enum vv_rc vv_file_create(int dir, const char *path, struct vv_span data, mode_t mode,
                                     struct vv_error *err);

/** vv_mkdir_all(path, mode, err): create a directory and its missing parents, durably. */
MUST_CHECK enum vv_rc vv_mkdir_all(const char *path, mode_t mode, struct vv_error *err);

/** vv_temp_file(dir_path, ret_fd, err): an unnamed (unlinked) file for reading and writing. */
MUST_CHECK enum vv_rc vv_temp_file(const char *dir_path, int *ret_fd, struct vv_error *err);

/** vv_memory_file(ret_fd, err): the same without a disk: its bytes take memory. */
MUST_CHECK enum vv_rc vv_memory_file(int *ret_fd, struct vv_error *err);

/** vv_file_lock(fd, wait, ret_got, err): exclusive flock(2), gone with the process.  Held by
 * somebody else and not waiting: VV_OK with ${*ret_got} false. */
MUST_CHECK enum vv_rc vv_file_lock(int fd, bool wait, bool *ret_got, struct vv_error *err);

#endif
