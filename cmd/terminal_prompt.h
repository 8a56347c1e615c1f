/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_TERMINAL_PROMPT_H
#define VARVE_CMD_TERMINAL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/** prompt_terminal(): a descriptor of the controlling terminal if it may be used (see
 *  secret_input.h), else -1. */
int prompt_terminal(void);

/** prompt_secret(text, buf, size, ret_len, err): show ${text}, read a line without echo into ${buf}
 *  (no line end, no NUL).  The terminal is as before afterwards, also when a signal ends us.
 *  VV_ECANCELLED by a signal or the end of input, VV_ELIMIT for a longer line. */
MUST_CHECK enum vv_rc prompt_secret(const char *text, char *buf, size_t size, size_t *ret_len,
                                    struct vv_error *err);

/** prompt_yes(text): show ${text}, read a line; true if it is "yes".  False without a terminal. */
bool prompt_yes(const char *text);

#endif
