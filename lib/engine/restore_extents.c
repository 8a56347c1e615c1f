/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the bytes of a file's content are in the file: its data extents, one after the other. */

#include "engine/restore_internal.h"

static bool
has_map(const struct entry *e)
{
    return (e->flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)) != 0;
}

enum vv_rc
extents_prepare(const struct entry *e, struct vv_arena *arena, uint64_t **ret_starts,
                struct vv_error *err)
{
    uint64_t *starts;
    uint64_t total = 0;

    *ret_starts = NULL;
    if (!has_map(e)) {
        return e->content.size == e->size
                   ? VV_OK
                   : vv_error_set(err, VV_ECORRUPT, "its content is not as long as the file");
    }
    starts = vv_arena_alloc(arena, ((size_t)e->extent_count + 1) * sizeof(*starts));
    if (starts == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < e->extent_count; i++) {
        starts[i] = total;
        total += e->extents[i].len; /* decoding bounds the sum by the file's size */
    }
    starts[e->extent_count] = total;
    if (total != e->content.size) {
        return vv_error_set(err, VV_ECORRUPT, "its content does not fit its data extents");
    }
    *ret_starts = starts;
    return VV_OK;
}

uint64_t
extents_at(const struct entry *e, const uint64_t *starts, uint64_t offset, uint64_t len,
           uint64_t *ret_offset)
{
    uint32_t low = 0;
    uint32_t high = e->extent_count;
    uint64_t into;

    if (starts == NULL) {
        *ret_offset = offset;
        return len;
    }
    while (high - low > 1) { /* the last extent that starts at or before offset */
        uint32_t middle = low + (high - low) / 2;
        if (starts[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    into = offset - starts[low];
    *ret_offset = e->extents[low].offset + into;
    return e->extents[low].len - into < len ? e->extents[low].len - into : len;
}
