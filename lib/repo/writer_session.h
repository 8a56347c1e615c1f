/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_WRITER_SESSION_H
#define VARVE_REPO_WRITER_SESSION_H

#include "format/session.h"
#include "repo/admin_records.h"
#include "repo/repo.h"

/*
 * The writer's half of the prune protocol (models/prune_model.py names the steps):
 *
 * W1  register `sessions/<sid>` before the first look at anything that will be relied on;
 * W2  then read condemned lists and suspects;
 * W3  then index segments (index_load);
 * W4  then list the pack shards that had a hit: a record counts only if its full name is listed and
 *     not condemned (index_usable); start again from W2 when anything listed vanishes;
 * W5  publish packs, then index records;
 * W6  commit by exclusively creating one's own slot, once;
 * W7  read graves before reporting success: one's own session there means it was fenced.
 * W8  a parent may be reused without look-ups only if, after W1, no condemned list is pending and
 *     then the parent is seen live; otherwise every chunk goes through the index.
 * Heartbeats: sessions/<sid>.<n> every ten minutes of the monotonic clock, by a thread of its own.
 */
struct writer_session;

/** writer_session_begin(r, kind, ret, err): W1 and W2; certifies this client if need be.  A
 *  replication signs nothing, nor a repair without a key: its session names no client (zeros), needs neither a key nor a
 *  certificate, and writer_session_client must not be asked for.
 *  VV_EREFUSED if this client was revoked or may only read, or the place has no identity (`site`);
 *  VV_EIO if a record that decides about writing cannot be read. */
MUST_CHECK enum vv_rc writer_session_begin(struct repo *r, enum session_kind kind,
                                           struct writer_session **ret, struct vv_error *err);
/** writer_session_free(s): ends the heartbeat.  A session that did not commit stays open: its packs
 *  and index records serve the next run, and a prune resolves it, on this host at once (session_mark.h). */
void writer_session_free(struct writer_session *s);
VV_DEFINE_CLEANUP(struct writer_session, writer_session_free);

const struct vv_uuid *writer_session_id(const struct writer_session *s);
/** W2 as read after registering; re-read with writer_session_refresh (after something vanished). */
const struct condemned_set *writer_session_condemned(const struct writer_session *s);
const struct admin_records *writer_session_admin(const struct writer_session *s);
MUST_CHECK enum vv_rc writer_session_refresh(struct writer_session *s, struct vv_error *err);
/** W8, first half: no condemned list was pending after registering. */
bool writer_session_parent_reuse(const struct writer_session *s);

/** writer_session_client(s): this client's keys; certified (its certificate is in the repository).
 */
const struct client_keys *writer_session_client(const struct writer_session *s);
/** writer_session_certificate(s): the certificate's name in admin/. */
const char *writer_session_certificate(const struct writer_session *s);

/** writer_session_beat(s, err): publish one heartbeat if one is due by the repository's clock (the
 *  thread calls it; tests call it with a manual clock). */
MUST_CHECK enum vv_rc writer_session_beat(struct writer_session *s, struct vv_error *err);

/** writer_session_commit(s, records, count, err): W6 and W7: create the slot with ${count} snapshot
 *  records (slot_append_record; 0: finished without a snapshot).  VV_EREFUSED "fenced" if a prune
 *  was faster (or something else lies in the slot's place): nothing is visible then, take a new
 *  session.  A lost reply is settled by reading back.  After any other error the records may be
 *  visible, or become so: the message says what is known. */
MUST_CHECK enum vv_rc writer_session_commit(struct writer_session *s, struct vv_span records,
                                            uint32_t count, struct vv_error *err);

/** writer_session_was_fenced(s, rc, err): a run with this session failed with ${*rc}: because the session
 *  was ended from outside?  Commit has found that, or the slot or a grave tells it now: a prune that
 *  fences removes temporary files and, in time, packs.  Then ${*rc} and ${err} are, or become, commit's
 *  VV_EREFUSED; else both stay what they are. */
bool writer_session_was_fenced(struct writer_session *s, enum vv_rc *rc, struct vv_error *err);

#endif
