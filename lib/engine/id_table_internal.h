/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_ID_TABLE_INTERNAL_H
#define VARVE_ENGINE_ID_TABLE_INTERNAL_H

#include "format/common.h"

/*
 * A set of whole ids on the heap, each with a number: nodes and lists already seen, chunks that
 * cannot be read, who refers to a chunk.  48 to 60 bytes an id.  Not thread-safe.  Ids are keyed
 * hashes, so their own bytes place them; what a hostile writer could choose is not worth anything
 * here (a slow table).
 */
struct id_slot {
    struct vv_id id;
    uint32_t value;
    uint32_t len; /* plaintext bytes, where the user of the table wants them */
    bool used;
};
struct id_table {
    struct id_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

void id_table_release(struct id_table *t);

/** id_table_put(t, id, ret, err): the slot of ${id}, made (value and len 0) if it is not there.
 *  *ret_new tells which.  Valid until the next put. */
MUST_CHECK enum vv_rc id_table_put(struct id_table *t, const struct vv_id *id, struct id_slot **ret,
                                   bool *ret_new, struct vv_error *err);
/** id_table_find(t, id): the slot, or NULL. */
struct id_slot *id_table_find(const struct id_table *t, const struct vv_id *id);

#endif
