/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_SNAPSHOT_H
#define VARVE_FORMAT_SNAPSHOT_H

#include "format/common.h"

/*
 * Snapshot record (inside slots, and copied as a CHUNK_RECORD into the run's last metadata pack):
 *   "varve" 'R' u16 version | 16 B repository | 16 B snapshot id | 16 B client | u64 sequence
 *   (from 1, ascending, gaps allowed) | 32 B hash of the record this client committed before on the
 *   same site (SHA-256 of the whole record; zeros for the first there) | 16 B site | i64 time of
 *   commit (ns) | u32 count, per head seen: 16 B client, u64
 *   sequence, 32 B hash | u32 epoch | u32 sealed body length | sealed body | 64 B signature
 * Sealed body: 80 B secret sealed to the epoch's X25519 key (crypto_box_seal) | envelope with that
 * secret as sub-key, purpose "snapshot", additional data = the head (all of the record up to and
 * with the epoch, as snapshot_head_encode writes it).
 * The signature (client's Ed25519 key) covers all before it.
 */
struct snapshot_seen {
    struct vv_uuid client;
    uint64_t sequence;
    struct vv_id hash;
};
#define SNAPSHOT_SEEN_LEN 56u
struct snapshot_head {
    struct vv_uuid repository;
    struct vv_uuid id;
    struct vv_uuid client;
    uint64_t sequence;
    struct vv_id previous;
    struct vv_uuid site;
    int64_t time;
    uint32_t seen_count;
    struct vv_span seen; /* borrowed; snapshot_seen_at() */
    uint32_t epoch;
};
void snapshot_seen_put(struct vv_buf *out, const struct snapshot_seen *seen);
MUST_CHECK bool snapshot_seen_at(const struct snapshot_head *h, uint32_t i,
                                 struct snapshot_seen *ret);
/** snapshot_head_encode(h, out, err): up to and with the epoch. */
MUST_CHECK enum vv_rc snapshot_head_encode(const struct snapshot_head *h, struct vv_buf *out,
                                           struct vv_error *err);
/** A record taken apart; all spans borrowed from it. */
struct snapshot_record {
    struct snapshot_head head;
    struct vv_span prefix; /* the head: additional data of the body */
    struct vv_span sealed_body;
    struct vv_span signed_part; /* what the signature covers */
    struct vv_span signature;
};
MUST_CHECK enum vv_rc snapshot_record_decode(struct vv_span record, const struct vv_uuid *repo,
                                             struct snapshot_record *ret, struct vv_error *err);

/** Root of a tree: its topmost node. */
struct tree_root {
    struct vv_id node;
    uint32_t height;
    uint64_t entries;
    uint64_t bytes; /* sum of the sizes of regular files */
};

/** What was counted; field SNAPSHOT_STATISTICS holds them in this order as u64 each (a reader
 *  takes missing ones at the end as 0). */
struct snapshot_statistics {
    uint64_t files; /* regular files */
    uint64_t directories;
    uint64_t symlinks;
    uint64_t others;  /* FIFOs and devices */
    uint64_t sockets; /* skipped by nature */
    uint64_t bytes;   /* logical size of the regular files */
    uint64_t files_new;
    uint64_t files_changed;
    uint64_t files_unchanged;
    uint64_t bytes_read;
    uint64_t bytes_new;    /* plaintext of chunks stored by this run */
    uint64_t bytes_stored; /* packs published by this run */
    uint64_t chunks_new;
    uint64_t problems;         /* entries skipped or flagged that set exit code 3 */
    uint64_t excluded;         /* entries left out by a pattern or option */
    uint64_t volatile_changed; /* --may-change files that changed or vanished */
    uint64_t silent_changes;   /* --full: new content behind unchanged metadata */
    uint64_t duration_ns;
};

#define SNAPSHOT_F_ROOT 1u   /* 32 B node | u32 height | u64 entries | u64 bytes */
#define SNAPSHOT_F_HOST 2u   /* text */
#define SNAPSHOT_F_SOURCE 3u /* raw bytes, repeated: the sources as given, made absolute */
#define SNAPSHOT_F_TAG 4u    /* text, repeated */
#define SNAPSHOT_F_START 5u  /* i64 ns */
#define SNAPSHOT_F_END 6u    /* i64 ns */
#define SNAPSHOT_F_ZONE 7u   /* i64 seconds east of UTC at the client */
#define SNAPSHOT_F_MODE 8u   /* u64 enum snapshot_mode */
#define SNAPSHOT_F_PARENT 9u /* 16 B, absent if none */
#define SNAPSHOT_F_STATISTICS 10u
#define SNAPSHOT_F_PROGRAM 11u     /* text, "varve 0.1.0" */
#define SNAPSHOT_F_FILE_SYSTEM 12u /* repeated, numbered from 1: u64 type | u64 identity */
#define SNAPSHOT_F_INCOMPLETE 13u  /* text, repeated: what --keep-going left out */
#define SNAPSHOT_F_USER 14u        /* text: user name the run had */
#define SNAPSHOT_F_WAL 15u         /* repeated: struct snapshot_wal */

enum snapshot_mode {
    SNAPSHOT_FULL = 1,
    SNAPSHOT_INCREMENTAL = 2,
    SNAPSHOT_WAL = 3, /* a publication of PostgreSQL's write-ahead log, and nothing else */
};

struct snapshot_file_system {
    uint64_t type;
    uint64_t identity;
};
/** WAL of a PostgreSQL cluster: u64 system identifier | u32 segment size | u32 timeline | u64 from |
 *  u64 to.  In a snapshot of mode SNAPSHOT_WAL there is one: what its tree holds; from is where a
 *  segment begins, and with from = to it holds other files of that timeline (a history).  In other
 *  snapshots there is one for each base backup: where it begins and where it is consistent, all WAL
 *  between being in the snapshot. */
struct snapshot_wal {
    uint64_t system;
    uint32_t segment_size;
    uint32_t timeline;
    uint64_t from;
    uint64_t to;
};
/** The decoded body; owns everything (snapshot_body_release).  Texts are never NULL after decoding
 *  (absent: ""); NULL is taken when encoding. */
struct snapshot_body {
    struct tree_root root;
    char *host;
    char *user;
    char *program;
    struct vv_buf *sources; /* raw bytes each */
    uint32_t source_count;
    char **tags;
    uint32_t tag_count;
    char **incomplete;
    uint32_t incomplete_count;
    int64_t start;
    int64_t end;
    int64_t zone;
    enum snapshot_mode mode;
    bool has_parent;
    struct vv_uuid parent;
    struct snapshot_statistics statistics;
    struct snapshot_file_system *file_systems;
    uint32_t file_system_count;
    struct snapshot_wal *wal;
    uint32_t wal_count;
};
void snapshot_body_release(struct snapshot_body *b);
MUST_CHECK enum vv_rc snapshot_body_encode(const struct snapshot_body *b, struct vv_buf *out,
                                           struct vv_error *err);
MUST_CHECK enum vv_rc snapshot_body_decode(struct vv_span plain, struct snapshot_body *ret,
                                           struct vv_error *err);

#endif
