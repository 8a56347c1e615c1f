/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion for fish: one 'complete' for each command, option and argument. */
#include "completion.h"

/** ${text} in single quotes. */
static void
print_quoted(const char *text, FILE *file)
{
    fputc('\'', file);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            fputc('\\', file);
        }
        fputc(*text, file);
    }
    fputc('\'', file);
}

/** Options of 'complete' that offer values of a kind; ${required}: behind an option. */
static void
print_offer(enum value_kind kind, const char *const *words, bool required, FILE *file)
{
    if (kind == VALUE_FILE) {
        fputs(required ? " -r -F" : " -F", file);
        return;
    }
    fputs(required ? " -x" : "", file);
    if (kind == VALUE_TEXT) {
        return;
    }
    fputs(" -a '", file);
    if (kind == VALUE_WORDS) {
        for (const char *between = ""; *words != NULL; words++, between = " ") {
            fprintf(file, "%s%s", between, *words);
        }
    } else {
        fprintf(file, "(__varve_offer %s)", completion_kind_name(kind));
    }
    fputc('\'', file);
}

static void
print_option(const struct option_spec *s, FILE *file)
{
    const char *const *words = NULL;
    enum value_kind kind = completion_kind(s, &words);

    if (s->letter != '\0') {
        fprintf(file, " -s %c", s->letter);
    }
    fprintf(file, " -l %s", s->name);
    if (s->value != NULL) {
        print_offer(kind, words, true, file);
    }
    fputs(" -d ", file);
    print_quoted(s->help, file);
    fputc('\n', file);
}

static void
print_arguments(const struct completion_place *p, FILE *file)
{
    const char *at = p->command->arguments;
    struct synopsis_argument a;

    for (unsigned before = 0; synopsis_next(&at, p->specs, &a); before++) {
        const char *const *words = NULL;
        enum value_kind kind = completion_argument_kind(&a, &words);
        if (kind == VALUE_TEXT) {
            continue;
        }
        fprintf(file, "complete -c varve -n '__varve_argument \"%s\" %u%s'", p->path, before,
                a.repeated ? " more" : "");
        print_offer(kind, words, false, file);
        fputc('\n', file);
    }
}

static void
print_place(const struct completion_place *p, FILE *file)
{
    for (const struct command *const *c = p->subcommands; c != NULL && *c != NULL; c++) {
        fprintf(file, "complete -c varve -n '__varve_at \"%s\"' -a %s -d ", p->path, (*c)->name);
        print_quoted((*c)->summary, file);
        fputc('\n', file);
    }
    for (const struct option_spec *s = p->specs; s->name != NULL; s++) {
        if (!completion_is_global(s)) {
            fprintf(file, "complete -c varve -n '__varve_at \"%s\"'", p->path);
            print_option(s, file);
        }
    }
    if (p->subcommands == NULL) {
        print_arguments(p, file);
    }
}

static void
print_has_commands(const struct completion_place *p, FILE *file)
{
    if (p->subcommands != NULL) {
        fprintf(file, " '%s'", p->path);
    }
}

static void
print_value(const char *path, const struct option_spec *s, FILE *file)
{
    fprintf(file, " '%s:--%s'", path, s->name);
    if (s->letter != '\0') {
        fprintf(file, " '%s:-%c'", path, s->letter);
    }
}

static void
print_values(const struct completion_place *p, FILE *file)
{
    for (const struct option_spec *s = p->specs; s->name != NULL; s++) {
        if (s->value != NULL && !completion_is_global(s)) {
            print_value(p->path, s, file);
        }
    }
}

void
completion_print_fish(const struct command *const *commands, FILE *file)
{
    fputs(
        "# Completion of varve in fish, made by 'varve completion fish' from the tables that its\n"
        "# command line is taken apart by.\n\n"
        "function __varve_has_commands --description 'may a command stand behind these?'\n"
        "    contains -- \"$argv[1]\"",
        file);
    completion_each(commands, print_has_commands, file);
    fputs(
        "\nend\n\n"
        "function __varve_takes_value --description 'does the option at this place take a value?'\n"
        "    switch \"$argv[1]:$argv[2]\"\n"
        "        case",
        file);
    completion_each(commands, print_values, file);
    for (const struct option_spec *s = global_specs; s->name != NULL; s++) {
        if (s->value != NULL) {
            print_value("*", s, file);
        }
    }
    fputs("\n            return 0\n    end\n    return 1\nend\n\n", file);
    fputs(completion_fish_text, file);
    fputs("\ncomplete -c varve -f\n", file);
    for (const struct option_spec *s = global_specs; s->name != NULL; s++) {
        fputs("complete -c varve", file);
        print_option(s, file);
    }
    completion_each(commands, print_place, file);
}
