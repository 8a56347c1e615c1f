/* SPDX-License-Identifier: BSD-2-Clause */
/* varve version: what this is. */
#include "commands.h"
#include "format/common.h"

static const struct option_spec specs[] = {OPTION_END};

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct arguments args;
    struct json *j;
    char none = 0;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    j = app_json(app);
    if (j != NULL) {
        json_put_text(j, "version", VARVE_VERSION);
        json_put_u64(j, "format", FORMAT_VERSION);
    } else {
        printf("varve %s (repository format %u)\n", VARVE_VERSION, FORMAT_VERSION);
    }
    return app_finish(app, VV_OK, EXIT_DONE);
}

const struct command cmd_version = {
    .name = "version",
    .arguments = "",
    .summary = "print the version of the program and of the repository format",
    .specs = specs,
    .run = run,
};
