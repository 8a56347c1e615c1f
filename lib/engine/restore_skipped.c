/* SPDX-License-Identifier: BSD-2-Clause */
/* The paths a restore could not or would not write. */

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/random.h"
#include "engine/restore_internal.h"

void
skipped_init(struct skipped_set *s)
{
    vv_mutex_init(&s->lock);
    vv_random(&s->seed, sizeof(s->seed));
}

void
skipped_release(struct skipped_set *s)
{
    vv_free(s->slots);
    s->slots = NULL;
    vv_mutex_release(&s->lock);
}

static uint64_t
hash_of(const struct skipped_set *s, struct vv_span path)
{
    uint64_t hash = vv_hash64(path.data, path.len, s->seed);

    return hash == 0 ? 1 : hash;
}

/** The slot of a hash, or the free one where it belongs. */
static size_t
slot_of(const uint64_t *slots, size_t room, uint64_t hash)
{
    size_t at = (size_t)hash & (room - 1);

    while (slots[at] != 0 && slots[at] != hash) {
        at = (at + 1) & (room - 1);
    }
    return at;
}

static enum vv_rc
grow(struct skipped_set *s, struct vv_error *err)
{
    size_t room = s->room == 0 ? 256 : s->room * 2;
    uint64_t *slots = vv_alloc_array(room, sizeof(*slots));

    if (slots == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < s->room; i++) {
        if (s->slots[i] != 0) {
            slots[slot_of(slots, room, s->slots[i])] = s->slots[i];
        }
    }
    vv_free(s->slots);
    s->slots = slots;
    s->room = room;
    return VV_OK;
}

enum vv_rc
skipped_add(struct skipped_set *s, struct vv_span path, struct vv_error *err)
{
    uint64_t hash = hash_of(s, path);
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&s->lock);
    if (s->count * 2 >= s->room) {
        rc = grow(s, err);
    }
    if (rc == VV_OK) {
        size_t at = slot_of(s->slots, s->room, hash);
        s->count += s->slots[at] == 0 ? 1 : 0;
        s->slots[at] = hash;
    }
    vv_mutex_unlock(&s->lock);
    return rc;
}

bool
skipped_has(struct skipped_set *s, struct vv_span path)
{
    bool found;

    vv_mutex_lock(&s->lock);
    found = s->count > 0 && s->slots[slot_of(s->slots, s->room, hash_of(s, path))] != 0;
    vv_mutex_unlock(&s->lock);
    return found;
}
