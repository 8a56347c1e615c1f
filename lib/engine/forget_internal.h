/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_FORGET_INTERNAL_H
#define VARVE_ENGINE_FORGET_INTERNAL_H

#include "engine/forget.h"

/** forget_key(r, err): the administrator's key. */
MUST_CHECK enum vv_rc forget_key(struct repo *r, struct vv_error *err);
/** forget_permitted(r, l, err): that, and O1. */
MUST_CHECK enum vv_rc forget_permitted(struct repo *r, const struct snapshot_list *l,
                                       struct vv_error *err);
/** forget_note_listed(r, l, now, err): O5. */
MUST_CHECK enum vv_rc forget_note_listed(struct repo *r, const struct snapshot_list *l, int64_t now,
                                         struct vv_error *err);
/** forget_now(r): by the repository's clock. */
int64_t forget_now(struct repo *r);

#endif
