/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of changed directories (C1, C2): a hash table while it grows, sorted when it is asked. */
#include "source/change_set.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/fast_hash.h"
#include "format/common.h"

#define TABLE_LEAST 256u

struct changed_path {
    struct vv_span path;
    uint64_t hash;
    enum change change;
};
struct change_set {
    struct vv_arena arena; /* the paths */
    struct changed_path *items;
    uint32_t *table; /* place in items, from 1; 0: free */
    size_t count;
    size_t room; /* of items; the table has twice as many places, a power of two */
    size_t most;
    bool everything;
    bool sorted;
};

enum vv_rc
change_set_new(size_t most, struct change_set **ret, struct vv_error *err)
{
    struct change_set *s = vv_alloc_array(1, sizeof(*s));

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->most = most;
    *ret = s;
    return VV_OK;
}

static void
release_items(struct change_set *s)
{
    vv_arena_release(&s->arena);
    vv_free(s->items);
    vv_free(s->table);
    s->items = NULL;
    s->table = NULL;
    s->count = 0;
    s->room = 0;
    s->sorted = false;
}

void
change_set_free(struct change_set *s)
{
    if (s != NULL) {
        release_items(s);
        vv_free(s);
    }
}

void
change_set_clear(struct change_set *s)
{
    release_items(s);
    s->everything = false;
}

void
change_set_add_everything(struct change_set *s)
{
    release_items(s);
    s->everything = true;
}

/** Where ${path} is in the table, or the free place it belongs to. */
static uint32_t *
place_of(const struct change_set *s, struct vv_span path, uint64_t hash)
{
    size_t mask = s->room * 2 - 1;
    size_t at = (size_t)hash & mask;

    while (s->table[at] != 0) {
        const struct changed_path *item = &s->items[s->table[at] - 1];
        if (item->hash == hash && item->path.len == path.len &&
            (path.len == 0 || memcmp(item->path.data, path.data, path.len) == 0)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &s->table[at];
}

/** The table anew, for the items as they are. */
static bool
build_table(struct change_set *s, size_t room)
{
    uint32_t *table = vv_alloc_array(room * 2, sizeof(*table));

    if (table == NULL) {
        return false;
    }
    vv_free(s->table);
    s->table = table;
    s->room = room;
    for (size_t i = 0; i < s->count; i++) {
        *place_of(s, s->items[i].path, s->items[i].hash) = (uint32_t)(i + 1);
    }
    s->sorted = false;
    return true;
}

static bool
grow(struct change_set *s)
{
    size_t room = s->room == 0 ? TABLE_LEAST : s->room * 2;
    struct changed_path *items = vv_realloc_array(s->items, room, sizeof(*items));

    if (items == NULL) {
        return false;
    }
    s->items = items;
    return build_table(s, room);
}

/** May one more of that length be kept (C1)? */
static bool
has_room(const struct change_set *s, size_t len)
{
    size_t each = sizeof(*s->items) + 2 * sizeof(*s->table);

    return s->arena.used + len + 2 * (s->count + 1) * each <= s->most && s->count < UINT32_MAX;
}

void
change_set_add(struct change_set *s, struct vv_span path, enum change change)
{
    uint64_t hash = vv_hash64(path.data, path.len, 0);
    uint32_t *place;
    void *copy;

    if (s->everything) {
        return;
    }
    if ((s->count == s->room && !grow(s)) || (s->sorted && !build_table(s, s->room))) {
        change_set_add_everything(s);
        return;
    }
    place = place_of(s, path, hash);
    if (*place != 0) {
        struct changed_path *known = &s->items[*place - 1];
        known->change = change > known->change ? change : known->change; /* C2 */
        return;
    }
    copy = has_room(s, path.len) ? vv_arena_copy(&s->arena, path.data, path.len) : NULL;
    if (copy == NULL) {
        change_set_add_everything(s);
        return;
    }
    s->items[s->count++] = (struct changed_path){vv_span(copy, path.len), hash, change};
    *place = (uint32_t)s->count;
}

void
change_set_add_parent(struct change_set *s, struct vv_span path)
{
    const uint8_t *slash = path.len > 0 ? memrchr(path.data, '/', path.len) : NULL;

    change_set_add(s, vv_span(path.data, slash == NULL ? 0 : (size_t)(slash - path.data)),
                   CHANGE_HERE);
}

void
change_set_merge(struct change_set *s, const struct change_set *other)
{
    if (other->everything) {
        change_set_add_everything(s);
    }
    for (size_t i = 0; i < other->count; i++) {
        change_set_add(s, other->items[i].path, other->items[i].change);
    }
}

bool
change_set_is_everything(const struct change_set *s)
{
    return s->everything;
}

bool
change_set_is_empty(const struct change_set *s)
{
    return !s->everything && s->count == 0;
}

size_t
change_set_count(const struct change_set *s)
{
    return s->count;
}

static int
compare_items(const void *a, const void *b)
{
    const struct changed_path *x = a;
    const struct changed_path *y = b;

    return path_compare(x->path, y->path);
}

void
change_set_sort(struct change_set *s)
{
    if (s->count > 1) {
        qsort(s->items, s->count, sizeof(*s->items), compare_items);
    }
    s->sorted = true; /* the table is of no use any more */
}

/** The first item that is not before ${path}. */
static size_t
lower_bound(const struct change_set *s, struct vv_span path)
{
    size_t from = 0;
    size_t to = s->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (path_compare(s->items[middle].path, path) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

enum change
change_set_ask(const struct change_set *s, struct vv_span path)
{
    size_t at;

    if (s->everything) {
        return CHANGE_ALL;
    }
    at = lower_bound(s, path);
    if (at < s->count && path_compare(s->items[at].path, path) == 0) {
        return s->items[at].change;
    }
    return at < s->count && path_is_below(s->items[at].path, path) ? CHANGE_BELOW : CHANGE_NONE;
}

size_t
change_set_below(const struct change_set *s, struct vv_span path, size_t *ret_from)
{
    size_t from = lower_bound(s, path);
    size_t to;

    if (from < s->count && s->items[from].path.len == path.len &&
        path_compare(s->items[from].path, path) == 0) {
        from++;
    }
    for (to = from; to < s->count && path_is_below(s->items[to].path, path); to++) {
    }
    *ret_from = from;
    return to - from;
}

struct vv_span
change_set_path(const struct change_set *s, size_t i)
{
    return s->items[i].path;
}
