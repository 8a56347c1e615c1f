/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PRUNE_H
#define VARVE_ENGINE_PRUNE_H

#include "repo/snapshots.h"

/*
 * Prune: delete what no snapshot needs, beside any number of backups, replications, readers and
 * other prunes.  The steps are those of models/prune_model.py, whose names stand in brackets:
 *
 * P1  [register; list; mark] register a session; carry out forgets whose grace is over (end, grave,
 *     then the slots); mark everything that snapshots in slots, less the graves, refer to, forgets
 *     in grace among them; list packs;
 * P2  [choose; CONDEMN] choose packs, adopt what pending lists name, and publish all of it as this
 *     session's condemned list;
 * P3  [list open sessions; FENCE; all resolved] every session found open after P2 (not this one, not
 *     readers) has to end.  It is fenced when its heartbeat has stood still for an hour of the
 *     monotonic clock (stillness.h), or at once if the caller says so (another prune only until one
 *     has fenced this one: both would go on with that for ever), or if a process of this host has left
 *     it behind (session_mark.h).  What does not end within the caller's patience ends this run: the
 *     list waits for the next prune;
 * P4  [re-mark; copy out] list slots again and mark what is new; every live chunk of a condemned
 *     pack is stored in a new pack, unless a copy in a pack that stays was read in this run;
 * P5  [publish merged segment; CLAIM own slot; drop the segments] new index segments without the
 *     packs that go, this session's own slot, then the old segments away;
 * P6  [delete packs];
 * P7  [retire] away with the lists all of whose packs are gone; then with parity of which no pack has the
 *     hash any more, and with what ended sessions left.
 *
 * Invariants:
 * I1  no pack and no index segment is deleted before this session has won its own slot: a prune that was fenced deletes
 *     nothing;
 * I2  a pack is condemned only if its header does not name a session that was open when packs were
 *     listed, and never taken back once it is;
 * I3  a condemned pack is deleted only after, for each live chunk of its own directory, a copy
 *     elsewhere was read from the storage and authenticated in this run: one that was made by it
 *     (and read back), or one in a pack that is listed, in no list and not suspect.  Index records
 *     (hints) choose packs, they never delete one;
 * I4  what cannot be read stops the run before P2: a slot, a record in admin/, a tree, a chunk that
 *     is in no pack; so does a snapshot that is missing without a grave.  What turns out to be
 *     damaged after P2 keeps its pack, on its list, until a repair or a forget;
 * I5  a slot is deleted only after a durable grave names all it held;
 * I6  a crash at any moment leaves a repository that the next prune finishes: an open session that
 *     is fenced in time, a list that is adopted, packs no segment names;
 * I7  memory does not depend on the repository but for one bit a chunk, some bytes a block and a
 *     pack, 16 to 32 bytes a tree node, and four packs' images;
 * I8  which chunk goes into which new pack, and which records into which index segment, depends on
 *     what is stored and on nothing else, no matter how many threads read, copy and publish (P4): a
 *     dry run tells the very bytes of the run that follows.
 *
 * Blocks: a dead one is dropped; one of which at most the part max_waste is dead (and never more
 * than a quarter) moves as it is, compressed as it was, and its dead chunks stay listed and may be
 * found again; of others the live chunks are put into new blocks.
 */
enum prune_phase {
    PRUNE_STARTING,
    PRUNE_MARKING,
    PRUNE_WAITING,
    PRUNE_COPYING,
    PRUNE_DELETING,
    PRUNE_CLEANING,
    PRUNE_DONE,
};

struct prune_options {
    bool dry_run;     /* nothing is written, in the repository or the state directory */
    double max_waste; /* packs of which at most this part (0 to 1) is dead stay as they are */
    uint64_t budget;  /* stored bytes to be copied at most, about; UINT64_MAX: no limit */
    int64_t grace_ns; /* a forget's grace is at most that; INT64_MAX: as it says itself */
    uint64_t wait_ns; /* patience with open sessions (P3) */
    bool fence;       /* open sessions are fenced at once (P3) */
    bool reencrypt;   /* packs of older epochs are copied whole, within the budget */
    int level;        /* zstd level of new blocks; 0: off */
};

struct prune_summary {
    uint64_t snapshots; /* that were marked, forgotten ones in grace included */
    uint64_t forgets_carried_out;
    uint64_t snapshots_buried;
    uint64_t packs;         /* listed at the beginning */
    uint64_t bytes;         /* their sizes */
    uint64_t packs_dead;    /* deleted whole */
    uint64_t packs_emptied; /* deleted after their live chunks were moved */
    uint64_t packs_written;
    uint64_t bytes_deleted; /* of packs, index segments, and parity that no pack has any more */
    uint64_t bytes_written; /* of packs, their parity and index segments */
    uint64_t bytes_copied;  /* plaintext of chunks moved */
    uint64_t bytes_waste;   /* dead bytes that stay in packs, about */
    uint64_t chunks_copied;
    uint64_t chunks_rescued; /* of these, in packs that were wholly dead when they were condemned */
    uint64_t sessions_fenced;
    uint64_t sessions_open; /* that this run did not wait for any longer */
    uint64_t lists_adopted;
    uint64_t lists_left;        /* that wait for the next prune */
    uint64_t packs_damaged;     /* condemned, and kept because something live cannot be read (I4) */
    uint64_t rounds;            /* more than one where space is scarce */
    uint64_t packs_reencrypted; /* that had to be copied for their epoch alone */
    uint64_t bytes_old_epochs;  /* with options.reencrypt: of packs of older epochs that stay */
    uint64_t duration_ns;
    bool reserve_used; /* the reserve was dropped to make room */
    bool dry_run;
};

/**
 * prune_run(r, o, progress, ret, err): ${r} was opened with an administrator's key, for writing.
 * VV_EREFUSED without such a key or without exclusive creation, complete listings and deletion;
 * VV_EFORGED on a missing or forged record (exit 14); VV_ECORRUPT for damage (I4); VV_EREFUSED too
 * if another prune fenced this one again and again.  A run that had to leave a list to the next one
 * ends well: look at lists_left and packs_damaged.
 */
MUST_CHECK enum vv_rc prune_run(struct repo *r, const struct prune_options *o,
                                struct vv_progress *progress, struct prune_summary *ret,
                                struct vv_error *err);

#endif
