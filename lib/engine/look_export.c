/* SPDX-License-Identifier: BSD-2-Clause */
/* Exporting a snapshot, or a part of it, as an archive. */

#include <errno.h>
#include <string.h>

#include "archive/archive_writer.h"
#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "engine/look_internal.h"

/** The first member with a file that has several names. */
struct first_link {
    struct first_link *next;
    uint32_t file_system;
    uint64_t inode;
    struct stream_root content;
    uint64_t size;
    struct vv_span path; /* as in the archive */
};
#define LINK_BUCKETS 4096u

struct export
{
    struct looker look;
    const struct snapshot *snap;
    struct vv_span top; /* what is exported; paths in the archive are relative to it */
    enum archive_kind kind;
    struct archive_writer *writer;
    struct vv_progress *progress;
    int fd;
    const char *output;    /* its name in messages */
    struct vv_arena arena; /* of one member */
    struct vv_arena links_arena;
    struct first_link *links[LINK_BUCKETS];
    uint64_t left_out; /* kinds a zip cannot hold */
};

static enum vv_rc
put_bytes(void *ctx, struct vv_span data, struct vv_error *err)
{
    struct export *x = ctx;

    return vv_fd_write_full(x->fd, data.data, data.len, x->output, err);
}

/** The path in the archive: below the exported directory, "." for itself, a file by its name. */
static struct vv_span
path_in_archive(const struct export *x, const struct entry *e)
{
    struct vv_span path = e->path;

    if (look_path_equal(path, x->top)) {
        const uint8_t *slash = path.len > 0 ? memrchr(path.data, '/', path.len) : NULL;
        size_t skip = slash != NULL ? (size_t)(slash - path.data) + 1 : 0;
        if (e->type == ENTRY_DIRECTORY) {
            return vv_span(".", 1);
        }
        return vv_span(path.data + skip, path.len - skip);
    }
    if (x->top.len > 0) {
        path = vv_span(path.data + x->top.len + 1, path.len - x->top.len - 1);
    }
    return path;
}

static enum member_type
member_type(enum entry_type type)
{
    switch (type) {
    case ENTRY_FILE:
        return MEMBER_FILE;
    case ENTRY_DIRECTORY:
        return MEMBER_DIRECTORY;
    case ENTRY_SYMLINK:
        return MEMBER_SYMLINK;
    case ENTRY_FIFO:
        return MEMBER_FIFO;
    case ENTRY_CHARACTER_DEVICE:
        return MEMBER_CHARACTER_DEVICE;
    case ENTRY_BLOCK_DEVICE:
        return MEMBER_BLOCK_DEVICE;
    }
    return MEMBER_FILE;
}

static bool
same_file(const struct first_link *f, const struct entry *e)
{
    if (f->file_system != e->file_system || f->inode != e->inode || f->size != e->size ||
        f->content.height != e->content.height || f->content.count != e->content.count) {
        return false;
    }
    for (uint32_t i = 0; i < f->content.count; i++) {
        if (!vv_id_equal(&f->content.refs[i].id, &e->content.refs[i].id)) {
            return false;
        }
    }
    return true;
}

/** The earlier member that is the same file, or NULL; then this one is remembered. */
static enum vv_rc
find_link(struct export *x, const struct entry *e, struct vv_span path,
          const struct first_link **ret, struct vv_error *err)
{
    struct first_link **bucket =
        &x->links[vv_hash64(&e->inode, sizeof(e->inode), e->file_system) % LINK_BUCKETS];
    struct first_link *f;
    struct entry copy = {.content = e->content};

    *ret = NULL;
    if (x->kind != ARCHIVE_TAR || e->type == ENTRY_DIRECTORY || e->nlink < 2 || e->inode == 0) {
        return VV_OK;
    }
    for (f = *bucket; f != NULL; f = f->next) {
        if (same_file(f, e)) {
            *ret = f;
            return VV_OK;
        }
    }
    f = vv_arena_alloc(&x->links_arena, sizeof(*f));
    copy.path = path;
    if (f == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(entry_copy(&x->links_arena, &copy, &copy, err));
    *f = (struct first_link){.next = *bucket,
                             .file_system = e->file_system,
                             .inode = e->inode,
                             .content = copy.content,
                             .size = e->size,
                             .path = copy.path};
    *bucket = f;
    return VV_OK;
}

/** Arrays of the entry in the writer's terms. */
static enum vv_rc
fill_arrays(struct export *x, const struct entry *e, struct archive_member *m, struct vv_error *err)
{
    struct member_xattr *xattrs = vv_arena_alloc(&x->arena, (e->xattr_count + 1) * sizeof(*xattrs));
    struct member_extent *extents =
        vv_arena_alloc(&x->arena, ((size_t)e->extent_count + 1) * sizeof(*extents));

    if (xattrs == NULL || extents == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < e->xattr_count; i++) {
        xattrs[i] = (struct member_xattr){e->xattrs[i].name, e->xattrs[i].value};
    }
    for (uint32_t i = 0; i < e->extent_count; i++) {
        extents[i] = (struct member_extent){e->extents[i].offset, e->extents[i].len};
    }
    m->xattrs = xattrs;
    m->xattr_count = e->xattr_count;
    m->extents = extents;
    m->extent_count = e->extent_count;
    m->sparse = (e->flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)) != 0;
    return VV_OK;
}

static enum vv_rc
put_data(void *ctx, struct vv_span data, struct vv_error *err)
{
    struct export *x = ctx;

    if (x->progress != NULL) {
        atomic_fetch_add_explicit(&x->progress->bytes_done, data.len, memory_order_relaxed);
    }
    return archive_writer_data(x->writer, data, err);
}

static enum vv_rc
put_hole(void *ctx, uint64_t len, struct vv_error *err)
{
    struct export *x = ctx;

    return archive_writer_hole(x->writer, len, err);
}

static enum vv_rc
put_member(struct export *x, struct entry *e, struct vv_error *err)
{
    const struct first_link *link;
    struct archive_member m = {.path = path_in_archive(x, e), .type = member_type(e->type)};

    if (!archive_writer_holds(x->kind, m.type)) {
        x->left_out++;
        return VV_OK;
    }
    VV_TRY(entry_complete(x->look.chunks, e, &x->arena, err));
    m.mode = e->mode;
    m.has_owner = (e->flags & ENTRY_NO_OWNER) == 0;
    m.uid = e->uid;
    m.gid = e->gid;
    m.user = e->user;
    m.group = e->group;
    m.mtime_sec = e->mtime.sec;
    m.mtime_nsec = e->mtime.nsec;
    m.size = e->type == ENTRY_FILE ? e->size : 0;
    m.major = e->major;
    m.minor = e->minor;
    m.target = e->target;
    VV_TRY(fill_arrays(x, e, &m, err));
    VV_TRY(find_link(x, e, m.path, &link, err));
    if (link != NULL) {
        m.type = MEMBER_HARD_LINK;
        m.target = link->path;
    }
    VV_TRY(archive_writer_begin(x->writer, &m, err));
    return m.type == MEMBER_FILE ? look_content(&x->look, e, put_data, put_hole, x, err) : VV_OK;
}

/** The top directory travels along if it was asked for; a zip has no use for ".". */
static bool
is_left_out(const struct export *x, const struct entry *e)
{
    return look_path_equal(e->path, x->top) && e->type == ENTRY_DIRECTORY &&
           (x->kind == ARCHIVE_ZIP || (e->flags & ENTRY_IMPLIED) != 0);
}

static enum vv_rc
put_entry(struct export *x, const struct entry *shared, struct vv_error *err)
{
    struct entry e;
    enum vv_rc rc;

    vv_arena_reset(&x->arena);
    VV_TRY(entry_copy(&x->arena, shared, &e, err));
    if (x->progress != NULL) {
        vv_progress_current(x->progress, e.path);
        atomic_fetch_add_explicit(&x->progress->files_done, 1, memory_order_relaxed);
    }
    rc = put_member(x, &e, err);
    if (rc == VV_ENOTFOUND || rc == VV_ECORRUPT) {
        struct vv_buf text = {0};
        vv_buf_put(&text, e.path.data, e.path.len);
        (void)vv_error_prefix(err, "'/%s'", vv_buf_text(&text));
        vv_error_hint(err, "the archive is not complete; 'varve restore' brings back all that is "
                           "not damaged");
        vv_buf_release(&text);
        if (err != NULL) {
            err->rc = VV_ECORRUPT;
        }
        return VV_ECORRUPT;
    }
    return rc;
}

static enum vv_rc
put_all(struct export *x, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    bool found = x->top.len == 0;

    VV_TRY(tree_cursor_new(x->look.chunks, &x->snap->body.root, x->top, &t, err));
    tree_cursor_ahead(t);
    for (;;) {
        const struct entry *e;
        bool damaged = false;
        VV_TRY(look_next(&x->look, t, x->snap, &e, &damaged, err));
        if (damaged) {
            return look_incomplete(err);
        }
        if (e == NULL) {
            break;
        }
        found = true;
        if (!is_left_out(x, e)) {
            VV_TRY(put_entry(x, e, err));
        }
    }
    if (!found) {
        return look_not_found(x->snap, x->top, err);
    }
    VV_TRY(archive_writer_finish(x->writer, err));
    if (x->left_out > 0) {
        vv_emit(repo_events(x->look.repo), VV_EVENT_PROBLEM, "not-in-archive", vv_span(NULL, 0),
                "%llu FIFOs and devices were left out: a zip cannot hold them",
                (unsigned long long)x->left_out);
    }
    return VV_OK;
}

enum vv_rc
look_export(struct repo *r, const struct snapshot *snap, struct vv_span path, const char *format,
            int fd, const char *output, struct vv_progress *progress, struct vv_error *err)
{
    struct export *x;
    enum vv_rc rc;

    if (strcmp(format, "tar") != 0 && strcmp(format, "zip") != 0) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no archive format: tar or zip", format);
    }
    x = vv_alloc_array(1, sizeof(*x));
    if (x == NULL) {
        return vv_error_nomem(err);
    }
    x->snap = snap;
    x->top = path;
    x->kind = strcmp(format, "zip") == 0 ? ARCHIVE_ZIP : ARCHIVE_TAR;
    x->progress = progress;
    x->fd = fd;
    x->output = output;
    rc = looker_open(&x->look, r, err);
    if (rc == VV_OK) {
        rc = archive_writer_new(x->kind, put_bytes, x, &x->writer, err);
    }
    if (rc == VV_OK) {
        rc = put_all(x, err);
    }
    archive_writer_free(x->writer);
    looker_close(&x->look);
    vv_arena_release(&x->arena);
    vv_arena_release(&x->links_arena);
    vv_free(x);
    return rc;
}
