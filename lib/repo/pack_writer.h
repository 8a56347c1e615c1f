/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_WRITER_H
#define VARVE_REPO_PACK_WRITER_H

#include "repo/block_proof.h"
#include "repo/chunk_index.h"
#include "repo/writer_session.h"

/*
 * The write side of a session: chunks -> blocks -> packs -> index records.  Every worker thread has
 * its own block_builder (open blocks, compression contexts); they share one pack_writer.
 *
 * Invariants:
 * P1  number and offset of a block are handed out together, after compression and before
 *     encryption; a (pack key, number) pair is used for one attempt: if encryption or the check
 *     fails, the run fails and the image with its secret is thrown away.
 * P2  a pack's secret is 32 fresh random bytes mixed with session, counter, time and its first
 *     chunk id.
 * P3  before publication every block is decoded from the finished image with keys derived anew from
 *     the header, and its chunk ids are recomputed and compared with the directory; one that moved as
 *     it is, and was decoded when it was read, is decrypted and compared with that (block_proof.h).
 * P4  name = SHA-256 of the image and a suffix drawn at publication.
 * P5  the index record is added only after publication returned VV_OK.
 * P6  a chunk is claimed by exactly one builder; whoever meets it later refers to it.  If
 *     publication of any pack fails the session never commits, so a claim never outlives a missing
 *     pack.
 * P7  images in memory: at most threads + 1 and no less than 3, and where publishing is mostly waiting
 *     (a storage with storage_parallel above 1) 4 more, for as many threads that do just that;
 *     1 more and 2 threads if the caller asks for it (behind).  Pack
 *     target grows with what the session has stored: a 256th of it, at least 4 MiB, at most 32 MiB
 *     (from 8 GiB), so that a killed run loses little and a small one needs little memory; and it is
 *     complete at so many chunks (pack_writer_chunks_max) that its directory, which is in memory some
 *     times over while it is finished, stays below 1.2 MB.
 *     Metadata packs: 2 MiB, which a run after a kill may have to find again; one that holds lists
 *     is closed early, when an eighth more data (at least 16 MiB) has been stored since it was
 *     begun.
 */
struct pack_writer;
struct block_builder;

/** P7: no more blocks go into a pack with so many chunks, however small it is.  A variable for tests. */
extern uint32_t pack_writer_chunks_max;

struct pack_writer_options {
    int level;        /* zstd level; 0: store without compression */
    unsigned threads; /* builders that will exist */
    uint8_t suite;    /* enum pack_suite; 0: the best this CPU has */
    /* For whoever moves chunks out of packs that are going to be deleted: */
    bool own_only;   /* only what was stored (or trusted) in this session is known */
    bool read_back;  /* a published pack is read from the storage and compared */
    bool behind;     /* threads of their own publish while builders go on; index records are made in
                      * the order of packs, eight a segment, so that a dry run foretells them */
    bool dry_run;    /* finished packs are counted and thrown away */
    uint64_t target; /* size of packs of all classes; 0: as P7 says */
};
/** What has been written so far (atomics; read at any time). */
struct pack_writer_counts {
    _Atomic uint64_t chunks_new;
    _Atomic uint64_t bytes_new; /* plaintext */
    _Atomic uint64_t packs_data;
    _Atomic uint64_t packs_metadata;
    _Atomic uint64_t bytes_stored;  /* sizes of published packs */
    _Atomic uint64_t bytes_indexed; /* sizes of their index segments, since the last flush */
};

/** pack_writer_new(r, s, x, o, ret, err): ${s} and ${x} may be NULL for a dry run with own_only. */
MUST_CHECK enum vv_rc pack_writer_new(struct repo *r, struct writer_session *s,
                                      struct chunk_index *x, const struct pack_writer_options *o,
                                      struct pack_writer **ret, struct vv_error *err);
/** pack_writer_free(w): aborts what is not published. */
void pack_writer_free(struct pack_writer *w);
VV_DEFINE_CLEANUP(struct pack_writer, pack_writer_free);
const struct pack_writer_counts *pack_writer_counts(const struct pack_writer *w);
/** pack_writer_parity_bytes(w): sizes of the parity objects of the packs published so far; waits until
 *  these are stored.  What could not be stored does not count. */
uint64_t pack_writer_parity_bytes(struct pack_writer *w);

/** pack_writer_flush(w, err): publish all open packs (after every builder was flushed), then all
 * index records.  May be followed by more chunks.  VV_EUSAGE if a claimed chunk is in no pack yet
 * (a builder was not flushed, or freed too early): nothing that refers to it may be committed then.
 * Any other failure, here and in every call below, is for good: the writer repeats it. */
MUST_CHECK enum vv_rc pack_writer_flush(struct pack_writer *w, struct vv_error *err);

/** pack_writer_salvage(w, err): give up what is not published; what is gets its index records, as
 *  far as there is space for them, so that others find it.  The writer has failed from then on. */
MUST_CHECK enum vv_rc pack_writer_salvage(struct pack_writer *w, struct vv_error *err);

MUST_CHECK enum vv_rc block_builder_new(struct pack_writer *w, struct block_builder **ret,
                                        struct vv_error *err);
void block_builder_free(struct block_builder *b);
VV_DEFINE_CLEANUP(struct block_builder, block_builder_free);

/** block_builder_put(b, kind, type, id, data, ret_new, err): store a chunk unless it is known
 * (claimed in this session, or usable in the repository).  The id has been computed by the caller;
 * the bytes are copied. */
MUST_CHECK enum vv_rc block_builder_put(struct block_builder *b, enum block_kind kind,
                                        enum chunk_type type, const struct vv_id *id,
                                        struct vv_span data, bool *ret_new, struct vv_error *err);
/** block_builder_move(b, block, content, chunks, proof, err): store a block of another pack as it is,
 *  compressed as it was: ${block}'s kind, flags, plaintext length and number of chunks count, and
 *  ${content} is what was encrypted.  It was decoded, and its chunks have their ids: ${proof} is of
 *  then (M1).  All its chunks are known from then on. */
MUST_CHECK enum vv_rc block_builder_move(struct block_builder *b, const struct pack_block *block,
                                         struct vv_span content, const struct pack_chunk *chunks,
                                         const struct block_proof *proof, struct vv_error *err);
/** pack_writer_knows(w, type, id, ret, err): would put refer to it?  (For entries taken over.) */
MUST_CHECK enum vv_rc pack_writer_knows(struct pack_writer *w, enum chunk_type type,
                                        const struct vv_id *id, bool *ret, struct vv_error *err);
/** pack_writer_trust(w, type, id, err): note a chunk of the live parent as known without a look-up
 *  (only under W8). */
MUST_CHECK enum vv_rc pack_writer_trust(struct pack_writer *w, enum chunk_type type,
                                        const struct vv_id *id, struct vv_error *err);
/** block_builder_defer(b): while others wait for what this thread is at.  A pack that it completes is
 *  not published before block_builder_publish, or before it stores another block. */
void block_builder_defer(struct block_builder *b);
/** block_builder_publish(b, err): end that, and publish what waits. */
MUST_CHECK enum vv_rc block_builder_publish(struct block_builder *b, struct vv_error *err);
/** block_builder_flush_kind(b, kind, err): close the open blocks of one kind (lists of a large
 *  file, so that they are published soon after its content). */
MUST_CHECK enum vv_rc block_builder_flush_kind(struct block_builder *b, enum block_kind kind,
                                               struct vv_error *err);
/** block_builder_flush(b, err): close its open blocks. */
MUST_CHECK enum vv_rc block_builder_flush(struct block_builder *b, struct vv_error *err);

#endif
