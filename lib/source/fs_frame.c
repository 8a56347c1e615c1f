/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames: going into a directory (opening and listing it) and leaving it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

/* After so many items below a directory, what was seen of its other names is looked at again. */
#define BATCH_STALE 4096u

struct vv_span
fs_component(struct vv_span path, const struct fs_frame *frame)
{
    size_t start = frame->path_len + (frame->path_len > 0 ? 1 : 0);
    const uint8_t *slash = memchr(path.data + start, '/', path.len - start);
    size_t end = slash == NULL ? path.len : (size_t)(slash - path.data);
    return vv_span(path.data + start, end - start);
}

struct keep_context {
    const struct fs_source *fs;
    const struct fs_frame *frame;
};

static bool
kept_in_cache(const char *name, void *arg)
{
    const struct keep_context *c = arg;
    if (strcmp(name, FS_CACHE_TAG) == 0) {
        return true;
    }
    for (size_t i = c->frame->root_from; i < c->frame->root_to; i++) {
        struct vv_span component = fs_component(c->fs->roots.all[i], c->frame);
        if (component.len == strlen(name) && memcmp(component.data, name, component.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Fill frame->list: all that is there (if ${readable}), and what the paths given name.  An errno.
 */
static int
list_directory(struct fs_source *fs, struct fs_frame *frame, int fd, bool readable)
{
    int error = 0;
    bool whole = frame->whole && frame->look != CHANGE_BELOW;
    if (whole && readable) {
        error = fs_listing_read(&frame->list, fd, fs->list_buffer, fs->options.cancel);
    }
    struct vv_span before = {0};
    for (size_t i = frame->root_from; i < frame->root_to && error != ENOMEM; i++) {
        struct vv_span component = fs_component(fs->roots.all[i], frame);
        if (component.len != before.len ||
            (before.len > 0 && memcmp(component.data, before.data, before.len) != 0)) {
            int failed = fs_listing_add(&frame->list, component.data, component.len, 0);
            error = failed == ENOMEM ? ENOMEM : error;
        }
        before = component;
    }
    if (frame->look == CHANGE_BELOW && error != ENOMEM) {
        error = fs_list_changed(fs, frame);
    }
    fs_listing_sort(&frame->list);
    if (fs->options.exclude_caches && whole && !frame->pending &&
        fs_listing_has(&frame->list, FS_CACHE_TAG) && fs_is_cache_directory(&fs->handles, fd)) {
        struct keep_context context = {.fs = fs, .frame = frame};
        fs->base.counts.excluded += fs_listing_keep(&frame->list, kept_in_cache, &context);
    }
    return error;
}

static void
frame_release(struct fs_source *fs, struct fs_frame *frame)
{
    fs_listing_release(&frame->list);
    vv_free(frame->batch.stats);
    if (frame->dir != NULL) {
        fs_dir_unref(&fs->handles, frame->dir);
    }
    *frame = (struct fs_frame){0};
}

static enum vv_rc
make_room(struct fs_walk *w, struct vv_error *err)
{
    if (w->depth < w->cap) {
        return VV_OK;
    }
    size_t cap = w->cap == 0 ? 16 : w->cap * 2;
    struct fs_frame *grown = vv_realloc_array(w->frames, cap, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    w->frames = grown;
    w->cap = cap;
    return VV_OK;
}

/* Open the directory ${name} in ${parent} (NULL: "/") for ${frame}.  A frame that only leads to
 * paths given, or to changes, needs no right to read it; one that cannot be read may still lead to some
 * (*ret_error says why nothing else is seen).  A descriptor, or -errno. */
static int
open_directory(struct fs_source *fs, struct fs_dir *parent, const char *name,
               const struct fs_frame *frame, int *ret_error)
{
    int at = AT_FDCWD;
    if (parent != NULL) {
        at = fs_dir_pin(&fs->handles, parent);
        if (at < 0) {
            return at;
        }
    }
    bool noatime = fs->euid == 0 || fs->euid == frame->stat.uid;
    int fd = -EACCES;
    *ret_error = 0;
    if (frame->whole && frame->look != CHANGE_BELOW) {
        fd = fs_openat(&fs->handles, at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, noatime);
        *ret_error = fd == -EACCES ? EACCES : 0;
    }
    if (fd == -EACCES && (frame->root_from < frame->root_to || frame->look == CHANGE_BELOW)) {
        fd = fs_openat(&fs->handles, at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, false);
    }
    if (parent != NULL) {
        fs_dir_unpin(&fs->handles, parent);
    }
    return fd;
}

enum vv_rc
fs_push(struct fs_source *fs, struct fs_frame *frame, struct fs_dir *parent, const char *name,
        int *ret_error, struct vv_error *err)
{
    struct fs_stat now;
    VV_TRY(make_room(&fs->walk, err));
    int fd = open_directory(fs, parent, name, frame, ret_error);
    if (fd < 0) {
        *ret_error = -fd;
        return VV_OK;
    }
    fs_stat_fd(fd, &now);
    if (now.error != 0 || !fs_same_object(&now, &frame->stat)) {
        vv_fd_close(fd);
        *ret_error = now.error != 0 ? now.error : ESTALE;
        return VV_OK;
    }
    int listed = list_directory(fs, frame, fd, *ret_error == 0);
    *ret_error = *ret_error != 0 ? *ret_error : listed;
    frame->list_error = *ret_error;
    frame->emitted_before = fs->walk.emitted;
    frame->dir = fs_dir_new(&fs->handles, parent, name, fd, &now);
    enum vv_rc rc = vv_cancel_check(fs->options.cancel, err);
    if (rc == VV_OK && (listed == ENOMEM || frame->dir == NULL)) {
        rc = vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        frame_release(fs, frame);
        return rc;
    }
    fs->walk.pending += frame->pending ? 1 : 0;
    fs->walk.frames[fs->walk.depth++] = *frame;
    return VV_OK;
}

void
fs_pop(struct fs_source *fs)
{
    struct fs_walk *w = &fs->walk;
    struct fs_frame *frame = &w->frames[--w->depth];
    if (frame->pending) {
        w->pending--;
        fs->base.counts.excluded++;
    }
    bool stale = w->emitted - frame->emitted_before > BATCH_STALE;
    frame_release(fs, frame);
    if (stale && w->depth > 0) {
        w->frames[w->depth - 1].batch.count = 0;
    }
}

void
fs_walk_release(struct fs_source *fs)
{
    while (fs->walk.depth > 0) {
        frame_release(fs, &fs->walk.frames[--fs->walk.depth]);
    }
    vv_free(fs->walk.frames);
    vv_buf_release(&fs->walk.path);
}
