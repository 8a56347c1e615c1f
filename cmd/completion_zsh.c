/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion for zsh: specifications for _arguments. */
#include <string.h>

#include "completion.h"

/** ${text} inside single quotes, with a backslash before what is in ${special}. */
static void
print_escaped(const char *text, const char *special, FILE *file)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", file);
            continue;
        }
        if (strchr(special, *text) != NULL) {
            fputc('\\', file);
        }
        fputc(*text, file);
    }
}

/** ":NAME:action" */
static void
print_action(const char *name, size_t len, enum value_kind kind, const char *const *words,
             FILE *file)
{
    fputc(':', file);
    for (size_t i = 0; i < len; i++) {
        fprintf(file, "%s%c", name[i] == ':' ? "\\" : "", name[i]);
    }
    if (kind != VALUE_WORDS) {
        fprintf(file, ": _varve_offer %s", completion_kind_name(kind));
        return;
    }
    fputs(":(", file);
    for (const char *between = ""; *words != NULL; words++, between = " ") {
        fprintf(file, "%s%s", between, *words);
    }
    fputc(')', file);
}

/** One spelling of an option: "--name", "-n". */
static void
print_spelling(const struct option_spec *s, bool letter, FILE *file)
{
    const char *const *words = NULL;
    enum value_kind kind = completion_kind(s, &words);

    fputs("            '", file);
    if (s->kind == OPTION_LIST || s->kind == OPTION_COUNT) {
        fputc('*', file);
    } else if (s->letter != '\0') {
        fprintf(file, "(-%c --%s)", s->letter, s->name);
    }
    if (letter) {
        fprintf(file, "-%c%s[", s->letter, s->value != NULL ? "+" : "");
    } else {
        fprintf(file, "--%s%s[", s->name, s->value != NULL ? "=" : "");
    }
    print_escaped(s->help, "\\[]", file);
    fputc(']', file);
    if (s->value != NULL) {
        print_action(s->value, strlen(s->value), kind, words, file);
    }
    fputs("'\n", file);
}

static void
print_options(const struct option_spec *specs, bool but_global, FILE *file)
{
    for (const struct option_spec *s = specs; s->name != NULL; s++) {
        if (but_global && completion_is_global(s)) {
            continue;
        }
        print_spelling(s, false, file);
        if (s->letter != '\0') {
            print_spelling(s, true, file);
        }
    }
}

static void
print_arguments(const struct command *c, FILE *file)
{
    const char *at = c->arguments;
    struct synopsis_argument a;

    while (synopsis_next(&at, c->specs, &a)) {
        const char *const *words = NULL;
        enum value_kind kind = completion_argument_kind(&a, &words);
        fprintf(file, "            '%s", a.repeated ? "*" : ":");
        print_action(a.name, a.len, kind, words, file);
        fputs("'\n", file);
    }
}

static void
print_place(const struct completion_place *p, FILE *file)
{
    fprintf(file, "    ('%s')\n", p->path);
    if (p->subcommands != NULL) {
        fputs("        _varve_commands=(\n", file);
        for (const struct command *const *c = p->subcommands; *c != NULL; c++) {
            fprintf(file, "            '%s:", (*c)->name);
            print_escaped((*c)->summary, "\\:", file);
            fputs("'\n", file);
        }
    } else {
        fputs("        _varve_specs=(\n", file);
        print_options(p->specs, true, file);
        print_arguments(p->command, file);
    }
    fputs("        )\n        ;;\n", file);
}

void
completion_print_zsh(const struct command *const *commands, FILE *file)
{
    fputs("#compdef varve\n"
          "# Completion of varve in zsh, made by 'varve completion zsh' from the tables that its\n"
          "# command line is taken apart by.\n\n"
          "# _varve_table PLACE: what may stand behind \"varve PLACE\".\n"
          "_varve_table()\n{\n"
          "    _varve_commands=() _varve_specs=()\n"
          "    case $1 in\n",
          file);
    completion_each(commands, print_place, file);
    fputs("    esac\n    _varve_globals=(\n", file);
    print_options(global_specs, false, file);
    fputs("    )\n}\n\n", file);
    fputs(completion_zsh_text, file);
}
