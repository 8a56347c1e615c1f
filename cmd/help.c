/* SPDX-License-Identifier: BSD-2-Clause */
/* --help. */
#include "app.h"

void
print_help(const struct command *command, const char *const path[2], FILE *file)
{
    static const struct option_spec none[] = {OPTION_END};
    const struct option_spec *own = command->specs != NULL ? command->specs : none;

    fprintf(file, "usage: varve [-r REPO] %s%s%s", path[0], path[1] != NULL ? " " : "",
            path[1] != NULL ? path[1] : "");
    if (command->subcommands != NULL) {
        fprintf(file, " COMMAND [option]...\n\n%s\n\nCommands:\n", command->summary);
        for (const struct command *const *c = command->subcommands; *c != NULL; c++) {
            fprintf(file, "  %-12s%s\n", (*c)->name, (*c)->summary);
        }
    } else {
        fprintf(file, " [option]... %s\n\n%s\n", command->arguments, command->summary);
        if (command->details != NULL) {
            fprintf(file, "\n%s\n", command->details);
        }
    }
    if (own->name != NULL) {
        fprintf(file, "\nOptions:\n");
        options_print(own, NULL, file);
    }
    fprintf(file, "\nOptions of all commands:\n");
    options_print(global_specs, own, file);
}

void
print_overview(const struct command *const *commands, FILE *file)
{
    fprintf(file, "usage: varve [-r REPO] COMMAND [option]... [argument]...\n\n"
                  "encrypted, deduplicated backups, restored with proof\n\nCommands:\n");
    for (const struct command *const *c = commands; *c != NULL; c++) {
        fprintf(file, "  %-12s%s\n", (*c)->name, (*c)->summary);
    }
    fprintf(file, "\nOptions of all commands:\n");
    options_print(global_specs, NULL, file);
    fprintf(file, "\n'varve COMMAND --help' tells more about a command, varve(1) about all.\n");
}
