/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a file's stored content, and looking again afterwards. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

/* Where stored content from ${offset} lies in the file, and how much of it in one piece.  Zero
 * length: behind the end. */
static void
locate(const struct fs_file *f, uint64_t offset, uint64_t *ret_at, uint64_t *ret_len)
{
    *ret_at = offset;
    *ret_len = 0;
    if (!f->sparse) {
        *ret_len = offset < f->stat.size ? f->stat.size - offset : 0;
        return;
    }
    if (offset >= f->starts[f->extent_count]) {
        return;
    }
    size_t low = 0; /* starts[low] <= offset < starts[high] */
    size_t high = f->extent_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        *(f->starts[middle] <= offset ? &low : &high) = middle;
    }
    *ret_at = f->extents[low].offset + (offset - f->starts[low]);
    *ret_len = f->starts[low + 1] - offset;
}

/* The file ended at ${end}, before the size it had. */
static void
note_end(struct fs_file *f, uint64_t end)
{
    uint64_t known = atomic_load_explicit(&f->end, memory_order_relaxed);
    while (end < known && !atomic_compare_exchange_weak_explicit(
                              &f->end, &known, end, memory_order_relaxed, memory_order_relaxed)) {
    }
}

enum source_status
fs_read(struct source_file *file, uint64_t offset, uint8_t *buf, size_t len, size_t *ret_len,
        struct source_problem *problem)
{
    struct fs_file *f = (struct fs_file *)file;
    size_t done = 0;
    *ret_len = 0;
    while (done < len) {
        uint64_t at;
        uint64_t piece;
        locate(f, offset + done, &at, &piece);
        if (piece == 0) {
            break;
        }
        size_t want = piece < len - done ? (size_t)piece : len - done;
        ssize_t got = pread(f->fd, buf + done, want, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            (void)fs_problem(problem, errno, "cannot read");
            return SOURCE_UNREADABLE;
        }
        if (got == 0) {
            note_end(f, at);
            break;
        }
        done += (size_t)got;
    }
    *ret_len = done;
    return SOURCE_OK;
}

/* What is left of the extents when the file ends at ${end}. */
static void
cut_extents(struct entry *e, uint64_t end)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->extent_count && e->extents[i].offset < end; i++) {
        uint64_t room = end - e->extents[i].offset;
        e->extents[i].len = e->extents[i].len < room ? e->extents[i].len : room;
        kept++;
    }
    e->extent_count = kept;
}

void
fs_file_free(struct fs_file *f)
{
    vv_fd_close(f->fd);
    vv_free(f->extents);
    vv_free(f->starts);
    vv_free(f);
}

enum source_status
fs_close(struct source_file *file, struct entry *entry, struct source_problem *problem)
{
    struct fs_file *f = (struct fs_file *)file;
    const struct fs_stat *was = &f->stat;
    struct fs_stat now;
    fs_stat_fd(f->fd, &now);
    uint64_t end = atomic_load_explicit(&f->end, memory_order_relaxed);
    entry->size = was->size;
    entry->mtime = (struct entry_time){.sec = was->mtime_sec, .nsec = was->mtime_nsec};
    entry->ctime = (struct entry_time){.sec = was->ctime_sec, .nsec = was->ctime_nsec};
    entry->flags |= f->racy ? ENTRY_RACY : 0;
    enum source_status status = SOURCE_OK;
    const char *text = NULL;
    if (end < was->size) {
        entry->size = end;
        cut_extents(entry, end);
        status = SOURCE_CHANGED;
        text = "it became shorter while it was read";
    } else if (now.error != 0) {
        status = SOURCE_CHANGED;
        text = "it could not be looked at again after reading";
    } else if (now.size > was->size) {
        status = SOURCE_GREW;
        text = "it grew while it was read";
    } else if (now.size != was->size || now.mtime_sec != was->mtime_sec ||
               now.mtime_nsec != was->mtime_nsec || now.ctime_sec != was->ctime_sec ||
               now.ctime_nsec != was->ctime_nsec) {
        status = SOURCE_CHANGED;
        text = "it changed while it was read";
    }
    if (text != NULL) {
        problem->sys = now.error;
        memcpy(problem->text, text, strlen(text) + 1);
    }
    fs_file_free(f);
    return status;
}
