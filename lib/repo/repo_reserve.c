/* SPDX-License-Identifier: BSD-2-Clause */
/* The space a repository sets aside for its own rescue. */
#include "repo/repo_reserve.h"

#include "repo/repo_internal.h"

enum vv_rc
repo_publish_reserve(struct repo *r, uint64_t size, struct vv_error *err)
{
    enum vv_rc rc = publish_reserve(repo_storage(r), size, err);

    if (rc == VV_EEXISTS) {
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}
