/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_RESTORE_H
#define VARVE_ENGINE_RESTORE_H

#include "repo/snapshots.h"
#include "sink/sink.h"
#include "source/pattern.h"

/*
 * Restore: tree -> plan (chunks by pack and block) -> decode each block once, scatter to its files
 * -> attributes -> verify pass.
 *
 * Invariants:
 * R1  nothing reaches the target that was not authenticated and whose chunk id was not recomputed.
 * R2  a damaged chunk costs only the file it is in: the file is restored under its name with that
 *     range as zeros only if partial files are asked for (default: not created, left out), and path
 *     and byte range are reported; everything else is restored.
 * R3  what already matches (sizes, times, then content by chunk id) is not fetched again.
 * R4  memory is bounded: the plan is made for at most PLAN_CHUNKS chunks at a time.
 */
struct restore_options {
    struct vv_span path;    /* subtree of the snapshot; empty: everything */
    bool path_given;        /* its content goes into the target (a single file: target/name) */
    struct vv_span without; /* the path of one entry that is left out; empty: none */
    const struct pattern_set *includes;
    const struct pattern_set *excludes;
    enum sink_overwrite overwrite;
    enum sink_owner owner;
    const char *target;
    bool delete_extra; /* remove what the snapshot does not have (below what is restored) */
    bool verify;
    bool dry_run;
    bool inert; /* without device nodes and set-id bits: to look at, not to be used */
    bool verbose;
    unsigned threads;
};
enum restore_phase {
    RESTORE_PLANNING,
    RESTORE_WRITING,
    RESTORE_FINISHING,
    RESTORE_VERIFYING,
    RESTORE_DONE
};
struct restore_summary {
    uint64_t files; /* restored */
    uint64_t directories;
    uint64_t others;
    uint64_t hard_links;
    uint64_t bytes;         /* logical bytes of restored files */
    uint64_t already;       /* entries that already matched */
    uint64_t kept;          /* different ones kept (overwrite never) */
    uint64_t deleted;       /* by --delete (or that would be) */
    uint64_t damaged;       /* files with unreadable chunks */
    uint64_t failed;        /* entries the target refused */
    uint64_t bytes_read;    /* from the repository */
    uint64_t bytes_planned; /* dry run: stored bytes that would be read */
    bool verified;
    bool verified_from_memory; /* the target has no device to read from */
    uint64_t verified_files;
    uint64_t verified_bytes;
    uint64_t verify_differences;
    uint64_t not_verified; /* could not be read back; verified is false then */
    uint64_t duration_ns;
    uint64_t verify_ns;
    uint64_t measured_rate; /* dry run: bytes a second, measured on a sample of the plan's blocks */
    bool problems;
};
/** restore_summary_add(sum, one): what two runs came to. */
void restore_summary_add(struct restore_summary *sum, const struct restore_summary *one);
MUST_CHECK enum vv_rc restore_run(struct repo *r, const struct snapshot *snap,
                                  const struct restore_options *o, struct vv_progress *progress,
                                  struct restore_summary *ret, struct vv_error *err);

#endif
