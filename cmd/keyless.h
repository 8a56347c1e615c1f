/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_KEYLESS_H
#define VARVE_CMD_KEYLESS_H

#include "app.h"

/** app_open_keyless(app): storage and repository without a key, whatever keys are at hand. */
MUST_CHECK enum vv_rc app_open_keyless(struct app *app);

#endif
