/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands that look into one snapshot begin with. */
#include "snapshot_argument.h"

#include <string.h>

#include "core/alloc.h"
#include "repo/chunk_index.h"

enum vv_rc
snapshot_argument_resolve(struct app *app, const struct snapshot_list *list,
                          struct snapshot_path *path, const char *host, const struct snapshot **ret)
{
    return snapshot_resolve(list, vv_buf_text(&path->snapshot), host != NULL ? host : app_host(),
                            ret, &app->err);
}

static bool
has_tag(const struct snapshot *s, const char *tag)
{
    for (uint32_t i = 0; i < s->body.tag_count; i++) {
        if (strcmp(s->body.tags[i], tag) == 0) {
            return true;
        }
    }
    return false;
}

/** Of a list that has only those with the tag; what it holds is the whole list's. */
static enum vv_rc
resolve_tagged(struct app *app, const struct snapshot_list *list, struct snapshot_path *path,
               const char *host, const char *tag, const struct snapshot **ret)
{
    VV_CLEANUP(vv_freep)
    struct snapshot *some = vv_alloc_array(list->count + 1, sizeof(*some));
    struct snapshot_list view = {.snapshots = some};
    const struct snapshot *found = NULL;

    if (some == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (has_tag(&list->snapshots[i], tag)) {
            some[view.count++] = list->snapshots[i];
        }
    }
    if (snapshot_argument_resolve(app, &view, path, host, &found) != VV_OK) {
        return vv_error_prefix(&app->err, "of the snapshots with the tag '%s'", tag);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (vv_uuid_equal(&list->snapshots[i].id, &found->id)) {
            *ret = &list->snapshots[i];
        }
    }
    return VV_OK;
}

enum vv_rc
snapshot_argument_open_tagged(struct app *app, const char *text, const char *host, const char *tag,
                              struct snapshot_argument *ret)
{
    VV_TRY(snapshot_path_parse(text, &ret->path, &app->err));
    VV_TRY(app_open(app, APP_READ));
    chunk_index_ahead(app->repo); /* while the list is read */
    VV_TRY(app_snapshots(app, &ret->list));
    return tag != NULL
               ? resolve_tagged(app, &ret->list, &ret->path, host, tag, &ret->snapshot)
               : snapshot_argument_resolve(app, &ret->list, &ret->path, host, &ret->snapshot);
}

enum vv_rc
snapshot_argument_open(struct app *app, const char *text, const char *host,
                       struct snapshot_argument *ret)
{
    return snapshot_argument_open_tagged(app, text, host, NULL, ret);
}

void
snapshot_argument_release(struct snapshot_argument *a)
{
    snapshot_list_release(&a->list);
    snapshot_path_release(&a->path);
}
