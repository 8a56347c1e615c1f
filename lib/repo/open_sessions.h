/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_OPEN_SESSIONS_H
#define VARVE_REPO_OPEN_SESSIONS_H

#include "format/session.h"
#include "repo/admin_records.h"

/*
 * Sessions that may still publish: registered, without a slot, and in no grave.  What cannot be
 * decoded counts as open (its kind is 0).  Slots are listed before sessions, so that one that ends
 * meanwhile counts as open; and graves are looked at after that, since a slot may have been deleted
 * when one that was killed behind its commit still is registered.
 */
struct open_session {
    struct vv_uuid id;
    unsigned kind;             /* enum session_kind; 0: not known */
    uint64_t beat;             /* newest heartbeat */
    struct vv_uuid client;     /* zeros: none, or not known */
    int64_t time;              /* of the registration, by the session's own clock; 0: not known */
    struct vv_uuid *snapshots; /* named by a reader; owned by the list */
    uint32_t snapshot_count;
};
struct open_sessions {
    struct open_session *items; /* sorted by id */
    size_t count;
    struct name_list slots;    /* what snapshots/ held */
    struct name_list sessions; /* what sessions/ held */
};
void open_sessions_release(struct open_sessions *o);
/** open_sessions_read(r, admin, ret, err): ${admin} may be older than what is listed now. */
MUST_CHECK enum vv_rc open_sessions_read(struct repo *r, const struct admin_records *admin,
                                         struct open_sessions *ret, struct vv_error *err);
const struct open_session *open_sessions_find(const struct open_sessions *o,
                                              const struct vv_uuid *id);

/** session_name_parse(text, ret_id, ret_beat): "<session>" (beat 0) or "<session>.<n>". */
MUST_CHECK bool session_name_parse(const char *text, struct vv_uuid *ret_id, uint64_t *ret_beat);

/** session_fence(r, id, err): end a session from outside by creating its slot as a fence.
 *  VV_EEXISTS if it has one. */
MUST_CHECK enum vv_rc session_fence(struct repo *r, const struct vv_uuid *id, struct vv_error *err);

/** name_list_has(l, name): is it in the sorted list? */
bool name_list_has(const struct name_list *l, const char *name);

#endif
