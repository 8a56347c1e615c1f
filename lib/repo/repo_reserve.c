/* SPDX-License-Identifier: BSD-2-Clause */
/* The space a repository sets aside for its own rescue. */
#include "repo/repo_reserve.h"

#include <string.h>

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

#define RESERVE "reserve"
#define SLACK (1u << 20)         /* left free beside it, for what the next command writes */
#define RESERVE_MAX (256u << 20) /* set aside again: it is made in memory */

static uint64_t
free_space(struct repo *r)
{
    uint64_t free_bytes;
    uint64_t total;

    return storage_space(repo_storage(r), &free_bytes, &total, NULL) == VV_OK ? free_bytes
                                                                              : UINT64_MAX;
}

enum vv_rc
repo_reserve_take(struct repo *r, uint64_t scarce, uint64_t *ret_size, struct vv_error *err)
{
    struct storage *st = repo_storage(r);
    struct vv_error why = {0};
    uint64_t size = 0;
    enum vv_rc rc;

    *ret_size = 0;
    if (free_space(r) >= scarce || (storage_abilities(st) & STORAGE_DELETE) == 0) {
        return VV_OK;
    }
    rc = storage_size(st, RESERVE, &size, &why);
    if (rc == VV_OK) {
        rc = storage_remove(st, RESERVE, &why);
    }
    if (rc == VV_ENOTFOUND || rc == VV_EREFUSED) {
        return VV_OK;
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    *ret_size = size < RESERVE_MAX ? size : RESERVE_MAX;
    vv_emit(repo_events(r), VV_EVENT_WARNING, "reserve-used", vv_span(RESERVE, strlen(RESERVE)),
            "there was next to no space: the reserve was given up to make room");
    return VV_OK;
}

void
repo_reserve_return(struct repo *r, uint64_t size)
{
    uint64_t room = size > 0 ? free_space(r) : 0;
    struct vv_error err = {0};
    uint64_t again;

    if (size == 0) {
        return;
    }
    again = room < SLACK ? 0 : room - SLACK < size ? room - SLACK : size;
    if (again > 0 && repo_publish_reserve(r, again, &err) != VV_OK) {
        again = 0;
    }
    if (again < size / 2) {
        vv_emit(repo_events(r), VV_EVENT_WARNING, "reserve-missing",
                vv_span(RESERVE, strlen(RESERVE)),
                "there is not enough space to set the reserve aside again: what clears up a full "
                "disk next time will have %s",
                again > 0 ? "less" : "none");
    }
}

void
repo_reserve_explain(struct repo *r, struct vv_error *err)
{
    uint64_t size;

    if (err == NULL || err->rc != VV_ENOSPACE) {
        return;
    }
    if (storage_size(repo_storage(r), RESERVE, &size, NULL) == VV_OK) {
        vv_error_hint(err,
                      "nothing is lost; make a little room beside the repository, or let 'varve "
                      "prune' use the reserve and delete what was forgotten before");
    } else {
        vv_error_hint(err,
                      "nothing is lost; there is no space set aside here ('varve init --reserve' "
                      "does that): make a little room beside the repository and repeat it, then "
                      "'varve prune --grace 0'");
    }
}
