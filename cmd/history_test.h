/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_HISTORY_TEST_H
#define VARVE_CMD_HISTORY_TEST_H

#include "app.h"

/** history_test(app, s, path, command, ret_status, err): put the file ${path} of snapshot ${s},
 *  under its own name, into a private temporary directory and run `sh -c COMMAND sh FILE`; its
 *  standard output goes to standard error.  *ret_status: exit status, 128 + signal if it was
 *  killed.  A command that cannot be run (126, 127) is a failure. */
MUST_CHECK enum vv_rc history_test(struct app *app, const struct snapshot *s, struct vv_span path,
                                   const char *command, int *ret_status, struct vv_error *err);

#endif
