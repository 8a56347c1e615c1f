/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P1: carrying out forgets whose grace is over. */
#include <string.h>

#include "core/alloc.h"
#include "engine/prune_internal.h"
#include "repo/bury.h"
#include "repo/record_array.h"
#include "repo/retention_publish.h"

/** Does a reader that is at work need the snapshot? */
static bool
is_being_read(const struct open_sessions *open, const struct vv_uuid *snapshot)
{
    for (size_t i = 0; i < open->count; i++) {
        const struct open_session *s = &open->items[i];
        for (uint32_t j = 0; s->kind == SESSION_READER && j < s->snapshot_count; j++) {
            if (vv_uuid_equal(&s->snapshots[j], snapshot)) {
                return true;
            }
        }
    }
    return false;
}

/** May a forget be carried out now?  One that names a snapshot which is pinned, older than a marked
 *  one, or being read, waits with all it names. */
static bool
is_due(const struct prune *p, const struct snapshot_list *l, const struct retention_marks *marks,
       const struct open_sessions *open, const struct forget_run *f)
{
    const struct vv_clock *clock = repo_clock(p->repo);
    int64_t now = clock->realtime(clock);
    int64_t grace = f->grace < p->options->grace_ns ? f->grace : p->options->grace_ns;

    if (f->outcome != 0 || now < f->time || now - f->time < grace ||
        retention_holds(l, marks, f, now)) {
        return false;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        if (is_being_read(open, &l->admin.retention.forget_snapshots[f->first + i])) {
            return false;
        }
    }
    return true;
}

bool
prune_would_bury(const struct prune *p, const struct snapshot_list *l,
                 const struct retention_marks *marks, const struct open_sessions *open,
                 const struct vv_uuid *snapshot)
{
    for (size_t i = 0; i < l->admin.retention.forget_count; i++) {
        const struct forget_run *f = &l->admin.retention.forgets[i];
        if (f->outcome != FORGET_CARRIED_OUT && !is_due(p, l, marks, open, f)) {
            continue;
        }
        for (uint32_t j = 0; j < f->count; j++) {
            if (vv_uuid_equal(&l->admin.retention.forget_snapshots[f->first + j], snapshot)) {
                return true;
            }
        }
    }
    return false;
}

/** A reader whose heartbeat has stood still is gone; what is left of it is cleaned away. */
static enum vv_rc
drop_dead_readers(struct prune *p, struct open_sessions *open, struct vv_error *err)
{
    for (size_t i = 0; i < open->count; i++) {
        struct open_session *s = &open->items[i];
        char id[VV_UUID_TEXT];
        uint64_t still = 0;
        if (s->kind != SESSION_READER) {
            continue;
        }
        vv_uuid_text(&s->id, id);
        VV_TRY(stillness_of(p->still, id, s->beat, &still, err));
        if (still >= PRUNE_STILL_NS) {
            s->snapshot_count = 0;
        }
    }
    return VV_OK;
}

/** End it: from here on it is carried out, or somebody else was faster. */
static enum vv_rc
end_forget(struct prune *p, const struct forget_run *f, bool *ret_ours, struct vv_error *err)
{
    enum vv_rc rc = forget_end(p->repo, &f->id, FORGET_CARRIED_OUT, err);
    char id[VV_UUID_TEXT];

    *ret_ours = rc == VV_OK;
    if (rc == VV_EFORGED) {
        vv_uuid_text(&f->id, id);
        vv_emit(repo_events(p->repo), VV_EVENT_PROBLEM, "forged-record", vv_span(id, 32), "%s",
                err->message);
    }
    if (rc == VV_EREFUSED || rc == VV_EFORGED) { /* taken back in this moment */
        vv_error_clear(err);
        return VV_OK;
    }
    p->s.forgets_carried_out += rc == VV_OK;
    return rc;
}

/** The snapshots of forgets that are carried out, and that are in no grave yet. */
static enum vv_rc
collect_gone(struct prune *p, const struct snapshot_list *l, const struct retention_marks *marks,
             const struct open_sessions *open, struct vv_buf *gone, struct vv_error *err)
{
    const struct retention_records *records = &l->admin.retention;

    for (size_t i = 0; i < records->forget_count; i++) {
        const struct forget_run *f = &records->forgets[i];
        bool ours = f->outcome == FORGET_CARRIED_OUT;
        if (is_due(p, l, marks, open, f)) {
            VV_TRY(end_forget(p, f, &ours, err));
        }
        for (uint32_t j = 0; ours && j < f->count; j++) {
            const struct vv_uuid *id = &records->forget_snapshots[f->first + j];
            for (size_t k = 0; k < l->forgotten_count; k++) { /* else it is buried already */
                if (vv_uuid_equal(&l->forgotten[k].id, id)) {
                    vv_buf_put(gone, id, sizeof(*id));
                    break;
                }
            }
        }
    }
    VV_TRY(vv_buf_check(gone, err));
    /* Two administrators may have forgotten the same one. */
    gone->len = record_array_set(gone->data, gone->len / sizeof(struct vv_uuid),
                                 sizeof(struct vv_uuid), record_compare_ids) *
                sizeof(struct vv_uuid);
    return VV_OK;
}

enum vv_rc
prune_carry_out(struct prune_round *round, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf gone = {0};
    struct prune *p = round->p;
    struct retention_marks marks = {0};
    struct open_sessions open = {0};
    struct snapshot_list l = {0};
    size_t buried = 0;
    size_t removed;
    enum vv_rc rc;

    VV_TRY(snapshot_list_read(p->repo, &l, err));
    rc = prune_check_list(&l, err);
    if (rc == VV_OK) {
        rc = open_sessions_read(p->repo, &l.admin, &open, err);
    }
    if (rc == VV_OK) {
        rc = drop_dead_readers(p, &open, err);
    }
    if (rc == VV_OK) {
        rc = retention_marks_find(&l, &marks, err);
    }
    if (rc == VV_OK) {
        rc = collect_gone(p, &l, &marks, &open, &gone, err);
    }
    retention_marks_release(&marks);
    open_sessions_release(&open);
    snapshot_list_release(&l);
    VV_TRY(rc);
    if (gone.len > 0) {
        VV_TRY(bury_snapshots(p->repo, (const struct vv_uuid *)(const void *)gone.data,
                              gone.len / sizeof(struct vv_uuid), &buried, err));
        p->s.snapshots_buried += gone.len / sizeof(struct vv_uuid);
    }
    return slots_remove_buried(p->repo, &removed, err); /* I5 */
}
