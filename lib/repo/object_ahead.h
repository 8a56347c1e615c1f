/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_OBJECT_AHEAD_H
#define VARVE_REPO_OBJECT_AHEAD_H

#include "storage/storage.h"

/*
 * Reading many small objects in a row, ahead of who wants them where a round trip to the storage
 * takes long (storage_parallel), one after the other where it does not.
 *
 * Invariants:
 * A1  objects are handed out in the order of the list, each exactly as storage_read_all would give
 *     it at some moment after object_ahead_new.
 * A2  at most OBJECT_AHEAD_WINDOW objects are in memory or being read.
 */
struct object_ahead;

enum { OBJECT_AHEAD_WINDOW = 16 };

/** object_ahead_new(s, directory, names, count, limit, ret, err): the objects names[0..count) of
 *  ${directory}; ${names} stay borrowed.  At most ${limit} bytes each. */
MUST_CHECK enum vv_rc object_ahead_new(struct storage *s, const char *directory, char *const *names,
                                       size_t count, uint64_t limit, struct object_ahead **ret,
                                       struct vv_error *err);
/** object_ahead_next(a, out, err): the next object's bytes instead of what ${out} held.  VV_ECORRUPT
 *  for what is listed but can be no object's name. */
MUST_CHECK enum vv_rc object_ahead_next(struct object_ahead *a, struct vv_buf *out,
                                        struct vv_error *err);
/** object_ahead_free(a): what was not handed out is dropped. */
void object_ahead_free(struct object_ahead *a);
VV_DEFINE_CLEANUP(struct object_ahead, object_ahead_free);

#endif
