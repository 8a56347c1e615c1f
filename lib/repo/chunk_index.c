/* SPDX-License-Identifier: BSD-2-Clause */
/* The index: look-ups for reading. */

#include "repo/chunk_index.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/chunk_index_internal.h"
#include "repo/repo_internal.h"

static enum vv_rc
make(struct repo *r, struct chunk_index **ret, struct vv_error *err)
{
    struct chunk_index *x = vv_alloc_array(1, sizeof(*x));

    if (x == NULL) {
        return vv_error_nomem(err);
    }
    x->repo = r;
    vv_mutex_init(&x->lock);
    *ret = x;
    return VV_OK;
}

static void
load_ahead(void *arg)
{
    struct vv_error ignored = {0};

    if (chunk_index_load(arg, &ignored) != VV_OK) {
        return; /* whoever needs the index tries again */
    }
}

void
chunk_index_ahead(struct repo *r)
{
    struct chunk_index *x = NULL;

    if (storage_parallel(repo_storage(r)) <= 1 || make(r, &x, NULL) != VV_OK) {
        return;
    }
    if (vv_thread_start(&x->ahead, "index", load_ahead, x, NULL) != VV_OK) {
        chunk_index_free(x);
        return;
    }
    chunk_index_free(repo_index_ahead(r, x));
}

enum vv_rc
chunk_index_open(struct repo *r, struct chunk_index **ret, struct vv_error *err)
{
    struct chunk_index *x = repo_index_ahead(r, NULL);

    if (x == NULL) {
        return make(r, ret, err);
    }
    *ret = x;
    return VV_OK;
}

void
chunk_index_free(struct chunk_index *x)
{
    if (x == NULL) {
        return;
    }
    vv_thread_join(&x->ahead);
    live_table_put(x->table);
    live_table_put(x->recent);
    live_table_put(x->orphans);
    index_forget_shards(x);
    vv_mutex_release(&x->lock);
    vv_free(x);
}

void
chunk_index_often(struct chunk_index *x)
{
    atomic_store(&x->often, true);
}

struct repo *
chunk_index_repo(struct chunk_index *x)
{
    return x->repo;
}

enum vv_rc
index_view_open(struct chunk_index *x, struct index_view *ret, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&x->lock);
    if (x->table == NULL) {
        rc = index_load(x, err);
    }
    if (rc == VV_OK) {
        *ret = (struct index_view){x->table, x->recent, x->orphans, x->generation};
        ret->table->users++;
        if (ret->recent != NULL) {
            ret->recent->users++;
        }
        if (ret->orphans != NULL) {
            ret->orphans->users++;
        }
    }
    vv_mutex_unlock(&x->lock);
    return rc;
}

void
index_view_close(struct chunk_index *x, struct index_view *v)
{
    vv_mutex_lock(&x->lock);
    live_table_put(v->table);
    live_table_put(v->recent);
    live_table_put(v->orphans);
    vv_mutex_unlock(&x->lock);
    memset(v, 0, sizeof(*v));
}

enum vv_rc
chunk_index_load(struct chunk_index *x, struct vv_error *err)
{
    struct index_view v;

    VV_TRY(index_view_open(x, &v, err));
    index_view_close(x, &v);
    return VV_OK;
}

enum vv_rc
chunk_index_reload(struct chunk_index *x, struct vv_error *err)
{
    enum vv_rc rc;

    vv_mutex_lock(&x->lock);
    rc = index_load(x, err);
    vv_mutex_unlock(&x->lock);
    return rc;
}

void
chunk_index_trim(struct chunk_index *x)
{
    vv_mutex_lock(&x->lock);
    if (x->table != NULL && x->table->t.map != NULL) {
        table_let_go(x->table->t.map, x->table->t.map_len);
    }
    vv_mutex_unlock(&x->lock);
}

bool
chunk_index_was_loaded(const struct chunk_index *x)
{
    struct vv_mutex *lock = (struct vv_mutex *)(uintptr_t)&x->lock;
    bool loaded;

    vv_mutex_lock(lock);
    loaded = x->table != NULL;
    vv_mutex_unlock(lock);
    return loaded;
}

/** X3: authentic records first, those of nobody known behind them, suspect packs last. */
#define RANKS 3u
static unsigned
rank_of(const struct live_table *l, const struct table_pack *p)
{
    if (l->suspect_count > 0 && bsearch(&p->name, l->suspects, l->suspect_count, sizeof(p->name),
                                        pack_name_order) != NULL) {
        return 2;
    }
    return p->signature == TABLE_SIGNED ? 0 : 1;
}

/** The nth location of one rank; counts ${*nth} down by those passed. */
static bool
pick_ranked(const struct live_table *l, unsigned rank, enum chunk_type type, const struct vv_id *id,
            uint32_t *nth, struct chunk_location *ret)
{
    const struct index_table *t = &l->t;
    uint64_t count;
    const struct table_record *records = table_records_of(t, type, id, &count);

    for (uint64_t i = 0; i < count; i++) {
        const struct table_pack *p = table_pack_of(t, &records[i]);
        if (p == NULL || records[i].type != type || rank_of(l, p) != rank) {
            continue;
        }
        if ((*nth)-- == 0) {
            table_location(t, &records[i], ret);
            return true;
        }
    }
    return false;
}

bool
index_view_pick(const struct index_view *v, enum chunk_type type, const struct vv_id *id,
                uint32_t nth, struct chunk_location *ret)
{
    uint32_t left = nth;

    for (unsigned rank = 0; rank < RANKS; rank++) {
        if (pick_ranked(v->table, rank, type, id, &left, ret) ||
            (v->recent != NULL && pick_ranked(v->recent, rank, type, id, &left, ret)) ||
            (v->orphans != NULL && pick_ranked(v->orphans, rank, type, id, &left, ret))) {
            return true;
        }
    }
    return false;
}

enum vv_rc
index_newer(struct chunk_index *x, uint64_t generation, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&x->lock);
    if (x->generation <= generation) {
        rc = index_load(x, err);
    }
    vv_mutex_unlock(&x->lock);
    return rc;
}

/** Look for packs no segment names.  Lock held. */
static enum vv_rc
load_orphans(struct chunk_index *x, struct vv_error *err)
{
    struct live_table *made = vv_alloc_array(1, sizeof(*made));
    enum vv_rc rc;

    if (made == NULL) {
        return vv_error_nomem(err);
    }
    made->users = 1;
    rc = index_orphans(x->repo, &x->table->t, &made->data, err);
    if (rc != VV_OK) {
        live_table_put(made);
        return rc;
    }
    table_builder_sort(&made->data);
    table_builder_view(&made->data, &made->t);
    live_table_put(x->orphans);
    x->orphans = made;
    x->generation++;
    return VV_OK;
}

/*
 * A segment that names a live chunk is there before the slot that refers to it and until a newer
 * segment is.  So once the segments have been read after the last listing of slots, reading them
 * again finds nothing more; once more is done for chunks this process stored itself.
 */
enum vv_rc
index_widen(struct chunk_index *x, uint64_t generation, bool *ret_more, struct vv_error *err)
{
    uint64_t scans = repo_scan_number(x->repo);
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&x->lock);
    *ret_more = true;
    if (x->generation != generation) {
        rc = VV_OK; /* somebody else has looked further since */
    } else if (!x->widened || x->widened_at != scans) {
        rc = index_load(x, err);
        x->widened = rc == VV_OK;
        x->widened_at = scans;
        x->widened_orphans = false;
    } else if (!x->widened_orphans) {
        rc = load_orphans(x, err);
        x->widened_orphans = rc == VV_OK;
    } else {
        *ret_more = false;
    }
    vv_mutex_unlock(&x->lock);
    return rc;
}

enum vv_rc
chunk_index_find(struct chunk_index *x, enum chunk_type type, const struct vv_id *id, uint32_t nth,
                 struct chunk_location *ret, struct vv_error *err)
{
    for (bool more = true; more;) {
        struct index_view v;
        uint64_t generation;
        bool found;
        VV_TRY(index_view_open(x, &v, err));
        generation = v.generation;
        found = index_view_pick(&v, type, id, nth, ret);
        index_view_close(x, &v);
        if (found) {
            return VV_OK;
        }
        if (nth > 0) {
            break;
        }
        VV_TRY(index_widen(x, generation, &more, err));
    }
    return vv_error_set(err, VV_ENOTFOUND, "the index has no such chunk");
}
