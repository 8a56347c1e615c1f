/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune on a full disk: the reserve makes room for the first steps. */
#include <string.h>

#include "engine/prune_internal.h"
#include "repo/repo_reserve.h"

#define RESERVE "reserve"
#define SCARCE_BYTES (16u << 20)
#define RESERVE_MAX (256u << 20) /* set aside again: it is made in memory */

uint64_t
prune_space(struct prune *p)
{
    uint64_t free_bytes;
    uint64_t total;

    return storage_space(repo_storage(p->repo), &free_bytes, &total, NULL) == VV_OK ? free_bytes
                                                                                    : UINT64_MAX;
}

enum vv_rc
prune_make_room(struct prune *p, struct vv_error *err)
{
    struct storage *st = repo_storage(p->repo);
    uint64_t size = 0;
    enum vv_rc rc;

    if (prune_space(p) >= SCARCE_BYTES) {
        return VV_OK;
    }
    rc = storage_size(st, RESERVE, &size, err);
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    VV_TRY(storage_remove(st, RESERVE, err));
    p->reserve = size < RESERVE_MAX ? size : RESERVE_MAX;
    p->s.reserve_used = true;
    vv_emit(repo_events(p->repo), VV_EVENT_NOTICE, "reserve-used",
            vv_span(RESERVE, strlen(RESERVE)),
            "there was next to no space: the reserve was given up to make room");
    return VV_OK;
}

void
prune_restore_reserve(struct prune *p)
{
    uint64_t space = prune_space(p);
    struct vv_error err = {0};

    if (p->reserve == 0) {
        return;
    }
    if (space / 2 < p->reserve || repo_publish_reserve(p->repo, p->reserve, &err) != VV_OK) {
        vv_emit(
            repo_events(p->repo), VV_EVENT_WARNING, "reserve-missing",
            vv_span(RESERVE, strlen(RESERVE)),
            "there is not enough space to set the reserve aside again: the next prune on a full "
            "disk will have none");
        return;
    }
    p->reserve = 0;
}
