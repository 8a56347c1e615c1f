/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshot records and their bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/envelope.h"
#include "format/pack.h"
#include "format/snapshot.h"
#include "helper_samples.h"

static const uint8_t zeros[64];

/* A record with that many heads seen. */
static void
build_record(uint32_t seen_count, struct vv_buf *seen, struct vv_buf *out)
{
    static const uint8_t body[PACK_SEALED_LEN + ENVELOPE_OVERHEAD];
    for (uint32_t i = 0; i < seen_count; i++) {
        struct snapshot_seen one = {sample_uuid((uint8_t)(i + 1)), i + 100,
                                    sample_id((uint8_t)(i + 50))};
        snapshot_seen_put(seen, &one);
    }
    struct snapshot_head h = {.repository = sample_repository,
                              .id = sample_uuid(1),
                              .client = sample_uuid(2),
                              .sequence = 3,
                              .previous = sample_id(4),
                              .site = sample_uuid(5),
                              .time = -6,
                              .seen_count = seen_count,
                              .seen = vv_buf_span(seen),
                              .epoch = 7};
    assert_int_equal(snapshot_head_encode(&h, out, NULL), VV_OK);
    vv_buf_put_u32(out, sizeof(body));
    vv_buf_put(out, body, sizeof(body));
    vv_buf_put(out, zeros, FORMAT_SIGNATURE_LEN);
}

static void
snapshot_record__round_trips(void **state)
{
    (void)state;
    struct vv_buf seen = {0};
    struct vv_buf out = {0};
    struct snapshot_record s;
    struct snapshot_seen one;
    build_record(2, &seen, &out);
    size_t head = 24 + 16 + 16 + 8 + 32 + 16 + 8 + 4 + 2 * 56 + 4;
    assert_int_equal(out.len, head + 4 + 165 + 64);
    assert_memory_equal(out.data, "varveR\1\0\1\2", 10);
    assert_int_equal(snapshot_record_decode(vv_buf_span(&out), &sample_repository, &s, NULL),
                     VV_OK);
    assert_int_equal(s.head.sequence, 3);
    assert_int_equal(s.head.previous.b[0], 4);
    assert_int_equal(s.head.site.b[0], 5);
    assert_int_equal(s.head.time, -6);
    assert_int_equal(s.head.epoch, 7);
    assert_int_equal(s.head.seen_count, 2);
    assert_true(snapshot_seen_at(&s.head, 1, &one));
    assert_int_equal(one.client.b[0], 2);
    assert_int_equal(one.sequence, 101);
    assert_int_equal(one.hash.b[31], 51);
    assert_false(snapshot_seen_at(&s.head, 2, &one));
    assert_ptr_equal(s.prefix.data, out.data);
    assert_int_equal(s.prefix.len, head);
    assert_ptr_equal(s.sealed_body.data, out.data + head + 4);
    assert_int_equal(s.sealed_body.len, 165);
    assert_int_equal(s.signed_part.len, out.len - 64);
    assert_ptr_equal(s.signature.data, out.data + out.len - 64);
    vv_buf_release(&seen);
    vv_buf_release(&out);
}

static void
snapshot_record__impossible_heads_are_refused(void **state)
{
    (void)state;
    struct vv_buf seen = {0};
    struct vv_buf out = {0};
    struct snapshot_record s;
    struct snapshot_head h = {.sequence = 0};
    assert_int_equal(snapshot_head_encode(&h, &out, NULL), VV_EUSAGE);
    h.sequence = 1;
    h.seen_count = 1;
    assert_int_equal(snapshot_head_encode(&h, &out, NULL), VV_EUSAGE);
    build_record(0, &seen, &out);
    memset(out.data + 56, 0, 8); /* the sequence */
    assert_int_equal(snapshot_record_decode(vv_buf_span(&out), NULL, &s, NULL), VV_ECORRUPT);
    out.data[56] = 1;
    assert_int_equal(snapshot_record_decode(vv_buf_span(&out), NULL, &s, NULL), VV_OK);
    vv_store_u32(out.data + 120, UINT32_MAX); /* heads seen */
    assert_int_equal(snapshot_record_decode(vv_buf_span(&out), NULL, &s, NULL), VV_ECORRUPT);
    vv_buf_release(&seen);
    vv_buf_release(&out);
}

static void
put_body(struct vv_buf *out, const char *host, uint64_t mode, unsigned statistics)
{
    uint8_t root[52] = {1};
    uint8_t numbers[32 * 8];
    field_put(out, SNAPSHOT_F_ROOT, root, sizeof(root));
    if (host != NULL) {
        field_put_text(out, SNAPSHOT_F_HOST, host);
    }
    field_put_u64(out, SNAPSHOT_F_START, 1);
    field_put_u64(out, SNAPSHOT_F_END, 2);
    field_put_u64(out, SNAPSHOT_F_MODE, mode);
    for (unsigned i = 0; i < statistics; i++) {
        vv_store_u64(numbers + (size_t)i * 8, i + 1000);
    }
    field_put(out, SNAPSHOT_F_STATISTICS, numbers, (size_t)statistics * 8);
}

static void
snapshot_body__round_trips(void **state)
{
    (void)state;
    struct vv_buf first = {0};
    struct vv_buf second = {0};
    struct snapshot_body b;
    size_t i = 0;
    while (strcmp(samples[i].name, "snapshot_body") != 0) {
        i++;
    }
    samples[i].build(&first);
    assert_int_equal(snapshot_body_decode(vv_buf_span(&first), &b, NULL), VV_OK);
    assert_string_equal(b.host, "web1");
    assert_string_equal(b.user, "root");
    assert_string_equal(b.program, "varve 0.1.0");
    assert_int_equal(b.source_count, 2);
    assert_int_equal(b.sources[1].len, 4);
    assert_memory_equal(b.sources[1].data, "/etc", 4);
    assert_int_equal(b.tag_count, 2);
    assert_string_equal(b.tags[1], "shop");
    assert_int_equal(b.incomplete_count, 1);
    assert_string_equal(b.incomplete[0], "database 'orders'");
    assert_int_equal(b.zone, -3600);
    assert_int_equal(b.mode, SNAPSHOT_INCREMENTAL);
    assert_true(b.has_parent);
    assert_int_equal(b.parent.b[3], 9);
    assert_int_equal(b.statistics.files, 900);
    assert_int_equal(b.statistics.duration_ns, 77);
    assert_int_equal(b.file_system_count, 2);
    assert_int_equal(b.file_systems[1].identity, 43);
    assert_int_equal(b.root.height, 2);
    assert_int_equal(b.root.entries, 1000);
    assert_int_equal(b.root.bytes, 123456);
    assert_int_equal(snapshot_body_encode(&b, &second, NULL), VV_OK);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    snapshot_body_release(&b);
    vv_buf_release(&first);
    vv_buf_release(&second);
}

static void
snapshot_body__missing_texts_are_empty(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct snapshot_body b;
    put_body(&out, NULL, 1, 18);
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_OK);
    assert_string_equal(b.host, "");
    assert_string_equal(b.user, "");
    assert_string_equal(b.program, "");
    assert_false(b.has_parent);
    snapshot_body_release(&b);
    vv_buf_release(&out);
}

static void
snapshot_body__statistics_may_be_shorter_or_longer(void **state)
{
    (void)state;
    static const unsigned counts[] = {0, 2, 18, 32};
    for (unsigned i = 0; i < 4; i++) {
        struct vv_buf out = {0};
        struct snapshot_body b;
        put_body(&out, "h", 1, counts[i]);
        assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_OK);
        assert_int_equal(b.statistics.directories, counts[i] < 2 ? 0 : 1001);
        assert_int_equal(b.statistics.duration_ns, counts[i] < 18 ? 0 : 1017);
        snapshot_body_release(&b);
        vv_buf_release(&out);
    }
}

static void
snapshot_body__unknown_fields_follow_the_rule(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct snapshot_body b;
    put_body(&out, "h", 1, 18);
    size_t len = out.len;
    field_put_text(&out, 0x8100, "ignored");
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_OK);
    snapshot_body_release(&b);
    out.len = len;
    field_put_text(&out, 0x0100, "important");
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_EUNSUPPORTED);
    out.len = len;
    field_put_text(&out, SNAPSHOT_F_HOST, "late");
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    out.len = len;
    field_put_text(&out, SNAPSHOT_F_PROGRAM, "one");
    field_put_text(&out, SNAPSHOT_F_PROGRAM, "two");
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    out.len = 0;
    put_body(&out, "h", 4, 18);
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_EUNSUPPORTED);
    vv_buf_release(&out);
}

static void
snapshot_body__a_nul_in_a_text_is_refused(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct snapshot_body b;
    put_body(&out, "host", 1, 18);
    out.data[6 + 52 + 6 + 1] = 0;
    assert_int_equal(snapshot_body_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_record__round_trips),
        cmocka_unit_test(snapshot_record__impossible_heads_are_refused),
        cmocka_unit_test(snapshot_body__round_trips),
        cmocka_unit_test(snapshot_body__missing_texts_are_empty),
        cmocka_unit_test(snapshot_body__statistics_may_be_shorter_or_longer),
        cmocka_unit_test(snapshot_body__unknown_fields_follow_the_rule),
        cmocka_unit_test(snapshot_body__a_nul_in_a_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
