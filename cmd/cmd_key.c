/* SPDX-License-Identifier: BSD-2-Clause */
/* varve key list|check, and what all of varve key shares: what opens a repository. */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "key_commands.h"
#include "render.h"
#include "report/table.h"

static const struct option_spec no_specs[] = {OPTION_END};

/** Whose bundle is in a slot?  A reader's or writer's is named after its client. */
static enum key_role
slot_role(const struct slot_info *slot, const struct client_list *clients)
{
    char id[17];

    for (size_t i = 0; i < clients->count; i++) {
        key_client_slot(&clients->clients[i].client, id);
        if (clients->clients[i].role != KEY_ROLE_ADMIN && strcmp(id, slot->id) == 0) {
            return clients->clients[i].role;
        }
    }
    return KEY_ROLE_ADMIN;
}

static void
put_slots_json(const struct slot_list *list, const struct client_list *clients, struct json *j)
{
    json_put_array(j, "slots");
    for (size_t i = 0; i < list->count; i++) {
        const struct slot_info *s = &list->slots[i];
        json_put_object(j, NULL);
        json_put_text(j, "id", s->id);
        json_put_text(j, "kind", render_slot_kind(s->type));
        json_put_text(j, "role", render_role(slot_role(s, clients)));
        json_put_text(j, "label", s->label);
        json_put_time(j, "created", s->created);
        json_put_u64(j, "copies", s->copies);
        json_put_end(j);
    }
    json_put_end(j);
    json_put_u64(j, "damaged", list->damaged);
}

enum vv_rc
key_put_slots(struct app *app, const struct slot_list *list, const struct client_list *clients,
              struct json *j)
{
    static const struct table_column columns[] = {{"id", TABLE_LEFT},      {"kind", TABLE_LEFT},
                                                  {"role", TABLE_LEFT},    {"made", TABLE_LEFT},
                                                  {"copies", TABLE_RIGHT}, {"label", TABLE_LEFT}};
    VV_CLEANUP(table_freep) struct table *t = NULL;
    char when[VV_TIME_TEXT];

    if (j != NULL) {
        put_slots_json(list, clients, j);
        return VV_OK;
    }
    VV_TRY(table_new(columns, VV_COUNT(columns), &t, &app->err));
    for (size_t i = 0; i < list->count; i++) {
        const struct slot_info *s = &list->slots[i];
        vv_time_format(s->created, when);
        table_text(t, s->id);
        table_text(t, render_slot_kind(s->type));
        table_text(t, render_role(slot_role(s, clients)));
        table_text(t, when);
        table_printf(t, "%u", s->copies);
        table_text(t, s->label);
    }
    return table_print(t, stdout, &app->err);
}

static void
put_clients_json(const struct client_list *clients, struct json *j)
{
    json_put_array(j, "clients");
    for (size_t i = 0; i < clients->count; i++) {
        const struct client_info *c = &clients->clients[i];
        json_put_object(j, NULL);
        render_json_uuid(j, "id", &c->client);
        json_put_text(j, "name", c->name);
        json_put_text(j, "role", render_role(c->role));
        json_put_time(j, "certified", c->time);
        if (c->revoked) {
            json_put_u64(j, "revoked_from", c->revoked_since);
        } else {
            json_put_null(j, "revoked_from");
        }
        json_put_end(j);
    }
    json_put_end(j);
}

enum vv_rc
key_put_clients(struct app *app, const struct client_list *clients, struct json *j)
{
    static const struct table_column columns[] = {{"client", TABLE_LEFT},
                                                  {"role", TABLE_LEFT},
                                                  {"certified", TABLE_LEFT},
                                                  {"revoked from", TABLE_RIGHT},
                                                  {"name", TABLE_LEFT}};
    VV_CLEANUP(table_freep) struct table *t = NULL;
    char when[VV_TIME_TEXT];
    char id[RENDER_ID];

    if (j != NULL) {
        put_clients_json(clients, j);
        return VV_OK;
    }
    if (clients->count == 0) {
        return VV_OK;
    }
    VV_TRY(table_new(columns, VV_COUNT(columns), &t, &app->err));
    for (size_t i = 0; i < clients->count; i++) {
        const struct client_info *c = &clients->clients[i];
        render_short_id(&c->client, id);
        vv_time_format(c->time, when);
        table_text(t, id);
        table_text(t, render_role(c->role));
        table_text(t, when);
        if (c->revoked) {
            table_printf(t, "%llu", (unsigned long long)c->revoked_since);
        } else {
            table_text(t, "");
        }
        table_text(t, c->name);
    }
    printf("\n");
    return table_print(t, stdout, &app->err);
}

void
key_put_slot(struct app *app, const struct slot_info *slot, const char *what)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        json_put_text(j, "id", slot->id);
        json_put_text(j, "kind", render_slot_kind(slot->type));
        json_put_text(j, "label", slot->label);
    } else if (!app->global.quiet) {
        printf("%s key slot %s (%s '", what, slot->id, render_slot_kind(slot->type));
        message_print(slot->label, stdout);
        printf("')\n");
    }
}

void
key_default_label(char out[LIMIT_LABEL + 1])
{
    VV_CLEANUP(vv_freep) char *buffer = vv_alloc(65536);
    struct passwd entry;
    struct passwd *found = NULL;

    if (buffer != NULL && getpwuid_r(geteuid(), &entry, buffer, 65536, &found) == 0 &&
        found != NULL) {
        (void)snprintf(out, LIMIT_LABEL + 1, "%.64s@%.128s", found->pw_name, app_host());
    } else {
        (void)snprintf(out, LIMIT_LABEL + 1, "%u@%.128s", (unsigned)geteuid(), app_host());
    }
}

enum vv_rc
key_make_slot(struct app *app, const struct secret_value *v, const char *label,
              const struct key_bundle *bundle, struct slot_info *ret)
{
    const struct slot_cost cost = {.passes = ARGON2_DEFAULT_PASSES,
                                   .memory_kib = ARGON2_DEFAULT_KIB};
    const struct vv_clock *clock = repo_clock(app->repo);
    const struct key_bundle *own = keyring_bundle(repo_keyring(app->repo));
    struct slot_secret secret = secret_value_slot(v);
    char standard[LIMIT_LABEL + 1];
    struct vv_buf config = {0};
    uint8_t hash[32];
    enum vv_rc rc = storage_read_all(app->storage, "config", LIMIT_CONFIG, &config, &app->err);

    if (rc == VV_OK) {
        sha256(config.data, config.len, hash);
        if (memcmp(hash, own->config_hash, sizeof(hash)) != 0) {
            rc = vv_error_set(&app->err, VV_ECORRUPT, "'config' is damaged: no slot can be made");
        }
    }
    if (rc == VV_OK) {
        key_default_label(standard);
        rc = key_slots_add(app->storage, &secret, label != NULL ? label : standard, &cost,
                           bundle != NULL ? bundle : own, vv_buf_span(&config),
                           clock->realtime(clock), ret, &app->err);
    }
    vv_buf_release(&config);
    return rc;
}

/** The clients, as far as they can be told without a key. */
static void
read_clients(struct app *app, struct client_list *ret)
{
    const struct repo_options options = {.events = &app->messages.events};
    VV_CLEANUP(repo_freep) struct repo *r = NULL;
    struct vv_error why = {0};

    if (repo_open_keyless(app->storage, &options, &r, &why) != VV_OK ||
        client_list_read(r, ret, &why) != VV_OK) {
        messages_warning(&app->messages, "clients-unknown", "the clients cannot be listed: %s",
                         why.message);
    }
}

static enum vv_rc
list(struct app *app, enum exit_code *code)
{
    struct slot_list slots = {0};
    struct client_list clients = {0};
    enum vv_rc rc;

    VV_TRY(app_open_storage(app));
    VV_TRY(app_expect_repository(app));
    VV_TRY(key_slots_list(app->storage, &slots, &app->err));
    read_clients(app, &clients);
    rc = key_put_slots(app, &slots, &clients, app_json(app));
    if (rc == VV_OK) {
        rc = key_put_clients(app, &clients, app_json(app));
    }
    if (rc == VV_OK && slots.damaged > 0) {
        messages_warning(&app->messages, "key-slot-damaged", "%zu object%s in keys/ cannot be read",
                         slots.damaged, slots.damaged == 1 ? "" : "s");
        *code = EXIT_CORRUPT;
    }
    client_list_release(&clients);
    slot_list_release(&slots);
    return rc;
}

/* varve key list: needs no key. */
static enum exit_code
run_list(struct app *app, int argc, char **argv)
{
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = list(app, &code);
    return app_finish(app, rc, code);
}

const struct command key_list = {
    .name = "list",
    .arguments = "",
    .summary = "list the key slots and the certified clients; needs no key",
    .specs = no_specs,
    .run = run_list,
};

/** Both copies of every slot are there. */
static enum exit_code
check_copies(struct app *app, const struct slot_list *list)
{
    enum exit_code code = list->damaged > 0 ? EXIT_CORRUPT : EXIT_DONE;

    for (size_t i = 0; i < list->count; i++) {
        if (list->slots[i].copies < 2) {
            messages_warning(&app->messages, "key-slot-damaged",
                             "one copy of key slot %s is missing or damaged: add a new slot, then "
                             "remove this one",
                             list->slots[i].id);
            code = EXIT_CORRUPT;
        }
    }
    return code;
}

/* varve key check: does this secret open the repository, and are all slots whole? */
static enum exit_code
run_check(struct app *app, int argc, char **argv)
{
    struct slot_list list = {0};
    struct client_list clients = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    struct json *j;
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = app_open(app, APP_ANY);
    if (rc == VV_OK) {
        rc = client_list_read(app->repo, &clients, &app->err);
    }
    if (rc == VV_OK) {
        rc = key_slots_list(app->storage, &list, &app->err);
    }
    if (rc == VV_OK) {
        code = check_copies(app, &list);
        j = app_json(app);
        key_put_slot(app, repo_slot(app->repo), "opened by");
        if (j != NULL) {
            json_put_text(j, "role", render_role(keyring_bundle(repo_keyring(app->repo))->role));
            rc = key_put_slots(app, &list, &clients, j);
        } else if (!app->global.quiet) {
            printf("role: %s\n", render_role(keyring_bundle(repo_keyring(app->repo))->role));
        }
    }
    client_list_release(&clients);
    slot_list_release(&list);
    return app_finish(app, rc, code);
}

const struct command key_check = {
    .name = "check",
    .arguments = "",
    .summary = "tell which slot the key opens, and whether both copies of all slots are there",
    .specs = no_specs,
    .run = run_check,
};

static const struct command *const subcommands[] = {
    &key_list,           &key_add,    &key_remove, &key_passwd, &key_rotate_command,
    &key_revoke_command, &key_export, &key_check,  NULL,
};
const struct command cmd_key = {
    .name = "key",
    .arguments = "COMMAND",
    .summary =
        "list, add, remove, change, rotate, revoke, export and check what opens the repository",
    .subcommands = subcommands,
};
