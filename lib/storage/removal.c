/* SPDX-License-Identifier: BSD-2-Clause */
/* Removing many objects of one directory, some hundred at a time. */
#include "storage/removal.h"

#include <string.h>

enum vv_rc
removal_add(struct removal *r, const char *directory, const char *file, struct vv_error *err)
{
    vv_buf_put(&r->names, directory, strlen(directory));
    vv_buf_put(&r->names, "/", 1);
    vv_buf_put(&r->names, file, strlen(file) + 1);
    VV_TRY(vv_buf_check(&r->names, err));
    r->count++;
    return r->count < REMOVAL_MANY ? VV_OK : removal_finish(r, err);
}

enum vv_rc
removal_finish(struct removal *r, struct vv_error *err)
{
    const char *names[REMOVAL_MANY];
    const char *at = (const char *)r->names.data;

    for (size_t i = 0; i < r->count; i++) {
        names[i] = at;
        at += strlen(at) + 1;
    }
    VV_TRY(storage_remove_many(r->storage, names, r->count, err));
    vv_buf_reset(&r->names);
    r->count = 0;
    return VV_OK;
}

void
removal_release(struct removal *r)
{
    vv_buf_release(&r->names);
}
