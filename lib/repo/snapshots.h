/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SNAPSHOTS_H
#define VARVE_REPO_SNAPSHOTS_H

#include "format/snapshot.h"
#include "repo/admin_records.h"
#include "repo/writer_session.h"

/** A snapshot: in a slot, signed by a certified client, in no grave. */
struct snapshot {
    struct vv_uuid id;
    struct vv_uuid session; /* of the slot it was found in */
    struct vv_uuid client;
    uint64_t sequence;
    struct vv_id previous;
    struct vv_id hash; /* SHA-256 of the record */
    struct vv_uuid site;
    int64_t time;
    uint32_t epoch;
    bool locked; /* no key of that epoch: there is no body; never in a snapshot_list_read's */
    struct snapshot_body body;
    size_t record_at; /* in the bytes of a scan for copying (record_scan.h) */
    size_t record_len;
};

/** What the list says about freshness and forgery. */
enum freshness {
    FRESHNESS_OK, /* every chain on this site is whole, and nothing older than remembered */
    FRESHNESS_NOT_CHECKED, /* this host has no memory of the site */
    FRESHNESS_LAG,         /* another site: behind what this host saw elsewhere */
    FRESHNESS_ROLLED_BACK, /* records are missing that no grave explains */
};
struct snapshot_list {
    struct snapshot *snapshots; /* oldest first; of one client in the order it made them */
    size_t count;
    struct snapshot *forgotten; /* hidden by a forget (admin_forgotten tells which); same order */
    size_t forgotten_count;
    size_t damaged; /* slots or records that could not be read (events "snapshot-damaged") */
    size_t locked;  /* authentic, of epochs a reader has no key of (events "epoch-unknown") */
    size_t forged;  /* records whose signature is wrong or unknown (events "forged-record") */
    size_t fenced;
    size_t revoked; /* records of clients from their revocation on; ignored */
    enum freshness freshness;
    struct admin_records admin; /* what the administrator decided about them */
};
void snapshot_list_release(struct snapshot_list *l);

/**
 * snapshot_list_read(r, ret, err): read the records of admin/, then slots; decode; check
 * signatures, chains (fork: same client and sequence, different record) and freshness against local
 * state (which then remembers what was seen).  Trouble with single records is reported as events
 * and counted, never fatal.  Where slots are damaged or missing, replicas (if the repository was
 * opened with any) are asked for their snapshots (event "snapshot-healed"); counts and freshness
 * stay those of this repository.
 */
MUST_CHECK enum vv_rc snapshot_list_read(struct repo *r, struct snapshot_list *ret,
                                         struct vv_error *err);

/** snapshot_confirm(r, s, err): read the slot of a listed snapshot, which the list may have taken from
 *  this host's cache: VV_OK if its very record is in there; VV_ECORRUPT or VV_ENOTFOUND if not. */
MUST_CHECK enum vv_rc snapshot_confirm(struct repo *r, const struct snapshot *s,
                                       struct vv_error *err);

/** snapshot_from_record(r, admin, record, ret, err): a record by itself, with its body decoded, found
 *  elsewhere than in a slot.  VV_EFORGED if no client certified for writing signed it.  Whether it is
 *  buried or revoked is the caller's to ask; snapshot_body_release. */
MUST_CHECK enum vv_rc snapshot_from_record(struct repo *r, const struct admin_records *admin,
                                           struct vv_span record, struct snapshot *ret,
                                           struct vv_error *err);

/** The fingerprint of the newest head of a client, as every backup prints it and --expect-head
 * takes it: "<client 8 digits>:<sequence>:<first 16 digits of the record hash>". */
#define HEAD_TEXT 64
void head_text(const struct vv_uuid *client, uint64_t sequence, const struct vv_id *hash,
               char out[HEAD_TEXT]);
/** head_matches(text, client, sequence, hash): is this what head_text prints of it? */
bool head_matches(const char *text, const struct vv_uuid *client, uint64_t sequence,
                  const struct vv_id *hash);
/** head_valid(text): does it have the form of a head? */
bool head_valid(const char *text);
/** head_check(l, text, err): VV_EFORGED if the list does not contain that head, or it is not whole.
 */
MUST_CHECK enum vv_rc head_check(const struct snapshot_list *l, const char *text,
                                 struct vv_error *err);

/** snapshot_resolve(l, text, host, ret, err): SNAP: an id prefix (4 digits or more), "latest",
 *  "latest~2", "latest@HOST", "latest~2@HOST"; publications of WAL only by their ids.  "latest" alone means this ${host}; if it has none
 * and hosts differ it is VV_EUSAGE with the list.  VV_ENOTFOUND (a forgotten one: that is said),
 * VV_EUSAGE (ambiguous prefix: listed). */
MUST_CHECK enum vv_rc snapshot_resolve(const struct snapshot_list *l, const char *text,
                                       const char *host, const struct snapshot **ret,
                                       struct vv_error *err);

/** snapshot_resolve_forgotten(l, text, ret, err): of the forgotten ones, by an id prefix. */
MUST_CHECK enum vv_rc snapshot_resolve_forgotten(const struct snapshot_list *l, const char *text,
                                                 const struct snapshot **ret, struct vv_error *err);

/** snapshot_parent(l, client, sources, count): newest snapshot of this client with most roots in
 * common; NULL if none has any. */
const struct snapshot *snapshot_parent(const struct snapshot_list *l, const struct vv_uuid *client,
                                       const struct vv_span *sources, size_t count);

/**
 * snapshot_commit(r, s, w, b, body, ret, err): The end of a run: under the commit lock assign
 * sequence and previous hash from max(local state, storage), sign the record, put record and
 * certificate into the last metadata pack (flush w), create the slot, read graves, remember the
 * head.  ${ret} (may be NULL) is filled with id, sequence, hash, time.
 */
struct pack_writer;
struct block_builder;
MUST_CHECK enum vv_rc snapshot_commit(struct repo *r, struct writer_session *s,
                                      struct pack_writer *w, struct block_builder *b,
                                      const struct snapshot_body *body, struct snapshot *ret,
                                      struct vv_error *err);

#endif
