/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree keys: their order and what a path may look like. */
#include <endian.h>
#include <string.h>

#include "format/common.h"
#include "format/format_internal.h"

size_t
path_common(struct vv_span a, struct vv_span b)
{
    size_t limit = a.len < b.len ? a.len : b.len;
    size_t i = 0;
    while (limit - i >= 8) {
        uint64_t x;
        uint64_t y;
        memcpy(&x, a.data + i, sizeof(x));
        memcpy(&y, b.data + i, sizeof(y));
        if (x != y) {
            return i + (size_t)(__builtin_ctzll(le64toh(x ^ y)) >> 3);
        }
        i += 8;
    }
    while (i < limit && a.data[i] == b.data[i]) {
        i++;
    }
    return i;
}

int
path_compare(struct vv_span a, struct vv_span b)
{
    size_t common = path_common(a, b);
    if (common == a.len || common == b.len) {
        return (a.len > b.len) - (a.len < b.len);
    }
    return path_byte_order(a.data[common]) < path_byte_order(b.data[common]) ? -1 : 1;
}

bool
path_is_below(struct vv_span path, struct vv_span directory)
{
    if (directory.len == 0) {
        return path.len > 0;
    }
    return path.len > directory.len && path.data[directory.len] == '/' &&
           memcmp(path.data, directory.data, directory.len) == 0;
}

bool
path_range_begun(const struct path_range *r, struct vv_span path)
{
    return path_compare(path, r->from) > 0 && !(r->from_below && path_is_below(path, r->from));
}

bool
path_range_over(const struct path_range *r, struct vv_span path)
{
    int order = path_compare(path, r->to);

    return r->to_below ? order > 0 && !path_is_below(path, r->to) : order >= 0;
}

/* One component: 1 to LIMIT_NAME bytes, neither "." nor "..". */
static bool
component_valid(const uint8_t *name, size_t len)
{
    if (len == 0 || len > LIMIT_NAME) {
        return false;
    }
    return name[0] != '.' || (len > 1 && (name[1] != '.' || len > 2));
}

/* The components of path[start..]; at most ${depth} of them. */
static bool
components_valid(struct vv_span path, size_t start, unsigned depth)
{
    const uint8_t *at = path.data + start;
    const uint8_t *end = path.data + path.len;
    if (memchr(at, 0, (size_t)(end - at)) != NULL) {
        return false;
    }
    for (unsigned i = 0; i < depth; i++) {
        const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
        if (slash == NULL) {
            return component_valid(at, (size_t)(end - at));
        }
        if (!component_valid(at, (size_t)(slash - at))) {
            return false;
        }
        at = slash + 1;
    }
    return false;
}

bool
path_valid(struct vv_span path)
{
    if (path.len == 0) {
        return true;
    }
    return path.len <= LIMIT_PATH && components_valid(path, 0, LIMIT_DEPTH);
}

bool
path_valid_from(struct vv_span path, size_t checked)
{
    /* Shorter paths cannot be too deep, so only the components behind the last slash that both
     * paths share are new. */
    if (checked == 0 || path.len >= (size_t)2 * LIMIT_DEPTH) {
        return path_valid(path);
    }
    const uint8_t *slash = memrchr(path.data, '/', checked);
    size_t start = slash == NULL ? 0 : (size_t)(slash - path.data) + 1;
    return components_valid(path, start, LIMIT_DEPTH);
}
