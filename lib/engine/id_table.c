/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of ids: open addressing with linear probing, at most three quarters full. */

#include "engine/id_table_internal.h"

#include <string.h>

#include "core/alloc.h"

#define FIRST_SIZE 1024u

void
id_table_release(struct id_table *t)
{
    vv_free(t->slots);
    memset(t, 0, sizeof(*t));
}

/** Where ${id} is, or the free place where it would have to be. */
static struct id_slot *
place_of(struct id_slot *slots, size_t size, const struct vv_id *id)
{
    size_t at = (size_t)vv_load_u64(id->b + 8) & (size - 1);

    while (slots[at].used && !vv_id_equal(&slots[at].id, id)) {
        at = (at + 1) & (size - 1);
    }
    return &slots[at];
}

static enum vv_rc
grow(struct id_table *t, struct vv_error *err)
{
    size_t size = t->size == 0 ? FIRST_SIZE : t->size * 2;
    struct id_slot *slots = vv_alloc_array(size, sizeof(*slots));

    if (slots == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < t->size; i++) {
        if (t->slots[i].used) {
            *place_of(slots, size, &t->slots[i].id) = t->slots[i];
        }
    }
    vv_free(t->slots);
    t->slots = slots;
    t->size = size;
    return VV_OK;
}

enum vv_rc
id_table_put(struct id_table *t, const struct vv_id *id, struct id_slot **ret, bool *ret_new,
             struct vv_error *err)
{
    struct id_slot *slot;

    if ((t->count + 1) * 4 > t->size * 3) {
        VV_TRY(grow(t, err));
    }
    slot = place_of(t->slots, t->size, id);
    *ret_new = !slot->used;
    if (!slot->used) {
        slot->used = true;
        slot->id = *id;
        t->count++;
    }
    *ret = slot;
    return VV_OK;
}

struct id_slot *
id_table_find(const struct id_table *t, const struct vv_id *id)
{
    struct id_slot *slot;

    if (t->size == 0) {
        return NULL;
    }
    slot = place_of(t->slots, t->size, id);
    return slot->used ? slot : NULL;
}
