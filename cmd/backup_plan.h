/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_BACKUP_PLAN_H
#define VARVE_CMD_BACKUP_PLAN_H

#include "app.h"
#include "engine/backup.h"

/** Options of 'varve backup'. */
struct backup_command_line {
    struct option_list patterns; /* --exclude and --exclude-from, in order */
    struct option_list may_change;
    struct option_list tags;
    struct option_list commands;
    const char *archive;
    const char *stdin_name;
    const char *host;
    const char *compression;
    uint64_t exclude_larger_than;
    unsigned threads;
    bool full;
    bool exclude_caches;
    bool one_file_system;
    bool dry_run;
    bool allow_empty;
    uint64_t limit;
    bool database_files;
    bool keep_going;
};
extern const struct option_spec backup_option_specs[];
void backup_command_line_release(struct backup_command_line *o);

/** What the engine is given, and what of it is ours to release. */
struct backup_plan {
    struct backup_options options;
    struct pattern_set *excludes;
    struct pattern_set *may_change;
    struct backup_command *commands;
    const char **tags;
    const char **paths;
    struct backup_database *databases;
    char **database_names;
    struct vv_buf names; /* NAMEs of --exec, NUL-terminated, one after the other */
    struct vv_buf user;
};
/** backup_plan_make(app, o, args, p): ${p} must be released in any case; it points into ${o} and ${args}. */
MUST_CHECK enum vv_rc backup_plan_make(struct app *app, const struct backup_command_line *o,
                                       const struct arguments *args, struct backup_plan *p);
void backup_plan_release(struct backup_plan *p);

#endif
