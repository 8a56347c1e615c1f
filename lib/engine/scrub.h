/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_SCRUB_H
#define VARVE_ENGINE_SCRUB_H

#include "engine/read_budget.h"
#include "repo/repo.h"

/*
 * Scrub: read objects from the storage and compare each with the hash in its name or at its end.  No
 * key is needed.
 *
 * B1  every kind of object: packs and index segments have their SHA-256 in the name, parity and all
 *     others at the end, README in its last line; packs that the index names must be there;
 * B2  what was read longest ago comes first (repo/scrub_ledger.h), what never was before that; a
 *     budget in bytes or time ends the run before an object, and never within one;
 * B3  a damaged pack is computed from its parity, and published as a new instance with the index
 *     records of its hash, in a session of kind repair.  Nothing is replaced or deleted: the damaged
 *     file stays, and is passed over from then on as long as the new instance is right;
 * B4  where the site keeps parity, packs that have none are given it when they are read;
 * B5  what is damaged and stays is named, also which bytes of a pack parity cannot compute.
 */
enum scrub_kind {
    SCRUB_PACK,
    SCRUB_PARITY,
    SCRUB_DECISION,
    SCRUB_INDEX,
    SCRUB_SLOT,
    SCRUB_ADMIN,
    SCRUB_KEY,
    SCRUB_SESSION,
    SCRUB_CONDEMNED,
    SCRUB_CONFIG,
    SCRUB_SITE,
    SCRUB_README,
};
/** An object that was found damaged or missing, as it is at the end of the run. */
struct scrub_damage {
    const char *name; /* NULL for a pack that is missing */
    enum scrub_kind kind;
    struct pack_name pack; /* SCRUB_PACK, SCRUB_PARITY */
    bool listed;           /* it is there */
    bool made_up;          /* healed, or a good one of the same content is there */
};
typedef enum vv_rc scrub_damage_fn(void *ctx, const struct scrub_damage *damage,
                                   struct vv_error *err);
struct scrub_options {
    struct read_budget budget;
    bool no_heal;            /* only look */
    scrub_damage_fn *damage; /* NULL: nobody wants to know */
    void *damage_ctx;
    unsigned threads; /* 0: by processors and storage */
};

struct scrub_summary {
    uint64_t objects; /* there */
    uint64_t bytes;
    uint64_t objects_read; /* by this run */
    uint64_t bytes_read;
    uint64_t packs;
    uint64_t packs_read;
    uint64_t objects_damaged; /* found by this run, also those that a good instance makes up for */
    uint64_t packs_healed;
    uint64_t superseded; /* damaged, but another one with the same content is right */
    uint64_t packs_missing;
    uint64_t objects_unhealed; /* damage that stays, missing packs included */
    uint64_t parity_added;
    uint64_t parity_added_bytes;
    uint64_t never_read; /* objects, after this run */
    int64_t oldest_read; /* when the one whose reading is longest ago was read; 0: there is none */
    uint64_t duration_ns;
};
/** scrub_run(r, options, progress, ret, err): VV_OK if it could do its work, whatever it found.  If
 *  it could not, what it had found by then has been told, too, and ${ret} sums up how far it came. */
MUST_CHECK enum vv_rc scrub_run(struct repo *r, const struct scrub_options *options,
                                struct vv_progress *progress, struct scrub_summary *ret,
                                struct vv_error *err);

/** What this host knows of a site without reading it. */
struct scrub_ages {
    uint64_t objects;
    uint64_t bytes;
    uint64_t bytes_since; /* read whole since the time asked for */
    uint64_t never_read;  /* objects */
    int64_t oldest_read;  /* as in struct scrub_summary */
    int64_t last_read;    /* when something was read last; 0: never */
};
/** scrub_ages_read(r, since, ret, err): by the names of its objects, and the ledger. */
MUST_CHECK enum vv_rc scrub_ages_read(struct repo *r, int64_t since, struct scrub_ages *ret,
                                      struct vv_error *err);

#endif
