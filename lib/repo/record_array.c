/* SPDX-License-Identifier: BSD-2-Clause */
/* Arrays of what records say. */
#include "repo/record_array.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

void *
record_array_grow(void *array, size_t have, size_t more, size_t size, struct vv_error *err)
{
    void *larger = vv_realloc_array(array, have + more + 1, size);

    if (larger == NULL) {
        (void)vv_error_nomem(err);
    }
    return larger;
}

void
record_array_sort(void *array, size_t count, size_t size,
                  int (*compare)(const void *, const void *))
{
    if (count > 0) {
        qsort(array, count, size, compare);
    }
}

size_t
record_array_set(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    uint8_t *items = array;
    size_t kept = 0;

    record_array_sort(array, count, size, compare);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare(items + (kept - 1) * size, items + i * size) != 0) {
            memmove(items + kept++ * size, items + i * size, size);
        }
    }
    return kept;
}

int
record_compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_uuid));
}

const void *
record_array_first(const void *array, size_t count, size_t size, const struct vv_uuid *id)
{
    const uint8_t *items = array;
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (record_compare_ids(items + middle * size, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && record_compare_ids(items + low * size, id) == 0 ? items + low * size
                                                                          : NULL;
}
