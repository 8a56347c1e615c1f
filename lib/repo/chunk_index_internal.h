/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_CHUNK_INDEX_INTERNAL_H
#define VARVE_REPO_CHUNK_INDEX_INTERNAL_H

#include "core/thread.h"
#include "repo/index_table_internal.h"

#define SHARDS 256u

/** A table that look-ups may be using while another takes its place. */
struct live_table {
    struct index_table t;
    struct table_builder data;  /* where the table lies if it is not mapped */
    struct pack_name *suspects; /* as known when it was made; sorted */
    size_t suspect_count;
    unsigned users; /* guarded by the index' lock; freed by the last */
};

/** A pack as a listing shows it. */
struct listed_pack {
    struct pack_name name;
    uint64_t size;
};
/** What is listed in one packs/xx directory. */
struct shard {
    struct listed_pack *packs; /* sorted by name */
    size_t count;
    bool listed;
};

struct chunk_index {
    struct repo *repo;
    struct vv_mutex lock;       /* guards all below but the members for writing */
    struct live_table *table;   /* NULL: not loaded */
    struct live_table *recent;  /* little that came after it, on the heap; NULL: it is merged */
    struct live_table *orphans; /* packs no segment names; NULL: not looked for */
    _Atomic bool often;         /* chunk_index_often, maybe while it is loaded ahead */
    uint64_t generation;        /* counts what was read: 0 nothing yet */
    bool widened;               /* X4, since the slots were listed for the widened_at-th time: */
    bool widened_orphans;       /* segments read again; orphans looked for */
    uint64_t widened_at;
    struct shard shards[SHARDS];
    struct vv_thread ahead; /* of chunk_index_ahead; belongs to the owner, not to the lock */
    /* for writing, set before threads start; NULL: reading only */
    const struct condemned_set *condemned;
    const struct admin_records *admin;
    struct vv_uuid client;
};

/** index_load(x, err): bring x->table up to date, count a generation.  Lock held. */
MUST_CHECK enum vv_rc index_load(struct chunk_index *x, struct vv_error *err);
/** live_table_put(t): give up one use.  Lock held. */
void live_table_put(struct live_table *t);
/** index_forget_shards(x): lock held. */
void index_forget_shards(struct chunk_index *x);

/** The index as one look-up sees it. */
struct index_view {
    struct live_table *table;
    struct live_table *recent; /* NULL: there is none */
    struct live_table *orphans;
    uint64_t generation;
};
/** index_view_open(x, ret, err): loads if nothing is loaded yet. */
MUST_CHECK enum vv_rc index_view_open(struct chunk_index *x, struct index_view *ret,
                                      struct vv_error *err);
void index_view_close(struct chunk_index *x, struct index_view *v);
/** index_view_pick(v, type, id, nth, ret): the ${nth} location, the most trustworthy first. */
MUST_CHECK bool index_view_pick(const struct index_view *v, enum chunk_type type,
                                const struct vv_id *id, uint32_t nth, struct chunk_location *ret);
/** index_newer(x, generation, err): make sure that what is loaded was read after ${generation}. */
MUST_CHECK enum vv_rc index_newer(struct chunk_index *x, uint64_t generation, struct vv_error *err);
/** index_widen(x, generation, ret_more, err): X4 after a look-up in ${generation} found nothing
 *  that can be read; false if there is nowhere else to look. */
MUST_CHECK enum vv_rc index_widen(struct chunk_index *x, uint64_t generation, bool *ret_more,
                                  struct vv_error *err);
/** index_same_hash(x, hash, nth, ret, err): the ${nth} listed instance of a pack, also of the same
 *  name; VV_ENOTFOUND. */
MUST_CHECK enum vv_rc index_same_hash(struct chunk_index *x, const struct vv_id *hash, uint32_t nth,
                                      struct pack_name *ret, struct vv_error *err);
/** index_instance(x, name, nth, ret, err): the ${nth} other listed instance of a pack. */
MUST_CHECK enum vv_rc index_instance(struct chunk_index *x, const struct pack_name *name,
                                     uint32_t nth, struct pack_name *ret, struct vv_error *err);

#endif
