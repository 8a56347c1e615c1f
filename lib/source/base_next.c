/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes when: the directories, the tars' members with WAL between them, and what we add. */
#include <stdio.h>
#include <string.h>

#include "format/postgres_page.h"
#include "format/wal.h"
#include "source/base_source.h"

#define LABEL "varve"
#define CONTROL "global/pg_control"

enum vv_rc
base_fail(struct base_source *b, const struct vv_error *local, struct vv_error *err)
{
    if (b->error.rc == VV_OK) {
        b->error = *local;
    }
    if (err != NULL) {
        *err = b->error;
    }
    return b->error.rc;
}

static enum vv_rc
corrupt(struct vv_error *err, const char *what)
{
    (void)vv_error_set(err, VV_ECORRUPT, "the server's base backup cannot be used: %s", what);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ECORRUPT);
}

/* ---- the beginning ---- */

/* Other tools look for a tablespace where its link points to from the data directory: one that is
 * relative, as a plain restore leaves it, they (and the server) pass over in silence. */
static enum vv_rc
check_tablespaces(struct base_source *b, struct vv_error *err)
{
    for (unsigned i = 0; i < b->tablespace_count; i++) {
        const struct postgres_tablespace *t = &b->tablespaces[i];
        if (t->location[0] != '/') {
            (void)vv_error_set(
                err, VV_EREFUSED,
                "the link pg_tblspc/%u of the server at '%s' is relative: the server "
                "would leave that tablespace out",
                t->oid, postgres_name(b->server));
            vv_error_hint(err,
                          "stop the server, and in its data directory: ln -sfn \"$(realpath "
                          "pg_tblspc/%u)\" pg_tblspc/%u",
                          t->oid, t->oid);
            return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EREFUSED);
        }
        vv_buf_printf(&b->map, "%u %s\n", t->oid, t->location);
    }
    return vv_buf_check(&b->map, err);
}

static enum vv_rc
begin(struct base_source *b, struct vv_error *err)
{
    struct base_wal_options wal = {.target = b->target,
                                   .temp_dir = b->temp_dir,
                                   .system = b->facts.system,
                                   .segment_size = b->facts.segment_size,
                                   .cancel = b->options.cancel};
    struct postgres_base_options base = {
        .label = LABEL, .fast_checkpoint = true, .verify_checksums = true};
    struct postgres_base_start start;
    struct vv_progress *progress = b->options.progress;

    if (b->options.rate != 0) {
        uint64_t kib = b->options.rate / 1024;
        base.rate_kib = kib < 32 ? 32 : kib > 1048576 ? 1048576 : (uint32_t)kib;
    }
    VV_TRY(base_wal_reserve(&wal, &b->wal, err));
    VV_TRY(postgres_base_begin(b->server, &base, &start, err));
    b->facts.start = start.start;
    b->facts.timeline = start.timeline;
    b->pages.start = start.start;
    b->tablespaces = start.tablespaces;
    b->tablespace_count = start.tablespace_count;
    VV_TRY(check_tablespaces(b, err));
    if (progress != NULL && atomic_load(&progress->bytes_total) < start.size) {
        atomic_store(&progress->bytes_total, start.size);
    }
    VV_TRY(base_wal_start(b->wal, start.start, start.timeline, err));
    b->phase = BASE_TAR;
    return VV_OK;
}

/* Directories that are in no tar, when the first member has told who owns it all. */
static enum vv_rc
queue_directory(struct base_source *b, const char *where, const char *name, struct vv_error *err)
{
    struct source_item item;

    VV_TRY(base_item_new(b, where, name, ENTRY_DIRECTORY, &item, err));
    return base_item_queue(b, &item, err);
}

static enum vv_rc
queue_roots(struct base_source *b, struct vv_error *err)
{
    b->uid = b->member.uid;
    b->gid = b->member.gid;
    b->roots_given = true;
    VV_TRY(queue_directory(b, "data", NULL, err));
    if (b->tablespace_count > 0) {
        VV_TRY(queue_directory(b, "tablespaces", NULL, err));
        VV_TRY(base_queue_file(b, "tablespace_map", NULL, vv_buf_span(&b->map), err));
    }
    for (unsigned i = 0; i < b->tablespace_count; i++) {
        char oid[16];
        char target[48];
        (void)snprintf(oid, sizeof(oid), "%u", b->tablespaces[i].oid);
        (void)snprintf(target, sizeof(target), "../../tablespaces/%s", oid);
        VV_TRY(queue_directory(b, "tablespaces", oid, err));
        VV_TRY(base_queue_link(b, "data/pg_tblspc", oid, target, err));
    }
    return VV_OK;
}

/* ---- members ---- */

/* Files that are changed in place, page by page. */
static bool
is_paged(const char *path)
{
    static const char *const directories[] = {"pg_xact/", "pg_multixact/", "pg_commit_ts/"};

    for (size_t i = 0; i < VV_COUNT(directories); i++) {
        if (strncmp(path, directories[i], strlen(directories[i])) == 0) {
            return true;
        }
    }
    return postgres_relation_file(path).is_relation;
}

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
        item.entry.flags |= is_paged(b->path) ? ENTRY_PAGES : 0;
        ((struct base_item *)item.handle)->content = BASE_MEMBER;
        ((struct base_item *)item.handle)->number = ++b->number;
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
        return corrupt(err, "it has a symbolic link that is none to a tablespace");
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

/* A server with archiving would archive again what has no such mark. */
static enum vv_rc
queue_mark(struct base_source *b, const char *name, struct vv_error *err)
{
    char mark[40];

    (void)snprintf(mark, sizeof(mark), "%s.done", name);
    return base_queue_file(b, "data/pg_wal/archive_status", mark, vv_span(NULL, 0), err);
}

/* ---- the end ---- */

static enum vv_rc
queue_history(struct base_source *b, struct vv_error *err)
{
    char name[24];

    if (b->facts.timeline <= 1) {
        return VV_OK;
    }
    VV_TRY(postgres_timeline_history(b->server, b->facts.timeline, &b->history, err));
    (void)snprintf(name, sizeof(name), "%08X.history", b->facts.timeline);
    VV_TRY(base_queue_file(b, "data/pg_wal", name, vv_buf_span(&b->history), err));
    return queue_mark(b, name, err);
}

static enum vv_rc
finish(struct base_source *b, struct vv_error *err)
{
    struct postgres_base_end end;

    if (!b->control_was_last) {
        return corrupt(err, "its last file is not " CONTROL);
    }
    VV_TRY(base_feed_manifest(b, err));
    VV_TRY(postgres_base_finish(b->server, &end, err));
    b->facts.end = end.end;
    if (end.timeline != b->facts.timeline) {
        return corrupt(err, "it began on another timeline than it ended on");
    }
    VV_TRY(vv_error_origin(err, VV_ORIGIN_SOURCE,
                           base_members_compare(&b->members, vv_buf_span(&b->manifest),
                                                b->facts.start, b->facts.end, err)));
    base_wal_stop_at(b->wal, end.end);
    if (end.bad_pages && b->facts.bad_pages == 0) {
        vv_emit(b->options.events, VV_EVENT_PROBLEM, "page-checksum", vv_span(NULL, 0),
                "the server at '%s' found pages with wrong checksums, but did not say where",
                postgres_name(b->server));
        b->facts.bad_pages = 1;
    }
    VV_TRY(base_queue_file(b, "data/backup_manifest", NULL, vv_buf_span(&b->manifest), err));
    if (b->pages.list.len > 0) {
        VV_TRY(base_queue_file(b, "bad_pages", NULL, vv_buf_span(&b->pages.list), err));
    }
    b->phase = BASE_CLOSING;
    return queue_history(b, err);
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
        return finish(b, err);
    }
    if (!b->roots_given) {
        VV_TRY(queue_roots(b, err));
    }
    VV_TRY(member_item(b, ret, err));
    *ret_got = true;
    return VV_OK;
}

static enum vv_rc
step(struct base_source *b, struct source_item *ret, bool *ret_got, struct vv_error *err)
{
    if (b->phase == BASE_NEW) {
        return begin(b, err);
    }
    if (b->done[0] != '\0') {
        char name[sizeof(b->done)];
        memcpy(name, b->done, sizeof(name));
        b->done[0] = '\0';
        return queue_mark(b, name, err);
    }
    *ret_got = from_queue(b, ret);
    if (*ret_got) {
        return VV_OK;
    }
    VV_TRY(wal_step(b, ret, ret_got, err));
    return *ret_got || b->phase != BASE_TAR ? VV_OK : tar_step(b, ret, ret_got, err);
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
    while (rc == VV_OK && !got && b->phase != BASE_DONE) {
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
