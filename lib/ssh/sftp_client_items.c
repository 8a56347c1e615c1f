/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of single requests: what is asked about paths and handles. */
#include <string.h>

#include "ssh/sftp_client_internal.h"

void
sftp_words(char out[SFTP_WORDS], struct vv_span text)
{
    size_t len = text.len < SFTP_WORDS - 1 ? text.len : SFTP_WORDS - 1;

    for (size_t i = 0; i < len; i++) {
        char byte = (char)text.data[i];
        if (byte == '\0') {
            byte = '?';
        }
        out[i] = byte;
    }
    out[len] = '\0';
}

void
sftp_item_release(struct sftp_item *item)
{
    vv_buf_release(&item->body);
    vv_buf_release(&item->answer);
}

void
sftp_item_answered(struct sftp_call *call, struct sftp_item *item, const struct sftp_answer *answer,
                   struct vv_span packet)
{
    if (answer->type == SFTP_PACKET_STATUS && answer->status != SFTP_OK) {
        item->status = answer->status;
        sftp_words(item->words, answer->text);
    }
    vv_buf_put(&item->answer, packet.data, packet.len);
    call->out_of_memory = call->out_of_memory || item->answer.failed;
}

void
sftp_item_offer(const struct sftp_item *item, size_t tag, struct sftp_packet *ret)
{
    ret->type = item->type;
    ret->body = vv_buf_span(&item->body);
    ret->payload = item->payload;
    ret->any_answer = item->any_answer;
    ret->tag = tag;
}

/* ---- several, in order ---- */

struct items_call {
    struct sftp_call call;
    struct sftp_item *items;
    size_t count;
    size_t next;
};

static bool
items_offer(struct sftp_call *call, struct sftp_packet *ret)
{
    const struct items_call *c = (struct items_call *)call;

    if (c->next == c->count) {
        return false;
    }
    sftp_item_offer(&c->items[c->next], c->next, ret);
    return true;
}

static void
items_taken(struct sftp_call *call, const struct sftp_packet *packet)
{
    struct items_call *c = (struct items_call *)call;

    (void)packet;
    c->next++;
}

static void
items_answer(struct sftp_call *call, struct sftp_slot *slot, const struct sftp_answer *answer,
             struct vv_span packet, uint32_t received)
{
    struct items_call *c = (struct items_call *)call;

    (void)received;
    sftp_item_answered(call, &c->items[slot->tag], answer, packet);
}

static bool
items_finished(const struct sftp_call *call)
{
    const struct items_call *c = (const struct items_call *)call;

    return c->next == c->count;
}

enum vv_rc
sftp_items(struct sftp_client *c, struct sftp_item *items, size_t count, struct vv_error *err)
{
    static const struct sftp_call_ops ops = {.offer = items_offer,
                                             .taken = items_taken,
                                             .answer = items_answer,
                                             .finished = items_finished};
    struct items_call call;

    for (size_t i = 0; i < count; i++) {
        VV_TRY(vv_buf_check(&items[i].body, err));
    }
    memset(&call, 0, sizeof(call));
    call.call.ops = &ops;
    call.items = items;
    call.count = count;
    return sftp_perform(c, &call.call, err);
}

enum vv_rc
sftp_check_path(const char *path, struct vv_error *err)
{
    if (strnlen(path, SFTP_STRING_LIMIT + 1) > SFTP_STRING_LIMIT) {
        return vv_error_set(err, VV_ELIMIT, "a path of more than %d bytes: '%.80s...'",
                            SFTP_STRING_LIMIT, path);
    }
    return VV_OK;
}
