/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_KEY_COMMANDS_H
#define VARVE_CMD_KEY_COMMANDS_H

#include "app.h"

/* The subcommands of key, and what they share. */
extern const struct command key_add;
extern const struct command key_check;
extern const struct command key_export;
extern const struct command key_list;
extern const struct command key_passwd;
extern const struct command key_remove;

/** key_put_slots(list, j): the slots as text on standard output or, if ${j}, as array "slots". */
MUST_CHECK enum vv_rc key_put_slots(struct app *app, const struct slot_list *list, struct json *j);
/** key_put_slot(app, id, type, label): what was made. */
void key_put_slot(struct app *app, const struct slot_info *slot, const char *what);
/** key_make_slot(app, v, label, ret): another slot of the opened repository.  ${label} NULL:
 *  user@host. */
MUST_CHECK enum vv_rc key_make_slot(struct app *app, const struct secret_value *v,
                                    const char *label, struct slot_info *ret);
/** key_default_label(out): user@host. */
void key_default_label(char out[LIMIT_LABEL + 1]);

#endif
