/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of what the administrator signs, and of `site`. */
#include "format/admin.h"
#include "format/key_slot.h"
#include "helper_samples_internal.h"

static void
build_admin_of(enum admin_type type, struct vv_span payload, struct vv_buf *out)
{
    struct admin_record a = {
        .site = sample_uuid(8), .type = type, .time = 1700000000000000006, .payload = payload};
    OK(admin_encode(&a, &sample_repository, out, NULL));
    sample_sign_and_finish(out);
}

void
build_certificate(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct certificate c = {.client = sample_uuid(3), .role = KEY_ROLE_WRITER, .name = "web1"};
    certificate_encode(&c, &payload);
    build_admin_of(ADMIN_CERTIFICATE, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_revocation(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct revocation r = {sample_uuid(3), 17};
    revocation_encode(&r, &payload);
    build_admin_of(ADMIN_REVOCATION, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_epoch(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    uint8_t recipients[2 * 97] = {0};
    recipients[16] = 1;
    recipients[97 + 16] = 2;
    struct epoch_record e = {
        .number = 2, .recipient_count = 2, .recipients = vv_span(recipients, sizeof(recipients))};
    epoch_encode(&e, &payload);
    build_admin_of(ADMIN_EPOCH, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_grave(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    const struct grave g = {sample_uuid(2), sample_uuid(4), sample_uuid(3), 5,
                            sample_id(6),   sample_id(7),   sample_uuid(8), GRAVE_FORGOTTEN};
    const struct grave graves[2] = {g, g};
    const struct snapshot_seen head = {sample_uuid(3), 9, sample_id(10)};
    grave_list_encode(graves, 2, &head, 1, &payload);
    build_admin_of(ADMIN_GRAVE, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_suspect(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct pack_name names[2] = {{sample_id(1), sample_uuid(2)}, {sample_id(3), sample_uuid(4)}};
    pack_list_encode(names, 2, &payload);
    build_admin_of(ADMIN_SUSPECT, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_forget(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct vv_uuid ids[2] = {sample_uuid(1), sample_uuid(2)};
    struct forget f = {2, vv_span(ids, sizeof(ids)), 604800000000000};
    forget_encode(&f, &payload);
    build_admin_of(ADMIN_FORGET, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_forget_end(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct forget_end e = {sample_uuid(5), FORGET_CANCELLED};
    forget_end_encode(&e, &payload);
    build_admin_of(ADMIN_FORGET_END, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_pin(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct pin p = {sample_uuid(4), 1800000000000000000, true};
    pin_encode(&p, &payload);
    build_admin_of(ADMIN_PIN, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_listed(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct first_listed l = {sample_uuid(4), 1700000000000000008};
    first_listed_begin(&payload, 1);
    first_listed_put(&payload, &l);
    build_admin_of(ADMIN_LISTED, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

void
build_accepted(struct vv_buf *out)
{
    struct vv_buf payload = {0};
    struct vv_uuid ids[2] = {sample_uuid(1), sample_uuid(2)};
    accepted_encode(ids, 2, &payload);
    build_admin_of(ADMIN_ACCEPTED, vv_buf_span(&payload), out);
    vv_buf_release(&payload);
}

static enum vv_rc
decode_payload(const struct admin_record *a, struct vv_error *err)
{
    struct certificate certificate;
    struct revocation revocation;
    struct epoch_record epoch;
    struct forget forget;
    struct pin pin;
    struct forget_end end;
    struct grave_list graves;
    struct vv_span ids;
    struct vv_reader r;
    uint32_t count = 0;
    switch (a->type) {
    case ADMIN_CERTIFICATE:
        return certificate_decode(a->payload, &certificate, err);
    case ADMIN_REVOCATION:
        return revocation_decode(a->payload, &revocation, err);
    case ADMIN_EPOCH:
        return epoch_decode(a->payload, &epoch, err);
    case ADMIN_GRAVE:
        return grave_list_decode(a->payload, &graves, err);
    case ADMIN_SUSPECT:
        return pack_list_open(a->payload, &r, &count, err);
    case ADMIN_FORGET:
        return forget_decode(a->payload, &forget, err);
    case ADMIN_FORGET_END:
        return forget_end_decode(a->payload, &end, err);
    case ADMIN_PIN:
        return pin_decode(a->payload, &pin, err);
    case ADMIN_LISTED:
        return first_listed_open(a->payload, &r, &count, err);
    case ADMIN_ACCEPTED:
        return accepted_decode(a->payload, &ids, &count, err);
    default:
        return VV_EUNSUPPORTED;
    }
}

enum vv_rc
decode_admin(struct vv_span bytes, struct vv_error *err)
{
    struct admin_record a;
    enum vv_rc rc = admin_decode(bytes, &sample_repository, &a, err);
    return rc == VV_OK ? decode_payload(&a, err) : rc;
}

void
build_condemned(struct vv_buf *out)
{
    struct vv_buf packs = {0};
    struct pack_name names[2] = {{sample_id(1), sample_uuid(2)}, {sample_id(3), sample_uuid(4)}};
    pack_list_encode(names, 2, &packs);
    struct condemned c = {.session = sample_uuid(2), .packs = vv_buf_span(&packs)};
    OK(condemned_encode(&c, &sample_repository, out, NULL));
    sample_sign_and_finish(out);
    vv_buf_release(&packs);
}

enum vv_rc
decode_condemned(struct vv_span bytes, struct vv_error *err)
{
    struct condemned c;
    return condemned_decode(bytes, &sample_repository, &c, err);
}

void
build_site(struct vv_buf *out)
{
    struct site s = {sample_uuid(8), 1700000000000000007, 31};
    OK(site_encode(&s, &sample_repository, out, NULL));
}

enum vv_rc
decode_site(struct vv_span bytes, struct vv_error *err)
{
    struct site s;
    return site_decode(bytes, &sample_repository, &s, err);
}
