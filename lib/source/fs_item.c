/* SPDX-License-Identifier: BSD-2-Clause */
/* Items: what the walk hands out, and what an open needs later. */
#include <string.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

void
fs_entry_fill(struct fs_source *fs, const struct fs_stat *stat, struct entry *e)
{
    e->type = fs_type(stat->mode);
    e->mode = stat->mode & 07777;
    e->uid = stat->uid;
    e->gid = stat->gid;
    e->user = fs_user_name(&fs->names, stat->uid);
    e->group = fs_group_name(&fs->names, stat->gid);
    e->mtime = (struct entry_time){.sec = stat->mtime_sec, .nsec = stat->mtime_nsec};
    e->ctime = (struct entry_time){.sec = stat->ctime_sec, .nsec = stat->ctime_nsec};
    e->inode = stat->inode;
    e->nlink = stat->nlink;
    e->size = e->type == ENTRY_FILE || e->type == ENTRY_SYMLINK ? stat->size : 0;
    e->flags &= ~ENTRY_HAS_DEVICE;
    if (e->type == ENTRY_CHARACTER_DEVICE || e->type == ENTRY_BLOCK_DEVICE) {
        e->flags |= ENTRY_HAS_DEVICE;
        e->major = stat->major;
        e->minor = stat->minor;
    }
}

void
fs_item_release(struct source *s, struct source_item *item)
{
    struct fs_source *fs = (struct fs_source *)s;
    struct fs_item *handle = item->handle;
    if (handle == NULL) {
        return;
    }
    if (handle->dir != NULL) {
        fs_dir_unref(&fs->handles, handle->dir);
    }
    vv_free(handle);
    *item = (struct source_item){0};
}

enum vv_rc
fs_emit(struct fs_source *fs, const struct fs_emission *e, struct source_item *ret,
        struct vv_error *err)
{
    struct fs_item *handle = vv_alloc(sizeof(*handle) + e->path.len + 1);
    if (handle == NULL) {
        return vv_error_nomem(err);
    }
    struct source_item item = {.status = SOURCE_OK, .may_change = e->may_change};
    if (e->path.len > 0) {
        memcpy(handle->path, e->path.data, e->path.len);
    }
    handle->path[e->path.len] = 0;
    handle->dir = e->dir == NULL ? NULL : fs_dir_ref(e->dir);
    handle->name = e->path.len == 0 ? "." : handle->path + e->path.len - strlen(e->name);
    handle->device = e->stat == NULL ? 0 : e->stat->device;
    handle->hands_off = e->hands_off;
    item.handle = handle;
    if (e->error != 0) {
        item.status = fs_problem(&item.problem, e->error, NULL);
    }
    if (e->stat != NULL && e->stat->error == 0 &&
        (item.status == SOURCE_OK || item.status == SOURCE_UNREADABLE)) {
        fs_entry_fill(fs, e->stat, &item.entry);
        item.entry.flags |= e->implied ? ENTRY_IMPLIED : 0;
        item.entry.file_system = e->file_system;
    }
    item.entry.path = vv_span(handle->path, e->path.len);
    fs->walk.emitted++;
    *ret = item;
    return VV_OK;
}
