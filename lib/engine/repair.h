/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REPAIR_H
#define VARVE_ENGINE_REPAIR_H

#include "repo/repo.h"

/*
 * Repair: bring a damaged repository back as far as anything allows, and say what stays lost.  Needs
 * an administrator's key.
 *
 * A1  everything is read once (as scrub does); objects of which a copy exists are put back: config
 *     from a key slot, one copy of a key slot from the other, README, site (with its old id if any
 *     object still tells it), certificates from metadata packs, administrator's records from ${others};
 * A2  packs are healed from their parity, then from instances in other repositories (whose own
 *     damage is healed from their parity, and block by block from what is right in either), as new
 *     instances; full names never recur;
 * A3  packs that no readable index segment names are read whole and given a record;
 * A4  snapshot records that are in no slot come back from the copies in metadata packs, in the slot
 *     of this run: if a certified client signed them, no grave and no fence that can be read names
 *     them, their client has no other record of that number, and all they need is there;
 * A5  instances that are damaged are made suspect, so that readers try them last and writers store
 *     their chunks again; then chunks that are still lost are read again from the files of this host,
 *     wherever these still have the wanted content;
 * A6  nothing is deleted but damaged small objects, after a copy was put into tmp/; where nothing
 *     can be deleted they stay;
 * A7  at the end every snapshot is walked, and every path that is lost is named.
 */
struct repair_options {
    struct storage *const *others; /* opened, of the same repository; borrowed */
    size_t other_count;
    const char *host; /* whose files may be read again; NULL: nobody's */
    unsigned threads; /* for reading; 0: by processors and storage */
};
struct repair_snapshot {
    struct vv_uuid id;
    int64_t time;
    uint64_t paths_lost;
};
struct repair_summary {
    uint64_t objects_mended;
    uint64_t objects_aside; /* damaged ones that were moved to tmp/ */
    uint64_t objects_left;  /* damaged ones that stay in their place: nothing can be deleted here */
    uint64_t objects_lost;  /* small objects whose content nobody has */
    uint64_t packs_damaged; /* instances damaged or missing, without a good one beside them */
    uint64_t packs_healed_parity;
    uint64_t packs_healed_elsewhere;
    uint64_t packs_lost;
    uint64_t packs_indexed;
    uint64_t packs_suspect;
    uint64_t snapshots_recovered;
    uint64_t snapshots_unrecovered; /* records in metadata packs that could not come back */
    uint64_t chunks_reread;
    uint64_t bytes_reread;
    uint64_t snapshots;
    uint64_t snapshots_whole;
    uint64_t paths_lost;
    struct repair_snapshot *each; /* of ${snapshots}, oldest first; owned */
    bool forged;
    uint64_t duration_ns;
};
void repair_summary_release(struct repair_summary *s);
enum repair_phase { REPAIR_READING, REPAIR_HEALING, REPAIR_INDEX, REPAIR_FILES, REPAIR_PATHS };
/** repair_run(r, options, progress, ret, err): VV_OK if it could do its work, whatever is lost. */
MUST_CHECK enum vv_rc repair_run(struct repo *r, const struct repair_options *options,
                                 struct vv_progress *progress, struct repair_summary *ret,
                                 struct vv_error *err);

#endif
