/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_PARITY_OBJECT_H
#define VARVE_FORMAT_PARITY_OBJECT_H

#include "format/common.h"

/*
 * Parity: a side object of kind Y, parity/<hh>/<hash of the pack>-<suffix>, from which a damaged
 * pack is computed again.  No key is needed to make, check or use it.
 *
 *   table | code shard 0 | code shard 1 | the table once more | u32 length of a table | trailer
 *
 * A pack of P bytes is 32 data shards of S = ceil(P / 32) bytes, one after the other, the last ones
 * padded with zeros; the code shards are those of parity/reed_solomon.h.  Every shard consists of
 * stripes of 16 KiB, the last one shorter; a stripe of one shard is a cell.  The code works stripe
 * by stripe: as many as two damaged cells in each of them are computed from the others.
 *
 * Table: 24 B container header | u64 P | 32 B SHA-256 of the pack | per stripe, per shard 0 to 33:
 *   u64 checksum of the cell (XXH64, padding included) | SHA-256 of the table so far
 *
 * The table is there twice and has a hash of its own, and cells have checksums, so that a damaged
 * parity object still heals what it can.
 */
#define PARITY_STRIPE (16u << 10)
#define LIMIT_PARITY (80u << 20)

struct parity_object {
    struct vv_uuid repository;
    struct vv_id pack; /* SHA-256 of the pack: the first half of its name */
    uint64_t pack_size;
    size_t shard_len;
    uint32_t stripes;
    const uint8_t *checksums; /* u64 each; borrowed */
    struct vv_span code[2];   /* what is there of the code shards; borrowed */
    bool whole;               /* nothing about the object is damaged */
};

/** parity_object_size(pack_size): of the parity of such a pack, of 1 byte to LIMIT_PACK. */
uint64_t parity_object_size(uint64_t pack_size);
/** parity_object_encode(image, hash, repo, out, err): the parity of a pack, ${image}, of 1 byte to
 *  LIMIT_PACK, whose SHA-256 is ${hash}.  Appends to ${out}, which is empty. */
MUST_CHECK enum vv_rc parity_object_encode(struct vv_span image, const struct vv_id *hash,
                                           const struct vv_uuid *repo, struct vv_buf *out,
                                           struct vv_error *err);
/** parity_object_decode(object, repo, ret, err): VV_ECORRUPT if neither table can be used; a NULL
 *  ${repo}: of whatever repository. */
MUST_CHECK enum vv_rc parity_object_decode(struct vv_span object, const struct vv_uuid *repo,
                                           struct parity_object *ret, struct vv_error *err);

/** Bytes of a pack. */
struct parity_range {
    uint64_t offset;
    uint64_t len;
};
/** What became of a pack; release with parity_outcome_release. */
struct parity_outcome {
    struct vv_buf rebuilt; /* struct parity_range, ascending: was damaged and is computed */
    struct vv_buf lost;    /* likewise: damaged beyond what parity can do; as it was found */
    bool whole;            /* the image has the SHA-256 of the pack now */
};
void parity_outcome_release(struct parity_outcome *o);
/** parity_object_heal(o, image, present, ret, err): ${image} has room for o->pack_size bytes, the
 *  first ${present} of which are as found (a pack that was cut short has fewer; what it has beyond
 *  its size is left out).  Computes what is damaged and can be. */
MUST_CHECK enum vv_rc parity_object_heal(const struct parity_object *o, uint8_t *image,
                                         uint64_t present, struct parity_outcome *ret,
                                         struct vv_error *err);

/** What a site has decided about parity: parity/decision-<n>, kind Q, body: site | u8 1 on, 2 off |
 *  i64 time | 16 random bytes.  The one with the highest n counts. */
struct parity_decision {
    struct vv_uuid site;
    bool on;
    int64_t time;
    uint8_t nonce[16];
};
MUST_CHECK enum vv_rc parity_decision_encode(const struct parity_decision *d,
                                             const struct vv_uuid *repo, struct vv_buf *out,
                                             struct vv_error *err);
MUST_CHECK enum vv_rc parity_decision_decode(struct vv_span object, const struct vv_uuid *repo,
                                             struct parity_decision *ret, struct vv_error *err);

#endif
