/* SPDX-License-Identifier: BSD-2-Clause */
/* Packs (header, footer, directory, additional data) and index segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/alloc.h"
#include "format/index.h"
#include "format/pack.h"
#include "helper_samples.h"

static void
pack_header__every_byte_has_its_place(void **state)
{
    (void)state;
    struct pack_header h = {.repository = sample_repository,
                            .class = PACK_LOG,
                            .suite = PACK_CHACHA20,
                            .epoch = 0x01020304,
                            .session = sample_uuid(0x20),
                            .client = sample_uuid(0x30)};
    struct pack_header back;
    uint8_t bytes[PACK_HEADER_LEN];
    memset(h.sealed, 0x40, sizeof(h.sealed));
    memset(h.commitment, 0x50, sizeof(h.commitment));
    memset(bytes, 0xee, sizeof(bytes));
    pack_header_encode(&h, bytes);
    assert_memory_equal(bytes, "varveP\1\0\1\2\3", 11);
    assert_memory_equal(bytes + 24, "\3\2\0\0\4\3\2\1", 8);
    assert_int_equal(bytes[32], 0x20);
    assert_int_equal(bytes[48], 0x30);
    assert_int_equal(bytes[64], 0x40);
    assert_int_equal(bytes[143], 0x40);
    assert_int_equal(bytes[144], 0x50);
    assert_int_equal(bytes[175], 0x50);
    for (unsigned i = 176; i < 256; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_int_equal(pack_header_decode(bytes, &sample_repository, &back, NULL), VV_OK);
    assert_int_equal(back.class, PACK_LOG);
    assert_int_equal(back.suite, PACK_CHACHA20);
    assert_int_equal(back.epoch, 0x01020304);
    assert_true(vv_uuid_equal(&back.session, &h.session));
    assert_true(vv_uuid_equal(&back.client, &h.client));
    assert_memory_equal(back.sealed, h.sealed, sizeof(h.sealed));
    assert_memory_equal(back.commitment, h.commitment, sizeof(h.commitment));
}

static void
pack_header__reserved_bytes_are_zero(void **state)
{
    (void)state;
    struct pack_header h = {.repository = sample_repository, .class = 1, .suite = 1};
    struct pack_header back;
    uint8_t bytes[PACK_HEADER_LEN];
    pack_header_encode(&h, bytes);
    static const unsigned places[] = {26, 27, 176, 255};
    for (unsigned i = 0; i < 4; i++) {
        bytes[places[i]] = 1;
        assert_int_equal(pack_header_decode(bytes, NULL, &back, NULL), VV_ECORRUPT);
        bytes[places[i]] = 0;
    }
    bytes[24] = 4;
    assert_int_equal(pack_header_decode(bytes, NULL, &back, NULL), VV_ECORRUPT);
    bytes[24] = 1;
    bytes[25] = 3;
    assert_int_equal(pack_header_decode(bytes, NULL, &back, NULL), VV_ECORRUPT);
    bytes[25] = 1;
    bytes[6] = 2;
    assert_int_equal(pack_header_decode(bytes, NULL, &back, NULL), VV_EUNSUPPORTED);
}

static void
pack_aad__every_byte_has_its_place(void **state)
{
    (void)state;
    uint8_t aad[PACK_AAD_LEN];
    struct vv_id id = sample_id(0x11);
    pack_aad(aad, &id, PACK_RECORD_FOOTER, PACK_NUMBER_FOOTER, 0x01020304, 0x05060708, 9);
    assert_int_equal(aad[0], 0x11);
    assert_int_equal(aad[31], 0x11);
    assert_memory_equal(aad + 32, "\3\377\377\377\377\4\3\2\1\10\7\6\5\11", 14);
}

/* One block of two chunks: a directory of 4 + 18 + 2 * 37 bytes. */
static struct pack_footer
good_footer(void)
{
    return (struct pack_footer){.directory_offset = 20480 - PACK_TAIL_LEN - 112,
                                .directory_stored = 112,
                                .directory_plain = 96,
                                .block_count = 1,
                                .chunk_count = 2,
                                .file_size = 20480};
}

static void
pack_footer__round_trips(void **state)
{
    (void)state;
    struct pack_footer f = good_footer();
    struct pack_footer back;
    uint8_t bytes[PACK_FOOTER_PLAIN];
    pack_footer_encode(&f, bytes);
    assert_int_equal(pack_footer_decode(bytes, 20480, &back, NULL), VV_OK);
    assert_memory_equal(&back, &f, sizeof(f));
    assert_int_equal(pack_footer_decode(bytes, 20481, &back, NULL), VV_ECORRUPT);
}

static void
pack_footer__parts_must_agree(void **state)
{
    (void)state;
    struct pack_footer good = good_footer();
    for (unsigned i = 0; i < 8; i++) {
        struct pack_footer f = good;
        struct pack_footer back;
        uint8_t bytes[PACK_FOOTER_PLAIN];
        switch (i) {
        case 0:
            f.directory_offset = UINT64_MAX - 100;
            break;
        case 1:
            f.directory_offset = 255;
            break;
        case 2:
            f.directory_stored = UINT32_MAX;
            break;
        case 3:
            f.directory_plain = 95;
            break;
        case 4:
            f.block_count = LIMIT_BLOCKS + 1;
            break;
        case 5:
            f.chunk_count = UINT32_MAX;
            break;
        case 6:
            f.directory_offset--;
            break;
        default:
            f.file_size = UINT64_MAX;
            break;
        }
        pack_footer_encode(&f, bytes);
        assert_int_equal(pack_footer_decode(bytes, f.file_size, &back, NULL), VV_ECORRUPT);
    }
}

/* Two blocks, three chunks; tests change one thing at a time. */
struct sample_directory {
    struct pack_directory d;
    struct pack_block blocks[2];
    struct pack_chunk chunks[3];
};

static void
directory_init(struct sample_directory *s)
{
    s->chunks[0] = (struct pack_chunk){sample_id(1), 100, CHUNK_NODE};
    s->chunks[1] = (struct pack_chunk){sample_id(2), 28, CHUNK_LIST};
    s->chunks[2] = (struct pack_chunk){sample_id(3), 5000, CHUNK_DATA};
    s->blocks[0] = (struct pack_block){.kind = BLOCK_TREE,
                                       .flags = BLOCK_ZSTD,
                                       .offset = 256,
                                       .stored_len = 90,
                                       .plain_len = 128,
                                       .first_chunk = 0,
                                       .chunk_count = 2};
    s->blocks[1] = (struct pack_block){.kind = BLOCK_SMALL,
                                       .offset = 346,
                                       .stored_len = 5016,
                                       .plain_len = 5000,
                                       .first_chunk = 2,
                                       .chunk_count = 1};
    s->d = (struct pack_directory){s->blocks, 2, s->chunks, 3};
}

static void
pack_directory__round_trips(void **state)
{
    (void)state;
    struct sample_directory s;
    struct pack_directory d;
    struct vv_buf out = {0};
    directory_init(&s);
    assert_int_equal(pack_directory_encode(&s.d, &out, NULL), VV_OK);
    assert_int_equal(out.len, 4 + 2 * 18 + 3 * 37);
    assert_int_equal(pack_directory_decode(vv_buf_span(&out), 16384, &d, NULL), VV_OK);
    assert_int_equal(d.block_count, 2);
    assert_int_equal(d.chunk_count, 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(d.blocks[i].kind, s.blocks[i].kind);
        assert_int_equal(d.blocks[i].flags, s.blocks[i].flags);
        assert_int_equal(d.blocks[i].offset, s.blocks[i].offset);
        assert_int_equal(d.blocks[i].stored_len, s.blocks[i].stored_len);
        assert_int_equal(d.blocks[i].plain_len, s.blocks[i].plain_len);
        assert_int_equal(d.blocks[i].first_chunk, s.blocks[i].first_chunk);
        assert_int_equal(d.blocks[i].chunk_count, s.blocks[i].chunk_count);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(vv_id_equal(&d.chunks[i].id, &s.chunks[i].id));
        assert_int_equal(d.chunks[i].len, s.chunks[i].len);
        assert_int_equal(d.chunks[i].type, s.chunks[i].type);
    }
    pack_directory_release(&d);
    vv_buf_release(&out);
}

/* What is wrong with a directory, by number; 0 is fine. */
static bool
directory_spoil(struct sample_directory *s, unsigned which)
{
    switch (which) {
    case 0:
        return true;
    case 1:
        s->blocks[0].offset = 255; /* inside the header */
        return true;
    case 2:
        s->blocks[1].offset = 345; /* overlap */
        return true;
    case 3:
        s->blocks[1].offset = LIMIT_PACK; /* beyond the end */
        return true;
    case 4:
        s->blocks[1].stored_len = 5017; /* not compressed, yet not plain + tag */
        return true;
    case 5:
        s->blocks[0].plain_len = 129; /* chunks do not fill it */
        return true;
    case 6:
        s->blocks[0].stored_len = 16; /* nothing but a tag */
        return true;
    case 7:
        s->chunks[1].len = 0;
        s->chunks[0].len = 128;
        return true;
    case 8:
        s->blocks[1].chunk_count = 0;
        s->blocks[1].plain_len = 0;
        s->blocks[1].stored_len = 17;
        return true;
    case 9:
        s->blocks[1].first_chunk = 1;
        return true;
    case 10:
        s->blocks[0].chunk_count = UINT32_MAX;
        return true;
    case 11:
        s->d.chunk_count = 2;
        return true;
    case 12:
        s->blocks[0].plain_len = LIMIT_BLOCK_PLAIN + 28;
        s->chunks[0].len = LIMIT_BLOCK_PLAIN;
        return true;
    default:
        return false;
    }
}

static void
pack_directory__rules_hold_when_encoding(void **state)
{
    (void)state;
    struct sample_directory s;
    for (unsigned i = 0; directory_init(&s), directory_spoil(&s, i); i++) {
        struct vv_buf out = {0};
        assert_int_equal(pack_directory_encode(&s.d, &out, NULL), i == 0 ? VV_OK : VV_ECORRUPT);
        vv_buf_release(&out);
    }
    directory_init(&s);
    s.d.block_count = LIMIT_BLOCKS + 1;
    struct vv_buf out = {0};
    assert_int_equal(pack_directory_encode(&s.d, &out, NULL), VV_ELIMIT);
    vv_buf_release(&out);
}

static void
pack_directory__unknown_kinds_are_unsupported(void **state)
{
    (void)state;
    /* kind and flags of the first block, type of its first chunk */
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {{4, 0}, {4, 6}, {5, 2}, {5, 0x81}, {22, 0}, {22, 5}};
    struct sample_directory s;
    struct pack_directory d;
    struct vv_buf out = {0};
    directory_init(&s);
    assert_int_equal(pack_directory_encode(&s.d, &out, NULL), VV_OK);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t before = out.data[cases[i].at];
        out.data[cases[i].at] = cases[i].value;
        assert_int_equal(pack_directory_decode(vv_buf_span(&out), 16384, &d, NULL),
                         VV_EUNSUPPORTED);
        out.data[cases[i].at] = before;
    }
    vv_buf_release(&out);
}

static void
pack_directory__must_fit_the_file(void **state)
{
    (void)state;
    struct sample_directory s;
    struct pack_directory d;
    struct vv_buf out = {0};
    directory_init(&s);
    assert_int_equal(pack_directory_encode(&s.d, &out, NULL), VV_OK);
    uint64_t least = 346 + 5016 + PACK_TAIL_LEN;
    assert_int_equal(pack_directory_decode(vv_buf_span(&out), least - 1, &d, NULL), VV_ECORRUPT);
    assert_int_equal(pack_directory_decode(vv_buf_span(&out), 0, &d, NULL), VV_ECORRUPT);
    assert_int_equal(pack_directory_decode(vv_buf_span(&out), UINT64_MAX, &d, NULL), VV_ECORRUPT);
    assert_int_equal(pack_directory_decode(vv_buf_span(&out), least, &d, NULL), VV_OK);
    pack_directory_release(&d);
    vv_buf_release(&out);
}

static void
pack_directory__a_huge_count_allocates_nothing(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 1, 0, 0, 0, 0, 0};
    struct pack_directory d;
    vv_alloc_fail_at(0, 0);
    vv_alloc_fail_at(1, 1); /* any allocation would fail with another code */
    enum vv_rc rc = pack_directory_decode(vv_span(bytes, sizeof(bytes)), 1u << 20, &d, NULL);
    vv_alloc_fail_at(0, 0);
    assert_int_equal(rc, VV_ECORRUPT);
}

static void
index_segment__round_trips(void **state)
{
    (void)state;
    struct vv_buf records = {0};
    struct vv_buf out = {0};
    uint8_t body[100];
    uint8_t signature[64];
    memset(body, 1, sizeof(body));
    memset(signature, 2, sizeof(signature));
    for (uint8_t i = 0; i < 3; i++) {
        struct index_record r = {.name = {sample_id(i), sample_uuid((uint8_t)(i + 10))},
                                 .client = sample_uuid((uint8_t)(i + 20)),
                                 .body = vv_span(body, sizeof(body) - i),
                                 .signature = vv_span(signature, sizeof(signature))};
        index_record_append(&r, &records);
    }
    assert_int_equal(index_segment_encode(&sample_repository, 2, vv_buf_span(&records), &out, NULL),
                     VV_EUSAGE);
    assert_int_equal(index_segment_encode(&sample_repository, 4, vv_buf_span(&records), &out, NULL),
                     VV_EUSAGE);
    assert_int_equal(index_segment_encode(&sample_repository, 3, vv_buf_span(&records), &out, NULL),
                     VV_OK);
    struct index_iter it;
    struct index_record r;
    assert_int_equal(index_segment_open(vv_buf_span(&out), &sample_repository, &it, NULL), VV_OK);
    for (uint8_t i = 0; i < 3; i++) {
        assert_false(index_segment_ok(&it));
        assert_true(index_segment_next(&it, &r));
        assert_int_equal(r.name.hash.b[5], i);
        assert_int_equal(r.name.suffix.b[5], i + 10);
        assert_int_equal(r.client.b[5], i + 20);
        assert_int_equal(r.body.len, 100 - i);
        assert_int_equal(r.signature.len, 64);
        assert_int_equal(r.signature.data[63], 2);
    }
    assert_false(index_segment_next(&it, &r));
    assert_true(index_segment_ok(&it));
    vv_buf_release(&records);
    vv_buf_release(&out);
}

static void
index_segment__a_bad_record_cannot_be_appended(void **state)
{
    (void)state;
    struct vv_buf records = {0};
    struct index_record r = {.body = sample_text("x"), .signature = sample_text("short")};
    index_record_append(&r, &records);
    assert_int_equal(vv_buf_check(&records, NULL), VV_ENOMEM);
    vv_buf_release(&records);
}

static void
index_record__signature_does_not_cover_the_suffix(void **state)
{
    (void)state;
    struct vv_buf a = {0};
    struct vv_buf b = {0};
    struct index_record r = {.name = {sample_id(1), sample_uuid(2)},
                             .client = sample_uuid(3),
                             .body = sample_text("body")};
    index_record_signed(&r, &sample_repository, &a);
    r.name.suffix = sample_uuid(9);
    index_record_signed(&r, &sample_repository, &b);
    assert_int_equal(a.len, 18 + 16 + 32 + 16 + 4);
    assert_memory_equal(a.data, "varve index record\1\2", 20);
    assert_int_equal(b.len, a.len);
    assert_memory_equal(a.data, b.data, a.len);
    r.name.hash.b[31] ^= 1;
    vv_buf_reset(&b);
    index_record_signed(&r, &sample_repository, &b);
    assert_memory_not_equal(a.data, b.data, a.len);
    vv_buf_release(&a);
    vv_buf_release(&b);
}

static void
index_body__is_padded_to_full_units(void **state)
{
    (void)state;
    static uint8_t directory[3000];
    memset(directory, 5, sizeof(directory));
    for (size_t len = 0; len < sizeof(directory); len += 337) {
        struct vv_buf out = {0};
        struct index_body b = {40000, PACK_METADATA, vv_span(directory, len)};
        struct index_body back;
        assert_int_equal(index_body_encode(&b, &out, NULL), VV_OK);
        assert_int_equal(out.len % 1024, 0);
        assert_true(out.len >= len + 13 && out.len < len + 13 + 1024);
        assert_int_equal(index_body_decode(vv_buf_span(&out), &back, NULL), VV_OK);
        assert_int_equal(back.file_size, 40000);
        assert_int_equal(back.pack_class, PACK_METADATA);
        assert_int_equal(back.directory.len, len);
        if (out.len > len + 13) {
            out.data[out.len - 1] = 1;
            assert_int_equal(index_body_decode(vv_buf_span(&out), &back, NULL), VV_ECORRUPT);
            out.data[out.len - 1] = 0;
        }
        vv_buf_put_zeros(&out, 1024); /* more padding than needed */
        assert_int_equal(index_body_decode(vv_buf_span(&out), &back, NULL), VV_ECORRUPT);
        vv_buf_release(&out);
    }
}

static void
index_body__class_and_size_are_checked(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct index_body b = {(uint64_t)LIMIT_PACK + 1, PACK_DATA, sample_text("x")};
    struct index_body back;
    assert_int_equal(index_body_encode(&b, &out, NULL), VV_EUSAGE);
    b.file_size = LIMIT_PACK;
    b.pack_class = 4;
    assert_int_equal(index_body_encode(&b, &out, NULL), VV_EUSAGE);
    b.pack_class = PACK_LOG;
    assert_int_equal(index_body_encode(&b, &out, NULL), VV_OK);
    out.data[8] = 4;
    assert_int_equal(index_body_decode(vv_buf_span(&out), &back, NULL), VV_EUNSUPPORTED);
    out.data[8] = PACK_LOG;
    out.data[7] = 1;
    assert_int_equal(index_body_decode(vv_buf_span(&out), &back, NULL), VV_ECORRUPT);
    vv_buf_release(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_header__every_byte_has_its_place),
        cmocka_unit_test(pack_header__reserved_bytes_are_zero),
        cmocka_unit_test(pack_aad__every_byte_has_its_place),
        cmocka_unit_test(pack_footer__round_trips),
        cmocka_unit_test(pack_footer__parts_must_agree),
        cmocka_unit_test(pack_directory__round_trips),
        cmocka_unit_test(pack_directory__rules_hold_when_encoding),
        cmocka_unit_test(pack_directory__unknown_kinds_are_unsupported),
        cmocka_unit_test(pack_directory__must_fit_the_file),
        cmocka_unit_test(pack_directory__a_huge_count_allocates_nothing),
        cmocka_unit_test(index_segment__round_trips),
        cmocka_unit_test(index_segment__a_bad_record_cannot_be_appended),
        cmocka_unit_test(index_record__signature_does_not_cover_the_suffix),
        cmocka_unit_test(index_body__is_padded_to_full_units),
        cmocka_unit_test(index_body__class_and_size_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
