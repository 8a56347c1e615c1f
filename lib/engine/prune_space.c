/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune on a full disk: the reserve makes room for the first steps. */
#include <string.h>

#include "engine/prune_internal.h"
#include "repo/repo_reserve.h"

#define RESERVE "reserve"
#define SCARCE_BYTES (16u << 20)

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
    uint64_t size;

    VV_TRY(repo_reserve_take(p->repo, SCARCE_BYTES, &size, err));
    if (size > 0) {
        p->reserve = size;
        p->s.reserve_used = true;
    }
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
