/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a cluster's files: checksums of pages are looked at, and one over all is kept for the manifest. */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/crc32c.h"
#include "core/file.h"
#include "format/postgres_page.h"
#include "source/base_files.h"

/** One that is being read. */
struct reading {
    struct source_file base;
    struct base_files *files;
    struct base_files_file *file;
    struct fs_stat stat; /* when it was opened */
    int fd;
    uint64_t at; /* read so far, in order */
    uint32_t crc;
    bool repeated; /* somebody compares: what is known of it is known already */
    struct base_pages pages;
};

static bool
was_read(struct base_files *f, const struct base_files_file *file)
{
    bool read;

    vv_mutex_lock(&f->lock);
    read = file->state == BASE_FILE_READ;
    vv_mutex_unlock(&f->lock);
    return read;
}

static void
note_gone(struct base_files *f, struct base_files_file *file)
{
    vv_mutex_lock(&f->lock);
    file->state = BASE_FILE_GONE;
    vv_mutex_unlock(&f->lock);
}

static void
look_through_pages(struct reading *r)
{
    const struct base_source *b = r->files->owner;

    r->pages = (struct base_pages){.page_size = b->pages.page_size,
                                   .relation_pages = b->pages.relation_pages,
                                   .start = b->pages.start,
                                   .again = r->fd,
                                   .wanted = b->checksums && !r->repeated &&
                                             postgres_relation_file(r->file->path).is_relation};
}

enum source_status
base_files_item_open(struct source *s, struct source_item *item, struct vv_arena *arena,
                     struct source_file **ret, struct source_problem *problem)
{
    struct base_files *f = (struct base_files *)s;
    struct base_files_file *file = ((struct base_item *)item->handle)->file;
    struct entry *e = &item->entry;
    struct reading *r;

    (void)arena;
    *ret = NULL;
    if (e->type != ENTRY_FILE) {
        return SOURCE_OK;
    }
    r = vv_alloc_array(1, sizeof(*r));
    if (r == NULL) {
        base_files_fail(f, ENOMEM, file->path);
        return fs_problem(problem, ENOMEM, NULL);
    }
    r->base.ops = s->ops;
    r->files = f;
    r->file = file;
    r->repeated = was_read(f, file);
    r->fd = base_files_open_at(f, file);
    if (r->fd >= 0) {
        fs_stat_fd(r->fd, &r->stat);
    }
    if (r->fd < 0 || r->stat.error != 0) {
        int sys = r->fd < 0 ? -r->fd : r->stat.error;
        if (sys == ENOENT) {
            note_gone(f, file);
        } else {
            base_files_fail(f, sys, file->path);
        }
        vv_fd_close(r->fd < 0 ? -1 : r->fd);
        vv_free(r);
        return fs_problem(problem, sys, NULL);
    }
    e->size = r->stat.size;
    e->mtime = (struct entry_time){.sec = r->stat.mtime_sec, .nsec = r->stat.mtime_nsec};
    e->ctime = (struct entry_time){.sec = r->stat.ctime_sec, .nsec = r->stat.ctime_nsec};
    e->inode = r->stat.inode;
    e->flags = (e->flags & ~ENTRY_RACY) | (fs_racy(&r->stat) ? ENTRY_RACY : 0);
    look_through_pages(r);
    *ret = &r->base;
    return SOURCE_OK;
}

/* --limit: wait for our turn. */
static void
keep_to_rate(struct base_files *f, size_t bytes)
{
    uint64_t wait = vv_rate_limit_reserve(f->rate, bytes);
    struct vv_cancel *cancel = f->owner->options.cancel;

    while (wait > 0 && vv_cancel_check(cancel, NULL) == VV_OK) {
        uint64_t some = wait < 100000000 ? wait : 100000000;
        const struct timespec t = {.tv_nsec = (long)some};
        (void)nanosleep(&t, NULL);
        wait -= some;
    }
}

enum source_status
base_files_read(struct source_file *file, uint64_t offset, uint8_t *buf, size_t len,
                size_t *ret_len, struct source_problem *problem)
{
    struct reading *r = (struct reading *)file;
    uint64_t left = offset < r->stat.size ? r->stat.size - offset : 0;
    size_t want = left < len ? (size_t)left : len;
    size_t done = 0;

    *ret_len = 0;
    keep_to_rate(r->files, want);
    /* Piece by piece, so that sums are computed while the bytes are in the cache. */
    while (done < want) {
        size_t piece = want - done < 262144 ? want - done : 262144;
        ssize_t n = pread(r->fd, buf + done, piece, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int sys = errno;
            base_files_fail(r->files, sys, r->file->path);
            return fs_problem(problem, sys, NULL);
        }
        if (n == 0) {
            break; /* it was cut off meanwhile */
        }
        if (offset + done == r->at) {
            r->crc = vv_crc32c(r->crc, buf + done, (size_t)n);
            base_pages_feed(&r->pages, r->file->path, vv_span(buf + done, (size_t)n));
            r->at += (uint64_t)n;
        }
        done += (size_t)n;
    }
    *ret_len = done;
    return SOURCE_OK;
}

/* What was found in its pages, into the list of all. */
static enum vv_rc
end_pages(struct reading *r, struct vv_span tree_path)
{
    struct base_files *f = r->files;
    struct vv_error ignored = {0};
    enum vv_rc rc =
        base_pages_end(&r->pages, r->file->path, f->owner->options.events, tree_path, &ignored);

    vv_mutex_lock(&f->lock);
    vv_buf_put(&f->bad_list, r->pages.list.data, r->pages.list.len);
    f->bad_total += r->pages.total;
    vv_mutex_unlock(&f->lock);
    base_pages_release(&r->pages);
    return rc;
}

static void
note_read(const struct reading *r)
{
    vv_mutex_lock(&r->files->lock);
    r->file->state = BASE_FILE_READ;
    r->file->size = r->at;
    r->file->mtime = r->stat.mtime_sec;
    r->file->crc32c = r->crc;
    vv_mutex_unlock(&r->files->lock);
}

enum source_status
base_files_close(struct source_file *file, struct entry *entry, struct source_problem *problem)
{
    struct reading *r = (struct reading *)file;
    struct base_files *f = r->files;
    struct fs_stat now;

    (void)problem;
    fs_stat_fd(r->fd, &now);
    if (now.error != 0 || now.size != r->stat.size || now.ctime_sec != r->stat.ctime_sec ||
        now.ctime_nsec != r->stat.ctime_nsec || now.mtime_sec != r->stat.mtime_sec ||
        now.mtime_nsec != r->stat.mtime_nsec) {
        entry->flags |= ENTRY_RACY; /* F5 */
    }
    entry->size = r->at;
    if (!r->repeated) {
        note_read(r);
    }
    if (r->pages.in_file > 0) {
        entry->flags |= ENTRY_RACY; /* to be told of each time, as long as they are bad */
    }
    if (end_pages(r, entry->path) != VV_OK) {
        base_files_fail(f, ENOMEM, r->file->path);
    }
    vv_fd_close(r->fd);
    vv_free(r);
    return SOURCE_OK;
}
