/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking a forget back, wholly or for some of its snapshots; pins; accepting what was marked. */
#include <string.h>

#include "core/alloc.h"
#include "engine/forget_internal.h"
#include "repo/retention_publish.h"

static bool
is_among(const struct snapshot *const *snapshots, size_t count, const struct vv_uuid *id)
{
    for (size_t i = 0; i < count; i++) {
        if (vv_uuid_equal(&snapshots[i]->id, id)) {
            return true;
        }
    }
    return false;
}

/** The snapshots a forget hides: those wanted, and the rest. */
struct split {
    struct vv_uuid *rest;
    uint32_t rest_count;
    uint32_t wanted_count;
};

static enum vv_rc
split_forget(const struct snapshot_list *l, const struct forget_run *f,
             const struct snapshot *const *snapshots, size_t count, struct split *ret,
             struct vv_error *err)
{
    const struct vv_uuid *ids = &l->admin.retention.forget_snapshots[f->first];

    memset(ret, 0, sizeof(*ret));
    ret->rest = vv_alloc_array((size_t)f->count + 1, sizeof(*ret->rest));
    if (ret->rest == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t k = 0; k < f->count; k++) {
        if (is_among(snapshots, count, &ids[k])) {
            ret->wanted_count++;
        } else {
            ret->rest[ret->rest_count++] = ids[k];
        }
    }
    return VV_OK;
}

/** The rest is hidden by a forget of its own, with what is left of the grace, before this one is
 *  taken back: a run that dies in between has hidden nothing longer, and nothing has come back that
 *  nobody asked for. */
static enum vv_rc
take_back(struct repo *r, const struct forget_run *f, const struct split *s, struct vv_error *err)
{
    int64_t now = forget_now(r);
    int64_t until = forget_run_until(f);

    if (s->rest_count > 0) {
        VV_TRY(forget_publish(r, s->rest, s->rest_count, until > now ? until - now : 0, NULL, err));
    }
    return forget_end(r, &f->id, FORGET_CANCELLED, err);
}

enum vv_rc
undelete_run(struct repo *r, const struct snapshot_list *l, const struct snapshot *const *snapshots,
             size_t count, size_t *ret, struct vv_error *err)
{
    const struct retention_records *records = &l->admin.retention;

    VV_TRY(forget_key(r, err));
    for (size_t i = 0; i < count; i++) {
        const struct forgotten *f = admin_forgotten(&l->admin, &snapshots[i]->id);
        char id[VV_UUID_TEXT];
        if (f != NULL && f->carried_out) {
            vv_uuid_text(&snapshots[i]->id, id);
            return vv_error_set(
                err, VV_EREFUSED,
                "snapshot %.8s cannot be brought back: its grace is over, and prune "
                "has begun to remove it",
                id);
        }
    }
    *ret = 0;
    for (size_t i = 0; i < records->forget_count; i++) {
        const struct forget_run *f = &records->forgets[i];
        struct split s = {0};
        enum vv_rc rc = VV_OK;
        if (f->outcome != 0) {
            continue;
        }
        VV_TRY(split_forget(l, f, snapshots, count, &s, err));
        if (s.wanted_count > 0) {
            rc = take_back(r, f, &s, err);
        }
        vv_free(s.rest);
        VV_TRY(rc);
    }
    *ret = count;
    return VV_OK;
}

/* --- pins ------------------------------------------------------------------------------------- */

static enum vv_rc
publish_pins(struct repo *r, const struct snapshot_list *l, const struct snapshot *const *snapshots,
             size_t count, int64_t until, bool pinned, struct vv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct pin pin = {.snapshot = snapshots[i]->id, .until = until, .pinned = pinned};
        VV_TRY(pin_publish(r, &l->admin, &pin, err));
    }
    return VV_OK;
}

enum vv_rc
pin_run(struct repo *r, const struct snapshot_list *l, const struct snapshot *const *snapshots,
        size_t count, int64_t until, struct vv_error *err)
{
    VV_TRY(forget_key(r, err));
    if (until != 0 && until <= forget_now(r)) {
        return vv_error_set(err, VV_EREFUSED, "the end of the pin is not in the future");
    }
    return publish_pins(r, l, snapshots, count, until, true, err);
}

enum vv_rc
unpin_run(struct repo *r, const struct snapshot_list *l, const struct snapshot *const *snapshots,
          size_t count, struct vv_error *err)
{
    VV_TRY(forget_permitted(r, l, err));
    for (size_t i = 0; i < count; i++) {
        char id[VV_UUID_TEXT];
        if (!admin_pinned(&l->admin, &snapshots[i]->id, forget_now(r), NULL)) {
            vv_uuid_text(&snapshots[i]->id, id);
            return vv_error_set(err, VV_EREFUSED, "snapshot %.8s is not pinned", id);
        }
    }
    return publish_pins(r, l, snapshots, count, 0, false, err);
}

/* --- accepting -------------------------------------------------------------------------------- */

enum vv_rc
accept_run(struct repo *r, const struct snapshot_list *l, const struct snapshot *const *snapshots,
           size_t count, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) struct vv_uuid *ids = vv_alloc_array(count + 1, sizeof(*ids));
    struct retention_marks m = {0};
    enum vv_rc rc = VV_OK;

    if (ids == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(forget_permitted(r, l, err));
    VV_TRY(retention_marks_find(l, &m, err));
    for (size_t i = 0; i < count && rc == VV_OK; i++) {
        char id[VV_UUID_TEXT];
        ids[i] = snapshots[i]->id;
        vv_uuid_text(&ids[i], id);
        if (retention_marked(&m, snapshots[i]) == NULL) {
            rc = vv_error_set(err, VV_EREFUSED, "snapshot %.8s is not marked", id);
        }
    }
    retention_marks_release(&m);
    VV_TRY(rc);
    return accepted_publish(r, ids, (uint32_t)count, err);
}
