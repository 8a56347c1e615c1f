/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_USER_CRONTAB_H
#define VARVE_CMD_USER_CRONTAB_H

#include "core/bytes.h"

/* The crontab of this user, by crontab(1). */

/** user_crontab_available(): is there a crontab(1)? */
bool user_crontab_available(void);
/** user_crontab_read(out, err): all of it; empty if this user has none.  Fails rather than to take what cannot
 *  be read for empty. */
MUST_CHECK enum vv_rc user_crontab_read(struct vv_buf *out, struct vv_error *err);
/** user_crontab_write(text, err): in place of the present one. */
MUST_CHECK enum vv_rc user_crontab_write(struct vv_span text, struct vv_error *err);

/** program_available(name): is it in PATH, or where system programs are? */
bool program_available(const char *name);

#endif
