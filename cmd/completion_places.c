/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion: the tables of commands and options, place by place. */
#include <string.h>

#include "completion.h"

static const struct option_spec no_specs[] = {OPTION_END};

static void
visit_command(const struct command *c, const char *before, completion_visit visit, FILE *file)
{
    struct completion_place p = {.command = c,
                                 .subcommands = c->subcommands,
                                 .specs = c->specs != NULL ? c->specs : no_specs};

    (void)snprintf(p.path, sizeof(p.path), "%s%s%s", before, before[0] != '\0' ? " " : "", c->name);
    visit(&p, file);
    for (const struct command *const *sub = c->subcommands; sub != NULL && *sub != NULL; sub++) {
        visit_command(*sub, p.path, visit, file);
    }
}

void
completion_each(const struct command *const *commands, completion_visit visit, FILE *file)
{
    const struct completion_place all = {.subcommands = commands, .specs = no_specs};

    visit(&all, file);
    for (const struct command *const *c = commands; *c != NULL; c++) {
        visit_command(*c, "", visit, file);
    }
}

bool
completion_is_global(const struct option_spec *s)
{
    for (const struct option_spec *g = global_specs; g->name != NULL; g++) {
        if (strcmp(g->name, s->name) == 0) {
            return true;
        }
    }
    return false;
}

static enum value_kind
kind_of(const char *text, const char *const **ret_words)
{
    const struct value_name *v = value_name_find(text);

    *ret_words = v != NULL ? v->words : NULL;
    return v != NULL ? v->kind : VALUE_TEXT;
}

enum value_kind
completion_kind(const struct option_spec *s, const char *const **ret_words)
{
    if (s->choices != NULL) {
        *ret_words = s->choices;
        return VALUE_WORDS;
    }
    /* "NAME=COMMAND": the name comes first, and is nobody's to know. */
    if (s->value == NULL || strchr(s->value, '=') != NULL) {
        *ret_words = NULL;
        return VALUE_TEXT;
    }
    return kind_of(s->value, ret_words);
}

enum value_kind
completion_argument_kind(const struct synopsis_argument *a, const char *const **ret_words)
{
    return kind_of(a->name, ret_words);
}

const char *
completion_kind_name(enum value_kind kind)
{
    switch (kind) {
    case VALUE_TEXT:
        return "text";
    case VALUE_WORDS:
        return "words";
    case VALUE_FILE:
        return "file";
    case VALUE_DIRECTORY:
        return "directory";
    case VALUE_REPOSITORY:
        return "repository";
    case VALUE_JOB:
        return "job";
    case VALUE_SNAPSHOT:
        return "snapshot";
    case VALUE_COMMAND:
        return "command";
    case VALUE_HOST:
        return "host";
    }
    return "text";
}
