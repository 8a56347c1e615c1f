/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_WAL_COMMANDS_H
#define VARVE_CMD_WAL_COMMANDS_H

#include "app.h"

/* The subcommands of wal, and what they share. */
extern const struct command wal_check_command;
extern const struct command wal_get_command;
extern const struct command wal_list_command;
extern const struct command wal_push_command;
extern const struct command wal_receive_command;

/** wal_system_option(app, text, ret): a system identifier, 0 if ${text} is NULL. */
MUST_CHECK enum vv_rc wal_system_option(struct app *app, const char *text, uint64_t *ret);
/** wal_json_system(j, system): as text, since it is larger than what every reader of JSON can count. */
void wal_json_system(struct json *j, uint64_t system);
/** wal_user(out): the name of the user this runs as. */
void wal_user(struct vv_buf *out);

#endif
