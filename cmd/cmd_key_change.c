/* SPDX-License-Identifier: BSD-2-Clause */
/* varve key add, remove, passwd. */
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"

#include "key_commands.h"
#include "render.h"

struct change_options {
    const char *key_file;
    const char *passphrase_file;
    const char *passphrase_command;
    const char *recovery_file;
    const char *label;
    const char *name;
    int role; /* place in roles */
};
/* In the order of enum key_role. */
static const char *const roles[] = {"admin", "reader", "writer", NULL};
#define AT(member) offsetof(struct change_options, member)
#define PASSPHRASE_SPECS                                                                           \
    {"new-passphrase-file",                                                                        \
     '\0',                                                                                         \
     OPTION_TEXT,                                                                                  \
     AT(passphrase_file),                                                                          \
     "FILE",                                                                                       \
     "take the new passphrase from this file",                                                     \
     NULL},                                                                                        \
    {                                                                                              \
        "new-passphrase-command", '\0', OPTION_TEXT, AT(passphrase_command), "COMMAND",            \
            "take the new passphrase from what this command prints", NULL                          \
    }
static const struct option_spec add_specs[] = {
    {"new-key-file", '\0', OPTION_TEXT, AT(key_file), "FILE", "make this key file", NULL},
    {"new-recovery-file", '\0', OPTION_TEXT, AT(recovery_file), "FILE",
     "make recovery words and write them to this file", NULL},
    PASSPHRASE_SPECS,
    {"role", '\0', OPTION_CHOICE, AT(role), "ROLE",
     "what the key is good for: admin (the default), reader or writer", roles},
    {"name", '\0', OPTION_TEXT, AT(name), "NAME",
     "of the host or person the reader's or writer's key is for", NULL},
    {"label", '\0', OPTION_TEXT, AT(label), "TEXT", "name of the slot in lists", NULL},
    OPTION_END,
};
static const struct option_spec passwd_specs[] = {PASSPHRASE_SPECS, OPTION_END};
static const struct option_spec no_specs[] = {OPTION_END};

/** A new passphrase, from the options that begin with --new-, else asked for. */
static enum vv_rc
new_passphrase(struct app *app, const struct change_options *o, struct secret_value *ret)
{
    const struct secret_ways ways = {.passphrase_file = o->passphrase_file,
                                     .passphrase_command = o->passphrase_command,
                                     .use_environment = false};
    struct vv_buf what = {0};
    enum vv_rc rc;

    vv_buf_printf(&what, "'%s'", app->storage->url);
    rc = secret_new_passphrase(&ways, vv_buf_text(&what), &app->messages, ret, &app->err);
    vv_buf_release(&what);
    if (rc == VV_EKEY && app->err.hint[0] == '\0') {
        vv_error_hint(&app->err, "give --new-passphrase-file or --new-passphrase-command");
    }
    return rc;
}

/** Draw or ask for the new secret, and put it into its file. */
static enum vv_rc
new_secret(struct app *app, const struct change_options *o, struct secret_value *ret)
{
    enum vv_rc rc = VV_OK;

    if (o->key_file != NULL) {
        VV_TRY(secret_new_random(KEY_SLOT_KEY_FILE, ret, &app->err));
        rc = secret_write_key_file(o->key_file, ret, repo_id(app->repo), SECRET_CREATE, &app->err);
    } else if (o->recovery_file != NULL) {
        VV_TRY(secret_new_random(KEY_SLOT_RECOVERY, ret, &app->err));
        rc = secret_write_recovery_file(o->recovery_file, ret, repo_id(app->repo), SECRET_CREATE,
                                        &app->err);
    } else {
        rc = new_passphrase(app, o, ret);
    }
    return rc;
}

static enum vv_rc
check_add(struct app *app, const struct change_options *o)
{
    if ((o->key_file != NULL) + (o->recovery_file != NULL) + (o->passphrase_file != NULL) +
            (o->passphrase_command != NULL) >
        1) {
        return app_usage(app, "one new key at a time");
    }
    if (o->role + 1 != KEY_ROLE_ADMIN && (o->name == NULL || o->name[0] == '\0')) {
        return app_usage(app, "a %s's key is for somebody: give --name NAME", roles[o->role]);
    }
    if (o->role + 1 != KEY_ROLE_ADMIN && o->recovery_file != NULL) {
        return app_usage(app, "recovery words are an administrator's");
    }
    return VV_OK;
}

/** Certify the client a reader's or writer's key is for, and make its slot. */
static enum vv_rc
make_client_slot(struct app *app, const struct change_options *o, const struct secret_value *v,
                 struct slot_info *ret)
{
    const char *label = o->label != NULL ? o->label : o->name;
    struct key_bundle bundle;
    enum vv_rc rc;

    VV_TRY(key_client_issue(app->repo, (enum key_role)(o->role + 1), o->name, &bundle, &app->err));
    rc = key_make_slot(app, v, label, &bundle, ret);
    if (rc == VV_OK && app_json(app) != NULL) {
        render_json_uuid(app_json(app), "client", &bundle.client);
    }
    crypto_wipe(&bundle, sizeof(bundle));
    return rc;
}

static enum vv_rc
add(struct app *app, const struct change_options *o)
{
    const char *file = o->key_file != NULL ? o->key_file : o->recovery_file;
    struct secret_value v = {0};
    struct slot_info slot;
    enum vv_rc rc;

    VV_TRY(check_add(app, o));
    VV_TRY(app_open(app, APP_ADMIN));
    rc = new_secret(app, o, &v);
    if (rc == VV_OK) {
        rc = o->role + 1 == KEY_ROLE_ADMIN
                 ? key_make_slot(app, &v, o->label != NULL ? o->label : o->name, NULL, &slot)
                 : make_client_slot(app, o, &v, &slot);
        if (rc != VV_OK && file != NULL) {
            (void)unlink(file);
        }
    }
    if (rc == VV_OK) {
        key_put_slot(app, &slot, "added");
        if (app_json(app) != NULL) {
            json_put_text(app_json(app), "role", render_role((enum key_role)(o->role + 1)));
        }
    }
    secret_value_release(&v);
    return rc;
}

static enum exit_code
run_add(struct app *app, int argc, char **argv)
{
    struct change_options o = {0};
    struct arguments args = {0};

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    return app_finish(app, add(app, &o), EXIT_DONE);
}

const struct command key_add = {
    .name = "add",
    .arguments = "",
    .summary = "add a key file, recovery words, or a passphrase (asked for twice)",
    .specs = add_specs,
    .run = run_add,
};

/** The slot whose id begins with ${text}. */
static enum vv_rc
find_slot(struct app *app, const struct slot_list *list, const char *text,
          const struct slot_info **ret)
{
    const struct slot_info *found = NULL;
    enum vv_rc rc;

    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->slots[i].id, text, strlen(text)) == 0) {
            if (found != NULL) {
                return app_usage(app, "several key slots begin with '%s'", text);
            }
            found = &list->slots[i];
        }
    }
    if (found == NULL || strlen(text) < 4) {
        rc = vv_error_set(&app->err, VV_ENOTFOUND, "there is no key slot '%s'", text);
        vv_error_hint(&app->err, "'varve key list' lists them; give four digits or more");
        return rc;
    }
    *ret = found;
    return VV_OK;
}

static enum vv_rc
remove_slot(struct app *app, const char *text)
{
    struct slot_list list = {0};
    const struct slot_info *slot = NULL;
    enum vv_rc rc;

    VV_TRY(app_open(app, APP_ADMIN));
    VV_TRY(key_slots_list(app->storage, &list, &app->err));
    rc = find_slot(app, &list, text, &slot);
    if (rc == VV_OK && slot != NULL && strcmp(slot->id, repo_slot(app->repo)->id) == 0) {
        rc = vv_error_set(&app->err, VV_EREFUSED, "key slot %s is the one you opened this with",
                          slot->id);
        vv_error_hint(&app->err, "open the repository with another key: that shows that it is not "
                                 "locked for ever afterwards");
    }
    if (rc == VV_OK && slot != NULL) {
        rc = key_slots_remove(app->storage, slot->id, &app->err);
    }
    if (rc == VV_OK && slot != NULL) {
        key_put_slot(app, slot, "removed");
        messages_say(&app->messages, "note: whoever has copies of this slot and its secret can "
                                     "still open copies of the repository");
        key_tell_replicas(app, slot->id);
    }
    slot_list_release(&list);
    return rc;
}

static enum exit_code
run_remove(struct app *app, int argc, char **argv)
{
    struct arguments args = {0};
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = remove_slot(app, args.items[0]);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command key_remove = {
    .name = "remove",
    .arguments = "SLOT",
    .summary = "remove a key slot, other than the one that opens the repository for this",
    .specs = no_specs,
    .run = run_remove,
};

static enum vv_rc
change_passphrase(struct app *app, const struct change_options *o)
{
    struct secret_value v = {0};
    struct slot_info old;
    struct slot_info slot;
    enum vv_rc rc;

    VV_TRY(app_open(app, APP_ADMIN));
    old = *repo_slot(app->repo);
    if (old.type != KEY_SLOT_PASSPHRASE) {
        rc = vv_error_set(&app->err, VV_EREFUSED,
                          "the repository was opened by %s, not a passphrase",
                          render_slot_kind(old.type));
        vv_error_hint(&app->err,
                      "open it with the passphrase to change, or add one: 'varve key add'");
        return rc;
    }
    rc = new_passphrase(app, o, &v);
    if (rc == VV_OK) {
        rc = key_make_slot(app, &v, old.label, NULL, &slot);
    }
    if (rc == VV_OK) {
        rc = key_slots_remove(app->storage, old.id, &app->err);
        if (rc != VV_OK) {
            (void)vv_error_prefix(&app->err, "the new passphrase counts, but the old one too");
        }
    }
    if (rc == VV_OK) {
        key_put_slot(app, &slot, "changed the passphrase:");
        key_tell_replicas(app, old.id);
    }
    secret_value_release(&v);
    return rc;
}

static enum exit_code
run_passwd(struct app *app, int argc, char **argv)
{
    struct change_options o = {0};
    struct arguments args = {0};

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    return app_finish(app, change_passphrase(app, &o), EXIT_DONE);
}

const struct command key_passwd = {
    .name = "passwd",
    .arguments = "",
    .summary = "change the passphrase that opens the repository for this",
    .specs = passwd_specs,
    .run = run_passwd,
};
