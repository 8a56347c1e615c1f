/* SPDX-License-Identifier: BSD-2-Clause */
/* What need not be looked at (U1 to U4): ranges that are kept as they were in an earlier walk. */
#include <errno.h>
#include <string.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

static enum vv_rc
is_known(struct fs_source *fs, struct vv_span path, const struct fs_stat *stat, uint32_t system,
         bool *ret, struct vv_error *err)
{
    struct entry e = {.inode = stat->inode, .file_system = system};
    *ret = false;
    if (system == 0) { /* an inode number means nothing without a file system */
        return VV_OK;
    }
    return fs->unchanged->known(fs->unchanged->ctx, path, &e, ret, err);
}

enum vv_rc
fs_look_root(struct fs_source *fs, struct fs_frame *frame, struct vv_error *err)
{
    bool known;
    frame->look = CHANGE_ALL;
    if (fs->unchanged == NULL) {
        return VV_OK;
    }
    if (!frame->whole) {
        frame->look = CHANGE_HERE;
        return VV_OK;
    }
    VV_TRY(is_known(fs, vv_span("", 0), &frame->stat, frame->system.number, &known, err));
    if (known) {
        enum change asked = change_set_ask(fs->unchanged->changes, vv_span("", 0));
        frame->look = asked == CHANGE_NONE ? CHANGE_BELOW : asked;
    }
    return VV_OK;
}

enum vv_rc
fs_look(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
        const struct fs_decision *d, enum change *ret, struct vv_error *err)
{
    bool roots_below = child->root_to > child->root_from + (child->given ? 1 : 0);
    bool known;
    enum change asked;
    *ret = CHANGE_ALL;
    if (fs->unchanged == NULL || frame->look == CHANGE_ALL) {
        return VV_OK;
    }
    if (!d->whole) { /* only leads to paths given: there is nothing else to look at */
        *ret = CHANGE_HERE;
        return VV_OK;
    }
    asked = change_set_ask(fs->unchanged->changes, child->path);
    VV_TRY(is_known(fs, child->path, child->stat, d->system.number, &known, err));
    if (known) {
        *ret = asked == CHANGE_NONE && roots_below ? CHANGE_BELOW : asked;
    }
    return VV_OK;
}

enum vv_rc
fs_leads_on(struct fs_source *fs, const struct fs_child *child, const struct fs_decision *d,
            bool *ret, struct vv_error *err)
{
    bool directory = d->choice == FS_KEEP && fs_type(child->stat->mode) == ENTRY_DIRECTORY;

    /* What cannot be looked at is told as it is by a walk of everything, and so is what is on a file system of
     * which nothing can be said; what is gone is not. */
    *ret =
        child->root_to > child->root_from || d->choice == FS_PENDING ||
        (d->choice == FS_FAILED && child->stat->error != ENOENT && child->stat->error != ENOTDIR) ||
        (directory && d->system.number == 0);
    if (!*ret && directory) {
        return is_known(fs, child->path, child->stat, d->system.number, ret, err);
    }
    return VV_OK;
}

int
fs_list_changed(struct fs_source *fs, struct fs_frame *frame)
{
    const struct change_set *changes = fs->unchanged->changes;
    struct vv_span here = vv_span(fs->walk.path.data, frame->path_len);
    struct vv_span before = {0};
    size_t from;
    size_t count = change_set_below(changes, here, &from);
    for (size_t i = from; i < from + count; i++) {
        struct vv_span name = fs_component(change_set_path(changes, i), frame);
        if (name.len == before.len && before.len > 0 &&
            memcmp(name.data, before.data, name.len) == 0) {
            continue;
        }
        int error = fs_listing_add(&frame->list, name.data, name.len, 0);
        if (error != 0) {
            return error;
        }
        before = name;
    }
    return 0;
}

/* An item that is a range. */
static enum vv_rc
emit_range(struct fs_source *fs, const struct path_range *range, struct source_item *ret,
           struct vv_error *err)
{
    struct fs_item *handle = vv_alloc(sizeof(*handle) + range->from.len + range->to.len + 1);
    if (handle == NULL) {
        return vv_error_nomem(err);
    }
    *handle = (struct fs_item){.kept = *range};
    if (range->from.len > 0) {
        memcpy(handle->path, range->from.data, range->from.len);
    }
    if (range->to.len > 0) {
        memcpy(handle->path + range->from.len, range->to.data, range->to.len);
    }
    handle->path[range->from.len + range->to.len] = 0;
    handle->kept.from = vv_span(handle->path, range->from.len);
    handle->kept.to = vv_span(handle->path + range->from.len, range->to.len);
    *ret = (struct source_item){.handle = handle, .kept = &handle->kept};
    fs->walk.emitted++;
    return VV_OK;
}

enum vv_rc
fs_emit_kept_below(struct fs_source *fs, struct source_item *ret, struct vv_error *err)
{
    struct vv_span path = vv_buf_span(&fs->walk.path);
    const struct path_range range = {.from = path, .to = path, .to_below = true};
    fs->walk.keep_below = false;
    return emit_range(fs, &range, ret, err);
}

/* The path of name number ${i} of a frame, from ${out}, which holds the frame's. */
static struct vv_span
path_of(const struct fs_frame *frame, size_t i, struct vv_buf *out)
{
    size_t len;
    const char *name = fs_listing_name(&frame->list, i, &len);
    out->len = frame->path_len;
    if (frame->path_len > 0) {
        vv_buf_put_u8(out, '/');
    }
    vv_buf_put(out, name, len);
    return vv_buf_span(out);
}

enum vv_rc
fs_emit_kept(struct fs_source *fs, struct fs_frame *frame, struct source_item *ret,
             struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf from = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf to = {0};
    struct vv_span here = vv_span(fs->walk.path.data, frame->path_len);
    struct path_range range = {.from = here, .to = here, .to_below = true};
    vv_buf_put(&from, here.data, here.len);
    vv_buf_put(&to, here.data, here.len);
    if (frame->next > 0) {
        range.from = path_of(frame, frame->next - 1, &from);
        range.from_below = true;
    }
    if (frame->next < frame->list.count) {
        range.to = path_of(frame, frame->next, &to);
        range.to_below = false;
    }
    VV_TRY(vv_buf_check(&from, err));
    VV_TRY(vv_buf_check(&to, err));
    frame->kept = true;
    return emit_range(fs, &range, ret, err);
}
