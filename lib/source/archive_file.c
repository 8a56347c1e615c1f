/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a member's content: data only, and where it lay. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "source/archive_source.h"

#define SIZE_MOST ((uint64_t)INT64_MAX)

static enum source_status
unreadable(struct source_problem *problem, const char *text)
{
    (void)snprintf(problem->text, sizeof(problem->text), "%.*s", (int)sizeof(problem->text) - 1,
                   text);
    return SOURCE_UNREADABLE;
}

void
archive_file_reset(struct archive_file *f)
{
    vv_free(f->extents);
    *f = (struct archive_file){.base = f->base, .source = f->source};
}

enum source_status
archive_source_open(struct source *s, struct source_item *item, struct vv_arena *arena,
                    struct source_file **ret, struct source_problem *problem)
{
    struct archive_source *a = (struct archive_source *)s;
    const struct archive_item *h = item->handle;

    *ret = NULL;
    if (item->entry.type != ENTRY_FILE) {
        return SOURCE_OK;
    }
    if (h->number != a->number) {
        return unreadable(problem, "a later member was asked for, its content is gone");
    }
    archive_file_reset(&a->file);
    a->file.arena = arena;
    a->file.size = item->entry.size;
    *ret = &a->file.base;
    return SOURCE_OK;
}

/* Enter a piece of data into the map. */
static enum source_status
note_piece(struct archive_file *f, uint64_t offset, uint64_t len, struct source_problem *problem)
{
    if (offset < f->position || offset > SIZE_MOST || len > SIZE_MOST - offset) {
        return unreadable(problem, "its map of holes is damaged");
    }
    f->position = offset + len;
    if (f->extent_count > 0) {
        struct extent *last = &f->extents[f->extent_count - 1];
        if (last->offset + last->len == offset) {
            last->len += len;
            return SOURCE_OK;
        }
    }
    if (f->extent_count == f->extent_room) {
        uint32_t room = f->extent_room == 0 ? 16 : f->extent_room * 2;
        struct extent *grown =
            room > f->extent_room ? vv_realloc_array(f->extents, room, sizeof(*grown)) : NULL;
        if (grown == NULL) {
            return unreadable(problem, "out of memory");
        }
        f->extents = grown;
        f->extent_room = room;
    }
    f->extents[f->extent_count++] = (struct extent){.offset = offset, .len = len};
    return SOURCE_OK;
}

/* All was read: settle size and holes. */
static enum source_status
finish(struct archive_file *f, struct source_problem *problem)
{
    f->size = f->size < f->position ? f->position : f->size;
    f->sparse = f->consumed != f->size;
    if (f->sparse && f->extent_count > 0) {
        f->kept = vv_arena_copy(f->arena, f->extents, f->extent_count * sizeof(*f->extents));
        if (f->kept == NULL) {
            return unreadable(problem, "out of memory");
        }
    }
    f->at_end = true;
    return SOURCE_OK;
}

/* Get the next piece of data, or the end. */
static enum source_status
advance(struct archive_file *f, struct source_problem *problem)
{
    struct archive_source *a = f->source;
    struct vv_error error = {0};
    uint64_t offset = 0;
    bool end = false;

    if (a->error.rc == VV_OK &&
        archive_reader_data(a->reader, &f->block, &offset, &end, &error) != VV_OK) {
        (void)archive_source_fail(a, &error, NULL);
    }
    if (a->error.rc != VV_OK) {
        return unreadable(problem, a->error.message);
    }
    if (end) {
        return finish(f, problem);
    }
    return f->block.len == 0 ? SOURCE_OK : note_piece(f, offset, f->block.len, problem);
}

enum source_status
archive_source_read(struct source_file *file, uint64_t offset, uint8_t *buf, size_t len,
                    size_t *ret_len, struct source_problem *problem)
{
    struct archive_file *f = (struct archive_file *)file;
    size_t done = 0;

    *ret_len = 0;
    if (offset != f->consumed) {
        return unreadable(problem, "an archive can be read only once");
    }
    while (done < len && !f->at_end) {
        if (f->block.len == 0) {
            enum source_status status = advance(f, problem);
            if (status != SOURCE_OK) {
                return status;
            }
            continue;
        }
        size_t take = f->block.len < len - done ? f->block.len : len - done;
        memcpy(buf + done, f->block.data, take);
        f->block = vv_span(f->block.data + take, f->block.len - take);
        f->consumed += take;
        done += take;
    }
    *ret_len = done;
    return SOURCE_OK;
}

enum source_status
archive_source_close(struct source_file *file, struct entry *entry, struct source_problem *problem)
{
    struct archive_file *f = (struct archive_file *)file;
    enum source_status status = SOURCE_OK;

    if (f->at_end) {
        entry->size = f->size;
        entry->extents = f->sparse ? f->kept : NULL;
        entry->extent_count = f->sparse ? f->extent_count : 0;
        entry->flags &= ~ENTRY_HAS_EXTENTS;
        entry->flags |= f->sparse ? ENTRY_HAS_EXTENTS : 0;
    } else {
        status = unreadable(problem, "it was not read to its end");
    }
    archive_file_reset(f);
    return status;
}
