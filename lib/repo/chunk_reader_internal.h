/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_CHUNK_READER_INTERNAL_H
#define VARVE_REPO_CHUNK_READER_INTERNAL_H

#include <stdatomic.h>

#include "core/thread.h"
#include "repo/pack_reader.h"

/* Shared by chunk_reader*.c. */

#define TABLE_SIZE 1024u /* hash table of cached blocks */
#define READERS_MAX 64u
#define BAD_MAX 4096u /* damaged blocks remembered; more are reported again each time */
#define LOST_MAX 256u /* blocks only a replica has; direct-mapped, forgotten ones are tried again */
#define HEALED_MAX 2u /* packs whose healed image is kept; a pack is some 32 MiB */
#define HOPELESS_MAX 256u /* packs known to have no parity; direct-mapped */
#define GONE_MAX 1024u    /* packs found missing; direct-mapped, forgotten ones cost a listing */

/** A decoded block.  In use while pinned; otherwise it may be thrown out. */
struct cached_block {
    struct pack_name pack;
    uint32_t number;
    uint32_t len;
    unsigned pins;
    uint8_t *bytes;
    struct cached_block *chain;         /* in the hash table */
    struct cached_block *newer, *older; /* by last use */
};

/** A pack that was missing, and the index' generation when that was seen first. */
struct gone_pack {
    struct pack_name name;
    uint64_t generation;
};

/** A block that could not be read here and came from a replica. */
struct lost_block {
    struct pack_name pack;
    uint32_t number;
    bool used;
};

enum { AHEAD_PLACES = 64, AHEAD_THREADS = 8 };

/** A block that somebody will want; chunk_reader_ahead.c. */
struct ahead_block {
    struct chunk_location at;
    uint64_t turn; /* in the order they were asked for; 0: a free place */
    bool reading;  /* a thread is at it */
};

struct chunk_healer; /* chunk_reader_parity.c */
struct chunk_reader {
    struct repo *repo;
    struct chunk_index *index;
    struct pack_keys *keys;
    struct chunk_healer *healer; /* guards itself */
    atomic_bool any_lost;
    bool strict;
    struct vv_mutex lock; /* guards all below */
    struct cached_block *table[TABLE_SIZE];
    struct cached_block *newest, *oldest;
    size_t bytes;
    size_t bytes_max;
    struct pack_reader *idle[READERS_MAX];
    unsigned idle_count;
    uint64_t bad[BAD_MAX]; /* hashes of damaged blocks already reported */
    unsigned bad_count;
    struct gone_pack gone[GONE_MAX];
    struct lost_block lost[LOST_MAX];
    struct ahead_block ahead[AHEAD_PLACES];
    uint64_t ahead_turn; /* the last one given */
    struct vv_cond ahead_changed;
    bool ahead_stopping;
    struct vv_thread ahead_threads[AHEAD_THREADS]; /* the owner's, not the lock's */
    unsigned ahead_thread_count;
};

/** chunk_reader_fetch(c, loc, ret, err): read a block that is not cached, and pin it. */
MUST_CHECK enum vv_rc chunk_reader_fetch(struct chunk_reader *c, const struct chunk_location *loc,
                                         struct cached_block **ret, struct vv_error *err);
/** chunk_reader_is_cached(c, loc): lock held. */
bool chunk_reader_is_cached(struct chunk_reader *c, const struct chunk_location *loc);
/** chunk_reader_ahead_wait(c, loc): if the block is being read ahead, wait for that; if it waits for
 *  its turn, take it out.  Lock held, and let go of meanwhile. */
void chunk_reader_ahead_wait(struct chunk_reader *c, const struct chunk_location *loc);
/** chunk_reader_ahead_stop(c): no thread is left. */
void chunk_reader_ahead_stop(struct chunk_reader *c);

uint64_t chunk_reader_block_hash(const struct pack_name *pack, uint32_t number);
/** chunk_reader_pin(c, loc, ret, err): a decoded block, from the cache or the storage; it stays
 *  until chunk_reader_unpin. */
MUST_CHECK enum vv_rc chunk_reader_pin(struct chunk_reader *c, const struct chunk_location *loc,
                                       struct cached_block **ret, struct vv_error *err);
/** chunk_reader_pin_healed(c, loc, ret, err): the same from what parity makes of the pack, for a block
 *  that cannot be read.  VV_ECORRUPT if that does not help. */
MUST_CHECK enum vv_rc chunk_reader_pin_healed(struct chunk_reader *c,
                                              const struct chunk_location *loc,
                                              struct cached_block **ret, struct vv_error *err);
void chunk_reader_unpin(struct chunk_reader *c, struct cached_block *b);

/** chunk_reader_report_bad(c, kind, loc, text): say once (of each kind) that a place is damaged. */
void chunk_reader_report_bad(struct chunk_reader *c, enum vv_event_kind kind,
                             const struct chunk_location *loc, const char *text);
/** chunk_reader_note_failed(failed, at, text): a copy cannot be read; what is to be said of it depends
 *  on whether another one serves.  chunk_reader_tell_failed(c, failed, from, kind): say it, of those
 *  noted since there were ${from} bytes of them, which are forgotten. */
void chunk_reader_note_failed(struct vv_buf *failed, const struct chunk_location *at,
                              const char *text);
void chunk_reader_tell_failed(struct chunk_reader *c, struct vv_buf *failed, size_t from,
                              enum vv_event_kind kind);

MUST_CHECK enum vv_rc chunk_healer_new(struct chunk_healer **ret, struct vv_error *err);
void chunk_healer_free(struct chunk_healer *h);
/** chunk_reader_healed_block(c, p, loc, out, err): a block's plaintext by way of parity; a pack that is
 *  healed is told once (event "block-healed"). */
MUST_CHECK enum vv_rc chunk_reader_healed_block(struct chunk_reader *c, struct pack_reader *p,
                                                const struct chunk_location *loc, uint8_t *out,
                                                struct vv_error *err);

#endif
