/* SPDX-License-Identifier: BSD-2-Clause */
/* varve key list|add|remove|passwd|export|check: what opens a repository. */
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

enum vv_rc
key_put_slots(struct app *app, const struct slot_list *list, struct json *j)
{
    static const struct table_column columns[] = {{"id", TABLE_LEFT},
                                                  {"kind", TABLE_LEFT},
                                                  {"made", TABLE_LEFT},
                                                  {"copies", TABLE_RIGHT},
                                                  {"label", TABLE_LEFT}};
    VV_CLEANUP(table_freep) struct table *t = NULL;
    char when[VV_TIME_TEXT];

    VV_TRY(table_new(columns, VV_COUNT(columns), &t, &app->err));
    if (j != NULL) {
        json_put_array(j, "slots");
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct slot_info *s = &list->slots[i];
        if (j != NULL) {
            json_put_object(j, NULL);
            json_put_text(j, "id", s->id);
            json_put_text(j, "kind", render_slot_kind(s->type));
            json_put_text(j, "label", s->label);
            json_put_time(j, "created", s->created);
            json_put_u64(j, "copies", s->copies);
            json_put_end(j);
            continue;
        }
        vv_time_format(s->created, when);
        table_text(t, s->id);
        table_text(t, render_slot_kind(s->type));
        table_text(t, when);
        table_printf(t, "%u", s->copies);
        table_text(t, s->label);
    }
    if (j != NULL) {
        json_put_end(j);
        json_put_u64(j, "damaged", list->damaged);
        return VV_OK;
    }
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
              struct slot_info *ret)
{
    const struct slot_cost cost = {.passes = ARGON2_DEFAULT_PASSES,
                                   .memory_kib = ARGON2_DEFAULT_KIB};
    const struct vv_clock *clock = repo_clock(app->repo);
    const struct key_bundle *bundle = keyring_bundle(repo_keyring(app->repo));
    struct slot_secret secret = secret_value_slot(v);
    char standard[LIMIT_LABEL + 1];
    struct vv_buf config = {0};
    uint8_t hash[32];
    enum vv_rc rc = storage_read_all(app->storage, "config", LIMIT_CONFIG, &config, &app->err);

    if (rc == VV_OK) {
        sha256(config.data, config.len, hash);
        if (memcmp(hash, bundle->config_hash, sizeof(hash)) != 0) {
            rc = vv_error_set(&app->err, VV_ECORRUPT, "'config' is damaged: no slot can be made");
        }
    }
    if (rc == VV_OK) {
        key_default_label(standard);
        rc = key_slots_add(app->storage, &secret, label != NULL ? label : standard, &cost, bundle,
                           vv_buf_span(&config), clock->realtime(clock), ret, &app->err);
    }
    vv_buf_release(&config);
    return rc;
}

/* varve key list: needs no key. */
static enum exit_code
run_list(struct app *app, int argc, char **argv)
{
    struct slot_list list = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = app_open_storage(app);
    if (rc == VV_OK) {
        rc = app_expect_repository(app);
    }
    if (rc == VV_OK) {
        rc = key_slots_list(app->storage, &list, &app->err);
    }
    if (rc == VV_OK) {
        rc = key_put_slots(app, &list, app_json(app));
    }
    if (rc == VV_OK && list.damaged > 0) {
        messages_warning(&app->messages, "key-slot-damaged", "%zu object%s in keys/ cannot be read",
                         list.damaged, list.damaged == 1 ? "" : "s");
        code = EXIT_CORRUPT;
    }
    slot_list_release(&list);
    return app_finish(app, rc, code);
}

const struct command key_list = {
    .name = "list",
    .arguments = "",
    .summary = "list the key slots; needs no key",
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
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    struct json *j;
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = app_open(app, APP_READ);
    if (rc == VV_OK) {
        rc = key_slots_list(app->storage, &list, &app->err);
    }
    if (rc == VV_OK) {
        code = check_copies(app, &list);
        j = app_json(app);
        key_put_slot(app, repo_slot(app->repo), "opened by");
        if (j != NULL) {
            rc = key_put_slots(app, &list, j);
        }
    }
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
    &key_list, &key_add, &key_remove, &key_passwd, &key_export, &key_check, NULL,
};
const struct command cmd_key = {
    .name = "key",
    .arguments = "COMMAND",
    .summary = "list, add, remove, change, export and check what opens the repository",
    .subcommands = subcommands,
};
