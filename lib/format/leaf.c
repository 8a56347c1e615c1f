/* SPDX-License-Identifier: BSD-2-Clause */
/* Building tree nodes: leaves of entries and the inner nodes above them. */
#include <string.h>

#include "format/entry.h"
#include "format/entry_internal.h"
#include "format/format_internal.h"

bool
node_path_put(struct vv_buf *out, struct vv_buf *last, struct vv_span path, bool first)
{
    struct vv_span before = first ? vv_span(path.data, 0) : vv_buf_span(last);
    size_t shared = path_common(before, path);
    if (!first &&
        (shared == path.len || (shared < before.len && path_byte_order(path.data[shared]) <
                                                           path_byte_order(before.data[shared])))) {
        return false;
    }
    if (!path_valid_from(path, shared)) {
        return false;
    }
    uint8_t lengths[2 * VARINT_MAX];
    uint8_t *at = varint_put(lengths, shared);
    at = varint_put(at, path.len - shared);
    vv_buf_put(out, lengths, (size_t)(at - lengths));
    if (path.len > shared) {
        vv_buf_put(out, path.data + shared, path.len - shared);
    }
    last->len = shared < last->len ? shared : last->len;
    if (path.len > shared) {
        vv_buf_put(last, path.data + shared, path.len - shared);
    }
    return true;
}

/* A name in the table: where its bytes lie in leaf_builder.names. */
struct name_place {
    uint32_t offset;
    uint32_t len;
};

static struct vv_span
name_of(const struct leaf_builder *b, uint32_t place)
{
    struct name_place p;
    memcpy(&p, b->places.data + (size_t)(place - 1) * sizeof(p), sizeof(p));
    return vv_span(b->names.data + p.offset, p.len);
}

static bool
is_name(const struct leaf_builder *b, uint32_t place, struct vv_span name)
{
    struct vv_span known = name_of(b, place);
    return known.len == name.len && memcmp(known.data, name.data, name.len) == 0;
}

/* A name's place in the table, from 1; 0 for none.  ${recent} is the place it most likely has.  New
 * names are appended.  A leaf has few names, so looking through them all is quick. */
static uint32_t
place_of(struct leaf_builder *b, struct vv_span name, uint32_t *recent)
{
    if (name.len == 0) {
        return 0;
    }
    if (*recent != 0 && is_name(b, *recent, name)) {
        return *recent;
    }
    uint32_t place = 1;
    while (place <= b->name_count && !is_name(b, place, name)) {
        place++;
    }
    if (place > b->name_count) {
        vv_buf_put_varint(&b->names, name.len);
        struct name_place p = {.offset = (uint32_t)b->names.len, .len = (uint32_t)name.len};
        vv_buf_put(&b->names, name.data, name.len);
        vv_buf_put(&b->places, &p, sizeof(p));
        if (b->names.failed || b->places.failed) {
            return 0; /* leaf_builder_add sees it */
        }
        b->name_count = place;
    }
    *recent = place;
    return place;
}

static bool
name_valid(struct vv_span name)
{
    return name.len <= LIMIT_NAME && (name.len == 0 || memchr(name.data, 0, name.len) == NULL);
}

/* Names and body of an entry; the body goes to b->body. */
static enum vv_rc
build_body(struct leaf_builder *b, const struct entry *e, struct vv_error *err)
{
    if (!name_valid(e->user) || !name_valid(e->group)) {
        return vv_error_set(err, VV_ELIMIT, "a user or group name is too long or has a NUL");
    }
    uint32_t user = place_of(b, e->user, &b->recent_user);
    uint32_t group = place_of(b, e->group, &b->recent_group);
    VV_TRY(vv_buf_check(&b->names, err));
    VV_TRY(vv_buf_check(&b->places, err));
    vv_buf_reset(&b->body);
    VV_TRY(entry_body_encode(e, user, group, &b->body, err));
    size_t counted = b->body.len - (e->type == ENTRY_SYMLINK ? e->target.len : 0);
    if (counted > LIMIT_ENTRY) {
        return vv_error_set(err, VV_ELIMIT, "an entry of %zu bytes is too large", counted);
    }
    return VV_OK;
}

enum vv_rc
leaf_builder_add(struct leaf_builder *b, const struct entry *e, struct vv_error *err)
{
    if (b->count >= NODE_COUNT_CAP) {
        return vv_error_set(err, VV_EUSAGE, "a leaf holds at most %u entries", NODE_COUNT_CAP);
    }
    size_t names_len = b->names.len;
    size_t places_len = b->places.len;
    uint32_t name_count = b->name_count;
    enum vv_rc rc = build_body(b, e, err);
    if (rc == VV_OK && !node_path_put(&b->items, &b->last_path, e->path, b->count == 0)) {
        rc = vv_error_set(err, VV_EUSAGE, "entry '%.*s': not a valid path, or out of order",
                          (int)(e->path.len < 512 ? e->path.len : 512),
                          e->path.len > 0 ? (const char *)e->path.data : "");
    }
    if (rc != VV_OK) {
        /* The leaf stays as it was. */
        b->names.len = names_len;
        b->places.len = places_len;
        b->name_count = name_count;
        b->recent_user = b->recent_user > name_count ? 0 : b->recent_user;
        b->recent_group = b->recent_group > name_count ? 0 : b->recent_group;
        return rc;
    }
    vv_buf_put_varint(&b->items, b->body.len);
    vv_buf_put(&b->items, b->body.data, b->body.len);
    VV_TRY(vv_buf_check(&b->items, err));
    VV_TRY(vv_buf_check(&b->last_path, err));
    b->count++;
    return VV_OK;
}

/* Is there room for a node of this length? */
static enum vv_rc
check_length(size_t len, struct vv_error *err)
{
    if (len > LIMIT_NODE) {
        return vv_error_set(err, VV_ELIMIT, "a tree node of %zu bytes is too large", len);
    }
    return VV_OK;
}

enum vv_rc
leaf_builder_finish(struct leaf_builder *b, struct vv_buf *out, struct vv_error *err)
{
    VV_TRY(vv_buf_check(&b->names, err));
    VV_TRY(vv_buf_check(&b->items, err));
    size_t len = 1 + 2 * VARINT_MAX + b->names.len + b->items.len;
    VV_TRY(check_length(len, err));
    VV_TRY(vv_buf_reserve(out, len, err));
    vv_buf_put_u8(out, 0);
    vv_buf_put_varint(out, b->count);
    vv_buf_put_varint(out, b->name_count);
    if (b->names.len > 0) {
        vv_buf_put(out, b->names.data, b->names.len);
    }
    if (b->items.len > 0) {
        vv_buf_put(out, b->items.data, b->items.len);
    }
    return vv_buf_check(out, err);
}

void
leaf_builder_reset(struct leaf_builder *b)
{
    vv_buf_reset(&b->names);
    vv_buf_reset(&b->places);
    vv_buf_reset(&b->items);
    vv_buf_reset(&b->last_path);
    vv_buf_reset(&b->body);
    b->name_count = 0;
    b->count = 0;
    b->recent_user = 0;
    b->recent_group = 0;
}

void
leaf_builder_release(struct leaf_builder *b)
{
    vv_buf_release(&b->names);
    vv_buf_release(&b->places);
    vv_buf_release(&b->items);
    vv_buf_release(&b->last_path);
    vv_buf_release(&b->body);
    *b = (struct leaf_builder){0};
}

void
inner_builder_add(struct inner_builder *b, const struct node_item *item)
{
    if (b->misused || b->count >= NODE_COUNT_CAP || item->entries == 0 ||
        !node_path_put(&b->items, &b->last_path, item->path, b->count == 0)) {
        b->misused = true;
        return;
    }
    uint8_t bytes[32 + 3 * VARINT_MAX];
    memcpy(bytes, item->node.b, 32);
    uint8_t *at = varint_put(bytes + 32, item->entries);
    at = varint_put(at, item->bytes);
    at = varint_put(at, 0); /* flags */
    vv_buf_put(&b->items, bytes, (size_t)(at - bytes));
    b->count++;
}

enum vv_rc
inner_builder_finish(struct inner_builder *b, uint32_t height, struct vv_buf *out,
                     struct vv_error *err)
{
    if (b->misused || b->count == 0 || height < 1 || height > LIMIT_TREE_HEIGHT) {
        return vv_error_set(err, VV_EUSAGE,
                            "inner node: no items, too many, out of order, or a wrong height");
    }
    VV_TRY(vv_buf_check(&b->items, err));
    VV_TRY(vv_buf_check(&b->last_path, err));
    size_t len = 1 + VARINT_MAX + b->items.len;
    VV_TRY(check_length(len, err));
    VV_TRY(vv_buf_reserve(out, len, err));
    vv_buf_put_u8(out, (uint8_t)height);
    vv_buf_put_varint(out, b->count);
    vv_buf_put(out, b->items.data, b->items.len);
    return vv_buf_check(out, err);
}

void
inner_builder_reset(struct inner_builder *b)
{
    vv_buf_reset(&b->items);
    vv_buf_reset(&b->last_path);
    b->count = 0;
    b->misused = false;
}

void
inner_builder_release(struct inner_builder *b)
{
    vv_buf_release(&b->items);
    vv_buf_release(&b->last_path);
    *b = (struct inner_builder){0};
}
