/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_RECORD_CHUNKS_H
#define VARVE_REPO_RECORD_CHUNKS_H

#include "repo/repo.h"

/** record_chunks_ids(r, without, count, out, err): append the ids (32 bytes each) of the chunks in
 *  which packs may hold copies of the snapshot records now in slots, each with one of its client's
 *  certificates: from them slots and certificates can be rebuilt.  Not every one of them need exist.
 *  Those of the snapshots ${without} are left out. */
MUST_CHECK enum vv_rc record_chunks_ids(struct repo *r, const struct vv_uuid *without, size_t count,
                                        struct vv_buf *out, struct vv_error *err);

#endif
