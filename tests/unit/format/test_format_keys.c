/* SPDX-License-Identifier: BSD-2-Clause */
/* config, key slots, the key bundle, key files and the envelope. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/config.h"
#include "format/envelope.h"
#include "format/key_slot.h"
#include "helper_samples.h"

static const struct config good_config = {.created = -5,
                                          .chunker_suite = 1,
                                          .chunk_min = 65536,
                                          .chunk_max = 1048576,
                                          .chunk_threshold = 77,
                                          .page_size = 65536,
                                          .id_suite = 1,
                                          .dedup_trust = 1,
                                          .admin_public = {9, 8, 7}};

/* Encode without regard to the rules: start from a good one and change it. */
static void
build_config(struct config c, struct vv_buf *out)
{
    static const uint8_t signature[64];
    c.repository = sample_repository;
    assert_int_equal(config_encode(&c, out, NULL), VV_OK);
    vv_buf_put(out, signature, sizeof(signature));
    assert_int_equal(container_finish(out, NULL), VV_OK);
}

static void
config__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct config c;
    build_config(good_config, &out);
    assert_int_equal(out.len, 24 + 8 + 2 + 4 + 4 + 8 + 4 + 2 + 1 + 32 + 64 + 32);
    assert_int_equal(config_decode(vv_buf_span(&out), &c, NULL), VV_OK);
    assert_true(vv_uuid_equal(&c.repository, &sample_repository));
    assert_int_equal(c.created, -5);
    assert_int_equal(c.chunk_min, 65536);
    assert_int_equal(c.chunk_max, 1048576);
    assert_int_equal(c.chunk_threshold, 77);
    assert_int_equal(c.page_size, 65536);
    assert_int_equal(c.dedup_trust, 1);
    assert_memory_equal(c.admin_public, good_config.admin_public, 32);
    vv_buf_release(&out);
}

static void
config__impossible_values_are_refused(void **state)
{
    (void)state;
    struct config bad[9];
    struct vv_buf out = {0};
    for (unsigned i = 0; i < 9; i++) {
        bad[i] = good_config;
    }
    bad[0].chunk_min = 63;
    bad[1].chunk_min = bad[1].chunk_max + 1;
    bad[2].chunk_max = LIMIT_BLOCK_PLAIN + 1;
    bad[3].page_size = 65537;
    bad[4].page_size = 256;
    bad[5].page_size = LIMIT_BLOCK_PLAIN * 2;
    bad[6].chunk_threshold = 0;
    bad[7].chunker_suite = 2;
    bad[8].dedup_trust = 2;
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(config_encode(&bad[i], &out, NULL), i < 7 ? VV_EUSAGE : VV_EUNSUPPORTED);
        assert_int_equal(out.len, 0);
    }
    /* The same on the way in: chunk_min lies behind header, time and suite. */
    struct config c = {.created = 42};
    build_config(good_config, &out);
    vv_store_u32(out.data + 24 + 8 + 2, 63);
    sample_reseal(out.data, out.len);
    assert_int_equal(config_decode(vv_buf_span(&out), &c, NULL), VV_ECORRUPT);
    assert_int_equal(c.created, 42);
    vv_buf_release(&out);
}

static struct key_slot
slot_of(enum key_slot_type type, uint32_t passes, uint32_t kib)
{
    struct key_slot s = {.repository = sample_repository,
                         .type = type,
                         .created = 12,
                         .label = "s\xc3\xa4"
                                  "fe",
                         .passes = passes,
                         .memory_kib = kib,
                         .config = vv_span("config", 6)};
    memset(s.salt, 3, sizeof(s.salt));
    return s;
}

static void
put_envelope(struct vv_buf *out)
{
    vv_buf_put_u8(out, 2);
    vv_buf_put_zeros(out, 64);
    vv_buf_put_u32(out, 3);
    vv_buf_put_zeros(out, 19);
}

static void
key_slot__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_slot in = slot_of(KEY_SLOT_PASSPHRASE, 3, ARGON2_DEFAULT_KIB);
    struct key_slot s;
    assert_int_equal(key_slot_encode_prefix(&in, &out, NULL), VV_OK);
    size_t prefix = out.len;
    put_envelope(&out);
    assert_int_equal(container_finish(&out, NULL), VV_OK);
    assert_int_equal(key_slot_decode(vv_buf_span(&out), &s, NULL), VV_OK);
    assert_int_equal(s.type, KEY_SLOT_PASSPHRASE);
    assert_int_equal(s.created, 12);
    assert_string_equal(s.label, in.label);
    assert_int_equal(s.passes, 3);
    assert_int_equal(s.memory_kib, ARGON2_DEFAULT_KIB);
    assert_memory_equal(s.salt, in.salt, 16);
    assert_int_equal(s.config.len, 6);
    assert_memory_equal(s.config.data, "config", 6);
    assert_ptr_equal(s.prefix.data, out.data);
    assert_int_equal(s.prefix.len, prefix);
    assert_int_equal(s.envelope.len, out.len - 32 - prefix);
    vv_buf_release(&out);
}

static void
key_slot__argon2_has_floor_and_cap(void **state)
{
    (void)state;
    static const struct {
        uint32_t passes, kib;
        enum vv_rc rc;
    } cases[] = {
        {ARGON2_FLOOR_PASSES, ARGON2_FLOOR_KIB, VV_OK},
        {ARGON2_CAP_PASSES, ARGON2_CAP_KIB, VV_OK},
        {ARGON2_FLOOR_PASSES - 1, ARGON2_FLOOR_KIB, VV_EREFUSED},
        {ARGON2_FLOOR_PASSES, ARGON2_FLOOR_KIB - 1, VV_EREFUSED},
        {ARGON2_CAP_PASSES + 1, ARGON2_CAP_KIB, VV_EREFUSED},
        {ARGON2_CAP_PASSES, ARGON2_CAP_KIB + 1, VV_EREFUSED},
        {0, 0, VV_EREFUSED},
        {UINT32_MAX, UINT32_MAX, VV_EREFUSED},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vv_buf out = {0};
        struct key_slot s = slot_of(KEY_SLOT_PASSPHRASE, cases[i].passes, cases[i].kib);
        assert_int_equal(key_slot_encode_prefix(&s, &out, NULL), cases[i].rc);
        /* On the way in: both numbers stand behind type, time and the label's 6 bytes. */
        out.len = 0;
        s = slot_of(KEY_SLOT_PASSPHRASE, 3, ARGON2_DEFAULT_KIB);
        assert_int_equal(key_slot_encode_prefix(&s, &out, NULL), VV_OK);
        vv_store_u32(out.data + 24 + 1 + 8 + 6, cases[i].passes);
        vv_store_u32(out.data + 24 + 1 + 8 + 6 + 4, cases[i].kib);
        put_envelope(&out);
        assert_int_equal(container_finish(&out, NULL), VV_OK);
        assert_int_equal(key_slot_decode(vv_buf_span(&out), &s, NULL), cases[i].rc);
        vv_buf_release(&out);
    }
}

static void
key_slot__parameters_belong_to_passphrases(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_slot s = slot_of(KEY_SLOT_KEY_FILE, 3, ARGON2_DEFAULT_KIB);
    assert_int_equal(key_slot_encode_prefix(&s, &out, NULL), VV_ECORRUPT);
    s = slot_of(KEY_SLOT_RECOVERY, 0, 0);
    assert_int_equal(key_slot_encode_prefix(&s, &out, NULL), VV_OK);
    vv_buf_release(&out);
}

static void
key_slot__label_is_text(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_slot s = slot_of(KEY_SLOT_KEY_FILE, 0, 0);
    s.label[0] = (char)0xff;
    assert_int_equal(key_slot_encode_prefix(&s, &out, NULL), VV_EUSAGE);
    s = slot_of(KEY_SLOT_KEY_FILE, 0, 0);
    assert_int_equal(key_slot_encode_prefix(&s, &out, NULL), VV_OK);
    out.data[24 + 1 + 8 + 2] = 0; /* second byte of the label */
    put_envelope(&out);
    assert_int_equal(container_finish(&out, NULL), VV_OK);
    assert_int_equal(key_slot_decode(vv_buf_span(&out), &s, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

static struct key_bundle
admin_bundle(void)
{
    struct key_bundle b = {.role = KEY_ROLE_ADMIN};
    memset(b.config_hash, 1, 32);
    memset(b.admin_public, 2, 32);
    memset(b.master, 3, 32);
    memset(b.admin_seed, 4, 32);
    return b;
}

static void
key_bundle__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_bundle in = admin_bundle();
    struct key_bundle b;
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    assert_int_equal(out.len, 14 + 4 * 38);
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_OK);
    assert_int_equal(b.role, KEY_ROLE_ADMIN);
    assert_memory_equal(b.config_hash, in.config_hash, 32);
    assert_memory_equal(b.admin_public, in.admin_public, 32);
    assert_memory_equal(b.master, in.master, 32);
    assert_memory_equal(b.admin_seed, in.admin_seed, 32);
    vv_buf_release(&out);
}

static struct key_bundle
client_bundle(enum key_role role)
{
    struct key_bundle b = {.role = role, .epoch_count = 2};
    memset(b.config_hash, 1, 32);
    memset(b.admin_public, 2, 32);
    memset(b.client.b, 5, 16);
    memset(b.client_seed, 6, 32);
    memset(b.client_x25519, 7, 32);
    memset(b.id_keys, 8, sizeof(b.id_keys));
    memset(b.chunker_key, 9, 32);
    memset(b.index_key, 10, 32);
    for (uint32_t i = 0; i < 2; i++) {
        b.epochs[i].number = i * 3;
        memset(b.epochs[i].public_key, (int)(11 + i), 32);
        memset(b.epochs[i].writer, (int)(13 + i), 32);
        if (role == KEY_ROLE_READER) {
            memset(b.epochs[i].reader, (int)(15 + i), 32);
        }
    }
    return b;
}

static void
key_bundle__of_a_client_round_trips(void **state)
{
    (void)state;
    for (int role = KEY_ROLE_READER; role <= KEY_ROLE_WRITER; role++) {
        struct vv_buf out = {0};
        struct key_bundle in = client_bundle((enum key_role)role);
        struct key_bundle b;
        size_t epoch = role == KEY_ROLE_READER ? 100 : 68;
        assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
        assert_int_equal(out.len, 14 + 38 * 2 + 22 + 38 * 2 + 166 + 38 + 2 * (6 + epoch));
        assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_OK);
        assert_memory_equal(&b, &in, sizeof(b));
        vv_buf_release(&out);
    }
}

/* A writer's bundle never carries what opens packs, whatever is in the structure. */
static void
key_bundle__of_a_writer_has_no_reader_secret(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_bundle in = client_bundle(KEY_ROLE_READER);
    struct key_bundle b;
    memset(in.master, 0xee, 32);
    memset(in.admin_seed, 0xdd, 32);
    in.role = KEY_ROLE_WRITER;
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    assert_null(memmem(out.data, out.len, in.epochs[0].reader, 32));
    assert_null(memmem(out.data, out.len, in.master, 32));
    assert_null(memmem(out.data, out.len, in.admin_seed, 32));
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_OK);
    vv_buf_release(&out);
}

static void
key_bundle__epochs_ascend_and_end(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_bundle in = client_bundle(KEY_ROLE_WRITER);
    struct key_bundle b;
    in.epochs[1].number = 0; /* the same again */
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    in.epochs[1].number = LIMIT_EPOCHS;
    vv_buf_reset(&out);
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    in.epoch_count = 0; /* without any it is good for nothing */
    vv_buf_reset(&out);
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    in.epoch_count = LIMIT_EPOCHS;
    for (uint32_t i = 0; i < LIMIT_EPOCHS; i++) {
        in.epochs[i].number = i;
    }
    in.role = KEY_ROLE_READER;
    vv_buf_reset(&out);
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_OK);
    assert_int_equal(b.epoch_count, LIMIT_EPOCHS);
    vv_buf_release(&out);
}

static void
key_bundle__unknown_fields_follow_the_rule(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_bundle in = admin_bundle();
    struct key_bundle b;
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_OK);
    size_t len = out.len;
    field_put_text(&out, 0x8123, "may be ignored");
    field_put_text(&out, 0x8123, "and may come twice");
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_OK);
    out.len = len;
    field_put_text(&out, 0x0123, "must be understood");
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_EUNSUPPORTED);
    out.len = len;
    field_put_u64(&out, BUNDLE_ROLE, KEY_ROLE_ADMIN); /* descending, and twice */
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    out.len = len - 38; /* the last field is missing */
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    vv_store_u64(out.data + 6, KEY_ROLE_WRITER + 1);
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_EUNSUPPORTED);
    vv_store_u64(out.data + 6, KEY_ROLE_WRITER); /* with an administrator's fields */
    assert_int_equal(key_bundle_decode(vv_buf_span(&out), &b, NULL), VV_ECORRUPT);
    in.role = KEY_ROLE_WRITER + 1;
    assert_int_equal(key_bundle_encode(&in, &out, NULL), VV_EUSAGE);
    vv_buf_release(&out);
}

static void
key_file__round_trips(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct key_file in = {.repository = sample_repository};
    struct key_file f;
    memset(in.secret, 0x1f, 32);
    assert_int_equal(key_file_encode(&in, &out, NULL), VV_OK);
    assert_memory_equal(out.data,
                        "varve key file 1\nrepository 0102030405060708090a0b0c0d0e0f10\n"
                        "key 1f1f1f1f",
                        73);
    assert_int_equal(out.len, 17 + 11 + 33 + 4 + 65 + 6 + 9);
    assert_int_equal(key_file_decode(vv_buf_span(&out), &f, NULL), VV_OK);
    assert_true(vv_uuid_equal(&f.repository, &sample_repository));
    assert_memory_equal(f.secret, in.secret, 32);
    vv_buf_release(&out);
}

static void
key_file__copied_by_hand_is_accepted(void **state)
{
    (void)state;
    struct vv_buf text = {0};
    struct vv_buf copy = {0};
    struct key_file in = {.repository = sample_repository};
    struct key_file f;
    assert_int_equal(key_file_encode(&in, &text, NULL), VV_OK);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n') {
            vv_buf_put_text(&copy, " \t\r");
        }
        vv_buf_put_u8(&copy, text.data[i]);
    }
    vv_buf_put_text(&copy, "\n \r\n");
    assert_int_equal(key_file_decode(vv_buf_span(&copy), &f, NULL), VV_OK);
    vv_buf_put_text(&copy, "x");
    assert_int_equal(key_file_decode(vv_buf_span(&copy), &f, NULL), VV_ECORRUPT);
    vv_buf_release(&text);
    vv_buf_release(&copy);
}

static void
key_file__names_the_wrong_line(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *line;
    } cases[] = {{0, "line 1"}, {17, "line 2"}, {61, "line 3"}, {126 + 4, "line 4"}};
    struct key_file in = {.repository = sample_repository};
    struct key_file f;
    for (unsigned i = 0; i < 4; i++) {
        struct vv_buf out = {0};
        struct vv_error err = {0};
        assert_int_equal(key_file_encode(&in, &out, NULL), VV_OK);
        out.data[cases[i].at] = '!';
        assert_int_equal(key_file_decode(vv_buf_span(&out), &f, &err), VV_ECORRUPT);
        assert_non_null(strstr(err.message, cases[i].line));
        vv_buf_release(&out);
    }
    /* A wrong digit is found by the check. */
    struct vv_buf out = {0};
    struct vv_error err = {0};
    assert_int_equal(key_file_encode(&in, &out, NULL), VV_OK);
    out.data[70] = out.data[70] == '1' ? '2' : '1';
    assert_int_equal(key_file_decode(vv_buf_span(&out), &f, &err), VV_ECORRUPT);
    assert_non_null(strstr(err.message, "check"));
    vv_buf_release(&out);
}

static void
envelope__layout(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct envelope e;
    put_envelope(&out);
    assert_int_equal(out.len, ENVELOPE_OVERHEAD + 3);
    out.data[1] = 7;
    out.data[33] = 8;
    assert_int_equal(envelope_decode(vv_buf_span(&out), &e, NULL), VV_OK);
    assert_int_equal(e.suite, 2);
    assert_int_equal(e.salt[0], 7);
    assert_int_equal(e.commitment[0], 8);
    assert_int_equal(e.plain_len, 3);
    assert_int_equal(e.ciphertext.len, 19);
    assert_ptr_equal(e.ciphertext.data, out.data + 69);
    out.data[0] = 3;
    assert_int_equal(envelope_decode(vv_buf_span(&out), &e, NULL), VV_EUNSUPPORTED);
    out.data[0] = 1;
    vv_store_u32(out.data + 65, UINT32_MAX);
    assert_int_equal(envelope_decode(vv_buf_span(&out), &e, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config__round_trips),
        cmocka_unit_test(config__impossible_values_are_refused),
        cmocka_unit_test(key_slot__round_trips),
        cmocka_unit_test(key_slot__argon2_has_floor_and_cap),
        cmocka_unit_test(key_slot__parameters_belong_to_passphrases),
        cmocka_unit_test(key_slot__label_is_text),
        cmocka_unit_test(key_bundle__round_trips),
        cmocka_unit_test(key_bundle__of_a_client_round_trips),
        cmocka_unit_test(key_bundle__of_a_writer_has_no_reader_secret),
        cmocka_unit_test(key_bundle__epochs_ascend_and_end),
        cmocka_unit_test(key_bundle__unknown_fields_follow_the_rule),
        cmocka_unit_test(key_file__round_trips),
        cmocka_unit_test(key_file__copied_by_hand_is_accepted),
        cmocka_unit_test(key_file__names_the_wrong_line),
        cmocka_unit_test(envelope__layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
