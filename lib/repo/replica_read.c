/* SPDX-License-Identifier: BSD-2-Clause */
/* Chunks and packs out of replicas, and the account of what came from where. */

#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "repo/chunk_index_internal.h"
#include "repo/pack_reader_internal.h"
#include "repo/replicas_internal.h"

#define BLOCKS_MAX (1u << 20) /* blocks told apart; what comes later is not counted */

/* --- the account; s->lock held ---------------------------------------------------------------- */

/** Put a hash in; false if it was there, or cannot be added. */
static bool
hash_set_add(struct hash_set *set, uint64_t hash)
{
    size_t at;

    hash = hash != 0 ? hash : 1;
    if (set->count * 2 >= set->room && set->room / 2 < BLOCKS_MAX) {
        struct hash_set grown = {.room = set->room == 0 ? 256 : set->room * 2};
        grown.slots = vv_alloc_array(grown.room, sizeof(*grown.slots));
        if (grown.slots == NULL) {
            return false;
        }
        for (size_t i = 0; i < set->room; i++) {
            if (set->slots[i] != 0) {
                (void)hash_set_add(&grown, set->slots[i]);
            }
        }
        vv_free(set->slots);
        *set = grown;
    }
    for (at = hash & (set->room - 1); set->slots[at] != 0; at = (at + 1) & (set->room - 1)) {
        if (set->slots[at] == hash) {
            return false;
        }
    }
    if (set->count >= BLOCKS_MAX) {
        return false;
    }
    set->slots[at] = hash;
    set->count++;
    return true;
}

/** The record of a pack, made if it is new; NULL without memory. */
static struct healed_pack *
pack_record(struct replicas *s, const struct pack_name *name, size_t replica, bool *ret_new)
{
    *ret_new = false;
    for (size_t i = s->pack_count; i-- > 0;) { /* mostly one of the last */
        if (pack_name_compare(&s->packs[i].name, name) == 0) {
            return &s->packs[i];
        }
    }
    if (s->pack_count == s->pack_room) {
        size_t room = s->pack_room == 0 ? 16 : s->pack_room * 2;
        struct healed_pack *grown = vv_realloc_array(s->packs, room, sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        s->packs = grown;
        s->pack_room = room;
    }
    *ret_new = true;
    s->packs[s->pack_count] = (struct healed_pack){.name = *name, .replica = replica};
    return &s->packs[s->pack_count++];
}

/** Count a block, and say of which pack it is when it is the pack's first. */
static void
note_block(struct replicas *s, size_t nth, const struct chunk_location *loc)
{
    struct replica *x = s->items[nth];
    char object[PACK_OBJECT_TEXT];
    bool is_new = false;

    vv_mutex_lock(&s->lock);
    if (hash_set_add(&s->blocks, vv_hash64(&loc->pack, sizeof(loc->pack), loc->block_number))) {
        struct healed_pack *p = pack_record(s, &loc->pack, nth, &is_new);
        x->blocks++;
        if (p != NULL) {
            p->blocks++;
        }
    }
    vv_mutex_unlock(&s->lock);
    if (is_new) {
        pack_object_text(&loc->pack, object);
        vv_emit(repo_events(s->repo), VV_EVENT_PROBLEM, "block-healed",
                vv_span(object, strlen(object)),
                "it could not be read here; what was needed of it came from '%s'", x->url);
    }
}

bool
replicas_healed(struct replicas *s, size_t nth, struct healed_pack *ret)
{
    bool there;

    if (s == NULL) {
        return false;
    }
    vv_mutex_lock(&s->lock);
    there = nth < s->pack_count;
    if (there) {
        *ret = s->packs[nth];
    }
    vv_mutex_unlock(&s->lock);
    return there;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/** Does another replica remain to be asked?  Otherwise the run ends with ${rc}. */
static bool
try_the_next(struct replicas *s, size_t nth, enum vv_rc rc, const struct vv_error *why)
{
    if (rc == VV_ENOMEM || rc == VV_ECANCELLED) {
        return false;
    }
    if (rc == VV_ETRANSIENT || rc == VV_EAUTH) {
        replicas_failed(s, nth, why); /* H1: storages have done their own repeating */
    }
    return true;
}

/** From one replica: another instance of the same pack, which costs a listing, before its index. */
static enum vv_rc
read_from(struct replica *x, const struct chunk_location *loc, enum chunk_type type,
          const struct vv_id *id, struct vv_buf *out, struct chunk_location *ret,
          struct vv_error *err)
{
    if (loc != NULL) {
        enum vv_rc rc = chunk_read_instances(x->reader, loc, type, id, out, err);
        *ret = *loc;
        if (rc != VV_ENOTFOUND && rc != VV_ECORRUPT && rc != VV_EIO) {
            return rc;
        }
        vv_error_clear(err);
    }
    VV_TRY(chunk_read(x->reader, type, id, out, err));
    return loc != NULL ? VV_OK : chunk_index_find(x->index, type, id, 0, ret, err);
}

enum vv_rc
replicas_read_chunk(struct replicas *s, const struct chunk_location *loc, enum chunk_type type,
                    const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    size_t before = out->len;

    for (size_t nth = 0;; nth++) {
        struct vv_error why = {0};
        struct chunk_location where;
        struct replica *x;
        enum vv_rc rc;
        VV_TRY(replicas_use(s, nth, &x, err));
        if (x == NULL) {
            continue;
        }
        rc = read_from(x, loc, type, id, out, &where, &why);
        if (rc == VV_OK) {
            note_block(s, nth, &where);
            return VV_OK;
        }
        out->len = before;
        if (!try_the_next(s, nth, rc, &why)) {
            if (err != NULL) {
                *err = why;
            }
            return rc;
        }
    }
}

enum vv_rc
replicas_find_chunk(struct replicas *s, enum chunk_type type, const struct vv_id *id,
                    struct chunk_location *ret, struct vv_error *err)
{
    for (size_t nth = 0;; nth++) {
        struct vv_error why = {0};
        struct replica *x;
        enum vv_rc rc;
        VV_TRY(replicas_use(s, nth, &x, err));
        if (x == NULL) {
            continue;
        }
        rc = chunk_index_find(x->index, type, id, 0, ret, &why);
        if (rc == VV_OK) {
            return VV_OK;
        }
        if (!try_the_next(s, nth, rc, &why)) {
            if (err != NULL) {
                *err = why;
            }
            return rc;
        }
    }
}

/* --- whole packs ------------------------------------------------------------------------------ */

/** Is this instance whole? */
static enum vv_rc
check_instance(struct replica *x, const struct pack_name *name, uint64_t size, bool read,
               struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};
    VV_CLEANUP(pack_reader_freep) struct pack_reader *reader = NULL;
    char object[PACK_OBJECT_TEXT];
    uint64_t found = 0;

    pack_object_text(name, object);
    VV_TRY(storage_size(x->storage, object, &found, err));
    if (found > LIMIT_PACK || (size != 0 && found != size)) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' has %llu bytes", object,
                            (unsigned long long)found);
    }
    if (!read) {
        return VV_OK;
    }
    storage_uncache(x->storage, object);
    VV_TRY(storage_read_all(x->storage, object, found, &image, err));
    VV_TRY(pack_reader_new(chunk_reader_keys(x->reader), &reader, err));
    return pack_check(reader, name, vv_buf_span(&image), err);
}

enum vv_rc
replicas_has_pack(struct replicas *s, size_t nth, const struct pack_name *name, uint64_t size,
                  bool read, bool *ret, struct vv_error *err)
{
    struct vv_error why = {0};
    struct pack_name instance;
    struct replica *x;
    enum vv_rc rc = VV_OK;

    *ret = false;
    VV_TRY(replicas_use(s, nth, &x, err));
    for (uint32_t i = 0; x != NULL && rc == VV_OK && !*ret; i++) {
        rc = index_same_hash(x->index, &name->hash, i, &instance, &why);
        if (rc == VV_OK) {
            rc = check_instance(x, &instance, size, read, &why);
            *ret = rc == VV_OK;
            rc = rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_ELIMIT ? VV_OK : rc;
        }
    }
    if (rc != VV_OK && !try_the_next(s, nth, rc, &why)) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    return VV_OK;
}
