/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's life, and handing calls over. */
#include "ssh/sftp_client.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "ssh/sftp_client_internal.h"

enum {
    PACKETS_SIZE = 128 * 1024, /* of the buffer packets leave from */
    STALL_MS = 60000,
    WINDOW = 4 << 20,
    SIZE_MAX_REQUEST = 256 * 1024, /* of a payload, whatever a server allows */
    HANDLES_PLAIN = 64,            /* open at once by one call when the server states no limit */
    HANDLES_MOST = 512,
};

/* ---- calls ---- */

void
sftp_wake(struct sftp_client *c)
{
    const uint64_t one = 1;

    (void)!write(c->wake, &one, sizeof(one)); /* cannot fail but by a full counter */
}

enum vv_rc
sftp_submit(struct sftp_client *c, struct sftp_call *call, struct vv_error *err)
{
    call->client = c;
    vv_mutex_lock(&c->lock);
    if (c->ended) {
        enum vv_rc rc = c->failure.rc;
        if (err != NULL) {
            *err = c->failure;
        }
        vv_mutex_unlock(&c->lock);
        return rc;
    }
    vv_cond_init(&call->cond);
    atomic_fetch_add_explicit(&c->busy, call->busy, memory_order_relaxed);
    call->next = NULL;
    *c->intake_end = call;
    c->intake_end = &call->next;
    bool wake = c->asleep;
    c->asleep = false;
    vv_mutex_unlock(&c->lock);
    if (wake) {
        sftp_wake(c);
    }
    return VV_OK;
}

enum vv_rc
sftp_await(struct sftp_client *c, struct sftp_call *call, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&c->lock);
    while (!call->done) {
        vv_cond_wait(&call->cond, &c->lock);
    }
    if (call->failed) {
        rc = c->failure.rc;
        if (err != NULL) {
            *err = c->failure;
        }
    }
    vv_mutex_unlock(&c->lock);
    vv_cond_release(&call->cond);
    return rc == VV_OK && call->out_of_memory ? vv_error_nomem(err) : rc;
}

enum vv_rc
sftp_perform(struct sftp_client *c, struct sftp_call *call, struct vv_error *err)
{
    VV_TRY(sftp_submit(c, call, err));
    return sftp_await(c, call, err);
}

void
sftp_close_later(struct sftp_client *c, const struct sftp_handle *h)
{
    struct sftp_closing *closing = vv_alloc(sizeof(*closing));

    if (closing == NULL) {
        return; /* open until the channel ends */
    }
    closing->handle = *h;
    vv_mutex_lock(&c->lock);
    closing->next = c->closings;
    c->closings = closing;
    bool wake = c->asleep;
    c->asleep = false;
    vv_mutex_unlock(&c->lock);
    if (wake) {
        sftp_wake(c);
    }
}

/* ---- the beginning ---- */

static uint32_t
size_within(uint64_t stated, uint64_t packet)
{
    uint64_t size = stated != 0 ? stated : SFTP_PLAIN_SIZE;

    if (packet > 1024 && size > packet - 1024) {
        size = packet - 1024;
    }
    return size < SIZE_MAX_REQUEST ? (uint32_t)size : SIZE_MAX_REQUEST;
}

/* Ask for the server's limits if it offers to tell; what it does not tell stays plain. */
static enum vv_rc
ask_limits(struct sftp_client *c, struct vv_error *err)
{
    struct sftp_item item = {.type = SFTP_PACKET_EXTENDED};
    struct sftp_answer answer;
    struct sftp_limits limits = {0};

    sftp_put_extended(&item.body, "limits@openssh.com");
    enum vv_rc rc = sftp_items(c, &item, 1, err);
    if (rc == VV_OK && item.status == SFTP_OK) {
        if (!sftp_answer_decode(vv_buf_span(&item.answer), &answer) ||
            !sftp_limits_decode(answer.data, &limits)) {
            rc = sftp_not_sftp(c, err, "its limits do not parse");
        } else {
            c->read_size = size_within(limits.read, limits.packet);
            c->write_size = size_within(limits.write, limits.packet);
            if (limits.handles != 0) {
                uint64_t half = limits.handles / 2 + 1;
                c->handle_count = half < HANDLES_MOST ? (uint32_t)half : HANDLES_MOST;
            }
        }
    }
    sftp_item_release(&item);
    return rc;
}

static enum vv_rc
await_greeting(struct sftp_client *c, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&c->lock);
    while (!c->greeted && !c->ended) {
        vv_cond_wait(&c->changed, &c->lock);
    }
    bool greeted = c->greeted;
    if (!greeted) {
        rc = c->failure.rc;
        if (err != NULL) {
            *err = c->failure;
        }
    }
    vv_mutex_unlock(&c->lock);
    if (greeted) {
        atomic_fetch_add_explicit(&c->round_trips, 1, memory_order_relaxed);
    }
    return rc;
}

static enum vv_rc
prepare(struct sftp_client *c, const struct sftp_options *options, struct vv_error *err)
{
    c->clock = options->clock != NULL ? options->clock : vv_clock_system();
    c->limit = options->limit;
    c->cancel = options->cancel;
    c->stall_ns = (options->stall_ms != 0 ? options->stall_ms : STALL_MS) * UINT64_C(1000000);
    c->window = options->window != 0 ? options->window : WINDOW;
    c->read_size = c->write_size = SFTP_PLAIN_SIZE;
    c->handle_count = HANDLES_PLAIN;
    c->intake_end = &c->intake;
    c->slots = vv_alloc_array(SFTP_SLOTS, sizeof(*c->slots));
    c->in = vv_alloc(SFTP_IN_SIZE);
    if (c->slots == NULL || c->in == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = SFTP_SLOTS; i-- > 0;) {
        c->slots[i].id = i;
        c->slots[i].next = c->free_slots;
        c->free_slots = &c->slots[i];
    }
    VV_TRY(vv_buf_reserve(&c->packets, PACKETS_SIZE, err));
    sftp_put_init(&c->packets);
    c->put_at = c->packets.len;
    atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake < 0) {
        return vv_error_set(err, VV_EIO, "cannot make an event descriptor");
    }
    return VV_OK;
}

enum vv_rc
sftp_client_new(struct byte_stream *stream, const struct sftp_options *options,
                struct sftp_client **ret, struct vv_error *err)
{
    static const struct sftp_options defaults;
    struct sftp_client *c = vv_alloc_array(1, sizeof(*c));

    if (c == NULL) {
        byte_stream_free(stream);
        return vv_error_nomem(err);
    }
    c->stream = stream;
    c->wake = -1;
    vv_mutex_init(&c->lock);
    vv_cond_init(&c->changed);
    enum vv_rc rc = prepare(c, options != NULL ? options : &defaults, err);
    rc = rc != VV_OK ? rc : vv_thread_start(&c->thread, "sftp", sftp_client_loop, c, err);
    rc = rc != VV_OK ? rc : await_greeting(c, err);
    if (rc == VV_OK && (c->extensions & SFTP_LIMITS) != 0) {
        rc = ask_limits(c, err);
    }
    if (rc != VV_OK) {
        sftp_client_free(c);
        return rc;
    }
    *ret = c;
    return VV_OK;
}

static void
free_closings(struct sftp_closing *closing)
{
    while (closing != NULL) {
        struct sftp_closing *next = closing->next;
        vv_free(closing);
        closing = next;
    }
}

void
sftp_client_free(struct sftp_client *c)
{
    if (c == NULL) {
        return;
    }
    if (c->thread.running) {
        vv_mutex_lock(&c->lock);
        c->stopping = true;
        vv_mutex_unlock(&c->lock);
        sftp_wake(c);
        vv_thread_join(&c->thread);
    }
    byte_stream_free(c->stream);
    vv_fd_close(c->wake);
    free_closings(c->closings);
    free_closings(c->to_close);
    vv_buf_release(&c->packets);
    vv_buf_release(&c->extension_names);
    vv_free(c->slots);
    vv_free(c->in);
    vv_cond_release(&c->changed);
    vv_mutex_release(&c->lock);
    vv_free(c);
}

/* ---- what is known about it ---- */

uint32_t
sftp_client_extensions(const struct sftp_client *c)
{
    return c->extensions;
}

const char *
sftp_client_extension_names(const struct sftp_client *c)
{
    return c->extension_names.len > 0 ? (const char *)c->extension_names.data : "";
}

uint32_t
sftp_client_read_size(const struct sftp_client *c)
{
    return c->read_size;
}

uint32_t
sftp_client_write_size(const struct sftp_client *c)
{
    return c->write_size;
}

bool
sftp_client_failed(const struct sftp_client *c)
{
    return atomic_load(&c->failed);
}

uint64_t
sftp_client_busy(const struct sftp_client *c)
{
    return atomic_load_explicit(&c->busy, memory_order_relaxed);
}

uint64_t
sftp_client_round_trip_ns(const struct sftp_client *c)
{
    return atomic_load_explicit(&c->round_trip_ns, memory_order_relaxed);
}

void
sftp_client_counts(const struct sftp_client *c, struct sftp_counts *ret)
{
    ret->bytes_sent = atomic_load_explicit(&c->bytes_sent, memory_order_relaxed);
    ret->bytes_received = atomic_load_explicit(&c->bytes_received, memory_order_relaxed);
    ret->requests = atomic_load_explicit(&c->requests, memory_order_relaxed);
    ret->round_trips = atomic_load_explicit(&c->round_trips, memory_order_relaxed);
}
