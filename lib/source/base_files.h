/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_BASE_FILES_H
#define VARVE_SOURCE_BASE_FILES_H

#include "core/rate_limit.h"
#include "format/backup_manifest.h"
#include "source/base_source.h"

/*
 * The files of a cluster that runs on this machine, as a walk: what the server would send in a base
 * backup, but read here, by many threads, and not at all where nothing has changed.
 *
 *   base_files.c       the directories, and what is known of the files    base_files_leave.c  what is
 *   base_files_walk.c  the walk                                           left out
 *   base_files_read.c  reading                                            base_files_end.c    the end
 *
 * Invariants
 * F1  The walk's first item is given after pg_backup_start, and pg_backup_stop is called when its last
 *     file was read: what changes meanwhile is in the WAL between the two, or in a full page there.
 * F2  global/pg_control is read behind all other files, and before pg_backup_stop.
 * F3  What the server leaves out of a base backup is left out (documentation, "Streaming Replication
 *     Protocol", BASE_BACKUP), as well as what links point to, but for tablespaces and pg_wal.
 * F4  A file that vanishes or shrinks is no trouble: the WAL tells it too.  One that cannot be read
 *     ends the backup.
 * F5  A file that changed while it was read, or less than two seconds before, is marked as racy, so
 *     that the next backup reads it whatever its times say.
 * F6  The manifest's checksum of a file that was read is of the bytes that were kept.  One that was
 *     not read has that of the manifest the snapshot before it holds, or none.
 */
enum base_file_state {
    BASE_FILE_KNOWN, /* was not read: as in the snapshot before */
    BASE_FILE_READ,
    BASE_FILE_GONE,
};
struct base_files_file {
    struct base_files_file *next;
    const char *path;  /* in the data directory: "pg_tblspc/16390/PG_15_202209061/5/16391" */
    const char *below; /* the end of path, below its root */
    unsigned root;
    enum base_file_state state; /* this and the rest: under the lock */
    uint64_t size;
    int64_t mtime;
    uint32_t crc32c; /* BASE_FILE_READ */
};

/** A directory the walk is in. */
struct base_files_frame {
    int fd;
    struct fs_listing list;
    size_t at;
    size_t path_len; /* of its path below the root, with the slash behind; 0: the root itself */
    bool relations;  /* files in it are relations' */
    bool unlogged;   /* and may be unlogged ones */
};
struct base_files_root {
    int fd;
    char *path;      /* on this machine */
    char where[32];  /* in the snapshot: "data", "tablespaces/16390" */
    char inside[32]; /* in the data directory: "", "pg_tblspc/16390/" */
};

struct base_files {
    struct source base;
    struct base_source *owner;
    struct base_files_root *roots; /* the data directory, then tablespaces as paths are sorted */
    unsigned root_count;
    struct postgres_tablespace *tablespaces;
    unsigned tablespace_count;
    struct vv_arena arena;
    char version[16]; /* tablespaces' directories begin so: "PG_15_" */
    bool ended;       /* the walk */

    unsigned next_root;
    struct base_files_frame *frames;
    size_t depth;
    size_t room;
    struct vv_buf path;     /* below the root */
    uint8_t *names;         /* FS_LIST_BUFFER bytes */
    _Atomic uint64_t total; /* bytes of files given */
    struct vv_rate_limit *rate;

    struct vv_mutex lock; /* all below, and what is known of each file */
    struct base_files_file *first;
    struct base_files_file *last;
    struct vv_error failure;
    struct vv_buf bad_list; /* as in struct base_pages */
    uint64_t bad_total;
};

/** base_files_open(b, directory, version, ret, err): ${directory} as the server names it; it must be
 *  there, readable, and that of b's system; ${version} of the server (150020). */
MUST_CHECK enum vv_rc base_files_open(struct base_source *b, const char *directory, int version,
                                      struct base_files **ret, struct vv_error *err);
/** base_files_check_server(f, err): is it the very server that b->sql talks to, and none with the same
 *  identifier?  VV_EREFUSED.  After pg_backup_start. */
MUST_CHECK enum vv_rc base_files_check_server(struct base_files *f, struct vv_error *err);
/** base_files_open_tablespaces(f, err): those there are; after pg_backup_start, for what is made later is
 *  in the WAL. */
MUST_CHECK enum vv_rc base_files_open_tablespaces(struct base_files *f, struct vv_error *err);
void base_files_free(struct base_files *f);
/** base_files_fail(f, sys, path): errno ${sys} at ${path}: the backup cannot go on; the walk's end tells. */
void base_files_fail(struct base_files *f, int sys, const char *path);
/** base_files_stop(f, why): the rest of the source has failed: the walk ends with that. */
void base_files_stop(struct base_files *f, const struct vv_error *why);
/** base_files_failure(f, err): what has ended the backup; VV_OK: nothing. */
MUST_CHECK enum vv_rc base_files_failure(struct base_files *f, struct vv_error *err);
/** base_files_open_at(f, file): a descriptor, or -errno; no link on the way is followed. */
int base_files_open_at(const struct base_files *f, const struct base_files_file *file);

/** What becomes of a name in a directory (base_files_leave.c). */
bool base_files_leaves_out(struct base_files *f, const struct base_files_frame *frame,
                           const char *name);
/** base_files_is_bare(path): is of this directory of the data directory nothing kept but itself? */
bool base_files_is_bare(const char *path);
/** base_files_judge(f, frame): set relations and unlogged from the path. */
void base_files_judge(struct base_files *f, struct base_files_frame *frame);

MUST_CHECK enum vv_rc base_files_next(struct source *s, struct source_item *ret, bool *ret_end,
                                      struct vv_error *err);
enum source_status base_files_item_open(struct source *s, struct source_item *item,
                                        struct vv_arena *arena, struct source_file **ret,
                                        struct source_problem *problem);
enum source_status base_files_read(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len,
                                   size_t *ret_len, struct source_problem *problem);
enum source_status base_files_close(struct source_file *f, struct entry *entry,
                                    struct source_problem *problem);

/** base_files_begin(b, err): reserve WAL, pg_backup_start; the walk may begin. */
MUST_CHECK enum vv_rc base_files_begin(struct base_source *b, struct vv_error *err);
/** base_files_finish(b, err): behind the walk: pg_control, pg_backup_stop, manifest; into the queue. */
MUST_CHECK enum vv_rc base_files_finish(struct base_source *b, struct vv_error *err);

#endif
