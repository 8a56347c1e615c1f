/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_COMPLETION_H
#define VARVE_CMD_COMPLETION_H

#include "app.h"
#include "value_names.h"

/*
 * Completion of command lines in shells: scripts made from the tables of commands and options, so that they
 * say what the parser takes.  What does not depend on the tables stands in completion.bash, completion.zsh
 * and completion.fish.
 */

/* The text of these files. */
extern const char completion_bash_text[];
extern const char completion_zsh_text[];
extern const char completion_fish_text[];

/** completion_print_SHELL(commands, file): the whole script. */
void completion_print_bash(const struct command *const *commands, FILE *file);
void completion_print_zsh(const struct command *const *commands, FILE *file);
void completion_print_fish(const struct command *const *commands, FILE *file);

/** A place on the command line: before a command ("": all of them may follow), behind "key", behind
 *  "key add". */
struct completion_place {
    char path[64];
    const struct command *command;            /* NULL: before any */
    const struct command *const *subcommands; /* what may follow; NULL: options and arguments */
    const struct option_spec *specs;          /* its own */
};
typedef void (*completion_visit)(const struct completion_place *p, FILE *file);
/** completion_each(commands, visit, file): every place, outer ones first. */
void completion_each(const struct command *const *commands, completion_visit visit, FILE *file);

/** completion_is_global(s): is an option of that name one of all commands? */
bool completion_is_global(const struct option_spec *s);
/** completion_kind(s, ret_words): what a value of the option is; with VALUE_WORDS the words. */
enum value_kind completion_kind(const struct option_spec *s, const char *const **ret_words);
/** completion_kind_name(kind): as the shells' functions call it: "text", "file", ... */
const char *completion_kind_name(enum value_kind kind);
/** completion_argument_kind(a, ret_words): the same of an argument. */
enum value_kind completion_argument_kind(const struct synopsis_argument *a,
                                         const char *const **ret_words);

/** What of this host's configuration and repositories can be offered. */
enum completion_list {
    COMPLETION_REPOSITORIES,
    COMPLETION_JOBS,
    COMPLETION_SNAPSHOTS,
};
/** completion_list_print(app, what, file): "NAME<tab>DESCRIPTION" lines; nothing at all if anything is wrong.
 *  It asks for nothing, tells nothing on standard error, changes nothing, reaches no other host, and ends the
 *  process after a second (VARVE_COMPLETION_TIMEOUT).  Snapshots: of a repository on this host, if a key file opens it. */
void completion_list_print(struct app *app, enum completion_list what, FILE *file);

#endif
