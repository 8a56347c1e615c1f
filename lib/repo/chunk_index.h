/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_CHUNK_INDEX_H
#define VARVE_REPO_CHUNK_INDEX_H

#include "format/index.h"
#include "format/pack.h"
#include "repo/admin_records.h"
#include "repo/repo.h"

/*
 * Where chunks are.  Index segments of the repository are opened once and kept in the local cache
 * as one sorted, checksummed, memory-mapped file (<cache>/<repository>/index), so that heap use is
 * small.  Without a cache directory an unnamed temporary file serves.  Thread-safe.
 *
 * X1  the index is a hint: for writing, a location counts only after its pack's full name was seen
 *     in a listing begun after the segments were read, with the size its record says, and is
 *     neither condemned nor suspect;
 * X2  a writer deduplicates only against records of its own client, of clients with role admin, or,
 *     with dedup trust 1 in config, of all that may write; records whose signature fails are
 *     reported, and serve reading only;
 * X3  for reading every location counts, the authenticated bytes decide; records of nobody known
 *     come behind the others, suspect packs last;
 * X4  readers that miss a chunk re-read segments, and then directories of packs no segment names,
 *     before they call it lost;
 * X5  a segment is believed absent only when a second listing shows none that was not read.
 */
struct chunk_index;

/** A place a chunk can be read from. */
struct chunk_location {
    struct pack_name pack;
    uint64_t pack_size;
    uint32_t block_number;
    uint32_t block_offset;
    uint32_t block_stored;
    uint32_t block_plain;
    uint8_t block_flags;
    uint8_t block_kind;
    uint8_t chunk_type;
    uint32_t chunk_offset; /* in the block's plaintext */
    uint32_t chunk_len;
};

/** chunk_index_ahead(r): where the storage is one of long round trips, begin to load the index in a
 *  thread, for whoever opens it next: for reading only.  Look-ups wait for it; if it fails, the first
 *  one tries anew and says why.  What is published meanwhile X4 finds. */
void chunk_index_ahead(struct repo *r);
/** chunk_index_open(r, ret, err): nothing is read yet, but for chunk_index_ahead. */
MUST_CHECK enum vv_rc chunk_index_open(struct repo *r, struct chunk_index **ret,
                                       struct vv_error *err);
void chunk_index_free(struct chunk_index *x);
VV_DEFINE_CLEANUP(struct chunk_index, chunk_index_free);

/** chunk_index_load(x, err): read all segments now (done lazily by the first look-up otherwise).
 *  A damaged segment is reported (event "index-damaged") and left out. */
MUST_CHECK enum vv_rc chunk_index_load(struct chunk_index *x, struct vv_error *err);
/** chunk_index_often(x): before it is loaded: this is done again and again, and a little that is new stays in
 *  memory, to be read from its segments the next time, rather than that the cached file is written anew for
 *  it.  For look-ups alone: not for index_marks. */
void chunk_index_often(struct chunk_index *x);
/** chunk_index_reload(x, err): look for new segments, and forget which packs are there (something
 *  vanished). */
MUST_CHECK enum vv_rc chunk_index_reload(struct chunk_index *x, struct vv_error *err);

/** chunk_index_trim(x): let go of what look-ups have brought into memory of the mapped file. */
void chunk_index_trim(struct chunk_index *x);

/** chunk_index_find(x, type, id, nth, ret, err): the ${nth} (from 0) location of a chunk for
 * reading, VV_ENOTFOUND when there are no more.  Does X4 by itself before it says so for nth 0. */
MUST_CHECK enum vv_rc chunk_index_find(struct chunk_index *x, enum chunk_type type,
                                       const struct vv_id *id, uint32_t nth,
                                       struct chunk_location *ret, struct vv_error *err);

/** chunk_index_for_writing(x, session's condemned set and admin records, own client): from now on
 *  chunk_index_usable answers with X1 and X2.  The sets are borrowed. */
void chunk_index_for_writing(struct chunk_index *x, const struct condemned_set *condemned,
                             const struct admin_records *admin, const struct vv_uuid *client);
/** chunk_index_usable(x, type, id, ret, err): may a writer refer to this chunk instead of storing
 * it? Loads the segments at the first call, lists a shard at its first hit. */
MUST_CHECK enum vv_rc chunk_index_usable(struct chunk_index *x, enum chunk_type type,
                                         const struct vv_id *id, bool *ret, struct vv_error *err);

/** chunk_index_instance(x, not_this, ret, err): another listed instance of the same pack's bytes;
 *  for reading only (what is read is authenticated).  VV_ENOTFOUND. */
MUST_CHECK enum vv_rc chunk_index_instance(struct chunk_index *x, const struct pack_name *not_this,
                                           struct pack_name *ret, struct vv_error *err);
struct repo *chunk_index_repo(struct chunk_index *x);

/** Everything the index names, for stats and verify: calls ${fn} for each record of each segment
 * with its decoded directory. */
typedef enum vv_rc chunk_index_each_fn(void *ctx, const struct pack_name *name,
                                       const struct index_body *body, struct vv_error *err);
MUST_CHECK enum vv_rc chunk_index_each_pack(struct chunk_index *x, chunk_index_each_fn *fn,
                                            void *ctx, struct vv_error *err);
/** chunk_index_was_loaded(x): did anything need it?  (An unchanged backup must not.) */
bool chunk_index_was_loaded(const struct chunk_index *x);

/*
 * Records of this run, published as segments: after the 1st pack, then whenever a 32nd as many
 * packs are waiting as were indexed before, and at the end (so that a killed run loses little).
 * Thread-safe.
 */
struct index_writer;
MUST_CHECK enum vv_rc index_writer_new(struct repo *r, const struct client_keys *client,
                                       struct index_writer **ret, struct vv_error *err);
void index_writer_free(struct index_writer *w);
/** index_writer_dry_run(w): from now on records are counted and nothing is published; needs no
 *  client.  index_writer_bytes(w): sizes of the segments so far. */
void index_writer_dry_run(struct index_writer *w);
/** index_writer_gather(w, records): before anything is added: a segment for so many records. */
void index_writer_gather(struct index_writer *w, uint32_t records);
uint64_t index_writer_bytes(struct index_writer *w);
MUST_CHECK enum vv_rc index_writer_add(struct index_writer *w, const struct pack_name *name,
                                       uint64_t file_size, enum pack_class class,
                                       const struct pack_directory *directory,
                                       struct vv_error *err);
/** index_writer_attach(w, record, err): one that was made elsewhere, as it is: its signature leaves
 *  the suffix of ${record->name} out, so it may be attached to another instance.  For this ${client}
 *  of index_writer_new may be NULL. */
MUST_CHECK enum vv_rc index_writer_attach(struct index_writer *w, const struct index_record *record,
                                          struct vv_error *err);
/** index_writer_flush(w, err): publish what is waiting. */
MUST_CHECK enum vv_rc index_writer_flush(struct index_writer *w, struct vv_error *err);

#endif
