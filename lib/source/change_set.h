/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_CHANGE_SET_H
#define VARVE_SOURCE_CHANGE_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/error.h"

/*
 * Which directories have changed: paths as in a tree (no slash in front), each with how much of it.
 *
 * C1  bounded: beyond a number of bytes, or out of memory, the set holds everything, and knows no
 *     single path any more.
 * C2  what is in it is never too little: adding a path twice keeps the larger change.
 */
enum change {
    CHANGE_NONE,  /* nothing here, nor below */
    CHANGE_BELOW, /* not here, but in directories below */
    CHANGE_HERE,  /* names in it, or something about what they name; also perhaps below */
    CHANGE_ALL,   /* all that is below it counts as changed */
};

struct change_set;
/** change_set_new(most, ret, err): an empty one that may take ${most} bytes. */
MUST_CHECK enum vv_rc change_set_new(size_t most, struct change_set **ret, struct vv_error *err);
void change_set_free(struct change_set *s);
VV_DEFINE_CLEANUP(struct change_set, change_set_free);

/** change_set_add(s, path, change): CHANGE_HERE or CHANGE_ALL. */
void change_set_add(struct change_set *s, struct vv_span path, enum change change);
/** change_set_add_parent(s, path): the directory that ${path} is in has changed. */
void change_set_add_parent(struct change_set *s, struct vv_span path);
/** change_set_add_everything(s): nobody knows what has changed. */
void change_set_add_everything(struct change_set *s);
/** change_set_merge(s, other): what is in ${other}, too. */
void change_set_merge(struct change_set *s, const struct change_set *other);
void change_set_clear(struct change_set *s);

bool change_set_is_everything(const struct change_set *s);
bool change_set_is_empty(const struct change_set *s);
size_t change_set_count(const struct change_set *s);

/** change_set_sort(s): before anything below is asked, after the last one was added.  Asking changes
 *  nothing, and may be done by any thread. */
void change_set_sort(struct change_set *s);
enum change change_set_ask(const struct change_set *s, struct vv_span path);
/** change_set_below(s, path, ret_from): how many of the paths, sorted, are strictly below ${path}, and the
 *  first one's number.  change_set_path(s, i): path number ${i}. */
size_t change_set_below(const struct change_set *s, struct vv_span path, size_t *ret_from);
struct vv_span change_set_path(const struct change_set *s, size_t i);

#endif
