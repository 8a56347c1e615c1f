/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_RECORD_ARRAY_H
#define VARVE_REPO_RECORD_ARRAY_H

#include <stddef.h>

#include "format/common.h"

/* Arrays of what records say.  Those that are looked up begin, element by element, with the uuid they
 * are looked up by. */

/** record_array_grow(array, have, more, size, err): room for ${more} further elements of ${size} bytes:
 *  the array to use from now on, or NULL (VV_ENOMEM) with the old one untouched. */
void *record_array_grow(void *array, size_t have, size_t more, size_t size, struct vv_error *err);
/** record_array_sort(array, count, size, compare): qsort, and nothing for an array that may be NULL. */
void record_array_sort(void *array, size_t count, size_t size,
                       int (*compare)(const void *, const void *));
/** record_array_set(array, count, size, compare): likewise sorted, and each once: how many are left. */
size_t record_array_set(void *array, size_t count, size_t size,
                        int (*compare)(const void *, const void *));
/** record_compare_ids(a, b): by the first 16 bytes. */
int record_compare_ids(const void *a, const void *b);
/** record_array_first(array, count, size, id): of a sorted one, the first of the elements that begin
 *  with ${id}; NULL if there is none. */
const void *record_array_first(const void *array, size_t count, size_t size,
                               const struct vv_uuid *id);

#endif
