/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_WATCH_H
#define VARVE_SERVICE_WATCH_H

#include "core/event.h"
#include "source/change_set.h"

/*
 * Which directories change below some paths, by the kernel's own word: fanotify(7) on whole file systems
 * where that is allowed, else inotify(7) on every directory.
 *
 * N1  whatever changes after watch_open has returned is in what some later watch_take takes: as a
 *     directory, or as everything.  What came before is the caller's to find (by looking at everything).
 * N2  nothing is lost without a word: an overflow of the kernel's queue, a mount or unmount in or above
 *     the paths, a path that vanishes or appears, watches that run out, are everything.
 * N3  a directory that comes to a place (made, or moved there) counts as changed with all that is below.
 * N4  what happens in the caller's own directories is no change.
 * N5  memory is bounded by set_most, but for inotify's watches, of which the kernel keeps a number.
 * N6  a change is not reported by what it changed in another directory: a second name of a file that is
 *     elsewhere, a file that was opened elsewhere by another name of it (B9 of engine/backup.h).
 */
enum watch_way {
    WATCH_FANOTIFY,
    WATCH_INOTIFY,
    WATCH_BLIND, /* there are not enough watches: nothing is told until watch_open is tried again */
};
struct watch_options {
    const struct vv_span *roots; /* absolute, in tree order, as source_fs_roots gives them */
    size_t root_count;
    const char *const *own; /* absolute names of the caller's own directories */
    size_t own_count;
    bool one_file_system; /* of each path */
    bool inotify;         /* do not try fanotify */
    size_t set_most;      /* bytes of a set of changes */
    struct vv_events *events;
};

struct watch;
/** watch_open(o, ret, err): begin, in a thread of its own.  ${o} is borrowed. */
MUST_CHECK enum vv_rc watch_open(const struct watch_options *o, struct watch **ret,
                                 struct vv_error *err);
void watch_free(struct watch *w);
VV_DEFINE_CLEANUP(struct watch, watch_free);
/** watch_fd(w): readable when there is something to take. */
int watch_fd(const struct watch *w);
/** watch_take(w, set): add to ${set} what has changed since the last time; false if nothing has. */
bool watch_take(struct watch *w, struct change_set *set);
enum watch_way watch_way(struct watch *w);

#endif
