/* SPDX-License-Identifier: BSD-2-Clause */
/* varve [-r REPO] COMMAND: find the command and run it. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands.h"
#include "core/text.h"
#include "signals.h"
#include "wal_exit.h"

#define LARGE_BUFFER (256 << 10)

static const struct command *
find_command(const struct command *const *among, const char *name)
{
    for (; *among != NULL; among++) {
        if (strcmp((*among)->name, name) == 0) {
            return *among;
        }
    }
    return NULL;
}

static enum vv_rc
unknown_command(struct app *app, const struct command *const *among, const char *name)
{
    const char *names[64];
    unsigned count = 0;
    const char *nearest;

    for (; *among != NULL && count < VV_COUNT(names); among++) {
        names[count++] = (*among)->name;
    }
    (void)vv_error_set(&app->err, VV_EUSAGE, "unknown command '%s'", name);
    nearest = vv_text_nearest(name, names, count);
    if (nearest != NULL) {
        vv_error_hint(&app->err, "did you mean '%s'?", nearest);
    } else {
        vv_error_hint(&app->err, "'varve --help' lists the commands");
    }
    return VV_EUSAGE;
}

/** The next word that is a command of ${among}; options for all commands may stand before it.
 *  *ret is NULL if there is no word left. */
static enum vv_rc
next_command(struct app *app, const struct command *const *among, int *argc, char ***argv,
             const struct command **ret)
{
    const struct option_set sets[] = {{global_specs, &app->global}};
    struct arguments none = {0};
    int used = 0;

    VV_TRY(options_parse(sets, 1, *argc, *argv, true, &none, &used, &app->err));
    arguments_release(&none);
    *argc -= used;
    *argv += used;
    *ret = NULL;
    if (*argc == 0) {
        return VV_OK;
    }
    *ret = find_command(among, (*argv)[0]);
    if (*ret == NULL) {
        return unknown_command(app, among, (*argv)[0]);
    }
    *argc -= 1;
    *argv += 1;
    return VV_OK;
}

/** A command with subcommands: which one? */
static enum exit_code
run_subcommand(struct app *app, int argc, char **argv)
{
    const struct command *sub = NULL;
    enum vv_rc rc = next_command(app, app->command->subcommands, &argc, &argv, &sub);

    if (rc == VV_OK && sub == NULL) {
        if (app->global.help) {
            print_help(app->command, app->path, stdout);
            return app_finish(app, VV_OK, EXIT_DONE);
        }
        rc = app_usage(app, "'varve %s' needs a command", app->path[0]);
    }
    if (rc != VV_OK || sub == NULL) {
        return app_finish(app, rc, EXIT_DONE);
    }
    app->path[1] = sub->name;
    app->command = sub;
    return sub->run(app, argc, argv);
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    enum vv_rc rc = next_command(app, all_commands, &argc, &argv, &app->command);

    if (rc == VV_OK && app->command == NULL) {
        if (app->global.version) {
            app->command = &cmd_version;
        } else if (app->global.help) {
            print_overview(all_commands, stdout);
            return app_finish(app, VV_OK, EXIT_DONE);
        } else {
            rc = vv_error_set(&app->err, VV_EUSAGE, "no command was given");
            vv_error_hint(&app->err, "'varve --help' lists the commands");
        }
    }
    if (rc != VV_OK) {
        return app_finish(app, rc, EXIT_DONE);
    }
    app->path[0] = app->command->name;
    if (app->command->subcommands != NULL) {
        return run_subcommand(app, argc, argv);
    }
    return app->command->run(app, argc, argv);
}

/** Descriptors 0 to 2 must be something, or a file we open becomes standard error. */
static void
fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
        }
    }
}

/** --json counts for errors of the command line, too, wherever it stands. */
static bool
wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

int
main(int argc, char **argv)
{
    static struct app app;
    const struct rlimit no_core = {0, 0};
    enum exit_code code;

    /* Large buffers go back to the system when they are freed: the limit of the C library would
     * grow with the first of them, and the peak with it. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER);
    /* One heap for all threads: with one each, what they free stays with whoever has freed it.  Little
     * is allocated where it is hot, so that the lock is hardly ever waited for. */
    (void)mallopt(M_ARENA_MAX, 1);
    fill_standard_descriptors();
    (void)setrlimit(RLIMIT_CORE, &no_core); /* keys are in this memory */
    (void)setlocale(LC_CTYPE, "");
    signals_install();
    app_init(&app);
    app.json_guess = wants_json(argc, argv);
    signals_exit_with(wal_exit_interrupted(argc, argv));
    code = run(&app, argc > 0 ? argc - 1 : 0, argv + 1);
    code = wal_exit_code(argc, argv, app.wal_answer, code);
    app_release(&app);
    return (int)code;
}
