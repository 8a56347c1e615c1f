/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_OPTIONS_H
#define VARVE_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/error.h"

/*
 * Command lines.  A static table of options feeds the parser, --help and (through --help, whose
 * options stand at line starts as "  --name VALUE") the check of the manual pages.
 *
 * Syntax: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -ab for flags; "--" ends options; "-" is
 * an argument; options and arguments may be mixed.  Names are never abbreviated.
 */

enum option_kind {
    OPTION_FLAG,   /* bool: true */
    OPTION_COUNT,  /* unsigned: one more each time */
    OPTION_TEXT,   /* const char * */
    OPTION_LIST,   /* struct option_list: repeated; several options may share one list */
    OPTION_SIZE,   /* uint64_t: "64M" */
    OPTION_NUMBER, /* unsigned: 1 to 65535 */
    OPTION_CHOICE, /* int: place of the value in choices */
};

struct option_spec {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    size_t offset;              /* of the member in the structure of options */
    const char *value;          /* name of the value in --help; NULL for flags */
    const char *help;           /* lower case, no full stop */
    const char *const *choices; /* OPTION_CHOICE: NULL-terminated */
};
#define OPTION_END                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

/** One use of a repeated option, in the order of the command line. */
struct option_use {
    const struct option_spec *spec;
    const char *value;
};
struct option_list {
    struct option_use *uses;
    size_t count;
};
void option_list_release(struct option_list *l);

/** A table and the structure its offsets count in.  Earlier sets hide options of later ones. */
struct option_set {
    const struct option_spec *specs;
    void *values;
};

/** Arguments that are no options, borrowed from argv. */
struct arguments {
    const char **items;
    size_t count;
};
void arguments_release(struct arguments *a);

/**
 * options_parse(sets, count, argc, argv, stop, ret, ret_used, err): take apart ${argv} (all of it
 * options and arguments).  ${stop}: end before the first argument that is no option.  *ret_used:
 * how many words were taken (NULL: not of interest).  Values point into ${argv}.  VV_EUSAGE with
 * the nearest known option as hint.
 */
MUST_CHECK enum vv_rc options_parse(const struct option_set *sets, size_t count, int argc,
                                    char *const *argv, bool stop, struct arguments *ret,
                                    int *ret_used, struct vv_error *err);

/** options_print(specs, hidden_by, file): lines for --help; options that ${hidden_by} (may be NULL)
 *  has too are left out. */
void options_print(const struct option_spec *specs, const struct option_spec *hidden_by,
                   FILE *file);

#endif
