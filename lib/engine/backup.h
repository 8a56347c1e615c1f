/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_BACKUP_H
#define VARVE_ENGINE_BACKUP_H

#include "repo/snapshots.h"
#include "source/change_set.h"
#include "source/pattern.h"
#include "source/source.h"

/*
 * Backup: sources -> chunks -> tree -> snapshot.
 *
 *   walk thread     source_next, merge join with the baseline (parent snapshot and checkpoint),
 * windows worker threads  open, read, cut, hash, look up, compress, encrypt; run to completion per
 * window tree thread     windows in walk order -> tree_writer, checkpoint
 *
 * Invariants:
 * B1  an entry is taken over from the baseline only if type, size, mtime, ctime and (same file
 *     system) inode agree and it is neither racy nor torn, and its chunks may be relied on (W8, or
 *     looked up).
 * B2  windows reach the tree in walk order, whatever the workers do; the tree does not depend on
 *     threads.
 * B3  trouble of the source is counted and named and never ends the run; trouble of the repository
 *     always does, and then nothing is committed.
 * B4  commit happens only after every worker ended well, all packs and index records are durable.
 * B5  memory does not depend on the number of files: windows in flight are bounded.
 *
 * A run that is told what has changed since an earlier snapshot (struct backup_changes) keeps the rest of
 * that snapshot's tree:
 * B6  the tree is, byte for byte, that of a run that is told nothing and finds the same state, if the
 *     changes are all there were, and nobody was given another name for the same number of an owner.
 * B7  nothing is kept of a snapshot that may not be relied on as B1 says, without look-ups: it must be there
 *     still, of this client, with these very sources and nothing but files, readable by this key, and
 *     with no list of condemned packs pending.  Else, and if it turns out to be damaged, the run looks at
 *     everything.
 * B8  what may not be taken over (racy, torn, may-change), and what could not be stored at all, is named by
 *     its directory in `unsettled`: the caller adds those to the next changes.
 * B9  a name of a file with several names changes when another one does, without a word about its own
 *     directory: such directories are in `unsettled`, too.  A file that has more names than all that were
 *     looked at account for, and than there were before, got one where nobody looked: then the run
 *     looks at everything.
 * B10 counts of what the tree holds are those of the whole tree; problems, and what was left out, are
 *     counted where the run looked.
 */
struct backup_command {
    const char *name;    /* relative path in the snapshot */
    const char *command; /* NULL: standard input */
};
/** A database cluster, taken whole: all below "postgres/NAME" (source/postgres_source.h). */
struct backup_database {
    const char *name;   /* one component of a path */
    const char *target; /* of postgres_options */
};
/** What has changed since a snapshot that was made with the same options. */
struct backup_changes {
    struct vv_uuid since;
    const struct change_set *set; /* sorted */
};
struct backup_options {
    const char *const *paths;
    size_t path_count;
    const struct backup_command *commands;
    size_t command_count;
    const struct backup_database *databases;
    size_t database_count;
    uint64_t database_rate; /* bytes a second at most; 0: no limit */
    bool database_files;    /* databases are on this machine: read their files */
    const char *archive;    /* file name or "-", NULL: none */
    const struct pattern_set *excludes;
    const struct pattern_set *may_change;
    uint64_t exclude_larger_than;
    const char *const *tags;
    size_t tag_count;
    const char *host;
    const char *user;
    const struct backup_changes *changes; /* NULL: look at everything */
    struct change_set *unsettled;         /* NULL, or: added to (B8) */
    bool
        only_changes; /* no snapshot if the tree would be that of the parent, with the same sources */
    bool keep_going;  /* commands, databases and archives that fail are left out, and named */
    bool allow_empty; /* commands may end without output */
    bool exclude_caches;
    bool one_file_system;
    bool full;
    bool dry_run;
    bool verbose;     /* emit VV_EVENT_ENTRY for new, changed and vanished files */
    unsigned threads; /* 0: by CPU */
    int level;        /* zstd level, 0: off */
};
/** Phases, as vv_progress.phase. */
enum backup_phase { BACKUP_STARTING, BACKUP_READING, BACKUP_COMMITTING, BACKUP_DONE };

struct backup_summary {
    bool committed;
    bool unchanged;           /* only_changes: the parent is as good */
    bool kept;                /* `changes` were used */
    struct snapshot snapshot; /* id, sequence, hash, time; body empty */
    struct snapshot_statistics statistics;
    bool parent_used;
    struct vv_uuid parent;
    uint64_t packs_data;
    uint64_t packs_metadata;
    bool problems; /* exit code 3 */
    bool dry_run;
    bool index_loaded;
    enum freshness freshness; /* of what was here before; the run goes on in any case */
    size_t forged;            /* records that were ignored because of their signatures */
    bool resumed;             /* a checkpoint of an interrupted run was used */
};

/**
 * backup_run(r, o, progress, ret, err): one snapshot of everything given.  Fails without a
 * snapshot if all paths are missing (VV_ENOTFOUND, VV_ORIGIN_SOURCE), a command, a database
 * or an archive fails (with keep_going they are named in the snapshot as missing instead), or the
 * repository does.
 */
MUST_CHECK enum vv_rc backup_run(struct repo *r, const struct backup_options *o,
                                 struct vv_progress *progress, struct backup_summary *ret,
                                 struct vv_error *err);

#endif
