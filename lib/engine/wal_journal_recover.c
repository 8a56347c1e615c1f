/* SPDX-License-Identifier: BSD-2-Clause */
/* What a journal holds when it is opened: files in order, each up to its last whole record. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checksum.h"
#include "core/file.h"
#include "engine/wal_journal_internal.h"

#define POSITION_LIMIT 256u

enum vv_rc
journal_next_record(int fd, const char *name, uint64_t at, uint64_t start, struct vv_buf *data,
                    uint64_t *ret_next, struct vv_error *err)
{
    uint8_t head[JOURNAL_RECORD];
    uint32_t len;
    size_t got = 0;

    *ret_next = 0;
    VV_TRY(vv_fd_pread_full(fd, head, sizeof(head), at, name, &got, err));
    if (got < sizeof(head)) {
        return VV_OK;
    }
    len = vv_load_u32(head);
    if (len == 0 || len > JOURNAL_RECORD_MOST || vv_load_u64(head + 4) != start) {
        return VV_OK;
    }
    vv_buf_reset(data);
    VV_TRY(vv_buf_reserve(data, len, err));
    VV_TRY(vv_fd_pread_full(fd, data->data, len, at + sizeof(head), name, &got, err));
    if (got < len ||
        journal_record_checksum(start, vv_span(data->data, len)) != vv_load_u64(head + 12)) {
        return VV_OK;
    }
    data->len = len;
    *ret_next = at + sizeof(head) + len;
    return VV_OK;
}

/** The place a file's name and head tell; false: it was killed while it was made. */
static enum vv_rc
read_head(struct wal_journal *j, int fd, const char *name, struct journal_part *p, bool *ret_ok,
          struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf want = {0};
    uint8_t head[JOURNAL_HEAD];
    size_t got = 0;

    VV_TRY(vv_fd_pread_full(fd, head, sizeof(head), 0, name, &got, err));
    journal_put_head(j, p, &want);
    VV_TRY(vv_buf_check(&want, err));
    *ret_ok = got == sizeof(head) && memcmp(head, want.data, sizeof(head)) == 0;
    if (!*ret_ok && got == sizeof(head) &&
        vv_checksum64(head, sizeof(head) - 8) == vv_load_u64(head + sizeof(head) - 8)) {
        return vv_error_set(err, VV_EREFUSED, "the journal '%s' is of another cluster", j->path);
    }
    return VV_OK;
}

static enum vv_rc
recover_records(struct wal_journal *j, int fd, const char *name, struct journal_part *p,
                struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf data = {0};
    uint64_t limit = part_begin(j, p) + j->segment_size;
    uint64_t next = 0;
    off_t size = lseek(fd, 0, SEEK_END);

    p->bytes = JOURNAL_HEAD;
    p->end = part_begin(j, p);
    for (;;) { /* what could not be read is no torn end */
        VV_TRY(journal_next_record(fd, name, p->bytes, p->end, &data, &next, err));
        if (next == 0 || data.len > limit - p->end) {
            break;
        }
        p->end += data.len;
        p->bytes = next;
    }
    if (size > (off_t)p->bytes) {
        vv_emit(j->events, VV_EVENT_WARNING, "journal-torn", vv_span(name, strlen(name)),
                "%llu bytes at the end of the journal were not written completely; they are taken "
                "from the server again",
                (unsigned long long)((uint64_t)size - p->bytes));
        if (ftruncate(fd, (off_t)p->bytes) != 0) {
            return vv_error_sys(err, errno, "cannot cut off the end of '%s/%s'", j->path, name);
        }
    }
    /* Whoever was killed may have written more than it synced. */
    if (fsync(fd) != 0) {
        return vv_error_sys(err, errno, "cannot flush '%s/%s' to disk", j->path, name);
    }
    p->safe = p->end;
    p->published = part_begin(j, p);
    return VV_OK;
}

static enum vv_rc
recover_file(struct wal_journal *j, const char *name, struct vv_error *err)
{
    struct wal_file_name n;
    struct journal_part p = {0};
    char segment[WAL_NAME];
    bool ok = false;

    memcpy(segment, name, WAL_NAME - 1);
    segment[WAL_NAME - 1] = '\0';
    n = wal_file_name_parse(segment);
    p.timeline = n.timeline;
    if (n.kind != WAL_FILE_SEGMENT || !wal_file_number(&n, j->segment_size, &p.number)) {
        return vv_error_set(err, VV_EREFUSED, "the journal '%s' is of another cluster", j->path);
    }
    VV_CLEANUP(vv_fd_closep) int fd = openat(j->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open '%s/%s'", j->path, name);
    }
    VV_TRY(read_head(j, fd, name, &p, &ok, err));
    if (ok) {
        VV_TRY(recover_records(j, fd, name, &p, err));
        ok = p.end > part_begin(j, &p);
    }
    if (!ok) { /* nothing in it was ever told as safe */
        return unlinkat(j->dir, name, 0) == 0
                   ? VV_OK
                   : vv_error_sys(err, errno, "cannot remove '%s/%s'", j->path, name);
    }
    return journal_add_part(j, &p, err);
}

static int
compare_parts(const void *a, const void *b)
{
    const struct journal_part *x = a;
    const struct journal_part *y = b;

    if (x->timeline != y->timeline) {
        return x->timeline < y->timeline ? -1 : 1;
    }
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool
is_journal_name(const char *name)
{
    return strlen(name) == JOURNAL_NAME - 1 && strcmp(name + WAL_NAME - 1, JOURNAL_SUFFIX) == 0;
}

static enum vv_rc
recover_files(struct wal_journal *j, struct vv_error *err)
{
    int fd = openat(j->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    enum vv_rc rc = VV_OK;

    if (d == NULL) {
        rc = vv_error_sys(err, errno, "cannot read the journal '%s'", j->path);
        vv_fd_close(fd);
        return rc;
    }
    while (rc == VV_OK) {
        const struct dirent *e;
        errno = 0;
        e = readdir(d);
        if (e == NULL) {
            if (errno != 0) {
                rc = vv_error_sys(err, errno, "cannot read the journal '%s'", j->path);
            }
            break;
        }
        if (is_journal_name(e->d_name)) {
            rc = recover_file(j, e->d_name, err);
        }
    }
    if (rc == VV_OK && j->count > 0 && fsync(j->dir) != 0) { /* the names, too */
        rc = vv_error_sys(err, errno, "cannot flush the directory '%s' to disk", j->path);
    }
    (void)closedir(d);
    return rc;
}

/** "1 16/B374D848\n" */
static enum vv_rc
read_position(struct wal_journal *j, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct vv_error why = {0};
    char *end = NULL;
    unsigned long timeline;
    enum vv_rc rc = vv_file_read(j->dir, "position", POSITION_LIMIT, &text, &why);

    if (rc == VV_ENOTFOUND) {
        return VV_OK;
    }
    if (rc != VV_OK) {
        return vv_error_set(err, rc, "'%s/position': %s", j->path, why.message);
    }
    if (text.len > 0 && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    timeline = strtoul(vv_buf_text(&text), &end, 10);
    if (end == NULL || *end != ' ' || timeline == 0 || timeline > UINT32_MAX ||
        !wal_lsn_parse(end + 1, &j->published.lsn)) {
        return vv_error_set(err, VV_ECORRUPT, "'%s/position' is damaged", j->path);
    }
    j->published.timeline = (uint32_t)timeline;
    return VV_OK;
}

/** What was published of the parts: all before the position. */
static void
apply_position(struct wal_journal *j)
{
    for (size_t i = 0; i < j->count; i++) {
        struct journal_part *p = &j->parts[i];
        if (p->timeline < j->published.timeline) {
            p->published = p->end;
        } else if (p->timeline == j->published.timeline && j->published.lsn > p->published) {
            p->published = j->published.lsn < p->end ? j->published.lsn : p->end;
        }
    }
}

enum vv_rc
journal_recover(struct wal_journal *j, struct vv_error *err)
{
    const struct journal_part *last;

    VV_TRY(recover_files(j, err));
    VV_TRY(read_position(j, err));
    if (j->count == 0) {
        return VV_OK;
    }
    qsort(j->parts, j->count, sizeof(*j->parts), compare_parts);
    apply_position(j);
    last = &j->parts[j->count - 1];
    j->end = (struct wal_place){last->timeline, last->end};
    j->safe = j->end;
    if (last->end % j->segment_size != 0) {
        char name[JOURNAL_NAME];
        part_name(j, last, name);
        j->fd = openat(j->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (j->fd < 0) {
            return vv_error_sys(err, errno, "cannot open '%s/%s'", j->path, name);
        }
    }
    return VV_OK;
}
