/* SPDX-License-Identifier: BSD-2-Clause */
/* SNAP... of commands that work on whole snapshots. */
#include "snapshot_arguments.h"

#include <string.h>

#include "core/alloc.h"

void
snapshot_arguments_release(struct snapshot_arguments *a)
{
    vv_free(a->items);
    memset(a, 0, sizeof(*a));
}

static void
add(struct snapshot_arguments *a, const struct snapshot *s)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i] == s) {
            return;
        }
    }
    a->items[a->count++] = s;
}

enum vv_rc
snapshot_arguments_resolve(struct app *app, const char *const *texts, size_t count,
                           enum snapshot_source source, const struct snapshot_list *l,
                           struct snapshot_arguments *ret)
{
    struct snapshot_arguments a = {.items = vv_alloc_array(count + 1, sizeof(*a.items))};
    enum vv_rc rc = VV_OK;

    if (a.items == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < count && rc == VV_OK; i++) {
        const struct snapshot *s = NULL;
        if (strchr(texts[i], ':') != NULL) {
            rc = app_usage(app, "'%s': this is about whole snapshots", texts[i]);
        } else if (source == AMONG_FORGOTTEN) {
            rc = snapshot_resolve_forgotten(l, texts[i], &s, &app->err);
        } else {
            rc = snapshot_resolve(l, texts[i], app_host(), &s, &app->err);
        }
        if (rc == VV_OK) {
            add(&a, s);
        }
    }
    if (rc != VV_OK) {
        snapshot_arguments_release(&a);
        return rc;
    }
    *ret = a;
    return VV_OK;
}
