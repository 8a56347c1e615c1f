/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SNAPSHOT_ARGUMENT_H
#define VARVE_CMD_SNAPSHOT_ARGUMENT_H

#include "app.h"

/** What commands that look into one snapshot begin with: the list, and the snapshot and path of an
 *  argument. */
struct snapshot_argument {
    struct snapshot_list list;
    struct snapshot_path path;
    const struct snapshot *snapshot;
};
/** snapshot_argument_open(app, text, host, ret): open the repository for reading, read the list,
 *  resolve SNAP[:PATH].  ${host} (NULL: this one) is whose 'latest' is meant. */
MUST_CHECK enum vv_rc snapshot_argument_open(struct app *app, const char *text, const char *host,
                                             struct snapshot_argument *ret);
/** snapshot_argument_open_tagged(app, text, host, tag, ret): the same among the snapshots with a tag (NULL: all);
 *  the list still has them all. */
MUST_CHECK enum vv_rc snapshot_argument_open_tagged(struct app *app, const char *text,
                                                    const char *host, const char *tag,
                                                    struct snapshot_argument *ret);
void snapshot_argument_release(struct snapshot_argument *a);
/** snapshot_argument_resolve(app, list, path, host, ret): the snapshot that ${path} names. */
MUST_CHECK enum vv_rc snapshot_argument_resolve(struct app *app, const struct snapshot_list *list,
                                                struct snapshot_path *path, const char *host,
                                                const struct snapshot **ret);

#endif
