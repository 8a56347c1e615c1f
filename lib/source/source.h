/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_SOURCE_H
#define VARVE_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/event.h"
#include "core/thread.h"
#include "format/entry.h"

struct change_set;  /* source/change_set.h */
struct path_range;  /* format/common.h */
struct pattern_set; /* source/pattern.h */
struct snapshot_file_system;

/*
 * Where entries come from.  Two shapes behind one interface:
 *  - walks (the file system): items come in tree order (path_compare) and may be opened later, by
 *    any thread, in any order, several at once;
 *  - sequences (a command's output, an archive): items come in any order, an item's content must be
 *    read to its end before the next item is asked for, and the verdict over the whole is known
 *    only at source_end.
 *
 * Trouble of a single entry is a source_status with a text, never an enum vv_rc: it cannot be taken
 * for trouble of the repository.  enum vv_rc is for what ends the run (memory, cancellation,
 * a command that failed: VV_ORIGIN_SOURCE).
 */
enum source_status {
    SOURCE_OK = 0,
    SOURCE_VANISHED,   /* was there when its directory was read, is gone now */
    SOURCE_UNREADABLE, /* permission, I/O error */
    SOURCE_REPLACED,   /* another type or inode than when it was listed */
    SOURCE_CHANGED,    /* content or size moved while it was read */
    SOURCE_GREW,       /* only grew; what was read is the prefix it had when opened */
};
struct source_problem {
    int sys;        /* errno or 0 */
    char text[256]; /* "permission denied", lower case */
};

/** Something to back up.  entry: what stat tells (type, mode, owner and names, times, inode, nlink,
 *  size, device numbers, file system number); its pointers live until source_item_release.
 *  source_open tells all of it again as of then: what is stored is never older than its ctime. */
struct source_item {
    struct entry entry;
    enum source_status status; /* not SOURCE_OK: it could not even be looked at (problem says why);
                                  type 0: nothing is known but the path.  A directory with a type
                                  is itself whole, but could not be listed (completely) */
    struct source_problem problem;
    bool may_change;        /* matched --may-change */
    struct vv_span link_to; /* sequences: a hard link to this earlier member; content is its */
    const struct path_range
        *kept;    /* not NULL: no entry at all, but all that was there before in this
                                      range is there still (struct source_unchanged) */
    void *handle; /* the driver's */
};

struct source;
struct source_ops;

/** An entry being read.  Drivers embed it as their first member. */
struct source_file {
    const struct source_ops *ops;
};

/** What a walk left out by nature or by order; grows during the walk, read it after the end. */
struct source_counts {
    uint64_t excluded;
    uint64_t sockets;
    uint64_t skipped_file_systems; /* proc, sysfs and the like, and other file systems with -x */
    uint64_t roots_missing;
    uint64_t roots_found;
};

struct source_ops {
    bool sequence;
    enum vv_rc (*next)(struct source *s, struct source_item *ret, bool *ret_end,
                       struct vv_error *err);
    void (*item_release)(struct source *s, struct source_item *item);
    enum source_status (*open)(struct source *s, struct source_item *item, struct vv_arena *arena,
                               struct source_file **ret, struct source_problem *problem);
    enum source_status (*read)(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len,
                               size_t *ret_len, struct source_problem *problem);
    enum source_status (*close)(struct source_file *f, struct entry *entry,
                                struct source_problem *problem);
    enum vv_rc (*end)(struct source *s, struct vv_error *err);
    void (*free)(struct source *s);
};
/** Drivers embed it as their first member.  ops->end may be NULL. */
struct source {
    const struct source_ops *ops;
    struct source_counts counts;
};

/** source_next(s, ret, ret_end, err): the next item, or *ret_end.  ${ret} must be released with
 *  source_item_release, at any time, from any thread.  One thread calls source_next. */
MUST_CHECK enum vv_rc source_next(struct source *s, struct source_item *ret, bool *ret_end,
                                  struct vv_error *err);
void source_item_release(struct source *s, struct source_item *item);

/**
 * source_open(s, item, arena, ret, problem): Learn the rest of item->entry: symbolic link's target,
 * xattrs, inode flags, data extents (all allocated in ${arena}), and for regular files open the
 * content (*ret; NULL for every other type).  Access time is left alone where that is allowed.
 * *ret is set only with SOURCE_OK.  SOURCE_VANISHED, _UNREADABLE and _REPLACED are possible;
 * extended attributes alone that cannot be read are an event (problem "xattr-unreadable"), not a
 * status. ENTRY_RACY is set here for every type. Thread-safe for walks.
 */
enum source_status source_open(struct source *s, struct source_item *item, struct vv_arena *arena,
                               struct source_file **ret, struct source_problem *problem);

/**
 * source_read(f, offset, buf, len, ret_len, problem): content bytes from ${offset} of the *stored*
 * content (the data extents one after the other; holes left out).  *ret_len < len only at the end
 * as it was when opened (growth is not followed).  Sequences accept only the next offset.
 * Thread-safe for walks.
 */
enum source_status source_read(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len,
                               size_t *ret_len, struct source_problem *problem);

/** source_close(f, entry, problem): look again after reading: SOURCE_OK, SOURCE_CHANGED (torn) or
 *  SOURCE_GREW; sets times and size in ${entry} to what was read (after a file shrank: extents
 * too), and ENTRY_RACY where its last change is under 2 s before reading (or in the future).  Frees
 *  ${f} in any case. */
enum source_status source_close(struct source_file *f, struct entry *entry,
                                struct source_problem *problem);

/** source_end(s, err): the verdict over the whole (a command's exit status); VV_OK for walks. */
MUST_CHECK enum vv_rc source_end(struct source *s, struct vv_error *err);
void source_free(struct source *s);
VV_DEFINE_CLEANUP(struct source, source_free);

/** Identity of a directory that is never backed up (repository, cache, state). */
struct source_identity {
    uint64_t device;
    uint64_t inode;
};

/**
 * What a walk need not look at, since it is as it was in an earlier walk with the same options, of which
 * somebody has the entries.
 *
 * U1  a directory that is not in `changes`, with nothing below it that is, and that `known` knows, is not
 *     opened, nor what is in it looked at: behind its item comes one with `kept`, for all that is below.
 *     If something below it is, only what leads there is looked at, and the rest is kept.
 * U2  the directory itself is looked at in any case if anything beside it is; all above the paths given
 *     are, and these themselves.
 * U3  whatever is not known, excluded with something included again below, or below such a one, is
 *     walked whole.
 * U4  numbers of file systems go on counting from the earlier walk's table, so that what is kept and what
 *     is new count alike.
 */
struct source_unchanged {
    const struct change_set *changes; /* sorted */
    /** known(ctx, path, e, ret, err): was it there, the same directory, with all that was in it?  Of
     *  ${e} inode and file_system are told.  Called in the order of paths, from source_next. */
    enum vv_rc (*known)(void *ctx, struct vv_span path, const struct entry *e, bool *ret,
                        struct vv_error *err);
    void *ctx;
    const struct snapshot_file_system *file_systems;
    uint32_t file_system_count;
};

/** The file system as a source.  All borrowed for the source's life. */
struct source_fs_options {
    const char *const *paths; /* as the user gave them */
    size_t path_count;
    const struct pattern_set *excludes;   /* NULL: none; matched against absolute paths */
    const struct pattern_set *may_change; /* NULL: none */
    bool exclude_caches;                  /* CACHEDIR.TAG: keep the directory and the tag only */
    uint64_t exclude_larger_than;         /* 0: no limit */
    bool one_file_system;                 /* -x */
    const struct source_identity *never;  /* skipped silently, counted */
    size_t never_count;
    struct vv_events *events; /* notices; may be NULL */
    struct vv_cancel *cancel;
};
/**
 * source_fs_new(o, ret, err): walks the paths given, sorted, nested ones once, directories above
 * them as ENTRY_IMPLIED.  Directory symlinks are never followed.  A path given that is missing
 * becomes an item with status SOURCE_VANISHED and counts.roots_missing.  Nodump-flagged files
 * and pseudo file systems (proc, sysfs, cgroup, devpts, debugfs, ...) are left out and counted;
 * the directory such a file system is mounted on is kept, empty.
 *  - The first item is the root directory, with an empty path.
 *  - Symbolic links in the middle of a path given are followed, so that the tree is what the
 * machine has; one at its end is kept as a link, unless the path ends in '/'.  Both give a notice.
 *  - A path given is taken whatever the patterns, the size limit, the nodump flag and -x say; these
 *    (and patterns matching directories above it) count for what is below it only.
 *  - A directory that is excluded, but holds something a "!" pattern includes again, is
 * ENTRY_IMPLIED. VV_EUSAGE for an empty or over-long path.  Items must be released before
 * source_free.
 */
MUST_CHECK enum vv_rc source_fs_new(const struct source_fs_options *o, struct source **ret,
                                    struct vv_error *err);
/** source_fs_file_systems(s, ret_count): the table entry.file_system counts from 1 in; valid until
 *  the source is freed, grows during the walk. */
const struct snapshot_file_system *source_fs_file_systems(struct source *s, uint32_t *ret_count);
/** source_fs_keep(s, u, err): before the first item: walk as ${u} allows, which must outlive the walk. */
MUST_CHECK enum vv_rc source_fs_keep(struct source *s, const struct source_unchanged *u,
                                     struct vv_error *err);
/** source_fs_pseudo(type): a file system of that type (statfs(2)) holds nothing to back up. */
bool source_fs_pseudo(uint64_t type);
/** source_fs_roots(s, ret_count): absolute, normalised source paths (for the snapshot record). */
const struct vv_span *source_fs_roots(struct source *s, size_t *ret_count);

/** A command's output (bash -o pipefail -c COMMAND) or standard input as one file at ${name}.
 *  source_end fails (VV_ORIGIN_SOURCE) if the command failed anywhere in its pipe, was killed, or
 *  yielded nothing without ${allow_empty}; the message carries the end of its stderr. */
struct source_command_options {
    const char *name;    /* relative path at the snapshot's root */
    const char *command; /* NULL: standard input */
    bool allow_empty;
    struct vv_cancel *cancel;
};
MUST_CHECK enum vv_rc source_command_new(const struct source_command_options *o,
                                         struct source **ret, struct vv_error *err);

/** The members of an archive (tar, cpio, zip; compressed or not); ${path} "-" is standard input.
 *  Opened by the first source_next, which fails for what is no archive.
 *  - Names are sanitised as in restore; a member that cannot be kept becomes an item with a status.
 *    One of which only something (an ACL, say) cannot be kept comes twice: first such an item,
 *    which tells what, then itself.  The root ("./") is left out, sockets are left out and counted.
 *  - A member that may have links has an inode number no other member has, made from its path, and
 *    file_system 0; whoever keeps the items sets nlink when a link_to it comes.
 *  - An archive that is damaged or cut off fails source_next or source_end (VV_ORIGIN_SOURCE). */
MUST_CHECK enum vv_rc source_archive_new(const char *path, struct vv_cancel *cancel,
                                         struct source **ret, struct vv_error *err);

#endif
