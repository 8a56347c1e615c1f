/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading an item's content: of the tar as it arrives, of a WAL segment, or what we hold. */
#include <stdio.h>
#include <string.h>

#include "core/crc32c.h"
#include "source/base_source.h"

static enum source_status
unreadable(struct source_problem *problem, const char *text)
{
    (void)snprintf(problem->text, sizeof(problem->text), "%.*s", (int)sizeof(problem->text) - 1,
                   text);
    return SOURCE_UNREADABLE;
}

static enum source_status
lost(struct base_source *b, const struct vv_error *local, struct source_problem *problem)
{
    (void)base_fail(b, local, NULL);
    return unreadable(problem, b->error.message);
}

enum source_status
base_open(struct source *s, struct source_item *item, struct vv_arena *arena,
          struct source_file **ret, struct source_problem *problem)
{
    struct base_source *b = (struct base_source *)s;
    const struct base_item *h = item->handle;

    (void)arena;
    *ret = NULL;
    if (item->entry.type != ENTRY_FILE) {
        return SOURCE_OK;
    }
    if (h->content != BASE_MEMORY && h->number != b->number) {
        return unreadable(problem, "a later file was asked for, its content is gone");
    }
    b->file = (struct base_file){.base = b->file.base,
                                 .source = b,
                                 .content = h->content,
                                 .memory = h->memory,
                                 .size = item->entry.size};
    *ret = &b->file.base;
    return SOURCE_OK;
}

/* The member's last byte was read: settle what is known of it. */
static enum vv_rc
end_member(struct base_source *b, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    b->member_open = false;
    VV_TRY(base_feed_padding(b, err));
    if (b->feed.is_base) {
        vv_buf_printf(&path, "%s/data/%s", b->root, b->member.name);
    } else {
        vv_buf_printf(&path, "%s/tablespaces/%u/%s", b->root, b->feed.tablespace, b->member.name);
    }
    VV_TRY(vv_buf_check(&path, err));
    VV_TRY(base_pages_end(&b->pages, b->path, b->options.events, vv_buf_span(&path), err));
    b->facts.bad_pages = b->pages.total;
    return base_members_add(&b->members, b->path, b->member.size, b->member_crc, err);
}

static enum vv_rc
read_member(struct base_source *b, uint8_t *buf, size_t len, size_t *ret_len, struct vv_error *err)
{
    struct base_file *f = &b->file;
    uint64_t left = f->size - f->read;
    size_t want = left < len ? (size_t)left : len;

    /* Piece by piece, so that the checksum is computed while the bytes are in the cache. */
    for (size_t done = 0; done < want;) {
        size_t piece = want - done < 131072 ? want - done : 131072;
        VV_TRY(vv_cancel_check(b->options.cancel, err));
        VV_TRY(base_feed_content(b, buf + done, piece, err));
        b->member_crc = vv_crc32c(b->member_crc, buf + done, piece);
        done += piece;
    }
    *ret_len = want;
    return f->read == f->size && b->member_open ? end_member(b, err) : VV_OK;
}

enum source_status
base_read(struct source_file *file, uint64_t offset, uint8_t *buf, size_t len, size_t *ret_len,
          struct source_problem *problem)
{
    struct base_file *f = (struct base_file *)file;
    struct base_source *b = f->source;
    struct vv_error local = {0};
    enum vv_rc rc = VV_OK;

    *ret_len = 0;
    if (b->error.rc != VV_OK) {
        return unreadable(problem, b->error.message);
    }
    if (offset != f->read) {
        return unreadable(problem, "a base backup can be read only once");
    }
    if (f->content == BASE_MEMBER) {
        rc = read_member(b, buf, len, ret_len, &local);
    } else if (f->content == BASE_SEGMENT) {
        rc = base_wal_read(b->wal, offset, buf, len, ret_len, &local);
        f->read += *ret_len;
    } else {
        uint64_t left = f->size - f->read;
        *ret_len = left < len ? (size_t)left : len;
        if (*ret_len > 0) {
            memcpy(buf, f->memory.data + f->read, *ret_len);
        }
        f->read += *ret_len;
    }
    return rc == VV_OK ? SOURCE_OK : lost(b, &local, problem);
}

enum source_status
base_close(struct source_file *file, struct entry *entry, struct source_problem *problem)
{
    struct base_file *f = (struct base_file *)file;
    struct base_source *b = f->source;

    if (b->error.rc == VV_OK && f->content == BASE_SEGMENT && b->segment_taken) {
        base_wal_give_back(b->wal);
        b->segment_taken = false;
    }
    if (b->error.rc != VV_OK) {
        return unreadable(problem, b->error.message);
    }
    if (f->read != f->size) {
        struct vv_error local = {0};
        (void)vv_error_set(&local, VV_EIO, "a file of the base backup was not read to its end");
        (void)vv_error_origin(&local, VV_ORIGIN_SOURCE, VV_EIO);
        return lost(b, &local, problem);
    }
    entry->size = f->size;
    return SOURCE_OK;
}
