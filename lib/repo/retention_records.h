/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_RETENTION_RECORDS_H
#define VARVE_REPO_RETENTION_RECORDS_H

#include "format/admin.h"

/*
 * What the administrator decided about single snapshots.  A part of struct admin_records
 * (admin_records.h), read with it; all of it counts on this site only, but for when a snapshot was
 * first listed, which counts everywhere (it can only keep more).
 *
 * F1  A forget hides its snapshots at once; they stay roots of what prune marks until it has been
 *     carried out and graves name them.
 * F2  Carrying it out and taking it back (undelete) race for one name, created exclusively:
 *     admin/forget-<digits>.end.  What that object says is final.
 * F3  A forget counts under the name its own random bytes give, and so does its end: a copy under
 *     another name is forged.
 * F4  Of several pins of a snapshot the one with the latest time counts; at equal times it is
 *     pinned.  Of several moments of a first listing the earliest counts.
 */

/** A forget that counts here, whatever became of it. */
struct forget_run {
    struct vv_uuid id; /* digits of its name */
    int64_t time;      /* when it was decided */
    int64_t grace;     /* ns; it may be carried out from time + grace on */
    size_t first;      /* its snapshots: retention_records.forget_snapshots[first] ... */
    uint32_t count;
    enum forget_outcome outcome; /* 0: not ended */
};
/** forget_run_until(f): when its grace is over. */
int64_t forget_run_until(const struct forget_run *f);
/** A snapshot that is hidden, and by which forget. */
struct forgotten {
    struct vv_uuid snapshot;
    struct vv_uuid forget;
    int64_t time;
    int64_t until; /* undelete is possible; then prune may carry it out */
    bool carried_out;
};
struct pin_record {
    struct pin pin;
    int64_t time;
};
struct retention_records {
    struct forget_run *forgets; /* sorted by id */
    size_t forget_count;
    struct vv_uuid *forget_snapshots;
    size_t forget_snapshot_count;
    struct forgotten *forgotten; /* sorted by snapshot; carried out first, then by until */
    size_t forgotten_count;
    struct pin_record *pins; /* sorted by snapshot; the one that counts first */
    size_t pin_count;
    struct first_listed *listed; /* sorted by snapshot, then time */
    size_t listed_count;
    struct vv_uuid *accepted; /* sorted */
    size_t accepted_count;
    struct forget_end *ends; /* until retention_records_arrange */
    size_t end_count;
};
void retention_records_release(struct retention_records *l);
/** retention_records_take(l, file, record, err): a record of types ADMIN_FORGET to ADMIN_ACCEPTED
 *  that the administrator signed and that counts here; ${file} is its name in admin/.  VV_EFORGED if
 *  it lies under another name than its own (F3). */
MUST_CHECK enum vv_rc retention_records_take(struct retention_records *l, const char *file,
                                             const struct admin_record *record,
                                             struct vv_error *err);
/** retention_records_arrange(l, err): once, when all have been taken: order for look-ups. */
MUST_CHECK enum vv_rc retention_records_arrange(struct retention_records *l, struct vv_error *err);

#endif
