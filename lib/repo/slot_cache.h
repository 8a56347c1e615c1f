/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SLOT_CACHE_H
#define VARVE_REPO_SLOT_CACHE_H

#include "repo/repo.h"

/*
 * Slots as this host has read them, in its local cache: <cache>/<repository>/slots (of a reader's or
 * writer's key: slots-<client>).  For commands that a server runs for each segment of WAL: they would
 * read every slot each time, and check every signature.
 *
 * Invariants:
 * Q1  only what the listing at hand names is ever used: absence is the listing's to tell, never ours;
 * Q2  a slot is kept only if all of it was read, whole and authentic;
 * Q3  what the administrator decides (certificates, revocations, graves) is asked anew each time: what is
 *     kept beside a slot spares the check of a signature only as long as the same key is to be checked
 *     with;
 * Q4  what is kept is sealed under a key of this repository and client.  What does not open is not there;
 * Q5  how a slot is on the storage now is not known here.  Whoever has to know that reads it: then what
 *     is kept spares work if the bytes are the same (KNOWN_SLOTS_COMPARED).
 *
 * The file grows by an envelope each time, and is written anew when these are many, or much in them is of
 * slots that are no more.  Nothing depends on it: appending waits for no disk, and what is lost when two
 * write at the same time is read again.
 */
struct slot_cache;

/** slot_cache_load(r): what there is; an empty one if that cannot be read.  NULL: there is no cache, no
 *  key, or no memory. */
struct slot_cache *slot_cache_load(struct repo *r);
void slot_cache_free(struct slot_cache *c);
VV_DEFINE_CLEANUP(struct slot_cache, slot_cache_free);

/** A slot that is kept; borrowed until slot_cache_save. */
struct kept_slot {
    struct vv_span object;
    struct vv_reader proofs; /* of its records, one after the other: slot_cache_proof */
};
/** slot_cache_find(c, session, ret): false: it is not kept.  What is never asked for will be dropped. */
bool slot_cache_find(struct slot_cache *c, const struct vv_uuid *session, struct kept_slot *ret);

/** What is known of a record: whose signature it has, and what its body says. */
struct slot_proof {
    uint8_t signer[32];
    struct vv_span body; /* empty: not opened */
};
/** slot_cache_proof(proofs, ret): of the next record; false: none. */
bool slot_cache_proof(struct vv_reader *proofs, struct slot_proof *ret);

/** slot_cache_begin(c, session, object), slot_cache_note(c, proof) for each record, then slot_cache_end(c,
 *  keep): remember a slot that was read, or do not.  Proofs of slots that were not begun are not kept. */
void slot_cache_begin(struct slot_cache *c, const struct vv_uuid *session, struct vv_span object);
void slot_cache_note(struct slot_cache *c, const struct slot_proof *proof);
void slot_cache_end(struct slot_cache *c, bool keep);

/** slot_cache_save(r, c): for later runs, and for whoever looks into ${c} from now on.  After all slots
 *  of a listing were asked for.  What cannot be written is told as of any cache (repo_cache_failed). */
void slot_cache_save(struct repo *r, struct slot_cache *c);

#endif
