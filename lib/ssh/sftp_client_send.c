/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O thread: from calls to bytes that leave. */
#include <string.h>

#include "core/alloc.h"
#include "ssh/sftp_client_internal.h"

enum {
    FULL = 65536,  /* no further packet begins behind that many bytes in the buffer */
    ALONG = 16384, /* of a long payload is copied to the buffer; the rest goes from where it is */
};

bool
sftp_unsent(const struct sftp_client *c)
{
    return c->packets_sent < c->packets.len || c->tail.len > 0;
}

/* ---- slots ---- */

static struct sftp_slot *
slot_for(struct sftp_client *c, struct sftp_slot *reuse)
{
    struct sftp_slot *slot = reuse;

    if (slot == NULL) {
        slot = c->free_slots;
        c->free_slots = slot->next;
        c->slots_used++;
    }
    slot->next = NULL;
    slot->used = true;
    slot->kept = false;
    slot->id += SFTP_SLOTS; /* C2 */
    slot->sent_ns = sftp_now(c);
    slot->older = c->newest;
    slot->newer = NULL;
    if (c->newest != NULL) {
        c->newest->newer = slot;
    } else {
        c->oldest = slot;
    }
    c->newest = slot;
    return slot;
}

/* ---- packets ---- */

static void
put_packet(struct sftp_client *c, const struct sftp_packet *packet, struct sftp_slot *slot)
{
    bool transfer = packet->handle != NULL;
    size_t body = transfer ? 4 + packet->handle->len + 12 : packet->body.len;
    size_t rest = body + packet->payload.len;
    struct vv_buf *b = &c->packets;

    sftp_put_head(b, packet->type, slot->id, (uint32_t)rest);
    if (transfer) {
        sftp_put_write(b, packet->handle, packet->offset, packet->len);
    } else {
        vv_buf_put(b, packet->body.data, packet->body.len);
    }
    /* A short payload is copied, of a long one the beginning, so that no tiny piece goes alone. */
    size_t room = b->len < FULL ? FULL - b->len : 0;
    size_t along = packet->payload.len <= room ? packet->payload.len : room < ALONG ? room : ALONG;
    vv_buf_put(b, packet->payload.data, along);
    if (along < packet->payload.len) {
        c->tail = vv_span(packet->payload.data + along, packet->payload.len - along);
    }
    c->put_at += SFTP_PACKET_HEAD + rest;
    slot->end_at = c->put_at;
    atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
}

static void
put_request(struct sftp_client *c, struct sftp_call *call, const struct sftp_packet *packet)
{
    call->ops->taken(call, packet);

    struct sftp_slot *slot = slot_for(c, packet->reuse);
    slot->call = call;
    slot->type = packet->type;
    slot->any_answer = packet->any_answer;
    slot->len = packet->len;
    slot->offset = packet->offset;
    slot->into = packet->into;
    slot->tag = packet->tag;
    slot->depth = call->depth + 1;
    call->in_flight++;
    call->window_used += packet->len;
    put_packet(c, packet, slot);
}

static void
put_closings(struct sftp_client *c)
{
    while (c->to_close != NULL && c->free_slots != NULL && c->packets.len < FULL) {
        struct sftp_closing *closing = c->to_close;
        struct sftp_slot *slot = slot_for(c, NULL);
        c->to_close = closing->next;
        slot->call = NULL;
        slot->type = SFTP_PACKET_CLOSE;
        slot->any_answer = false;
        slot->len = 0;
        sftp_put_head(&c->packets, SFTP_PACKET_CLOSE, slot->id, 4 + closing->handle.len);
        sftp_put_handle(&c->packets, &closing->handle);
        c->put_at += SFTP_PACKET_HEAD + 4 + closing->handle.len;
        slot->end_at = c->put_at;
        atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
        vv_free(closing);
    }
}

/* ---- the rate limit ---- */

/* Whether ${bytes} may go now.  What was reserved for one call another may use: the line is one. */
static bool
may_go(struct sftp_client *c, uint64_t bytes)
{
    if (c->limit == NULL || bytes == 0) {
        return true;
    }
    uint64_t now = sftp_now(c);
    if (c->credit < bytes) {
        uint64_t at = now + vv_rate_limit_reserve(c->limit, bytes - c->credit);
        c->credit_at_ns = at > c->credit_at_ns ? at : c->credit_at_ns;
        c->credit = bytes;
    }
    if (now < c->credit_at_ns) {
        return false;
    }
    c->credit -= bytes;
    return true;
}

/* ---- turns ---- */

/*
 * Small requests go in turn and before data.  Of calls that write data the oldest goes on until it
 * has nothing to send: so files end one after the other, and while the first waits for its fsync and
 * name the line carries the next.  In turn they would all end at once, and the line would be idle.
 */
static bool
is_data(const struct sftp_packet *packet)
{
    return packet->payload.len > ALONG;
}

static bool
offers(struct sftp_client *c, struct sftp_call *call, struct sftp_packet *ret)
{
    memset(ret, 0, sizeof(*ret));
    return call->ops->offer(call, ret) && (ret->reuse != NULL || c->free_slots != NULL);
}

/* The next to be sent, if anybody has something. */
static struct sftp_call *
choose(struct sftp_client *c, struct sftp_packet *ret)
{
    struct sftp_call *oldest = NULL;
    struct sftp_call *call = c->ring;
    struct sftp_packet packet;

    do {
        if (offers(c, call, &packet)) {
            if (!is_data(&packet)) {
                *ret = packet;
                c->ring = call->next;
                return call;
            }
            if (oldest == NULL || call->number < oldest->number) {
                oldest = call;
                *ret = packet;
            }
        }
        call = call->next;
    } while (call != c->ring);
    return oldest;
}

void
sftp_fill(struct sftp_client *c)
{
    if (sftp_unsent(c)) {
        return; /* C5 */
    }
    vv_buf_reset(&c->packets);
    c->packets_sent = 0;
    put_closings(c);
    while (c->ring != NULL && c->packets.len < FULL && c->tail.len == 0) {
        struct sftp_packet packet;
        struct sftp_call *call = choose(c, &packet);
        if (call == NULL || !may_go(c, packet.len)) {
            break;
        }
        put_request(c, call, &packet);
    }
}

static enum vv_rc
offer_stream(struct sftp_client *c, struct vv_span data, size_t *ret_len, struct vv_error *err)
{
    *ret_len = 0;
    VV_TRY(c->stream->ops->send(c->stream, data, ret_len, err));
    if (*ret_len > 0) {
        c->sent_at += *ret_len;
        c->progress_ns = sftp_now(c);
        atomic_fetch_add_explicit(&c->bytes_sent, *ret_len, memory_order_relaxed);
    }
    return VV_OK;
}

enum vv_rc
sftp_flush(struct sftp_client *c, bool *ret_blocked, struct vv_error *err)
{
    size_t put = 0;

    *ret_blocked = true;
    while (c->packets_sent < c->packets.len) {
        VV_TRY(offer_stream(
            c, vv_span(c->packets.data + c->packets_sent, c->packets.len - c->packets_sent), &put,
            err));
        if (put == 0) {
            return VV_OK;
        }
        c->packets_sent += put;
    }
    while (c->tail.len > 0) {
        VV_TRY(offer_stream(c, c->tail, &put, err));
        if (put == 0) {
            return VV_OK;
        }
        c->tail.data += put;
        c->tail.len -= put;
    }
    *ret_blocked = false;
    return VV_OK;
}
