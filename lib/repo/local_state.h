/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_LOCAL_STATE_H
#define VARVE_REPO_LOCAL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/common.h"

/*
 * What this host remembers, below VARVE_STATE_DIR/<repository id>/:
 *   client          this client's id and key seeds (sealed under the repository's local key)
 *   lock            flock(2) held while sequence and previous hash are assigned, and while any
 *                   file here is replaced
 *   site-<site id>  heads: the newest record seen of every client on that site
 * Losing it is never fatal: the next commit draws a new client, freshness is "not checked".
 */
struct local_state;
struct keyring;

struct client_keys {
    struct vv_uuid id;
    uint8_t ed25519_public[32];
    uint8_t ed25519_secret[64];
    uint8_t x25519_secret[32];
    bool certified;    /* its certificate is known to be in the repository */
    uint64_t sequence; /* the last one this client used, on whatever site */
};
struct head {
    struct vv_uuid client;
    uint64_t sequence;
    struct vv_id hash;
};

/** local_state_open(dir, keyring, ret, err): creates the directory (0700) if missing. */
MUST_CHECK enum vv_rc local_state_open(const char *dir, const struct keyring *k,
                                       struct local_state **ret, struct vv_error *err);
void local_state_free(struct local_state *s);
VV_DEFINE_CLEANUP(struct local_state, local_state_free);

/** local_state_client(s, create, ret, err): this client's keys; VV_ENOTFOUND if there are none and
 *  ${create} is 0.  Borrowed.  A damaged client file, or one of another repository, is VV_ECORRUPT
 *  with a hint; it is never silently replaced. */
MUST_CHECK enum vv_rc local_state_client(struct local_state *s, int create,
                                         const struct client_keys **ret, struct vv_error *err);
/** local_state_set_certified(s, err): note it, durably.  Not with the lock held. */
MUST_CHECK enum vv_rc local_state_set_certified(struct local_state *s, struct vv_error *err);

/** local_state_set_sequence(s, sequence, err): note the last sequence number used, durably.  With
 *  the lock held. */
MUST_CHECK enum vv_rc local_state_set_sequence(struct local_state *s, uint64_t sequence,
                                               struct vv_error *err);

/** local_state_lock(s, err) / unlock: the commit lock (waits; gone with the process).  Whoever gets
 *  it sees the client's numbers as the run before left them; VV_ECORRUPT if the client's file is no
 *  longer that client's. */
MUST_CHECK enum vv_rc local_state_lock(struct local_state *s, struct vv_error *err);
void local_state_unlock(struct local_state *s);

/** local_state_heads(s, site, ret, ret_count, ret_known, err): heads remembered for a site
 *  (borrowed until the next call); *ret_count 0 and *ret_known false if this host never saw the
 *  site.  VV_ECORRUPT if the memory is damaged. */
MUST_CHECK enum vv_rc local_state_heads(struct local_state *s, const struct vv_uuid *site,
                                        const struct head **ret, size_t *ret_count, bool *ret_known,
                                        struct vv_error *err);
/** local_state_remember(s, site, heads, count, err): replace them, durably.  With the lock held. */
MUST_CHECK enum vv_rc local_state_remember(struct local_state *s, const struct vv_uuid *site,
                                           const struct head *heads, size_t count,
                                           struct vv_error *err);

#endif
