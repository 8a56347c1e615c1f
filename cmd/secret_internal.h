/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SECRET_INTERNAL_H
#define VARVE_CMD_SECRET_INTERNAL_H

#include "secret_input.h"

/* Shared by the files secret*.c. */

#define SECRET_MAX 4096u

/** secret_begin(type, size, ret, err): guarded memory for a secret of unknown length. */
MUST_CHECK enum vv_rc secret_begin(enum key_slot_type type, size_t size, struct secret_value *ret,
                                   struct vv_error *err);
/** secret_take_line(v, from, err): one line is a passphrase: cut its end, refuse anything after it. */
MUST_CHECK enum vv_rc secret_take_line(struct secret_value *v, const char *from,
                                       struct vv_error *err);
/** A passphrase given by options, or by the environment; *ret_found: was there one? */
MUST_CHECK enum vv_rc secret_passphrase_option(const struct secret_ways *w, struct messages *m,
                                               struct secret_value *ret, bool *ret_found,
                                               struct vv_error *err);
MUST_CHECK enum vv_rc secret_passphrase_environment(const struct secret_ways *w, struct messages *m,
                                                    struct secret_value *ret, bool *ret_found,
                                                    struct vv_error *err);
/** secret_ask_line(text, ret, err): show ${text} on the terminal and read a line without echo. */
MUST_CHECK enum vv_rc secret_ask_line(const char *text, struct secret_value *ret,
                                      struct vv_error *err);

#endif
