/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal from the publisher's side: what is pending, reading it, and letting go of it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/wal_journal_internal.h"

/** Does ${b} go on where the whole segment ${a} ends? */
static bool
goes_on(const struct wal_journal *j, const struct journal_part *a, const struct journal_part *b)
{
    return a->timeline == b->timeline && a->number + 1 == b->number &&
           a->safe == part_begin(j, a) + j->segment_size;
}

bool
wal_journal_pending(struct wal_journal *j, struct wal_pending *ret)
{
    struct wal_pending p = {0};
    bool found = false;
    size_t i = 0;

    vv_mutex_lock(&j->mutex);
    while (i < j->count && j->parts[i].published >= j->parts[i].safe) {
        i++;
    }
    if (i < j->count) {
        size_t last = i;
        while (last + 1 < j->count && last + 1 - i < WAL_PENDING_SEGMENTS &&
               goes_on(j, &j->parts[last], &j->parts[last + 1]) &&
               j->parts[last + 1].safe > part_begin(j, &j->parts[last + 1])) {
            last++;
        }
        p.timeline = j->parts[i].timeline;
        p.from = part_begin(j, &j->parts[i]);
        p.published = j->parts[i].published;
        p.to = j->parts[last].safe;
        found = true;
    }
    vv_mutex_unlock(&j->mutex);
    if (found) {
        *ret = p;
    }
    return found;
}

struct wal_journal_reader {
    int fd;
    char name[JOURNAL_NAME];
    uint64_t begin; /* position of the segment */
    uint64_t at;    /* in the file: the next record */
    uint64_t start; /* position of that record */
    struct vv_buf data;
    size_t used; /* of data */
};

void
wal_journal_close(struct wal_journal_reader *r)
{
    if (r != NULL) {
        vv_fd_close(r->fd);
        vv_buf_release(&r->data);
        vv_free(r);
    }
}

/** To the record that holds ${position}; forward only. */
static enum vv_rc
seek(struct wal_journal_reader *r, uint64_t position, struct vv_error *err)
{
    if (position < r->start - r->data.len) { /* from the beginning again */
        r->at = JOURNAL_HEAD;
        r->start = r->begin;
        r->data.len = 0;
    }
    while (position >= r->start) {
        uint64_t next = 0;
        VV_TRY(journal_next_record(r->fd, r->name, r->at, r->start, &r->data, &next, err));
        if (next == 0) {
            return vv_error_set(err, VV_ECORRUPT, "the journal's file '%s' is damaged", r->name);
        }
        r->at = next;
        r->start += r->data.len;
    }
    r->used = (size_t)(position - (r->start - r->data.len));
    return VV_OK;
}

static enum vv_rc
read_some(void *ctx, uint64_t offset, uint8_t *buf, size_t len, struct vv_error *err)
{
    struct wal_journal_reader *r = ctx;

    while (len > 0) {
        size_t n;
        VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, seek(r, r->begin + offset, err)));
        n = r->data.len - r->used < len ? r->data.len - r->used : len;
        memcpy(buf, r->data.data + r->used, n);
        buf += n;
        offset += n;
        len -= n;
    }
    return VV_OK;
}

enum vv_rc
wal_journal_read(struct wal_journal *j, const struct wal_pending *p, uint64_t number,
                 struct wal_journal_reader **ret, struct wal_file *ret_file, struct vv_error *err)
{
    struct journal_part part = {.timeline = p->timeline, .number = number};
    uint64_t begin = number * j->segment_size;
    struct wal_journal_reader *r = vv_alloc_array(1, sizeof(*r));

    if (r == NULL) {
        return vv_error_nomem(err);
    }
    part_name(j, &part, r->name);
    r->begin = begin;
    r->start = begin;
    r->at = JOURNAL_HEAD;
    r->fd = openat(j->dir, r->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (r->fd < 0) {
        enum vv_rc rc = vv_error_sys(err, errno, "cannot open '%s/%s'", j->path, r->name);
        wal_journal_close(r);
        return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
    }
    ret_file->size = p->to - begin < j->segment_size ? p->to - begin : j->segment_size;
    ret_file->read = read_some;
    ret_file->ctx = r;
    *ret = r;
    return VV_OK;
}

static enum vv_rc
write_position(struct wal_journal *j, struct wal_place p, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    char lsn[WAL_LSN_TEXT];

    wal_lsn_text(p.lsn, lsn);
    vv_buf_printf(&text, "%u %s\n", (unsigned)p.timeline, lsn);
    VV_TRY(vv_buf_check(&text, err));
    return vv_file_replace(j->dir, "position", vv_buf_span(&text), 0600, err);
}

/** May it go?  All of it is published, and nothing will be appended to it. */
static bool
is_over(const struct wal_journal *j, size_t i)
{
    const struct journal_part *p = &j->parts[i];

    return p->published == p->end &&
           (p->end == part_begin(j, p) + j->segment_size || i + 1 < j->count);
}

static void
drop_parts(struct wal_journal *j)
{
    size_t kept = 0;

    for (size_t i = 0; i < j->count; i++) {
        char name[JOURNAL_NAME];
        part_name(j, &j->parts[i], name);
        /* One that stays is published again by the next run, and goes then. */
        if (!is_over(j, i) || unlinkat(j->dir, name, 0) != 0) {
            j->parts[kept++] = j->parts[i];
        }
    }
    j->count = kept;
}

enum vv_rc
wal_journal_done(struct wal_journal *j, const struct wal_pending *p, struct vv_error *err)
{
    struct wal_place place = {p->timeline, p->to};
    enum vv_rc rc = write_position(j, place, err);

    vv_mutex_lock(&j->mutex);
    j->published = place;
    for (size_t i = 0; i < j->count; i++) {
        struct journal_part *part = &j->parts[i];
        if (part->timeline == p->timeline && part_begin(j, part) >= p->from &&
            part_begin(j, part) < p->to) {
            part->published = part->safe < p->to ? part->safe : p->to;
        }
    }
    if (rc == VV_OK) {
        drop_parts(j);
    }
    vv_mutex_unlock(&j->mutex);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}
