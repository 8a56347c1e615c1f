/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPLICA_JOURNAL_H
#define VARVE_REPO_REPLICA_JOURNAL_H

#include "repo/repo.h"

/*
 * What this host knows about one replica: <state>/<repository id>/replica-<site id>.  It saves
 * reading what never changes (index segments, slots) and remembers which packs were read back when.
 *
 * J1  it is a memory of immutable things, under names that never recur: an entry can be missing,
 *     never stale; whether a thing is still there only a listing tells;
 * J2  entries are appended in one write each and carry a checksum; a file that is damaged, of
 *     another repository or site, is started over: never fatal, it only costs reading again;
 * J3  at the end of a run the file is replaced by one with the entries that were of use in it.
 * Thread-safe; without a state directory it lasts as long as the run.
 */
struct replica_journal;

/** A pack at the site. */
struct replica_pack {
    struct pack_name name;
    uint64_t size; /* as published, or as the source has it */
    int64_t
        verified_at; /* its bytes were read back and had the right hash; 0: never; negative: then the
                          * site's host said so, and nobody read them since */
    bool bad;        /* they had not */
};

/** replica_journal_open(site, ret, err): of the repository that is the replica.  VV_ENOMEM only. */
MUST_CHECK enum vv_rc replica_journal_open(struct repo *site, struct replica_journal **ret,
                                           struct vv_error *err);
void replica_journal_free(struct replica_journal *j);
VV_DEFINE_CLEANUP(struct replica_journal, replica_journal_free);

/** Look-ups: false if nothing is known.  Lists are borrowed until the same thing is noted again. */
MUST_CHECK bool replica_journal_pack(struct replica_journal *j, const struct pack_name *name,
                                     struct replica_pack *ret);
/** The packs an index segment has records for. */
MUST_CHECK bool replica_journal_segment(struct replica_journal *j, const struct vv_id *id,
                                        const struct pack_name **ret, size_t *ret_count);
/** The hashes of the records in a slot of that ${size}. */
MUST_CHECK bool replica_journal_slot(struct replica_journal *j, const struct vv_uuid *session,
                                     uint64_t size, const struct vv_id **ret, size_t *ret_count);
/** The hashes of the records the source showed last time. */
MUST_CHECK bool replica_journal_source(struct replica_journal *j, const struct vv_id **ret,
                                       size_t *ret_count);
/** When bytes were read back last, and how many were due then (negative: more were read). */
MUST_CHECK bool replica_journal_budget(struct replica_journal *j, int64_t *ret_time,
                                       int64_t *ret_due);

/** Notes: VV_ENOMEM only; a file that cannot be written to is told once and done without. */
MUST_CHECK enum vv_rc replica_journal_note_pack(struct replica_journal *j,
                                                const struct replica_pack *pack,
                                                struct vv_error *err);
MUST_CHECK enum vv_rc replica_journal_note_segment(struct replica_journal *j,
                                                   const struct vv_id *id,
                                                   const struct pack_name *packs, size_t count,
                                                   struct vv_error *err);
MUST_CHECK enum vv_rc replica_journal_note_slot(struct replica_journal *j,
                                                const struct vv_uuid *session, uint64_t size,
                                                const struct vv_id *hashes, size_t count,
                                                struct vv_error *err);
MUST_CHECK enum vv_rc replica_journal_note_source(struct replica_journal *j,
                                                  const struct vv_id *hashes, size_t count,
                                                  struct vv_error *err);
MUST_CHECK enum vv_rc replica_journal_note_budget(struct replica_journal *j, int64_t time,
                                                  int64_t due, struct vv_error *err);

/** replica_journal_finish(j, err): J3, after a run that has looked at everything. */
MUST_CHECK enum vv_rc replica_journal_finish(struct replica_journal *j, struct vv_error *err);

#endif
