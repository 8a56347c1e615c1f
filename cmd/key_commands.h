/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_KEY_COMMANDS_H
#define VARVE_CMD_KEY_COMMANDS_H

#include "app.h"
#include "repo/key_roles.h"

/* The subcommands of key, and what they share. */
extern const struct command key_add;
extern const struct command key_check;
extern const struct command key_export;
extern const struct command key_list;
extern const struct command key_passwd;
extern const struct command key_remove;
extern const struct command key_revoke_command;
extern const struct command key_rotate_command;

/** key_put_slots(list, clients, j): the slots, with the roles ${clients} tell, as text on standard
 *  output or, if ${j}, as array "slots". */
MUST_CHECK enum vv_rc key_put_slots(struct app *app, const struct slot_list *list,
                                    const struct client_list *clients, struct json *j);
/** key_put_clients(clients, j): the same of the clients, array "clients". */
MUST_CHECK enum vv_rc key_put_clients(struct app *app, const struct client_list *clients,
                                      struct json *j);
/** key_put_slot(app, id, type, label): what was made. */
void key_put_slot(struct app *app, const struct slot_info *slot, const char *what);
/** key_make_slot(app, v, label, bundle, ret): another slot of the opened repository, with ${bundle}
 *  (NULL: the administrator's, who opened it) in it.  ${label} NULL: user@host. */
MUST_CHECK enum vv_rc key_make_slot(struct app *app, const struct secret_value *v,
                                    const char *label, const struct key_bundle *bundle,
                                    struct slot_info *ret);
/** key_tell_replicas(app, slot): say which of the replicas named or remembered still hold a slot of
 *  this id, or could not be asked, and what removes it there. */
void key_tell_replicas(struct app *app, const char *slot);
/** key_default_label(out): user@host. */
void key_default_label(char out[LIMIT_LABEL + 1]);

#endif
