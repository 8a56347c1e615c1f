/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion for bash. */
#include "completion.h"

/** "file", "words tar zip", with a star if it is repeated; into single quotes. */
static void
print_kind(enum value_kind kind, const char *const *words, FILE *file)
{
    fputs(completion_kind_name(kind), file);
    for (; kind == VALUE_WORDS && *words != NULL; words++) {
        fprintf(file, " %s", *words);
    }
}

static void
print_option_names(const struct option_spec *specs, bool but_global, FILE *file)
{
    const char *between = "";

    for (const struct option_spec *s = specs; s->name != NULL; s++) {
        if (but_global && completion_is_global(s)) {
            continue;
        }
        fprintf(file, "%s--%s", between, s->name);
        between = " ";
        if (s->letter != '\0') {
            fprintf(file, " -%c", s->letter);
        }
    }
}

static void
print_arguments(const struct command *c, FILE *file)
{
    const char *at = c->arguments;
    struct synopsis_argument a;

    fputs("        _varve_arguments=(", file);
    for (const char *between = ""; synopsis_next(&at, c->specs, &a); between = " ") {
        const char *const *words = NULL;
        enum value_kind kind = completion_argument_kind(&a, &words);
        fprintf(file, "%s'", between);
        print_kind(kind, words, file);
        fprintf(file, "%s'", a.repeated ? "*" : "");
    }
    fputs(")\n", file);
}

static void
print_place(const struct completion_place *p, FILE *file)
{
    const char *between = "";

    fprintf(file, "    '%s')\n", p->path);
    if (p->subcommands != NULL) {
        fputs("        _varve_commands='", file);
        for (const struct command *const *c = p->subcommands; *c != NULL; c++, between = " ") {
            fprintf(file, "%s%s", between, (*c)->name);
        }
        fputs("'\n", file);
    } else {
        fputs("        _varve_options='", file);
        print_option_names(p->specs, true, file);
        fputs("'\n", file);
        print_arguments(p->command, file);
    }
    fputs("        ;;\n", file);
}

static void
print_value(const char *path, const struct option_spec *s, FILE *file)
{
    const char *const *words = NULL;
    enum value_kind kind = completion_kind(s, &words);

    fprintf(file, "    %s:--%s", path, s->name);
    if (s->letter != '\0') {
        fprintf(file, " | %s:-%c", path, s->letter);
    }
    fputs(") _varve_kind='", file);
    print_kind(kind, words, file);
    fputs("' ;;\n", file);
}

static void
print_values(const struct completion_place *p, FILE *file)
{
    char quoted[sizeof(p->path) + 2];

    (void)snprintf(quoted, sizeof(quoted), "'%s'", p->path);
    for (const struct option_spec *s = p->specs; s->name != NULL; s++) {
        if (s->value != NULL && !completion_is_global(s)) {
            print_value(quoted, s, file);
        }
    }
}

void
completion_print_bash(const struct command *const *commands, FILE *file)
{
    fputs(
        "# shellcheck shell=bash\n"
        "# Completion of varve in bash, made by 'varve completion bash' from the tables that its\n"
        "# command line is taken apart by.\n\n"
        "# _varve_table PLACE: what may stand behind \"varve PLACE\".\n"
        "_varve_table()\n{\n"
        "    _varve_commands='' _varve_options='' _varve_arguments=()\n"
        "    case $1 in\n",
        file);
    completion_each(commands, print_place, file);
    fputs("    esac\n    _varve_options+=' ", file);
    print_option_names(global_specs, false, file);
    fputs("'\n}\n\n"
          "# _varve_value PLACE OPTION: of what kind its value is; empty: it takes none.\n"
          "_varve_value()\n{\n"
          "    case $1:$2 in\n",
          file);
    completion_each(commands, print_values, file);
    for (const struct option_spec *s = global_specs; s->name != NULL; s++) {
        if (s->value != NULL) {
            print_value("*", s, file);
        }
    }
    fputs("    *) _varve_kind='' ;;\n    esac\n}\n\n", file);
    fputs(completion_bash_text, file);
}
