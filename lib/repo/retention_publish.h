/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_RETENTION_PUBLISH_H
#define VARVE_REPO_RETENTION_PUBLISH_H

#include "repo/admin_records.h"

/* Publishing the records of retention_records.h.  All need the administrator's key, and fail as
 * admin_publish does. */

/** Snapshots one record takes. */
#define FORGET_SNAPSHOTS_MAX 32768u

/** forget_publish(r, snapshots, count, grace, ret_id, err): hide ${count} (1 to
 *  FORGET_SNAPSHOTS_MAX) snapshots; ${grace} in ns.  ${ret_id} (may be NULL): the digits of its
 *  name. */
MUST_CHECK enum vv_rc forget_publish(struct repo *r, const struct vv_uuid *snapshots,
                                     uint32_t count, int64_t grace, struct vv_uuid *ret_id,
                                     struct vv_error *err);
/** forget_end(r, forget, outcome, err): F2: end it so.  VV_OK also if it had ended the same way
 *  before; VV_EREFUSED if it ended the other way; VV_EFORGED if something else than an end lies
 *  under that name: then nobody can end it. */
MUST_CHECK enum vv_rc forget_end(struct repo *r, const struct vv_uuid *forget,
                                 enum forget_outcome outcome, struct vv_error *err);
/** pin_publish(r, a, pin, err): pin or unpin.  The record's time is after that of every pin of that
 *  snapshot in ${a} (F4), whatever the clock says. */
MUST_CHECK enum vv_rc pin_publish(struct repo *r, const struct admin_records *a,
                                  const struct pin *pin, struct vv_error *err);
/** first_listed_publish(r, listed, count, err): valid on every site. */
MUST_CHECK enum vv_rc first_listed_publish(struct repo *r, const struct first_listed *listed,
                                           uint32_t count, struct vv_error *err);
/** accepted_publish(r, snapshots, count, err) */
MUST_CHECK enum vv_rc accepted_publish(struct repo *r, const struct vv_uuid *snapshots,
                                       uint32_t count, struct vv_error *err);

#endif
