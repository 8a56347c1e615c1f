/* SPDX-License-Identifier: BSD-2-Clause */
/* Chunks by id: every place in this repository, then replicas. */

#include <string.h>

#include "core/alloc.h"
#include "repo/chunk_index_internal.h"
#include "repo/chunk_reader_internal.h"
#include "repo/replicas.h"

#define ROUNDS_MAX 16u /* packs may go on vanishing, but not for ever */

enum vv_rc
chunk_reader_new(struct repo *r, struct chunk_index *x, size_t cache_bytes,
                 struct chunk_reader **ret, struct vv_error *err)
{
    struct chunk_reader *c = vv_alloc_array(1, sizeof(*c));
    enum vv_rc rc;

    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->repo = r;
    c->index = x;
    c->bytes_max = cache_bytes;
    vv_mutex_init(&c->lock);
    vv_cond_init(&c->ahead_changed);
    rc = pack_keys_new(r, &c->keys, err);
    if (rc == VV_OK) {
        rc = chunk_healer_new(&c->healer, err);
    }
    if (rc != VV_OK) {
        chunk_reader_free(c);
        return rc;
    }
    *ret = c;
    return VV_OK;
}

void
chunk_reader_free(struct chunk_reader *c)
{
    struct cached_block *b;

    if (c == NULL) {
        return;
    }
    chunk_reader_ahead_stop(c);
    for (b = c->newest; b != NULL;) {
        struct cached_block *older = b->older;
        vv_free(b->bytes);
        vv_free(b);
        b = older;
    }
    for (unsigned i = 0; i < c->idle_count; i++) {
        pack_reader_free(c->idle[i]);
    }
    chunk_healer_free(c->healer);
    pack_keys_free(c->keys);
    vv_cond_release(&c->ahead_changed);
    vv_mutex_release(&c->lock);
    vv_free(c);
}

struct chunk_index *
chunk_reader_index(struct chunk_reader *c)
{
    return c->index;
}

struct pack_keys *
chunk_reader_keys(struct chunk_reader *c)
{
    return c->keys;
}

/** Copy the chunk out of a block that is pinned, which ends. */
static enum vv_rc
copy_chunk(struct chunk_reader *c, struct cached_block *b, const struct chunk_location *loc,
           enum chunk_type type, const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    struct vv_id found;
    struct vv_span bytes;
    enum vv_rc rc;

    if (loc->chunk_offset > b->len || loc->chunk_len > b->len - loc->chunk_offset) {
        chunk_reader_unpin(c, b);
        return vv_error_set(err, VV_ECORRUPT, "a chunk outside its block");
    }
    bytes = vv_span(b->bytes + loc->chunk_offset, loc->chunk_len);
    chunk_id(repo_keyring(c->repo), type, bytes, &found);
    if (vv_id_equal(&found, id)) {
        rc = vv_buf_reserve(out, bytes.len, err);
        if (rc == VV_OK) {
            vv_buf_put(out, bytes.data, bytes.len);
        }
    } else {
        rc = vv_error_set(err, VV_ECORRUPT, "a chunk does not have its id");
    }
    chunk_reader_unpin(c, b);
    return rc;
}

/** Copy the chunk out of one instance of a place's pack. */
static enum vv_rc
read_instance(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
              const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    struct cached_block *b = NULL;

    VV_TRY(chunk_reader_pin(c, loc, &b, err));
    return copy_chunk(c, b, loc, type, id, out, err);
}

/** The same from what parity makes of it. */
static enum vv_rc
read_healed(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
            const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    struct cached_block *b = NULL;

    VV_TRY(chunk_reader_pin_healed(c, loc, &b, err));
    return copy_chunk(c, b, loc, type, id, out, err);
}

/** Is this a failure of the place, so that another may serve? */
static bool
is_of_place(enum vv_rc rc)
{
    return rc == VV_ENOTFOUND || rc == VV_ECORRUPT || rc == VV_EIO || rc == VV_ETRANSIENT ||
           rc == VV_EUNSUPPORTED;
}

/** Is it the bytes that are wrong, rather than that there are none? */
static bool
is_damaged(enum vv_rc rc)
{
    return is_of_place(rc) && rc != VV_ENOTFOUND && rc != VV_ETRANSIENT;
}

/** Copy the chunk out of a place, or the same place in another instance of the pack.  Fails with what
 *  the instance named fails with; *ret_damaged: some instance was found damaged. */
static enum vv_rc
read_place(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
           const struct vv_id *id, struct vv_buf *out, struct vv_buf *failed, bool *ret_damaged,
           struct vv_error *err)
{
    struct chunk_location other = *loc;
    size_t before = failed->len;
    enum vv_rc rc = read_instance(c, loc, type, id, out, err);

    if (!is_of_place(rc)) {
        return rc;
    }
    if (is_damaged(rc)) {
        chunk_reader_note_failed(failed, loc, err->message);
        *ret_damaged = true;
    }
    for (uint32_t nth = 0; index_instance(c->index, &loc->pack, nth, &other.pack, NULL) == VV_OK;
         nth++) {
        struct vv_error why = {0};
        enum vv_rc other_rc = read_instance(c, &other, type, id, out, &why);
        if (other_rc == VV_OK) {
            chunk_reader_tell_failed(c, failed, before, VV_EVENT_WARNING);
            return VV_OK;
        }
        if (is_damaged(other_rc)) {
            chunk_reader_note_failed(failed, &other, why.message);
            *ret_damaged = true;
        }
    }
    return rc;
}

/** The same out of what parity makes of the pack, or of another instance of it. */
static bool
read_place_healed(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
                  const struct vv_id *id, struct vv_buf *out)
{
    struct chunk_location other = *loc;
    bool good = read_healed(c, loc, type, id, out, NULL) == VV_OK;

    for (uint32_t nth = 0;
         !good && index_instance(c->index, &loc->pack, nth, &other.pack, NULL) == VV_OK; nth++) {
        good = read_healed(c, &other, type, id, out, NULL) == VV_OK;
    }
    return good;
}

/** Was the look-up of ${generation} made after this pack was first found missing?  Prune deletes a
 *  pack only when the index names other places for what lives in it, so that is conclusive for all
 *  chunks it held. */
static bool
looked_up_since_gone(struct chunk_reader *c, const struct pack_name *name, uint64_t generation)
{
    struct gone_pack *g = &c->gone[chunk_reader_block_hash(name, 0) % GONE_MAX];
    bool since;

    vv_mutex_lock(&c->lock);
    if (g->generation == 0 || pack_name_compare(&g->name, name) != 0) {
        *g = (struct gone_pack){*name, generation};
    }
    since = generation > g->generation;
    vv_mutex_unlock(&c->lock);
    return since;
}

/** What one look-up in the index led to. */
struct round {
    struct vv_error first;       /* the first failure */
    bool found;                  /* there was a place at all */
    struct chunk_location place; /* the first place */
    bool damaged;
    bool transient;
    bool stale; /* a pack was gone that may have been moved since the look-up */
};

/** Try every copy one view of the index knows, then what parity makes of the damaged ones. */
static enum vv_rc
read_in_view(struct chunk_reader *c, const struct index_view *v, enum chunk_type type,
             const struct vv_id *id, struct vv_buf *out, struct vv_buf *failed, struct round *ret,
             struct vv_error *err)
{
    struct chunk_location loc;
    bool damaged = false;

    for (uint32_t nth = 0; index_view_pick(v, type, id, nth, &loc); nth++) {
        struct vv_error why = {0};
        enum vv_rc rc = read_place(c, &loc, type, id, out, failed, &damaged, &why);
        if (!is_of_place(rc)) {
            if (rc != VV_OK && err != NULL) {
                *err = why;
            }
            return rc;
        }
        if (!ret->found) {
            ret->first = why;
            ret->place = loc;
        }
        ret->found = true;
        ret->transient = ret->transient || rc == VV_ETRANSIENT;
        ret->damaged = ret->damaged || is_damaged(rc);
        if (rc == VV_ENOTFOUND && !looked_up_since_gone(c, &loc.pack, v->generation)) {
            ret->stale = true;
        } else if (rc == VV_ENOTFOUND) {
            chunk_reader_note_failed(failed, &loc, "the pack is missing");
        }
    }
    for (uint32_t nth = 0; damaged && index_view_pick(v, type, id, nth, &loc); nth++) {
        if (read_place_healed(c, &loc, type, id, out)) {
            chunk_reader_tell_failed(c, failed, 0, VV_EVENT_PROBLEM);
            return VV_OK;
        }
    }
    return VV_ENOTFOUND;
}

static enum vv_rc
give_up(const struct round *round, struct vv_error *err)
{
    enum vv_rc rc = round->transient ? VV_ETRANSIENT : round->damaged ? VV_ECORRUPT : VV_ENOTFOUND;

    if (!round->found) {
        return vv_error_set(err, VV_ENOTFOUND, "the index has no such chunk");
    }
    if (err != NULL) {
        *err = round->first;
        err->rc = rc;
    }
    return rc;
}

enum vv_rc
chunk_read_instances(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
                     const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    struct chunk_location other = *loc;
    enum vv_rc rc = VV_OK;

    for (uint32_t nth = 0; rc == VV_OK; nth++) {
        rc = index_same_hash(c->index, &loc->pack.hash, nth, &other.pack, err);
        if (rc == VV_OK) {
            rc = read_instance(c, &other, type, id, out, err);
            if (!is_of_place(rc) || rc == VV_ETRANSIENT) {
                return rc;
            }
            chunk_reader_report_bad(c, VV_EVENT_PROBLEM, &other,
                                    err != NULL ? err->message : "damaged");
            rc = VV_OK;
        }
    }
    return rc;
}

/** Look up and read until it is sure that no copy will do. */
static enum vv_rc
read_all_copies(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id,
                struct vv_buf *out, struct vv_buf *failed, struct round *ret_last,
                struct vv_error *err)
{
    bool more = true;

    for (unsigned rounds = 0;; rounds++) {
        struct round round = {0};
        struct index_view v;
        uint64_t generation;
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(repo_cancel(c->repo), err));
        VV_TRY(index_view_open(c->index, &v, err));
        generation = v.generation;
        rc = read_in_view(c, &v, type, id, out, failed, &round, err);
        index_view_close(c->index, &v);
        *ret_last = round;
        if (rc != VV_ENOTFOUND) {
            return rc;
        }
        if (round.stale && rounds < ROUNDS_MAX) {
            VV_TRY(index_newer(c->index, generation, err));
            continue; /* what was gone then is not stale the next time */
        }
        if (!round.transient) {
            VV_TRY(index_widen(c->index, generation, &more, err));
        }
        if (round.transient || !more) {
            return give_up(&round, err);
        }
    }
}

/** Everything this repository can do; on failure *ret_last is what the last look-up led to. */
static enum vv_rc
read_here(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id, struct vv_buf *out,
          struct round *ret_last, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf failed = {0};
    enum vv_rc rc = read_all_copies(c, type, id, out, &failed, ret_last, err);

    chunk_reader_tell_failed(c, &failed, 0,
                             rc == VV_OK && !c->strict ? VV_EVENT_WARNING : VV_EVENT_PROBLEM);
    return rc;
}

enum vv_rc
chunk_read_here(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id,
                struct vv_buf *out, struct vv_error *err)
{
    struct round last = {0};

    return read_here(c, type, id, out, &last, err);
}

/* --- from a replica --------------------------------------------------------------------------- */

static void
note_lost(struct chunk_reader *c, const struct chunk_location *loc)
{
    struct lost_block *l =
        &c->lost[chunk_reader_block_hash(&loc->pack, loc->block_number) % LOST_MAX];

    vv_mutex_lock(&c->lock);
    *l = (struct lost_block){loc->pack, loc->block_number, true};
    vv_mutex_unlock(&c->lock);
    atomic_store(&c->any_lost, true);
}

/** Is the chunk in a block that has been found to be lost here?  Then trying again would cost a
 *  block's reading for each of its chunks. */
static bool
is_lost(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id,
        struct chunk_location *ret)
{
    const struct lost_block *l;
    struct index_view v;
    bool lost;

    if (index_view_open(c->index, &v, NULL) != VV_OK) {
        return false;
    }
    lost = index_view_pick(&v, type, id, 0, ret);
    index_view_close(c->index, &v);
    if (lost) {
        l = &c->lost[chunk_reader_block_hash(&ret->pack, ret->block_number) % LOST_MAX];
        vv_mutex_lock(&c->lock);
        lost = l->used && l->number == ret->block_number &&
               pack_name_compare(&l->pack, &ret->pack) == 0;
        vv_mutex_unlock(&c->lock);
    }
    return lost;
}

/** The storage has waited as long as it is worth while (H1): once. */
static void
tell_unreachable(struct chunk_reader *c, const struct vv_error *why)
{
    struct vv_buf text = {0};

    vv_buf_printf(&text, "%s; what cannot be read comes from replicas",
                  why != NULL ? why->message : "it cannot be reached");
    repo_report(c->repo, "repository-unreachable", repo_storage(c->repo)->url,
                text.failed ? "what cannot be read comes from replicas" : vv_buf_text(&text));
    vv_buf_release(&text);
}

enum vv_rc
chunk_read(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id, struct vv_buf *out,
           struct vv_error *err)
{
    struct replicas *replicas = repo_replicas(c->repo);
    struct round last = {0};
    struct chunk_location loc;
    struct vv_error why = {0};
    enum vv_rc rc;
    enum vv_rc elsewhere;

    if (replicas != NULL && atomic_load(&c->any_lost) && is_lost(c, type, id, &loc) &&
        replicas_read_chunk(replicas, &loc, type, id, out, NULL) == VV_OK) {
        return VV_OK;
    }
    rc = read_here(c, type, id, out, &last, err);
    if (replicas == NULL || !is_of_place(rc)) {
        return rc;
    }
    elsewhere = replicas_read_chunk(replicas, last.found ? &last.place : NULL, type, id, out, &why);
    if (elsewhere == VV_ENOTFOUND) {
        return rc;
    }
    if (elsewhere == VV_OK && rc == VV_ETRANSIENT) {
        tell_unreachable(c, err);
    }
    if (elsewhere == VV_OK && last.found) {
        note_lost(c, &last.place);
    }
    if (err != NULL) {
        *err = why;
    }
    return elsewhere;
}

enum vv_rc
chunk_locate(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id,
             struct chunk_location *ret, struct vv_error *err)
{
    enum vv_rc rc = chunk_index_find(c->index, type, id, 0, ret, err);
    struct vv_error why = {0};
    enum vv_rc elsewhere;

    if (rc == VV_OK || !is_of_place(rc) || repo_replicas(c->repo) == NULL) {
        return rc;
    }
    elsewhere = replicas_find_chunk(repo_replicas(c->repo), type, id, ret, &why);
    if (elsewhere == VV_ENOTFOUND) {
        return rc;
    }
    if (err != NULL) {
        *err = why;
    }
    return elsewhere;
}
