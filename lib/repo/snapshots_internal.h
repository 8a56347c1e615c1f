/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SNAPSHOTS_INTERNAL_H
#define VARVE_REPO_SNAPSHOTS_INTERNAL_H

#include "repo/snapshots.h"

/** One head another record says it has seen. */
struct seen_head {
    struct vv_uuid site;   /* of the record that says so */
    struct vv_uuid client; /* that says so */
    struct snapshot_seen seen;
};
/** An authentic record that is buried or revoked: it is no snapshot, but it bears witness. */
struct passed_over {
    struct vv_id hash;
    struct vv_id previous;
    struct vv_uuid client;
    struct vv_uuid site;
    uint64_t sequence;
};
/** Everything a scan of the slots found, bodies optional. */
struct slot_scan {
    struct snapshot_list list; /* forgotten ones not told apart; its own records stay empty */
    struct seen_head *seen;
    size_t seen_count;
    struct vv_buf records;     /* bytes of the records, if wanted; see struct snapshot */
    struct vv_buf passed_over; /* struct passed_over */
    struct vv_buf strangers; /* slots with records of nobody certified: names, each ended by NUL */
    struct admin_records admin;
    struct slot_memory *memory; /* SLOT_SCAN_KNOWN; NULL: none */
    struct slot_cache *cache;   /* NULL: none */
    struct vv_reader *proofs;   /* of the slot at hand, which is in the cache; NULL: it is not */
};
/** scan_passed_over(s, ret_count): what passed_over holds. */
const struct passed_over *scan_passed_over(const struct slot_scan *s, size_t *ret_count);
void slot_scan_release(struct slot_scan *s);
/** slot_scan_read(r, with, ret, err): read slots; without bodies nothing is decrypted (id, client,
 * sequence, hash, site and time only), which needs no key.  SLOT_SCAN_LOCKED: those of an epoch that
 * a reader has no key of are listed without a body, as locked; else they fail the whole, VV_EKEY.
 * SLOT_SCAN_KNOWN, by itself only: a slot this run has read is not read again (slot_memory.h), and what
 * records say they have seen is left out.  Slots that this host has read are taken as the repository was
 * opened for (repo_known_slots), but for RECORDS. */
enum { SLOT_SCAN_BODIES = 1, SLOT_SCAN_RECORDS = 2, SLOT_SCAN_LOCKED = 4, SLOT_SCAN_KNOWN = 8 };
MUST_CHECK enum vv_rc slot_scan_read(struct repo *r, unsigned with, struct slot_scan *ret,
                                     struct vv_error *err);
/** For slot_scan_read.  scan_take_slot(r, name, object, with, s, err): one slot, already read; records of
 *  nobody certified are counted, and told by scan_tell_strangers(r, s) once it is certain that no
 *  certificate came in between.
 *  scan_keep(s, item, err): an authentic record, without a body: listed, or passed over.
 *  scan_pass_over_damage(r, name, s, rc, err): note damage and go on; any other failure stays one. */
MUST_CHECK enum vv_rc scan_take_slot(struct repo *r, const char *name, struct vv_span object,
                                     unsigned with, struct slot_scan *s, struct vv_error *err);
MUST_CHECK enum vv_rc scan_keep(struct slot_scan *s, const struct snapshot *item,
                                struct vv_error *err);
MUST_CHECK enum vv_rc scan_pass_over_damage(struct repo *r, const char *name, struct slot_scan *s,
                                            enum vv_rc rc, struct vv_error *err);
void scan_tell_strangers(struct repo *r, const struct slot_scan *s);
bool scan_is_damage(enum vv_rc rc);
/** slot_scan_heal(r, s, err): where slots are damaged or missing (chain_check has been made), add
 *  what replicas have of them.  What was judged about this repository stays as it was. */
MUST_CHECK enum vv_rc slot_scan_heal(struct repo *r, struct slot_scan *s, struct vv_error *err);
/** snapshot_list_drop_doubles(l): a record that lies in several slots (a replication was repeated) is
 *  one snapshot.  Loses the order. */
void snapshot_list_drop_doubles(struct snapshot_list *l);
/** snapshot_list_sort(l, err): oldest first by the clocks; but where a client's clock was wrong, the
 *  order in which it made its snapshots counts: they share out the places their times gave them. */
MUST_CHECK enum vv_rc snapshot_list_sort(struct snapshot_list *l, struct vv_error *err);
/** snapshots_by_place(l, err): all, by client and sequence; the caller frees the array (NULL: no
 *  memory).  snapshot_place_compare orders pointers to its elements. */
const struct snapshot **snapshots_by_place(const struct snapshot_list *l, struct vv_error *err);
int snapshot_place_compare(const void *a, const void *b);
/** newest_heads(l, ret, ret_count, err): the record with the highest sequence of every client,
 *  sorted by client. */
MUST_CHECK enum vv_rc newest_heads(const struct snapshot_list *l, struct head **ret,
                                   size_t *ret_count, struct vv_error *err);
/** head_find(heads, count, client): in an array sorted by client; NULL if there is none. */
const struct head *head_find(const struct head *heads, size_t count, const struct vv_uuid *client);
/*
 * What was not found.  A listing takes its time: it may miss what was published while it ran, and this
 * host may by now remember what another run of it saw after that.  So absence is believed only when a
 * second listing, begun after the first ended, shows it too.
 */
struct chain_doubts {
    struct vv_buf hashes; /* of records that something names */
    uint64_t graves;      /* how many of each this host remembered */
    uint64_t revocations;
    uint32_t epoch;
    bool any; /* some of it was not in doubt before */
};
/** chain_check(r, scan, before, ret, err): set scan->list.freshness; report holes, forks and
 *  roll-backs.  Of what is missing only what is in ${before} is believed; if there is anything else,
 *  nothing is reported and ${ret}->any says so: scan again and come with ${ret}, which the caller
 *  releases (chain_doubts_release). */
MUST_CHECK enum vv_rc chain_check(struct repo *r, struct slot_scan *scan,
                                  const struct chain_doubts *before, struct chain_doubts *ret,
                                  struct vv_error *err);
void chain_doubts_release(struct chain_doubts *d);

#endif
