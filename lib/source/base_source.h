/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_BASE_SOURCE_H
#define VARVE_SOURCE_BASE_SOURCE_H

#include "format/ustar.h"
#include "postgres/postgres.h"
#include "source/fs_internal.h"
#include "source/postgres_source.h"

/*
 * A base backup as a source; shared by the base_*.c files.
 *
 *   base_source.c   making and freeing it; the verdict     base_wal.c      receiving WAL, a thread
 *   base_begin.c    how it begins                          base_members.c  files against the manifest
 *   base_next.c     what comes when                        base_pages.c    pages with wrong checksums
 *   base_finish.c   how it ends                            base_read.c     reading their content
 *   base_feed.c     the server's messages -> bytes of tar  base_files.h    without the server's help
 *   base_item.c     making items
 */
struct base_files;
struct base_files_file;

/* ---- files against the manifest (base_members.c) ---- */

struct base_member {
    const char *path; /* in the data directory */
    uint64_t size;
    int64_t mtime; /* base_files_end.c only */
    uint32_t crc32c;
    bool seen; /* in the manifest; base_files_end.c: its checksum is known */
};
struct base_members {
    struct vv_arena arena;
    struct base_member *items;
    size_t count;
    size_t room;
    size_t *table; /* open addressing; place + 1, 0: empty */
    size_t table_size;
};
MUST_CHECK enum vv_rc base_members_add(struct base_members *m, const char *path, uint64_t size,
                                       uint32_t crc32c, struct vv_error *err);
/** base_members_compare(m, manifest, start, end, err): VV_ECORRUPT names the first file that is not as
 *  in the manifest, or missing here or there; or the WAL range if it is not that of the backup. */
MUST_CHECK enum vv_rc base_members_compare(struct base_members *m, struct vv_span manifest,
                                           uint64_t start, uint64_t end, struct vv_error *err);
/** base_members_index(m, err): from now on they can be found; VV_ECORRUPT if two have one path. */
MUST_CHECK enum vv_rc base_members_index(struct base_members *m, struct vv_error *err);
/** base_members_find(m, path): NULL if there is none. */
struct base_member *base_members_find(const struct base_members *m, struct vv_span path);
void base_members_release(struct base_members *m);

/* ---- pages (base_pages.c) ---- */

/*
 * The server checks pages itself, and reads a page again that seems bad, since it may have caught it
 * half written: only it can tell the two apart.  But it names five of a file at most.  So a file that
 * it complains about is looked through here from there on, and only its complaint counts.
 *
 * A file that we read ourselves is looked through whole, and a page that seems bad read again.
 */
struct base_pages {
    uint32_t page_size;
    uint32_t relation_pages; /* in a segment of a relation */
    uint64_t start;          /* the backup's */
    int again;               /* descriptor to read a page again from; -1 or 0: cannot be done */
    bool wanted;             /* look through the file being read */
    bool complained;         /* because the server complained */
    uint64_t at;             /* in that file: where the page in `page` begins */
    size_t have;
    uint8_t page[32768];
    uint64_t first_bad; /* a run of bad blocks that is not written down yet */
    uint64_t next_bad;
    uint64_t in_file; /* bad ones */
    uint64_t total;
    struct vv_buf text; /* "5, 9-12": of this file */
    struct vv_buf list; /* of all files */
};
/** base_pages_complain(g, offset): the server complains; the content read so far ends at
 *  ${offset}. */
void base_pages_complain(struct base_pages *g, uint64_t offset);
void base_pages_feed(struct base_pages *g, const char *path, struct vv_span data);
/** base_pages_end(g, path, events, tree_path): the file is over: tell, and write down. */
MUST_CHECK enum vv_rc base_pages_end(struct base_pages *g, const char *path,
                                     struct vv_events *events, struct vv_span tree_path,
                                     struct vv_error *err);
void base_pages_release(struct base_pages *g);

/* ---- WAL (base_wal.c) ---- */

/*
 * A thread receives WAL into a ring of segments in an unnamed file; whoever makes the items takes
 * finished segments out between files, but no more bytes than files have: else a server that writes as
 * fast as we store would keep us from ever coming to the end.  A full ring makes the thread wait, and so the server, which
 * keeps the WAL for our slot.
 *
 * What arrives is acknowledged as flushed, so that the server need not keep it, although it is not
 * durable before the commit: this copy is of use only to a backup that ends well.  A server that
 * might take us for a synchronous standby, and answer its clients because of that, is told nothing.
 */
#define BASE_WAL_APPLICATION "varve_base"
struct base_wal;
struct base_wal_options {
    const char *target;
    const char *temp_dir;
    uint64_t system;
    uint32_t segment_size;
    struct vv_cancel *cancel; /* for what is done before the thread starts */
};
/** base_wal_reserve(o, ret, err): connect, and reserve WAL from now on by a temporary slot. */
MUST_CHECK enum vv_rc base_wal_reserve(const struct base_wal_options *o, struct base_wal **ret,
                                       struct vv_error *err);
/** base_wal_start(w, start, timeline, err): begin to receive with the segment that holds ${start}. */
MUST_CHECK enum vv_rc base_wal_start(struct base_wal *w, uint64_t start, uint32_t timeline,
                                     struct vv_error *err);
/** base_wal_stop_at(w, end): no more is needed.  The last segment is filled up with zeros if the
 *  server leaves it incomplete. */
void base_wal_stop_at(struct base_wal *w, uint64_t end);
/** base_wal_take(w, wait, cancel, ret_number, ret_end, err): the number of the next finished segment
 *  (UINT64_MAX: none yet, without ${wait}); *ret_end: all were taken.  It must be given back. */
MUST_CHECK enum vv_rc base_wal_take(struct base_wal *w, bool wait, struct vv_cancel *cancel,
                                    uint64_t *ret_number, bool *ret_end, struct vv_error *err);
MUST_CHECK enum vv_rc base_wal_read(struct base_wal *w, uint64_t offset, uint8_t *buf, size_t len,
                                    size_t *ret_len, struct vv_error *err);
void base_wal_give_back(struct base_wal *w);
/** base_wal_free(w): ends the thread, in any state. */
void base_wal_free(struct base_wal *w);

/* ---- the source ---- */

enum base_content {
    BASE_NOTHING, /* no file */
    BASE_MEMBER,  /* of the tar, as it arrives */
    BASE_MEMORY,
    BASE_SEGMENT, /* the WAL segment taken last */
    BASE_DISK,    /* of a walk through the files (base_files.h) */
};
/** What an item owns; its handle. */
struct base_item {
    struct vv_arena arena;
    enum base_content content;
    struct vv_span memory;        /* BASE_MEMORY: lives as long as the source */
    uint64_t number;              /* of the item; content can be read while it is the newest */
    struct base_files_file *file; /* BASE_DISK; lives as long as the source */
};

enum base_phase {
    BASE_NEW,
    BASE_TAR,     /* members come */
    BASE_FILES,   /* the files come by a walk of their own, then the rest */
    BASE_CLOSING, /* what we add, and the rest of the WAL */
    BASE_DONE,
};

/** Where in the stream of archives we are. */
struct base_feed {
    struct vv_span rest; /* of the last message of data */
    bool archive_open;   /* between "a tar begins" and its two blocks of zeros */
    bool archive_new;    /* one has begun */
    bool is_base;        /* the data directory's: the last one */
    bool manifest;       /* what comes is the manifest */
    bool at_end;
    uint32_t tablespace; /* oid, if not is_base */
};

struct base_file {
    struct source_file base;
    struct base_source *source;
    enum base_content content;
    struct vv_span memory;
    uint64_t size;
    uint64_t read;
};

struct base_source {
    struct source base;
    struct base_file file;
    struct source_postgres_options options; /* texts are ours */
    char *target;
    char *root;
    char *temp_dir;
    struct postgres *server;
    struct base_wal *wal;
    struct base_files *files; /* NULL: the server sends them */
    struct postgres *sql;     /* with files: holds the backup open */
    struct source_postgres_facts facts;
    const struct postgres_tablespace *tablespaces; /* borrowed from `server` */
    struct fs_names names;
    unsigned tablespace_count;

    uint32_t data_mode;
    uint32_t uid; /* of the first member */
    uint32_t gid;
    enum base_phase phase;
    uint32_t member_crc;
    struct base_feed feed;
    uint64_t number;            /* of the newest item */
    struct ustar_member member; /* the newest */
    struct base_members members;
    struct base_pages pages;
    struct vv_buf manifest;
    struct vv_buf map;         /* tablespace_map */
    struct vv_buf history;     /* of the timeline; empty on the first */
    struct vv_buf control;     /* with files: pg_control */
    struct vv_buf label;       /* with files: backup_label */
    struct vv_buf previous;    /* with files: the manifest of the snapshot before; may be empty */
    struct source_item *queue; /* items that come before anything else */
    size_t queue_count;
    size_t queue_at;
    size_t queue_room;
    struct vv_error error;      /* rc not VV_OK: it is over, and why */
    char path[USTAR_NAME + 32]; /* of the newest member, in the data directory */
    char done[25];              /* name of the segment whose ".done" comes next; empty: none */
    uint64_t given;             /* bytes of members */
    uint64_t given_then;
    int64_t wal_share; /* bytes of WAL that may be taken before more of the files is: base_next.c */
    bool checksums;
    bool member_open; /* its content was not read to the end yet */
    bool roots_given; /* data/ and tablespaces/ */
    bool files_read;  /* with files: all that the walk gave */
    bool paused;      /* with files: no WAL is there just now */
    bool control_was_last;
    bool segment_taken;
};

/* base_feed.c */
/** base_feed_piece(b, err): take the next piece from the server: more bytes in feed.rest, or another
 *  state.  Progress and complaints about pages are taken care of. */
MUST_CHECK enum vv_rc base_feed_piece(struct base_source *b, struct vv_error *err);
/** base_feed_header(b, ret_end, err): the next member's header into b->member; *ret_end: the last
 *  archive is over. */
MUST_CHECK enum vv_rc base_feed_header(struct base_source *b, bool *ret_end, struct vv_error *err);
/** base_feed_content(b, buf, len, ret_len, err): content of the member, at most ${len} bytes; ${offset}
 *  is how much was read. */
MUST_CHECK enum vv_rc base_feed_content(struct base_source *b, uint8_t *buf, size_t len,
                                        struct vv_error *err);
/** base_feed_padding(b, err): zeros behind the content. */
MUST_CHECK enum vv_rc base_feed_padding(struct base_source *b, struct vv_error *err);
/** base_feed_manifest(b, err): all of it into b->manifest; then the stream is at its end. */
MUST_CHECK enum vv_rc base_feed_manifest(struct base_source *b, struct vv_error *err);

/* base_item.c */
/** base_item_new(b, where, name, type, ret, err): "ROOT/WHERE/NAME", mode as the data directory wants
 *  it, owner as of the server's files.  ${name} may be NULL. */
MUST_CHECK enum vv_rc base_item_new(struct base_source *b, const char *where, const char *name,
                                    enum entry_type type, struct source_item *ret,
                                    struct vv_error *err);
/** base_item_queue(b, item, err): hand over to the queue (or free, if that fails). */
MUST_CHECK enum vv_rc base_item_queue(struct base_source *b, struct source_item *item,
                                      struct vv_error *err);
/** base_queue_file(b, where, name, content, err): a file with this content, which must live on. */
MUST_CHECK enum vv_rc base_queue_file(struct base_source *b, const char *where, const char *name,
                                      struct vv_span content, struct vv_error *err);
MUST_CHECK enum vv_rc base_queue_link(struct base_source *b, const char *where, const char *name,
                                      const char *target, struct vv_error *err);
void base_item_free(struct source_item *item);

MUST_CHECK enum vv_rc base_queue_directory(struct base_source *b, const char *where,
                                           const char *name, struct vv_error *err);
/** base_is_paged(path): is this file of the data directory changed in place, page by page? */
bool base_is_paged(const char *path);

/* base_begin.c */
/** base_reserve_wal(b, err): the WAL of the backup will be there. */
MUST_CHECK enum vv_rc base_reserve_wal(struct base_source *b, struct vv_error *err);
/** base_check_tablespaces(b, err): b->tablespaces into b->map; VV_EREFUSED for a relative link. */
MUST_CHECK enum vv_rc base_check_tablespaces(struct base_source *b, struct vv_error *err);
MUST_CHECK enum vv_rc base_begin(struct base_source *b, struct vv_error *err);
/** base_queue_roots(b, err): directories that are in no archive; b->member has told who owns it all. */
MUST_CHECK enum vv_rc base_queue_roots(struct base_source *b, struct vv_error *err);

/* base_finish.c */
/** base_queue_mark(b, name, err): that this file in pg_wal is archived already: a server with archiving
 *  would archive it again. */
MUST_CHECK enum vv_rc base_queue_mark(struct base_source *b, const char *name,
                                      struct vv_error *err);
/** base_queue_history(b, err): the timeline's, if it has one. */
MUST_CHECK enum vv_rc base_queue_history(struct base_source *b, struct vv_error *err);
MUST_CHECK enum vv_rc base_finish(struct base_source *b, struct vv_error *err);

/* base_next.c, base_read.c */
/** base_corrupt(err, what): VV_ECORRUPT: the base backup cannot be used. */
enum vv_rc base_corrupt(struct vv_error *err, const char *what);
MUST_CHECK enum vv_rc base_next(struct source *s, struct source_item *ret, bool *ret_end,
                                struct vv_error *err);
/** base_fail(b, local, err): remember the failure; source_end tells it again. */
enum vv_rc base_fail(struct base_source *b, const struct vv_error *local, struct vv_error *err);
enum source_status base_open(struct source *s, struct source_item *item, struct vv_arena *arena,
                             struct source_file **ret, struct source_problem *problem);
enum source_status base_read(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len,
                             size_t *ret_len, struct source_problem *problem);
enum source_status base_close(struct source_file *f, struct entry *entry,
                              struct source_problem *problem);

#endif
