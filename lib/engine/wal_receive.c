/* SPDX-License-Identifier: BSD-2-Clause */
/* The receiving half of a receiver: from the stream into the journal, and acknowledged. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/wal_receive_internal.h"

#define MS UINT64_C(1000000)
#define STATUS_EVERY (10000 * MS)
#define SILENCE (90000 * MS) /* a server says something every half of its wal_sender_timeout */
#define SYNC_BYTES (1u << 20)
#define WAIT_MS 200u
#define RETRY_FIRST_MS 500u
#define RETRY_MOST_MS 1000u

enum vv_rc
wal_journal_directory(struct repo *r, uint64_t system, const char *slot, struct vv_buf *out,
                      struct vv_error *err)
{
    const char *state = NULL;

    if (repo_state(r) == NULL) {
        return vv_error_set(err, VV_EUSAGE, "the journal needs a state directory");
    }
    (void)local_state_directory(repo_state(r), &state);
    vv_buf_printf(out, "%s/wal-%llu-%s", state, (unsigned long long)system, slot);
    return vv_buf_check(out, err);
}

/** V1 */
static enum vv_rc
send_status(struct receiver *v, struct vv_error *err)
{
    struct wal_place safe = wal_journal_safe(v->journal);
    const struct vv_clock *clock = repo_clock(v->repo);
    struct postgres_stream_status s = {.written = wal_journal_end(v->journal).lsn,
                                       .flushed = safe.lsn,
                                       .applied = safe.lsn,
                                       .now = clock->realtime(clock),
                                       .answer = receiver_clock(v) - v->heard > SILENCE / 3};

    VV_TRY(postgres_stream_status(v->server, &s, err));
    v->status_sent = receiver_clock(v);
    return VV_OK;
}

/** Make safe what was appended, say so, and let the publisher know. */
static enum vv_rc
sync_journal(struct receiver *v, struct vv_error *err)
{
    struct wal_place safe;

    VV_TRY(wal_journal_sync(v->journal, err));
    v->unsynced = 0;
    safe = wal_journal_safe(v->journal);
    v->sum->timeline = safe.timeline;
    v->sum->position = safe.lsn;
    vv_mutex_lock(&v->lock);
    vv_cond_signal(&v->wake);
    vv_mutex_unlock(&v->lock);
    return send_status(v, err);
}

static void
tell_full(struct receiver *v, const struct vv_error *why)
{
    if (!v->stalled) {
        vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, "journal-full", vv_span(NULL, 0),
                "%s: no more WAL is taken from the server until the repository has taken some",
                why->message);
    }
    v->stalled = true;
}

/** Into the journal; what it does not take is held, and the server waits. */
static enum vv_rc
take(struct receiver *v, uint64_t start, struct vv_span data, struct vv_error *err)
{
    uint64_t before = wal_journal_end(v->journal).lsn;
    enum vv_rc rc = wal_journal_append(v->journal, start, data, err);
    uint64_t taken = wal_journal_end(v->journal).lsn - before;

    v->unsynced += taken;
    v->sum->received += taken;
    if (rc != VV_ELIMIT && rc != VV_ENOSPACE) {
        return rc;
    }
    tell_full(v, err);
    vv_error_clear(err);
    if (v->held.data != data.data) {
        vv_buf_reset(&v->held);
        vv_buf_put(&v->held, data.data + taken, data.len - (size_t)taken);
    } else {
        memmove(v->held.data, v->held.data + taken, v->held.len - (size_t)taken);
        v->held.len -= (size_t)taken;
    }
    v->held_start = start + taken;
    return vv_buf_check(&v->held, err);
}

/** While the journal is full: try again, and keep the connection. */
static enum vv_rc
wait_for_room(struct receiver *v, struct vv_error *err)
{
    v->stalled = true;
    VV_TRY(sync_journal(v, err));
    repo_clock(v->repo)->sleep(repo_clock(v->repo), WAIT_MS * MS);
    v->heard = receiver_clock(v); /* it is us who do not listen */
    VV_TRY(take(v, v->held_start, vv_buf_span(&v->held), err));
    if (wal_journal_end(v->journal).lsn >= v->held_start + v->held.len) {
        vv_buf_reset(&v->held);
        v->stalled = false;
        vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, "journal-full", vv_span(NULL, 0),
                "the journal takes WAL again");
    }
    return VV_OK;
}

static enum vv_rc
handle(struct receiver *v, const struct postgres_stream_message *m, struct vv_error *err)
{
    switch (m->kind) {
    case POSTGRES_STREAM_NOTHING:
        return v->unsynced > 0 ? sync_journal(v, err) : VV_OK;
    case POSTGRES_STREAM_WAL:
        v->heard = receiver_clock(v);
        VV_TRY(take(v, m->start, m->data, err));
        return v->unsynced >= SYNC_BYTES ? sync_journal(v, err) : VV_OK;
    case POSTGRES_STREAM_KEEPALIVE:
        v->heard = receiver_clock(v);
        return m->answer ? sync_journal(v, err) : VV_OK;
    case POSTGRES_STREAM_TIMELINE_END:
        VV_TRY(wal_journal_sync(v->journal, err));
        v->unsynced = 0;
        return receiver_next_timeline(v, m->next_timeline, m->next_start, err);
    case POSTGRES_STREAM_END:
        break;
    }
    (void)vv_error_set(err, VV_ETRANSIENT, "%s has ended the stream", postgres_name(v->server));
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ETRANSIENT);
}

/** --once: is all here that the server had when it was asked? */
static bool
is_enough(const struct receiver *v, const struct postgres_system *goal)
{
    struct wal_place safe = wal_journal_safe(v->journal);

    return v->options->once && safe.timeline == goal->timeline && safe.lsn >= goal->position;
}

static bool
publisher_has_ended(struct receiver *v)
{
    bool ended;

    vv_mutex_lock(&v->lock);
    ended = v->publisher_ended;
    vv_mutex_unlock(&v->lock);
    return ended;
}

/** Until the stream ends, for whatever reason; VV_OK: there is enough. */
static enum vv_rc
stream(struct receiver *v, const struct postgres_system *goal, struct vv_error *err)
{
    VV_TRY(send_status(v, err));
    while (!is_enough(v, goal)) {
        struct postgres_stream_message m = {0};
        uint64_t now;
        VV_TRY(vv_cancel_check(repo_cancel(v->repo), err));
        if (publisher_has_ended(v)) { /* its own failure is told */
            return vv_error_set(err, VV_EIO, "WAL cannot be published");
        }
        if (v->held.len > 0) {
            VV_TRY(wait_for_room(v, err));
            continue;
        }
        VV_TRY(postgres_stream_next(v->server, v->unsynced > 0 ? 0 : WAIT_MS, &m, err));
        VV_TRY(handle(v, &m, err));
        now = receiver_clock(v);
        if (now - v->heard > SILENCE) {
            (void)vv_error_set(err, VV_ETRANSIENT, "%s is silent", postgres_name(v->server));
            return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ETRANSIENT);
        }
        if (now - v->status_sent > STATUS_EVERY) {
            VV_TRY(send_status(v, err));
        }
    }
    return postgres_stream_finish(v->server, err);
}

static enum vv_rc
start_publisher(struct receiver *v, struct vv_error *err)
{
    return v->publisher.running
               ? VV_OK
               : vv_thread_start(&v->publisher, "publisher", publisher_main, v, err);
}

/** Connect and stream; whatever passes by waiting is tried again. */
static enum vv_rc
receive(struct receiver *v, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(v->repo);
    struct postgres_system goal = {0};
    uint64_t wait_ms = RETRY_FIRST_MS;
    bool lost = false; /* the server does not have what comes next */
    enum vv_rc rc;

    VV_TRY(receiver_resume(v, err));
    if (v->journal != NULL) {
        VV_TRY(start_publisher(v, err));
    }
    for (;;) {
        uint64_t received = v->sum->received;
        rc = lost ? receiver_gap(v, err) : receiver_connect(v, err);
        if (rc == VV_OK) {
            goal = goal.timeline == 0 || !v->options->once ? v->now : goal;
            rc = start_publisher(v, err);
        }
        if (rc == VV_OK) {
            rc = stream(v, &goal, err);
        }
        lost = rc == VV_ENOTFOUND && v->journal != NULL && !lost && err->origin == VV_ORIGIN_SOURCE;
        if (lost) {
            continue;
        }
        if (rc != VV_ETRANSIENT || err->origin != VV_ORIGIN_SOURCE || v->options->once) {
            return rc;
        }
        if (v->journal == NULL) {
            return rc; /* it was never there: a mistake, more likely */
        }
        wait_ms = v->sum->received > received ? RETRY_FIRST_MS : wait_ms;
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "server-lost", vv_span(NULL, 0),
                "%s; connecting again in %.1f s", err->message, (double)wait_ms / 1000);
        for (uint64_t waited = 0; waited < wait_ms; waited += WAIT_MS) {
            VV_TRY(vv_cancel_check(repo_cancel(v->repo), err));
            clock->sleep(clock, WAIT_MS * MS);
        }
        wait_ms = wait_ms * 2 < RETRY_MOST_MS ? wait_ms * 2 : RETRY_MOST_MS;
        vv_error_clear(err);
    }
}

/** End the publisher; with ${drain} when all is published.  What it failed with, if it did. */
static enum vv_rc
end_publisher(struct receiver *v, bool drain, struct vv_error *err)
{
    if (!v->publisher.running) {
        return VV_OK;
    }
    vv_mutex_lock(&v->lock);
    v->stop = true;
    v->drain = drain;
    vv_cond_broadcast(&v->wake);
    vv_mutex_unlock(&v->lock);
    vv_thread_join(&v->publisher);
    if (v->publish_rc != VV_OK) {
        *err = v->publish_error;
    }
    return v->publish_rc;
}

static void
release(struct receiver *v)
{
    struct wal_pending pending;

    v->sum->published = v->journal != NULL && !wal_journal_pending(v->journal, &pending);
    postgres_free(v->server);
    wal_journal_free(v->journal);
    for (size_t i = 0; i < v->history_count; i++) {
        vv_buf_release(&v->histories[i].content);
    }
    vv_free(v->histories);
    vv_buf_release(&v->held);
    vv_cond_release(&v->wake);
    vv_mutex_release(&v->lock);
}

enum vv_rc
wal_receive(struct repo *r, const struct wal_receive_options *o, struct wal_receive_summary *ret,
            struct vv_error *err)
{
    struct receiver v = {.repo = r, .options = o, .sum = ret};
    struct vv_error own = {0};
    struct vv_error published = {0};
    enum vv_rc publish_rc;
    enum vv_rc rc;

    memset(ret, 0, sizeof(*ret));
    vv_mutex_init(&v.lock);
    vv_cond_init(&v.wake);
    rc = receive(&v, &own);
    publish_rc = end_publisher(&v, rc == VV_OK || (o->once && rc != VV_ECANCELLED), &published);
    if (publish_rc != VV_OK && publish_rc != VV_ECANCELLED) {
        rc = publish_rc;
        own = published;
    }
    release(&v);
    if (rc != VV_OK && err != NULL) {
        *err = own;
    }
    return rc;
}
