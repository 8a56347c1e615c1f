/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_FS_INTERNAL_H
#define VARVE_SOURCE_FS_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/bytes.h"
#include "core/thread.h"
#include "format/snapshot.h"
#include "source/change_set.h"
#include "source/pattern.h"
#include "source/source.h"

/*
 * The file system as a source; shared by the fs_*.c files.
 *
 *   fs.c          making and freeing it, the table of calls
 *   fs_roots.c    the paths given: absolute, sorted, without links in the middle
 *   fs_walk.c     the walk itself;  fs_frame.c: going into directories;  fs_choose.c: what is left
 *                 out;  fs_item.c: what is handed out
 *   fs_list.c     reading a directory;  fs_stat.c: looking at what is in it
 *   fs_handle.c   directory descriptors that workers use later
 *   fs_keep.c     what need not be looked at
 *   fs_skip.c     file systems: their numbers, and those that are never entered
 *   fs_names.c    names of users and groups
 *   fs_open.c     opening an item;  fs_attributes.c: xattrs, flags, link target;
 *   fs_extents.c  data and holes;  fs_read.c: reading and closing
 *
 * Only source_next's thread touches the walk, the file systems' table and the counts; workers
 * share the handles (locked), the names (locked) and the options (never written).
 */

/* ---- looking (fs_stat.c) ---- */

/** What is known of an object.  error: errno, and then nothing else is set. */
struct fs_stat {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    uint64_t nlink;
    uint64_t mount; /* 0: unknown */
    int64_t mtime_sec;
    int64_t ctime_sec;
    uint32_t mtime_nsec;
    uint32_t ctime_nsec;
    uint32_t mode; /* with the type */
    uint32_t uid;
    uint32_t gid;
    uint32_t major;
    uint32_t minor;
    int error;
    bool nodump;
    bool automount; /* a trigger that looking must not pull */
};
void fs_stat_at(int dir, const char *name, struct fs_stat *ret);
void fs_stat_fd(int fd, struct fs_stat *ret);
/** fs_type(mode): ENTRY_*, 0 for a socket and what else cannot be kept. */
enum entry_type fs_type(uint32_t mode);
bool fs_same_object(const struct fs_stat *a, const struct fs_stat *b);

/** fs_problem(problem, sys, what): fill in text "what: error" (${what} may be NULL) and return the
 *  status that fits errno ${sys}; ESTALE means replaced. */
enum source_status fs_problem(struct source_problem *problem, int sys, const char *what);

/* ---- directory handles (fs_handle.c) ---- */

/**
 * A directory, kept while its frame or an item below it is alive.  Its descriptor may be closed
 * to save descriptors and is opened again from the nearest open directory above, component by
 * component, and compared by device and inode.
 */
struct fs_dir {
    struct fs_dir *parent; /* NULL: the root directory */
    struct fs_dir *newer;  /* neighbours in the list of open, unpinned directories */
    struct fs_dir *older;
    struct fs_dir *reopen; /* while reopening: the next one down */
    uint64_t device;
    uint64_t inode;
    atomic_uint references;
    unsigned pins; /* nonzero: the descriptor stays open */
    int fd;        /* -1: closed for now */
    char name[];
};
struct fs_handles {
    struct vv_mutex lock; /* guards everything below, and fd and pins of all directories */
    struct fs_dir *newest;
    struct fs_dir *oldest;
    unsigned open; /* descriptors held */
    unsigned budget;
};
void fs_handles_init(struct fs_handles *h);
void fs_handles_release(struct fs_handles *h);
/** fs_openat(h, dir, name, flags, noatime): openat with O_CLOEXEC; O_NOATIME as long as it is
 *  allowed; makes room when descriptors run out.  A descriptor, or -errno. */
int fs_openat(struct fs_handles *h, int dir, const char *name, int flags, bool noatime);
/** fs_dir_new(h, parent, name, fd, stat): takes ${fd} over (closed on failure), takes a reference
 *  to ${parent}.  NULL: out of memory. */
struct fs_dir *fs_dir_new(struct fs_handles *h, struct fs_dir *parent, const char *name, int fd,
                          const struct fs_stat *stat);
struct fs_dir *fs_dir_ref(struct fs_dir *dir);
void fs_dir_unref(struct fs_handles *h, struct fs_dir *dir);
/** fs_dir_pin(h, dir): its descriptor, valid until fs_dir_unpin, or -errno (ESTALE: another
 *  directory is there now).  Thread-safe. */
int fs_dir_pin(struct fs_handles *h, struct fs_dir *dir);
void fs_dir_unpin(struct fs_handles *h, struct fs_dir *dir);

/* ---- names of users and groups (fs_names.c) ---- */

struct fs_name;
struct fs_names {
    struct vv_mutex lock;
    struct fs_name **table; /* open addressing, a power of two */
    size_t size;
    size_t count;
};
void fs_names_init(struct fs_names *n);
void fs_names_release(struct fs_names *n);
/** The name lives as long as the cache; empty: there is none.  Thread-safe. */
struct vv_span fs_user_name(struct fs_names *n, uint32_t uid);
struct vv_span fs_group_name(struct fs_names *n, uint32_t gid);

/* ---- file systems (fs_skip.c) ---- */

struct fs_systems {
    struct fs_system_device *devices; /* device number -> place in table, and whether pseudo */
    size_t device_count;
    struct snapshot_file_system *table;
    uint32_t count;
    uint32_t cap;
    struct snapshot_file_system *outgrown[32]; /* older tables somebody may still look at */
    unsigned outgrown_count;
};
void fs_systems_release(struct fs_systems *f);
/** fs_systems_begin(f, table, count, err): count on from this table. */
MUST_CHECK enum vv_rc fs_systems_begin(struct fs_systems *f,
                                       const struct snapshot_file_system *table, uint32_t count,
                                       struct vv_error *err);
struct fs_system {
    uint32_t number; /* from 1; 0: unknown */
    bool pseudo;
};
/** fs_system_find: known by device number?  fs_system_learn: ask ${fd} (O_PATH will do). */
bool fs_system_find(const struct fs_systems *f, uint64_t device, struct fs_system *ret);
MUST_CHECK enum vv_rc fs_system_learn(struct fs_systems *f, uint64_t device, int fd,
                                      struct fs_system *ret, struct vv_error *err);

/* ---- the paths given (fs_roots.c) ---- */

struct fs_roots {
    struct vv_buf *buffers; /* "/a/b" each, as given */
    size_t buffer_count;
    struct vv_span *all; /* without the leading slash, in tree order, no two equal */
    size_t count;
    struct vv_span *merged; /* with the slash; those not below another one */
    size_t merged_count;
};
MUST_CHECK enum vv_rc fs_roots_init(struct fs_roots *r, const struct source_fs_options *o,
                                    struct vv_error *err);
void fs_roots_release(struct fs_roots *r);

/* ---- reading a directory (fs_list.c) ---- */

/** Names in one buffer: per name 4 bytes of inode number (only to sort by), length, bytes, NUL. */
struct fs_listing {
    uint8_t *records;
    size_t len;
    size_t cap;
    uint32_t *offsets; /* sorted by name once fs_listing_sort was called */
    size_t count;
    size_t offset_cap;
};
void fs_listing_release(struct fs_listing *l);
/** fs_listing_add: 0 or an errno (ENOMEM; EOVERFLOW: over 4 GiB of names). */
int fs_listing_add(struct fs_listing *l, const void *name, size_t len, uint64_t inode);
/** fs_listing_read(l, fd, buffer, cancel): 0 or an errno (ECANCELED too); what was read before
 *  stays.  ${buffer} holds FS_LIST_BUFFER bytes. */
#define FS_LIST_BUFFER ((size_t)256 << 10)
int fs_listing_read(struct fs_listing *l, int fd, uint8_t *buffer, struct vv_cancel *cancel);
/** fs_listing_sort(l): by name, duplicates dropped. */
void fs_listing_sort(struct fs_listing *l);
bool fs_listing_has(const struct fs_listing *l, const char *name);
const char *fs_listing_name(const struct fs_listing *l, size_t i, size_t *ret_len);
uint32_t fs_listing_inode(const struct fs_listing *l, size_t i);
/** fs_listing_keep(l, keep, arg): drop the names ${keep} says no to; how many. */
size_t fs_listing_keep(struct fs_listing *l, bool (*keep)(const char *name, void *arg), void *arg);
/** fs_is_cache_directory(h, fd): a CACHEDIR.TAG with the right signature is in it. */
bool fs_is_cache_directory(struct fs_handles *h, int fd);
#define FS_CACHE_TAG "CACHEDIR.TAG"

/* ---- the walk (fs_walk.c, fs_frame.c, fs_choose.c) ---- */

/** A window of a listing that has been looked at. */
struct fs_batch {
    struct fs_stat *stats;
    size_t first;
    size_t count;
    size_t cap;
};

/** A directory the walk is in. */
struct fs_frame {
    struct fs_dir *dir;
    struct fs_listing list;
    struct fs_batch batch;
    size_t next;
    size_t path_len;
    size_t root_from; /* paths given that are strictly below: roots.all[from..to) */
    size_t root_to;
    struct pattern_match excluded;
    struct pattern_match may_change;
    struct fs_stat stat;
    struct fs_system system;
    uint64_t emitted_before;
    int list_error;
    enum change
        look;     /* CHANGE_HERE: at all names; CHANGE_ALL: and below; CHANGE_BELOW: only at those
                         that lead to changes, the rest is kept */
    bool kept;    /* CHANGE_BELOW: what is before the next name has been handed out */
    bool whole;   /* everything in it is taken; else only what leads to paths given */
    bool implied; /* it is emitted as ENTRY_IMPLIED */
    bool pending; /* excluded; emitted only when something below it is */
};

/** Something in a frame that the walk decides on. */
struct fs_child {
    const char *name;
    size_t name_len;
    const struct fs_stat *stat;
    struct vv_span path; /* in the walk's buffer */
    size_t root_from;    /* paths given that are this or below */
    size_t root_to;
    bool given; /* is itself a path given */
};
enum fs_choice {
    FS_SKIP,    /* counted in *counter unless NULL */
    FS_KEEP,    /* emit it; a directory: go into it as `enter` says */
    FS_PENDING, /* a directory to emit when something below is */
    FS_FAILED,  /* emit it with the stat's error */
    FS_MISSING, /* nothing there, and only paths given make it worth a word */
};
struct fs_decision {
    enum fs_choice choice;
    uint64_t *counter;
    uint64_t *content_counter; /* counted when a directory's content is left out */
    bool enter;                /* look for something inside */
    bool whole;                /* and take all of it */
    bool implied;
    bool hands_off; /* see struct fs_item */
    struct pattern_match excluded;
    struct pattern_match may_change;
    struct fs_system system;
};

struct fs_walk {
    struct fs_frame *frames;
    size_t depth;
    size_t cap;
    size_t pending; /* frames that are pending */
    struct vv_buf path;
    uint64_t emitted;
    size_t missing_at; /* paths given that are to be reported as missing */
    size_t missing_to;
    bool started;
    bool keep_below; /* all below `path` is kept */
};

struct fs_source {
    struct source base;
    struct source_fs_options options;
    const struct source_unchanged *unchanged; /* NULL: everything is looked at */
    struct fs_handles handles;
    struct fs_names names;
    struct fs_systems systems;
    struct fs_roots roots;
    struct fs_walk walk;
    uint32_t euid;
    uint8_t *list_buffer; /* of FS_LIST_BUFFER bytes, for getdents64 */
    atomic_bool proc_missing_said;
};

MUST_CHECK enum vv_rc fs_next(struct source *s, struct source_item *ret, bool *ret_end,
                              struct vv_error *err);
void fs_walk_release(struct fs_source *fs);
/** fs_choose(fs, frame, child, ret, err): what becomes of ${child}; counts nothing itself. */
MUST_CHECK enum vv_rc fs_choose(struct fs_source *fs, const struct fs_frame *frame,
                                const struct fs_child *child, struct fs_decision *ret,
                                struct vv_error *err);
/** fs_batch_load(fs, frame, err): make frame->batch hold frame->next. */
MUST_CHECK enum vv_rc fs_batch_load(struct fs_source *fs, struct fs_frame *frame,
                                    struct vv_error *err);

/** fs_push(fs, frame, parent, name, ret_error, err): push ${frame} (its choices and stat are set)
 * for the directory ${name} in ${parent} (NULL: the root).  *ret_error: an errno if it could not be
 *  opened (then it is not pushed) or not listed completely. */
MUST_CHECK enum vv_rc fs_push(struct fs_source *fs, struct fs_frame *frame, struct fs_dir *parent,
                              const char *name, int *ret_error, struct vv_error *err);
void fs_pop(struct fs_source *fs);

/* Something to emit. */
struct fs_emission {
    struct fs_dir *dir; /* that it is in; NULL: nowhere (missing) */
    const char *name;
    struct vv_span path;
    const struct fs_stat *stat; /* NULL: unknown */
    uint32_t file_system;
    int error;
    bool implied;
    bool may_change;
    bool hands_off;
};

MUST_CHECK enum vv_rc fs_emit(struct fs_source *fs, const struct fs_emission *e,
                              struct source_item *ret, struct vv_error *err);

/* ---- what is kept (fs_keep.c) ---- */

/** fs_look_root(fs, frame, err), fs_look(fs, frame, child, d, ret, err): how much of a directory must be
 *  looked at (U1 to U3); CHANGE_NONE: nothing, all below it is kept. */
MUST_CHECK enum vv_rc fs_look_root(struct fs_source *fs, struct fs_frame *frame,
                                   struct vv_error *err);
MUST_CHECK enum vv_rc fs_look(struct fs_source *fs, const struct fs_frame *frame,
                              const struct fs_child *child, const struct fs_decision *d,
                              enum change *ret, struct vv_error *err);
/** fs_leads_on(fs, child, d, ret, err): of a name in a frame of CHANGE_BELOW: is it worth going on with?  Not what
 *  was not there before: its directory will be in the next set of changes. */
MUST_CHECK enum vv_rc fs_leads_on(struct fs_source *fs, const struct fs_child *child,
                                  const struct fs_decision *d, bool *ret, struct vv_error *err);
/** fs_list_changed(fs, frame): add the names that lead to changes.  An errno. */
int fs_list_changed(struct fs_source *fs, struct fs_frame *frame);
/** fs_component(path, frame): the name in ${frame} that leads to ${path}. */
struct vv_span fs_component(struct vv_span path, const struct fs_frame *frame);
/** fs_emit_kept_below(fs, ret, err): the range below the walk's path. */
MUST_CHECK enum vv_rc fs_emit_kept_below(struct fs_source *fs, struct source_item *ret,
                                         struct vv_error *err);
/** fs_emit_kept(fs, frame, ret, err): the range before the next name of the top frame. */
MUST_CHECK enum vv_rc fs_emit_kept(struct fs_source *fs, struct fs_frame *frame,
                                   struct source_item *ret, struct vv_error *err);

/* ---- items (fs_item.c, fs_open.c, fs_attributes.c, fs_extents.c, fs_read.c) ---- */

struct fs_item {
    struct fs_dir *dir; /* it is in */
    const char *name;   /* the end of path; "." for the root directory */
    uint64_t device;
    bool hands_off; /* a file system not to be entered is mounted here */
    struct path_range kept;
    char path[]; /* NUL-terminated; with kept: where its ends are */
};
/** fs_entry_fill(fs, stat, e): everything stat tells, but path and file system number. */
void fs_entry_fill(struct fs_source *fs, const struct fs_stat *stat, struct entry *e);
void fs_item_release(struct source *s, struct source_item *item);
enum source_status fs_open(struct source *s, struct source_item *item, struct vv_arena *arena,
                           struct source_file **ret, struct source_problem *problem);

struct fs_file {
    struct source_file base;
    int fd;
    struct fs_stat stat;    /* when it was opened */
    struct extent *extents; /* own copy; NULL: no holes */
    uint64_t *starts;       /* extent i holds content from starts[i]; starts[count]: all of it */
    uint32_t extent_count;
    bool sparse;
    bool racy;
    _Atomic uint64_t end; /* file offset it was found to end at, UINT64_MAX: not yet */
};
enum source_status fs_read(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len,
                           size_t *ret_len, struct source_problem *problem);
enum source_status fs_close(struct source_file *f, struct entry *entry,
                            struct source_problem *problem);
void fs_file_free(struct fs_file *f);

/** fs_map_extents(f): fill in extents if the file has holes.  0 or an errno. */
int fs_map_extents(struct fs_file *f);
/** fs_racy(stat): its last change is less than 2 s ago, or in the future. */
bool fs_racy(const struct fs_stat *stat);

/** How to ask for attributes: by descriptor, or (O_PATH) through /proc/self/fd. */
struct fs_object {
    int fd;
    bool path_only;
};
/** fs_read_xattrs(o, arena, e): sorted by name, ENTRY_HAS_XATTRS when there are any.  0 or an
 * errno; ENOENT: /proc is not mounted. */
int fs_read_xattrs(const struct fs_object *o, struct vv_arena *arena, struct entry *e);
void fs_read_inode_flags(int fd, struct entry *e);
/** fs_read_target(fd, arena, e): of the symbolic link open at ${fd} (O_PATH).  0 or an errno. */
int fs_read_target(int fd, struct vv_arena *arena, struct entry *e);

#endif
