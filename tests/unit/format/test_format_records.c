/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions, slots, administrator's records, condemned lists, site. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/alloc.h"
#include "format/admin.h"
#include "format/session.h"
#include "format/slot.h"
#include "helper_samples.h"

static const uint8_t zeros[4096];

static void
session__round_trips(void **state)
{
    (void)state;
    uint8_t ids[48];
    struct vv_buf out = {0};
    struct session_record s;
    memset(ids, 7, sizeof(ids));
    struct session_record in = {.session = sample_uuid(1),
                                .kind = SESSION_READER,
                                .client = sample_uuid(2),
                                .time = -3,
                                .beat = 99,
                                .nonce = {5},
                                .snapshot_count = 3,
                                .snapshots = vv_span(ids, sizeof(ids))};
    assert_int_equal(session_encode(&in, &sample_repository, &out, NULL), VV_OK);
    assert_int_equal(out.len, 24 + 16 + 1 + 16 + 8 + 8 + 16 + 4 + 48 + 32);
    assert_int_equal(session_decode(vv_buf_span(&out), &sample_repository, &s, NULL), VV_OK);
    assert_true(vv_uuid_equal(&s.session, &in.session));
    assert_true(vv_uuid_equal(&s.client, &in.client));
    assert_int_equal(s.kind, SESSION_READER);
    assert_int_equal(s.time, -3);
    assert_int_equal(s.beat, 99);
    assert_int_equal(s.nonce[0], 5);
    assert_int_equal(s.snapshot_count, 3);
    assert_memory_equal(s.snapshots.data, ids, sizeof(ids));
    vv_buf_release(&out);
}

static void
session__only_readers_name_snapshots(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct session_record s;
    struct session_record in = {
        .kind = SESSION_BACKUP, .snapshot_count = 1, .snapshots = vv_span(zeros, 16)};
    assert_int_equal(session_encode(&in, &sample_repository, &out, NULL), VV_EUSAGE);
    in.kind = SESSION_READER;
    in.snapshot_count = 2;
    assert_int_equal(session_encode(&in, &sample_repository, &out, NULL), VV_EUSAGE);
    in.snapshot_count = 1;
    assert_int_equal(session_encode(&in, &sample_repository, &out, NULL), VV_OK);
    out.data[24 + 16] = SESSION_PRUNE;
    sample_reseal(out.data, out.len);
    assert_int_equal(session_decode(vv_buf_span(&out), NULL, &s, NULL), VV_ECORRUPT);
    out.data[24 + 16] = 7;
    sample_reseal(out.data, out.len);
    assert_int_equal(session_decode(vv_buf_span(&out), NULL, &s, NULL), VV_EUNSUPPORTED);
    vv_buf_release(&out);
}

static void
slot__round_trips(void **state)
{
    (void)state;
    struct vv_buf records = {0};
    struct vv_buf out = {0};
    struct slot s;
    struct vv_span record;
    slot_append_record(&records, sample_text("first"));
    slot_append_record(&records, sample_text("the second"));
    struct slot in = {.session = sample_uuid(1),
                      .status = SLOT_RECORDS,
                      .nonce = {6},
                      .record_count = 2,
                      .records = vv_buf_span(&records)};
    assert_int_equal(slot_encode(&in, &sample_repository, &out, NULL), VV_OK);
    assert_int_equal(container_finish(&out, NULL), VV_OK);
    assert_int_equal(slot_decode(vv_buf_span(&out), &sample_repository, &s, NULL), VV_OK);
    assert_true(vv_uuid_equal(&s.session, &in.session));
    assert_int_equal(s.status, SLOT_RECORDS);
    assert_int_equal(s.nonce[0], 6);
    assert_int_equal(s.record_count, 2);
    struct vv_reader r = vv_reader(s.records.data, s.records.len);
    assert_true(slot_next_record(&r, &record));
    assert_memory_equal(record.data, "first", 5);
    assert_true(slot_next_record(&r, &record));
    assert_int_equal(record.len, 10);
    assert_false(slot_next_record(&r, &record));
    vv_buf_release(&records);
    vv_buf_release(&out);
}

static void
slot__status_and_content_must_agree(void **state)
{
    (void)state;
    struct vv_buf records = {0};
    struct vv_buf out = {0};
    struct slot s;
    slot_append_record(&records, sample_text("record"));
    struct slot in = {.status = SLOT_RECORDS};
    assert_int_equal(slot_encode(&in, &sample_repository, &out, NULL), VV_EUSAGE);
    in = (struct slot){.status = SLOT_EMPTY, .record_count = 1, .records = vv_buf_span(&records)};
    assert_int_equal(slot_encode(&in, &sample_repository, &out, NULL), VV_EUSAGE);
    in.status = SLOT_RECORDS;
    in.record_count = 2;
    assert_int_equal(slot_encode(&in, &sample_repository, &out, NULL), VV_EUSAGE);
    /* A fence without its signature, and an empty slot with one. */
    for (unsigned i = 0; i < 4; i++) {
        bool fence = i < 2;
        bool with_signature = i % 2 == 0;
        out.len = 0;
        in = (struct slot){.status = fence ? SLOT_FENCE : SLOT_EMPTY};
        assert_int_equal(slot_encode(&in, &sample_repository, &out, NULL), VV_OK);
        vv_buf_put(&out, zeros, with_signature ? FORMAT_SIGNATURE_LEN : 0);
        assert_int_equal(container_finish(&out, NULL), VV_OK);
        assert_int_equal(slot_decode(vv_buf_span(&out), NULL, &s, NULL),
                         fence == with_signature ? VV_OK : VV_ECORRUPT);
    }
    vv_buf_release(&records);
    vv_buf_release(&out);
}

static void
slot__an_empty_record_is_refused(void **state)
{
    (void)state;
    struct vv_buf records = {0};
    struct vv_buf out = {0};
    slot_append_record(&records, vv_span(zeros, 0));
    struct slot in = {.status = SLOT_RECORDS, .record_count = 1, .records = vv_buf_span(&records)};
    assert_int_equal(slot_encode(&in, &sample_repository, &out, NULL), VV_EUSAGE);
    vv_buf_release(&records);
    vv_buf_release(&out);
}

static void
admin__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct admin_record a;
    struct admin_record in = {.site = sample_uuid(1),
                              .type = ADMIN_SUSPECT,
                              .time = -2,
                              .nonce = {3},
                              .payload = sample_text("payload")};
    assert_int_equal(admin_encode(&in, &sample_repository, &out, NULL), VV_OK);
    assert_int_equal(out.len, 24 + 16 + 1 + 8 + 16 + 4 + 7);
    vv_buf_put(&out, zeros, FORMAT_SIGNATURE_LEN);
    assert_int_equal(container_finish(&out, NULL), VV_OK);
    assert_int_equal(admin_decode(vv_buf_span(&out), &sample_repository, &a, NULL), VV_OK);
    assert_true(vv_uuid_equal(&a.site, &in.site));
    assert_int_equal(a.type, ADMIN_SUSPECT);
    assert_int_equal(a.time, -2);
    assert_int_equal(a.nonce[0], 3);
    assert_int_equal(a.payload.len, 7);
    out.data[24 + 16] = ADMIN_ACCEPTED + 1;
    sample_reseal(out.data, out.len);
    assert_int_equal(admin_decode(vv_buf_span(&out), NULL, &a, NULL), VV_EUNSUPPORTED);
    vv_buf_release(&out);
}

static void
admin__only_graves_may_be_large(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct vv_buf payload = {0};
    struct admin_record a;
    vv_buf_put_zeros(&payload, LIMIT_SMALL_OBJECT);
    for (unsigned i = 0; i < 2; i++) {
        struct admin_record in = {.type = i == 0 ? ADMIN_GRAVE : ADMIN_PIN,
                                  .payload = vv_buf_span(&payload)};
        out.len = 0;
        assert_int_equal(admin_encode(&in, &sample_repository, &out, NULL), VV_OK);
        vv_buf_put(&out, zeros, FORMAT_SIGNATURE_LEN);
        assert_int_equal(container_finish(&out, NULL), VV_OK);
        assert_int_equal(admin_decode(vv_buf_span(&out), NULL, &a, NULL),
                         i == 0 ? VV_OK : VV_ECORRUPT);
    }
    vv_buf_release(&out);
    vv_buf_release(&payload);
}

static void
certificate__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct certificate c;
    struct certificate in = {
        .client = sample_uuid(1), .role = 3, .ed25519 = {4}, .x25519 = {5}, .name = "db2"};
    certificate_encode(&in, &out);
    assert_int_equal(out.len, 16 + 1 + 32 + 32 + 1 + 3);
    assert_int_equal(certificate_decode(vv_buf_span(&out), &c, NULL), VV_OK);
    assert_int_equal(c.role, 3);
    assert_int_equal(c.ed25519[0], 4);
    assert_int_equal(c.x25519[0], 5);
    assert_string_equal(c.name, "db2");
    out.data[16] = 4;
    assert_int_equal(certificate_decode(vv_buf_span(&out), &c, NULL), VV_EUNSUPPORTED);
    out.data[16] = 1;
    out.data[82] = 0;
    assert_int_equal(certificate_decode(vv_buf_span(&out), &c, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

static void
epoch__round_trips(void **state)
{
    (void)state;
    uint8_t recipients[2 * 97] = {0};
    struct vv_buf out = {0};
    struct epoch_record e;
    recipients[16] = 1;
    recipients[97 + 16] = 2;
    struct epoch_record in = {.number = 3,
                              .x25519 = {4},
                              .recipient_count = 2,
                              .recipients = vv_span(recipients, sizeof(recipients))};
    epoch_encode(&in, &out);
    assert_int_equal(epoch_decode(vv_buf_span(&out), &e, NULL), VV_OK);
    assert_int_equal(e.number, 3);
    assert_int_equal(e.x25519[0], 4);
    assert_int_equal(e.recipient_count, 2);
    assert_int_equal(e.recipients.len, sizeof(recipients));
    out.data[4 + 32 + 4 + 97 + 16] = 3;
    assert_int_equal(epoch_decode(vv_buf_span(&out), &e, NULL), VV_EUNSUPPORTED);
    out.data[4 + 32] = 3;
    assert_int_equal(epoch_decode(vv_buf_span(&out), &e, NULL), VV_ECORRUPT);
    in.recipient_count = 1;
    vv_buf_reset(&out);
    epoch_encode(&in, &out);
    assert_true(out.failed);
    vv_buf_release(&out);
}

static void
grave__list_round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct grave_list l;
    struct grave g;
    struct snapshot_seen head;
    struct grave in[2];
    const struct snapshot_seen heads[2] = {{sample_uuid(9), 10, sample_id(11)},
                                           {sample_uuid(12), 13, sample_id(14)}};
    for (uint8_t i = 0; i < 2; i++) {
        in[i] = (struct grave){sample_uuid(i), sample_uuid((uint8_t)(i + 1)),
                               sample_uuid(5), i + 6u,
                               sample_id(7),   sample_id(8),
                               sample_uuid(9), (uint8_t)(i + 1)};
    }
    grave_list_encode(in, 2, heads, 2, &out);
    assert_int_equal(out.len, 4 + 2 * GRAVE_LEN + 4 + 2 * SNAPSHOT_SEEN_LEN);
    assert_int_equal(grave_list_decode(vv_buf_span(&out), &l, NULL), VV_OK);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.head_count, 2);
    grave_list_at(&l, 1, &g);
    assert_int_equal(g.session.b[0], 1);
    assert_int_equal(g.snapshot.b[0], 2);
    assert_int_equal(g.client.b[0], 5);
    assert_int_equal(g.sequence, 7);
    assert_int_equal(g.hash.b[0], 7);
    assert_int_equal(g.previous.b[0], 8);
    assert_int_equal(g.site.b[0], 9);
    assert_int_equal(g.reason, GRAVE_FORGOTTEN);
    grave_list_head_at(&l, 1, &head);
    assert_int_equal(head.client.b[0], 12);
    assert_int_equal(head.sequence, 13);
    assert_int_equal(head.hash.b[0], 14);
    assert_int_equal(grave_list_decode(vv_span(out.data, out.len - 1), &l, NULL), VV_ECORRUPT);
    out.data[4 + 2 * GRAVE_LEN - 1] = 4;
    assert_int_equal(grave_list_decode(vv_buf_span(&out), &l, NULL), VV_EUNSUPPORTED);
    out.data[4 + 2 * GRAVE_LEN] = 1;
    assert_int_equal(grave_list_decode(vv_buf_span(&out), &l, NULL), VV_ECORRUPT);
    vv_store_u32(out.data, UINT32_MAX);
    assert_int_equal(grave_list_decode(vv_buf_span(&out), &l, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

static void
pack_list__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct vv_reader r;
    uint32_t count = 9;
    struct pack_name names[2] = {{sample_id(1), sample_uuid(2)}, {sample_id(3), sample_uuid(4)}};
    struct pack_name name;
    pack_list_encode(names, 0, &out);
    assert_int_equal(pack_list_open(vv_buf_span(&out), &r, &count, NULL), VV_OK);
    assert_int_equal(count, 0);
    vv_buf_reset(&out);
    pack_list_encode(names, 2, &out);
    assert_int_equal(out.len, 4 + 2 * 48);
    assert_int_equal(pack_list_open(vv_buf_span(&out), &r, &count, NULL), VV_OK);
    for (unsigned i = 0; i < count; i++) {
        pack_list_next(&r, &name);
        assert_int_equal(pack_name_compare(&name, &names[i]), 0);
    }
    assert_int_equal(count, 2);
    vv_buf_release(&out);
}

static void
forget__pin__revocation__round_trip(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct revocation revocation;
    struct forget forget;
    struct pin pin;
    struct forget_end end;
    struct revocation r = {sample_uuid(1), 5};
    revocation_encode(&r, &out);
    assert_int_equal(revocation_decode(vv_buf_span(&out), &revocation, NULL), VV_OK);
    assert_int_equal(revocation.since, 5);
    vv_buf_reset(&out);
    struct forget f = {2, vv_span(zeros, 32), 604800};
    forget_encode(&f, &out);
    assert_int_equal(out.len, 4 + 32 + 8);
    assert_int_equal(forget_decode(vv_buf_span(&out), &forget, NULL), VV_OK);
    assert_int_equal(forget.count, 2);
    assert_int_equal(forget.grace, 604800);
    out.data[out.len - 1] = 0x80;
    assert_int_equal(forget_decode(vv_buf_span(&out), &forget, NULL), VV_ECORRUPT);
    vv_buf_reset(&out);
    struct pin p = {sample_uuid(3), 77, false};
    pin_encode(&p, &out);
    assert_int_equal(pin_decode(vv_buf_span(&out), &pin, NULL), VV_OK);
    assert_false(pin.pinned);
    assert_int_equal(pin.until, 77);
    out.data[24] = 3;
    assert_int_equal(pin_decode(vv_buf_span(&out), &pin, NULL), VV_EUNSUPPORTED);
    vv_buf_reset(&out);
    struct forget_end e = {sample_uuid(9), FORGET_CARRIED_OUT};
    forget_end_encode(&e, &out);
    assert_int_equal(out.len, 17);
    assert_int_equal(forget_end_decode(vv_buf_span(&out), &end, NULL), VV_OK);
    assert_int_equal(end.outcome, FORGET_CARRIED_OUT);
    assert_true(vv_uuid_equal(&end.forget, &e.forget));
    out.data[16] = 0;
    assert_int_equal(forget_end_decode(vv_buf_span(&out), &end, NULL), VV_EUNSUPPORTED);
    assert_int_equal(forget_end_decode(vv_span(out.data, 16), &end, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

static void
retention_lists__round_trip(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct vv_reader r;
    struct first_listed listed;
    struct vv_span ids;
    uint32_t count = 0;
    struct first_listed l = {sample_uuid(3), -5};
    first_listed_begin(&out, 2);
    first_listed_put(&out, &l);
    l.time = 7;
    first_listed_put(&out, &l);
    assert_int_equal(out.len, 4 + 2 * FIRST_LISTED_LEN);
    assert_int_equal(first_listed_open(vv_buf_span(&out), &r, &count, NULL), VV_OK);
    assert_int_equal(count, 2);
    first_listed_next(&r, &listed);
    assert_int_equal(listed.time, -5);
    first_listed_next(&r, &listed);
    assert_int_equal(listed.time, 7);
    assert_true(vv_uuid_equal(&listed.snapshot, &l.snapshot));
    assert_int_equal(first_listed_open(vv_span(out.data, out.len - 1), &r, &count, NULL),
                     VV_ECORRUPT);
    vv_buf_reset(&out);
    struct vv_uuid accepted[2] = {sample_uuid(1), sample_uuid(2)};
    accepted_encode(accepted, 2, &out);
    assert_int_equal(accepted_decode(vv_buf_span(&out), &ids, &count, NULL), VV_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(ids.data, accepted, sizeof(accepted));
    out.data[0] = 3;
    assert_int_equal(accepted_decode(vv_buf_span(&out), &ids, &count, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

static void
condemned__round_trips(void **state)
{
    (void)state;
    struct vv_buf packs = {0};
    struct vv_buf out = {0};
    struct condemned c;
    struct pack_name names[2] = {{sample_id(1), sample_uuid(2)}, {sample_id(3), sample_uuid(4)}};
    pack_list_encode(names, 2, &packs);
    struct condemned in = {.session = sample_uuid(5), .nonce = {6}, .packs = vv_buf_span(&packs)};
    assert_int_equal(condemned_encode(&in, &sample_repository, &out, NULL), VV_OK);
    vv_buf_put(&out, zeros, FORMAT_SIGNATURE_LEN);
    assert_int_equal(container_finish(&out, NULL), VV_OK);
    assert_int_equal(condemned_decode(vv_buf_span(&out), &sample_repository, &c, NULL), VV_OK);
    assert_int_equal(c.session.b[0], 5);
    assert_int_equal(c.nonce[0], 6);
    assert_int_equal(c.packs.len, packs.len);
    assert_memory_equal(c.packs.data, packs.data, packs.len);
    packs.data[0] = 3;
    assert_int_equal(condemned_encode(&in, &sample_repository, &out, NULL), VV_ECORRUPT);
    vv_buf_release(&packs);
    vv_buf_release(&out);
}

static void
site__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct site s;
    struct site in = {sample_uuid(1), -2, 31};
    assert_int_equal(site_encode(&in, &sample_repository, &out, NULL), VV_OK);
    assert_int_equal(out.len, 24 + 16 + 8 + 4 + 32);
    assert_int_equal(site_decode(vv_buf_span(&out), &sample_repository, &s, NULL), VV_OK);
    assert_true(vv_uuid_equal(&s.id, &in.id));
    assert_int_equal(s.time, -2);
    assert_int_equal(s.abilities, 31);
    vv_buf_release(&out);
}

/* Encoders that return a code report every failing allocation. */
static void
records__failing_allocations_are_reported(void **state)
{
    (void)state;
    struct site site = {sample_uuid(1), 2, 3};
    struct session_record session = {.kind = SESSION_BACKUP};
    for (unsigned which = 0; which < 2; which++) {
        enum vv_rc rc = VV_ENOMEM;
        for (uint64_t nth = 1; rc == VV_ENOMEM; nth++) {
            struct vv_buf out = {0};
            assert_true(nth < 100);
            vv_alloc_fail_at(nth, 0);
            rc = which == 0 ? site_encode(&site, &sample_repository, &out, NULL)
                            : session_encode(&session, &sample_repository, &out, NULL);
            vv_alloc_fail_at(0, 0);
            vv_buf_release(&out);
        }
        assert_int_equal(rc, VV_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session__round_trips),
        cmocka_unit_test(session__only_readers_name_snapshots),
        cmocka_unit_test(slot__round_trips),
        cmocka_unit_test(slot__status_and_content_must_agree),
        cmocka_unit_test(slot__an_empty_record_is_refused),
        cmocka_unit_test(admin__round_trips),
        cmocka_unit_test(admin__only_graves_may_be_large),
        cmocka_unit_test(certificate__round_trips),
        cmocka_unit_test(epoch__round_trips),
        cmocka_unit_test(grave__list_round_trips),
        cmocka_unit_test(pack_list__round_trips),
        cmocka_unit_test(forget__pin__revocation__round_trip),
        cmocka_unit_test(retention_lists__round_trip),
        cmocka_unit_test(condemned__round_trips),
        cmocka_unit_test(site__round_trips),
        cmocka_unit_test(records__failing_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
