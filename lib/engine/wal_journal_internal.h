/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_JOURNAL_INTERNAL_H
#define VARVE_ENGINE_WAL_JOURNAL_INTERNAL_H

#include "core/thread.h"
#include "engine/wal_journal.h"
#include "format/wal.h"

/* Shared by wal_journal*.c. */

#define JOURNAL_MAGIC "varve wal journal 1\n"
#define JOURNAL_MAGIC_LEN 20u
#define JOURNAL_HEAD (JOURNAL_MAGIC_LEN + 8u + 4u + 4u + 8u + 8u)
#define JOURNAL_RECORD (4u + 8u + 8u)
#define JOURNAL_RECORD_MOST (1u << 20) /* bytes in a record */
#define JOURNAL_SUFFIX ".wal"
#define JOURNAL_LEAVES (1u << 20) /* bytes of its disk that stay free */

/** A file: a segment, or the beginning of one. */
struct journal_part {
    uint32_t timeline;
    uint64_t number;
    uint64_t end;       /* position behind what was written */
    uint64_t safe;      /* likewise, fsynced */
    uint64_t published; /* likewise, published */
    uint64_t bytes;     /* size of the file */
};

struct wal_journal {
    struct vv_events *events;
    uint64_t system;
    uint32_t segment_size;
    uint64_t limit;
    int dir;
    int lock;
    int fd;             /* of the last part; -1: not open */
    bool broken;        /* J6 */
    bool name_new;      /* the directory must be fsynced */
    char *path;         /* of the directory, for messages */
    struct vv_buf head; /* scratch of the appending thread */
    struct wal_place end;

    struct vv_mutex mutex;      /* guards all below */
    struct journal_part *parts; /* in the order they were begun */
    size_t count;
    size_t room;
    struct wal_place published;
    struct wal_place safe;
};

static inline uint64_t
part_begin(const struct wal_journal *j, const struct journal_part *p)
{
    return p->number * j->segment_size;
}

/** part_name(j, p, out): the file's name. */
#define JOURNAL_NAME (WAL_NAME + 4u)
void part_name(const struct wal_journal *j, const struct journal_part *p, char out[JOURNAL_NAME]);
/** journal_put_head(j, p, out): the bytes a file begins with. */
void journal_put_head(const struct wal_journal *j, const struct journal_part *p,
                      struct vv_buf *out);
/** journal_record_checksum(start, data): J5. */
uint64_t journal_record_checksum(uint64_t start, struct vv_span data);
/** journal_add_part(j, p, err): behind the others; the mutex is held, or nobody else knows it yet. */
MUST_CHECK enum vv_rc journal_add_part(struct wal_journal *j, const struct journal_part *p,
                                       struct vv_error *err);
/** journal_recover(j, err): find out what is there (J5). */
MUST_CHECK enum vv_rc journal_recover(struct wal_journal *j, struct vv_error *err);
/** journal_next_record(fd, name, at, start, data, ret, err): the record at ${at} of a file, which must
 *  begin at position ${start}; its bytes to ${data}, the place behind it to ${ret_next}.  0 there: no
 *  whole one is there, which was seen: where it cannot be read, that is the error, and ${data} is of no
 *  use. */
MUST_CHECK enum vv_rc journal_next_record(int fd, const char *name, uint64_t at, uint64_t start,
                                          struct vv_buf *data, uint64_t *ret_next,
                                          struct vv_error *err);

#endif
