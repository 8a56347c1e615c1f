/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of shortened ids: open addressing with linear probing, at most three quarters full. */
#include "engine/id_set_internal.h"

#include <string.h>

#include "core/alloc.h"

#define FIRST_SIZE 1024u

void
id_set_release(struct id_set *s)
{
    vv_free(s->slots);
    memset(s, 0, sizeof(*s));
}

static bool
is_free(const struct live_key *k)
{
    return k->high == 0 && k->low == 0;
}

/** Where ${key} is, or the free place where it would have to be. */
static struct live_key *
place_of(struct live_key *slots, size_t size, const struct live_key *key)
{
    size_t at = (size_t)key->low & (size - 1);

    while (!is_free(&slots[at]) && live_key_compare(&slots[at], key) != 0) {
        at = (at + 1) & (size - 1);
    }
    return &slots[at];
}

static enum vv_rc
grow(struct id_set *s, struct vv_error *err)
{
    size_t size = s->size == 0 ? FIRST_SIZE : s->size * 2;
    struct live_key *slots = vv_alloc_array(size, sizeof(*slots));

    if (slots == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < s->size; i++) {
        if (!is_free(&s->slots[i])) {
            *place_of(slots, size, &s->slots[i]) = s->slots[i];
        }
    }
    vv_free(s->slots);
    s->slots = slots;
    s->size = size;
    return VV_OK;
}

enum vv_rc
id_set_put(struct id_set *s, const struct vv_id *id, bool *ret_new, struct vv_error *err)
{
    struct live_key key = live_key_of(id);
    struct live_key *slot;

    if (is_free(&key)) {
        *ret_new = !s->zero;
        s->zero = true;
        return VV_OK;
    }
    if ((s->count + 1) * 4 > s->size * 3) {
        VV_TRY(grow(s, err));
    }
    slot = place_of(s->slots, s->size, &key);
    *ret_new = is_free(slot);
    if (*ret_new) {
        *slot = key;
        s->count++;
    }
    return VV_OK;
}
