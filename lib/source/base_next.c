/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes when: the directories, the tars' members with WAL between them, and what we add. */
#include <stdio.h>
#include <string.h>

#include "format/wal.h"
#include "source/base_files.h"

#define CONTROL "global/pg_control"

enum vv_rc
base_fail(struct base_source *b, const struct vv_error *local, struct vv_error *err)
{
    if (b->error.rc == VV_OK) {
        b->error = *local;
        if (b->files != NULL) {
            base_files_stop(b->files, local);
        }
    }
    if (err != NULL) {
        *err = b->error;
    }
    return b->error.rc;
}

enum vv_rc
base_corrupt(struct vv_error *err, const char *what)
{
    (void)vv_error_set(err, VV_ECORRUPT, "the server's base backup cannot be used: %s", what);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ECORRUPT);
}

/* ---- members ---- */

static enum entry_type
type_of(enum ustar_type type)
{
    return type == USTAR_DIRECTORY ? ENTRY_DIRECTORY
           : type == USTAR_SYMLINK ? ENTRY_SYMLINK
                                   : ENTRY_FILE;
}

static enum vv_rc
member_item(struct base_source *b, struct source_item *ret, struct vv_error *err)
{
    const struct ustar_member *m = &b->member;
    struct source_item item;
    char where[32] = "data";

    if (!b->feed.is_base) {
        (void)snprintf(where, sizeof(where), "tablespaces/%u", b->feed.tablespace);
    }
    VV_TRY(base_item_new(b, where, m->name, type_of(m->type), &item, err));
    item.entry.mode = m->mode;
    item.entry.mtime = (struct entry_time){.sec = m->mtime};
    item.entry.ctime = item.entry.mtime;
    if (m->type == USTAR_FILE) {
        item.entry.size = m->size;
        item.entry.flags |= base_is_paged(b->path) ? ENTRY_PAGES : 0;
        ((struct base_item *)item.handle)->content = BASE_MEMBER;
        ((struct base_item *)item.handle)->number = ++b->number;
        b->given += m->size;
        b->member_open = true;
        b->member_crc = 0;
        b->file.read = 0; /* where the server's complaints stand */
    }
    *ret = item;
    return VV_OK;
}

/* The next member into b->member and b->path; links to tablespaces are ours (queue_roots). */
static enum vv_rc
next_header(struct base_source *b, bool *ret_end, struct vv_error *err)
{
    const struct ustar_member *m = &b->member;

    do {
        VV_TRY(base_feed_header(b, ret_end, err));
        if (*ret_end) {
            return VV_OK;
        }
    } while (b->feed.is_base && m->type == USTAR_SYMLINK &&
             strncmp(m->name, "pg_tblspc/", 10) == 0);
    if (m->type == USTAR_SYMLINK) {
        return base_corrupt(err, "it has a symbolic link that is none to a tablespace");
    }
    if (b->feed.is_base) {
        (void)snprintf(b->path, sizeof(b->path), "%s", m->name);
    } else {
        (void)snprintf(b->path, sizeof(b->path), "pg_tblspc/%u/%s", b->feed.tablespace, m->name);
    }
    b->control_was_last = b->feed.is_base && strcmp(m->name, CONTROL) == 0;
    return VV_OK;
}

static enum vv_rc
segment_item(struct base_source *b, uint64_t number, struct source_item *ret, struct vv_error *err)
{
    char name[WAL_NAME];

    wal_name(b->facts.timeline, number, b->facts.segment_size, name);
    VV_TRY(base_item_new(b, "data/pg_wal", name, ENTRY_FILE, ret, err));
    ret->entry.size = b->facts.segment_size;
    ((struct base_item *)ret->handle)->content = BASE_SEGMENT;
    ((struct base_item *)ret->handle)->number = ++b->number;
    b->segment_taken = true;
    (void)snprintf(b->done, sizeof(b->done), "%s", name);
    return VV_OK;
}

/* ---- one step ---- */

static bool
from_queue(struct base_source *b, struct source_item *ret)
{
    if (b->queue_at == b->queue_count) {
        b->queue_at = b->queue_count = 0;
        return false;
    }
    *ret = b->queue[b->queue_at];
    b->queue[b->queue_at++] = (struct source_item){0};
    return true;
}

#define WAL_SHARE_MOST (INT64_C(64) << 20)

/* Is it WAL's turn?  It has as many bytes as files have had; but what it leaves of that is not saved up for
 * long.  When all files were read, the end of the backup comes first: then it is known
 * how much WAL is still needed. */
static bool
is_turn_of_wal(struct base_source *b)
{
    uint64_t given = b->files != NULL ? atomic_load(&b->files->total) : b->given;
    uint64_t more = given - b->given_then;

    if (b->phase == BASE_CLOSING) {
        return true;
    }
    b->wal_share = more > (uint64_t)(WAL_SHARE_MOST - b->wal_share) ? WAL_SHARE_MOST
                                                                    : b->wal_share + (int64_t)more;
    b->given_then = given;
    return b->wal_share > 0 && !(b->phase == BASE_FILES && b->files_read);
}

/* A segment of WAL, if one is there (or, at the end, when it comes). */
static enum vv_rc
wal_step(struct base_source *b, struct source_item *ret, bool *ret_got, struct vv_error *err)
{
    uint64_t number = UINT64_MAX;
    bool end = false;

    *ret_got = false;
    if (!b->roots_given) {
        return VV_OK;
    }
    VV_TRY(base_wal_take(b->wal, b->phase == BASE_CLOSING, b->options.cancel, &number, &end, err));
    if (end) {
        b->phase = BASE_DONE;
    } else if (number != UINT64_MAX) {
        VV_TRY(segment_item(b, number, ret, err));
        b->wal_share -= (int64_t)ret->entry.size;
        *ret_got = true;
    }
    return VV_OK;
}

static enum vv_rc
tar_step(struct base_source *b, struct source_item *ret, bool *ret_got, struct vv_error *err)
{
    bool end = false;

    VV_TRY(next_header(b, &end, err));
    if (end) {
        return base_finish(b, err);
    }
    if (!b->roots_given) {
        VV_TRY(base_queue_roots(b, err));
    }
    VV_TRY(member_item(b, ret, err));
    *ret_got = true;
    return VV_OK;
}

static enum vv_rc
step(struct base_source *b, struct source_item *ret, bool *ret_got, struct vv_error *err)
{
    if (b->phase == BASE_NEW) {
        return base_begin(b, err);
    }
    if (b->done[0] != '\0') {
        char name[sizeof(b->done)];
        memcpy(name, b->done, sizeof(name));
        b->done[0] = '\0';
        return base_queue_mark(b, name, err);
    }
    *ret_got = from_queue(b, ret);
    if (*ret_got) {
        return VV_OK;
    }
    if (is_turn_of_wal(b)) {
        VV_TRY(wal_step(b, ret, ret_got, err));
    }
    if (*ret_got) {
        return VV_OK;
    }
    switch (b->phase) {
    case BASE_TAR:
        return tar_step(b, ret, ret_got, err);
    case BASE_FILES:
        b->paused = !b->files_read;
        return b->files_read ? base_files_finish(b, err) : VV_OK;
    case BASE_NEW:
    case BASE_CLOSING:
    case BASE_DONE:
        break;
    }
    return VV_OK;
}

/* An item whose content nobody has read stands in the way of the next one. */
static enum vv_rc
check_order(struct base_source *b, struct vv_error *err)
{
    if (b->member_open || b->segment_taken) {
        (void)vv_error_set(err, VV_EIO, "file '%s' of the base backup was not read", b->path);
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EIO);
    }
    return VV_OK;
}

enum vv_rc
base_next(struct source *s, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    struct base_source *b = (struct base_source *)s;
    struct vv_error local = {0};
    struct source_item item = {0};
    bool got = false;
    enum vv_rc rc = b->error.rc;

    if (rc == VV_OK) {
        rc = check_order(b, &local);
    }
    b->paused = false;
    while (rc == VV_OK && !got && b->phase != BASE_DONE && !b->paused) {
        rc = step(b, &item, &got, &local);
    }
    if (rc != VV_OK) {
        base_item_free(&item);
        return base_fail(b, &local, err);
    }
    *ret = item;
    *ret_end = !got;
    return VV_OK;
}
