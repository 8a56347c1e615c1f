/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REPAIR_INTERNAL_H
#define VARVE_ENGINE_REPAIR_INTERNAL_H

#include "engine/repair.h"
#include "engine/scrub_internal.h"
#include "repo/pack_names.h"
#include "repo/snapshots.h"

/* Shared by repair*.c. */

struct chunk_reader; /* repo/pack_reader.h */

struct repair {
    struct repo *repo;
    const struct repair_options *options;
    struct vv_progress *progress;
    struct repo **others; /* opened without a key */
    size_t other_count;
    struct vv_buf bad;    /* struct pack_name: damaged instances, good ones beside them or not */
    struct vv_buf wanted; /* struct vv_id: hashes without a good instance */
    struct vv_buf aside; /* names, each ended by a zero byte: damaged, to be set aside at the end */
    struct repair_summary s;
};

/** repair_mended(x, name, how) and repair_lost(x, name, why): tell and count. */
void repair_mended(struct repair *x, const char *name, const char *how);
void repair_lost(struct repair *x, const char *name, const char *why);
/** repair_put(x, name, bytes, how, err): publish a good object, in place of a damaged one if one is
 *  there. */
MUST_CHECK enum vv_rc repair_put(struct repair *x, const char *name, struct vv_span bytes,
                                 const char *how, struct vv_error *err);
/** repair_read_object(r, name, limit, out, ret_there, err): from the device; what comes back wrong is read
 *  once more, so that only what is wrong for good is judged damaged.  *ret_there false: it is not
 *  there, or cannot be read. */
MUST_CHECK enum vv_rc repair_read_object(struct repo *r, const char *name, uint64_t limit,
                                         struct vv_buf *out, bool *ret_there, struct vv_error *err);
/** repair_note_aside(x, name, err): when all is done. */
MUST_CHECK enum vv_rc repair_note_aside(struct repair *x, const char *name, struct vv_error *err);
MUST_CHECK enum vv_rc repair_clear_aside(struct repair *x, struct vv_error *err);

/** repair_ends(rc): is it a failure that ends the run, not one of an object?  So is a place that stopped
 *  answering: what it holds is not lost. */
bool repair_ends(enum vv_rc rc);
/** repair_of_object(rc, err): a failure that is one of an object counts for nothing. */
MUST_CHECK enum vv_rc repair_of_object(enum vv_rc rc, struct vv_error *err);
bool repair_has_hash(const struct vv_buf *image, const struct vv_id *hash);
/** repair_mix(x, hash, chunks, theirs, image, ret_good, err): the pack put together, in ${image}, out of
 *  its damaged instances here and elsewhere (${theirs}); ${ret_good}: it has its hash. */
MUST_CHECK enum vv_rc repair_mix(struct repair *x, const struct vv_id *hash,
                                 struct chunk_reader *chunks, const struct vv_buf *theirs,
                                 struct vv_buf *image, bool *ret_good, struct vv_error *err);

/** repair_is_out(x, admin, packs, hash, snapshot, ret, err): is ${snapshot} in a grave, or was the session
 *  that wrote its record into the pack ${hash}, with instances in ${packs}, fenced or buried?  What is
 *  damaged for good is taken for no fence: a slot like that may as well have held the record, and then
 *  this is all that is left of it; a record that comes back for nothing is a whole snapshot that somebody
 *  can forget.  What may be read another time ends the run. */
MUST_CHECK enum vv_rc repair_is_out(struct repair *x, const struct admin_records *admin,
                                    const struct pack_names *packs, const struct vv_id *hash,
                                    const struct vv_uuid *snapshot, bool *ret,
                                    struct vv_error *err);

/** The steps, in this order. */
MUST_CHECK enum vv_rc repair_objects(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_read_packs(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_packs(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_index(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_records(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_suspects(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_files(struct repair *x, struct vv_error *err);
MUST_CHECK enum vv_rc repair_paths(struct repair *x, struct vv_error *err);

#endif
