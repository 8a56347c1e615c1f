/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_VERIFY_H
#define VARVE_ENGINE_VERIFY_H

#include "engine/read_budget.h"
#include "repo/snapshots.h"

/*
 * Verify: what restore would need is there and right.  Structure: config, key slots (both copies),
 * site, admin records, sessions, slots, signatures and chains, index segments, every reachable node
 * and list is read, every reachable chunk has a location in a pack that exists with the size the
 * index says. With data: every pack is read whole and checked (name, directory, blocks, ids,
 * padding), also packs no snapshot needs.  Damage is named by object and, for reachable chunks, by
 * snapshot, path and byte range.
 */
enum verify_phase { VERIFY_OBJECTS, VERIFY_TREES, VERIFY_PACKS, VERIFY_PATHS, VERIFY_DONE };
struct verify_options {
    const struct snapshot *const *snapshots; /* NULL: all */
    size_t snapshot_count;
    bool data;
    double sample;             /* with data: this part of the packs, drawn at random; 0: all */
    struct read_budget budget; /* with data: packs read longest ago first */
    bool vouch; /* with data and an administrator's key: sign index records of others' packs that
                   were read and found right */
    unsigned threads; /* 0: by CPU */
    /* For a repair, which has read all else: with data, only these packs; and how many paths of each
     * snapshot are damaged (NULL: nobody asks), in the order of the snapshots. */
    bool only_these;
    const struct pack_name *only;
    size_t only_count;
    uint64_t *paths_each;
};
struct verify_summary {
    uint64_t snapshots;
    uint64_t entries; /* in nodes that were read; a node several trees share is read once */
    uint64_t chunks;  /* references to chunks in these, each looked up */
    uint64_t packs;   /* listed */
    uint64_t packs_read;
    uint64_t bytes_read;
    uint64_t objects_damaged;
    uint64_t paths_damaged; /* pairs of snapshot and path */
    uint64_t chunks_missing;
    uint64_t packs_damaged;     /* or missing; of objects_damaged */
    uint64_t packs_healable;    /* of these, how many their parity heals */
    uint64_t packs_at_replicas; /* of these, how many a replica has whole */
    uint64_t packs_vouched;     /* whose index records this run signed */
    uint64_t packs_unindexed;   /* of sessions that never committed: a notice, no damage */
    uint64_t duration_ns;
    bool forged; /* missing or forged records: exit 14 */
};
/** verify_run: nothing is written (but with ${o->vouch}, and with data a registration as a reader while it
 * runs), nothing is taken from a cache.  What a replica supplies lets the
 * walk go on and is damage of this repository all the same; of each damaged pack it is said which
 * replica has it whole (by size; with data: read and checked).  The index is a hint: a pack it
 * names that is gone is damage only if something needs it: a snapshot (with ${o->snapshots}, one of
 * these; otherwise also those in their grace) or the copy of a record.  A pack that no index segment
 * names is damage if its session committed or a snapshot needs it (index segments are published
 * before slots).  README, site and sessions are looked at, but are never worth more than a notice.
 * VV_OK if it could do its work, whatever it found; look at the summary. */
MUST_CHECK enum vv_rc verify_run(struct repo *r, const struct snapshot_list *l,
                                 const struct verify_options *o, struct vv_progress *progress,
                                 struct verify_summary *ret, struct vv_error *err);

#endif
