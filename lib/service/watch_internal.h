/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_WATCH_INTERNAL_H
#define VARVE_SERVICE_WATCH_INTERNAL_H

#include <sys/types.h>

#include "core/thread.h"
#include "service/watch.h"

/*
 * Shared by the watch*.c files.
 *
 *   watch.c           the thread; what is a change and what is not
 *   watch_mounts.c    which file systems the paths are on
 *   watch_fanotify.c  events of whole file systems
 *   watch_inotify.c   events of every directory
 *
 * Paths are those of a tree: no slash in front.
 */

/** A mount that some of the paths are on, or that is below one. */
struct watch_mount {
    uint64_t id;
    char *point;
};
struct watch_mounts {
    struct watch_mount *items;
    size_t count;
};
void watch_mounts_release(struct watch_mounts *m);
/** watch_mounts_read(w, ret, err): as of now. */
MUST_CHECK enum vv_rc watch_mounts_read(const struct watch *w, struct watch_mounts *ret,
                                        struct vv_error *err);
/** watch_mounts_changed(w): are they others now than those in ${w}, or elsewhere?  (Or is that not known?) */
bool watch_mounts_changed(const struct watch *w);

/** What is known of one path that is watched. */
struct watch_root {
    struct vv_span path;
    bool exists;
    dev_t device;
    ino_t inode;
};

struct watch_fanotify;
struct watch_inotify;
struct watch {
    struct watch_options options;
    struct watch_root *roots;
    struct vv_span *own;
    struct watch_mounts mounts;
    struct watch_fanotify *fanotify;
    struct watch_inotify *inotify;
    struct vv_thread thread;
    int mount_fd; /* tells that mounts have changed */
    int told_fd;  /* eventfd: there is something to take */
    int stop_fd;  /* eventfd: end */
    bool told_inotify;
    struct vv_buf path; /* of the thread alone */

    struct vv_mutex lock; /* guards all below */
    struct change_set *set;
    enum watch_way way;
};

/** watch_note(w, directory, name, is_new): something about ${name} in ${directory}; ${is_new}: it is a
 *  directory that has come there.  False: that is nothing to us. */
bool watch_note(struct watch *w, struct vv_span directory, struct vv_span name, bool is_new);
/** watch_note_everything(w): N2. */
void watch_note_everything(struct watch *w);
/** watch_is_own(w, path): one of the caller's directories, or in it. */
bool watch_is_own(const struct watch *w, struct vv_span path);
/** watch_is_inside(w, path): one of the paths, or below. */
bool watch_is_inside(const struct watch *w, struct vv_span path);

/** watch_fanotify_open(w, ret, err): VV_EUNSUPPORTED or VV_EAUTH if it cannot be used here. */
MUST_CHECK enum vv_rc watch_fanotify_open(struct watch *w, struct watch_fanotify **ret,
                                          struct vv_error *err);
void watch_fanotify_close(struct watch_fanotify *f);
int watch_fanotify_fd(const struct watch_fanotify *f);
/** watch_fanotify_read(w, f, ret_again): note what there is; *ret_again: marks must be set anew. */
void watch_fanotify_read(struct watch *w, struct watch_fanotify *f, bool *ret_again);

/** watch_inotify_open(w, ret, err): VV_ELIMIT: there are not enough watches. */
MUST_CHECK enum vv_rc watch_inotify_open(struct watch *w, struct watch_inotify **ret,
                                         struct vv_error *err);
void watch_inotify_close(struct watch_inotify *n);
int watch_inotify_fd(const struct watch_inotify *n);
/** watch_inotify_read(w, n, ret_again): as above. */
void watch_inotify_read(struct watch *w, struct watch_inotify *n, bool *ret_again);

#endif
