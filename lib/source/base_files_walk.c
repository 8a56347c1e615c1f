/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk through a cluster's directories, in the order of the paths they have in the snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/base_files.h"

static const struct base_files_root *
root_of(const struct base_files *f)
{
    return &f->roots[f->next_root - 1];
}

/* Go into the directory open at ${fd}, which is taken over; its path is in f->path. */
static enum vv_rc
push(struct base_files *f, int fd, struct vv_error *err)
{
    struct base_files_frame frame = {.fd = fd, .path_len = f->path.len};
    int error;

    if (f->depth == f->room) {
        size_t room = f->room == 0 ? 8 : f->room * 2;
        struct base_files_frame *grown = vv_realloc_array(f->frames, room, sizeof(*grown));
        if (grown == NULL) {
            vv_fd_close(fd);
            return vv_error_nomem(err);
        }
        f->frames = grown;
        f->room = room;
    }
    error = fs_listing_read(&frame.list, fd, f->names, f->owner->options.cancel);
    if (error == ENOENT) { /* dropped just now */
        error = 0;
    }
    if (error != 0) {
        base_files_fail(f, error, vv_buf_text(&f->path));
        fs_listing_release(&frame.list);
        vv_fd_close(fd);
        return vv_cancel_check(f->owner->options.cancel, err);
    }
    fs_listing_sort(&frame.list);
    base_files_judge(f, &frame);
    f->frames[f->depth++] = frame;
    return VV_OK;
}

static void
pop(struct base_files *f)
{
    struct base_files_frame *frame = &f->frames[--f->depth];

    fs_listing_release(&frame->list);
    vv_fd_close(frame->fd);
}

static enum vv_rc
enter_root(struct base_files *f, struct vv_error *err)
{
    int fd;

    f->next_root++;
    vv_buf_reset(&f->path);
    fd = openat(root_of(f)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        base_files_fail(f, errno, root_of(f)->path);
        return VV_OK;
    }
    return push(f, fd, err);
}

static struct entry_time
time_of(int64_t sec, uint32_t nsec)
{
    return (struct entry_time){.sec = sec, .nsec = nsec};
}

/* Remember a file for the manifest. */
static enum vv_rc
note_file(struct base_files *f, const struct fs_stat *st, struct base_files_file **ret,
          struct vv_error *err)
{
    struct base_files_file *file = vv_arena_alloc(&f->arena, sizeof(*file));
    size_t prefix = strlen(root_of(f)->inside);
    char *path = vv_arena_alloc(&f->arena, prefix + f->path.len + 1);

    if (file == NULL || path == NULL) {
        return vv_error_nomem(err);
    }
    memcpy(path, root_of(f)->inside, prefix);
    memcpy(path + prefix, vv_buf_text(&f->path), f->path.len + 1);
    *file = (struct base_files_file){.path = path,
                                     .below = path + prefix,
                                     .root = f->next_root - 1,
                                     .size = st->size,
                                     .mtime = st->mtime_sec};
    vv_mutex_lock(&f->lock);
    if (f->last != NULL) {
        f->last->next = file;
    } else {
        f->first = file;
    }
    f->last = file;
    vv_mutex_unlock(&f->lock);
    atomic_fetch_add(&f->total, st->size);
    *ret = file;
    return VV_OK;
}

/* The item at f->path. */
static enum vv_rc
make_item(struct base_files *f, const struct fs_stat *st, struct source_item *ret,
          struct vv_error *err)
{
    struct base_source *b = f->owner;
    struct source_item item;
    struct entry *e = &item.entry;
    enum entry_type type = fs_type(st->mode);

    VV_TRY(base_item_new(b, root_of(f)->where, vv_buf_text(&f->path), type, &item, err));
    e->mode = st->mode & 07777u;
    e->uid = st->uid;
    e->gid = st->gid;
    e->user = fs_user_name(&b->names, st->uid);
    e->group = fs_group_name(&b->names, st->gid);
    e->mtime = time_of(st->mtime_sec, st->mtime_nsec);
    e->ctime = time_of(st->ctime_sec, st->ctime_nsec);
    e->inode = st->inode;
    item.may_change = true; /* F4 */
    if (type == ENTRY_FILE) {
        struct base_files_file *file = NULL;
        enum vv_rc rc = note_file(f, st, &file, err);
        if (rc != VV_OK) {
            base_item_free(&item);
            return rc;
        }
        e->size = st->size;
        e->flags |= base_is_paged(file->path) ? ENTRY_PAGES : 0;
        ((struct base_item *)item.handle)->content = BASE_DISK;
        ((struct base_item *)item.handle)->file = file;
    }
    *ret = item;
    return VV_OK;
}

/* A directory: opened before it is told of, for it may vanish meanwhile. */
static enum vv_rc
go_into(struct base_files *f, const struct fs_stat *st, const char *name, struct source_item *ret,
        bool *ret_got, struct vv_error *err)
{
    const struct base_files_frame *frame = &f->frames[f->depth - 1];
    bool bare = root_of(f)->inside[0] == '\0' && base_files_is_bare(vv_buf_text(&f->path));
    enum vv_rc rc;
    int fd = -1;

    if (!bare) {
        fd = openat(frame->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            if (errno != ENOENT) {
                base_files_fail(f, errno, vv_buf_text(&f->path));
            }
            return VV_OK;
        }
    }
    rc = make_item(f, st, ret, err);
    *ret_got = rc == VV_OK;
    if (rc == VV_OK && !bare) {
        vv_buf_put_text(&f->path, "/");
        rc = vv_buf_check(&f->path, err);
    }
    if (rc == VV_OK && !bare) {
        return push(f, fd, err);
    }
    vv_fd_close(fd);
    return rc;
}

static enum vv_rc
look_at(struct base_files *f, const char *name, struct source_item *ret, bool *ret_got,
        struct vv_error *err)
{
    const struct base_files_frame *frame = &f->frames[f->depth - 1];
    enum entry_type type;
    struct fs_stat st;

    fs_stat_at(frame->fd, name, &st);
    if (st.error == ENOENT) {
        return VV_OK;
    }
    vv_buf_put_text(&f->path, name);
    VV_TRY(vv_buf_check(&f->path, err));
    if (st.error != 0) {
        base_files_fail(f, st.error, vv_buf_text(&f->path));
        return VV_OK;
    }
    type = fs_type(st.mode);
    if (type == ENTRY_DIRECTORY) {
        return go_into(f, &st, name, ret, ret_got, err);
    }
    if (type == ENTRY_FILE) {
        VV_TRY(make_item(f, &st, ret, err));
        *ret_got = true;
    } else if (type == ENTRY_SYMLINK && root_of(f)->inside[0] == '\0' &&
               base_files_is_bare(vv_buf_text(&f->path))) {
        /* Of these nothing but the directory is wanted, wherever it lies. */
        VV_TRY(base_item_new(f->owner, root_of(f)->where, vv_buf_text(&f->path), ENTRY_DIRECTORY,
                             ret, err));
        *ret_got = true;
    } else if (type == ENTRY_SYMLINK) {
        vv_emit(f->owner->options.events, VV_EVENT_WARNING, "link-left-out", vv_span(NULL, 0),
                "'%s/%s' is a symbolic link: neither it nor what it points to belongs to a copy of "
                "the cluster",
                root_of(f)->path, vv_buf_text(&f->path));
    }
    return VV_OK;
}

/* Bytes to read, when all of them are known. */
static void
tell_total(struct base_files *f)
{
    struct vv_progress *p = f->owner->options.progress;
    uint64_t total = atomic_load(&f->total);

    if (p != NULL && atomic_load(&p->bytes_total) < total) {
        atomic_store(&p->bytes_total, total);
    }
}

enum vv_rc
base_files_next(struct source *s, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    struct base_files *f = (struct base_files *)s;
    struct source_item item = {0};
    bool got = false;

    while (!got) {
        VV_TRY(base_files_failure(f, err)); /* what source_end will say may be said now */
        if (f->depth == 0) {
            if (f->next_root == f->root_count) {
                tell_total(f);
                f->ended = true;
                *ret_end = true;
                return VV_OK;
            }
            VV_TRY(enter_root(f, err));
            continue;
        }
        struct base_files_frame *frame = &f->frames[f->depth - 1];
        f->path.len = frame->path_len;
        if (frame->at == frame->list.count) {
            pop(f);
            continue;
        }
        size_t len;
        const char *name = fs_listing_name(&frame->list, frame->at++, &len);
        if (!base_files_leaves_out(f, frame, name)) {
            enum vv_rc rc = look_at(f, name, &item, &got, err);
            if (rc != VV_OK) {
                base_item_free(&item);
                return rc;
            }
        }
    }
    *ret = item;
    *ret_end = false;
    return VV_OK;
}
