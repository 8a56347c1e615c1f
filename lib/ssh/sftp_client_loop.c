/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O thread of a client. */
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "ssh/sftp_client_internal.h"

enum {
    POLL_MS = 200,     /* between looks at the request to stop and at a clock that is not ours */
    ROUNDS = 16,       /* of sending before receiving gets its turn */
    STALL_FACTOR = 10, /* one request may wait that much longer than the line may be silent */
    MILLISECOND = 1000000,
};

uint64_t
sftp_now(const struct sftp_client *c)
{
    return c->clock->monotonic(c->clock);
}

/* ---- calls ---- */

/* Hand ${call} back; with the lock held. */
static void
hand_back(struct sftp_client *c, struct sftp_call *call, bool failed)
{
    atomic_fetch_sub_explicit(&c->busy, call->busy, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->round_trips, call->depth, memory_order_relaxed);
    call->failed = failed;
    call->done = true;
    vv_cond_signal(&call->cond); /* with the lock held: its memory ends with the wait for it */
}

static void
ring_remove(struct sftp_client *c, struct sftp_call *call)
{
    if (call->next == call) {
        c->ring = NULL;
        return;
    }
    call->next->previous = call->previous;
    call->previous->next = call->next;
    if (c->ring == call) {
        c->ring = call->next;
    }
}

/* In front of the one whose turn it is: the last of this round. */
static void
ring_add(struct sftp_client *c, struct sftp_call *call)
{
    if (c->ring == NULL) {
        call->next = call->previous = call;
        c->ring = call;
        return;
    }
    call->next = c->ring;
    call->previous = c->ring->previous;
    call->previous->next = call;
    c->ring->previous = call;
}

void
sftp_call_settle(struct sftp_client *c, struct sftp_call *call)
{
    if (call->in_flight > 0 || !call->ops->finished(call)) {
        return;
    }
    ring_remove(c, call);
    vv_mutex_lock(&c->lock);
    hand_back(c, call, false);
    vv_mutex_unlock(&c->lock);
}

void
sftp_call_refused(struct sftp_call *call, size_t tag, const struct sftp_answer *answer)
{
    if (call->status == SFTP_OK) {
        call->status = answer->status;
        call->status_tag = tag;
        sftp_words(call->words, answer->text);
    }
}

/* Everything ends: what is under way, what comes later (F3). */
static void
fail(struct sftp_client *c, const struct vv_error *why)
{
    vv_mutex_lock(&c->lock);
    c->ended = true;
    c->failure = *why;
    atomic_store(&c->failed, true);
    while (c->intake != NULL) {
        struct sftp_call *call = c->intake;
        c->intake = call->next;
        hand_back(c, call, true);
    }
    c->intake_end = &c->intake;
    while (c->ring != NULL) {
        struct sftp_call *call = c->ring;
        ring_remove(c, call);
        hand_back(c, call, true);
    }
    vv_cond_broadcast(&c->changed);
    vv_mutex_unlock(&c->lock);
}

/* ---- new work ---- */

/* Take what was handed over since the last time; false: the client is being freed. */
static bool
take_in(struct sftp_client *c)
{
    vv_mutex_lock(&c->lock);
    struct sftp_call *call = c->intake;
    struct sftp_closing *closing = c->closings;
    bool go_on = !c->stopping;
    c->intake = NULL;
    c->intake_end = &c->intake;
    c->closings = NULL;
    vv_mutex_unlock(&c->lock);
    while (call != NULL) {
        struct sftp_call *next = call->next;
        call->number = c->calls++;
        ring_add(c, call);
        sftp_call_settle(c, call); /* there may be nothing to do */
        call = next;
    }
    while (closing != NULL) {
        struct sftp_closing *next = closing->next;
        closing->next = c->to_close;
        c->to_close = closing;
        closing = next;
    }
    return go_on;
}

void
sftp_put_off_closing(struct sftp_client *c, const struct sftp_handle *h)
{
    struct sftp_closing *closing = vv_alloc(sizeof(*closing));

    if (closing == NULL) {
        return; /* open until the channel ends */
    }
    closing->handle = *h;
    closing->next = c->to_close;
    c->to_close = closing;
}

/* ---- time ---- */

/* F4. */
static enum vv_rc
check_time(struct sftp_client *c, struct vv_error *err)
{
    bool waiting = c->oldest != NULL || sftp_unsent(c) || !c->greeted;
    uint64_t now = sftp_now(c);

    VV_TRY(vv_cancel_check(c->cancel, err));
    if (!waiting) {
        c->progress_ns = now;
        return VV_OK;
    }
    uint64_t oldest = c->oldest != NULL ? c->oldest->sent_ns : c->progress_ns;
    uint64_t silent_since = oldest > c->progress_ns ? oldest : c->progress_ns;
    uint64_t silent = now > silent_since ? now - silent_since : 0;
    uint64_t age = now > oldest ? now - oldest : 0;
    if (silent > c->stall_ns || age / STALL_FACTOR > c->stall_ns) {
        return vv_error_set(
            err, VV_ETRANSIENT, "%s: the server has not answered for %llu seconds", c->stream->name,
            (unsigned long long)((silent > c->stall_ns ? silent : age) / MILLISECOND / 1000));
    }
    return VV_OK;
}

static int
sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* How long poll may last. */
static int
patience(const struct sftp_client *c, int of_stream)
{
    bool waiting = c->oldest != NULL || c->ring != NULL || sftp_unsent(c) || !c->greeted;
    int timeout = sooner(of_stream, waiting ? POLL_MS : -1);

    if (c->credit > 0 && c->ring != NULL) {
        uint64_t now = sftp_now(c);
        uint64_t left = c->credit_at_ns > now ? c->credit_at_ns - now : 0;
        if (left > 0 && left / MILLISECOND < POLL_MS) {
            timeout = sooner(timeout, (int)(left / MILLISECOND) + 1);
        }
    }
    return timeout;
}

/* A call that was told to stop while nothing of it was under way would not be noticed. */
static void
settle_idle(struct sftp_client *c)
{
    struct sftp_call *call = c->ring;
    bool again = call != NULL;

    while (again) {
        struct sftp_call *next = call->next;
        again = next != c->ring;
        sftp_call_settle(c, call);
        call = next;
    }
}

/* ---- the loop ---- */

/* C6: until something can be done. */
static void
sleep_until_wanted(struct sftp_client *c, bool blocked)
{
    struct pollfd fds[BYTE_STREAM_FDS + 1];
    int timeout = -1;
    uint64_t count;

    vv_mutex_lock(&c->lock);
    bool wanted = c->intake != NULL || c->closings != NULL || c->stopping;
    c->asleep = !wanted;
    vv_mutex_unlock(&c->lock);
    if (wanted) {
        return;
    }
    size_t n = c->stream->ops->wait_for(c->stream, blocked, fds, &timeout);
    fds[n] = (struct pollfd){.fd = c->wake, .events = POLLIN};
    (void)poll(fds, (nfds_t)n + 1, patience(c, timeout));
    vv_mutex_lock(&c->lock);
    c->asleep = false;
    vv_mutex_unlock(&c->lock);
    if (fds[n].revents != 0) {
        (void)!read(c->wake, &count, sizeof(count));
        settle_idle(c);
    }
}

static enum vv_rc
move_bytes(struct sftp_client *c, bool *ret_blocked, bool *ret_some, struct vv_error *err)
{
    *ret_blocked = false;
    for (int i = 0; i < ROUNDS && !*ret_blocked; i++) {
        sftp_fill(c);
        if (!sftp_unsent(c)) {
            break;
        }
        VV_TRY(sftp_flush(c, ret_blocked, err));
    }
    return sftp_receive(c, ret_some, err);
}

void
sftp_client_loop(void *arg)
{
    struct sftp_client *c = arg;
    struct vv_error err = {0};
    bool blocked = false;
    bool some = true;

    c->progress_ns = sftp_now(c);
    while (take_in(c)) {
        if (check_time(c, &err) != VV_OK || move_bytes(c, &blocked, &some, &err) != VV_OK) {
            fail(c, &err);
            return;
        }
        if (!some && (blocked || !sftp_unsent(c))) {
            sleep_until_wanted(c, blocked);
        }
    }
    (void)vv_error_set(&err, VV_ETRANSIENT, "%s: closed", c->stream->name);
    fail(c, &err);
}
