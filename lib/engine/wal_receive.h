/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_RECEIVE_H
#define VARVE_ENGINE_WAL_RECEIVE_H

#include "repo/snapshots.h"

/*
 * Receives a server's WAL as it is written: from the stream into the journal, and from there into the
 * repository.
 *
 * V1  a position is acknowledged to the server when it is safe in the journal (J1), inside segments too,
 *     and as flushed and applied alike; so with synchronous_commit on and the receiver named in
 *     synchronous_standby_names no commit is told before it is here;
 * V2  it goes on where the journal ended, else where the repository's WAL ends, else at the slot; on
 *     another timeline as the server's histories say, never by counting;
 * V3  what the server does not have any more is a gap: told, written down, and nothing is made up;
 * V4  a timeline's history is in the repository before its WAL;
 * V5  a server with another system identifier is refused, at every connection.
 *
 * One thread talks to the server and appends to the journal, another publishes (engine/wal_pace.h).
 * Trouble with the repository lets the journal grow; at its limit nothing more is taken from the server,
 * which is told so all the time.
 */
struct wal_receive_options {
    const char *target;     /* as postgres_open takes it */
    const char *slot;       /* made if it is missing */
    const char *program;    /* the name a server knows its synchronous standbys by */
    bool once;              /* up to where the server is now, and end */
    bool unbounded_slot;    /* a server that keeps WAL without bound is accepted */
    uint64_t journal_limit; /* bytes */
    const char *host;
    const char *user;
    int level;
};
struct wal_receive_summary {
    uint64_t system;
    uint32_t timeline; /* where it ended, acknowledged */
    uint64_t position;
    uint64_t received; /* bytes */
    uint64_t publications;
    uint64_t gaps;
    bool published; /* all of it is in the repository */
};
/** wal_receive(r, o, ret, err): until it is asked to stop (VV_ECANCELLED; nothing is lost by that).
 *  ${ret} is filled in any case.  Events: "wal-gap", "publish-failed", "journal-full", "server-lost",
 *  "timeline". */
MUST_CHECK enum vv_rc wal_receive(struct repo *r, const struct wal_receive_options *o,
                                  struct wal_receive_summary *ret, struct vv_error *err);

/** wal_journal_directory(r, system, slot, out, err): where the journal of a receiver lies, below the
 *  state directory. */
MUST_CHECK enum vv_rc wal_journal_directory(struct repo *r, uint64_t system, const char *slot,
                                            struct vv_buf *out, struct vv_error *err);

#endif
