/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_ADMIN_RECORDS_H
#define VARVE_REPO_ADMIN_RECORDS_H

#include "format/admin.h"
#include "format/pack.h"
#include "repo/repo.h"
#include "repo/retention_records.h"

/*
 * The administrator's records of a repository, read at once: who may sign what, what is buried,
 * what is suspect, what is condemned.  Records that are not signed by the administrator are ignored
 * and reported (event "forged-record", counted in `forged`); site-bound ones of another site are
 * ignored.
 *
 * A listing that runs while records are merged may miss both the old and the new one: absence is
 * believed only when a second listing, begun after the first ended, shows nothing that was not
 * read.
 */

/** A certificate that counts, and where it was found. */
struct certified {
    struct certificate certificate; /* begins with the client */
    int64_t time;
    char name[STORAGE_COMPONENT_MAX + 1]; /* in admin/ */
};

/** The record of an epoch, and what it has for the key the repository was opened with. */
struct epoch_entry {
    uint32_t number;
    uint8_t public_key[32];
    bool has_writer; /* sealed to this key's client: */
    bool has_reader;
    uint8_t writer[PACK_SEALED_LEN];
    uint8_t reader[PACK_SEALED_LEN];
};

struct admin_records {
    struct certified *certificates; /* sorted by client, then newest first */
    size_t certificate_count;
    struct revocation *revocations;
    size_t revocation_count;
    struct grave *graves; /* sorted by session, then snapshot */
    size_t grave_count;
    struct vv_uuid *buried; /* snapshot ids in graves, sorted */
    size_t buried_count;
    struct snapshot_seen *heads; /* that this site's records of graves name */
    size_t head_count;
    struct pack_name *suspects; /* sorted */
    size_t suspect_count;
    struct retention_records retention;
    struct name_list names; /* what admin/ held */
    struct epoch_entry *epochs;
    size_t epoch_count;
    uint32_t newest_epoch;
    int64_t newest; /* time of the newest record, INT64_MIN if there is none */
    size_t forged;
    size_t damaged;    /* not what an administrator could have written; ignored */
    size_t unreadable; /* may be authentic: I/O errors, and signed records of a newer version */
};
void admin_records_release(struct admin_records *a);
MUST_CHECK enum vv_rc admin_records_read(struct repo *r, struct admin_records *ret,
                                         struct vv_error *err);
/** admin_records_read_once(r, ret, err): without the second listing: before absence is believed, or
 *  anything said, the caller asks admin_records_changed.  VV_ENOTFOUND: a record vanished (merged into
 *  another): read again. */
MUST_CHECK enum vv_rc admin_records_read_once(struct repo *r, struct admin_records *ret,
                                              struct vv_error *err);
/** admin_records_changed(r, a, ret, err): does admin/ hold anything that ${a} was not read from? */
MUST_CHECK enum vv_rc admin_records_changed(struct repo *r, const struct admin_records *a,
                                            bool *ret, struct vv_error *err);
/** admin_records_conclusive(a, err): VV_OK if everything that may be authentic was read.  A writer
 *  that cannot know whether it is fenced, or a pack suspect, must not go on. */
MUST_CHECK enum vv_rc admin_records_conclusive(const struct admin_records *a, struct vv_error *err);
/** admin_certificate(a, client): its newest certificate, or NULL.  A client signs what it likes,
 *  but it is believed only what its role allows and up to its revocation. */
const struct certificate *admin_certificate(const struct admin_records *a,
                                            const struct vv_uuid *client);
const struct certified *admin_certified(const struct admin_records *a,
                                        const struct vv_uuid *client);
/** certificate_may_write(c): may this client's snapshots and index records count?  (A reader's may
 *  not.)  NULL is nobody. */
bool certificate_may_write(const struct certificate *c);
bool admin_revoked(const struct admin_records *a, const struct vv_uuid *client, uint64_t sequence);
/** admin_buried(a, session, snapshot): is all of the session (it was fenced) or, unless NULL, the
 *  snapshot in a grave? */
bool admin_buried(const struct admin_records *a, const struct vv_uuid *session,
                  const struct vv_uuid *snapshot);
/** admin_add_epoch(r, a, file, record, err): take a signed record of an epoch in.  VV_ECORRUPT if it
 *  is not one of this repository. */
MUST_CHECK enum vv_rc admin_add_epoch(struct repo *r, struct admin_records *a, const char *file,
                                      const struct admin_record *record, struct vv_error *err);
/** admin_learn_epochs(r, a): open what the records of epochs have for the key the repository was
 *  opened with, and write in the newest epoch whose keys are known from now on. */
void admin_learn_epochs(struct repo *r, const struct admin_records *a);

/** admin_forgotten(a, snapshot): by which forget it is hidden here, NULL if by none.  (One that was
 *  carried out before the others; of several in grace the one that ends first.) */
const struct forgotten *admin_forgotten(const struct admin_records *a,
                                        const struct vv_uuid *snapshot);
/** admin_forget_run(a, forget): NULL if there is none. */
const struct forget_run *admin_forget_run(const struct admin_records *a,
                                          const struct vv_uuid *forget);
/** admin_pinned(a, snapshot, now, ret_until): is it pinned here at ${now}?  ${ret_until} (may be
 *  NULL): 0: for ever. */
bool admin_pinned(const struct admin_records *a, const struct vv_uuid *snapshot, int64_t now,
                  int64_t *ret_until);
/** admin_first_listed(a, snapshot, ret): when an administrator's run first listed it; recorded only
 *  for those dated later than that. */
bool admin_first_listed(const struct admin_records *a, const struct vv_uuid *snapshot,
                        int64_t *ret);
/** admin_accepted(a, snapshot): did the administrator accept it though it was marked? */
bool admin_accepted(const struct admin_records *a, const struct vv_uuid *snapshot);

/** admin_record_begin(r, site_bound, type, payload, ret, err): a record of this site (or every
 *  site) and this moment, with fresh random bytes; ${payload} is borrowed.  VV_EREFUSED if it is to
 *  be bound to a site that has no identity: it would count everywhere.  To publish it needs an
 *  administrator's key (VV_EKEY). */
MUST_CHECK enum vv_rc admin_record_begin(struct repo *r, int site_bound, enum admin_type type,
                                         struct vv_span payload, struct admin_record *ret,
                                         struct vv_error *err);
/** admin_publish_record(r, record, name, err): sign and publish "admin/<name>". */
MUST_CHECK enum vv_rc admin_publish_record(struct repo *r, const struct admin_record *record,
                                           const char *name, struct vv_error *err);
#define ADMIN_NUMBERED_NAME 64u
#define ADMIN_NUMBERS 64u
/** admin_numbered_name(prefix, client, n, out): "<prefix>-<client>-<n>", of which a client may have
 *  several; n goes from 1 to ADMIN_NUMBERS, since what lies under such a name may be no record. */
void admin_numbered_name(const char *prefix, const struct vv_uuid *client, unsigned n,
                         char out[ADMIN_NUMBERED_NAME]);
/** admin_publish(r, site_bound, type, name, payload, err): both of these. */
MUST_CHECK enum vv_rc admin_publish(struct repo *r, int site_bound, enum admin_type type,
                                    const char *name, struct vv_span payload, struct vv_error *err);

/** admin_publish_as_drawn(r, record, prefix, err): under "<prefix>-<the record's random bytes>". */
MUST_CHECK enum vv_rc admin_publish_as_drawn(struct repo *r, const struct admin_record *record,
                                             const char *prefix, struct vv_error *err);
/** admin_publish_drawn(r, site_bound, type, prefix, payload, ret, err): begun and published so.
 *  ${payload} may have failed; ${ret} may be NULL. */
MUST_CHECK enum vv_rc admin_publish_drawn(struct repo *r, int site_bound, enum admin_type type,
                                          const char *prefix, const struct vv_buf *payload,
                                          struct admin_record *ret, struct vv_error *err);

/**
 * All condemned lists together.
 *
 * L1  an intact object that the administrator did not sign, or one that no prune could have made
 *     (its name, its session), is ignored and reported (event "forged-record");
 * L2  one whose bytes are not those that were published, under the name of a session that is
 *     registered or has a slot, may be what a prune that is at work published, and may name any pack:
 *     it is counted as damaged, and whoever reads it must refer to nothing that was there before, and
 *     must not delete.  Anybody who can create files can bring that about; it costs space, never data,
 *     and stops neither backups nor replications;
 * L3  a damaged list of a session that the administrator fenced is ignored: a fenced prune deletes
 *     nothing (prune.h, I1), and who adopted the list has it in one of its own;
 * L4  a repair fences the session of a damaged list, so that it falls under L3, and takes the list
 *     away.  If that prune was faster, it is deleting: it looks for its list before each pack and ends
 *     when it is gone.
 */
struct condemned_set {
    struct pack_name *packs; /* sorted */
    size_t count;
    size_t lists; /* pending lists */
    size_t forged;
    size_t damaged; /* L2 */
};
void condemned_set_release(struct condemned_set *c);
MUST_CHECK enum vv_rc condemned_read(struct repo *r, struct condemned_set *ret,
                                     struct vv_error *err);
bool condemned_contains(const struct condemned_set *c, const struct pack_name *name);
/** condemned_conclusive(c, err): VV_OK if it is known what is condemned; otherwise VV_ECORRUPT with the
 *  remedy. */
MUST_CHECK enum vv_rc condemned_conclusive(const struct condemned_set *c, struct vv_error *err);
/** condemned_damaged(r, file, ret, err): is "condemned/<file>" a damaged list in the sense of L2? */
MUST_CHECK enum vv_rc condemned_damaged(struct repo *r, const char *file, bool *ret,
                                        struct vv_error *err);
/** condemned_retire(r, gone, count, ret_retired, err): delete the lists all of whose packs are among
 *  those the caller has deleted itself (sorted): whoever else may still be at work on such a list
 *  can do no harm any more. */
MUST_CHECK enum vv_rc condemned_retire(struct repo *r, const struct pack_name *gone, size_t count,
                                       size_t *ret_retired, struct vv_error *err);
/** condemned_publish(r, session, packs, count, err): a list in the name of a prune's session. */
MUST_CHECK enum vv_rc condemned_publish(struct repo *r, const struct vv_uuid *session,
                                        const struct pack_name *packs, uint32_t count,
                                        struct vv_error *err);

#endif
