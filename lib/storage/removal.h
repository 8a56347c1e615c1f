/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_STORAGE_REMOVAL_H
#define VARVE_STORAGE_REMOVAL_H

#include "storage/storage.h"

enum { REMOVAL_MANY = 256 }; /* so many are removed together */

/** Objects of one directory that go, gathered for storage_remove_many.  Initialise with
 *  {.storage = s}; release with removal_release, which removes nothing. */
struct removal {
    struct storage *storage;
    struct vv_buf names; /* each with its NUL */
    size_t count;
};

/** removal_add(r, directory, file, err): now or at the latest when it is finished. */
MUST_CHECK enum vv_rc removal_add(struct removal *r, const char *directory, const char *file,
                                  struct vv_error *err);
/** removal_finish(r, err): all of them are gone, durably. */
MUST_CHECK enum vv_rc removal_finish(struct removal *r, struct vv_error *err);
void removal_release(struct removal *r);

#endif
