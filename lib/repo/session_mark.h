/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SESSION_MARK_H
#define VARVE_REPO_SESSION_MARK_H

#include "repo/open_sessions.h"

/*
 * Which of a repository's sessions this host's processes are at: an empty file session-<id> in the state
 * directory, held by flock(2).  The kernel lets go of it when the process ends, however it ends.
 *
 * M1  a mark is held before its session is registered, and until the session is freed: an open session
 *     whose mark is there and not held has nobody any more who could commit it;
 * M2  where there is no mark nothing is known: another host's session, no state directory, or one on a
 *     file system without locks;
 * M3  nothing is lost if that is wrong (a state directory that was copied): what follows from it is a
 *     fence, which a run that is alive meets when it commits, and begins again (W6).
 */

/** session_mark_hold(r, session): make and hold it; -1: none could be made. */
int session_mark_hold(struct repo *r, const struct vv_uuid *session);
/** session_mark_release(r, session, fd, ended): let go; of a session that has ended no mark stays. */
void session_mark_release(struct repo *r, const struct vv_uuid *session, int fd, bool ended);
/** session_mark_left(r, session): was it left behind by a process of this host that is gone? */
bool session_mark_left(struct repo *r, const struct vv_uuid *session);
/** session_marks_sweep(r, open): away with what is left of sessions that are not open any more. */
void session_marks_sweep(struct repo *r, const struct open_sessions *open);

#endif
