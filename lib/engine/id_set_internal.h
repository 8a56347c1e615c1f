/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_ID_SET_INTERNAL_H
#define VARVE_ENGINE_ID_SET_INTERNAL_H

#include "repo/live_chunks.h"

/*
 * A set of the first 16 bytes of ids: which nodes and lists were seen.  16 to 32 bytes an id, a
 * third of an id_table's.  Ids are keyed hashes; two that share 16 bytes do not turn up, and
 * nobody can make one share them with an id of somebody else.  Not thread-safe.
 */
struct id_set {
    struct live_key *slots; /* zeros: free */
    size_t size;            /* a power of two, or 0 */
    size_t count;
    bool zero; /* the id whose key is zeros is in it */
};
void id_set_release(struct id_set *s);
/** id_set_put(s, id, ret_new, err): *ret_new: it was not in it. */
MUST_CHECK enum vv_rc id_set_put(struct id_set *s, const struct vv_id *id, bool *ret_new,
                                 struct vv_error *err);

#endif
