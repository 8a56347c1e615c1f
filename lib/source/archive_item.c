/* SPDX-License-Identifier: BSD-2-Clause */
/* A member as an item: its path made safe, its attributes within our limits. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "source/archive_name.h"
#include "source/archive_source.h"

static bool
copy_span(struct vv_arena *arena, struct vv_span *span)
{
    if (span->len == 0) {
        *span = (struct vv_span){0};
        return true;
    }
    span->data = vv_arena_copy(arena, span->data, span->len);
    return span->data != NULL;
}

void
archive_item_problem(struct source_item *item, const char *text)
{
    item->status = SOURCE_UNREADABLE;
    (void)snprintf(item->problem.text, sizeof(item->problem.text), "%s", text);
}

enum vv_rc
archive_item_new(struct vv_span path, struct source_item *ret, struct vv_error *err)
{
    struct archive_item *h = vv_alloc_array(1, sizeof(*h));

    *ret = (struct source_item){.handle = h};
    if (h == NULL) {
        return vv_error_nomem(err);
    }
    ret->entry.path = path;
    if (!copy_span(&h->arena, &ret->entry.path)) {
        archive_item_free(ret);
        return vv_error_nomem(err);
    }
    return VV_OK;
}

void
archive_item_free(struct source_item *item)
{
    struct archive_item *h = item->handle;

    if (h != NULL) {
        vv_arena_release(&h->arena);
        vv_free(h);
    }
    *item = (struct source_item){0};
}

/* Attributes within the limits of an entry; the rest is told. */
static enum vv_rc
fill_xattrs(struct archive_item *h, const struct archive_member *m, struct entry *e,
            struct vv_error *err)
{
    size_t total = 0;

    if (m->attribute_count == 0) {
        return VV_OK;
    }
    e->xattrs = vv_arena_alloc(&h->arena, m->attribute_count * sizeof(*e->xattrs));
    if (e->xattrs == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < m->attribute_count; i++) {
        struct xattr x = {.name = m->attributes[i].name, .value = m->attributes[i].value};
        size_t size = x.name.len + x.value.len + 16;
        if (x.name.len == 0 || x.name.len > LIMIT_NAME || x.value.len > LIMIT_XATTRS ||
            total + size > LIMIT_XATTRS) {
            (void)snprintf(h->warning, sizeof(h->warning),
                           "an extended attribute is too large and was left out");
            continue;
        }
        if (!copy_span(&h->arena, &x.name) || !copy_span(&h->arena, &x.value)) {
            return vv_error_nomem(err);
        }
        total += size;
        e->xattrs[e->xattr_count++] = x;
    }
    e->flags |= e->xattr_count > 0 ? ENTRY_HAS_XATTRS : 0;
    return VV_OK;
}

static void
fill_plain(const struct archive_member *m, struct entry *e)
{
    e->mode = m->mode & 07777u;
    e->uid = m->uid;
    e->gid = m->gid;
    e->flags |= m->has_owner ? 0 : ENTRY_NO_OWNER;
    e->user = m->user.len <= LIMIT_NAME ? m->user : (struct vv_span){0};
    e->group = m->group.len <= LIMIT_NAME ? m->group : (struct vv_span){0};
    e->mtime = (struct entry_time){.sec = m->mtime_sec, .nsec = m->mtime_nsec};
    e->ctime = (struct entry_time){.sec = m->ctime_sec, .nsec = m->ctime_nsec};
    e->nlink = 1;
    if (e->type == ENTRY_FILE) {
        e->size = m->size;
    }
    if (e->type == ENTRY_FILE || e->type == ENTRY_DIRECTORY) {
        e->inode_flags = m->inode_flags & INODE_FLAGS_KEPT;
    }
    if (e->type == ENTRY_CHARACTER_DEVICE || e->type == ENTRY_BLOCK_DEVICE) {
        e->flags |= ENTRY_HAS_DEVICE;
        e->major = m->major;
        e->minor = m->minor;
    }
    if (e->type == ENTRY_SYMLINK) {
        e->flags |= ENTRY_HAS_TARGET;
        e->target = m->target;
        e->size = m->target.len;
    }
}

enum vv_rc
archive_item_fill(const struct archive_member *m, enum entry_type type, struct source_item *item,
                  struct vv_error *err)
{
    struct archive_item *h = item->handle;
    struct entry *e = &item->entry;

    e->type = type;
    if (m->encrypted) {
        archive_item_problem(item, "it is encrypted");
    } else if (type == ENTRY_SYMLINK && (m->target.len == 0 || m->target.len > LIMIT_TARGET)) {
        archive_item_problem(item, m->target.len == 0 ? "it is a link to nothing"
                                                      : "the target of the link is too long");
    }
    if (item->status != SOURCE_OK) {
        return VV_OK;
    }
    memcpy(h->warning, m->warning, sizeof(h->warning));
    fill_plain(m, e);
    if (!copy_span(&h->arena, &e->user) || !copy_span(&h->arena, &e->group) ||
        !copy_span(&h->arena, &e->target)) {
        return vv_error_nomem(err);
    }
    return fill_xattrs(h, m, e, err);
}
