/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SNAPSHOT_ARGUMENTS_H
#define VARVE_CMD_SNAPSHOT_ARGUMENTS_H

#include "app.h"

/** Whole snapshots that were named, without repeats. */
struct snapshot_arguments {
    const struct snapshot **items;
    size_t count;
};
void snapshot_arguments_release(struct snapshot_arguments *a);
/** Where ids are looked for. */
enum snapshot_source {
    AMONG_SNAPSHOTS, /* those that count */
    AMONG_FORGOTTEN, /* those in their grace */
};
/** snapshot_arguments_resolve(app, texts, count, source, l, ret): SNAP...; pointers into ${l}. */
MUST_CHECK enum vv_rc snapshot_arguments_resolve(struct app *app, const char *const *texts,
                                                 size_t count, enum snapshot_source source,
                                                 const struct snapshot_list *l,
                                                 struct snapshot_arguments *ret);

#endif
