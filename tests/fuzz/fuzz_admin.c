/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of an administrator's record, and its payload. */
#include "format/admin.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

/** Lists of one after the other: all of the first has the same bytes again, then come the heads. */
static void
decode_graves(const struct admin_record *a, struct vv_buf *out)
{
    struct grave_list l;
    struct vv_buf part = {0};
    if (grave_list_decode(a->payload, &l, NULL) != VV_OK) {
        return;
    }
    vv_buf_put_u32(out, l.count);
    for (uint32_t i = 0; i < l.count; i++) {
        struct grave grave;
        grave_list_at(&l, i, &grave);
        vv_buf_reset(&part);
        grave_list_encode(&grave, 1, NULL, 0, &part);
        vv_buf_put(out, part.data + 4, GRAVE_LEN);
    }
    vv_buf_put_u32(out, l.head_count);
    for (uint32_t i = 0; i < l.head_count; i++) {
        struct snapshot_seen head;
        grave_list_head_at(&l, i, &head);
        snapshot_seen_put(out, &head);
    }
    vv_buf_release(&part);
}

static void
decode_list(const struct admin_record *a, struct vv_buf *out)
{
    struct vv_reader r;
    uint32_t count = 0;
    struct pack_name name;
    struct first_listed listed;
    struct vv_span ids;
    if (a->type == ADMIN_GRAVE) {
        decode_graves(a, out);
    } else if (a->type == ADMIN_SUSPECT && pack_list_open(a->payload, &r, &count, NULL) == VV_OK) {
        vv_buf_put_u32(out, count);
        for (uint32_t i = 0; i < count; i++) {
            pack_list_next(&r, &name);
            vv_buf_put(out, name.hash.b, sizeof(name.hash.b));
            vv_buf_put(out, name.suffix.b, sizeof(name.suffix.b));
        }
        fuzz_require(vv_reader_done(&r));
    } else if (a->type == ADMIN_LISTED &&
               first_listed_open(a->payload, &r, &count, NULL) == VV_OK) {
        first_listed_begin(out, count);
        for (uint32_t i = 0; i < count; i++) {
            first_listed_next(&r, &listed);
            first_listed_put(out, &listed);
        }
        fuzz_require(vv_reader_done(&r));
    } else if (a->type == ADMIN_ACCEPTED &&
               accepted_decode(a->payload, &ids, &count, NULL) == VV_OK) {
        vv_buf_put_u32(out, count);
        vv_buf_put(out, ids.data, ids.len);
    }
}

/* Decode the payload and encode it again; nothing is written if it is refused. */
static void
payload_again(const struct admin_record *a, struct vv_buf *out)
{
    struct certificate certificate;
    struct revocation revocation;
    struct epoch_record epoch;
    struct forget forget;
    struct pin pin;
    struct forget_end end;
    if (a->type == ADMIN_CERTIFICATE &&
        certificate_decode(a->payload, &certificate, NULL) == VV_OK) {
        certificate_encode(&certificate, out);
    } else if (a->type == ADMIN_REVOCATION &&
               revocation_decode(a->payload, &revocation, NULL) == VV_OK) {
        revocation_encode(&revocation, out);
    } else if (a->type == ADMIN_EPOCH && epoch_decode(a->payload, &epoch, NULL) == VV_OK) {
        epoch_encode(&epoch, out);
    } else if (a->type == ADMIN_FORGET && forget_decode(a->payload, &forget, NULL) == VV_OK) {
        forget_encode(&forget, out);
    } else if (a->type == ADMIN_FORGET_END && forget_end_decode(a->payload, &end, NULL) == VV_OK) {
        forget_end_encode(&end, out);
    } else if (a->type == ADMIN_PIN && pin_decode(a->payload, &pin, NULL) == VV_OK) {
        pin_encode(&pin, out);
    } else {
        decode_list(a, out);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct vv_buf payload = {0};
    struct admin_record a;
    fuzz_container(FORMAT_ADMIN, data, size, &object);
    if (admin_decode(vv_buf_span(&object), &repository, &a, NULL) == VV_OK) {
        payload_again(&a, &payload);
        if (payload.len > 0) {
            fuzz_same(a.payload, vv_buf_span(&payload));
        }
        fuzz_require(admin_encode(&a, &repository, &again, NULL) == VV_OK);
        fuzz_signed_again(vv_buf_span(&object), &again);
        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    vv_buf_release(&payload);
    return 0;
}
