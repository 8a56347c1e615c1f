/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_READER_H
#define VARVE_REPO_PACK_READER_H

#include "repo/block_proof.h"
#include "repo/chunk_index.h"
#include "repo/repo.h"

/*
 * Reading packs.  Every byte handed out was authenticated, and chunk ids are recomputed by whoever
 * asks for a chunk (chunk_read) or a block with its directory.
 */

/** Opened packs' keys, shared by all threads (a bounded cache: opening costs an X25519 operation).
 */
struct pack_keys;
MUST_CHECK enum vv_rc pack_keys_new(struct repo *r, struct pack_keys **ret, struct vv_error *err);
void pack_keys_free(struct pack_keys *k);

/** One thread's reading tools: AEAD and zstd contexts, buffers. */
struct pack_reader;
MUST_CHECK enum vv_rc pack_reader_new(struct pack_keys *k, struct pack_reader **ret,
                                      struct vv_error *err);
void pack_reader_free(struct pack_reader *p);
VV_DEFINE_CLEANUP(struct pack_reader, pack_reader_free);

/** pack_read_block(p, loc, out, err): read, authenticate and decompress the block of a location
 * into
 *  ${out} (loc->block_plain bytes).  VV_ECORRUPT, VV_ENOTFOUND (pack is gone), storage errors. */
MUST_CHECK enum vv_rc pack_read_block(struct pack_reader *p, const struct chunk_location *loc,
                                      uint8_t *out, struct vv_error *err);
/** pack_read_block_from(p, image, loc, out, err): the same from the bytes of the whole pack in
 *  memory, some of which may be damaged. */
MUST_CHECK enum vv_rc pack_read_block_from(struct pack_reader *p, struct vv_span image,
                                           const struct chunk_location *loc, uint8_t *out,
                                           struct vv_error *err);

/** pack_read_content(p, loc, out, frame, ret_proof, err): as pack_read_block, and ${frame} gets the
 *  block's zstd frame, if it was stored as one (else it is emptied), ${ret_proof} the sum of what was
 *  encrypted. */
MUST_CHECK enum vv_rc pack_read_content(struct pack_reader *p, const struct chunk_location *loc,
                                        uint8_t *out, struct vv_buf *frame,
                                        struct block_proof *ret_proof, struct vv_error *err);

/** pack_read_directory(p, name, file_size, ret, ret_header, err): through the footer; the header is
 *  the authenticated one (one of its two places may be damaged). */
MUST_CHECK enum vv_rc pack_read_directory(struct pack_reader *p, const struct pack_name *name,
                                          uint64_t file_size, struct pack_directory *ret,
                                          struct pack_header *ret_header, struct vv_error *err);

/** pack_check_directory(p, name, image, ret, ret_class, err): as pack_check; what the pack really
 *  holds (pack_directory_release) and its class. */
MUST_CHECK enum vv_rc pack_check_directory(struct pack_reader *p, const struct pack_name *name,
                                           struct vv_span image, struct pack_directory *ret,
                                           enum pack_class *ret_class, struct vv_error *err);
/** pack_check(p, name, image, err): everything about a whole pack in memory: name, both headers,
 *  footer, directory, every block, every chunk id, padding.  ${image} is its bytes. */
MUST_CHECK enum vv_rc pack_check(struct pack_reader *p, const struct pack_name *name,
                                 struct vv_span image, struct vv_error *err);

/**
 * Chunks by id, with a cache of decoded blocks (${cache_bytes}).  Thread-safe.  Tries all
 * locations; the id is recomputed on every chunk handed out.
 */
struct chunk_reader;
MUST_CHECK enum vv_rc chunk_reader_new(struct repo *r, struct chunk_index *x, size_t cache_bytes,
                                       struct chunk_reader **ret, struct vv_error *err);
void chunk_reader_free(struct chunk_reader *c);
/** chunk_reader_strict(c): before anything is read: a damaged place is a problem also where a copy in
 *  another pack served; for whoever asks how the repository is, rather than for what is in it. */
void chunk_reader_strict(struct chunk_reader *c);
VV_DEFINE_CLEANUP(struct chunk_reader, chunk_reader_free);
/** chunk_read(c, type, id, out, err): append the chunk's bytes to ${out}.  VV_ECORRUPT if every
 *  location is damaged, VV_ENOTFOUND if there is none or its packs are gone; both only after a
 *  look-up begun after the failure (X4) and after every replica has been asked (replicas.h).
 *  Every copy in a pack that is there is tried, also in other instances of a pack, and after all of
 *  them what parity makes of the damaged ones.  Damaged places are reported once (event
 *  "block-damaged"): as a problem, or, where another copy served, as a warning. */
MUST_CHECK enum vv_rc chunk_read(struct chunk_reader *c, enum chunk_type type,
                                 const struct vv_id *id, struct vv_buf *out, struct vv_error *err);
/** chunk_read_here(c, type, id, out, err): the same without replicas. */
MUST_CHECK enum vv_rc chunk_read_here(struct chunk_reader *c, enum chunk_type type,
                                      const struct vv_id *id, struct vv_buf *out,
                                      struct vv_error *err);
/** chunk_read_instances(c, loc, type, id, out, err): from every listed instance of the pack that
 *  ${loc} names, also that one, in turn; the index is not read.  VV_ENOTFOUND if none has it. */
MUST_CHECK enum vv_rc chunk_read_instances(struct chunk_reader *c, const struct chunk_location *loc,
                                           enum chunk_type type, const struct vv_id *id,
                                           struct vv_buf *out, struct vv_error *err);
/** chunk_locate(c, type, id, ret, err): the first place of a chunk, or, if it is nowhere here, its
 *  place in a replica (which pack_read_block does not find, and chunk_read does). */
MUST_CHECK enum vv_rc chunk_locate(struct chunk_reader *c, enum chunk_type type,
                                   const struct vv_id *id, struct chunk_location *ret,
                                   struct vv_error *err);
/** chunk_reader_index(c), chunk_reader_keys(c): what it works with. */
/** chunk_read_ahead(c, type, id): it will be read soon: over a long line begin to fetch its block into
 *  the cache.  Nothing more than a hint; what is wrong with it, chunk_read says.  Loads the index. */
void chunk_read_ahead(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id);
struct chunk_index *chunk_reader_index(struct chunk_reader *c);
struct pack_keys *chunk_reader_keys(struct chunk_reader *c);

#endif
