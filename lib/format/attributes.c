/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended attributes and data extents: the same bytes inside an entry and as a stream. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/entry.h"
#include "format/entry_internal.h"

#define XATTR_MIN_LEN 3u /* two lengths and a name of one byte */
#define EXTENT_MIN_LEN 2u

static int
span_compare(struct vv_span a, struct vv_span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool
xattr_name_valid(struct vv_span name)
{
    return name.len > 0 && name.len <= LIMIT_NAME && memchr(name.data, 0, name.len) == NULL;
}

static bool
xattrs_ascend(const struct xattr *xattrs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (span_compare(xattrs[i - 1].name, xattrs[i].name) >= 0) {
            return false;
        }
    }
    return true;
}

bool
xattrs_valid(const struct xattr *xattrs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!xattr_name_valid(xattrs[i].name)) {
            return false;
        }
    }
    return true;
}

/* By name; equal names stay in the order given. */
static int
compare_attributes(const void *a, const void *b)
{
    const struct xattr *x = *(const struct xattr *const *)a;
    const struct xattr *y = *(const struct xattr *const *)b;
    int order = span_compare(x->name, y->name);
    return order != 0 ? order : (x > y) - (x < y);
}

static void
xattr_put(struct vv_buf *out, const struct xattr *x)
{
    vv_buf_put_varint(out, x->name.len);
    vv_buf_put(out, x->name.data, x->name.len);
    vv_buf_put_varint(out, x->value.len);
    if (x->value.len > 0) {
        vv_buf_put(out, x->value.data, x->value.len);
    }
}

/* Attributes that are not sorted, or have equal names, of which the last one counts. */
static void
xattrs_encode_sorted(const struct xattr *xattrs, uint32_t count, struct vv_buf *out)
{
    const struct xattr **sorted = vv_alloc_array(count, sizeof(*sorted));
    if (sorted == NULL) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = &xattrs[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_attributes);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 == count || span_compare(sorted[i]->name, sorted[i + 1]->name) != 0) {
            sorted[kept++] = sorted[i];
        }
    }
    vv_buf_put_varint(out, kept);
    for (uint32_t i = 0; i < kept; i++) {
        xattr_put(out, sorted[i]);
    }
    vv_free(sorted);
}

void
xattrs_encode(const struct xattr *xattrs, uint32_t count, struct vv_buf *out)
{
    if (!xattrs_ascend(xattrs, count)) {
        xattrs_encode_sorted(xattrs, count, out);
        return;
    }
    vv_buf_put_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        xattr_put(out, &xattrs[i]);
    }
}

enum vv_rc
xattrs_get(struct vv_reader *r, struct vv_arena *arena, struct xattr **ret, uint32_t *ret_count,
           struct vv_error *err)
{
    uint64_t count = varint_get(r);
    if (r->failed || count > vv_reader_left(r) / XATTR_MIN_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "extended attributes: impossible count");
    }
    struct xattr *xattrs = vv_arena_alloc(arena, (size_t)count * sizeof(*xattrs));
    if (xattrs == NULL) {
        return vv_error_nomem(err);
    }
    for (uint64_t i = 0; i < count; i++) {
        xattrs[i].name = vv_get_bytes(r, varint_get(r), 1);
        xattrs[i].value = vv_get_bytes(r, varint_get(r), 1);
        if (r->failed || !xattr_name_valid(xattrs[i].name)) {
            return vv_error_set(err, VV_ECORRUPT, "extended attributes: impossible name or length");
        }
    }
    if (!xattrs_ascend(xattrs, (uint32_t)count)) {
        return vv_error_set(err, VV_ECORRUPT, "extended attributes: not in order");
    }
    *ret = xattrs;
    *ret_count = (uint32_t)count;
    return VV_OK;
}

enum vv_rc
xattrs_decode(struct vv_span bytes, struct vv_arena *arena, struct xattr **ret, uint32_t *ret_count,
              struct vv_error *err)
{
    if (bytes.len == 0 || bytes.len > LIMIT_XATTRS) {
        return vv_error_set(err, VV_ECORRUPT, "extended attributes: impossible length (%zu bytes)",
                            bytes.len);
    }
    const uint8_t *copy = vv_arena_copy(arena, bytes.data, bytes.len);
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    struct vv_reader r = vv_reader(copy, bytes.len);
    struct xattr *xattrs;
    uint32_t count;
    VV_TRY(xattrs_get(&r, arena, &xattrs, &count, err));
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "extended attributes: bytes left over");
    }
    *ret = xattrs;
    *ret_count = count;
    return VV_OK;
}

bool
extents_valid(const struct extent *extents, uint64_t count, uint64_t size)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (extents[i].offset < end || extents[i].offset > size ||
            extents[i].len > size - extents[i].offset) {
            return false;
        }
        end = extents[i].offset + extents[i].len;
    }
    return true;
}

/* The next extent from place *i on: empty ones left out, touching ones joined. */
static bool
next_extent(const struct extent *extents, uint64_t count, uint64_t *i, struct extent *ret)
{
    while (*i < count && extents[*i].len == 0) {
        (*i)++;
    }
    if (*i == count) {
        return false;
    }
    *ret = extents[(*i)++];
    while (*i < count && (extents[*i].len == 0 || extents[*i].offset == ret->offset + ret->len)) {
        ret->len += extents[(*i)++].len;
    }
    return true;
}

void
extents_encode(const struct extent *extents, uint64_t count, struct vv_buf *out)
{
    struct extent extent;
    uint64_t kept = 0;
    for (uint64_t i = 0; next_extent(extents, count, &i, &extent);) {
        kept++;
    }
    vv_buf_put_varint(out, kept);
    uint64_t end = 0;
    for (uint64_t i = 0; next_extent(extents, count, &i, &extent);) {
        vv_buf_put_varint(out, extent.offset - end);
        vv_buf_put_varint(out, extent.len);
        end = extent.offset + extent.len;
    }
}

enum vv_rc
extents_get(struct vv_reader *r, uint64_t size, struct vv_arena *arena, struct extent **ret,
            uint32_t *ret_count, struct vv_error *err)
{
    uint64_t count = varint_get(r);
    if (r->failed || count > UINT32_MAX || count > vv_reader_left(r) / EXTENT_MIN_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "extents: impossible count");
    }
    struct extent *extents = vv_arena_alloc(arena, (size_t)count * sizeof(*extents));
    if (extents == NULL) {
        return vv_error_nomem(err);
    }
    uint64_t end = 0; /* never beyond size, so that nothing overflows */
    for (uint64_t i = 0; i < count; i++) {
        uint64_t gap = varint_get(r);
        uint64_t len = varint_get(r);
        if (r->failed || (gap == 0 && i > 0) || len == 0 || gap > size - end ||
            len > size - end - gap) {
            return vv_error_set(err, VV_ECORRUPT, "extents: overlapping or beyond the file's end");
        }
        extents[i] = (struct extent){.offset = end + gap, .len = len};
        end += gap + len;
    }
    *ret = extents;
    *ret_count = (uint32_t)count;
    return VV_OK;
}

enum vv_rc
extents_decode(struct vv_span bytes, uint64_t size, struct vv_arena *arena, struct extent **ret,
               uint32_t *ret_count, struct vv_error *err)
{
    struct vv_reader r = vv_reader(bytes.data, bytes.len);
    struct extent *extents;
    uint32_t count;
    VV_TRY(extents_get(&r, size, arena, &extents, &count, err));
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "extents: bytes left over");
    }
    *ret = extents;
    *ret_count = count;
    return VV_OK;
}
