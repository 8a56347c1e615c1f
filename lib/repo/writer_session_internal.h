/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_WRITER_SESSION_INTERNAL_H
#define VARVE_REPO_WRITER_SESSION_INTERNAL_H

#include "core/thread.h"
#include "repo/writer_session.h"

/* Shared by writer_session.c and writer_commit.c. */

struct writer_session {
    struct repo *repo;
    struct vv_uuid id;
    enum session_kind kind;
    const struct client_keys *client; /* borrowed from local state; NULL: a replication */
    char certificate[STORAGE_COMPONENT_MAX + 1];
    struct condemned_set condemned;
    struct admin_records admin;
    bool parent_reuse; /* no list was pending at the first read after registering */
    bool ended;        /* found to have been ended from outside */
    bool closed;       /* it has a slot: this run's, or a fence */
    int mark;          /* session_mark.h */
    uint64_t beats;
    uint64_t last_beat; /* monotonic ns */
    struct vv_thread heart;
    struct vv_mutex lock; /* guards stop, beats, last_beat */
    struct vv_cond wake;
    bool stop;
};

/** writer_create_slot(s, records, count, err): W6; VV_EREFUSED: somebody was faster. */
MUST_CHECK enum vv_rc writer_create_slot(struct writer_session *s, struct vv_span records,
                                         uint32_t count, struct vv_error *err);

#endif
