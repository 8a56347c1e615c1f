/* SPDX-License-Identifier: BSD-2-Clause */
/* varve init [--key-file F] [--recovery-file F] [--label TEXT] [--reserve SIZE]
 * [--no-parity]: make a repository. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "key_commands.h"
#include "render.h"
#include "storage_notes.h"

#define RESERVE_DEFAULT (UINT64_C(64) << 20)

struct init_options {
    const char *key_file;
    const char *recovery_file;
    const char *label;
    uint64_t reserve;
    bool no_parity;
};
static const struct option_spec specs[] = {
    {"key-file", '\0', OPTION_TEXT, offsetof(struct init_options, key_file), "FILE",
     "make this key file, which opens the repository without a passphrase", NULL},
    {"recovery-file", '\0', OPTION_TEXT, offsetof(struct init_options, recovery_file), "FILE",
     "write the recovery words to this new file (else a terminal shows them)", NULL},
    {"label", '\0', OPTION_TEXT, offsetof(struct init_options, label), "TEXT",
     "name of the key in lists (default: user@host)", NULL},
    {"reserve", '\0', OPTION_SIZE, offsetof(struct init_options, reserve), "SIZE",
     "space set aside for clearing up when the storage is full (default: 64M)", NULL},
    {"no-parity", '\0', OPTION_FLAG, offsetof(struct init_options, no_parity), NULL,
     "store nothing that heals damaged packs (costs 6 % of space; 'varve parity' changes it)",
     NULL},
    OPTION_END,
};

/** What init is about to make. */
struct making {
    const struct init_options *o;
    struct secret_value key;
    struct secret_value words; /* bytes NULL: no recovery words */
    const char *key_file;      /* NULL: a passphrase */
    bool made_key_file;
    bool made_recovery_file;
};

static const char *
key_file_wanted(const struct app *app, const struct init_options *o)
{
    const char *given = o->key_file != NULL ? o->key_file : app->global.key_file;
    const char *set = getenv("VARVE_KEY_FILE");

    if (given != NULL || app->global.passphrase_file != NULL ||
        app->global.passphrase_command != NULL) {
        return given;
    }
    return set != NULL && set[0] != '\0' ? set : NULL;
}

/** Draw or ask for the key, and put files in place before there is anything that needs them: a
 *  repository whose key was lost by a crash would be worse than a key without a repository. */
static enum vv_rc
make_secrets(struct app *app, struct making *m)
{
    static const struct vv_uuid not_known_yet;
    struct secret_ways ways = app_secret_ways(app);
    struct vv_buf what = {0};
    enum vv_rc rc;

    if (m->key_file != NULL) {
        VV_TRY(secret_new_random(KEY_SLOT_KEY_FILE, &m->key, &app->err));
        VV_TRY(
            secret_write_key_file(m->key_file, &m->key, &not_known_yet, SECRET_CREATE, &app->err));
        m->made_key_file = true;
    } else {
        vv_buf_printf(&what, "'%s'", app->storage->url);
        rc = secret_new_passphrase(&ways, vv_buf_text(&what), &app->messages, &m->key, &app->err);
        vv_buf_release(&what);
        if (rc == VV_EKEY && app->err.hint[0] == '\0') {
            vv_error_hint(&app->err, "give --key-file FILE (which is made), --passphrase-file or "
                                     "--passphrase-command, or set VARVE_PASSPHRASE");
        }
        VV_TRY(rc);
    }
    if (m->o->recovery_file != NULL || secret_terminal()) {
        VV_TRY(secret_new_random(KEY_SLOT_RECOVERY, &m->words, &app->err));
    }
    if (m->o->recovery_file != NULL) {
        VV_TRY(secret_write_recovery_file(m->o->recovery_file, &m->words, &not_known_yet,
                                          SECRET_CREATE, &app->err));
        m->made_recovery_file = true;
    }
    return VV_OK;
}

/** Now that the repository has an id, the files tell it. */
static enum vv_rc
name_repository(struct app *app, const struct making *m)
{
    const struct vv_uuid *id = repo_id(app->repo);

    if (m->made_key_file) {
        VV_TRY(secret_write_key_file(m->key_file, &m->key, id, SECRET_REPLACE, &app->err));
    }
    if (m->made_recovery_file) {
        VV_TRY(secret_write_recovery_file(m->o->recovery_file, &m->words, id, SECRET_REPLACE,
                                          &app->err));
    }
    return VV_OK;
}

/** After a failure: take the files away, unless a repository that needs them got made. */
static void
undo_files(struct app *app, const struct making *m)
{
    uint64_t size;

    if (app->repo != NULL || storage_size(app->storage, "config", &size, NULL) == VV_OK) {
        return;
    }
    if (m->made_key_file) {
        (void)unlink(m->key_file);
    }
    if (m->made_recovery_file) {
        (void)unlink(m->o->recovery_file);
    }
}

static enum vv_rc
show_words(struct app *app, const struct making *m)
{
    struct vv_buf text = {0};
    enum vv_rc rc;

    VV_TRY(vv_buf_reserve(&text, 4096, &app->err));
    vv_buf_put_text(&text, "\nRecovery words.  They open the repository when its key is lost, and "
                           "are shown only now:\nwrite them down, and keep them apart from the "
                           "repository.\n\n");
    secret_words_text(&m->words, "    ", &text);
    vv_buf_put_text(&text, "\n");
    rc = secret_show(vv_buf_text(&text), &app->err);
    secret_buf_wipe(&text);
    return rc;
}

static enum vv_rc
make_repository(struct app *app, const struct making *m)
{
    struct slot_secret secret = secret_value_slot(&m->key);
    struct slot_secret words = {0};
    char label[LIMIT_LABEL + 1];
    struct repo_options options;
    struct repo_init_options init = {
        .secret = &secret,
        .label = m->o->label,
        .cost = {.passes = ARGON2_DEFAULT_PASSES, .memory_kib = ARGON2_DEFAULT_KIB},
        .reserve = m->o->reserve,
        .parity = !m->o->no_parity,
    };

    if (init.label == NULL) {
        key_default_label(label);
        init.label = label;
    }
    if (m->words.bytes != NULL) {
        words = secret_value_slot(&m->words);
        init.recovery = &words;
    }
    VV_TRY(app_repo_options(app, APP_READ, &options));
    return repo_init(app->storage, &init, &options, &app->repo, &app->err);
}

static void
report_json(struct app *app, const struct making *m, const struct storage_notes *notes,
            struct json *j)
{
    render_json_uuid(j, "id", repo_id(app->repo));
    json_put_text(j, "repository", app->storage->url);
    json_put_text(j, "key_file", m->key_file);
    json_put_text(j, "recovery_file", m->o->recovery_file);
    json_put_u64(j, "reserve", m->o->reserve);
    json_put_bool(j, "parity", !m->o->no_parity);
    storage_notes_json(notes, j);
}

/** A name as a shell takes it. */
static void
put_quoted(const char *text)
{
    struct vv_buf escaped = {0};

    if (text[strspn(text,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:@")] ==
        '\0') {
        printf("%s", text);
        return;
    }
    message_escape(&escaped, text);
    printf("'%s'", vv_buf_text(&escaped));
    vv_buf_release(&escaped);
}

static void
report(struct app *app, const struct making *m, const struct storage_notes *notes)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(repo_id(app->repo), id);
    printf("made repository %s at ", id);
    put_quoted(app->storage->url);
    printf("\n  opened by: ");
    if (m->key_file != NULL) {
        printf("key file ");
        put_quoted(m->key_file);
    } else {
        printf("passphrase");
    }
    printf("\n  recovery words: ");
    if (m->made_recovery_file) {
        printf("in ");
        put_quoted(m->o->recovery_file);
    } else {
        printf(m->words.bytes != NULL ? "shown on the terminal" : "none exist");
    }
    printf("\n");
    storage_notes_print(notes, stdout);
    printf("Keep a copy of the key and of the words somewhere else: without one of them nobody\n"
           "opens the repository.  Next:\n  export VARVE_REPO=");
    put_quoted(app->storage->url);
    if (m->key_file != NULL) { /* whole: the next command may be typed elsewhere */
        char *whole = realpath(m->key_file, NULL);
        printf(" VARVE_KEY_FILE=");
        put_quoted(whole != NULL ? whole : m->key_file);
        free(whole);
    }
    printf("\n  varve backup PATH...\n");
}

/** Before anything is made: there is no repository yet, and the place can be reached. */
static enum vv_rc
expect_nothing(struct app *app)
{
    struct vv_error why = {0};
    uint64_t size;
    enum vv_rc rc = storage_size(app->storage, "config", &size, &why);

    if (rc == VV_OK) {
        rc = vv_error_set(&app->err, VV_EREFUSED, "there is already a varve repository at '%s'",
                          app->storage->url);
        vv_error_hint(&app->err, "use it, or choose another place; nothing was changed");
        return rc;
    }
    if (rc == VV_ETRANSIENT || rc == VV_EAUTH || rc == VV_ECANCELLED || rc == VV_EUNSUPPORTED) {
        app->err = why;
        return rc;
    }
    return VV_OK; /* making it will tell */
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct init_options o = {.reserve = RESERVE_DEFAULT};
    struct making m = {.o = &o};
    struct storage_notes notes;
    struct arguments args;
    struct json *j;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    o.recovery_file = o.recovery_file != NULL ? o.recovery_file : app->global.recovery_file;
    rc = app_open_storage(app);
    if (rc == VV_OK) {
        m.key_file = key_file_wanted(app, &o); /* perhaps the configuration's */
        rc = expect_nothing(app);
    }
    if (rc == VV_OK) {
        rc = make_secrets(app, &m);
    }
    if (rc == VV_OK) {
        rc = make_repository(app, &m);
    }
    if (rc == VV_OK) {
        rc = name_repository(app, &m);
    }
    if (rc == VV_OK && m.words.bytes != NULL && !m.made_recovery_file) {
        rc = show_words(app, &m);
    }
    if (rc == VV_OK) {
        j = app_json(app);
        storage_notes(app, &notes);
        if (j != NULL) {
            report_json(app, &m, &notes, j);
        } else if (!app->global.quiet) {
            report(app, &m, &notes);
        }
    } else if (app->storage != NULL) {
        undo_files(app, &m);
    }
    secret_value_release(&m.key);
    secret_value_release(&m.words);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command cmd_init = {
    .name = "init",
    .arguments = "",
    .summary = "make a repository",
    .details =
        "The first key is a key file that is made (--key-file), or a passphrase: from\n"
        "--passphrase-file, VARVE_PASSPHRASE or --passphrase-command, or asked for twice.\n"
        "Recovery words, which open the repository when that is lost, go to --recovery-file\n"
        "or are shown on the terminal; where there is neither, none are made.",
    .specs = specs,
    .run = run,
};
