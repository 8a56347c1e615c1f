/* SPDX-License-Identifier: BSD-2-Clause */
/* Data and holes of a file.  Asked of every file with content: preallocated space is a hole that
 * the number of blocks does not show, and one lseek costs little beside the open. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

struct extent_list {
    struct extent *items;
    size_t count;
    size_t cap;
};

static int
add_extent(struct extent_list *l, uint64_t offset, uint64_t len)
{
    if (l->count == UINT32_MAX) {
        return EOVERFLOW;
    }
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        struct extent *grown = vv_realloc_array(l->items, cap, sizeof(*grown));
        if (grown == NULL) {
            return ENOMEM;
        }
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->count++] = (struct extent){.offset = offset, .len = len};
    return 0;
}

/* Collect the data extents up to ${size}; the first hole starts at ${hole}. */
static int
collect(int fd, uint64_t size, uint64_t hole, struct extent_list *l)
{
    uint64_t at = 0;
    for (;;) {
        if (hole > at) {
            int error = add_extent(l, at, hole - at);
            if (error != 0) {
                return error;
            }
        }
        if (hole >= size) {
            return 0;
        }
        off_t data = lseek(fd, (off_t)hole, SEEK_DATA);
        if (data < 0 && errno == ENXIO) {
            return 0; /* a hole up to the end */
        }
        if (data < 0) {
            return errno;
        }
        if ((uint64_t)data >= size) {
            return 0;
        }
        off_t next = lseek(fd, data, SEEK_HOLE);
        if (next < 0) {
            return errno;
        }
        at = (uint64_t)data;
        hole = (uint64_t)next < size ? (uint64_t)next : size;
        if (hole <= at) {
            return ESTALE; /* it is being cut while we look */
        }
    }
}

int
fs_map_extents(struct fs_file *f)
{
    uint64_t size = f->stat.size;
    off_t hole = size == 0 ? 0 : lseek(f->fd, 0, SEEK_HOLE);
    if (hole < 0 || (uint64_t)hole >= size) {
        return 0; /* no holes, or a file system that knows nothing of them */
    }
    struct extent_list list = {0};
    int error = collect(f->fd, size, (uint64_t)hole, &list);
    uint64_t *starts = error == 0 ? vv_alloc_array(list.count + 1, sizeof(*starts)) : NULL;
    if (starts == NULL) {
        vv_free(list.items);
        return error == 0 ? ENOMEM : error == ESTALE ? 0 : error;
    }
    for (size_t i = 0; i < list.count; i++) {
        starts[i + 1] = starts[i] + list.items[i].len;
    }
    f->extents = list.items;
    f->extent_count = (uint32_t)list.count;
    f->starts = starts;
    f->sparse = true;
    return 0;
}
