/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole revocation, in steps that a later run can take up: record, epoch, key slot. */
#include <stdio.h>
#include <string.h>

#include "repo/key_roles.h"

void
key_client_slot(const struct vv_uuid *client, char out[17])
{
    vv_hex(out, client->b, 8);
}

/** The number of the newest epoch here. */
static enum vv_rc
newest_epoch(struct repo *r, uint32_t *ret, struct vv_error *err)
{
    struct admin_records records = {0};
    enum vv_rc rc;

    VV_TRY(admin_records_read(r, &records, err));
    rc = admin_records_conclusive(&records, err);
    *ret = records.newest_epoch;
    admin_records_release(&records);
    return rc;
}

static bool
is_recipient(const struct epoch_record *epoch, const struct vv_uuid *client)
{
    struct epoch_recipient to;

    for (uint32_t i = 0; i < epoch->recipient_count; i++) {
        epoch_recipient_at(epoch, i, &to);
        if (vv_uuid_equal(&to.client, client)) {
            return true;
        }
    }
    return false;
}

/** Does the client know the keys of the newest epoch?  They were sealed to it, or its own key was made
 *  when that epoch had begun. */
static enum vv_rc
knows_newest(struct repo *r, const struct client_info *client, bool *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct admin_record record;
    struct epoch_record epoch;
    struct vv_reader body;
    uint32_t number = 0;
    char name[40];

    *ret = true;
    VV_TRY(newest_epoch(r, &number, err));
    if (number == 0) {
        return VV_OK;
    }
    (void)snprintf(name, sizeof(name), "admin/epoch-%u", number);
    VV_TRY(repo_read_object(r, name, FORMAT_ADMIN, LIMIT_ADMIN, &object, &body, err));
    VV_TRY(admin_decode(vv_buf_span(&object), repo_id(r), &record, err));
    VV_TRY(epoch_decode(record.payload, &epoch, err));
    *ret = is_recipient(&epoch, &client->client) || client->time >= record.time;
    return VV_OK;
}

enum vv_rc
key_revoke_client(struct repo *r, const struct client_info *client, uint64_t since,
                  struct key_revocation *ret, struct vv_error *err)
{
    bool knows = client->role != KEY_ROLE_ADMIN;
    char slot[17];
    enum vv_rc rc;

    memset(ret, 0, sizeof(*ret));
    VV_TRY(keyring_need_admin(repo_keyring(r), "revoking a client", err));
    if (!client->revoked || client->revoked_since > since) {
        VV_TRY(key_revoke(r, &client->client, since, err));
        ret->revoked = true;
    } else if (knows) {
        VV_TRY(knows_newest(r, client, &knows, err));
    }
    if (knows) {
        VV_TRY(key_rotate(r, &ret->epoch, &ret->clients, err));
        ret->rotated = true;
    }
    key_client_slot(&client->client, slot);
    rc = key_slots_remove(repo_storage(r), slot, &ret->slot_kept);
    ret->slot_removed = rc == VV_OK;
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(&ret->slot_kept);
    }
    return VV_OK;
}
