/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_RECEIVE_INTERNAL_H
#define VARVE_ENGINE_WAL_RECEIVE_INTERNAL_H

#include "core/thread.h"
#include "engine/wal_catalog.h"
#include "engine/wal_journal.h"
#include "engine/wal_pace.h"
#include "engine/wal_receive.h"
#include "format/wal.h"
#include "postgres/postgres.h"

/* Shared by wal_receive*.c. */

/** A history to be published before WAL of its timeline. */
struct received_history {
    uint32_t timeline;
    bool done;
    struct vv_buf content;
};

struct receiver {
    struct repo *repo;
    const struct wal_receive_options *options;
    struct wal_receive_summary *sum;
    struct postgres *server; /* NULL: not connected */
    uint64_t system;
    uint32_t segment_size;
    struct postgres_system now; /* as it was at the last connection */
    struct wal_journal *journal;

    struct vv_buf held; /* taken from the stream, but not by the journal yet */
    uint64_t held_start;
    bool stalled;
    uint64_t unsynced;    /* bytes in the journal that are not safe yet */
    uint64_t status_sent; /* monotonic, ns */
    uint64_t heard;       /* monotonic, ns: the last message */

    struct vv_thread publisher;
    struct vv_mutex lock; /* guards all below */
    struct vv_cond wake;
    bool stop;  /* the publisher is to end... */
    bool drain; /* ... when all is published */
    bool publisher_ended;
    enum vv_rc publish_rc; /* what it ended with */
    struct vv_error publish_error;
    struct received_history *histories;
    size_t history_count;
};

static inline uint64_t
receiver_clock(const struct receiver *v)
{
    const struct vv_clock *clock = repo_clock(v->repo);

    return clock->monotonic(clock);
}

/* wal_receive_resume.c */
/** receiver_open_journal(v, err): of this cluster and slot. */
MUST_CHECK enum vv_rc receiver_open_journal(struct receiver *v, struct vv_error *err);
/** receiver_resume(v, err): open the journal an earlier run has left, if there is one, without the server:
 *  what is in it can be published, even if the server never comes back. */
MUST_CHECK enum vv_rc receiver_resume(struct receiver *v, struct vv_error *err);

/* wal_receive_connect.c */
/** receiver_connect(v, err): connect, check that it is the right server, and begin to stream where the
 *  journal ends (V2, V4, V5). */
MUST_CHECK enum vv_rc receiver_connect(struct receiver *v, struct vv_error *err);
/** receiver_next_timeline(v, timeline, at, err): the stream has ended there. */
MUST_CHECK enum vv_rc receiver_next_timeline(struct receiver *v, uint32_t timeline, uint64_t at,
                                             struct vv_error *err);
/** receiver_gap(v, err): the server does not have what comes next: V3. */
MUST_CHECK enum vv_rc receiver_gap(struct receiver *v, struct vv_error *err);

/* wal_receive_publish.c */
void publisher_main(void *receiver);

#endif
