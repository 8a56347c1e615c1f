/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_BURY_INTERNAL_H
#define VARVE_REPO_BURY_INTERNAL_H

#include "repo/bury.h"

/* Shared by bury.c and graves.c. */

/** graves_publish(r, graves, heads, err): new records of ${graves} (struct grave), the first of them
 *  with ${heads} (struct snapshot_seen). */
MUST_CHECK enum vv_rc graves_publish(struct repo *r, const struct vv_buf *graves,
                                     const struct vv_buf *heads, struct vv_error *err);
/** graves_note_head(heads, head): keep it if its client has none newer; of forked ones both. */
void graves_note_head(struct vv_buf *heads, const struct snapshot_seen *head);

#endif
