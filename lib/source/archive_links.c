/* SPDX-License-Identifier: BSD-2-Clause */
/* Inode numbers for members, and originals that wait for their content. */
#include "source/archive_links.h"

#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"

/* Where ${inode} is, or would go. */
static size_t
slot_of(const uint64_t *table, size_t room, uint64_t inode)
{
    size_t at = (size_t)inode & (room - 1);

    while (table[at] != 0 && table[at] != inode) {
        at = (at + 1) & (room - 1);
    }
    return at;
}

static enum vv_rc
make_room(struct archive_links *l, struct vv_error *err)
{
    size_t room = l->inode_room == 0 ? 256 : l->inode_room * 2;
    uint64_t *table;

    if (l->inode_count * 2 < l->inode_room) {
        return VV_OK;
    }
    table = vv_alloc_array(room, sizeof(*table));
    if (table == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->inode_room; i++) {
        if (l->inodes[i] != 0) {
            table[slot_of(table, room, l->inodes[i])] = l->inodes[i];
        }
    }
    vv_free(l->inodes);
    l->inodes = table;
    l->inode_room = room;
    return VV_OK;
}

enum vv_rc
archive_links_inode(struct archive_links *l, struct vv_span path, uint64_t *ret,
                    struct vv_error *err)
{
    uint64_t inode = vv_hash64(path.data, path.len, 0);
    size_t at;

    VV_TRY(make_room(l, err));
    while (inode == 0 || l->inodes[at = slot_of(l->inodes, l->inode_room, inode)] != 0) {
        inode = vv_hash64(&inode, sizeof(inode), 1);
    }
    l->inodes[at] = inode;
    l->inode_count++;
    *ret = inode;
    return VV_OK;
}

struct archive_waiting *
archive_links_find(struct archive_links *l, struct vv_span path)
{
    for (size_t i = l->waiting_count; i > 0; i--) {
        struct archive_waiting *w = &l->waiting[i - 1];
        if (w->len == path.len && memcmp(w->path, path.data, path.len) == 0) {
            return w;
        }
    }
    return NULL;
}

enum vv_rc
archive_links_wait(struct archive_links *l, struct vv_span path, struct vv_error *err)
{
    struct archive_waiting *w = archive_links_find(l, path);

    if (w != NULL) {
        vv_buf_reset(&w->names);
        return VV_OK;
    }
    if (l->waiting_count == l->waiting_room) {
        size_t room = l->waiting_room == 0 ? 16 : l->waiting_room * 2;
        struct archive_waiting *grown = vv_realloc_array(l->waiting, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        l->waiting = grown;
        l->waiting_room = room;
    }
    w = &l->waiting[l->waiting_count];
    *w = (struct archive_waiting){.path = vv_memdup(path.data, path.len), .len = path.len};
    if (w->path == NULL) {
        return vv_error_nomem(err);
    }
    l->waiting_count++;
    return VV_OK;
}

enum vv_rc
archive_links_add(struct archive_waiting *w, struct vv_span name, struct vv_error *err)
{
    vv_buf_put_u32(&w->names, (uint32_t)name.len);
    vv_buf_put(&w->names, name.data, name.len);
    return vv_buf_check(&w->names, err);
}

struct vv_buf
archive_links_take(struct archive_links *l, struct archive_waiting *w)
{
    struct vv_buf names = w->names;

    vv_free(w->path);
    *w = l->waiting[--l->waiting_count];
    return names;
}

void
archive_links_release(struct archive_links *l)
{
    for (size_t i = 0; i < l->waiting_count; i++) {
        vv_free(l->waiting[i].path);
        vv_buf_release(&l->waiting[i].names);
    }
    vv_free(l->waiting);
    vv_free(l->inodes);
    *l = (struct archive_links){0};
}
