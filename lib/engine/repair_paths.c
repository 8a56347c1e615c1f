/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: which paths of which snapshots are lost: A7. */

#include "core/alloc.h"
#include "engine/repair_internal.h"
#include "engine/verify.h"

static enum vv_rc
walk(struct repair *x, const struct snapshot_list *l, struct vv_error *err)
{
    struct verify_options options = {.data = true, .threads = x->options->threads};
    struct verify_summary s;

    x->s.each = vv_alloc_array(l->count + 1, sizeof(*x->s.each));
    options.paths_each = vv_alloc_array(l->count + 1, sizeof(*options.paths_each));
    if (x->s.each == NULL || options.paths_each == NULL) {
        vv_free(options.paths_each);
        return vv_error_nomem(err);
    }
    /* All else was read a moment ago. */
    options.only = (const struct pack_name *)(const void *)x->bad.data;
    options.only_count = x->bad.len / sizeof(*options.only);
    options.only_these = true;
    enum vv_rc rc = verify_run(x->repo, l, &options, x->progress, &s, err);
    if (rc == VV_OK) {
        x->s.snapshots = l->count;
        x->s.paths_lost = s.paths_damaged;
        x->s.forged = s.forged;
        for (size_t i = 0; i < l->count; i++) {
            x->s.each[i] = (struct repair_snapshot){l->snapshots[i].id, l->snapshots[i].time,
                                                    options.paths_each[i]};
            x->s.snapshots_whole += options.paths_each[i] == 0;
        }
    }
    vv_free(options.paths_each);
    return rc;
}

enum vv_rc
repair_paths(struct repair *x, struct vv_error *err)
{
    struct snapshot_list l = {0};
    enum vv_rc rc;

    VV_TRY(snapshot_list_read(x->repo, &l, err));
    rc = walk(x, &l, err);
    snapshot_list_release(&l);
    return rc;
}
