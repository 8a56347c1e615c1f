/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PACK_HEALER_INTERNAL_H
#define VARVE_ENGINE_PACK_HEALER_INTERNAL_H

#include "format/index.h"
#include "repo/repo.h"

/*
 * Packs that come back as new instances, in a session of kind repair: scrub and repair.  Publishes
 * only bytes with the hash they are to have.  Needs no key.
 */
struct pack_healer;

/** pack_healer_begin(r, hashes, count, ret, err): register the session, then look up the index
 *  records of these hashes. */
MUST_CHECK enum vv_rc pack_healer_begin(struct repo *r, const struct vv_id *hashes, size_t count,
                                        struct pack_healer **ret, struct vv_error *err);
/** pack_healer_free(h): a session that was not finished stays open. */
void pack_healer_free(struct pack_healer *h);
VV_DEFINE_CLEANUP(struct pack_healer, pack_healer_free);

/** pack_healer_condemned(h, name): may this instance be left alone, because a prune is to delete it? */
bool pack_healer_condemned(const struct pack_healer *h, const struct pack_name *name);
/** pack_healer_add_record(h, record, err): a record from elsewhere, unless there is one. */
MUST_CHECK enum vv_rc pack_healer_add_record(struct pack_healer *h,
                                             const struct index_record *record,
                                             struct vv_error *err);
/** pack_healer_put(h, hash, image, ret, err): publish, read back, attach index records.
 *  VV_ECORRUPT if ${image} does not have the hash, or was stored wrong. */
MUST_CHECK enum vv_rc pack_healer_put(struct pack_healer *h, const struct vv_id *hash,
                                      struct vv_span image, struct pack_name *ret,
                                      struct vv_error *err);
/** pack_healer_attach(h, name, err): give a good instance, which has none, the records of its
 *  hash. */
MUST_CHECK enum vv_rc pack_healer_attach(struct pack_healer *h, const struct pack_name *name,
                                         struct vv_error *err);
/** pack_healer_finish(h, err): publish waiting index records and end the session. */
MUST_CHECK enum vv_rc pack_healer_finish(struct pack_healer *h, struct vv_error *err);

#endif
