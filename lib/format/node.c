/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading tree nodes.  Everything goes to the caller's arena: one copy of a leaf's bytes, which
 * names, targets and attributes borrow from, one array, and the whole paths. */
#include <stdlib.h>
#include <string.h>

#include "format/entry.h"
#include "format/entry_internal.h"
#include "format/format_internal.h"

#define NAME_MIN_LEN 2u   /* length, one byte */
#define ENTRY_MIN_LEN 19u /* shared, rest, body length and the 16 fields every body has */
#define ITEM_MIN_LEN (2u + 32u + 3u)

static enum vv_rc
damaged(const char *what, struct vv_error *err)
{
    return vv_error_set(err, VV_ECORRUPT, "tree node: %s", what);
}

/* The next whole path.  The stored prefix must be as long as it can be, so that comparing one byte
 * tells the order. */
static enum vv_rc
get_path(struct vv_reader *r, struct vv_span before, bool first, struct vv_arena *arena,
         struct vv_span *ret, struct vv_error *err)
{
    uint64_t shared = varint_get(r);
    struct vv_span rest = vv_get_bytes(r, varint_get(r), 1);
    if (r->failed || shared > before.len || rest.len > LIMIT_PATH - shared) {
        return damaged("impossible path length", err);
    }
    if (!first &&
        (rest.len == 0 || (shared < before.len && path_byte_order(rest.data[0]) <=
                                                      path_byte_order(before.data[shared])))) {
        return damaged("paths out of order", err);
    }
    size_t len = (size_t)shared + rest.len;
    uint8_t *path = vv_arena_alloc(arena, len + 1);
    if (path == NULL) {
        return vv_error_nomem(err);
    }
    span_copy(path, vv_span(before.data, (size_t)shared));
    span_copy(path + shared, rest);
    path[len] = '\0';
    *ret = vv_span(path, len);
    return path_valid_from(*ret, (size_t)shared) ? VV_OK : damaged("impossible path", err);
}

static int
compare_spans(const void *a, const void *b)
{
    const struct vv_span *x = a;
    const struct vv_span *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? -1 : 1;
    }
    return memcmp(x->data, y->data, x->len);
}

/* A name that comes twice would let equal leaves have different bytes. */
static enum vv_rc
check_distinct(const struct leaf_names *names, struct vv_arena *arena, struct vv_error *err)
{
    if (names->count < 2) {
        return VV_OK;
    }
    size_t len = names->count * sizeof(*names->names);
    struct vv_span *sorted = vv_arena_alloc(arena, len);
    if (sorted == NULL) {
        return vv_error_nomem(err);
    }
    memcpy(sorted, names->names, len);
    qsort(sorted, names->count, sizeof(*sorted), compare_spans);
    for (uint32_t i = 1; i < names->count; i++) {
        if (compare_spans(&sorted[i - 1], &sorted[i]) == 0) {
            return damaged("a name comes twice", err);
        }
    }
    return VV_OK;
}

static enum vv_rc
get_names(struct vv_reader *r, struct vv_arena *arena, struct leaf_names *ret, struct vv_error *err)
{
    uint64_t count = varint_get(r);
    if (r->failed || count > vv_reader_left(r) / NAME_MIN_LEN ||
        count > (uint64_t)2 * NODE_COUNT_CAP) {
        return damaged("impossible number of names", err);
    }
    struct leaf_names names = {.count = (uint32_t)count};
    names.names = vv_arena_alloc(arena, (size_t)count * sizeof(*names.names));
    if (names.names == NULL) {
        return vv_error_nomem(err);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct vv_span name = vv_get_bytes(r, varint_get(r), 1);
        if (name.len == 0 || name.len > LIMIT_NAME || memchr(name.data, 0, name.len) != NULL) {
            return damaged("impossible user or group name", err);
        }
        names.names[i] = name;
    }
    VV_TRY(check_distinct(&names, arena, err));
    *ret = names;
    return VV_OK;
}

static enum vv_rc
leaf_decode(struct vv_reader *r, uint32_t count, struct vv_arena *arena, struct node *ret,
            struct vv_error *err)
{
    struct leaf_names names;
    VV_TRY(get_names(r, arena, &names, err));
    if (count > vv_reader_left(r) / ENTRY_MIN_LEN) {
        return damaged("impossible number of entries", err);
    }
    struct entry *entries = vv_arena_alloc(arena, count * sizeof(*entries));
    if (entries == NULL) {
        return vv_error_nomem(err);
    }
    struct vv_span path = vv_span("", 0);
    for (uint32_t i = 0; i < count; i++) {
        struct entry *e = &entries[i];
        memset(e, 0, sizeof(*e));
        VV_TRY(get_path(r, path, i == 0, arena, &path, err));
        struct vv_span body = vv_get_bytes(r, varint_get(r), 1);
        if (body.len == 0) {
            return damaged("impossible length of an entry", err);
        }
        enum vv_rc rc = entry_body_decode(body, &names, arena, e, err);
        if (rc != VV_OK) {
            (void)vv_error_prefix(err, "tree node");
            return rc;
        }
        e->path = path;
    }
    if (names.used != names.count) {
        return damaged("unused names", err);
    }
    ret->entries = entries;
    return VV_OK;
}

static enum vv_rc
inner_decode(struct vv_reader *r, uint32_t count, struct vv_arena *arena, struct node *ret,
             struct vv_error *err)
{
    if (count == 0 || count > vv_reader_left(r) / ITEM_MIN_LEN) {
        return damaged("impossible number of items", err);
    }
    struct node_item *items = vv_arena_alloc(arena, count * sizeof(*items));
    if (items == NULL) {
        return vv_error_nomem(err);
    }
    struct vv_span path = vv_span("", 0);
    for (uint32_t i = 0; i < count; i++) {
        struct node_item *item = &items[i];
        VV_TRY(get_path(r, path, i == 0, arena, &path, err));
        item->path = path;
        vv_get_copy(r, item->node.b, sizeof(item->node.b));
        item->entries = varint_get(r);
        item->bytes = varint_get(r);
        uint64_t flags = varint_get(r);
        if (r->failed || item->entries == 0) {
            return damaged("impossible item", err);
        }
        if (flags != 0) {
            return vv_error_set(err, VV_EUNSUPPORTED, "tree node: unknown flags of an item");
        }
    }
    ret->items = items;
    return VV_OK;
}

enum vv_rc
node_decode(struct vv_span bytes, struct vv_arena *arena, struct node *ret, struct vv_error *err)
{
    if (bytes.len == 0 || bytes.len > LIMIT_NODE) {
        return damaged("impossible length", err);
    }
    struct vv_reader r = vv_reader(bytes.data, bytes.len);
    if (bytes.data[0] == 0) {
        const uint8_t *copy = vv_arena_copy(arena, bytes.data, bytes.len);
        if (copy == NULL) {
            return vv_error_nomem(err);
        }
        r = vv_reader(copy, bytes.len);
    }
    struct node node = {.height = vv_get_u8(&r)};
    uint64_t count = varint_get(&r);
    if (r.failed || node.height > LIMIT_TREE_HEIGHT || count > NODE_COUNT_CAP) {
        return damaged("impossible height or count", err);
    }
    node.count = (uint32_t)count;
    if (node.height == 0) {
        VV_TRY(leaf_decode(&r, node.count, arena, &node, err));
    } else {
        VV_TRY(inner_decode(&r, node.count, arena, &node, err));
    }
    if (!vv_reader_done(&r)) {
        return damaged("bytes left over", err);
    }
    *ret = node;
    return VV_OK;
}
