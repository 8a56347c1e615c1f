/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_PARITY_H
#define VARVE_REPO_PACK_PARITY_H

#include "format/parity_object.h"
#include "repo/repo.h"

/*
 * Parity of packs at this site.  No key is needed for any of it.
 *
 * Y1  parity belongs to the bytes of a pack, so to its hash: it serves every instance, is named
 *     parity/<hh>/<hash>-<suffix> with a suffix of its own, and a damaged one is not replaced but
 *     joined by another;
 * Y2  it is an aid: nothing that is decided about deletion or presence looks at it, and a backup
 *     does not fail because parity cannot be stored;
 * Y3  what parity yields is believed no more than what the storage yields: blocks are authenticated,
 *     and a healed pack is published only when it has the hash in its name;
 * Y4  each site decides for itself (parity/decision-<n>); without a decision there is none.
 */
#define PARITY_OBJECT_TEXT (PACK_OBJECT_TEXT + 1)
/** parity_object_text(name, out): "parity/<hh>/<hash>-<suffix>". */
void parity_object_text(const struct pack_name *name, char out[PARITY_OBJECT_TEXT]);

/** parity_decision_read(r, ret, ret_number, err): what this site has decided; VV_ENOTFOUND if
 *  nothing.  *ret_number is the highest number in use, 0 if there is none.  A decision that is
 *  damaged, or another site's, is reported and passed over. */
MUST_CHECK enum vv_rc parity_decision_read(struct repo *r, struct parity_decision *ret,
                                           uint64_t *ret_number, struct vv_error *err);
/** parity_decide(r, on, err): from now on; nothing is published if that is how it is. */
MUST_CHECK enum vv_rc parity_decide(struct repo *r, bool on, struct vv_error *err);
/** parity_wanted(r, ret, err): is the parity of new packs to be stored here? */
MUST_CHECK enum vv_rc parity_wanted(struct repo *r, bool *ret, struct vv_error *err);

/** pack_parity_publish(r, hash, image, ret_size, err): compute the parity of a whole pack and store
 *  it. */
MUST_CHECK enum vv_rc pack_parity_publish(struct repo *r, const struct vv_id *hash,
                                          struct vv_span image, uint64_t *ret_size,
                                          struct vv_error *err);
/** pack_parity_heal(r, name, image, ret, err): read a pack as far as it can be and compute what is
 *  damaged; ${image} holds its bytes then, right where ret->lost does not say otherwise.
 *  VV_ENOTFOUND: there is no parity that can be used, or no such pack. */
MUST_CHECK enum vv_rc pack_parity_heal(struct repo *r, const struct pack_name *name,
                                       struct vv_buf *image, struct parity_outcome *ret,
                                       struct vv_error *err);
/** pack_parity_describe(o, out): "65536 bytes from 131072, 10 bytes from ..." of what is lost. */
void pack_parity_describe(const struct vv_buf *ranges, struct vv_buf *out);

/*
 * Parity of packs that are being written, stored by a thread of its own, a few packs behind.  What
 * cannot be stored is told once (event "parity-failed") and counted: scrub makes up for it.
 */
struct parity_writer;
struct parity_counts {
    uint64_t objects;
    uint64_t bytes;
    uint64_t failed;
};
MUST_CHECK enum vv_rc parity_writer_new(struct repo *r, struct parity_writer **ret,
                                        struct vv_error *err);
/** parity_writer_dry_run(w): from now on objects are counted as if they were stored, and are not even
 *  computed. */
void parity_writer_dry_run(struct parity_writer *w);
/** parity_writer_add(w, hash, image): compute and hand over; ${image} is not used afterwards.
 *  Waits while the thread is far behind.  Thread-safe. */
void parity_writer_add(struct parity_writer *w, const struct vv_id *hash, struct vv_span image);
/** parity_writer_wait(w): until all that was handed over is stored.  NULL: nothing. */
void parity_writer_wait(struct parity_writer *w);
struct parity_counts parity_writer_counts(struct parity_writer *w);
/** parity_writer_free(w): waits first.  NULL: nothing. */
void parity_writer_free(struct parity_writer *w);
VV_DEFINE_CLEANUP(struct parity_writer, parity_writer_free);

#endif
