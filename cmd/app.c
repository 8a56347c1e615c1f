/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of the command: arguments, opening, ending. */
#include "app.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "directories.h"
#include "render.h"
#include "replica_options.h"
#include "run_notes.h"
#include "signals.h"

static const char *const transports[] = {"auto", "libssh2", "ssh", NULL};

const struct option_spec global_specs[] = {
    {"repo", 'r', OPTION_TEXT, offsetof(struct global_options, repository), "REPO",
     "the repository: a path, sftp://[USER@]HOST[:PORT]/PATH, or a name of the configuration "
     "(default: VARVE_REPO)",
     NULL},
    {"config", '\0', OPTION_TEXT, offsetof(struct global_options, config), "FILE",
     "read this configuration (default: VARVE_CONFIG, else /etc/varve/varve.conf)", NULL},
    {"key-file", '\0', OPTION_TEXT, offsetof(struct global_options, key_file), "FILE",
     "open with this key file (default: VARVE_KEY_FILE)", NULL},
    {"passphrase-file", '\0', OPTION_TEXT, offsetof(struct global_options, passphrase_file), "FILE",
     "open with the passphrase in this file (default: VARVE_PASSPHRASE_FILE)", NULL},
    {"passphrase-command", '\0', OPTION_TEXT, offsetof(struct global_options, passphrase_command),
     "COMMAND", "open with the passphrase it prints (default: VARVE_PASSPHRASE_COMMAND)", NULL},
    {"recovery-file", '\0', OPTION_TEXT, offsetof(struct global_options, recovery_file), "FILE",
     "open with the recovery words in this file", NULL},
    {"expect-head", '\0', OPTION_TEXT, offsetof(struct global_options, expect_head), "HEAD",
     "end with 14 unless the backup that printed this head is there", NULL},
    {"accept-head", '\0', OPTION_FLAG, offsetof(struct global_options, accept_head), NULL,
     "accept that what this host misses is gone, and do not miss it again", NULL},
    {"ssh-transport", '\0', OPTION_CHOICE, offsetof(struct global_options, ssh.transport),
     "TRANSPORT", "reach sftp hosts by auto, libssh2 or ssh (default: VARVE_SSH_TRANSPORT, auto)",
     transports},
    {"ssh-command", '\0', OPTION_TEXT, offsetof(struct global_options, ssh.command), "COMMAND",
     "the ssh to run, with its arguments (default: VARVE_SSH_COMMAND, ssh)", NULL},
    {"ssh-identity", '\0', OPTION_TEXT, offsetof(struct global_options, ssh.identity), "FILE",
     "log in with this key (default: VARVE_SSH_IDENTITY, else the agent's and the usual files)",
     NULL},
    {"known-hosts", '\0', OPTION_TEXT, offsetof(struct global_options, ssh.known_hosts), "FILE",
     "the keys of hosts (default: VARVE_SSH_KNOWN_HOSTS, else ~/.ssh/known_hosts)", NULL},
    {"host-key-fingerprint", '\0', OPTION_TEXT, offsetof(struct global_options, ssh.fingerprint),
     "SHA256:...", "the only host key to accept (default: VARVE_SSH_HOST_KEY_FINGERPRINT)", NULL},
    {"accept-new-host-key", '\0', OPTION_FLAG,
     offsetof(struct global_options, ssh.accept_new_host_key), NULL,
     "remember the key of a host not known yet; a changed one is never accepted", NULL},
    {"ssh-passphrase-file", '\0', OPTION_TEXT, offsetof(struct global_options, ssh.passphrase_file),
     "FILE", "the passphrase of the ssh key (default: VARVE_SSH_PASSPHRASE_FILE)", NULL},
    {"ssh-passphrase-command", '\0', OPTION_TEXT,
     offsetof(struct global_options, ssh.passphrase_command), "COMMAND",
     "prints the passphrase of the ssh key (default: VARVE_SSH_PASSPHRASE_COMMAND)", NULL},
    {"replica", '\0', OPTION_LIST, offsetof(struct global_options, replicas), "REPO",
     "take what is damaged or missing from there (also: VARVE_REPLICAS)", NULL},
    {"json", '\0', OPTION_FLAG, offsetof(struct global_options, json), NULL,
     "print the result as JSON", NULL},
    {"quiet", 'q', OPTION_FLAG, offsetof(struct global_options, quiet), NULL,
     "print no summary if nothing went wrong, and no progress", NULL},
    {"progress", '\0', OPTION_FLAG, offsetof(struct global_options, progress), NULL,
     "tell the progress without a terminal too, once a minute", NULL},
    {"log-format", '\0', OPTION_CHOICE, offsetof(struct global_options, log_format), "FORMAT",
     "log events in lines of text or json: to --log-file, else to standard error instead of what "
     "is "
     "said there (default: VARVE_LOG_FORMAT)",
     app_log_formats},
    {"log-file", '\0', OPTION_TEXT, offsetof(struct global_options, log_file), "FILE",
     "log events to the end of this file (default: VARVE_LOG_FILE)", NULL},
    {"verbose", 'v', OPTION_COUNT, offsetof(struct global_options, verbose), NULL,
     "name every file that is worked on", NULL},
    {"help", 'h', OPTION_FLAG, offsetof(struct global_options, help), NULL, "print this", NULL},
    {"version", '\0', OPTION_FLAG, offsetof(struct global_options, version), NULL,
     "print the version", NULL},
    OPTION_END,
};

void
app_init(struct app *app)
{
    memset(app, 0, sizeof(*app));
    app->global.ssh.transport = -1;
    app->global.log_format = -1;
    messages_init(&app->messages);
}

void
app_release(struct app *app)
{
    repo_free(app->repo);
    key_objects_free(app->keys);
    if (app->storage != NULL) {
        storage_free(app->storage);
    }
    replica_options_release(app);
    ssh_input_release(&app->ssh);
    settings_input_release(&app->settings);
    vv_buf_release(&app->state_dir);
    vv_buf_release(&app->cache_dir);
    event_log_close(&app->log);
    messages_release(&app->messages);
}

enum vv_rc
app_usage(struct app *app, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    (void)vv_error_set(&app->err, VV_EUSAGE, "%s", text);
    vv_error_hint(&app->err, "'varve %s%s%s --help' tells how it is used", app->path[0],
                  app->path[1] != NULL ? " " : "", app->path[1] != NULL ? app->path[1] : "");
    return VV_EUSAGE;
}

bool
app_arguments(struct app *app, void *values, int argc, char **argv, size_t least, size_t most,
              struct arguments *ret)
{
    const struct option_set sets[] = {{app->command->specs, values}, {global_specs, &app->global}};
    struct arguments a = {0};

    if (options_parse(sets, VV_COUNT(sets), argc, argv, false, &a, NULL, &app->err) != VV_OK) {
        if (app->err.hint[0] == '\0') {
            vv_error_hint(&app->err, "'varve %s --help' lists the options", app->path[0]);
        }
        return false;
    }
    app->messages.keep = app->global.json;
    app->messages.names = app->global.verbose > 0;
    if (app->global.help) {
        print_help(app->command, app->path, stdout);
    } else if (a.count < least) {
        (void)app_usage(app, "missing argument: %s", app->command->arguments);
    } else if (a.count > most) {
        (void)app_usage(app, "unexpected argument '%s'", a.items[most]);
    } else if (app_log_begin(app) == VV_OK) {
        *ret = a;
        return true;
    }
    arguments_release(&a);
    return false;
}

struct json *
app_json(struct app *app)
{
    if (!app->global.json) {
        return NULL;
    }
    if (!app->json_open) {
        json_begin(&app->json, stdout);
        app->json_open = true;
    }
    return &app->json;
}

enum vv_rc
app_output_check(struct app *app, struct vv_error *err)
{
    VV_TRY(vv_cancel_check(signals_cancel(), err));
    if (!ferror(stdout)) {
        return VV_OK;
    }
    if (errno == EPIPE) {
        app->output_closed = true;
        return vv_error_set(err, VV_ECANCELLED, "nobody reads standard output any more");
    }
    app->output_failed = true;
    return vv_error_sys(err, errno, "cannot write to standard output");
}

struct vv_progress *
app_progress(struct app *app, const char *const *phases, unsigned count)
{
    enum progress_style style = PROGRESS_NONE;

    if (tty_is_terminal(STDERR_FILENO) && !app->global.quiet && !app->messages.only_log) {
        style = PROGRESS_LINE;
    } else if (app->global.progress) {
        style = PROGRESS_LOG;
    }
    progress_start(&app->progress, &app->messages, style, phases, count);
    return &app->progress.counters;
}

const char *
app_host(void)
{
    static char name[HOST_NAME_MAX + 1];

    if (name[0] == '\0' && gethostname(name, sizeof(name) - 1) != 0) {
        memcpy(name, "localhost", 10);
    }
    return name;
}

/** The slots there are, one a line, for whoever has the wrong key. */
static void
tell_slots(struct app *app, struct json *j)
{
    struct slot_list slots = {0};

    if (app->storage == NULL || key_slots_list(app->storage, &slots, NULL) != VV_OK) {
        return;
    }
    if (j != NULL) {
        json_put_array(j, "slots");
    } else {
        messages_say(&app->messages, "key slots of this repository:");
    }
    for (size_t i = 0; i < slots.count; i++) {
        const struct slot_info *s = &slots.slots[i];
        const char *kind = render_slot_kind(s->type);
        char when[VV_TIME_TEXT];
        if (j != NULL) {
            json_put_object(j, NULL);
            json_put_text(j, "id", s->id);
            json_put_text(j, "kind", kind);
            json_put_text(j, "label", s->label);
            json_put_time(j, "created", s->created);
            json_put_end(j);
            continue;
        }
        vv_time_format(s->created, when);
        messages_say(&app->messages, "  %.8s  %s  '%s'  %s", s->id, kind, s->label, when);
    }
    if (j != NULL) {
        json_put_end(j);
    }
    slot_list_release(&slots);
}

/** The error as text, and in the document. */
static void
tell_error(struct app *app, enum exit_code code)
{
    struct json *j = app_json(app);

    if (app->slots_wanted && strncmp(app->err.hint, "key slots:", 10) == 0) {
        app->err.hint[0] = '\0'; /* they are listed below */
    }
    messages_error(&app->messages, &app->err);
    if (app->slots_wanted) {
        tell_slots(app, NULL);
    }
    if (j == NULL) {
        return;
    }
    while (j->depth > 1) {
        json_put_end(j);
    }
    json_put_object(j, "error");
    json_put_text(j, "code", vv_rc_name(app->err.rc));
    json_put_text(j, "message", app->err.message);
    json_put_text(j, "hint", app->err.hint[0] != '\0' ? app->err.hint : NULL);
    json_put_u64(j, "exit", (uint64_t)code);
    json_put_end(j);
    if (app->slots_wanted) {
        tell_slots(app, j);
    }
}

/** Standard output is only done when it is flushed.  Nobody reading any more is no failure. */
static enum exit_code
flush_output(struct app *app)
{
    bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;
    int sys = errno;
    struct vv_error err = {0};
    enum vv_rc rc;

    if (!failed || sys == EPIPE || app->output_closed || app->output_failed) {
        return EXIT_DONE;
    }
    rc = vv_error_sys(&err, sys, "cannot write to standard output");
    messages_error(&app->messages, &err);
    return exit_code_of(rc, VV_ORIGIN_NONE);
}

enum exit_code
app_finish(struct app *app, enum vv_rc rc, enum exit_code code)
{
    struct json *j;

    progress_stop(&app->progress);
    if (rc == VV_ECANCELLED && app->output_closed) {
        rc = VV_OK;
    }
    if (rc != VV_OK) {
        app->err.rc = rc;
        app->global.json = app->global.json || (rc == VV_EUSAGE && app->json_guess);
        code = app->unknown_on_failure && rc != VV_ECANCELLED
                   ? EXIT_PROBLEMS
                   : exit_code_worse(code, exit_code_of(rc, app->err.origin));
        tell_error(app, code);
    }
    code = exit_code_worse(code, replica_options_report(app));
    if (app->not_fresh) {
        code = exit_code_worse(code, EXIT_FORGED);
    }
    if (app->messages.problems > 0) {
        code = exit_code_worse(code, EXIT_PROBLEMS);
    }
    run_notes_incident(app, code);
    j = app->json_open ? &app->json : NULL;
    if (j != NULL) {
        while (j->depth > 1) {
            json_put_end(j);
        }
        messages_json(&app->messages, j);
        json_put_u64(j, "exit", (uint64_t)code);
        json_finish(j);
        app->json_open = false;
    }
    code = exit_code_worse(code, flush_output(app));
    app_log_end(app, code);
    return code;
}
