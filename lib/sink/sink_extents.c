/* SPDX-License-Identifier: BSD-2-Clause */

/* Where a file has data and where holes, and whether two such maps mean the same. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "sink/sink_internal.h"

struct extent_list {
    struct extent *all;
    uint32_t count;
    uint32_t cap;
};

static enum vv_rc
append(struct extent_list *list, uint64_t start, uint64_t end, struct vv_error *err)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap == 0 ? 16 : list->cap * 2;
        struct extent *all = vv_realloc_array(list->all, cap, sizeof(*all));
        if (all == NULL || cap < list->cap) {
            return vv_error_nomem(err);
        }
        list->all = all;
        list->cap = cap;
    }
    list->all[list->count++] = (struct extent){start, end - start};
    return VV_OK;
}

/* Collects the data extents; ${*sys} is set if the file system failed. */
static enum vv_rc
collect(int fd, uint64_t size, struct extent_list *list, int *sys, struct vv_error *err)
{
    uint64_t at = 0;

    while (at < size) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        off_t hole;
        if (data < 0) {
            *sys = errno == ENXIO ? 0 : errno;
            return VV_OK;
        }
        if ((uint64_t)data >= size) {
            return VV_OK;
        }
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole <= data) {
            *sys = hole < 0 ? errno : EIO;
            return VV_OK;
        }
        at = (uint64_t)hole < size ? (uint64_t)hole : size;
        VV_TRY(append(list, (uint64_t)data, at, err));
    }
    return VV_OK;
}

enum vv_rc
sink_extents_read(int fd, uint64_t size, struct vv_span path, struct vv_arena *arena,
                  struct entry *e, struct vv_error *err)
{
    struct extent_list list = {0};
    enum vv_rc rc;
    off_t hole;
    int sys = 0;

    if (size == 0) {
        return VV_OK;
    }
    hole = lseek(fd, 0, SEEK_HOLE);
    if ((hole < 0 && errno == EINVAL) || (hole >= 0 && (uint64_t)hole >= size)) {
        (void)lseek(fd, 0, SEEK_SET);
        return VV_OK;
    }
    rc = collect(fd, size, &list, &sys, err);
    if (rc == VV_OK && sys != 0) {
        rc = sink_error(err, sys, "find the holes of", path);
    }
    if (rc == VV_OK) {
        e->extents = vv_arena_alloc(arena, (size_t)list.count * sizeof(*list.all) + 1);
        if (e->extents == NULL) {
            rc = vv_error_nomem(err);
        } else {
            if (list.count > 0) {
                memcpy(e->extents, list.all, (size_t)list.count * sizeof(*list.all));
            }
            e->extent_count = list.count;
            e->flags |= ENTRY_HAS_EXTENTS;
        }
    }
    vv_free(list.all);
    (void)lseek(fd, 0, SEEK_SET);
    return rc;
}

static bool
has_map(const struct entry *e)
{
    return (e->flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)) != 0;
}

/* A file without a map is one extent. */
static const struct extent *
map_of(const struct entry *e, struct extent *whole, uint32_t *count)
{
    if (has_map(e)) {
        *count = e->extent_count;
        return e->extents;
    }
    *whole = (struct extent){0, e->size};
    *count = e->size > 0 ? 1 : 0;
    return whole;
}

bool
sink_extents_agree(const struct entry *wanted, const struct entry *found, uint64_t block)
{
    struct extent whole[2];
    uint32_t wanted_count;
    uint32_t found_count;
    const struct extent *w = map_of(wanted, &whole[0], &wanted_count);
    const struct extent *f = map_of(found, &whole[1], &found_count);
    uint32_t j = 0;
    uint64_t hole = 0; /* where the wanted hole before extent i begins */

    for (uint32_t i = 0; i <= wanted_count; i++) {
        uint64_t end = i < wanted_count ? w[i].offset : wanted->size;
        /* Only whole blocks can be holes; the last block ends with the file. */
        uint64_t first = (hole + block - 1) / block * block;
        uint64_t last = i < wanted_count ? end / block * block : end;

        while (j < found_count && f[j].offset + f[j].len <= first) {
            j++;
        }
        if (first < last && j < found_count && f[j].offset < last) {
            return false; /* data in a hole */
        }
        if (i == wanted_count) {
            break;
        }
        while (j < found_count && f[j].offset + f[j].len <= w[i].offset) {
            j++;
        }
        /* The data must be covered, by one extent or several that touch. */
        for (uint64_t at = w[i].offset; at < w[i].offset + w[i].len;) {
            if (j >= found_count || f[j].offset > at) {
                return false; /* a hole in data */
            }
            at = f[j].offset + f[j].len;
            if (at < w[i].offset + w[i].len) {
                j++;
            }
        }
        hole = w[i].offset + w[i].len;
    }
    return true;
}
