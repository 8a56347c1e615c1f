/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_VALUE_NAMES_H
#define VARVE_CMD_VALUE_NAMES_H

#include "options.h"

/*
 * What the names of values stand for ("REPO" of "--to REPO", "SNAP" of "restore SNAP[:PATH]"), for whoever
 * offers values: one vocabulary for the options and the arguments of all commands.
 */

enum value_kind {
    VALUE_TEXT, /* anything: there is nothing to offer */
    VALUE_WORDS,
    VALUE_FILE,
    VALUE_DIRECTORY,
    VALUE_REPOSITORY, /* a name of the configuration, a path or a URL */
    VALUE_JOB,        /* of the configuration */
    VALUE_SNAPSHOT,   /* an id, "latest", perhaps with a path */
    VALUE_COMMAND,
    VALUE_HOST,
};

struct value_name {
    const char *name;
    enum value_kind kind;
    const char *const *words; /* VALUE_WORDS: NULL-terminated */
};

/** value_name_find(text): what the name at the beginning of ${text} stands for ("SNAP" in "SNAP[:PATH]");
 *  NULL if that is not in the vocabulary. */
const struct value_name *value_name_find(const char *text);

/** The next argument of a synopsis. */
struct synopsis_argument {
    const char *name; /* in the synopsis, not ended */
    size_t len;
    bool repeated;
};
/** synopsis_next(at, specs, ret): take the next argument out of the rest *at of a synopsis (struct command,
 *  arguments; may be NULL); options in it and their values are passed over.  False: there is none. */
bool synopsis_next(const char **at, const struct option_spec *specs, struct synopsis_argument *ret);

#endif
