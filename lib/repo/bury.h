/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_BURY_H
#define VARVE_REPO_BURY_H

#include "repo/admin_records.h"

/*
 * Putting snapshots and sessions into graves, and what then may be deleted.
 *
 * G1  a slot is deleted only after a durable grave names everything it held: its name could be
 *     created again, and what lies there then must count for nothing;
 * G2  graves only grow: records are merged into a new one that is durable before the old ones go;
 * G3  a grave says what the record said about the one before it, and a record of graves names the
 *     newest record of each client that was not buried when it was written: what the buried ones
 *     testified to is still missed when it is lost (snapshot_chain.c, H1).
 */

/** bury_snapshots(r, snapshots, count, ret_buried, err): a grave for every record in any slot whose
 *  snapshot is one of ${snapshots} (sorted) and not in a grave yet. */
MUST_CHECK enum vv_rc bury_snapshots(struct repo *r, const struct vv_uuid *snapshots, size_t count,
                                     size_t *ret_buried, struct vv_error *err);
/** bury_empty_sessions(r, least, ret_buried, err): a grave for every session whose slot holds
 *  nothing or is a fence, if there are ${least} or more of them. */
MUST_CHECK enum vv_rc bury_empty_sessions(struct repo *r, size_t least, size_t *ret_buried,
                                          struct vv_error *err);
/** slots_remove_buried(r, ret_removed, err): delete the slots of which everything is in graves. */
MUST_CHECK enum vv_rc slots_remove_buried(struct repo *r, size_t *ret_removed,
                                          struct vv_error *err);
/** graves_merge(r, most, err): if this site has more than ${most} records of graves, make them one. */
MUST_CHECK enum vv_rc graves_merge(struct repo *r, size_t most, struct vv_error *err);

#endif
