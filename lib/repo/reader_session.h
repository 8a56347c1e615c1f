/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_READER_SESSION_H
#define VARVE_REPO_READER_SESSION_H

#include "repo/repo.h"

/*
 * A long reader tells prunes what it reads: a session of kind reader that names snapshots.
 *
 * Q1  it is an aid and no condition: a prune keeps forgotten snapshots that a reader names until the
 *     reader has ended or shown no sign of life for an hour; it never waits for one. What moves while
 *     it is read is found again in any case (pack_reader.h); losing the registration can only abort
 *     a read;
 * Q2  that it cannot be made, where nothing can be written, is noted and stops nothing;
 * Q3  it goes with its run; what a killed one leaves, and where nothing can be deleted, goes with the
 *     first prune that finds it still for an hour;
 * Q4  on a long line reading does not wait for it: the thread of the heartbeats registers.
 */
struct reader_session;

/** reader_session_begin(r, snapshots, count): register; NULL if that cannot be done (a notice).
 *  Heartbeats every ten minutes, by a thread of its own.  (Q4: not NULL then, and the notice later.) */
struct reader_session *reader_session_begin(struct repo *r, const struct vv_uuid *snapshots,
                                            size_t count);
/** reader_session_beat(s): publish a heartbeat if one is due by the repository's clock (the thread
 *  calls it; tests call it with a manual clock). */
void reader_session_beat(struct reader_session *s);
/** reader_session_end(s): NULL is no session.  ${clean} false: leave its files, the storage does not
 *  answer. */
enum reader_end { READER_LEAVE, READER_CLEAN };
void reader_session_end(struct reader_session *s, enum reader_end how);

#endif
