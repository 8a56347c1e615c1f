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
    struct site_memory site; /* of the site asked for last */
};

/** local_state_read_sealed(s, name, purpose, out, err): read and open one sealed state file;
 *  VV_ENOTFOUND if there is none, VV_ECORRUPT if it is damaged or not of this repository and key. */
MUST_CHECK enum vv_rc local_state_read_sealed(struct local_state *s, const char *name,
                                              const char *purpose, struct vv_buf *out,
                                              struct vv_error *err);
/** local_state_write_sealed(s, name, purpose, plain, create, err): replace it, durably; with
 *  ${create} VV_EEXISTS if there is one. */
MUST_CHECK enum vv_rc local_state_write_sealed(struct local_state *s, const char *name,
                                               const char *purpose, struct vv_buf *plain,
                                               bool create, struct vv_error *err);
void site_memory_release(struct site_memory *m);

#endif
