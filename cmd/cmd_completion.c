/* SPDX-License-Identifier: BSD-2-Clause */
/* varve completion SHELL | --list WHAT: completion of command lines in shells. */
#include <string.h>

#include "commands.h"
#include "completion.h"

struct completion_options {
    int list; /* enum completion_list, or -1 */
};
static const char *const lists[] = {"repositories", "jobs", "snapshots", NULL};
static const struct option_spec specs[] = {
    {"list", '\0', OPTION_CHOICE, offsetof(struct completion_options, list), "WHAT",
     "print names that can be completed: repositories, jobs or snapshots", lists},
    OPTION_END,
};

static enum vv_rc
print_script(struct app *app, const char *shell)
{
    enum vv_rc rc;

    if (strcmp(shell, "bash") == 0) {
        completion_print_bash(all_commands, stdout);
    } else if (strcmp(shell, "zsh") == 0) {
        completion_print_zsh(all_commands, stdout);
    } else if (strcmp(shell, "fish") == 0) {
        completion_print_fish(all_commands, stdout);
    } else {
        rc = vv_error_set(&app->err, VV_EUSAGE, "no completion for the shell '%s'", shell);
        vv_error_hint(&app->err, "there is one for bash, zsh and fish");
        return rc;
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct completion_options o = {.list = -1};
    struct arguments args = {0};
    enum vv_rc rc = VV_OK;

    if (!app_arguments(app, &o, argc, argv, 0, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    if (app->global.json) {
        rc = app_usage(app, "a script is no JSON");
    } else if ((o.list >= 0) == (args.count > 0)) {
        rc = app_usage(app, "name a shell, or --list and what");
    } else if (o.list >= 0) {
        completion_list_print(app, (enum completion_list)o.list, stdout);
    } else {
        rc = print_script(app, args.items[0]);
    }
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command cmd_completion = {
    .name = "completion",
    .arguments = "SHELL | --list WHAT",
    .summary = "print what completes command lines in bash, zsh or fish",
    .details = "SHELL is bash, zsh or fish.  Packages install these scripts; without one, in "
               "~/.bashrc:\n\n"
               "  source <(varve completion bash)\n",
    .specs = specs,
    .run = run,
};
