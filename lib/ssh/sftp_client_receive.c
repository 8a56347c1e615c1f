/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O thread: from bytes that come to answers. */
#include <string.h>

#include "ssh/sftp_client_internal.h"

enum {
    AHEAD = 65536,        /* taken at once between packets */
    AHEAD_OF_DATA = 4096, /* the same if much data is to come: the rest of it goes to its place */
    BANNER_SHOWN = 80,    /* of text before the first packet */
};

/* ---- slots ---- */

static void
slot_answered(struct sftp_client *c, struct sftp_slot *slot)
{
    if (slot->older != NULL) {
        slot->older->newer = slot->newer;
    } else {
        c->oldest = slot->newer;
    }
    if (slot->newer != NULL) {
        slot->newer->older = slot->older;
    } else {
        c->newest = slot->older;
    }
    slot->used = false;
    uint64_t took = sftp_now(c) - slot->sent_ns;
    uint64_t best = atomic_load_explicit(&c->round_trip_ns, memory_order_relaxed);
    if (best == 0 || took < best) { /* only this thread changes it */
        atomic_store_explicit(&c->round_trip_ns, took, memory_order_relaxed);
    }
}

static void
slot_free(struct sftp_client *c, struct sftp_slot *slot)
{
    slot->next = c->free_slots;
    c->free_slots = slot;
    c->slots_used--;
}

/* The request an answer belongs to: F1, C2, C4.  NULL: none, as ${err} says. */
static struct sftp_slot *
find_slot(struct sftp_client *c, uint32_t id, struct vv_error *err)
{
    struct sftp_slot *slot = &c->slots[id % SFTP_SLOTS];

    if (!slot->used || slot->id != id) {
        (void)sftp_not_sftp(c, err, "an answer to request %u, which waits for none", id);
        return NULL;
    }
    if (slot->end_at > c->sent_at) {
        (void)sftp_not_sftp(c, err, "an answer to request %u, which has not been sent", id);
        return NULL;
    }
    return slot;
}

/* ---- answers ---- */

/* The answer a request wants, beside STATUS; STATUS: nothing else. */
static uint8_t
wanted_type(uint8_t request)
{
    switch (request) {
    case SFTP_PACKET_OPEN:
    case SFTP_PACKET_OPENDIR:
        return SFTP_PACKET_HANDLE;
    case SFTP_PACKET_READ:
        return SFTP_PACKET_DATA;
    case SFTP_PACKET_READDIR:
    case SFTP_PACKET_REALPATH:
        return SFTP_PACKET_NAME;
    case SFTP_PACKET_STAT:
    case SFTP_PACKET_LSTAT:
    case SFTP_PACKET_FSTAT:
        return SFTP_PACKET_ATTRS;
    default:
        return SFTP_PACKET_STATUS;
    }
}

/* Whether ${answer} can be one to the request of ${slot}.  An extended request has a reply of its
 *  own or a status: which of both its call knows. */
static bool
fits(const struct sftp_slot *slot, const struct sftp_answer *answer)
{
    uint8_t wanted = wanted_type(slot->type);

    if (slot->any_answer) {
        return true;
    }
    if (answer->type == SFTP_PACKET_STATUS) {
        return answer->status != SFTP_OK || wanted == SFTP_PACKET_STATUS;
    }
    return answer->type == wanted ||
           (slot->type == SFTP_PACKET_EXTENDED && answer->type == SFTP_PACKET_EXTENDED_REPLY);
}

static void
deliver(struct sftp_client *c, struct sftp_slot *slot, const struct sftp_answer *answer,
        struct vv_span packet, uint32_t received)
{
    struct sftp_call *call = slot->call;

    slot_answered(c, slot);
    if (call == NULL) {
        slot_free(c, slot);
        return;
    }
    call->in_flight--;
    call->window_used -= slot->len;
    call->depth = slot->depth > call->depth ? slot->depth : call->depth;
    call->ops->answer(call, slot, answer, packet, received);
    if (!slot->kept) {
        slot_free(c, slot);
    }
    sftp_call_settle(c, call);
}

/* A whole packet of at least 5 bytes, from its type byte on, that is not data on its way to its
 * place. */
static enum vv_rc
take_packet(struct sftp_client *c, struct vv_span packet, struct vv_error *err)
{
    struct sftp_answer answer;
    struct sftp_slot *slot = find_slot(c, sftp_load_u32(packet.data + 1), err);

    if (slot == NULL) {
        return VV_EIO;
    }
    if (!sftp_answer_decode(packet, &answer)) {
        return sftp_not_sftp(c, err, "an answer of type %u that does not parse", packet.data[0]);
    }
    if (!fits(slot, &answer)) {
        return sftp_not_sftp(c, err, "an answer of type %u to a request of type %u", answer.type,
                             slot->type);
    }
    deliver(c, slot, &answer, packet, 0);
    return VV_OK;
}

/* ---- VERSION ---- */

static enum vv_rc
take_version(struct sftp_client *c, struct vv_span packet, struct vv_error *err)
{
    uint32_t version = 0;
    uint32_t extensions = 0;

    if (!sftp_version_decode(packet, &version, &extensions, &c->extension_names)) {
        return sftp_not_sftp(c, err, "its first packet is no answer to INIT");
    }
    if (version < SFTP_VERSION) {
        return vv_error_set(err, VV_EUNSUPPORTED,
                            "%s: the server speaks SFTP version %u, version 3 is needed",
                            c->stream->name, version);
    }
    (void)vv_buf_text(&c->extension_names); /* with a NUL behind */
    VV_TRY(vv_buf_check(&c->extension_names, err));
    vv_mutex_lock(&c->lock);
    c->extensions = extensions;
    c->greeted = true;
    vv_cond_broadcast(&c->changed);
    vv_mutex_unlock(&c->lock);
    return VV_OK;
}

/* Text where the length of the first packet must be: a start-up file of the shell prints. */
static enum vv_rc
text_first(const struct sftp_client *c, struct vv_error *err)
{
    char text[BANNER_SHOWN + 1];
    size_t len = 0;

    while (len < BANNER_SHOWN && c->in_start + len < c->in_end) {
        char byte = (char)c->in[c->in_start + len];
        if (byte == '\n' || byte == '\r' || byte == '\0') {
            break;
        }
        text[len++] = byte;
    }
    text[len] = '\0';
    enum vv_rc rc =
        vv_error_set(err, VV_EIO, "%s: the server prints text where SFTP must begin: '%s'",
                     c->stream->name, text);
    vv_error_hint(err, "start-up files of the account's shell (such as .bashrc) must print nothing "
                       "when no terminal is there; the command `ssh HOST true` must be silent");
    return rc;
}

/* ---- bytes ---- */

static void
finish_direct(struct sftp_client *c)
{
    struct sftp_slot *slot = c->direct;
    struct sftp_answer answer;

    memset(&answer, 0, sizeof(answer));
    answer.type = SFTP_PACKET_DATA;
    answer.id = slot->id;
    c->direct = NULL;
    deliver(c, slot, &answer, vv_span(NULL, 0), c->direct_len);
}

/* The head of data that somebody reads: it goes to where the reader wants it.  False: it is an
 * answer like others. */
static bool
is_direct(const struct sftp_client *c, const uint8_t *head)
{
    uint32_t id = sftp_load_u32(head + 5);
    const struct sftp_slot *slot = &c->slots[id % SFTP_SLOTS];

    return slot->used && slot->id == id && slot->type == SFTP_PACKET_READ && !slot->any_answer;
}

static enum vv_rc
begin_direct(struct sftp_client *c, const uint8_t *head, uint32_t len, struct vv_error *err)
{
    struct sftp_slot *slot = find_slot(c, sftp_load_u32(head + 5), err);
    uint32_t data = sftp_load_u32(head + SFTP_PACKET_HEAD);

    if (slot == NULL) {
        return VV_EIO;
    }
    if ((uint64_t)data + SFTP_DATA_HEAD - 4 != len) {
        return sftp_not_sftp(c, err, "data of %u bytes in a packet of %u", data, len);
    }
    if (data > slot->len) {
        return sftp_not_sftp(c, err, "%u bytes where %u were asked for", data, slot->len);
    }
    c->direct = slot;
    c->direct_len = data;
    c->direct_got = 0;
    return VV_OK;
}

static void
feed_direct(struct sftp_client *c)
{
    size_t have = c->in_end - c->in_start;
    size_t left = c->direct_len - c->direct_got;
    size_t len = have < left ? have : left;

    if (len > 0) {
        memcpy(c->direct->into + c->direct_got, c->in + c->in_start, len);
    }
    c->in_start += len;
    c->direct_got += (uint32_t)len;
    if (c->direct_got == c->direct_len) {
        finish_direct(c);
    }
}

/* One step: *ret_more false if more bytes must come first. */
static enum vv_rc
step(struct sftp_client *c, bool *ret_more, struct vv_error *err)
{
    const uint8_t *at = c->in + c->in_start;
    size_t have = c->in_end - c->in_start;

    *ret_more = false;
    if (c->direct != NULL) {
        feed_direct(c);
        *ret_more = c->direct == NULL;
        return VV_OK;
    }
    if (have > 0 && !c->greeted && at[0] != 0) {
        return text_first(c, err);
    }
    if (have < 5) {
        return VV_OK;
    }
    uint32_t len = sftp_load_u32(at);
    if (len < 5 || len > SFTP_PACKET_LIMIT) {
        return sftp_not_sftp(c, err, "a packet of %u bytes", len);
    }
    if (c->greeted && at[4] == SFTP_PACKET_DATA && len >= SFTP_DATA_HEAD - 4) {
        if (have < SFTP_DATA_HEAD) {
            return VV_OK;
        }
        if (is_direct(c, at)) {
            c->in_start += SFTP_DATA_HEAD;
            *ret_more = true;
            return begin_direct(c, at, len, err);
        }
    }
    if (have < 4 + (size_t)len) {
        return VV_OK;
    }
    c->in_start += 4 + (size_t)len;
    *ret_more = true;
    return c->greeted ? take_packet(c, vv_span(at + 4, len), err)
                      : take_version(c, vv_span(at + 4, len), err);
}

/* Where to receive: in place, or behind what is there. */
static uint8_t *
place(struct sftp_client *c, size_t *ret_len)
{
    if (c->direct != NULL) { /* then nothing is left in the buffer */
        *ret_len = c->direct_len - c->direct_got;
        return c->direct->into + c->direct_got;
    }
    size_t have = c->in_end - c->in_start;
    if (c->in_start > 0) {
        memmove(c->in, c->in + c->in_start, have);
        c->in_start = 0;
        c->in_end = have;
    }
    size_t room = SFTP_IN_SIZE - have;
    bool data_next =
        c->oldest != NULL && c->oldest->type == SFTP_PACKET_READ && c->oldest->len >= AHEAD;
    size_t most = have > 0 ? room : data_next ? AHEAD_OF_DATA : AHEAD;
    *ret_len = most < room ? most : room;
    return c->in + have;
}

enum vv_rc
sftp_receive(struct sftp_client *c, bool *ret_some, struct vv_error *err)
{
    size_t room = 0;
    size_t got = 0;
    bool more = true;
    bool in_place = c->direct != NULL;
    uint8_t *at = place(c, &room);

    VV_TRY(c->stream->ops->receive(c->stream, at, room, &got, err));
    *ret_some = got > 0;
    if (got == 0) {
        return VV_OK;
    }
    c->progress_ns = sftp_now(c);
    atomic_fetch_add_explicit(&c->bytes_received, got, memory_order_relaxed);
    if (in_place) {
        c->direct_got += (uint32_t)got;
    } else {
        c->in_end += got;
    }
    while (more) {
        VV_TRY(step(c, &more, err));
    }
    return VV_OK;
}
