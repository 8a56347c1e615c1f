/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SLOT_MEMORY_H
#define VARVE_REPO_SLOT_MEMORY_H

#include "repo/snapshots_internal.h"

/*
 * What the slots said that a run has read already.  Slots never change and their names never recur, so
 * that a run that commits again and again reads each of them once.
 *
 * Invariants:
 * Y1  only what the listing at hand names is ever used: absence is the listing's to tell, never ours.
 * Y2  a slot is known only if all of it was read, whole and authentic; else it is read each time.
 * Y3  what the administrator decides (certificates, revocations, graves) is asked anew each time.
 */

/** A record; or a slot without any, then ${kind} says which. */
enum known_kind { KNOWN_RECORD, KNOWN_EMPTY, KNOWN_FENCE };
struct known_record {
    struct vv_uuid session; /* first: it is looked up by it */
    struct vv_uuid id;
    struct vv_uuid client;
    struct vv_uuid site;
    struct vv_id previous;
    struct vv_id hash;
    uint64_t sequence;
    int64_t time;
    uint32_t epoch;
    enum known_kind kind;
    uint8_t signer[32]; /* the key that its signature was checked with */
};
struct slot_memory;

/** slot_memory_new(): NULL without memory; what is not remembered is read again. */
struct slot_memory *slot_memory_new(void);
void slot_memory_free(struct slot_memory *m);
VV_DEFINE_CLEANUP(struct slot_memory, slot_memory_free);
/** slot_memory_find(m, session, ret_count): its records, lying together; NULL: not known. */
const struct known_record *slot_memory_find(const struct slot_memory *m,
                                            const struct vv_uuid *session, size_t *ret_count);
/** slot_memory_note(m, k): keep it for after slot_memory_turn, also if it was known before. */
void slot_memory_note(struct slot_memory *m, const struct known_record *k);
/** slot_memory_noted(m), slot_memory_forget(m, count): how many were noted; only the first ${count} are
 *  kept. */
size_t slot_memory_noted(const struct slot_memory *m);
void slot_memory_forget(struct slot_memory *m, size_t count);
/** slot_memory_turn(m): from now on what was noted is known, and nothing else. */
void slot_memory_turn(struct slot_memory *m);

#endif
