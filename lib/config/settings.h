/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CONFIG_SETTINGS_H
#define VARVE_CONFIG_SETTINGS_H

#include <stdbool.h>

#include "core/bytes.h"

/*
 * Configuration files: sections of keys with values, checked against a table, so that a wrong key, value
 * or reference is told with file, line and remedy before anything is done with it.
 *
 *   [KIND NAME]        or [KIND], as the table says
 *   key = value        white space around key and value does not count; some keys may be repeated
 *   key = one \        a backslash at the end of a line: the next one goes on (white space at its
 *         line         beginning becomes one space)
 *   # a comment        also ';'; only as the first thing on a line: a value may hold both
 *   key = " value "    a value in quotes keeps the white space at its ends; one that has further quotes
 *                      inside is taken as it is; there are no escapes
 *
 * The parser is our own: inih, as Debian builds it, cuts lines at 200 bytes and takes " ;" in a value for
 * the beginning of a comment, which shortens a shell command without a word.
 *
 * What is wrong in a file is collected (struct settings_problem); enum vv_rc is for files that cannot
 * be read and memory.
 */
struct settings_place {
    const char *file;
    unsigned line;
};

enum settings_kind {
    SETTINGS_TEXT,
    SETTINGS_FLAG,      /* yes or no */
    SETTINGS_REFERENCE, /* the name of a section of the kind `refers` */
    SETTINGS_SECRET,    /* a file nobody but its owner (or root) may read */
};
struct settings_key {
    const char *name;
    enum settings_kind kind;
    bool list; /* may be repeated */
    bool required;
    bool discreet; /* a wrong value may hold a secret: it is not repeated */
    bool
        secret; /* the value is one: it is not shown, and others must not read the file it stands in */
    const char *refers;
    const char
        *beside; /* means something only beside another key that begins so; NULL: by itself */
    bool (*check)(const char *text); /* NULL: any text but an empty one */
    const char *value;               /* what stands for it in the example: "PATH" */
    const char *wanted;              /* "'...' is not WANTED" */
    const char *help;                /* lower case, no full stop */
};
/** Keys end with one without a name. */
struct settings_spec {
    const char *kind;
    bool named;
    bool unnamed_too; /* one of them may have no name: what counts where none is named */
    const char *help;
    const struct settings_key *keys;
};

struct settings_value {
    const struct settings_key *key;
    const char *text;
    struct settings_place place;
    struct settings_value *next; /* in the section, in the order of the files */
};
struct settings_section {
    const struct settings_spec *spec;
    const char *name; /* "" if it has none */
    struct settings_place place;
    struct settings_value *first;
    struct settings_value *last;
    struct settings_section *next;
};
struct settings_problem {
    struct settings_place place;
    const char *text;
    const char *hint; /* "" if there is none */
    struct settings_problem *next;
};

struct settings;
/** settings_new(specs, count, ret, err): empty; ${specs} stay borrowed. */
MUST_CHECK enum vv_rc settings_new(const struct settings_spec *specs, unsigned count,
                                   struct settings **ret, struct vv_error *err);
void settings_free(struct settings *c);
VV_DEFINE_CLEANUP(struct settings, settings_free);

/** settings_add_text(c, file, text, err): take in the text of a file. */
MUST_CHECK enum vv_rc settings_add_text(struct settings *c, const char *file, struct vv_span text,
                                        struct vv_error *err);
/** settings_add_file(c, path, err): read a file.  VV_ENOTFOUND: there is none; VV_EREFUSED: it is no file.
 *  One that others than its owner and root can write is a problem: commands are run from it. */
MUST_CHECK enum vv_rc settings_add_file(struct settings *c, const char *path, struct vv_error *err);
/** settings_add_directory(c, path, readable_only, ret_count, err): the files "*.conf" in it, by name; none if
 *  it is not there.  ${readable_only}: pass over those that may not be read. */
MUST_CHECK enum vv_rc settings_add_directory(struct settings *c, const char *path,
                                             bool readable_only, unsigned *ret_count,
                                             struct vv_error *err);
/** settings_check(c, err): when all files are in: required keys, references, keys that need another. */
MUST_CHECK enum vv_rc settings_check(struct settings *c, struct vv_error *err);
/** settings_check_secrets(c, section, err): files of secrets (of this section; NULL: of all) are there, and
 *  others cannot read them; nor the configuration's own files with secrets in them. */
MUST_CHECK enum vv_rc settings_check_secrets(struct settings *c,
                                             const struct settings_section *section,
                                             struct vv_error *err);

/** All of these are borrowed until the configuration is freed. */
const struct settings_problem *settings_problems(const struct settings *c);
unsigned settings_problem_count(const struct settings *c);
const struct settings_section *settings_sections(const struct settings *c);
/** settings_find(c, kind, name): NULL if there is none. */
const struct settings_section *settings_find(const struct settings *c, const char *kind,
                                             const char *name);
/** settings_names(c, kind, out, err): "a, b, c": for messages. */
MUST_CHECK enum vv_rc settings_names(const struct settings *c, const char *kind, struct vv_buf *out,
                                     struct vv_error *err);
/** settings_get(s, key): its (first) value, NULL if it is not set. */
const char *settings_get(const struct settings_section *s, const char *key);
/** settings_next(s, key, before): the next value of a list; ${before} NULL: the first. */
const struct settings_value *settings_next(const struct settings_section *s, const char *key,
                                           const struct settings_value *before);
/** settings_flag(s, key, otherwise): of a flag; ${otherwise} if it is not set. */
bool settings_flag(const struct settings_section *s, const char *key, bool otherwise);

#endif
