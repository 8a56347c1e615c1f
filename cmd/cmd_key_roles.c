/* SPDX-License-Identifier: BSD-2-Clause */
/* varve key rotate, revoke: what an administrator does about keys that are out. */
#include <string.h>

#include "key_commands.h"
#include "render.h"

static const struct option_spec no_specs[] = {OPTION_END};

static void
put_epoch(struct app *app, uint32_t epoch, size_t clients)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        json_put_u64(j, "epoch", epoch);
        json_put_u64(j, "clients", clients);
    } else if (!app->global.quiet) {
        printf("began epoch %u; its keys were given to %zu client%s\n", (unsigned)epoch, clients,
               clients == 1 ? "" : "s");
    }
}

static enum vv_rc
rotate(struct app *app)
{
    uint32_t epoch = 0;
    size_t clients = 0;

    VV_TRY(key_rotate(app->repo, &epoch, &clients, &app->err));
    put_epoch(app, epoch, clients);
    return VV_OK;
}

static enum exit_code
run_rotate(struct app *app, int argc, char **argv)
{
    struct arguments args = {0};
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = app_open(app, APP_ADMIN);
    if (rc == VV_OK) {
        rc = rotate(app);
    }
    return app_finish(app, rc, EXIT_DONE);
}

const struct command key_rotate_command = {
    .name = "rotate",
    .arguments = "",
    .summary = "begin a new epoch: what is written from now on has keys of its own",
    .details =
        "Every key slot and the recovery words keep opening everything.  Chunk ids keep their\n"
        "key, so deduplication goes on across epochs.",
    .specs = no_specs,
    .run = run_rotate,
};

struct revoke_options {
    const char *from;
};
static const struct option_spec revoke_specs[] = {
    {"from", '\0', OPTION_TEXT, offsetof(struct revoke_options, from), "SEQUENCE",
     "disbelieve its snapshots from this number on (default: what it writes from now on)", NULL},
    OPTION_END,
};

/** The client whose name this is, or whose id begins so. */
static enum vv_rc
find_client(struct app *app, const struct client_list *clients, const char *text,
            const struct client_info **ret)
{
    const struct client_info *found = NULL;
    enum vv_rc rc;

    for (size_t i = 0; i < clients->count; i++) {
        const struct client_info *c = &clients->clients[i];
        char id[VV_UUID_TEXT];
        vv_uuid_text(&c->client, id);
        if (strcmp(c->name, text) != 0 &&
            (strlen(text) < 4 || strncmp(id, text, strlen(text)) != 0)) {
            continue;
        }
        if (found != NULL && !found->revoked && !c->revoked) {
            return app_usage(app, "several clients are called '%s': give the id", text);
        }
        found = found == NULL || found->revoked ? c : found;
    }
    if (found == NULL) {
        rc = vv_error_set(&app->err, VV_ENOTFOUND, "there is no client '%s'", text);
        vv_error_hint(&app->err,
                      "'varve key list' lists them; give a name, or four digits or more");
        return rc;
    }
    *ret = found;
    return VV_OK;
}

/** The number its next snapshot would have. */
static enum vv_rc
next_sequence(struct app *app, const struct vv_uuid *client, uint64_t *ret)
{
    struct snapshot_list l = {0};

    VV_TRY(app_snapshots(app, &l));
    *ret = 1;
    for (size_t i = 0; i < l.count; i++) {
        if (vv_uuid_equal(&l.snapshots[i].client, client) && l.snapshots[i].sequence >= *ret) {
            *ret = l.snapshots[i].sequence + 1;
        }
    }
    snapshot_list_release(&l);
    return VV_OK;
}

static enum vv_rc
parse_sequence(struct app *app, const char *text, uint64_t *ret)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; text[i] >= '0' && text[i] <= '9' && i < 18; i++) {
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    if (i == 0 || text[i] != '\0' || n == 0) {
        return app_usage(app, "option '--from': '%s' is not a sequence number", text);
    }
    *ret = n;
    return VV_OK;
}

static void
put_revocation(struct app *app, const struct client_info *client, uint64_t since,
               const struct key_revocation *done)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        render_json_uuid(j, "client", &client->client);
        json_put_text(j, "name", client->name);
        json_put_u64(j, "revoked_from", since);
    } else if (!app->global.quiet) {
        printf(done->revoked ? "revoked %s '" : "finished what was left of revoking %s '",
               render_role(client->role));
        message_print(client->name, stdout);
        printf("': nothing with sequence number %llu or higher is believed\n",
               (unsigned long long)since);
    }
    if (done->rotated) {
        put_epoch(app, done->epoch, done->clients);
    }
}

static enum vv_rc
revoke(struct app *app, const struct client_info *client, const char *from)
{
    struct key_revocation done;
    char slot[17];
    uint64_t since = 0;

    if (client->role == KEY_ROLE_ADMIN) {
        messages_say(&app->messages,
                     "note: the client of an administrator's state directory; whoever has an "
                     "administrator's key can certify another");
    }
    VV_TRY(from != NULL ? parse_sequence(app, from, &since)
                        : next_sequence(app, &client->client, &since));
    VV_TRY(key_revoke_client(app->repo, client, since, &done, &app->err));
    if (client->revoked && client->revoked_since < since) {
        since = client->revoked_since;
    }
    key_client_slot(&client->client, slot);
    if (done.slot_kept.rc != VV_OK) {
        messages_warning(&app->messages, "key-slot-kept",
                         "its key slot %s could not be removed: %s", slot, done.slot_kept.message);
    }
    if (!done.revoked && !done.rotated && !done.slot_removed) {
        return vv_error_set(&app->err, VV_EREFUSED,
                            "client '%s' is revoked already, from sequence number %llu on",
                            client->name, (unsigned long long)since);
    }
    put_revocation(app, client, since, &done);
    key_tell_replicas(app, slot);
    return VV_OK;
}

static enum exit_code
run_revoke(struct app *app, int argc, char **argv)
{
    struct revoke_options o = {0};
    struct arguments args = {0};
    struct client_list clients = {0};
    const struct client_info *client = NULL;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = app_open(app, APP_ADMIN);
    if (rc == VV_OK) {
        rc = client_list_read(app->repo, &clients, &app->err);
    }
    if (rc == VV_OK) {
        rc = find_client(app, &clients, args.items[0], &client);
    }
    if (rc == VV_OK && client != NULL) {
        rc = revoke(app, client, o.from);
    }
    client_list_release(&clients);
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command key_revoke_command = {
    .name = "revoke",
    .arguments = "CLIENT",
    .summary = "believe nothing a client writes from now on, and begin an epoch without it",
    .specs = revoke_specs,
    .run = run_revoke,
};
