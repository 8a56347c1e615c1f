/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and writing, pipelined. */
#include <string.h>

#include "ssh/sftp_client_internal.h"

static bool
has_data(const struct sftp_transfer *t)
{
    return t->call.status == SFTP_OK && t->next < t->end;
}

/* The next piece of data, if the window has room for it; the first always has. */
static bool
offer_piece(const struct sftp_transfer *t, struct sftp_packet *ret)
{
    const struct sftp_client *c = t->call.client;
    uint32_t size = t->from != NULL ? c->write_size : c->read_size;
    uint64_t left = t->end - t->next;

    if (c->limit != NULL && size > SFTP_LIMITED_SIZE) {
        size = SFTP_LIMITED_SIZE;
    }
    size = left < size ? (uint32_t)left : size;
    if (t->call.window_used > 0 && t->call.window_used + size > c->window) {
        return false;
    }
    ret->handle = t->handle;
    ret->offset = t->offset + t->next;
    ret->len = size;
    if (t->from != NULL) {
        ret->type = SFTP_PACKET_WRITE;
        ret->payload = vv_span(t->from + t->next, size);
    } else {
        ret->type = SFTP_PACKET_READ;
        ret->into = t->into + t->next;
    }
    return true;
}

static bool
transfer_offer(struct sftp_call *call, struct sftp_packet *ret)
{
    const struct sftp_transfer *t = (struct sftp_transfer *)call;

    if (t->again != NULL) {
        ret->type = SFTP_PACKET_READ;
        ret->handle = t->handle;
        ret->offset = t->again->offset;
        ret->len = t->again->len;
        ret->into = t->again->into;
        ret->reuse = t->again;
        return true;
    }
    if (has_data(t) && (!t->items_first || t->item_next == t->item_count)) {
        return offer_piece(t, ret);
    }
    if (t->item_next < t->item_count) {
        sftp_item_offer(&t->items[t->item_next], t->item_next, ret);
        return true;
    }
    return false;
}

static void
transfer_taken(struct sftp_call *call, const struct sftp_packet *packet)
{
    struct sftp_transfer *t = (struct sftp_transfer *)call;

    if (packet->reuse != NULL) {
        t->again = packet->reuse->next;
    } else if (packet->handle != NULL) {
        t->next += packet->len;
    } else {
        t->item_next++;
    }
}

/* F2: the file ends where a read or fstat said so; a short one is continued. */
static void
data_came(struct sftp_transfer *t, struct sftp_slot *slot, uint32_t received)
{
    size_t at = (size_t)(slot->offset - t->offset);

    if (received == 0 || slot->offset + received >= t->size) {
        at += received;
        t->end = at < t->end ? at : t->end;
    } else if (received < slot->len) {
        slot->offset += received;
        slot->into += received;
        slot->len -= received;
        slot->kept = true;
        slot->next = t->again;
        t->again = slot;
    }
}

static void
transfer_answer(struct sftp_call *call, struct sftp_slot *slot, const struct sftp_answer *answer,
                struct vv_span packet, uint32_t received)
{
    struct sftp_transfer *t = (struct sftp_transfer *)call;

    if (slot->type == SFTP_PACKET_READ) {
        if (answer->type == SFTP_PACKET_DATA || answer->status == SFTP_EOF) {
            data_came(t, slot, received);
        } else {
            sftp_call_refused(call, 0, answer);
        }
    } else if (slot->type == SFTP_PACKET_WRITE) {
        if (answer->status != SFTP_OK) {
            sftp_call_refused(call, 0, answer);
        }
    } else {
        sftp_item_answered(call, &t->items[slot->tag], answer, packet);
        if (t->into != NULL && answer->type == SFTP_PACKET_ATTRS && answer->attributes.has_size) {
            t->size = answer->attributes.size;
        }
    }
}

static bool
transfer_finished(const struct sftp_call *call)
{
    const struct sftp_transfer *t = (const struct sftp_transfer *)call;

    return t->again == NULL && !has_data(t) && t->item_next == t->item_count;
}

void
sftp_transfer_init(struct sftp_transfer *t, const struct sftp_handle *h, uint64_t offset,
                   size_t len)
{
    static const struct sftp_call_ops ops = {.offer = transfer_offer,
                                             .taken = transfer_taken,
                                             .answer = transfer_answer,
                                             .finished = transfer_finished};

    memset(t, 0, sizeof(*t));
    t->call.ops = &ops;
    t->call.busy = len;
    t->handle = h;
    t->offset = offset;
    t->end = len;
    t->size = UINT64_MAX;
}

enum vv_rc
sftp_write(struct sftp_client *c, const struct sftp_handle *h, uint64_t offset, struct vv_span data,
           struct vv_error *err)
{
    struct sftp_transfer t;

    sftp_transfer_init(&t, h, offset, data.len);
    t.from = data.data;
    VV_TRY(sftp_perform(c, &t.call, err));
    if (t.call.status != SFTP_OK) {
        return sftp_refused(t.call.status, t.call.words, err, "cannot write a file on '%s'",
                            c->stream->name);
    }
    return VV_OK;
}

/* Read, and by the way ask for the size: then no further answer is needed to know that a short one is
 * the file's end (F2). */
static enum vv_rc
read_sized(struct sftp_client *c, const struct sftp_handle *h, struct sftp_transfer *t,
           struct vv_error *err)
{
    struct sftp_item item = {.type = SFTP_PACKET_FSTAT}; /* whatever it says of anything else */
    enum vv_rc rc;

    t->items = &item;
    t->item_count = 1;
    t->items_first = true;
    sftp_put_handle(&item.body, h);
    rc = vv_buf_check(&item.body, err);
    rc = rc == VV_OK ? sftp_perform(c, &t->call, err) : rc;
    t->items = NULL;
    t->item_count = 0;
    sftp_item_release(&item);
    return rc;
}

enum vv_rc
sftp_read(struct sftp_client *c, const struct sftp_handle *h, uint64_t offset, uint8_t *buf,
          size_t len, size_t *ret_len, struct vv_error *err)
{
    struct sftp_transfer t;

    sftp_transfer_init(&t, h, offset, len);
    t.into = buf;
    VV_TRY(read_sized(c, h, &t, err));
    if (t.call.status != SFTP_OK) {
        return sftp_refused(t.call.status, t.call.words, err, "cannot read a file on '%s'",
                            c->stream->name);
    }
    *ret_len = t.end;
    return VV_OK;
}

/* ---- whole files ---- */

enum vv_rc
sftp_read_file(struct sftp_client *c, const char *path, uint64_t offset, uint8_t *buf, size_t len,
               size_t *ret_len, struct vv_error *err)
{
    struct sftp_handle h;
    struct sftp_transfer t;

    VV_TRY(sftp_open(c, path, SFTP_OPEN_READ, 0, &h, err));
    sftp_transfer_init(&t, &h, offset, len);
    t.into = buf;
    enum vv_rc rc = read_sized(c, &h, &t, err);
    sftp_close_later(c, &h);
    if (rc != VV_OK) {
        return rc;
    }
    if (t.call.status != SFTP_OK) {
        return sftp_refused(t.call.status, t.call.words, err, "cannot read '%s'", path);
    }
    *ret_len = t.end;
    return VV_OK;
}

enum { AFTER_FSYNC, AFTER_FSTAT, AFTER_CLOSE, AFTER_COUNT };

/* What the requests behind the data say, in their order. */
static enum vv_rc
judge(struct sftp_client *c, const struct sftp_transfer *t, const char *path, struct vv_error *err)
{
    static const char *const verbs[AFTER_COUNT] = {"fsync", "inspect", "close"};
    struct sftp_answer answer;

    if (t->call.status != SFTP_OK) {
        return sftp_refused(t->call.status, t->call.words, err, "cannot write '%s'", path);
    }
    for (size_t i = 0; i < t->item_count; i++) {
        const struct sftp_item *item = &t->items[i];
        if (item->status != SFTP_OK) {
            return sftp_refused(item->status, item->words, err, "cannot %s '%s'",
                                verbs[i + AFTER_COUNT - t->item_count], path);
        }
        if (!sftp_answer_decode(vv_buf_span(&item->answer), &answer) ||
            (item->type == SFTP_PACKET_EXTENDED && answer.type != SFTP_PACKET_STATUS)) {
            return sftp_not_sftp(c, err, "a reply where a status belongs");
        }
        if (item->type == SFTP_PACKET_FSTAT && answer.attributes.has_size &&
            answer.attributes.size != t->end) {
            return vv_error_set(err, VV_EIO, "'%s' has %llu bytes on the server, %zu were written",
                                path, (unsigned long long)answer.attributes.size, t->end);
        }
        if (item->type == SFTP_PACKET_FSTAT && !answer.attributes.has_size) {
            return vv_error_set(err, VV_EIO, "the server does not tell the size of '%s'", path);
        }
    }
    return VV_OK;
}

enum vv_rc
sftp_write_file(struct sftp_client *c, const char *path, uint32_t mode, struct vv_span data,
                bool sync, struct vv_error *err)
{
    struct sftp_item items[AFTER_COUNT] = {[AFTER_FSYNC] = {.type = SFTP_PACKET_EXTENDED},
                                           [AFTER_FSTAT] = {.type = SFTP_PACKET_FSTAT},
                                           [AFTER_CLOSE] = {.type = SFTP_PACKET_CLOSE}};
    struct sftp_handle h;
    struct sftp_transfer t;

    if (sync && (c->extensions & SFTP_FSYNC) == 0) {
        return vv_error_set(err, VV_EUNSUPPORTED, "%s: the server does not offer fsync@openssh.com",
                            c->stream->name);
    }
    VV_TRY(sftp_open(c, path, SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE, mode, &h,
                     err));
    sftp_put_extended(&items[AFTER_FSYNC].body, "fsync@openssh.com");
    for (int i = 0; i < AFTER_COUNT; i++) {
        sftp_put_handle(&items[i].body, &h);
    }
    sftp_transfer_init(&t, &h, 0, data.len);
    t.from = data.data;
    t.items = sync ? items : items + AFTER_FSTAT;
    t.item_count = sync ? AFTER_COUNT : AFTER_COUNT - AFTER_FSTAT;
    enum vv_rc rc = VV_OK;
    for (int i = 0; i < AFTER_COUNT && rc == VV_OK; i++) {
        rc = vv_buf_check(&items[i].body, err);
    }
    if (rc != VV_OK) {
        sftp_close_later(c, &h);
    } else {
        rc = sftp_perform(c, &t.call, err);
        rc = rc != VV_OK ? rc : judge(c, &t, path, err);
    }
    for (int i = 0; i < AFTER_COUNT; i++) {
        sftp_item_release(&items[i]);
    }
    return rc;
}
