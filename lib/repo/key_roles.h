/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_KEY_ROLES_H
#define VARVE_REPO_KEY_ROLES_H

#include "repo/admin_records.h"

/*
 * What an administrator does about other keys: clients are certified, epochs begun, clients revoked.
 * All of them need an administrator's key (VV_EKEY).
 */

/** key_client_issue(r, role, name, ret, err): draw a client, certify it as reader or writer under
 *  ${name}, and fill the bundle for its key slot (wipe it).  A reader's opens everything written so
 *  far. */
MUST_CHECK enum vv_rc key_client_issue(struct repo *r, enum key_role role, const char *name,
                                       struct key_bundle *ret, struct vv_error *err);

/** key_rotate(r, ret_epoch, ret_clients, err): begin a new epoch: packs and snapshots are written
 *  with its keys from now on; every client that is certified and not revoked is given those its role
 *  needs.  VV_ELIMIT after LIMIT_EPOCHS of them. */
MUST_CHECK enum vv_rc key_rotate(struct repo *r, uint32_t *ret_epoch, size_t *ret_clients,
                                 struct vv_error *err);

/** key_client_slot(client, out): the id of a reader's or writer's key slot. */
void key_client_slot(const struct vv_uuid *client, char out[17]);

/** key_revoke(r, client, since, err): nothing of this client with this sequence number or a higher
 *  one is believed any more, here and wherever the record is replicated to. */
MUST_CHECK enum vv_rc key_revoke(struct repo *r, const struct vv_uuid *client, uint64_t since,
                                 struct vv_error *err);

struct client_info;
/** What a revocation did; what an earlier run had done is false. */
struct key_revocation {
    bool revoked; /* the record was published */
    bool rotated;
    uint32_t epoch; /* if so */
    size_t clients; /* that were given its keys */
    bool slot_removed;
    struct vv_error slot_kept; /* VV_OK, or why its slot could not be removed */
};
/**
 * key_revoke_client(r, client, since, ret, err): all that a revocation takes: key_revoke, a new epoch
 * unless the newest was begun without the client (administrators' clients have none to lose), the
 * removal of its key slot.  A run that died on the way is finished by the next; ${ret} all false: there
 * was nothing left to do.
 */
MUST_CHECK enum vv_rc key_revoke_client(struct repo *r, const struct client_info *client,
                                        uint64_t since, struct key_revocation *ret,
                                        struct vv_error *err);

/** A client that is certified. */
struct client_info {
    struct vv_uuid client;
    enum key_role role;
    char name[LIMIT_LABEL + 1];
    int64_t time; /* of the certificate */
    bool revoked; /* from ... on: */
    uint64_t revoked_since;
};
struct client_list {
    struct client_info *clients; /* sorted by client */
    size_t count;
};
/** client_list_read(r, ret, err): needs no key.  Released with client_list_release. */
MUST_CHECK enum vv_rc client_list_read(struct repo *r, struct client_list *ret,
                                       struct vv_error *err);
void client_list_release(struct client_list *l);

#endif
