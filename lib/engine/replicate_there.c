/* SPDX-License-Identifier: BSD-2-Clause */
/* With a key: what lies at the destination in packs of its own (R9). */
#include "core/alloc.h"
#include "engine/replicate_internal.h"

struct there {
    struct repo *repo;
    struct chunk_index *index;
};

/** Are there packs at the site that the source does not list?  Without any, the source's index tells
 *  all. */
static bool
has_own_packs(const struct batch *b)
{
    for (size_t i = 0; i < b->site.count; i++) {
        const struct site_pack *p = &b->site.packs[i];
        size_t count;
        if (p->flags == (SITE_INDEXED | SITE_LISTED) &&
            source_range(&b->source, &p->name.hash, &count) == NULL) {
            return true;
        }
    }
    return false;
}

enum vv_rc
there_open(struct batch *b, struct there **ret, struct vv_error *err)
{
    static const struct vv_uuid nobody; /* only the administrator's records are believed (X2) */
    VV_CLEANUP(there_freep) struct there *t = NULL;

    *ret = NULL;
    if (!has_own_packs(b)) {
        return VV_OK;
    }
    t = vv_alloc_array(1, sizeof(*t));
    if (t == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(repo_open_replica(b->d->run->source, b->d->storage, b->d->run->events, &t->repo, err));
    VV_TRY(chunk_index_open(t->repo, &t->index, err));
    chunk_index_for_writing(t->index, writer_session_condemned(b->session),
                            writer_session_admin(b->session), &nobody);
    *ret = TAKE(t);
    return VV_OK;
}

void
there_free(struct there *t)
{
    if (t == NULL) {
        return;
    }
    chunk_index_free(t->index);
    repo_free(t->repo);
    vv_free(t);
}

enum vv_rc
there_has(const struct batch *b, struct there *t, enum chunk_type type, const struct vv_id *id,
          bool *ret, struct vv_error *err)
{
    bool usable = false;

    *ret = false;
    if (t == NULL) {
        return VV_OK;
    }
    VV_TRY(chunk_index_usable(t->index, type, id, &usable, err));
    for (uint32_t nth = 0; usable && !*ret; nth++) { /* not in one that is known to be bad */
        struct chunk_location at;
        enum vv_rc rc = chunk_index_find(t->index, type, id, nth, &at, err);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            return VV_OK;
        }
        VV_TRY(rc);
        *ret = site_is_intact(&b->site, &at.pack);
    }
    return VV_OK;
}
