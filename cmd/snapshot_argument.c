/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands that look into one snapshot begin with. */
#include "snapshot_argument.h"

#include "repo/chunk_index.h"

enum vv_rc
snapshot_argument_resolve(struct app *app, const struct snapshot_list *list,
                          struct snapshot_path *path, const char *host, const struct snapshot **ret)
{
    return snapshot_resolve(list, vv_buf_text(&path->snapshot), host != NULL ? host : app_host(),
                            ret, &app->err);
}

enum vv_rc
snapshot_argument_open(struct app *app, const char *text, const char *host,
                       struct snapshot_argument *ret)
{
    VV_TRY(snapshot_path_parse(text, &ret->path, &app->err));
    VV_TRY(app_open(app, APP_READ));
    chunk_index_ahead(app->repo); /* while the list is read */
    VV_TRY(app_snapshots(app, &ret->list));
    return snapshot_argument_resolve(app, &ret->list, &ret->path, host, &ret->snapshot);
}

void
snapshot_argument_release(struct snapshot_argument *a)
{
    snapshot_list_release(&a->list);
    snapshot_path_release(&a->path);
}
