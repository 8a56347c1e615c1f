/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_COMMANDS_H
#define VARVE_CMD_COMMANDS_H

#include "app.h"

/* Every command, one cmd_NAME.c each. */
extern const struct command cmd_backup;
extern const struct command cmd_cat;
extern const struct command cmd_completion;
extern const struct command cmd_config;
extern const struct command cmd_diff;
extern const struct command cmd_export;
extern const struct command cmd_find;
extern const struct command cmd_forget;
extern const struct command cmd_history;
extern const struct command cmd_init;
extern const struct command cmd_inspect;
extern const struct command cmd_key;
extern const struct command cmd_ls;
extern const struct command cmd_notify;
extern const struct command cmd_parity;
extern const struct command cmd_pin;
extern const struct command cmd_prune;
extern const struct command cmd_rehearse;
extern const struct command cmd_repair;
extern const struct command cmd_replicate;
extern const struct command cmd_run;
extern const struct command cmd_runs;
extern const struct command cmd_schedule;
extern const struct command cmd_scrub;
extern const struct command cmd_restore;
extern const struct command cmd_snapshots;
extern const struct command cmd_stats;
extern const struct command cmd_status;
extern const struct command cmd_undelete;
extern const struct command cmd_verify;
extern const struct command cmd_version;
extern const struct command cmd_wal;
extern const struct command cmd_watch;

/** All of them, in the order of --help, ended by NULL. */
extern const struct command *const all_commands[];

#endif
