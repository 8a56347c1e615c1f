/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of the command: opening storage and repository, with a key of the right role; what its
 * snapshots say about freshness. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "crypto/hash.h"
#include "directories.h"
#include "render.h"
#include "replica_options.h"
#include "signals.h"

enum vv_rc
app_storage_options(struct app *app, const struct storage_options **ret, struct vv_error *err)
{
    if (!app->ssh.ready) {
        VV_TRY(ssh_input_init(&app->ssh, &app->global.ssh, &app->messages, err));
        app->storage_options = (struct storage_options){
            .ssh = &app->ssh.options, .events = &app->messages.events, .cancel = signals_cancel()};
    }
    *ret = &app->storage_options;
    return VV_OK;
}

/* How the repository is opened, unless the command line says it. */
static void
take_secrets(struct app *app, const struct settings_section *s)
{
    struct global_options *g = &app->global;

    if (g->key_file == NULL && g->passphrase_file == NULL && g->passphrase_command == NULL &&
        g->recovery_file == NULL) {
        g->key_file = settings_get(s, "key-file");
        g->passphrase_file = g->key_file == NULL ? settings_get(s, "passphrase-file") : NULL;
        g->passphrase_command = g->key_file == NULL && g->passphrase_file == NULL
                                    ? settings_get(s, "passphrase-command")
                                    : NULL;
    }
}

enum vv_rc
app_name_repository(struct app *app)
{
    const char *named =
        app->global.repository != NULL ? app->global.repository : getenv("VARVE_REPO");
    const struct settings_section *section = NULL;
    enum vv_rc rc;

    if (named == NULL || named[0] == '\0') {
        rc = vv_error_set(&app->err, VV_EUSAGE, "no repository was named");
        vv_error_hint(&app->err, "give -r REPO or set VARVE_REPO");
        return rc;
    }
    app->global.repository = named;
    VV_TRY(settings_input_repository(app, named, &section, &app->err));
    if (section != NULL) {
        take_secrets(app, section);
    }
    return VV_OK;
}

enum vv_rc
app_open_storage(struct app *app)
{
    VV_TRY(app_name_repository(app));
    return app_open_other_storage(app, app->global.repository, &app->storage, &app->err);
}

enum vv_rc
app_open_other_storage(struct app *app, const char *url, struct storage **ret, struct vv_error *err)
{
    const struct storage_options *options = NULL;

    if (url[0] == '\0') {
        return vv_error_set(err, VV_EUSAGE, "an empty name of a repository");
    }
    VV_TRY(settings_input_storage(app, url, &url, &options, err));
    if (options == NULL) {
        VV_TRY(app_storage_options(app, &options, err));
    }
    return storage_open(url, options, ret, err);
}

/** Does it write packs? */
static bool
writes(enum app_use use)
{
    return use == APP_WRITE || use == APP_MAINTAIN;
}

enum vv_rc
app_repo_options(struct app *app, enum app_use use, struct repo_options *ret)
{
    struct vv_error why = {0};

    if (app->global.expect_head != NULL && !head_valid(app->global.expect_head)) {
        return app_usage(app, "option '--expect-head': '%s' is no head as a backup prints it",
                         app->global.expect_head);
    }
    *ret = (struct repo_options){.events = &app->messages.events, .cancel = signals_cancel()};
    ret->expect_head = app->global.expect_head;
    ret->accept_heads = app->global.accept_head;
    ret->known_slots = app->known_slots;
    ret->replicas = !writes(use) && app->replicas.open != NULL ? &app->replicas : NULL;
    if (directories_find(DIRECTORY_STATE, &app->state_dir, &why) != VV_OK ||
        directories_make(&app->state_dir, &why) != VV_OK) {
        if (writes(use)) {
            app->err = why;
            vv_error_hint(&app->err, "set VARVE_STATE_DIR to a directory of this user");
            return why.rc;
        }
        messages_warning(&app->messages, "state-unusable", "%s; going on without it", why.message);
    } else {
        ret->state_dir = vv_buf_text(&app->state_dir);
    }
    if (directories_find(DIRECTORY_CACHE, &app->cache_dir, &why) == VV_OK &&
        directories_make(&app->cache_dir, &why) == VV_OK) {
        ret->cache_dir = vv_buf_text(&app->cache_dir);
    } else {
        messages_warning(&app->messages, "cache-unusable", "%s; going on without a cache",
                         why.message);
    }
    return VV_OK;
}

struct secret_ways
app_secret_ways(const struct app *app)
{
    return (struct secret_ways){.key_file = app->global.key_file,
                                .passphrase_file = app->global.passphrase_file,
                                .passphrase_command = app->global.passphrase_command,
                                .recovery_file = app->global.recovery_file,
                                .use_environment = true};
}

/* Nobody should type a passphrase for a repository that is not there. */
enum vv_rc
app_expect_repository(struct app *app)
{
    enum vv_rc rc;
    uint64_t size;

    key_objects_free(TAKE(app->keys));
    rc = key_objects_read(app->storage, &app->keys, &app->err);
    if (rc == VV_ENOREPO && app->replicas.count > 0 &&
        storage_size(app->storage, "config", &size, NULL) == VV_OK) {
        vv_error_clear(&app->err);
        return VV_OK; /* keys of a replica may open it */
    }
    if (rc == VV_ENOREPO) {
        vv_error_hint(&app->err, "'varve -r %s init' makes one", app->global.repository);
    }
    return rc;
}

/** Which key file, and of what?  One says which repository it is for: say so if it is another one. */
static void
explain_key(struct app *app, const struct secret_value *v)
{
    uint8_t head[FORMAT_HEADER_LEN];
    char id[VV_UUID_TEXT];
    size_t len = 0;

    if (v->type != KEY_SLOT_KEY_FILE || v->file == NULL) {
        return;
    }
    if (!vv_uuid_is_zero(&v->repository) &&
        storage_read(app->storage, "config", 0, head, sizeof(head), &len, NULL) == VV_OK &&
        len == sizeof(head) && memcmp(head + 8, v->repository.b, 16) != 0) {
        vv_uuid_text(&v->repository, id);
        (void)vv_error_prefix(&app->err, "'%s': '%s' is for another repository (%s)",
                              app->storage->url, v->file, id);
    } else {
        (void)vv_error_prefix(&app->err, "'%s': '%s'", app->storage->url, v->file);
    }
}

/** Whose key it takes. */
static const char *
needed(enum app_use use)
{
    switch (use) {
    case APP_READ:
        return "a reader's or an administrator's key";
    case APP_WRITE:
        return "a writer's or an administrator's key";
    case APP_ADMIN:
    case APP_MAINTAIN:
        return "an administrator's key";
    case APP_ANY:
        break;
    }
    return "a key";
}

/** "varve prune", "varve key rotate" */
static void
command_text(const struct app *app, char *out, size_t len)
{
    (void)snprintf(out, len, "varve %s%s%s", app->path[0], app->path[1] != NULL ? " " : "",
                   app->path[1] != NULL ? app->path[1] : "");
}

/** There is no key, and nobody to ask: whose would it have to be? */
static void
explain_missing_key(struct app *app, enum app_use use)
{
    char command[64];

    command_text(app, command, sizeof(command));
    (void)vv_error_prefix(&app->err, "'%s' needs %s", command, needed(use));
}

/** Does the key's role allow what the command does?  (The library would refuse, but later.) */
static enum vv_rc
check_role(struct app *app, enum app_use use)
{
    const struct key_bundle *client = keyring_client(repo_keyring(app->repo));
    char command[64];
    enum vv_rc rc;

    if (client == NULL || use == APP_ANY || (use == APP_READ && client->role == KEY_ROLE_READER) ||
        (use == APP_WRITE && client->role == KEY_ROLE_WRITER)) {
        return VV_OK;
    }
    command_text(app, command, sizeof(command));
    rc = vv_error_set(&app->err, VV_EKEY, "'%s' needs %s; this one ('%s') is a %s's", command,
                      needed(use), repo_slot(app->repo)->label, render_role(client->role));
    vv_error_hint(&app->err,
                  "name it with --key-file or VARVE_KEY_FILE; see ROLES in varve-key(1); "
                  "'varve key list' tells whose keys there are");
    return rc;
}

/** With a secret from wherever it comes. */
static enum vv_rc
open_repository(struct app *app, enum app_use use)
{
    struct secret_ways ways;
    struct repo_options options;
    struct vv_buf what = {0};
    enum vv_rc rc;

    VV_TRY(app_repo_options(app, use, &options));
    options.keys = app->keys;
    ways = app_secret_ways(app);
    vv_buf_printf(&what, "'%s'", app->storage->url);
    for (unsigned attempt = 1;; attempt++) {
        struct secret_value v = {0};
        struct slot_secret secret;
        bool again;
        rc = secret_get(&ways, vv_buf_text(&what), &app->messages, &v, &app->err);
        if (rc == VV_EKEY && !v.prompted && !secret_given(&ways)) {
            explain_missing_key(app, use);
        }
        if (rc == VV_OK) {
            secret = secret_value_slot(&v);
            rc = repo_open(app->storage, &secret, &options, &app->repo, &app->err);
        }
        if (rc == VV_EKEY) {
            explain_key(app, &v);
        }
        again = rc == VV_EKEY && v.prompted && attempt < 3;
        secret_value_release(&v);
        if (!again) {
            break;
        }
        messages_say(&app->messages, "varve: %s; try again", app->err.message);
    }
    vv_buf_release(&what);
    app->slots_wanted = rc == VV_EKEY;
    return rc == VV_OK ? check_role(app, use) : rc;
}

enum vv_rc
app_open(struct app *app, enum app_use use)
{
    VV_TRY(app_open_storage(app));
    if (!writes(use)) {
        VV_TRY(replica_options_read(app, &app->err));
    }
    VV_TRY(app_expect_repository(app));
    return open_repository(app, use);
}

/** "<state directory>/opened-<digits of its address>" */
static enum vv_rc
copies_directory(struct app *app, struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf state = {0};
    uint8_t hash[32];
    char digits[33];

    VV_TRY(directories_find(DIRECTORY_STATE, &state, &app->err));
    sha256(app->storage->url, strlen(app->storage->url), hash);
    vv_hex(digits, hash, 16);
    vv_buf_printf(out, "%s/opened-%s", vv_buf_text(&state), digits);
    (void)vv_buf_text(out);
    return vv_buf_check(out, &app->err);
}

/** The repository cannot be reached: the copies, if it was before. */
static enum vv_rc
take_copies(struct app *app, const char *directory, enum vv_rc rc)
{
    struct vv_error none = {0};

    if (rc == VV_ECANCELLED || rc == VV_ENOMEM || rc == VV_EAUTH || rc == VV_EUSAGE ||
        key_objects_kept(directory, &app->keys, &none) != VV_OK) {
        if (rc == VV_ETRANSIENT || rc == VV_EIO) {
            vv_error_hint(&app->err,
                          "the first time the repository must be there: its keys open it; "
                          "later it may come back while WAL is received");
        }
        return rc;
    }
    messages_warning(&app->messages, "repository-unreachable",
                     "%s; it was opened on this host before, so WAL is received into the journal "
                     "until it is back",
                     app->err.message);
    vv_error_clear(&app->err);
    app->from_copies = true;
    return VV_OK;
}

enum vv_rc
app_open_waiting(struct app *app)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    struct vv_error why = {0};
    enum vv_rc rc;

    VV_TRY(app_open_storage(app));
    VV_TRY(copies_directory(app, &directory));
    rc = app_expect_repository(app);
    if (rc != VV_OK) {
        VV_TRY(take_copies(app, vv_buf_text(&directory), rc));
    }
    VV_TRY(open_repository(app, APP_WRITE));
    if (!app->from_copies && app->keys != NULL &&
        key_objects_keep(app->keys, vv_buf_text(&directory), &why) != VV_OK) {
        messages_warning(&app->messages, "state-unusable",
                         "%s; this cannot be started while the repository is away", why.message);
    }
    return VV_OK;
}

/** What to do about an alarm. */
static void
tell_newest(struct app *app, const struct snapshot_list *l)
{
    char head[HEAD_TEXT] = "none";
    char when[VV_TIME_TEXT] = "";

    if (l->count > 0) {
        const struct snapshot *s = &l->snapshots[l->count - 1];
        head_text(&s->client, s->sequence, &s->hash, head);
        vv_time_format(s->time, when);
    }
    messages_say(
        &app->messages,
        "hint: something is missing here; the newest snapshot here is of %s (head %s); look "
        "into replicas first; if that is known and right, --accept-head ends the alarm",
        l->count > 0 ? when : "no time", head);
}

enum vv_rc
app_snapshots(struct app *app, struct snapshot_list *ret)
{
    struct snapshot_list l = {0};

    VV_TRY(snapshot_list_read(app->repo, &l, &app->err));
    app->not_fresh = app->not_fresh || l.forged > 0 || l.freshness == FRESHNESS_ROLLED_BACK;
    if (l.freshness == FRESHNESS_ROLLED_BACK) {
        tell_newest(app, &l);
    } else if (l.freshness == FRESHNESS_LAG) {
        messages_warning(&app->messages, "freshness-lag",
                         "this copy of the repository is behind what this host has seen elsewhere");
    } else if (l.freshness == FRESHNESS_NOT_CHECKED && l.count > 0 && !app->global.quiet) {
        messages_say(&app->messages,
                     "freshness not checked: this host sees this copy for the first "
                     "time (--expect-head compares)");
    }
    *ret = l;
    return VV_OK;
}

enum exit_code
app_list_verdict(const struct snapshot_list *l)
{
    enum exit_code code = EXIT_DONE;

    if (l->forged > 0 || l->freshness == FRESHNESS_ROLLED_BACK) {
        code = exit_code_worse(code, EXIT_FORGED);
    }
    if (l->damaged > 0) {
        code = exit_code_worse(code, EXIT_CORRUPT);
    }
    return code;
}
