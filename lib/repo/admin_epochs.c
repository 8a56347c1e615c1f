/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of epochs: what they have for the key at hand. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/secret.h"
#include "repo/admin_records.h"

/** Pick the secrets sealed to one client out of a record. */
static void
pick_own(const struct epoch_record *record, const struct vv_uuid *client, struct epoch_entry *e)
{
    struct epoch_recipient to;

    for (uint32_t i = 0; i < record->recipient_count; i++) {
        epoch_recipient_at(record, i, &to);
        if (!vv_uuid_equal(&to.client, client)) {
            continue;
        }
        if (to.what == EPOCH_WRITER_KEY) {
            memcpy(e->writer, to.sealed, sizeof(e->writer));
            e->has_writer = true;
        } else {
            memcpy(e->reader, to.sealed, sizeof(e->reader));
            e->has_reader = true;
        }
    }
}

/** Is it what its name says, and of this repository's master key? */
static enum vv_rc
check_epoch(struct repo *r, const char *file, const struct epoch_record *record,
            struct vv_error *err)
{
    uint8_t derived[32];
    char name[32];

    (void)snprintf(name, sizeof(name), "epoch-%u", record->number);
    if (strcmp(file, name) != 0 || record->number == 0 || record->number >= LIMIT_EPOCHS) {
        return vv_error_set(err, VV_ECORRUPT, "it is the record of epoch %u", record->number);
    }
    if (keyring_may_administer(repo_keyring(r))) {
        keyring_epoch_public(repo_keyring(r), record->number, derived);
        if (memcmp(derived, record->x25519, 32) != 0) {
            return vv_error_set(err, VV_ECORRUPT, "its key is not derived from the master key");
        }
    }
    return VV_OK;
}

enum vv_rc
admin_add_epoch(struct repo *r, struct admin_records *a, const char *file,
                const struct admin_record *record, struct vv_error *err)
{
    const struct key_bundle *client = keyring_client(repo_keyring(r));
    struct epoch_entry *epochs;
    struct epoch_record epoch;
    struct epoch_entry e;

    memset(&e, 0, sizeof(e));
    VV_TRY(epoch_decode(record->payload, &epoch, err));
    VV_TRY(check_epoch(r, file, &epoch, err));
    e.number = epoch.number;
    memcpy(e.public_key, epoch.x25519, 32);
    if (client != NULL) {
        pick_own(&epoch, &client->client, &e);
    }
    epochs = vv_realloc_array(a->epochs, a->epoch_count + 1, sizeof(*epochs));
    if (epochs == NULL) {
        return vv_error_nomem(err);
    }
    a->epochs = epochs;
    epochs[a->epoch_count++] = e;
    if (e.number > a->newest_epoch) {
        a->newest_epoch = e.number;
    }
    return VV_OK;
}

/** The keys of an epoch that are sealed to the client of this key; false if they are not all
 *  there. */
static bool
open_epoch(const struct keyring *k, const struct epoch_entry *e, struct epoch_keys *ret)
{
    const struct key_bundle *client = keyring_client(k);
    uint8_t own[32];
    uint8_t public_key[32];

    x25519_public(client->client_x25519, own);
    ret->number = e->number;
    memcpy(ret->public_key, e->public_key, 32);
    if (!e->has_writer ||
        !open_box(own, client->client_x25519, vv_span(e->writer, sizeof(e->writer)), ret->writer)) {
        return false;
    }
    if (!keyring_may_read(k)) {
        return x25519_public_usable(ret->public_key);
    }
    if (!e->has_reader ||
        !open_box(own, client->client_x25519, vv_span(e->reader, sizeof(e->reader)), ret->reader)) {
        return false;
    }
    x25519_public(ret->reader, public_key);
    return memcmp(public_key, ret->public_key, 32) == 0;
}

void
admin_learn_epochs(struct repo *r, const struct admin_records *a)
{
    const struct keyring *k = repo_keyring(r);

    for (size_t i = 0; i < a->epoch_count; i++) {
        const struct epoch_entry *e = &a->epochs[i];
        struct epoch_keys keys;
        memset(&keys, 0, sizeof(keys));
        if (keyring_client(k) != NULL && !keyring_epoch_known(k, e->number) &&
            open_epoch(k, e, &keys)) {
            keyring_learn_epoch(k, &keys);
        }
        crypto_wipe(&keys, sizeof(keys));
        if (!keyring_is_public(k) && keyring_epoch_known(k, e->number)) {
            repo_note_epoch(r, e->number);
        }
    }
}
