/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_RECORD_SCAN_H
#define VARVE_REPO_RECORD_SCAN_H

#include "repo/snapshots.h"

/*
 * Snapshot records as replication needs them: byte for byte, with what may be known without a key.
 *
 * Q1  what is copied is visible here: in a slot, signed by a certified client, in no grave, not of a
 *     revoked client, and not hidden by a forget;
 * Q2  what must not be repeated at the destination is every record in any slot there (visible or
 *     buried), everything its graves name, and everything a forget carried out there names.
 */

/** Q1.  Snapshots oldest first; bodies are decoded where there is a key. */
struct record_scan {
    struct snapshot_list list;
    struct vv_buf bytes; /* of all records: snapshot.record_at, record_len */
    struct admin_records admin;
    struct vv_buf hidden; /* hashes of the records that forgets hide */
};
void record_scan_release(struct record_scan *s);
MUST_CHECK enum vv_rc record_scan_read(struct repo *r, struct record_scan *ret,
                                       struct vv_error *err);
struct vv_span record_bytes(const struct record_scan *s, const struct snapshot *snapshot);

#endif
