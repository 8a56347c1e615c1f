/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_LOCAL_STATE_INTERNAL_H
#define VARVE_REPO_LOCAL_STATE_INTERNAL_H

#include "repo/local_state.h"

/* Shared by local_state*.c. */

struct secret;     /* crypto/secret.h */
struct key_bundle; /* format/key_slot.h */

struct local_state {
    char *path;
    int dir;
    int lock;
    uint8_t key[32];
    bool keyless; /* opened without a key: nothing sealed can be read or written */
    struct vv_uuid repository;
    const struct key_bundle
        *own; /* the client a reader's or writer's key is made for; NULL: none */
    char client_file[sizeof("client-") + 32];
    struct secret *memory;
    struct client_keys *client; /* in memory; NULL until loaded */
    uint8_t seed[32];
    struct head *heads;
};

#endif
