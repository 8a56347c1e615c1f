/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SETTINGS_KEYS_H
#define VARVE_CMD_SETTINGS_KEYS_H

#include "config/settings.h"

/* What may stand in a configuration (varve.conf(5)). */
extern const struct settings_spec settings_specs[];
extern const unsigned settings_spec_count;

/** A key of a job, and the option of a command it becomes ("--NAME", with the value unless a flag). */
struct settings_option {
    const char *key;
    const char *option;
};
/** Ended by one without a key. */
extern const struct settings_option settings_backup_options[];
extern const struct settings_option settings_file_options[]; /* of a backup of files alone */
extern const struct settings_option settings_forget_options[];

#endif
