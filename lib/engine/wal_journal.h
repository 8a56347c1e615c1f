/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_JOURNAL_H
#define VARVE_ENGINE_WAL_JOURNAL_H

#include "engine/wal_publish.h"

/*
 * What a receiver has taken from a server and not published yet: a directory of append-only files, one
 * a segment.  A position in it is acknowledged to the server, which may delete everything before it.
 *
 * J1  a position is told as safe (wal_journal_safe) only when all up to it was written and fsynced, and
 *     the file's name too;
 * J2  each record begins where the last one ended, also across files, unless a new stretch was begun
 *     (wal_journal_begin);
 * J3  a file is deleted only when all of it was published, and it is whole or its timeline is over;
 * J4  nothing is dropped: at its limit, and on a full disk, the journal takes no more; it leaves 1 MiB of
 *     the disk to what its publication writes there;
 * J5  after a kill it ends with the last record whose checksum is right; what was not told as safe may
 *     be missing;
 * J6  a failed fsync ends the journal's use: what is on disk then is found out by opening it anew.
 *
 * File "<timeline><segment>.wal": "varve wal journal 1\n" | u64 system | u32 segment size | u32 timeline
 * | u64 first position | u64 checksum of these; records: u32 length | u64 position | u64 checksum of
 * both and the bytes | bytes.  File "position": text, timeline and position up to which all is published;
 * file "about": text, system and segment size; NAME.history: histories that were published.
 *
 * One thread appends; another asks for what is pending, reads it and says what was published.
 */
struct wal_journal;
struct wal_place {
    uint32_t timeline; /* 0: none */
    uint64_t lsn;
};
struct wal_journal_options {
    const char *directory; /* made if it is missing */
    uint64_t system;
    uint32_t segment_size;
    uint64_t limit; /* bytes on disk; at least four segments are allowed */
    struct vv_events *events;
};
/** wal_journal_open(o, ret, err): VV_EREFUSED if another process has it, or it is of another cluster.
 *  Event "journal-torn": something behind the last whole record was thrown away. */
MUST_CHECK enum vv_rc wal_journal_open(const struct wal_journal_options *o,
                                       struct wal_journal **ret, struct vv_error *err);
void wal_journal_free(struct wal_journal *j);
VV_DEFINE_CLEANUP(struct wal_journal, wal_journal_free);

/** wal_journal_about(directory, ret, err): which cluster's journal lies there; ret->directory and limit are
 *  left alone.  VV_ENOTFOUND: none. */
MUST_CHECK enum vv_rc wal_journal_about(const char *directory, struct wal_journal_options *ret,
                                        struct vv_error *err);
/** wal_journal_keep(j, name, content, err), wal_journal_kept(j, name, out, err): a small file beside the
 *  journal; kept appends its content, VV_ENOTFOUND if there is none. */
MUST_CHECK enum vv_rc wal_journal_keep(struct wal_journal *j, const char *name,
                                       struct vv_span content, struct vv_error *err);
MUST_CHECK enum vv_rc wal_journal_kept(struct wal_journal *j, const char *name, struct vv_buf *out,
                                       struct vv_error *err);

/** wal_journal_end(j): where the next record must begin; timeline 0: nothing was begun. */
struct wal_place wal_journal_end(const struct wal_journal *j);
/** wal_journal_published(j): up to where all was published, as it was last told (also by an earlier
 *  process); timeline 0: never. */
struct wal_place wal_journal_published(struct wal_journal *j);
/** wal_journal_begin(j, place, err): a new stretch, at a segment's first position.  Nothing beyond that
 *  is safe until it was appended and synced. */
MUST_CHECK enum vv_rc wal_journal_begin(struct wal_journal *j, struct wal_place place,
                                        struct vv_error *err);
/** wal_journal_append(j, start, data, err): VV_ECORRUPT if that is not where the last one ended (J2).
 *  VV_ELIMIT or VV_ENOSPACE (J4): nothing was taken, or only a first part (wal_journal_end tells);
 *  trying again later may help. */
MUST_CHECK enum vv_rc wal_journal_append(struct wal_journal *j, uint64_t start, struct vv_span data,
                                         struct vv_error *err);
/** wal_journal_sync(j, err): J1, J6. */
MUST_CHECK enum vv_rc wal_journal_sync(struct wal_journal *j, struct vv_error *err);
/** wal_journal_safe(j): the place up to which all is on disk. */
struct wal_place wal_journal_safe(struct wal_journal *j);
uint64_t wal_journal_bytes(struct wal_journal *j);

/** A stretch to be published: from a segment's first position on, without a gap, on one timeline. */
#define WAL_PENDING_SEGMENTS 8u
struct wal_pending {
    uint32_t timeline;
    uint64_t from;
    uint64_t published; /* up to here it was already */
    uint64_t to;
};
/** wal_journal_pending(j, ret): the next one, of at most WAL_PENDING_SEGMENTS; false: there is none. */
MUST_CHECK bool wal_journal_pending(struct wal_journal *j, struct wal_pending *ret);
/** wal_journal_read(j, p, number, ret, err): the part of a segment that ${p} holds, as a file to be
 *  published; wal_journal_close.  It is read from its beginning to its end. */
struct wal_journal_reader;
MUST_CHECK enum vv_rc wal_journal_read(struct wal_journal *j, const struct wal_pending *p,
                                       uint64_t number, struct wal_journal_reader **ret,
                                       struct wal_file *ret_file, struct vv_error *err);
void wal_journal_close(struct wal_journal_reader *r);
/** wal_journal_done(j, p, err): all of ${p} is in the repository: J3. */
MUST_CHECK enum vv_rc wal_journal_done(struct wal_journal *j, const struct wal_pending *p,
                                       struct vv_error *err);

#endif
