/* SPDX-License-Identifier: BSD-2-Clause */
/* The members of an archive as a sequence of items. */
#include <string.h>

#include "core/alloc.h"
#include "source/archive_name.h"
#include "source/archive_source.h"

enum vv_rc
archive_source_fail(struct archive_source *a, const struct vv_error *local, struct vv_error *err)
{
    if (a->error.rc == VV_OK) {
        a->error = *local;
    }
    if (err != NULL) {
        *err = a->error;
    }
    return a->error.rc;
}

/* ---- items ---- */

/* Sanitise a name into a buffer of the same size.  False: it cannot be kept, see *ret_reason. */
static enum vv_rc
safe_name(struct vv_span raw, struct vv_buf *out, const char **ret_reason, struct vv_error *err)
{
    *ret_reason = NULL;
    vv_buf_reset(out);
    VV_TRY(vv_buf_reserve(out, raw.len + 1, err));
    if (raw.len == 0) {
        *ret_reason = raw.data == NULL ? "its name cannot be decoded" : "its name is empty";
    } else if (!archive_name_sanitise(raw, out->data, &out->len, ret_reason)) {
        out->len = 0;
    }
    return VV_OK;
}

/* An item that only tells that this member is not kept. */
static enum vv_rc
refuse(struct vv_span name, const char *reason, struct source_item *ret, struct vv_error *err)
{
    VV_TRY(archive_item_new(name, ret, err));
    archive_item_problem(ret, reason);
    return VV_OK;
}

static enum entry_type
entry_type_of(enum archive_member_type type)
{
    switch (type) {
    case ARCHIVE_MEMBER_FILE:
        return ENTRY_FILE;
    case ARCHIVE_MEMBER_DIRECTORY:
        return ENTRY_DIRECTORY;
    case ARCHIVE_MEMBER_SYMLINK:
        return ENTRY_SYMLINK;
    case ARCHIVE_MEMBER_FIFO:
        return ENTRY_FIFO;
    case ARCHIVE_MEMBER_CHARACTER_DEVICE:
        return ENTRY_CHARACTER_DEVICE;
    case ARCHIVE_MEMBER_BLOCK_DEVICE:
        return ENTRY_BLOCK_DEVICE;
    case ARCHIVE_MEMBER_HARD_LINK:
    case ARCHIVE_MEMBER_SOCKET:
    case ARCHIVE_MEMBER_OTHER:
        break;
    }
    return 0;
}

/* A member that stands for itself, under ${path}. */
static enum vv_rc
make_item(struct archive_source *a, const struct archive_member *m, enum entry_type type,
          struct vv_span path, struct source_item *ret, struct vv_error *err)
{
    struct source_item item;
    enum vv_rc rc;

    VV_TRY(archive_item_new(path, &item, err));
    rc = archive_item_fill(m, type, &item, err);
    ((struct archive_item *)item.handle)->number = a->number;
    if (rc == VV_OK && item.status == SOURCE_OK && type != ENTRY_DIRECTORY) {
        rc = archive_links_inode(&a->links, path, &item.entry.inode, err);
    }
    if (rc == VV_OK && m->late_content && type == ENTRY_FILE) {
        rc = archive_links_wait(&a->links, path, err);
    }
    if (rc != VV_OK) {
        archive_item_free(&item);
        return rc;
    }
    *ret = item;
    return VV_OK;
}

static enum vv_rc
link_item(struct vv_span path, struct vv_span original, struct source_item *ret,
          struct vv_error *err)
{
    struct source_item item;
    struct archive_item *h;
    const uint8_t *copy;

    VV_TRY(archive_item_new(path, &item, err));
    h = item.handle;
    copy = vv_arena_copy(&h->arena, original.data, original.len);
    if (copy == NULL) {
        archive_item_free(&item);
        return vv_error_nomem(err);
    }
    item.entry.type = ENTRY_FILE;
    item.entry.nlink = 2;
    item.link_to = vv_span(copy, original.len);
    *ret = item;
    return VV_OK;
}

/* A hard link.  If it brings the content its original has been waiting for, it becomes: the
 * original once more, now with content, and then (replayed) every link to it. */
static enum vv_rc
make_link(struct archive_source *a, const struct archive_member *m, struct vv_span path,
          struct source_item *ret, struct vv_error *err)
{
    const char *reason;
    struct archive_waiting *w;

    VV_TRY(safe_name(m->target, &a->original, &reason, err));
    struct vv_span original = vv_buf_span(&a->original);
    if (reason != NULL || original.len == 0) {
        return refuse(m->name, "it is a hard link outside of the archive", ret, err);
    }
    w = archive_links_find(&a->links, original);
    if (w == NULL) {
        return link_item(path, original, ret, err);
    }
    VV_TRY(archive_links_add(w, path, err));
    if (m->size == 0) {
        return link_item(path, original, ret, err);
    }
    vv_buf_release(&a->replay);
    a->replay = archive_links_take(&a->links, w);
    a->replay_at = 0;
    return make_item(a, m, ENTRY_FILE, original, ret, err);
}

static enum vv_rc
next_replayed(struct archive_source *a, struct source_item *ret, struct vv_error *err)
{
    struct vv_reader in = vv_reader(a->replay.data + a->replay_at, a->replay.len - a->replay_at);
    uint32_t len = vv_get_u32(&in);
    struct vv_span path = vv_get_bytes(&in, len, 1);

    a->replay_at += sizeof(len) + len;
    return link_item(path, vv_buf_span(&a->original), ret, err);
}

/* One member; *ret_skip: there is nothing to tell about it. */
static enum vv_rc
take_member(struct archive_source *a, const struct archive_member *m, struct source_item *ret,
            bool *ret_skip, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    const char *reason;

    a->number++;
    *ret_skip = m->type == ARCHIVE_MEMBER_SOCKET;
    if (*ret_skip) {
        a->base.counts.sockets++;
        return VV_OK;
    }
    VV_TRY(safe_name(m->name, &name, &reason, err));
    if (reason != NULL) {
        return refuse(m->name, reason, ret, err);
    }
    struct vv_span path = vv_buf_span(&name);
    if (path.len == 0) { /* "./" is the root, which every snapshot has */
        *ret_skip = m->type == ARCHIVE_MEMBER_DIRECTORY;
        return *ret_skip ? VV_OK : refuse(m->name, "its name is empty", ret, err);
    }
    if (m->type == ARCHIVE_MEMBER_HARD_LINK) {
        return make_link(a, m, path, ret, err);
    }
    enum entry_type type = entry_type_of(m->type);
    if (type == 0) {
        return refuse(path, "it is of a kind that cannot be kept", ret, err);
    }
    return make_item(a, m, type, path, ret, err);
}

/* What is not kept of a member is told by an item of its own before it. */
static enum vv_rc
warn_first(struct archive_source *a, struct source_item *item, struct vv_error *err)
{
    struct archive_item *h = item->handle;
    struct source_item told;

    if (h->warning[0] == '\0' || item->status != SOURCE_OK) {
        return VV_OK;
    }
    VV_TRY(refuse(item->entry.path, h->warning, &told, err));
    a->held = *item;
    *item = told;
    return VV_OK;
}

/* ---- the sequence ---- */

static enum vv_rc
find_next(struct archive_source *a, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    bool skip = true;

    *ret_end = false;
    if (a->held.handle != NULL) {
        *ret = a->held;
        a->held = (struct source_item){0};
        return VV_OK;
    }
    if (a->replay_at < a->replay.len) {
        return next_replayed(a, ret, err);
    }
    if (a->reader == NULL) {
        VV_TRY(archive_reader_open(a->path, a->cancel, &a->reader, err));
    }
    while (skip) {
        const struct archive_member *m = NULL;
        VV_TRY(vv_cancel_check(a->cancel, err));
        VV_TRY(archive_reader_next(a->reader, &m, err));
        if (m == NULL) {
            a->at_end = true;
            *ret_end = true;
            return VV_OK;
        }
        VV_TRY(take_member(a, m, ret, &skip, err));
    }
    enum vv_rc rc = warn_first(a, ret, err);
    if (rc != VV_OK) {
        archive_item_free(ret);
    }
    return rc;
}

static enum vv_rc
archive_next(struct source *s, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    struct archive_source *a = (struct archive_source *)s;
    struct vv_error local = {0};
    struct source_item item = {0};
    bool end = a->at_end;

    if (a->error.rc != VV_OK) {
        return archive_source_fail(a, &a->error, err);
    }
    if (!end && find_next(a, &item, &end, &local) != VV_OK) {
        return archive_source_fail(a, &local, err);
    }
    *ret = item;
    *ret_end = end;
    return VV_OK;
}

static void
archive_item_release(struct source *s, struct source_item *item)
{
    (void)s;
    archive_item_free(item);
}

static enum vv_rc
archive_end(struct source *s, struct vv_error *err)
{
    struct archive_source *a = (struct archive_source *)s;
    struct vv_error local = {0};

    if (a->error.rc == VV_OK && !a->at_end) {
        (void)vv_error_set(&local, VV_EIO, "archive '%s' was not read to its end", a->path);
        (void)vv_error_origin(&local, VV_ORIGIN_SOURCE, local.rc);
        return archive_source_fail(a, &local, err);
    }
    return a->error.rc == VV_OK ? VV_OK : archive_source_fail(a, &a->error, err);
}

static void
archive_free(struct source *s)
{
    struct archive_source *a = (struct archive_source *)s;

    archive_item_free(&a->held);
    archive_file_reset(&a->file);
    archive_links_release(&a->links);
    vv_buf_release(&a->replay);
    vv_buf_release(&a->original);
    archive_reader_free(a->reader);
    vv_free(a->path);
    vv_free(a);
}

static const struct source_ops archive_ops = {
    .sequence = true,
    .next = archive_next,
    .item_release = archive_item_release,
    .open = archive_source_open,
    .read = archive_source_read,
    .close = archive_source_close,
    .end = archive_end,
    .free = archive_free,
};

enum vv_rc
source_archive_new(const char *path, struct vv_cancel *cancel, struct source **ret,
                   struct vv_error *err)
{
    struct archive_source *a = vv_alloc_array(1, sizeof(*a));

    if (a == NULL) {
        return vv_error_nomem(err);
    }
    a->base.ops = &archive_ops;
    a->file.base.ops = &archive_ops;
    a->file.source = a;
    a->cancel = cancel;
    a->path = vv_strdup(path);
    if (a->path == NULL) {
        vv_free(a);
        return vv_error_nomem(err);
    }
    *ret = &a->base;
    return VV_OK;
}
