/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_RESTORE_INTERNAL_H
#define VARVE_ENGINE_RESTORE_INTERNAL_H

#include "core/arena.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "engine/restore.h"
#include "repo/tree.h"

/*
 * Shared by the files restore*.c.
 *
 * One thread (the caller's) walks the tree, makes directories, finds out what stands in the target
 * and plans batches; workers decode blocks and write files.  Hard links follow once everything
 * before them is finished.  Then extra files are removed, directories get their attributes, and the
 * verify pass walks the tree again.
 */

#define RESTORE_THREADS_MAX 64u
#define PLAN_CHUNKS 131072u          /* pieces in a batch at most (R4) */
#define PLAN_FILES 32768u            /* files in a batch at most */
#define PLAN_BYTES_FIRST (16u << 20) /* the first batch is small, so that workers start at once; */
#define PLAN_BYTES (1u << 30)        /* each is much larger than the one before, up to this */
#define PLAN_ARENA (96u << 20)       /* entries of a batch at most */
#define PLAN_IN_FLIGHT 2u            /* batches planned or worked on */
#define READBACK_BYTES (4u << 20)    /* file bytes read back before they are hashed */
#define READBACK_CHUNKS 1024u
#define VERIFY_ITEMS 256u       /* entries in a window of the verify pass */
#define VERIFY_LARGE (1u << 20) /* larger files are verified segment by segment */
#define LINKS_MAX 262144u       /* inodes with several names remembered at a time */
#define LINKS_WAITING 8192u     /* names waiting for the file they share */

struct restore;
struct restore_worker;

/* --- restore_pool.c: threads ------------------------------------------------------------------ */

/** ${count} pieces of work, done in any order by any worker; then ${end} gives the job back. */
struct job;
typedef enum vv_rc job_fn(struct restore_worker *w, struct job *j, uint32_t index,
                          struct vv_error *err);
/** When all is done: *ret_count pieces of work in another round; 0: there is none.  Without the pool's lock:
 *  the job itself, which others look at meanwhile, is not to be changed. */
typedef enum vv_rc job_again_fn(struct restore *r, struct job *j, uint32_t *ret_count,
                                struct vv_error *err);
typedef void job_end_fn(struct restore *r, struct job *j);
struct job {
    job_fn *run;
    job_again_fn *again; /* NULL: one round */
    job_end_fn *end;     /* NULL: nothing */
    uint32_t count;
    uint32_t next; /* not yet begun */
    uint32_t left; /* not yet done */
    struct job *link;
};
struct restore_pool {
    struct vv_mutex lock; /* guards all below */
    struct vv_cond work;
    struct vv_cond finished;
    struct job *jobs; /* oldest first */
    uint32_t in_flight;
    bool closing;
    bool failed;
    struct vv_error error; /* the first failure */
    struct restore_worker *workers;
    unsigned worker_count;
};
/** One worker's tools. */
struct restore_worker {
    struct restore *r;
    struct pack_reader *packs;
    struct vv_buf block;   /* plaintext of a block */
    struct vv_buf chunk;   /* one chunk read another way */
    struct hash_job *jobs; /* job_room of them */
    size_t job_room;
    struct readback *back; /* made when first needed */
    struct vv_arena arena; /* scratch */
    struct vv_thread thread;
};
MUST_CHECK enum vv_rc jobs_open(struct restore *r, unsigned threads, struct vv_error *err);
/** jobs_close(r): wait for the threads; jobs not done are ended.  Nothing if not open. */
void jobs_close(struct restore *r);
/** jobs_submit(r, j, limit, err): wait until fewer than ${limit} jobs are in flight and add ${j},
 *  which is the pool's from now on, also on failure. */
MUST_CHECK enum vv_rc jobs_submit(struct restore *r, struct job *j, uint32_t limit,
                                  struct vv_error *err);
/** jobs_drain(r, err): wait until every job is done and ended. */
MUST_CHECK enum vv_rc jobs_drain(struct restore *r, struct vv_error *err);
/** jobs_run(r, j, err): do ${j} (which has no end) and wait for it and all before; it is the
 *  caller's again whatever happens. */
MUST_CHECK enum vv_rc jobs_run(struct restore *r, struct job *j, struct vv_error *err);
/** worker_hash_jobs(w, count, err): room for ${count} hash jobs at w->jobs. */
MUST_CHECK enum vv_rc worker_hash_jobs(struct restore_worker *w, size_t count,
                                       struct vv_error *err);

/* --- restore_skipped.c ------------------------------------------------------------------------ */

/** Paths of the target that were not restored (damaged, kept, failed): the verify pass leaves them
 *  out.  Keyed hashes; a collision only leaves one more out. */
struct skipped_set {
    struct vv_mutex lock;
    uint64_t seed;
    uint64_t *slots; /* 0: free */
    size_t room;     /* power of two */
    size_t count;
};
void skipped_init(struct skipped_set *s);
void skipped_release(struct skipped_set *s);
MUST_CHECK enum vv_rc skipped_add(struct skipped_set *s, struct vv_span path, struct vv_error *err);
bool skipped_has(struct skipped_set *s, struct vv_span path);

/* --- restore_walk.c: the entries asked for, in order ------------------------------------------ */

/** A directory on the way down. */
struct walk_frame {
    struct vv_arena arena;
    struct entry entry; /* whole; path as in the target */
    size_t full_len;    /* of the path in the snapshot */
    struct pattern_match include;
    struct pattern_match exclude;
    bool selected; /* itself asked for (else only needed above something that is) */
    bool made_up;  /* not in the tree: its node could not be read */
    bool absent;   /* set by the caller: did not exist, so nothing in it does */
    void *extra;   /* the caller's; released by on_leave */
};
struct walk_item {
    struct entry entry;        /* path as in the target; lives until the next call */
    struct walk_frame *parent; /* NULL: directly in the target */
    struct walk_frame *frame;  /* directories: its own */
};
struct walk;
/** restore_walk_new(r, reports, ret, err): ${reports}: unreadable nodes are named and counted. */
MUST_CHECK enum vv_rc restore_walk_new(struct restore *r, bool reports, struct walk **ret,
                                       struct vv_error *err);
void restore_walk_free(struct walk *w);
VV_DEFINE_CLEANUP(struct walk, restore_walk_free);
/** restore_walk_next(w, ret, ret_end, err): parents come before what is in them, also those that
 *  were not asked for themselves. */
MUST_CHECK enum vv_rc restore_walk_next(struct walk *w, struct walk_item *ret, bool *ret_end,
                                        struct vv_error *err);
/** restore_walk_skip_below(w, err): nothing of the directory just yielded. */
MUST_CHECK enum vv_rc restore_walk_skip_below(struct walk *w, struct vv_error *err);
/** restore_walk_on_leave(w, fn, ctx): called when a directory's last entry is behind; not when a
 *  walk ends early. */
typedef enum vv_rc walk_leave_fn(void *ctx, struct walk_frame *f, struct vv_error *err);
void restore_walk_on_leave(struct walk *w, walk_leave_fn *fn, void *ctx);
/** restore_walk_selects(r, path, is_directory, include, exclude): would an entry at ${path} of the
 *  snapshot, in a directory with these verdicts, be asked for?  The verdicts become its own. */
bool restore_walk_selects(const struct restore *r, struct vv_span path, bool is_directory,
                          struct pattern_match *include, struct pattern_match *exclude);

/* --- restore_link.c: hard links --------------------------------------------------------------- */

enum link_state { LINK_PENDING, LINK_GOOD, LINK_DAMAGED, LINK_UNUSABLE };
/** The first name of an inode that has several. */
struct link_first {
    uint32_t file_system;
    uint64_t inode;
    uint64_t content; /* hash of what must agree too */
    uint64_t names_left;
    char *path; /* in the target */
    size_t path_len;
    _Atomic int state;    /* enum link_state */
    uint64_t found_inode; /* in the verify pass: what it is in the target; 0: not seen yet */
    struct link_first *chain;
};
struct restore_file;
struct link_table {
    struct vv_mutex lock; /* guards found_inode */
    uint64_t seed;
    struct link_first **slots;
    size_t slot_count;
    size_t count;
    bool overflowed;
    struct restore_file *waiting; /* further names */
    size_t waiting_count;
};
void links_release(struct restore *r);
/** links_meet(r, item, ret_first, ret_taken, err): an entry with several names: the first one is to
 *  be restored as a file (*ret_first notes how that goes; NULL: has one name only), others wait
 *  (*ret_taken). */
MUST_CHECK enum vv_rc links_meet(struct restore *r, const struct walk_item *item,
                                 struct link_first **ret_first, bool *ret_taken,
                                 struct vv_error *err);
/** links_flush(r, err): make the waiting names; all files before them are finished. */
MUST_CHECK enum vv_rc links_flush(struct restore *r, struct vv_error *err);
/** links_same(r, e, inode): is ${inode}, found in the target for ${e}, that of its other names? */
bool links_same(struct restore *r, const struct entry *e, uint64_t inode);

/* --- restore_plan.c --------------------------------------------------------------------------- */

/** Something to be made in the target: a file, or a link or node without content. */
struct restore_file {
    struct entry entry; /* whole; path as in the target */
    bool own;           /* allocated by itself, with its own arena; else part of a batch */
    bool single;        /* one chunk: written at once */
    bool opened;        /* counted in r->open_files */
    bool deferred;      /* too many files are open: its pieces wait for the next round */
    bool different;     /* found by the check of what exists */
    bool retry;         /* a link that could not be made: restore it as a file */
    struct vv_arena arena;
    uint64_t *starts; /* with extents: place of each in the content */
    struct link_first *first;
    struct link_first *target; /* of a waiting hard link */
    struct sink_file *out;
    _Atomic uint32_t refs; /* pieces not yet delivered, and the planner */
    atomic_bool damaged;
    atomic_bool failed;
    struct restore_file *next, *previous; /* own ones: in the planner's list */
    struct restore_file *waiting;         /* hard links: the one that came before */
};
/** A chunk of a file and where it is. */
struct piece {
    struct chunk_location loc;
    struct vv_id id;
    struct restore_file *file;
    uint64_t offset; /* in the content */
    uint32_t job;
    bool later; /* its file waits for the next round */
};
/** Pieces [first, first + count) are in the same block. */
struct unit {
    uint32_t first;
    uint32_t count;
};
struct batch {
    struct job job;
    struct vv_arena arena;
    struct piece *pieces;
    uint32_t piece_count;
    uint32_t piece_room;
    struct unit *units;
    uint32_t unit_count;
    struct restore_file **plain; /* nothing to fetch */
    uint32_t plain_count;
    uint32_t plain_room;
    uint64_t bytes;
    uint32_t files;
};
/** Files whose content in the target may be right already. */
#define CHECKS_MAX 16384u
struct check_list {
    struct job job;
    struct restore_file **files; /* CHECKS_MAX of them */
    uint32_t count;
};
struct planner {
    struct batch *batch;
    struct check_list checks; /* what exists and may be right already */
    uint64_t bytes_limit;
    uint64_t open_limit;
    uint64_t seen_files; /* everything but directories */
    uint64_t seen_bytes;
    struct vv_mutex lock; /* guards own_files */
    struct restore_file *own_files;
};
/** plan_run(r, err): walk the tree and restore all of it but directories' attributes. */
MUST_CHECK enum vv_rc plan_run(struct restore *r, struct vv_error *err);
/** entry_bring(r, e, arena, ret_lost, err): bring in what lies out of line; *ret_lost: it cannot be
 *  read (named and counted). */
MUST_CHECK enum vv_rc entry_bring(struct restore *r, struct entry *e, struct vv_arena *arena,
                                  bool *ret_lost, struct vv_error *err);
/** plan_fetch(r, f, err): add the chunks of a file to the batch. */
MUST_CHECK enum vv_rc plan_fetch(struct restore *r, struct restore_file *f, struct vv_error *err);
/** batch_need(r, err): make the planner's batch if there is none. */
MUST_CHECK enum vv_rc batch_need(struct restore *r, struct vv_error *err);
MUST_CHECK enum vv_rc batch_new_piece(struct batch *b, struct piece **ret, struct vv_error *err);
MUST_CHECK enum vv_rc batch_add_plain(struct restore *r, struct restore_file *f,
                                      struct vv_error *err);
bool batch_is_full(const struct restore *r);
job_end_fn batch_free;
/** plan_submit(r, err): hand the batch to the workers. */
MUST_CHECK enum vv_rc plan_submit(struct restore *r, struct vv_error *err);
/** plan_own_file(r, e, ret, err): a file allocated by itself, with a whole copy of ${e}. */
MUST_CHECK enum vv_rc plan_own_file(struct restore *r, const struct entry *e,
                                    struct restore_file **ret, struct vv_error *err);
void plan_free_file(struct restore *r, struct restore_file *f);
void plan_release(struct restore *r);

/* --- restore_existing.c ----------------------------------------------------------------------- */

enum existing_verdict { EXISTING_FETCH, EXISTING_ALREADY, EXISTING_KEPT, EXISTING_CHECK };
/** existing_judge(r, e, parent_absent, ret, err): what is to be done about a file, link or node. */
MUST_CHECK enum vv_rc existing_judge(struct restore *r, const struct entry *e, bool parent_absent,
                                     enum existing_verdict *ret, struct vv_error *err);
/** existing_check_later(r, e, first, err): put a file into the planner's check list.
 *  existing_check_all(r, err): compare the files in the planner's check list, fetch what differs.
 */
MUST_CHECK enum vv_rc existing_check_later(struct restore *r, const struct entry *e,
                                           struct link_first *first, struct vv_error *err);
MUST_CHECK enum vv_rc existing_check_all(struct restore *r, struct vv_error *err);

/* --- restore_write.c: workers ----------------------------------------------------------------- */

job_fn write_unit;
/** file_settle(r, f, state): how its hard links may use it; frees it if it is its own. */
void file_settle(struct restore *r, struct restore_file *f, enum link_state state);
/** file_release(r, f, err): a piece was delivered or given up; the last one completes the file. */
MUST_CHECK enum vv_rc file_release(struct restore *r, struct restore_file *f, struct vv_error *err);
/** file_damaged(r, f, offset, len, why): content that cannot be had: named; the file is left out.
 */
MUST_CHECK enum vv_rc file_damaged(struct restore *r, struct restore_file *f, uint64_t offset,
                                   uint64_t len, const char *why, struct vv_error *err);
/** file_lost_trouble(rc): is this the repository's damage, which costs one file (R2)? */
bool file_lost_trouble(enum vv_rc rc);

/* --- restore_extents.c: content and file offsets ---------------------------------------------- */

/** extents_prepare(e, arena, ret_starts, err): *ret_starts = NULL without extents.  VV_ECORRUPT if
 *  content, extents and size do not fit each other. */
MUST_CHECK enum vv_rc extents_prepare(const struct entry *e, struct vv_arena *arena,
                                      uint64_t **ret_starts, struct vv_error *err);
/** extents_at(e, starts, offset, len, ret_offset): where content byte ${offset} is in the file;
 *  returns how many of ${len} bytes are in one piece there. */
uint64_t extents_at(const struct entry *e, const uint64_t *starts, uint64_t offset, uint64_t len,
                    uint64_t *ret_offset);

/* --- restore_readback.c: comparing a target file's content with chunk ids --------------------- */

/** ${fn} is told of content that differs. */
typedef void readback_fn(struct restore *r, void *owner, uint64_t offset, uint64_t len,
                         const char *why);
MUST_CHECK enum vv_rc readback_new(struct restore *r, struct readback **ret, struct vv_error *err);
void readback_free(struct readback *b);
/** readback_begin(b, fn): forget what is not flushed. */
void readback_begin(struct readback *b, readback_fn *fn);
/** readback_add(b, owner, e, starts, fd, ref, offset, err): read one chunk's bytes from ${fd} now,
 *  compare at the latest in readback_flush; until then ${owner} must live, ${fd} need not. */
MUST_CHECK enum vv_rc readback_add(struct readback *b, void *owner, const struct entry *e,
                                   const uint64_t *starts, int fd, const struct chunk_ref *ref,
                                   uint64_t offset, struct vv_error *err);
void readback_flush(struct readback *b);
/** readback_stream(b, owner, e, starts, fd, err): the chunks of a whole file. */
MUST_CHECK enum vv_rc readback_stream(struct readback *b, void *owner, const struct entry *e,
                                      const uint64_t *starts, int fd, struct vv_error *err);
/** readback_holes(b, owner, e, found, fd, err): what is no data in ${e} must read as zeros; only
 *  what ${found} says is data in the target is read. */
MUST_CHECK enum vv_rc readback_holes(struct readback *b, void *owner, const struct entry *e,
                                     const struct entry *found, int fd, struct vv_error *err);
/** worker_readback(w, ret, err): the worker's own. */
MUST_CHECK enum vv_rc worker_readback(struct restore_worker *w, struct readback **ret,
                                      struct vv_error *err);

/* --- restore_verify.c, restore_delete.c, restore_dry_run.c ------------------------------------ */

MUST_CHECK enum vv_rc restore_verify(struct restore *r, struct vv_error *err);
/** restore_differs(r, path, fmt, ...): name and count a difference. */
void restore_differs(struct restore *r, struct vv_span path, const char *fmt, ...) VV_PRINTF(3, 4);
/** restore_verify_metadata(r, e, found, err): compare all but content; *ret_content: that is worth
 *  reading. */
MUST_CHECK enum vv_rc restore_verify_metadata(struct restore *r, const struct entry *e,
                                              const struct entry *found, bool *ret_content,
                                              struct vv_error *err);
/** restore_verify_inspect(r, e, arena, ret, ret_fd, ret_there, err): sink_inspect, its troubles
 *  named. */
MUST_CHECK enum vv_rc restore_verify_inspect(struct restore *r, const struct entry *e,
                                             struct vv_arena *arena, struct entry *ret, int *ret_fd,
                                             bool *ret_there, struct vv_error *err);
/** restore_verify_large(r, e, err): a file too large for a window (restore_verify_large.c). */
MUST_CHECK enum vv_rc restore_verify_large(struct restore *r, const struct entry *e,
                                           struct vv_error *err);
uint32_t restore_in_flight(const struct restore *r);
MUST_CHECK enum vv_rc restore_delete(struct restore *r, struct vv_error *err);

/** What a dry run learns. */
#define SAMPLE_BLOCKS 64u
struct restore_estimate {
    uint64_t *slots; /* hashes of blocks seen, 0: free */
    size_t room;
    size_t count;
    uint64_t seed;
    uint64_t stored; /* bytes of distinct blocks */
    uint64_t random;
    struct chunk_location sample[SAMPLE_BLOCKS];
    uint32_t sampled;
};
MUST_CHECK enum vv_rc restore_estimate_note(struct restore *r, const struct chunk_location *loc,
                                            struct vv_error *err);
MUST_CHECK enum vv_rc restore_estimate_measure(struct restore *r, struct vv_error *err);

/* --- restore.c -------------------------------------------------------------------------------- */

struct restore_counts {
    _Atomic uint64_t files;
    _Atomic uint64_t directories;
    _Atomic uint64_t others;
    _Atomic uint64_t hard_links;
    _Atomic uint64_t bytes;
    _Atomic uint64_t already;
    _Atomic uint64_t kept;
    _Atomic uint64_t deleted;
    _Atomic uint64_t damaged;
    _Atomic uint64_t failed;
    _Atomic uint64_t bytes_read;
    _Atomic uint64_t verified_files;
    _Atomic uint64_t verified_bytes;
    _Atomic uint64_t verify_differences;
    _Atomic uint64_t not_verified; /* whose permissions do not let the caller read them back */
    _Atomic uint64_t problems;     /* events of kind PROBLEM, the sink's included */
};
/** Counts problems on their way to the caller's sink of events. */
struct counting_events {
    struct vv_events base;
    struct vv_events *next;
    struct restore_counts *counts;
    struct vv_progress *progress;
};
#define OPEN_LOCKS 64u

/** One restore. */
struct restore {
    struct repo *repo;
    const struct snapshot *snap;
    const struct restore_options *options;
    struct vv_progress *progress;
    struct counting_events events;
    struct restore_counts counts;
    struct chunk_index *index;
    struct chunk_reader *reader;
    struct sink *sink;
    struct vv_buf base; /* the path asked for, without slashes around it */
    size_t strip;       /* bytes of a snapshot's path that are not in the target */
    bool tree_damaged;  /* entries are missing: nothing may be deleted for it */
    struct restore_pool pool;
    struct skipped_set skipped;
    struct link_table links;
    struct planner plan;
    struct restore_estimate dry;
    struct vv_mutex open_locks[OPEN_LOCKS]; /* guard restore_file.out, opened and deferred */
    _Atomic uint64_t open_files;            /* that wait for further pieces */
    bool verified;
    bool verified_from_memory;
    uint64_t verify_ns;
    uint64_t measured_rate;
};

static inline void
restore_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
static inline bool
restore_patterned(const struct restore_options *o)
{
    return (o->includes != NULL && !pattern_set_empty(o->includes)) ||
           (o->excludes != NULL && !pattern_set_empty(o->excludes));
}
static inline struct vv_mutex *
restore_file_lock(struct restore *r, const struct restore_file *f)
{
    return &r->open_locks[((uintptr_t)f >> 6) % OPEN_LOCKS];
}
struct vv_events *restore_events(struct restore *r);
/** restore_map(r, full): a snapshot's path as the target's; restore_shown: a target's path as the
 *  snapshot's, for events (in ${out}). */
struct vv_span restore_map(const struct restore *r, struct vv_span full);
struct vv_span restore_shown(const struct restore *r, struct vv_span path, struct vv_buf *out);
void restore_emit(struct restore *r, enum vv_event_kind kind, const char *name, struct vv_span path,
                  const char *fmt, ...) VV_PRINTF(5, 6);
/** restore_trouble(r, path, rc, why, err): the target refused an entry with ${rc}.  Named, counted
 *  and survived (VV_OK) unless it ends the restore (then *err = *why). */
MUST_CHECK enum vv_rc restore_trouble(struct restore *r, struct vv_span path, enum vv_rc rc,
                                      const struct vv_error *why, struct vv_error *err);
/** restore_done(r, e): count an entry that was made. */
void restore_done(struct restore *r, const struct entry *e);
void restore_already(struct restore *r, const struct entry *e);

#endif
