/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REPLICATE_H
#define VARVE_ENGINE_REPLICATE_H

#include "repo/snapshots.h"

/*
 * Replicate: bring other sites of the repository up to date.
 *
 * R1  what is missing is decided by content against the destination: a pack is there if some
 *     instance of its hash is listed, has the right size, is neither condemned nor suspect nor known
 *     to be bad, and its full name has an index record there; read in the order condemned lists,
 *     index segments, listing, after the session was registered;
 * R2  a pack leaves after its bytes were read and have the hash in its name, and is published under
 *     a new full name; an instance that lies there without an index record (seeded by hand, or left
 *     by an interrupted run) is taken over after its bytes were read back once;
 * R3  order: key slots and certificates, packs, index records, slot.  The slot is the session's own,
 *     created once, and holds, byte for byte, the records whose closure this session found or made
 *     present;
 * R4  a batch is one session.  Fenced, or after anything vanished or failed in passing, the next
 *     begins with a new one and looks again; what was published serves it;
 * R5  nothing is deleted or replaced at the destination, and no deletion travels: what is buried or
 *     forgotten here, or buried there, is not copied;
 * R6  without a key closures cannot be known: records are published when every pack the source's
 *     index names is there; one that cannot be read holds all of them back.  What was forgotten at
 *     the source by the time its index had been read is left out: a prune may have taken its packs
 *     out of the index.  With a key the newest snapshot comes first, then older ones in batches that
 *     double;
 * R7  what is there already is looked at again, as if it were to be brought, if the caller asks for
 *     it, or if the destination's index does not name packs that lie there and that the source's
 *     names, or names none at all;
 * R8  each destination has its own threads, session, journal and patience: trouble with one never
 *     holds another.
 * R9  with a key, a chunk is there also if the destination's own index has it in a pack that is
 *     intact by R1, and the administrator's signature stands for that: where a prune has put it, at
 *     either end.  Without a key packs that hold it travel again.
 *
 * Order of reading the source: slots, index, listing of packs, the administrator's records; if a pack
 * vanished, the batch starts again.
 */
enum replicate_phase { REPLICATE_LOOKING, REPLICATE_COPYING, REPLICATE_READING, REPLICATE_DONE };

/** Bytes a second between two times of day (local); the whole day if both are equal. */
struct replicate_rate {
    unsigned from; /* minutes since midnight */
    unsigned to;
    uint64_t rate; /* 0: no limit */
};

/** How the share is looked at: its bytes are read back; the site's host is asked for digests; that where
 *  it computes some, else reading. */
enum replicate_verify_by { REPLICATE_READ_BACK, REPLICATE_DIGEST, REPLICATE_AUTO };

enum replicate_share { REPLICATE_SHARE_MONTH, REPLICATE_SHARE_PART, REPLICATE_SHARE_ALL };

struct replicate_options {
    const struct vv_uuid *snapshots; /* NULL: all; else the key is needed */
    size_t snapshot_count;
    enum replicate_share share; /* how much is read back: all in 30 days, a part each run, all */
    enum replicate_verify_by verify_by;
    double part;                        /* 0 to 1 of the bytes there, for REPLICATE_SHARE_PART */
    const struct replicate_rate *rates; /* the last one that fits counts; shared by all */
    size_t rate_count;
    bool accept_shrunken; /* go on although the source lost many snapshots */
    bool complete;        /* look again at what snapshots need that are there already */
    uint64_t reserve;     /* bytes to set aside where a replica is made */
    unsigned threads;     /* packs in flight for each destination; 0: as the storages say */
};

struct replicate_summary {
    bool made;                     /* a new replica */
    uint64_t snapshots_source;     /* that could be copied */
    uint64_t snapshots_there;      /* of those, there at the end */
    uint64_t snapshots_copied;     /* by this run */
    uint64_t snapshots_incomplete; /* not copied: the source has lost something they need */
    int64_t useful_since;          /* when the first snapshot of this run was complete; 0: none */
    int64_t newest;                /* time of the newest snapshot there; 0: none */
    uint64_t packs_copied;
    uint64_t bytes_copied;
    uint64_t packs_adopted; /* were there without an index record */
    uint64_t packs_there;   /* listed at the end, and their bytes: all sizes were compared */
    uint64_t bytes_there;
    uint64_t packs_damaged;  /* found missing, of a wrong size or with wrong bytes there */
    uint64_t packs_healed;   /* new instances published for those */
    uint64_t packs_unhealed; /* hashes that are still not intact there */
    uint64_t packs_read;     /* read back and found right or wrong */
    uint64_t bytes_read;
    uint64_t packs_digested; /* the site's host said the right digest: nothing was read */
    uint64_t bytes_digested;
    uint64_t source_damaged;   /* packs of the source that could not be read or have wrong bytes */
    uint64_t source_unindexed; /* packs no index segment of the source names: not copied */
    uint64_t objects_copied;   /* key slots and administrator's records */
    uint64_t key_slots_extra;  /* removed at the source, still there */
    uint64_t objects_refused;
    uint64_t batches;
    uint64_t retries; /* after failures in passing */
    bool forged;      /* the source showed forged records */
    uint64_t duration_ns;
};

struct replicate_destination {
    struct storage *storage;
    struct replicate_summary summary; /* filled, also when it failed */
    enum vv_rc rc;
    struct vv_error err;
};

/**
 * replicate_run(source, destinations, count, options, o, progress, err): ${source} opened with a key
 * or without one.  ${options} as for opening (state directory, clock, events, cancellation).
 * VV_OK whatever became of the destinations: look at each.
 */
MUST_CHECK enum vv_rc replicate_run(struct repo *source, struct replicate_destination *destinations,
                                    size_t count, const struct repo_options *options,
                                    const struct replicate_options *o, struct vv_progress *progress,
                                    struct vv_error *err);

/** What a place lets one do to an object that is there. */
struct append_only_proof {
    bool overwritten; /* a second publication of the name went through, or changed it */
    bool removed;
    char name[64]; /* of the canary; it is still there unless removed */
};
/** replicate_check_append_only(st, ret, err): publish a canary in tmp/ and try to replace and to
 *  delete it.  Proves no more than that for this account and program. */
MUST_CHECK enum vv_rc replicate_check_append_only(struct storage *st, struct append_only_proof *ret,
                                                  struct vv_error *err);

#endif
