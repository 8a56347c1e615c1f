/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_DIRECTORIES_H
#define VARVE_CMD_DIRECTORIES_H

#include "core/bytes.h"

/*
 * Where state and cache live: VARVE_STATE_DIR and VARVE_CACHE_DIR; for root /var/lib/varve and
 * /var/cache/varve whatever HOME says; else "varve" below XDG_STATE_HOME or XDG_CACHE_HOME, or
 * ~/.local/state and ~/.cache, where ~ is HOME or, without one, what the password file says.
 */
enum directory_kind { DIRECTORY_STATE, DIRECTORY_CACHE };

/** directories_find(kind, out, err): its absolute name. */
MUST_CHECK enum vv_rc directories_find(enum directory_kind kind, struct vv_buf *out,
                                       struct vv_error *err);
/** directories_make(path, err): make it if it is missing (0700), and see that it can be written. */
MUST_CHECK enum vv_rc directories_make(struct vv_buf *path, struct vv_error *err);

#endif
