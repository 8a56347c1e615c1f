/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of a receiver: opening, appending, what is safe. */
#include "engine/wal_journal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checksum.h"
#include "core/file.h"

#define SMALL_FILE 4096u

void
part_name(const struct wal_journal *j, const struct journal_part *p, char out[JOURNAL_NAME])
{
    wal_name(p->timeline, p->number, j->segment_size, out);
    memcpy(out + WAL_NAME - 1, JOURNAL_SUFFIX, sizeof(JOURNAL_SUFFIX));
}

void
journal_put_head(const struct wal_journal *j, const struct journal_part *p, struct vv_buf *out)
{
    size_t from = out->len;

    vv_buf_put(out, JOURNAL_MAGIC, JOURNAL_MAGIC_LEN);
    vv_buf_put_u64(out, j->system);
    vv_buf_put_u32(out, j->segment_size);
    vv_buf_put_u32(out, p->timeline);
    vv_buf_put_u64(out, part_begin(j, p));
    if (!out->failed) {
        vv_buf_put_u64(out, vv_checksum64(out->data + from, out->len - from));
    }
}

uint64_t
journal_record_checksum(uint64_t start, struct vv_span data)
{
    uint8_t head[20];

    vv_store_u32(head, (uint32_t)data.len);
    vv_store_u64(head + 4, start);
    vv_store_u64(head + 12, vv_checksum64(data.data, data.len));
    return vv_checksum64(head, sizeof(head));
}

enum vv_rc
journal_add_part(struct wal_journal *j, const struct journal_part *p, struct vv_error *err)
{
    if (j->count == j->room) {
        size_t room = j->room == 0 ? 16 : j->room * 2;
        struct journal_part *grown = vv_realloc_array(j->parts, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        j->parts = grown;
        j->room = room;
    }
    j->parts[j->count++] = *p;
    return VV_OK;
}

void
wal_journal_free(struct wal_journal *j)
{
    if (j == NULL) {
        return;
    }
    vv_fd_close(j->fd);
    vv_fd_close(j->lock);
    vv_fd_close(j->dir);
    vv_mutex_release(&j->mutex);
    vv_buf_release(&j->head);
    vv_free(j->parts);
    vv_free(j->path);
    vv_free(j);
}

static enum vv_rc
take_lock(struct wal_journal *j, struct vv_error *err)
{
    bool got = false;

    j->lock = openat(j->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->lock < 0) {
        return vv_error_sys(err, errno, "cannot create '%s/lock'", j->path);
    }
    VV_TRY(vv_file_lock(j->lock, false, &got, err));
    if (!got) {
        return vv_error_set(err, VV_EREFUSED, "another receiver is at work with the journal '%s'",
                            j->path);
    }
    return VV_OK;
}

static enum vv_rc
write_about(struct wal_journal *j, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf old = {0};

    vv_buf_printf(&text, "%llu %u\n", (unsigned long long)j->system, (unsigned)j->segment_size);
    VV_TRY(vv_buf_check(&text, err));
    if (vv_file_read(j->dir, "about", SMALL_FILE, &old, NULL) == VV_OK && old.len == text.len &&
        memcmp(old.data, text.data, old.len) == 0) {
        return VV_OK;
    }
    return vv_file_replace(j->dir, "about", vv_buf_span(&text), 0600, err);
}

enum vv_rc
wal_journal_about(const char *directory, struct wal_journal_options *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    char *end = NULL;
    unsigned long long system;
    unsigned long size;

    vv_buf_printf(&path, "%s/about", directory);
    VV_TRY(vv_buf_check(&path, err));
    VV_TRY(vv_file_read(AT_FDCWD, vv_buf_text(&path), SMALL_FILE, &text, err));
    system = strtoull(vv_buf_text(&text), &end, 10);
    size = *end == ' ' ? strtoul(end + 1, &end, 10) : 0;
    if (strcmp(end, "\n") != 0 || system == 0 || !wal_segment_size_valid(size)) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' is damaged", vv_buf_text(&path));
    }
    ret->system = system;
    ret->segment_size = (uint32_t)size;
    return VV_OK;
}

enum vv_rc
wal_journal_keep(struct wal_journal *j, const char *name, struct vv_span content,
                 struct vv_error *err)
{
    return vv_error_origin(err, VV_ORIGIN_LOCAL, vv_file_replace(j->dir, name, content, 0600, err));
}

enum vv_rc
wal_journal_kept(struct wal_journal *j, const char *name, struct vv_buf *out, struct vv_error *err)
{
    return vv_error_origin(err, VV_ORIGIN_LOCAL,
                           vv_file_read(j->dir, name, LIMIT_WAL_HISTORY, out, err));
}

static enum vv_rc
open_journal(const struct wal_journal_options *o, struct wal_journal **ret, struct vv_error *err)
{
    VV_CLEANUP(wal_journal_freep) struct wal_journal *j = vv_alloc_array(1, sizeof(*j));

    if (j == NULL) {
        return vv_error_nomem(err);
    }
    j->dir = -1;
    j->lock = -1;
    j->fd = -1;
    vv_mutex_init(&j->mutex);
    j->events = o->events;
    j->system = o->system;
    j->segment_size = o->segment_size;
    j->limit = o->limit;
    /* A segment of many small records takes up to twice its length here. */
    if (j->limit < 4u * (uint64_t)o->segment_size) {
        j->limit = 4u * (uint64_t)o->segment_size;
    }
    j->path = vv_strdup(o->directory);
    if (j->path == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(vv_mkdir_all(j->path, 0700, err));
    j->dir = open(j->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir < 0) {
        return vv_error_sys(err, errno, "cannot open the journal '%s'", j->path);
    }
    VV_TRY(take_lock(j, err));
    VV_TRY(journal_recover(j, err));
    VV_TRY(write_about(j, err));
    *ret = TAKE(j);
    return VV_OK;
}

enum vv_rc
wal_journal_open(const struct wal_journal_options *o, struct wal_journal **ret,
                 struct vv_error *err)
{
    return vv_error_origin(err, VV_ORIGIN_LOCAL, open_journal(o, ret, err));
}

struct wal_place
wal_journal_end(const struct wal_journal *j)
{
    return j->end;
}

struct wal_place
wal_journal_published(struct wal_journal *j)
{
    struct wal_place p;

    vv_mutex_lock(&j->mutex);
    p = j->published;
    vv_mutex_unlock(&j->mutex);
    return p;
}

struct wal_place
wal_journal_safe(struct wal_journal *j)
{
    struct wal_place p;

    vv_mutex_lock(&j->mutex);
    p = j->safe;
    vv_mutex_unlock(&j->mutex);
    return p;
}

static uint64_t
bytes_locked(const struct wal_journal *j)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < j->count; i++) {
        bytes += j->parts[i].bytes;
    }
    return bytes;
}

uint64_t
wal_journal_bytes(struct wal_journal *j)
{
    uint64_t bytes;

    vv_mutex_lock(&j->mutex);
    bytes = bytes_locked(j);
    vv_mutex_unlock(&j->mutex);
    return bytes;
}

enum vv_rc
wal_journal_begin(struct wal_journal *j, struct wal_place place, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    if (place.timeline == 0 || place.lsn % j->segment_size != 0) {
        return vv_error_set(err, VV_EUSAGE, "a stretch of WAL begins where a segment begins");
    }
    if (j->end.timeline != 0) {
        rc = wal_journal_sync(j, err);
    }
    vv_fd_close(j->fd);
    j->fd = -1;
    j->end = place;
    vv_mutex_lock(&j->mutex);
    if (j->safe.lsn > place.lsn) { /* of a branch that was left: of this one it is not there */
        j->safe.lsn = place.lsn;
    }
    vv_mutex_unlock(&j->mutex);
    return rc;
}

/** Back to where the last whole record ended. */
static enum vv_rc
take_back(struct wal_journal *j, const struct journal_part *p, enum vv_rc rc, struct vv_error *err)
{
    if (ftruncate(j->fd, (off_t)p->bytes) != 0) {
        j->broken = true; /* opening it anew will find the end */
        return vv_error_sys(err, errno, "cannot take back the end of a file of the journal '%s'",
                            j->path);
    }
    return rc;
}

/** The file of the segment that begins at the journal's end. */
static enum vv_rc
begin_part(struct wal_journal *j, struct vv_error *err)
{
    struct journal_part p = {.timeline = j->end.timeline,
                             .number = j->end.lsn / j->segment_size,
                             .end = j->end.lsn,
                             .safe = j->end.lsn,
                             .published = j->end.lsn,
                             .bytes = JOURNAL_HEAD};
    char name[JOURNAL_NAME];
    enum vv_rc rc;

    part_name(j, &p, name);
    vv_buf_reset(&j->head);
    journal_put_head(j, &p, &j->head);
    VV_TRY(vv_buf_check(&j->head, err));
    j->fd = openat(j->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0) {
        return vv_error_sys(err, errno, "cannot create '%s/%s'", j->path, name);
    }
    rc = vv_fd_pwrite_full(j->fd, j->head.data, j->head.len, 0, name, err);
    if (rc == VV_OK) {
        vv_mutex_lock(&j->mutex);
        rc = journal_add_part(j, &p, err);
        vv_mutex_unlock(&j->mutex);
    }
    if (rc != VV_OK) {
        vv_fd_close(j->fd);
        j->fd = -1;
        (void)unlinkat(j->dir, name, 0);
        return rc;
    }
    j->name_new = true;
    return VV_OK;
}

/** What is published needs a little of the same disk: a full one would never be emptied again. */
static enum vv_rc
leave_room(const struct wal_journal *j, size_t len, struct vv_error *err)
{
    struct statvfs st;

    if (fstatvfs(j->dir, &st) == 0 &&
        (uint64_t)st.f_bavail * st.f_frsize < len + JOURNAL_RECORD + JOURNAL_LEAVES) {
        return vv_error_set(err, VV_ENOSPACE, "the disk of the journal '%s' is full", j->path);
    }
    return VV_OK;
}

/** One record, within one segment. */
static enum vv_rc
put_record(struct wal_journal *j, struct vv_span data, struct vv_error *err)
{
    struct journal_part p;
    bool full;
    enum vv_rc rc;

    vv_mutex_lock(&j->mutex);
    full = bytes_locked(j) + data.len + JOURNAL_RECORD > j->limit;
    vv_mutex_unlock(&j->mutex);
    if (full) {
        return vv_error_set(err, VV_ELIMIT, "the journal '%s' is full", j->path);
    }
    VV_TRY(leave_room(j, data.len, err));
    if (j->fd < 0) {
        VV_TRY(begin_part(j, err));
    }
    vv_mutex_lock(&j->mutex);
    p = j->parts[j->count - 1];
    vv_mutex_unlock(&j->mutex);
    vv_buf_reset(&j->head);
    vv_buf_put_u32(&j->head, (uint32_t)data.len);
    vv_buf_put_u64(&j->head, j->end.lsn);
    vv_buf_put_u64(&j->head, journal_record_checksum(j->end.lsn, data));
    vv_buf_put(&j->head, data.data, data.len);
    VV_TRY(vv_buf_check(&j->head, err));
    rc = vv_fd_pwrite_full(j->fd, j->head.data, j->head.len, p.bytes, j->path, err);
    if (rc != VV_OK) {
        return take_back(j, &p, rc, err);
    }
    j->end.lsn += data.len;
    vv_mutex_lock(&j->mutex);
    j->parts[j->count - 1].bytes += j->head.len;
    j->parts[j->count - 1].end = j->end.lsn;
    vv_mutex_unlock(&j->mutex);
    return VV_OK;
}

static enum vv_rc
append(struct wal_journal *j, uint64_t start, struct vv_span data, struct vv_error *err)
{
    if (j->broken) {
        return vv_error_set(err, VV_EIO, "the journal '%s' has failed", j->path);
    }
    if (j->end.timeline == 0 || start != j->end.lsn) { /* J2 */
        char want[WAL_LSN_TEXT];
        char got[WAL_LSN_TEXT];
        wal_lsn_text(j->end.lsn, want);
        wal_lsn_text(start, got);
        return vv_error_set(err, VV_ECORRUPT, "WAL goes on at %s, not where it ended, %s", got,
                            want);
    }
    while (data.len > 0) {
        uint64_t room = j->segment_size - j->end.lsn % j->segment_size;
        size_t len = data.len < room ? data.len : (size_t)room;
        len = len < JOURNAL_RECORD_MOST ? len : JOURNAL_RECORD_MOST;
        VV_TRY(put_record(j, vv_span(data.data, len), err));
        data = vv_span(data.data + len, data.len - len);
        if (j->end.lsn % j->segment_size == 0) {
            VV_TRY(wal_journal_sync(j, err));
            vv_fd_close(j->fd);
            j->fd = -1;
        }
    }
    return VV_OK;
}

enum vv_rc
wal_journal_append(struct wal_journal *j, uint64_t start, struct vv_span data, struct vv_error *err)
{
    return vv_error_origin(err, VV_ORIGIN_LOCAL, append(j, start, data, err));
}

enum vv_rc
wal_journal_sync(struct wal_journal *j, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    if (j->broken) {
        rc = vv_error_set(err, VV_EIO, "the journal '%s' has failed", j->path);
    } else if (j->fd >= 0) {
        if (fdatasync(j->fd) != 0) {
            rc = vv_error_sys(err, errno, "cannot flush the journal '%s' to disk", j->path);
        } else if (j->name_new && fsync(j->dir) != 0) {
            rc = vv_error_sys(err, errno, "cannot flush the directory '%s' to disk", j->path);
        }
        j->broken = rc != VV_OK;
    }
    if (rc == VV_OK && j->fd >= 0) {
        j->name_new = false;
        vv_mutex_lock(&j->mutex);
        j->parts[j->count - 1].safe = j->parts[j->count - 1].end;
        j->safe = j->end;
        vv_mutex_unlock(&j->mutex);
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}
