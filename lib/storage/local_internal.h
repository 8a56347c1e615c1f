/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_STORAGE_LOCAL_INTERNAL_H
#define VARVE_STORAGE_LOCAL_INTERNAL_H

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "core/file.h"
#include "core/thread.h"
#include "storage/storage.h"
#include "storage/storage_internal.h"

/*
 * Inside of the local driver: local.c (reading, listing, removing), local_publish.c,
 * local_layout.c, local_abilities.c and local_directory.c.
 */

/** Every system call that changes the repository goes through this table, so that a test can make
 *  any of them fail and can see their order.  Results and errno as the calls they are named after.
 */
struct local_calls {
    int (*open)(int directory, const char *name, int flags, mode_t mode);
    ssize_t (*write)(int fd, const void *data, size_t len);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*link)(int from_directory, const char *from, int to_directory, const char *to);
    int (*unlink)(int directory, const char *name);
    int (*renameat2)(int from_directory, const char *from, int to_directory, const char *to,
                     unsigned flags);
};

/** The kernel's own. */
extern const struct local_calls local_system_calls;

/** storage_local_set_calls(s, calls): for tests; ${s} must be a local storage nobody uses yet,
 *  ${calls} must outlive it. */
void storage_local_set_calls(struct storage *s, const struct local_calls *calls);

enum {
    /* Descriptors kept open: of the directories met first, which are the root, what lies in it and
     * some shards; others are opened for each use.  A process may have many storages (a replication
     * one for each destination) and 1024 descriptors. */
    LOCAL_CACHED_DIRECTORIES = 32,
    LOCAL_TEMPORARY_NAME = STORAGE_SESSION_MAX + 24,
};

/** A directory kept open (O_PATH). */
struct local_cached {
    char name[STORAGE_LAYOUT_NAME]; /* filled up with NUL bytes */
    int fd;
    bool stale; /* the server forgot the handle: do not use, but others may still be in it */
};

struct local {
    struct storage base;
    const struct local_calls *calls;
    char *path;            /* absolute; also base.url */
    struct vv_mutex mutex; /* guards what follows */
    struct local_cached cached[LOCAL_CACHED_DIRECTORIES];
    size_t cached_count;
    char session[STORAGE_SESSION_MAX + 1];
    /* end of what the mutex guards */
    _Atomic uint64_t last_temporary;
    atomic_bool no_hard_links;     /* learnt: link(2) does not work here */
    atomic_bool no_directory_sync; /* learnt: fsync(2) of a directory does not work here */
    atomic_bool abilities_known;
    _Atomic uint32_t abilities;
};

/** A directory to use descriptor-relative; release with local_directory_releasep (VV_CLEANUP). */
struct local_directory {
    int fd;
    bool owned; /* did not fit into the cache */
};
#define LOCAL_NO_DIRECTORY ((struct local_directory){.fd = -1})

static inline void
local_directory_releasep(struct local_directory *d)
{
    if (d->owned) {
        vv_fd_close(d->fd);
    }
}

/** local_directory_open(l, name, len, ret, err): the directory name[0..len), "" being the root.
 *  Symbolic links are followed to the root, not below it. */
MUST_CHECK enum vv_rc local_directory_open(struct local *l, const char *name, size_t len,
                                           struct local_directory *ret, struct vv_error *err);
/** local_directory_of(l, object, ret, err): the directory in which ${object} is. */
MUST_CHECK enum vv_rc local_directory_of(struct local *l, const char *object,
                                         struct local_directory *ret, struct vv_error *err);
/** local_directory_begin_sync(l, d, object, ret_fd, err): a descriptor of ${d} of its own, opened
 *  before the change that is to be made durable through it.  The kernel reports a write error once
 *  to each descriptor open at the time: on a shared one, a neighbour would swallow ours. */
MUST_CHECK enum vv_rc local_directory_begin_sync(struct local *l, const struct local_directory *d,
                                                 const char *object, int *ret_fd,
                                                 struct vv_error *err);
/** local_directory_sync(l, fd): fsync; 0, or errno.  A file system that cannot is no error (see
 *  the ability STORAGE_DURABLE_NAME). */
MUST_CHECK int local_directory_sync(struct local *l, int fd);
/** local_directory_forget_all(l), local_directory_close_all(l): after a stale handle; at the end.
 */
void local_directory_forget_all(struct local *l);
void local_directory_close_all(struct local *l);

/** local_error(l, err, sys, action, name): "cannot ACTION 'ROOT/NAME': reason". */
enum vv_rc local_error(struct local *l, struct vv_error *err, int sys, const char *action,
                       const char *name);

/** A file in tmp/ on its way to become an object. */
struct local_temporary {
    int tmp; /* borrowed: the directory */
    char name[LOCAL_TEMPORARY_NAME];
    struct stat identity;
    bool renamed; /* the final name was sought by renaming, not by linking */
};

/** local_temporary_new(l, tmp, data, object, ret, err): write, fsync and close; nothing is left on
 *  failure.  ${object} is for messages. */
MUST_CHECK enum vv_rc local_temporary_new(struct local *l, int tmp, struct vv_span data,
                                          const char *object, struct local_temporary *ret,
                                          struct vv_error *err);

/* The driver's members that have a file of their own. */
MUST_CHECK enum vv_rc local_publish(struct storage *s, const char *name, struct vv_span data,
                                    struct vv_error *err);
MUST_CHECK enum vv_rc local_make_layout(struct storage *s, struct vv_error *err);
MUST_CHECK enum vv_rc local_complete_layout(struct storage *s, struct vv_error *err);
uint32_t local_abilities(struct storage *s);

#endif
