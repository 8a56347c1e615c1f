/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_WRITER_INTERNAL_H
#define VARVE_REPO_PACK_WRITER_INTERNAL_H

#include "core/thread.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "repo/claim_table_internal.h"
#include "repo/pack_parity.h"
#include "repo/pack_writer.h"

/* Shared by pack_writer.c, pack_publish.c, pack_upload.c, block_builder.c, pack_image.c and
 * pack_image_check.c. */

#define PACK_TARGET_MIN (4u << 20)
#define PACK_TARGET_MAX (32u << 20)
#define PACK_TARGET_METADATA (2u << 20) /* what a kill leaves unpublished is found again */
#define PACK_LISTS_SHARE 8u /* lists wait for publication while at most an eighth more data comes */
#define PACK_LISTS_MIN (16u << 20)
#define PACK_TARGET_SHARE 256u /* P7: a pack is at most this part of what the session has stored */
#define PACK_UPLOADERS 4u      /* where the storage is far away */
#define PACK_PUBLISHERS 2u     /* elsewhere, if asked for: one waits while another computes */
#define PACK_RECORDS 8u        /* and so many records to an index segment */
#define PACK_CLASSES 4u        /* arrays by enum pack_class */

/* --- one pack in memory ----------------------------------------------------------------------- */

/** Memory a finished image leaves for the next one. */
struct image_memory {
    uint8_t *data;
    size_t cap;
};

/**
 * A pack being filled.  Written under the writer's lock: everything but the bytes of blocks, which
 * each builder encrypts into the range it reserved, without a lock.  Once closed and with nothing
 * outstanding it belongs to the thread that completed the last block.
 */
struct pack_image {
    enum pack_class class;
    enum pack_suite suite;
    uint64_t serial;          /* counts this writer's images from 1 */
    struct vv_id id;          /* of the header */
    struct secret *key;       /* pack key */
    struct secret *ephemeral; /* what its secret was sealed with; NULL: the key can open packs */
    struct image_memory memory;
    size_t len; /* header and the blocks handed out; when finished, all of it */
    struct pack_directory directory;
    struct block_proof *proofs; /* by block */
    uint32_t block_room;
    uint32_t chunk_room;
    uint64_t target;
    uint32_t outstanding;    /* blocks handed out and not completed */
    uint64_t data_before;    /* metadata: data the session had stored when this image was opened */
    bool lists;              /* metadata: holds chunk lists */
    bool closed;             /* no more blocks */
    bool spoiled;            /* a block failed: never published (P1) */
    struct pack_image *next; /* finished and waiting for an uploader */
    uint64_t order;          /* how many were handed to uploaders before */
};

/** What an image is made from. */
struct pack_image_origin {
    const struct keyring *keyring;
    struct vv_uuid session;
    struct vv_uuid client;
    uint32_t epoch;
    uint64_t serial;
    int64_t time;
    enum pack_class class;
    enum pack_suite suite;
    uint64_t target;
    uint64_t filled; /* how large it is going to be, about: that much lies in huge pages */
};
/** A block ready to be stored, and where the writer put it. */
struct block_draft {
    enum block_kind kind;
    uint8_t flags;
    uint32_t plain_len;
    struct vv_span content; /* what is encrypted: plaintext or its zstd frame */
    const struct pack_chunk *chunks;
    uint32_t chunk_count;
    const struct block_proof *proof; /* NULL: not moved, but made */
};
struct block_place {
    struct pack_image *image;
    uint32_t number;
    uint32_t offset;
};

/** pack_image_room(o, first): bytes of memory for an image that begins with ${first}. */
uint64_t pack_image_room(const struct pack_image_origin *o, const struct block_draft *first);
/** pack_image_new(o, first, memory, ret, err): an image with a header and no blocks, with room for
 *  ${first}.  Takes ${memory} (left empty) if that is large enough. */
MUST_CHECK enum vv_rc pack_image_new(const struct pack_image_origin *o,
                                     const struct block_draft *first, struct image_memory *memory,
                                     struct pack_image **ret, struct vv_error *err);
/** pack_image_free(image, keep): ${keep}, unless NULL, gets the memory. */
void pack_image_free(struct pack_image *image, struct image_memory *keep);
/** pack_image_fits(image, draft): is there room, also in numbers? */
bool pack_image_fits(const struct pack_image *image, const struct block_draft *draft);
/** pack_image_reserve(image, draft, ret, err): number and offset of a block that fits (P1). */
MUST_CHECK enum vv_rc pack_image_reserve(struct pack_image *image, const struct block_draft *draft,
                                         struct block_place *ret, struct vv_error *err);
/** pack_image_full(image): it has reached its target, and padding would be small (or it is so large
 *  that this does not matter any more). */
bool pack_image_full(const struct pack_image *image);
/** pack_image_seal(image, aead, place, draft, err): encrypt a block into its place.  ${aead} holds
 *  the image's key. */
MUST_CHECK enum vv_rc pack_image_seal(const struct pack_image *image, struct aead *aead,
                                      const struct block_place *place,
                                      const struct block_draft *draft, struct vv_error *err);
/** pack_image_finish(image, err): padding, directory, copy of the header, footer. */
MUST_CHECK enum vv_rc pack_image_finish(struct pack_image *image, struct vv_error *err);

/** pack_nonce(number, out): the nonce of a record. */
void pack_nonce(uint32_t number, uint8_t out[12]);
/** pack_padding(key, out, len): the keystream that fills the gap before the directory. */
void pack_padding(const uint8_t key[32], uint8_t *out, size_t len);

/* --- looking at a finished pack (P3) ---------------------------------------------------------- */

/** One thread's tools. */
struct image_checker;
MUST_CHECK enum vv_rc image_checker_new(struct image_checker **ret, struct vv_error *err);
void image_checker_free(struct image_checker *c);
VV_DEFINE_CLEANUP(struct image_checker, image_checker_free);
/** What is decoded while an image is looked at: megabytes, which come from the system page by page if
 *  they are not kept for the next image.  {0} is empty; a checker of its own for every thread that
 *  publishes now and then would keep as many of them. */
struct check_memory {
    struct vv_buf frame; /* a decrypted record */
    struct vv_buf plain; /* decoded blocks, one behind the other */
};
void check_memory_release(struct check_memory *m);

/** A finished pack in memory, and what whoever made it knows beside its bytes. */
struct finished_image {
    struct vv_span bytes;
    const uint8_t *ephemeral; /* what its secret was sealed with; NULL: the key opens packs */
    const struct block_proof *proofs; /* of its blocks; NULL: a stranger's */
    uint32_t proof_count;
};
/** image_check(c, memory, keyring, image, ret, err): decode everything from the bytes alone, with keys
 *  derived from the header, and recompute all chunk ids; of blocks that moved as they are (M1), decrypt
 *  everything, and compare.  ${ret}: the directory that was found.  VV_ECORRUPT if anything is not as
 *  it must be. */
MUST_CHECK enum vv_rc image_check(struct image_checker *c, struct check_memory *memory,
                                  const struct keyring *k, const struct finished_image *image,
                                  struct pack_directory *ret, struct vv_error *err);

/* --- the state builders share ----------------------------------------------------------------- */

#define SPARE_MEMORIES 4u
#define SPARE_CHECKS 2u

struct pack_writer {
    struct repo *repo;
    struct writer_session *session;
    struct chunk_index *index;
    struct index_writer *index_writer;
    struct claim_table *claims;
    struct parity_writer *parity; /* NULL: this site keeps none */
    int level;
    enum pack_suite suite;
    bool own_only;
    bool read_back;
    bool dry_run;
    uint64_t target;     /* 0: P7 */
    unsigned images_max; /* P7 */
    struct pack_writer_counts counts;
    _Atomic uint64_t unstored; /* claimed chunks that are in no published pack (P6) */
    atomic_bool failed;

    struct vv_mutex lock; /* guards everything below, and images (see above) */
    struct vv_cond room;  /* an image is gone, or the writer failed */
    struct pack_image *open[PACK_CLASSES];
    unsigned images;
    unsigned images_peak;
    uint64_t serial;
    uint64_t stored[PACK_CLASSES];                 /* sizes of closed images */
    struct image_memory spare[SPARE_MEMORIES];     /* within images_max */
    struct check_memory spare_check[SPARE_CHECKS]; /* however many threads publish */
    struct pack_image *finished;                   /* first of those no uploader has taken yet */
    uint64_t handed;                               /* to uploaders so far */
    uint64_t indexed;                              /* of these, in order */
    bool closing;                                  /* the uploaders end when that is empty */
    enum vv_rc failure_rc;
    struct vv_error failure;
    /* Set before anybody else uses the writer: */
    struct pack_uploader *uploaders;
    unsigned uploader_count;
};

/* pack_upload.c */
/** pack_uploaders_start(w, count, err): threads that publish; on failure stop them too. */
MUST_CHECK enum vv_rc pack_uploaders_start(struct pack_writer *w, unsigned count,
                                           struct vv_error *err);
/** pack_uploaders_stop(w): wait for what was handed over. */
void pack_uploaders_stop(struct pack_writer *w);
/** pack_writer_hand_over(w, image, checker): an uploader publishes it, or this very thread where
 *  there are none. */
void pack_writer_hand_over(struct pack_writer *w, struct pack_image *image,
                           struct image_checker *checker);
/** pack_writer_publish(w, image, checker): publish a closed image that nobody else uses, or throw it
 *  away when the run has failed.  A failure is noted in the writer. */
void pack_writer_publish(struct pack_writer *w, struct pack_image *image,
                         struct image_checker *checker);

/** pack_writer_check(w, err): the failure that ended this writer, if there was one. */
MUST_CHECK enum vv_rc pack_writer_check(struct pack_writer *w, struct vv_error *err);
/** pack_writer_fail(w, rc, err): from now on everything fails; the first failure is kept. */
enum vv_rc pack_writer_fail(struct pack_writer *w, enum vv_rc rc, const struct vv_error *err);
/** pack_writer_fail_locked(w, rc, err): the same for whoever holds the lock; rc is none but a failure. */
void pack_writer_fail_locked(struct pack_writer *w, enum vv_rc rc, const struct vv_error *err);
/** pack_writer_reserve(w, draft, checker, ret, err): a place in the open pack of the block's class;
 *  may publish a pack that is too full for it, or wait for another thread to publish one.  Each
 *  success is followed by a complete. */
MUST_CHECK enum vv_rc pack_writer_reserve(struct pack_writer *w, const struct block_draft *draft,
                                          struct image_checker *checker, struct block_place *ret,
                                          struct vv_error *err);
/** pack_writer_complete(w, image, sealed, ret_ready, err): a reserved block was encrypted with result
 *  ${sealed}, which is returned.  Whoever completes the last block of a closed pack gets it in
 *  *ret_ready, and hands it over before it waits for anybody. */
MUST_CHECK enum vv_rc pack_writer_complete(struct pack_writer *w, struct pack_image *image,
                                           enum vv_rc sealed, struct pack_image **ret_ready,
                                           struct vv_error *err);

/** For tests: called with each finished image before it is checked; how many images there were at
 *  once. */
extern void (*pack_writer_test_hook)(uint8_t *image, size_t len);
unsigned pack_writer_images_peak(const struct pack_writer *w);

#endif
