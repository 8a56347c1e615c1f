/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_SCRUB_INTERNAL_H
#define VARVE_ENGINE_SCRUB_INTERNAL_H

#include "core/thread.h"
#include "engine/scrub.h"
#include "repo/pack_names.h"
#include "repo/scrub_ledger.h"

/* Shared by scrub*.c. */

enum scrub_state { ITEM_UNREAD, ITEM_GOOD, ITEM_BAD, ITEM_GONE };

/** An object as listed. */
struct scrub_item {
    char *name; /* whole, "packs/ab/..." */
    uint64_t size;
    int64_t read_at; /* 0: never */
    enum scrub_kind kind;
    enum scrub_state state;
    bool superseded;
    bool healed;
    bool told;             /* what became of a damaged one */
    char *lost;            /* why parity did not help; NULL: it was not tried, or it did */
    struct pack_name pack; /* SCRUB_PACK, SCRUB_PARITY */
};

struct scrub {
    struct repo *repo;
    const struct scrub_options *options;
    struct vv_progress *progress;
    struct scrub_ledger *ledger;
    struct scrub_item *items; /* in the order of reading */
    size_t count;
    size_t room;
    struct pack_names packs; /* as listed */
    struct pack_names parity;
    struct vv_buf
        missing; /* struct pack_name: the index names them, and nothing makes up for them */
    bool parity_on;
    uint64_t started;     /* monotonic ns */
    struct vv_mutex lock; /* guards all below, and the summary, while threads are at work */
    size_t next;
    uint64_t bytes_begun;
    uint64_t saved_at; /* when the ledger was saved, monotonic ns */
    struct scrub_summary s;
};

/** scrub_list(s, err): every object that can be checked, and when it was read last. */
MUST_CHECK enum vv_rc scrub_list(struct scrub *s, struct vv_error *err);
/** scrub_missing(s, err): packs that the index names and that are not there; each is reported. */
MUST_CHECK enum vv_rc scrub_missing(struct scrub *s, struct vv_error *err);
/** scrub_check(s, item, bytes, err): are these the right bytes?  VV_ECORRUPT with the reason. */
MUST_CHECK enum vv_rc scrub_check(struct scrub *s, const struct scrub_item *item,
                                  struct vv_span bytes, struct vv_error *err);
/** scrub_read(s, item, bytes, err): read an object from the device and check it: sets item->state,
 *  reports damage, notes it in the ledger, and gives a pack its parity (B4). */
MUST_CHECK enum vv_rc scrub_read(struct scrub *s, struct scrub_item *item, struct vv_buf *bytes,
                                 struct vv_error *err);
/** scrub_read_all(s, err): as far as the budget goes, in parallel. */
MUST_CHECK enum vv_rc scrub_read_all(struct scrub *s, struct vv_error *err);
/** scrub_heal(s, err): B3: what became of the damage. */
MUST_CHECK enum vv_rc scrub_heal(struct scrub *s, struct vv_error *err);
/** scrub_tell_rest(s): the run ends by failing: damage that was found and not told yet. */
void scrub_tell_rest(struct scrub *s);

#endif
