/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_LOCAL_STATE_H
#define VARVE_REPO_LOCAL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "format/common.h"

/*
 * What this host remembers, below VARVE_STATE_DIR/<repository id>/:
 *   client          this client's id and key seeds (sealed under the repository's local key); of a
 *                   reader's or writer's key, which brings its client with it: client-<client>
 *   lock            flock(2) held while sequence and previous hash are assigned, and while any
 *                   file here is replaced
 *   site-<site id>  heads: the newest record seen of every client on that site (of a reader's or
 *                   writer's key, which cannot open an administrator's: site-<site id>-<client>)
 *   administrator   the administrator's public key, as first seen (text)
 *   replicas        destinations of past replications, plain text, one URL or absolute path a line;
 *                   a person may edit it
 *   databases       identifiers of database systems under their names, "IDENTIFIER NAME" a line; a
 *                   person may remove a line
 *   session-<id>    held by the process whose session it is: repo/session_mark.h
 *   replica-<site id>  journals of replicas: repo/replica_journal.h
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

/** local_state_open(dir, keyring, ret, err): creates the directory (0700) if missing.  ${keyring} is
 *  borrowed. */
MUST_CHECK enum vv_rc local_state_open(const char *dir, const struct keyring *k,
                                       struct local_state **ret, struct vv_error *err);
/** Opened with a keyring without secrets, the sealed files (client, site-) can neither be read nor
 *  written (VV_EREFUSED); the others can. */
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

/** What is remembered of a site.  Graves, revocations and epochs only ever grow. */
struct site_memory {
    struct head *heads; /* the newest record seen of every client */
    size_t head_count;
    struct vv_id *accepted; /* hashes of records that are missing or forked, and a person accepted
                               that (--accept-head) */
    size_t accepted_count;
    struct vv_id *gone; /* hashes of heads that are forgotten, buried or revoked there */
    size_t gone_count;
    uint64_t graves; /* how many entries */
    uint64_t revocations;
    uint32_t epoch; /* the newest */
};
/** local_state_site(s, site, ret, err): borrowed until the next call; NULL if this host never saw the
 *  site.  VV_ECORRUPT if the memory is damaged. */
MUST_CHECK enum vv_rc local_state_site(struct local_state *s, const struct vv_uuid *site,
                                       const struct site_memory **ret, struct vv_error *err);
/** local_state_other_sites(s, site, see, ctx, err): what is remembered of each site but ${site}; a memory
 *  that is damaged is passed over, since whoever looks at that site is told. */
typedef enum vv_rc (*local_state_see_fn)(void *ctx, const struct site_memory *memory,
                                         struct vv_error *err);
MUST_CHECK enum vv_rc local_state_other_sites(struct local_state *s, const struct vv_uuid *site,
                                              local_state_see_fn see, void *ctx,
                                              struct vv_error *err);
/** local_state_remember(s, site, memory, err): replace it, durably.  With the lock held.  ${memory}
 *  may be what local_state_site lent. */
MUST_CHECK enum vv_rc local_state_remember(struct local_state *s, const struct vv_uuid *site,
                                           const struct site_memory *memory, struct vv_error *err);

/** local_state_directory(s, ret_path): descriptor and path of <state>/<repository id>, borrowed. */
int local_state_directory(const struct local_state *s, const char **ret_path);

/** local_state_pin(s, admin_public, err): remember the administrator's key when it is first seen;
 *  VV_EFORGED if another one was seen before. */
MUST_CHECK enum vv_rc local_state_pin(struct local_state *s, const uint8_t admin_public[32],
                                      struct vv_error *err);
/** local_state_repin(s, admin_public, err): a key proved it: it counts from now on. */
MUST_CHECK enum vv_rc local_state_repin(struct local_state *s, const uint8_t admin_public[32],
                                        struct vv_error *err);

/** At most so many replicas are remembered, each of at most so many bytes. */
#define LOCAL_STATE_REPLICAS_MAX 64u
#define LOCAL_STATE_REPLICA_LEN 1024u
/** local_state_add_replica(s, url, err): remember a destination, durably; nothing if it is known.
 *  The oldest gives way when there are too many.  VV_EUSAGE if ${url} is neither "scheme://..." nor
 *  an absolute path, holds control characters, or is too long.  Not with the lock held. */
MUST_CHECK enum vv_rc local_state_add_replica(struct local_state *s, const char *url,
                                              struct vv_error *err);
/** local_state_replicas(s, out, err): append what is remembered, oldest first, each ended by a
 *  newline; nothing if there is none.  Lines of another form (see above) are left out. */
MUST_CHECK enum vv_rc local_state_replicas(struct local_state *s, struct vv_buf *out,
                                           struct vv_error *err);

/** local_state_database(s, name, ret, err): the identifier remembered of a database system; 0 if there
 *  is none. */
MUST_CHECK enum vv_rc local_state_database(struct local_state *s, const char *name, uint64_t *ret,
                                           struct vv_error *err);
/** local_state_set_database(s, name, system, err): remember it, durably; one that is known stays.  Not
 *  with the lock held. */
MUST_CHECK enum vv_rc local_state_set_database(struct local_state *s, const char *name,
                                               uint64_t system, struct vv_error *err);

#endif
