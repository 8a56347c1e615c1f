/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_CLAIM_TABLE_INTERNAL_H
#define VARVE_REPO_CLAIM_TABLE_INTERNAL_H

#include "format/common.h"

/*
 * The chunk ids a session has claimed, or knows of its live parent.  Thread-safe.  Heap use is
 * about 11 bytes an id: a slot is a 32-bit fingerprint and the number of a record; the records
 * (whole ids) are appended to an unlinked temporary file (in memory if that cannot be written), and every hit is
 * confirmed there.  Ids of
 * different chunk types are made with different keys, so the type need not be kept.
 */
struct claim_table;

/** claim_table_new(temp_dir, ret, err): the file is made when the first ids must be written out. */
MUST_CHECK enum vv_rc claim_table_new(const char *temp_dir, struct claim_table **ret,
                                      struct vv_error *err);
void claim_table_free(struct claim_table *t);
VV_DEFINE_CLEANUP(struct claim_table, claim_table_free);

/** claim_table_claim(t, id, ret_new, err): of all who claim an id, exactly one gets true. */
MUST_CHECK enum vv_rc claim_table_claim(struct claim_table *t, const struct vv_id *id,
                                        bool *ret_new, struct vv_error *err);
MUST_CHECK enum vv_rc claim_table_contains(struct claim_table *t, const struct vv_id *id, bool *ret,
                                           struct vv_error *err);

/** For tests and statistics: ids, and bytes of heap, while nobody else uses the table. */
uint64_t claim_table_count(const struct claim_table *t);
uint64_t claim_table_heap(const struct claim_table *t);

#endif
