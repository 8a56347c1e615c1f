/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and freeing the file system source. */
#include <unistd.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

static void
fs_free(struct source *s)
{
    struct fs_source *fs = (struct fs_source *)s;
    fs_walk_release(fs);
    fs_roots_release(&fs->roots);
    fs_systems_release(&fs->systems);
    fs_names_release(&fs->names);
    fs_handles_release(&fs->handles);
    vv_free(fs->list_buffer);
    vv_free(fs);
}

static const struct source_ops fs_ops = {
    .sequence = false,
    .next = fs_next,
    .item_release = fs_item_release,
    .open = fs_open,
    .read = fs_read,
    .close = fs_close,
    .end = NULL,
    .free = fs_free,
};

enum vv_rc
source_fs_new(const struct source_fs_options *o, struct source **ret, struct vv_error *err)
{
    struct fs_source *fs = vv_alloc_array(1, sizeof(*fs));
    if (fs == NULL) {
        return vv_error_nomem(err);
    }
    fs->base.ops = &fs_ops;
    fs->options = *o;
    fs->euid = geteuid();
    atomic_init(&fs->proc_missing_said, false);
    fs_handles_init(&fs->handles);
    fs_names_init(&fs->names);
    VV_CLEANUP(source_freep) struct source *s = &fs->base;
    fs->list_buffer = vv_alloc(FS_LIST_BUFFER);
    if (fs->list_buffer == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(fs_roots_init(&fs->roots, o, err));
    fs->base.counts.roots_found = fs->roots.count;
    *ret = TAKE(s);
    return VV_OK;
}

enum vv_rc
source_fs_keep(struct source *s, const struct source_unchanged *u, struct vv_error *err)
{
    struct fs_source *fs = (struct fs_source *)s;
    VV_TRY(fs_systems_begin(&fs->systems, u->file_systems, u->file_system_count, err));
    fs->unchanged = u;
    return VV_OK;
}

const struct snapshot_file_system *
source_fs_file_systems(struct source *s, uint32_t *ret_count)
{
    const struct fs_source *fs = (const struct fs_source *)s;
    *ret_count = fs->systems.count;
    return fs->systems.table;
}

const struct vv_span *
source_fs_roots(struct source *s, size_t *ret_count)
{
    const struct fs_source *fs = (const struct fs_source *)s;
    *ret_count = fs->roots.merged_count;
    return fs->roots.merged;
}
