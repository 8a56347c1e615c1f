/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_APP_H
#define VARVE_CMD_APP_H

#include "event_log.h"
#include "exit_code.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "repo/key_slots.h"
#include "repo/replicas.h"
#include "repo/repo.h"
#include "repo/snapshots.h"
#include "report/json.h"
#include "secret_input.h"
#include "settings_input.h"
#include "ssh_input.h"
#include "storage/storage.h"

/* One run of the command: options for all commands, what is open, what is said at the end. */

struct global_options {
    const char *repository;
    const char *config;
    const char *key_file;
    const char *passphrase_file;
    const char *passphrase_command;
    const char *recovery_file;
    const char *expect_head;
    bool accept_head;
    struct ssh_given ssh;
    struct option_list replicas;
    bool json;
    bool quiet;
    bool progress;
    int log_format; /* enum event_log_format; -1: not said */
    const char *log_file;
    unsigned verbose;
    bool help;
    bool version;
};
extern const struct option_spec global_specs[];

struct app;
/** A command, or a subcommand of one. */
struct command {
    const char *name;
    const char *arguments; /* synopsis after the options: "PATH..." */
    const char *summary;   /* one line */
    const char *details;   /* paragraphs for --help; may be NULL */
    const struct option_spec *specs;
    enum exit_code (*run)(struct app *app, int argc, char **argv);
    const struct command *const *subcommands; /* NULL-terminated; instead of run */
};

/** What 'wal get' found, or (delivered) 'wal push' has done: their exit codes decide about a server's
 *  recovery, and what it throws away (wal_exit.h). */
enum wal_answer { WAL_ANSWER_NONE, WAL_ANSWER_DELIVERED, WAL_ANSWER_ABSENT };

struct app {
    struct messages messages;
    struct event_log log;
    uint64_t log_began; /* ns, monotonic */
    struct global_options global;
    const char *path[2]; /* names of command and subcommand, for --help */
    const struct command *command;
    struct settings_input settings;
    struct ssh_input ssh;
    struct storage_options storage_options;
    struct storage *storage;
    struct key_objects *keys; /* read by app_expect_repository; NULL: a replica's may serve */
    bool from_copies;         /* keys are this host's copies: app_open_waiting */
    struct repo *repo;
    struct replica_source replicas; /* as named by options and environment */
    struct vv_buf replica_text;     /* what replicas.urls points into */
    struct progress progress;
    struct vv_buf state_dir;
    struct vv_buf cache_dir;
    struct json json;
    bool json_open;
    bool json_guess;    /* --json stands somewhere on a command line that cannot be taken apart */
    bool output_closed; /* nobody reads standard output any more */
    bool output_failed; /* that is app->err */
    bool slots_wanted;  /* exit 11: list the slots */
    enum wal_answer wal_answer;
    bool unknown_on_failure;      /* 'varve status': a failure ends with 3, whatever it is */
    enum known_slots known_slots; /* what app_open is to open a repository with */
    bool not_fresh;      /* records are missing or forged: exit 14, whatever else was done */
    struct vv_error err; /* what a command fails with */
};

void app_init(struct app *app);
void app_release(struct app *app);

/**
 * app_arguments(app, values, argc, argv, least, most, ret): take apart the command's own options
 * (into ${values}) and those for all commands.  False: the command ends here (help, or usage error:
 * app->err says which).
 */
MUST_CHECK bool app_arguments(struct app *app, void *values, int argc, char **argv, size_t least,
                              size_t most, struct arguments *ret);
/** app_usage(app, fmt, ...): a usage error of the command. */
enum vv_rc app_usage(struct app *app, const char *fmt, ...) VV_PRINTF(2, 3);

/** app_storage_options(app, ret, err): what every storage of this run is opened with. */
MUST_CHECK enum vv_rc app_storage_options(struct app *app, const struct storage_options **ret,
                                          struct vv_error *err);
/** app_name_repository(app): which repository it is, and, if that is a name of the configuration, how it is
 *  opened, where the command line does not say it. */
MUST_CHECK enum vv_rc app_name_repository(struct app *app);
/** app_open_storage(app): the storage named by -r or VARVE_REPO: a path, a URL, or a name of the
 *  configuration. */
MUST_CHECK enum vv_rc app_open_storage(struct app *app);
/** app_open_other_storage(app, url, ret, err): any other storage, with the same options, or by a name of the
 *  configuration with its own; owned by the caller.  May be called from any thread, by one at a time. */
MUST_CHECK enum vv_rc app_open_other_storage(struct app *app, const char *url, struct storage **ret,
                                             struct vv_error *err);
/** app_expect_repository(app): VV_ENOREPO unless there are key slots, or a replica
 *  was named and there is a config. */
MUST_CHECK enum vv_rc app_expect_repository(struct app *app);
/** What a command does with the repository, and with that the least role a key needs. */
enum app_use {
    APP_READ,     /* reader: reads what was stored */
    APP_WRITE,    /* writer: adds snapshots */
    APP_ADMIN,    /* administrator: changes what counts */
    APP_MAINTAIN, /* administrator: rewrites what is stored, as a session */
    APP_ANY,      /* whatever the key is */
};
/** app_repo_options(app, use, ret): directories, events, cancellation.  Unless packs are to be written
 *  (APP_WRITE, APP_MAINTAIN): a state directory that cannot be used is a warning, and replicas may
 *  serve. */
MUST_CHECK enum vv_rc app_repo_options(struct app *app, enum app_use use, struct repo_options *ret);
/** app_open(app, use): storage and repository, with a secret from wherever it comes.  VV_EKEY, and
 *  whose key it takes, also if none was given or the key's role does not allow ${use}. */
MUST_CHECK enum vv_rc app_open(struct app *app, enum app_use use);
/** app_open_waiting(app): as app_open for APP_WRITE, for a command that can wait: where the repository
 *  cannot be reached, but was opened by such a command on this host before, it is opened by the copies
 *  of its key slots that were kept (warning "repository-unreachable"). */
MUST_CHECK enum vv_rc app_open_waiting(struct app *app);
/** app_snapshots(app, ret): the list; freshness and forged records are told, and make the command end
 *  with exit code 14 whatever else it does. */
MUST_CHECK enum vv_rc app_snapshots(struct app *app, struct snapshot_list *ret);
/** app_list_verdict(l): the exit code that a list of snapshots alone calls for. */
enum exit_code app_list_verdict(const struct snapshot_list *l);

/** app_log_begin(app): open the log that options or environment ask for; one that cannot be written is a
 *  warning.  VV_EUSAGE (app->err): there is no such format. */
MUST_CHECK enum vv_rc app_log_begin(struct app *app);
/** app_log_end(app, code): its last line. */
void app_log_end(struct app *app, enum exit_code code);
extern const char *const app_log_formats[];

/** app_json(app): the document (begun if it is not yet), NULL without --json. */
struct json *app_json(struct app *app);
/** app_output_check(app, err): after writing to standard output: can it be gone on with?  When its
 *  reader has left, VV_ECANCELLED, which app_finish passes over in silence; other failures as they
 *  are.  Also a request to stop. */
MUST_CHECK enum vv_rc app_output_check(struct app *app, struct vv_error *err);
/** app_progress(app, phases, count): start the display as options and terminal allow. */
struct vv_progress *app_progress(struct app *app, const char *const *phases, unsigned count);

/** app_finish(app, rc, code): say app->err if ${rc} is a failure, end the document, flush: the exit
 *  code is the worse of both. */
enum exit_code app_finish(struct app *app, enum vv_rc rc, enum exit_code code);

/** app_host(): this host's name. */
const char *app_host(void);
/** app_secret_ways(app): as given for all commands. */
struct secret_ways app_secret_ways(const struct app *app);

/** SNAP or SNAP:PATH; text owned. */
struct snapshot_path {
    struct vv_buf snapshot;
    struct vv_buf path; /* relative, normalised; empty: the root */
    bool path_given;
};
void snapshot_path_release(struct snapshot_path *p);
MUST_CHECK enum vv_rc snapshot_path_parse(const char *text, struct snapshot_path *ret,
                                          struct vv_error *err);
/** snapshot_path_normalise(text, out, err): leading and trailing slashes, "//" and "." go; ".." is
 *  VV_EUSAGE. */
MUST_CHECK enum vv_rc snapshot_path_normalise(const char *text, struct vv_buf *out,
                                              struct vv_error *err);

/** print_help(command, path, file), print_overview(commands, file). */
void print_help(const struct command *command, const char *const path[2], FILE *file);
void print_overview(const struct command *const *commands, FILE *file);

#endif
