/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_WAL_H
#define VARVE_FORMAT_WAL_H

#include "core/arena.h"
#include "format/common.h"

/*
 * PostgreSQL's write-ahead log: positions, names of segments, first pages, timeline histories.
 *
 * A position (LSN) counts bytes from the beginning of a cluster's life and is written as two
 * hexadecimal halves, "16/B374D848".  A segment is the file of one stretch of `segment size` bytes on
 * one timeline; its name is 24 upper-case digits: timeline, then the segment's number in two halves,
 * of which the lower counts the segments in 4 GiB.
 */
#define WAL_SEGMENT_LEAST (1u << 20)
#define WAL_SEGMENT_MOST (1u << 30)
#define WAL_NAME 25u     /* of a segment, with NUL */
#define WAL_LSN_TEXT 18u /* "FFFFFFFF/FFFFFFFF", with NUL */
#define LIMIT_WAL_HISTORY (1u << 20)
#define LIMIT_WAL_TIMELINES 65536u

/** wal_segment_size_valid(size): a power of two from 1 MiB to 1 GiB. */
bool wal_segment_size_valid(uint64_t size);

/** wal_lsn_text(lsn, out), wal_lsn_parse(text, ret): either case of digits is taken, one to eight in
 *  each half, and nothing around them. */
void wal_lsn_text(uint64_t lsn, char out[WAL_LSN_TEXT]);
MUST_CHECK bool wal_lsn_parse(const char *text, uint64_t *ret);

/** wal_name(timeline, number, size, out): the name of segment ${number} (LSN / size). */
void wal_name(uint32_t timeline, uint64_t number, uint32_t size, char out[WAL_NAME]);

/** wal_history_name(timeline, out): "00000002.history". */
#define WAL_HISTORY_NAME 17u
void wal_history_name(uint32_t timeline, char out[WAL_HISTORY_NAME]);

/** What a server's archive command and restore command are asked for. */
enum wal_file_kind {
    WAL_FILE_OTHER,   /* no name PostgreSQL would give */
    WAL_FILE_SEGMENT, /* 000000010000000000000005 */
    WAL_FILE_PARTIAL, /* ...05.partial: the last one of a timeline, set aside at a promotion */
    WAL_FILE_HISTORY, /* 00000002.history */
    WAL_FILE_BACKUP,  /* ...05.00000028.backup: the label of a base backup */
};
/** The name taken apart.  Of a segment, its number needs the segment size: wal_file_number. */
struct wal_file_name {
    enum wal_file_kind kind;
    uint32_t timeline;
    uint32_t high;
    uint32_t low;
};
/** wal_file_name_parse(text): kind WAL_FILE_OTHER if it is none. */
struct wal_file_name wal_file_name_parse(const char *text);
/** wal_file_number(n, size, ret): false if no segment of this size has that name. */
MUST_CHECK bool wal_file_number(const struct wal_file_name *n, uint32_t size, uint64_t *ret);

/** The long header on a segment's first page. */
#define WAL_FIRST_PAGE 40u
struct wal_first_page {
    uint16_t magic; /* of the major version: 0xD110 is PostgreSQL 15 */
    uint32_t timeline;
    uint64_t start; /* the segment's first position */
    uint64_t system;
    uint32_t segment_size;
    uint32_t page_size;
};
/** wal_first_page_decode(bytes, ret, err): from the first WAL_FIRST_PAGE bytes of a segment.
 *  VV_ECORRUPT if that is no beginning of a segment; VV_EUNSUPPORTED if it is one of a machine with
 *  the other byte order. */
MUST_CHECK enum vv_rc wal_first_page_decode(struct vv_span bytes, struct wal_first_page *ret,
                                            struct vv_error *err);

/** wal_control_decode(bytes, ret_system, err): the system identifier at the beginning of a data
 *  directory's global/pg_control.  VV_ECORRUPT if it is none. */
MUST_CHECK enum vv_rc wal_control_decode(struct vv_span bytes, uint64_t *ret_system,
                                         struct vv_error *err);

/** A timeline's ancestors, oldest first: each ended where the next one begins. */
struct wal_ancestor {
    uint32_t timeline;
    uint64_t end;
};
struct wal_history {
    uint32_t timeline;
    struct wal_ancestor *ancestors;
    uint32_t count;
};
/** wal_history_parse(text, timeline, arena, ret, err): the content of ${timeline}'s history file.
 *  VV_ECORRUPT: not of that form, or timelines or positions that do not ascend. */
MUST_CHECK enum vv_rc wal_history_parse(struct vv_span text, uint32_t timeline,
                                        struct vv_arena *arena, struct wal_history *ret,
                                        struct vv_error *err);

#endif
