/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_BACKUP_INTERNAL_H
#define VARVE_ENGINE_BACKUP_INTERNAL_H

#include "core/arena.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "engine/backup.h"
#include "repo/tree.h"

/* Shared by the files backup*.c, baseline.c, checkpoint.c and parent_*.c. */

#define WINDOW_ITEMS 512u        /* entries in a window at most */
#define WINDOW_BYTES (4u << 20)  /* file bytes to read in a window, unless one file is larger */
#define LARGE_FILE (1u << 20)    /* larger files are read segment by segment */
#define SEGMENT_BYTES (4u << 20) /* a segment's buffer: no chunk is larger */
/* Read at once, unless chunks are almost as large: more than LARGE_FILE, so that the end of what is no
 * larger is seen, and whole pages of any database. */
#define SEGMENT_READ (LARGE_FILE + (64u << 10))
#define LISTED_BYTES (16u << 20)    /* content behind lists that may wait in an open block */
#define IN_FLIGHT_BYTES (48u << 20) /* content in windows between walk and tree */
#define SEGMENT_CHUNKS 512u         /* chunks in a segment at most */
/* Segments that wait for each worker that is idle or at one, so that it has enough to do while whoever
 * reads the file publishes a pack. */
#define SEGMENTS_WAITING 3u

/** What is to be done about an item. */
enum item_state {
    ITEM_TAKEN,   /* as in the baseline, which may be relied on */
    ITEM_CHECK,   /* as in the baseline, if its chunks can be relied on; else read */
    ITEM_READ,    /* look at it and read it */
    ITEM_READY,   /* complete already (from a sequence) */
    ITEM_KEPT,    /* not an entry: a range of the parent's tree */
    ITEM_DROPPED, /* not in the snapshot; has been reported */
};
struct window_item {
    struct source_item item; /* path and stat live here until the window is released */
    struct entry entry;      /* what goes into the tree */
    struct entry base;       /* the baseline's entry; type 0: none */
    enum item_state state;
    bool same_stat;     /* the baseline's metadata agrees (--full: content is compared) */
    bool changed;       /* base existed but differs */
    bool from_sequence; /* item is empty: nothing to release */
    bool read;          /* content or attributes were read in this run */
};

/** Consecutive entries that travel together from walk to tree. */
struct window {
    uint64_t number;
    struct source *source; /* its items are of */
    struct vv_arena arena;
    struct window_item items[WINDOW_ITEMS];
    uint32_t count;
    uint64_t bytes;
    bool done;
    struct window *next; /* in lists */
};

/** A piece of a large file: whole chunks, to be hashed and stored by any worker. */
struct segment {
    uint8_t *buffer; /* SEGMENT_BYTES */
    size_t len;      /* bytes in the buffer, cut or not */
    struct hash_job jobs[SEGMENT_CHUNKS];
    uint32_t chunks;
    enum block_kind kind;
    bool done;
    struct segment *next;
};

struct baseline;
struct checkpoint;
struct parent_cache; /* engine/parent_cache_internal.h */

struct backup;

/** A database of this run. */
struct database_run {
    struct source *source;   /* NULL: not reached, or done with */
    char *root;              /* "postgres/NAME" */
    struct snapshot_wal wal; /* the system; if complete: the WAL that comes with the copy */
    bool complete;           /* its entries are in the sequence */
};

/** Passes the source's events on, and counts the problems among them. */
struct counting_events {
    struct vv_events base;
    struct backup *b;
};

/** One backup run. */
struct backup {
    struct counting_events source_events;
    struct repo *repo;
    const struct backup_options *options;
    struct vv_progress *progress;
    struct writer_session *session;
    struct chunk_index *index;
    struct chunk_reader *reader;
    struct pack_writer *packs;
    struct source *source; /* the file system; NULL: none */
    struct baseline *baseline;
    struct checkpoint *checkpoint; /* NULL: none */
    struct parent_cache *kept;     /* the tree, for the next run of a writer's key; NULL: none */
    const struct snapshot *parent; /* NULL: none; in `list` */
    struct snapshot_list list;
    struct source_unchanged unchanged; /* what the source is told; changes NULL: nothing */
    bool same_sources;                 /* the parent is of what this run is of, and no more */
    bool keeping_failed;               /* once more, without changes: B9, or (unreadable) B7 */
    bool keeping_unreadable;
    bool session_ended;      /* without a snapshot */
    bool parent_trusted;     /* W8: taken over without look-ups */
    bool parent_damage_told; /* of the one in the cache */
    int64_t start;

    /* entries of commands and archives, sorted */
    struct vv_arena sequence_arena;
    struct entry *sequence;
    size_t sequence_count;
    size_t sequence_room;

    struct database_run *databases; /* as in options */
    char **incomplete;              /* what --keep-going left out */
    uint32_t incomplete_count;

    /* the pool: all below is guarded by lock */
    struct vv_mutex lock;
    struct vv_cond work;     /* windows or segments to work on, or the end */
    struct vv_cond finished; /* a window or segment is done, or a window was released */
    struct window *todo_first;
    struct window *todo_last;
    struct segment *segments; /* waiting segments, the oldest first */
    unsigned idle;            /* workers that wait for something to do */
    unsigned helping;         /* workers at a segment that was offered */
    uint64_t in_flight_bytes; /* in those windows */
    unsigned in_flight;       /* windows between walk and tree */
    unsigned in_flight_limit;
    struct window *done_windows; /* finished, waiting for their turn in the tree */
    struct window *spare;
    bool walk_paused; /* no window comes for now */
    bool walk_ended;
    uint64_t windows_made;
    uint64_t windows_taken; /* by whoever takes them in order */
    bool failed;
    struct vv_error error; /* the first failure */

    struct snapshot_statistics statistics; /* walk, workers and tree add through backup_count */
    struct vv_mutex count_lock;
};

/** One worker's tools. */
struct worker {
    struct backup *b;
    struct block_builder *builder;
    struct stream_writer *stream;
    struct stream_writer *pages; /* fixed-size streams */
    uint8_t *buffer;             /* WINDOW_BYTES + LARGE_FILE: small files of a window */
    struct segment *segments[8]; /* of large files; made when first needed */
    unsigned segment_count;
    uint8_t *carry;        /* SEGMENT_BYTES: behind the last cut of the file that is read */
    uint64_t listed_bytes; /* content whose lists are in the open block */
    struct vv_thread thread;
};

/** backup_fail(b, rc, err): note the first failure and wake everybody. */
void backup_fail(struct backup *b, enum vv_rc rc, const struct vv_error *err);
bool backup_failed(struct backup *b);
/** backup_add(b, &b->statistics.x, n): count. */
void backup_add(struct backup *b, uint64_t *counter, uint64_t n);
/** backup_problem(b, item, event, text): name and count trouble with one entry; expected
 *  (--may-change) trouble only counts as such. */
void backup_problem(struct backup *b, const struct source_item *item, const char *event,
                    const char *text);

/* backup_body.c */
/** body_begin(b, body, err): fill in what is known before the run; body_end(b, root, body, err): the rest,
 *  before the commit. */
MUST_CHECK enum vv_rc body_begin(struct backup *b, struct snapshot_body *body,
                                 struct vv_error *err);
MUST_CHECK enum vv_rc body_end(struct backup *b, const struct tree_root *root,
                               struct snapshot_body *body, struct vv_error *err);

/* backup_keep.c: runs that are told what has changed */
/** keep_parent(b, sources, count): the parent that the changes count from; NULL: they cannot be used. */
const struct snapshot *keep_parent(struct backup *b, const struct vv_span *sources, size_t count);
/** keep_begin(b, err): after the baseline is open: tell the source, if B7 holds. */
MUST_CHECK enum vv_rc keep_begin(struct backup *b, struct vv_error *err);
/** keep_same_sources(s, sources, count): is ${s} a snapshot of these, and of nothing else? */
bool keep_same_sources(const struct snapshot *s, const struct vv_span *sources, size_t count);
/** keep_unsettled(b, path, directory): B8; ${directory}: what is in it, too. */
void keep_unsettled(struct backup *b, struct vv_span path, bool directory);
/** backup_links.c: one name of a file with several (B9). */
struct linked_name {
    uint64_t inode;
    uint64_t nlink;
    uint32_t file_system;
};
struct linked_names {
    struct linked_name *items;
    size_t count;
    size_t room;
};
void linked_names_release(struct linked_names *l);
/** linked_names_add(l, e, err): nothing for an entry with one name. */
MUST_CHECK enum vv_rc linked_names_add(struct linked_names *l, const struct entry *e,
                                       struct vv_error *err);
/** linked_names_accounted(now, before): does no file of ${now} have more names elsewhere than it had
 *  ${before}?  Sorts both. */
bool linked_names_accounted(struct linked_names *now, struct linked_names *before);
bool has_other_names(const struct entry *e);

/** The tree thread's part: ranges of the parent's tree, and what they count. */
struct keeping {
    struct tree_keeper keeper;
    struct backup *b;
    struct linked_names now;           /* of what the run looked at */
    struct linked_names before;        /* of the same in the parent's tree */
    struct snapshot_statistics passed; /* of the parent's entries that are in no range */
};
MUST_CHECK enum vv_rc keeping_open(struct backup *b, struct tree_writer *t, struct keeping *ret,
                                   struct vv_error *err);
MUST_CHECK enum vv_rc keeping_range(struct keeping *k, const struct path_range *range,
                                    struct vv_error *err);
/** keeping_entry(k, e, err): an entry that was looked at; nothing if nothing is kept. */
MUST_CHECK enum vv_rc keeping_entry(struct keeping *k, const struct entry *e, struct vv_error *err);
/** keeping_finish(k, s, err): add to ${s} what was kept.  VV_EREFUSED, with b->keeping_failed: B9. */
MUST_CHECK enum vv_rc keeping_finish(struct keeping *k, struct snapshot_statistics *s,
                                     struct vv_error *err);
void keeping_close(struct keeping *k);

/* backup_pool.c */
MUST_CHECK struct window *pool_new_window(struct backup *b, struct source *source);
void pool_submit(struct backup *b, struct window *w, bool needs_work);
/** pool_walk_paused(b, paused): a walk is over, but another one comes, or: it begins. */
void pool_walk_paused(struct backup *b, bool paused);
void pool_walk_ended(struct backup *b);
/** pool_next_in_order(b): wait for the next window to be done; NULL on failure, and when all were taken
 *  and the walk has paused or ended. */
struct window *pool_next_in_order(struct backup *b);
void pool_release_window(struct backup *b, struct window *w);
/** pool_take(b, ret_window, ret_segment): wait for work; false at the end. */
MUST_CHECK bool pool_take(struct backup *b, struct window **ret_window,
                          struct segment **ret_segment);
void pool_window_done(struct backup *b, struct window *w);
/** pool_offer_segment(b, s): let a worker have it that is idle or will soon be; false: there is none,
 *  do it yourself. */
MUST_CHECK bool pool_offer_segment(struct backup *b, struct segment *s);
void pool_segment_done(struct backup *b, struct segment *s);
/** pool_is_segment_done(b, s): has whoever took it ended? */
bool pool_is_segment_done(struct backup *b, const struct segment *s);
/** pool_withdraw_segment(b, s): take it back if nobody has begun. */
bool pool_withdraw_segment(struct backup *b, const struct segment *s);
/** pool_wait_segment(b, s): until it is done; takes it back if nobody has begun (then false). */
MUST_CHECK bool pool_wait_segment(struct backup *b, struct segment *s);
void pool_free(struct backup *b);

/* backup_worker.c */
MUST_CHECK enum vv_rc worker_open(struct backup *b, struct worker *w, struct vv_error *err);
void worker_close(struct worker *w);
void worker_main(void *arg);
/** worker_segment(w, s, err): hash and store the chunks of a segment. */
MUST_CHECK enum vv_rc worker_segment(struct worker *w, struct segment *s, struct vv_error *err);
/** worker_hash_and_put(w, jobs, count, kind, err): hash and store; ids end up in jobs[].out. */
MUST_CHECK enum vv_rc worker_hash_and_put(struct worker *w, struct hash_job *jobs, uint32_t count,
                                          enum block_kind kind, struct vv_error *err);
/** worker_out_of_line(w, e, arena, err): move large xattr sets and extent maps into streams. */
MUST_CHECK enum vv_rc worker_out_of_line(struct worker *w, struct entry *e, struct vv_arena *arena,
                                         struct vv_error *err);

/* backup_judge.c */
/** judge_item(w, source, it, err): new, changed or unchanged?  A file that was read, and has changed behind
 *  unchanged metadata, is reported. */
MUST_CHECK enum vv_rc judge_item(struct worker *w, struct source *source, struct window_item *it,
                                 struct vv_error *err);

/** judge_same_content(a, b): are they the same stream of chunks? */
bool judge_same_content(const struct entry *a, const struct entry *b);

/* backup_content.c */
/** content_read_large(w, f, e, arena, ret_status, ret_problem, err): read a file segment by
 *  segment, store it, and set e->content.  The source's trouble is ${ret_status}; enum vv_rc is the
 *  repository's. */
MUST_CHECK enum vv_rc content_read_large(struct worker *w, struct source_file *f, struct entry *e,
                                         struct vv_arena *arena, enum source_status *ret_status,
                                         struct source_problem *ret_problem, struct vv_error *err);
/** content_prefix_equal(w, f, e): does the stored content still read the same?  (a file that
 *  grew) */
bool content_prefix_equal(struct worker *w, struct source_file *f, const struct entry *e);
/** content_is_paged(path, head): is it a database or disk image, to be cut at fixed places? */
bool content_is_paged(struct vv_span path, struct vv_span head, uint64_t size);

/* backup_walk.c, backup_tree.c, backup_sequence.c */
/** walk_same_metadata(source, now, base, table, count): B1, but for racy and torn: does the metadata
 *  say that nothing has changed?  ${source} is the file system, or one whose entries have no number
 *  of a file system. */
bool walk_same_metadata(struct source *source, const struct entry *now, const struct entry *base,
                        const struct snapshot_file_system *table, uint32_t table_count);
/** dry_run(b, err): count what would be read (backup_dry_run.c). */
MUST_CHECK enum vv_rc dry_run(struct backup *b, struct vv_error *err);
MUST_CHECK enum vv_rc walk_run(struct backup *b, struct vv_error *err);
/** walk_alone(b, source, baseline, err): only this source's items, nothing merged in. */
MUST_CHECK enum vv_rc walk_alone(struct backup *b, struct source *source, struct baseline *baseline,
                                 struct vv_error *err);
MUST_CHECK enum vv_rc tree_run(struct backup *b, struct tree_root *ret, struct vv_error *err);
/** sequences_check(o, err): VV_EUSAGE if commands' outputs would be in each other's place. */
MUST_CHECK enum vv_rc sequences_check(const struct backup_options *o, struct vv_error *err);
/** sequences_repeatable(o): may the run begin once more: is nothing read from standard input? */
bool sequences_repeatable(const struct backup_options *o);
MUST_CHECK enum vv_rc sequences_read(struct backup *b, struct worker *w, struct vv_error *err);

/** sequence_keep(b, e, err): into b->sequence. */
MUST_CHECK enum vv_rc sequence_keep(struct backup *b, const struct entry *e, struct vv_error *err);
/** sequence_take(b, w, s, archive, err): items until there is none for now; sequence_read without the
 *  verdict. */
MUST_CHECK enum vv_rc sequence_take(struct backup *b, struct worker *w, struct source *s,
                                    bool archive, struct vv_error *err);
/** sequence_read(b, w, s, archive, err): all items of a sequence, kept in b->sequence. */
MUST_CHECK enum vv_rc sequence_read(struct backup *b, struct worker *w, struct source *s,
                                    bool archive, struct vv_error *err);
/** sequence_left_out(b, name, before, rc, err): a source of the sequence has failed.  With --keep-going
 *  and trouble of the source: forget its entries from ${before} on, name it as missing, VV_OK; else
 *  ${rc} as it is. */
MUST_CHECK enum vv_rc sequence_left_out(struct backup *b, const char *name, size_t before,
                                        enum vv_rc rc, struct vv_error *err);

/* backup_files.c */
/** files_read(b, w, root, s, err): if this database's files are here (source/postgres_source.h): begin the
 *  backup, and all of them into b->sequence, with the WAL that comes meanwhile.  After a failure of
 *  the run itself (backup_failed) ${s} must outlive the pool. */
MUST_CHECK enum vv_rc files_read(struct backup *b, struct worker *w, const char *root,
                                 struct source *s, struct vv_error *err);

/* backup_database.c */
/** databases_check(o, err): VV_EUSAGE if names are no names, or two of the same. */
MUST_CHECK enum vv_rc databases_check(const struct backup_options *o, struct vv_error *err);
/** databases_open(b, err): connect to all of them, before anything is read; VV_EREFUSED if one is
 *  another database system than the last time. */
MUST_CHECK enum vv_rc databases_open(struct backup *b, struct vv_error *err);
MUST_CHECK enum vv_rc databases_read(struct backup *b, struct worker *w, struct vv_error *err);
/** databases_describe(b, body, err): the fields of the snapshot's record. */
MUST_CHECK enum vv_rc databases_describe(struct backup *b, struct snapshot_body *body,
                                         struct vv_error *err);
/** databases_remember(b): after the commit: whom we have met. */
void databases_remember(struct backup *b);
void databases_free(struct backup *b);

/* baseline.c: the parent's tree and checkpoints of interrupted runs as one sorted sequence */
MUST_CHECK enum vv_rc baseline_open(struct backup *b, struct baseline **ret, struct vv_error *err);
/** baseline_open_parent(b, ret, err): of the parent's tree alone; empty if that is gone meanwhile. */
MUST_CHECK enum vv_rc baseline_open_parent(struct backup *b, struct baseline **ret,
                                           struct vv_error *err);
void baseline_free(struct baseline *l);
/** baseline_find(l, path, ret, ret_trusted, err): the entry for ${path} (paths asked for ascend),
 *  NULL if none; *ret_trusted: its chunks need no look-up.  *ret_file_systems: table its number
 *  counts in. */
MUST_CHECK enum vv_rc baseline_find(struct baseline *l, struct vv_span path,
                                    const struct entry **ret, bool *ret_trusted,
                                    const struct snapshot_file_system **ret_table,
                                    uint32_t *ret_table_count, struct vv_error *err);
/** baseline_parent_entry(l, path, ret, err): the parent's alone; paths ascend together with those of
 *  baseline_find. */
MUST_CHECK enum vv_rc baseline_parent_entry(struct baseline *l, struct vv_span path,
                                            const struct entry **ret, struct vv_error *err);
/** baseline_skip_ahead(l): most of the parent's tree will not be asked for. */
void baseline_skip_ahead(struct baseline *l);
/** baseline_trust_node: a tree_node_fn of the live parent's nodes, which may be referred to without a
 *  look-up (W8). */
MUST_CHECK enum vv_rc baseline_trust_node(void *ctx, const struct vv_id *node, uint32_t height,
                                          struct vv_error *err);
/** baseline_resumed(l): were there checkpoints?  baseline_discard(l): remove them (after a
 *  commit). */
bool baseline_resumed(const struct baseline *l);
void baseline_discard(struct baseline *l);

/* checkpoint.c: what this run has read so far, for the run after it is killed */
MUST_CHECK enum vv_rc checkpoint_new(struct backup *b, struct checkpoint **ret,
                                     struct vv_error *err);
/** checkpoint_add(c, e, err): entries ascend.  Failing to write it is a warning, never more. */
void checkpoint_add(struct checkpoint *c, const struct entry *e);
void checkpoint_flush(struct checkpoint *c);
/** checkpoint_discard(c): remove the file (the run is committed). */
void checkpoint_discard(struct checkpoint *c);
void checkpoint_free(struct checkpoint *c);
/** Reading one. */
struct checkpoint_reader;
MUST_CHECK enum vv_rc checkpoint_reader_open(struct repo *r, const char *path,
                                             struct checkpoint_reader **ret, struct vv_error *err);
/** checkpoint_reader_next(c, ret): the next entry, NULL at the (possibly torn) end. */
void checkpoint_reader_next(struct checkpoint_reader *c, const struct entry **ret);
const struct snapshot_file_system *checkpoint_reader_table(const struct checkpoint_reader *c,
                                                           uint32_t *ret_count);
void checkpoint_reader_free(struct checkpoint_reader *c);

#endif
