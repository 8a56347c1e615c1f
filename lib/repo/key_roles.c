/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients certified and revoked, epochs begun. */
#include "repo/key_roles.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/asymmetric.h"
#include "crypto/secret.h"

/** Publish under "<prefix>-<client>-<n>" with the first n that is free. */
static enum vv_rc
publish_numbered(struct repo *r, enum admin_type type, const char *prefix,
                 const struct vv_uuid *client, const struct vv_buf *payload, struct vv_error *err)
{
    char name[ADMIN_NUMBERED_NAME];
    enum vv_rc rc = vv_buf_check(payload, err);

    for (unsigned n = 1; rc == VV_OK && n <= ADMIN_NUMBERS; n++) {
        admin_numbered_name(prefix, client, n, name);
        rc = admin_publish(r, 0, type, name, vv_buf_span(payload), err);
        if (rc != VV_EEXISTS) {
            return rc;
        }
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    return vv_error_set(err, VV_EEXISTS, "the names of this client's records are all taken");
}

/** What is there now; the newest epoch is to be known before another is begun. */
static enum vv_rc
read_records(struct repo *r, struct admin_records *ret, struct vv_error *err)
{
    enum vv_rc rc;

    VV_TRY(keyring_need_admin(repo_keyring(r), "this", err));
    VV_TRY(admin_records_read(r, ret, err));
    rc = admin_records_conclusive(ret, err);
    if (rc != VV_OK) {
        admin_records_release(ret);
        return rc;
    }
    admin_learn_epochs(r, ret);
    return VV_OK;
}

enum vv_rc
key_client_issue(struct repo *r, enum key_role role, const char *name, struct key_bundle *ret,
                 struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
    struct certificate c = {.role = (uint8_t)role};
    struct admin_records records = {0};
    struct key_bundle client;
    uint8_t secret[64];
    enum vv_rc rc;

    if (role != KEY_ROLE_READER && role != KEY_ROLE_WRITER) {
        return vv_error_set(err, VV_EUSAGE, "only readers and writers are clients of their own");
    }
    if (name[0] == '\0' || strlen(name) > LIMIT_LABEL) {
        return vv_error_set(err, VV_EUSAGE, "a client's name has 1 to %u bytes", LIMIT_LABEL);
    }
    VV_TRY(read_records(r, &records, err));
    memset(&client, 0, sizeof(client));
    vv_random(client.client.b, sizeof(client.client.b));
    vv_random(client.client_seed, 32);
    vv_random(client.client_x25519, 32);
    c.client = client.client;
    ed25519_from_seed(client.client_seed, c.ed25519, secret);
    x25519_public(client.client_x25519, c.x25519);
    crypto_wipe(secret, sizeof(secret));
    memcpy(c.name, name, strlen(name));
    certificate_encode(&c, &payload);
    rc = publish_numbered(r, ADMIN_CERTIFICATE, "certificate", &c.client, &payload, err);
    if (rc == VV_OK) {
        keyring_issue(repo_keyring(r), &client, role, records.newest_epoch, ret);
    }
    crypto_wipe(&client, sizeof(client));
    admin_records_release(&records);
    return rc;
}

/* --- epochs ----------------------------------------------------------------------------------- */

/** Seal what a client's role needs to it. */
static void
seal_to_client(const struct certificate *c, const struct epoch_keys *keys, struct vv_buf *out,
               uint32_t *count)
{
    struct epoch_recipient to = {.client = c->client, .what = EPOCH_WRITER_KEY};

    seal_box(c->x25519, vv_span(keys->writer, 32), to.sealed);
    epoch_recipient_put(&to, out);
    ++*count;
    if (c->role == KEY_ROLE_READER) {
        to.what = EPOCH_READER_SECRET;
        seal_box(c->x25519, vv_span(keys->reader, 32), to.sealed);
        epoch_recipient_put(&to, out);
        ++*count;
    }
}

/** Recipients: each client's newest certificate, unless it is revoked or an administrator's. */
static void
seal_to_all(const struct admin_records *a, const struct epoch_keys *keys, struct vv_buf *out,
            uint32_t *ret_count, size_t *ret_clients)
{
    *ret_count = 0;
    *ret_clients = 0;
    for (size_t i = 0; i < a->certificate_count; i++) {
        const struct certificate *c = &a->certificates[i].certificate;
        bool newest =
            i == 0 || !vv_uuid_equal(&a->certificates[i - 1].certificate.client, &c->client);
        if (newest && c->role != KEY_ROLE_ADMIN && !admin_revoked(a, &c->client, UINT64_MAX) &&
            x25519_public_usable(c->x25519)) {
            seal_to_client(c, keys, out, ret_count);
            ++*ret_clients;
        }
    }
}

static enum vv_rc
publish_epoch(struct repo *r, const struct admin_records *a, uint32_t number, size_t *ret_clients,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf recipients = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
    struct epoch_record record = {.number = number};
    struct epoch_keys keys;
    char name[32];

    keyring_epoch_keys(repo_keyring(r), number, &keys);
    memcpy(record.x25519, keys.public_key, 32);
    seal_to_all(a, &keys, &recipients, &record.recipient_count, ret_clients);
    crypto_wipe(&keys, sizeof(keys));
    VV_TRY(vv_buf_check(&recipients, err));
    record.recipients = vv_buf_span(&recipients);
    epoch_encode(&record, &payload);
    VV_TRY(vv_buf_check(&payload, err));
    (void)snprintf(name, sizeof(name), "epoch-%u", number);
    return admin_publish(r, 0, ADMIN_EPOCH, name, vv_buf_span(&payload), err);
}

enum vv_rc
key_rotate(struct repo *r, uint32_t *ret_epoch, size_t *ret_clients, struct vv_error *err)
{
    struct admin_records records = {0};
    uint32_t number;
    enum vv_rc rc;

    VV_TRY(read_records(r, &records, err));
    number = records.newest_epoch + 1;
    if (number >= LIMIT_EPOCHS) {
        rc = vv_error_set(err, VV_ELIMIT, "there are already %u epochs", number);
        vv_error_hint(err, "no more can be begun; a new repository has a new master key");
    } else {
        rc = publish_epoch(r, &records, number, ret_clients, err);
    }
    admin_records_release(&records);
    if (rc == VV_EEXISTS) {
        rc = vv_error_set(err, VV_EEXISTS, "epoch %u was begun meanwhile", number);
        vv_error_hint(err, "another rotation was faster, or something else lies under its name; "
                           "'varve verify' tells");
    }
    VV_TRY(rc);
    repo_note_epoch(r, number);
    *ret_epoch = number;
    return VV_OK;
}

enum vv_rc
key_revoke(struct repo *r, const struct vv_uuid *client, uint64_t since, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
    const struct revocation revocation = {*client, since};

    revocation_encode(&revocation, &payload);
    return publish_numbered(r, ADMIN_REVOCATION, "revocation", client, &payload, err);
}

/* --- who there is ----------------------------------------------------------------------------- */

/** From which sequence number on a client is not believed. */
static bool
revoked_since(const struct admin_records *a, const struct vv_uuid *client, uint64_t *ret)
{
    bool revoked = false;

    for (size_t i = 0; i < a->revocation_count; i++) {
        if (vv_uuid_equal(&a->revocations[i].client, client) &&
            (!revoked || a->revocations[i].since < *ret)) {
            *ret = a->revocations[i].since;
            revoked = true;
        }
    }
    return revoked;
}

enum vv_rc
client_list_read(struct repo *r, struct client_list *ret, struct vv_error *err)
{
    struct admin_records a = {0};
    struct client_list l = {0};

    VV_TRY(admin_records_read(r, &a, err));
    l.clients = vv_alloc_array(a.certificate_count + 1, sizeof(*l.clients));
    if (l.clients == NULL) {
        admin_records_release(&a);
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < a.certificate_count; i++) {
        const struct certificate *c = &a.certificates[i].certificate;
        struct client_info *info = &l.clients[l.count];
        if (l.count > 0 && vv_uuid_equal(&l.clients[l.count - 1].client, &c->client)) {
            continue; /* an older certificate */
        }
        memset(info, 0, sizeof(*info));
        info->client = c->client;
        info->role = (enum key_role)c->role;
        memcpy(info->name, c->name, sizeof(info->name));
        info->time = a.certificates[i].time;
        info->revoked = revoked_since(&a, &c->client, &info->revoked_since);
        l.count++;
    }
    admin_records_release(&a);
    *ret = l;
    return VV_OK;
}

void
client_list_release(struct client_list *l)
{
    vv_free(l->clients);
    memset(l, 0, sizeof(*l));
}
