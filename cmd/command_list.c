/* SPDX-License-Identifier: BSD-2-Clause */
/* Every command, in the order of 'varve --help'. */
#include "commands.h"

const struct command *const all_commands[] = {
    &cmd_init,      &cmd_backup,     &cmd_snapshots, &cmd_ls,       &cmd_find,    &cmd_history,
    &cmd_diff,      &cmd_cat,        &cmd_restore,   &cmd_rehearse, &cmd_export,  &cmd_verify,
    &cmd_replicate, &cmd_forget,     &cmd_undelete,  &cmd_pin,      &cmd_prune,   &cmd_scrub,
    &cmd_repair,    &cmd_parity,     &cmd_stats,     &cmd_wal,      &cmd_key,     &cmd_config,
    &cmd_run,       &cmd_watch,      &cmd_runs,      &cmd_status,   &cmd_inspect, &cmd_notify,
    &cmd_schedule,  &cmd_completion, &cmd_version,   NULL,
};
