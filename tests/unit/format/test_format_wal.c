/* SPDX-License-Identifier: BSD-2-Clause */
/* PostgreSQL's WAL: positions, names, first pages, histories, and what snapshots say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/snapshot.h"
#include "format/wal.h"

#define MIB (1u << 20)

static void
wal_lsn__is_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t lsn;
    } good[] = {{"0/0", 0},
                {"16/B374D848", 0x16b374d848},
                {"16/b374d848", 0x16b374d848},
                {"FFFFFFFF/FFFFFFFF", UINT64_MAX},
                {"0/00000001", 1}};
    static const char *const bad[] = {"",      "/",    "0",          "0/",   "/0",
                                      "0/0 ",  " 0/0", "0/0/",       "-1/0", "0/123456789",
                                      "0x1/0", "g/0",  "123456789/0"};
    char text[WAL_LSN_TEXT];
    uint64_t lsn;

    for (size_t i = 0; i < VV_COUNT(good); i++) {
        lsn = 1;
        assert_true(wal_lsn_parse(good[i].text, &lsn));
        assert_int_equal(lsn, good[i].lsn);
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_false(wal_lsn_parse(bad[i], &lsn));
    }
    wal_lsn_text(0x16b374d848, text);
    assert_string_equal(text, "16/B374D848");
    wal_lsn_text(UINT64_MAX, text);
    assert_string_equal(text, "FFFFFFFF/FFFFFFFF");
}

static void
wal_name__counts_in_4_gib(void **state)
{
    (void)state;
    static const struct {
        uint32_t size;
        uint64_t lsn;
        const char *name;
    } cases[] = {{16 * MIB, 0x5000028, "0000000A0000000000000005"},
                 {16 * MIB, 0xff000000, "0000000A00000000000000FF"},
                 {16 * MIB, 0x100000000, "0000000A0000000100000000"},
                 {MIB, 0xfff00000, "0000000A0000000000000FFF"},
                 {MIB, 0x1fff00000, "0000000A0000000100000FFF"},
                 {1024 * MIB, 0xc0000000, "0000000A0000000000000003"},
                 {1024 * MIB, 0x100000000, "0000000A0000000100000000"}};

    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        char name[WAL_NAME];
        struct wal_file_name n;
        uint64_t number = 0;
        wal_name(10, cases[i].lsn / cases[i].size, cases[i].size, name);
        assert_string_equal(name, cases[i].name);
        n = wal_file_name_parse(name);
        assert_int_equal(n.kind, WAL_FILE_SEGMENT);
        assert_int_equal(n.timeline, 10);
        assert_true(wal_file_number(&n, cases[i].size, &number));
        assert_int_equal(number, cases[i].lsn / cases[i].size);
    }
}

static void
wal_file_name__knows_what_a_server_asks_for(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum wal_file_kind kind;
    } cases[] = {{"000000010000000000000005", WAL_FILE_SEGMENT},
                 {"000000010000000000000005.partial", WAL_FILE_PARTIAL},
                 {"00000002.history", WAL_FILE_HISTORY},
                 {"000000010000000000000005.00000028.backup", WAL_FILE_BACKUP},
                 {"000000000000000000000005", WAL_FILE_OTHER}, /* there is no timeline 0 */
                 {"00000000.history", WAL_FILE_OTHER},
                 {"00000001000000000000000", WAL_FILE_OTHER},
                 {"0000000100000000000000050", WAL_FILE_OTHER},
                 {"00000001000000000000000a", WAL_FILE_OTHER}, /* lower case */
                 {"00000002.historyx", WAL_FILE_OTHER},
                 {"000000010000000000000005.0000028.backup", WAL_FILE_OTHER},
                 {"../000000010000000000000005", WAL_FILE_OTHER},
                 {"", WAL_FILE_OTHER}};
    struct wal_file_name n;
    uint64_t number;

    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        assert_int_equal(wal_file_name_parse(cases[i].text).kind, cases[i].kind);
    }
    n = wal_file_name_parse("000000010000000000000100");
    assert_false(wal_file_number(&n, 16 * MIB, &number)); /* 256 segments of 16 MiB in 4 GiB */
    assert_true(wal_file_number(&n, MIB, &number));
}

/** A first page as PostgreSQL 15 writes it. */
static void
put_page(struct vv_buf *out, uint16_t magic, uint16_t info, uint64_t start, uint32_t size)
{
    vv_buf_put_u16(out, magic);
    vv_buf_put_u16(out, info);
    vv_buf_put_u32(out, 1);
    vv_buf_put_u64(out, start);
    vv_buf_put_u32(out, 0);
    vv_buf_put_u32(out, 0);
    vv_buf_put_u64(out, 7000000000000000001);
    vv_buf_put_u32(out, size);
    vv_buf_put_u32(out, 8192);
}

static void
wal_first_page__is_checked(void **state)
{
    (void)state;
    static const struct {
        uint16_t magic;
        uint16_t info;
        uint64_t start;
        uint32_t size;
        enum vv_rc rc;
    } cases[] = {{0xD110, 6, 0x5000000, 16 * MIB, VV_OK},
                 {0x10D1, 6, 0x5000000, 16 * MIB, VV_EUNSUPPORTED},
                 {0xC110, 6, 0x5000000, 16 * MIB, VV_ECORRUPT},
                 {0xD110, 4, 0x5000000, 16 * MIB, VV_ECORRUPT},
                 {0xD110, 6, 0x5000001, 16 * MIB, VV_ECORRUPT},
                 {0xD110, 6, 0x5000000, 15 * MIB, VV_ECORRUPT},
                 {0xD110, 6, 0x5000000, 0, VV_ECORRUPT},
                 {0, 0, 0, 0, VV_ECORRUPT}};
    struct wal_first_page p;

    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        struct vv_buf bytes = {0};
        put_page(&bytes, cases[i].magic, cases[i].info, cases[i].start, cases[i].size);
        assert_int_equal(wal_first_page_decode(vv_buf_span(&bytes), &p, NULL), cases[i].rc);
        assert_int_equal(wal_first_page_decode(vv_span(bytes.data, bytes.len - 1), &p, NULL),
                         VV_ECORRUPT);
        vv_buf_release(&bytes);
    }
    {
        struct vv_buf bytes = {0};
        put_page(&bytes, 0xD110, 2, 0x5000000, 16 * MIB);
        assert_int_equal(wal_first_page_decode(vv_buf_span(&bytes), &p, NULL), VV_OK);
        assert_int_equal(p.system, 7000000000000000001);
        assert_int_equal(p.segment_size, 16 * MIB);
        assert_int_equal(p.timeline, 1);
        assert_int_equal(p.start, 0x5000000);
        vv_buf_release(&bytes);
    }
}

static enum vv_rc
parse_history(const char *text, uint32_t timeline, struct vv_arena *arena, struct wal_history *ret)
{
    return wal_history_parse(vv_span(text, strlen(text)), timeline, arena, ret, NULL);
}

static void
wal_history__names_the_ancestors(void **state)
{
    (void)state;
    struct vv_arena arena = {0};
    struct wal_history h = {0};

    assert_int_equal(parse_history("1\t0/5000000\tno recovery target specified\n\n"
                                   "# a remark\n"
                                   "3\t0/7000060\tbefore 2026-11-26 14:00:00+00\n",
                                   4, &arena, &h),
                     VV_OK);
    assert_int_equal(h.timeline, 4);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.ancestors[0].timeline, 1);
    assert_int_equal(h.ancestors[0].end, 0x5000000);
    assert_int_equal(h.ancestors[1].timeline, 3);
    assert_int_equal(h.ancestors[1].end, 0x7000060);
    assert_int_equal(parse_history("", 1, &arena, &h), VV_OK);
    assert_int_equal(h.count, 0);
    assert_int_equal(parse_history("1\t0/5000000", 2, &arena, &h),
                     VV_OK); /* no reason, no newline */
    assert_int_equal(h.count, 1);
    vv_arena_release(&arena);
}

static void
wal_history__what_does_not_ascend_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "1\n",
        "x\t0/5\n",
        "1\tx\n",
        "0\t0/5\n",
        "4\t0/5\n", /* itself */
        "2\t0/5\n1\t0/6\n",
        "1\t0/6\n2\t0/5\n",
        "1 0/5\n1 0/6\n",
        "99999999999\t0/5\n",
    };
    struct vv_arena arena = {0};
    struct wal_history h;

    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_int_equal(parse_history(bad[i], 4, &arena, &h), VV_ECORRUPT);
    }
    vv_arena_release(&arena);
}

/** Encode a body that says this of WAL, and decode it again. */
static enum vv_rc
try_body(enum snapshot_mode mode, const struct snapshot_wal *wal, uint32_t count,
         struct snapshot_body *ret)
{
    struct snapshot_wal copies[4];
    struct snapshot_body b = {.mode = mode, .wal = copies, .wal_count = count};
    struct vv_buf out = {0};
    enum vv_rc rc;

    memcpy(copies, wal, count * sizeof(*wal));
    rc = snapshot_body_encode(&b, &out, NULL);
    if (rc == VV_OK) {
        rc = snapshot_body_decode(vv_buf_span(&out), ret, NULL);
        assert_int_equal(rc, VV_OK);
    }
    vv_buf_release(&out);
    return rc;
}

static void
snapshot_body__says_what_wal_it_holds(void **state)
{
    (void)state;
    const struct snapshot_wal good[] = {{7, 16 * MIB, 1, 0x5000000, 0x5000400},
                                        {8, MIB, 2, 0x5000000, 0x5000000}};
    const struct snapshot_wal base = {7, 16 * MIB, 1, 0x5000028, 0x5000400};
    const struct snapshot_wal bad[] = {{7, 15 * MIB, 1, 0x5000000, 0x5000400},
                                       {7, 16 * MIB, 0, 0x5000000, 0x5000400},
                                       {7, 16 * MIB, 1, 0x5000000, 0x4000000}};
    struct snapshot_body b = {0};

    for (size_t i = 0; i < VV_COUNT(good); i++) {
        assert_int_equal(try_body(SNAPSHOT_WAL, &good[i], 1, &b), VV_OK);
        assert_int_equal(b.mode, SNAPSHOT_WAL);
        assert_int_equal(b.wal_count, 1);
        assert_memory_equal(&b.wal[0], &good[i], sizeof(good[i]));
        snapshot_body_release(&b);
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_int_equal(try_body(SNAPSHOT_WAL, &bad[i], 1, &b), VV_EUSAGE);
        assert_int_equal(try_body(SNAPSHOT_FULL, &bad[i], 1, &b), VV_EUSAGE);
    }
    assert_int_equal(try_body(SNAPSHOT_WAL, good, 2, &b), VV_EUSAGE);
    assert_int_equal(try_body(SNAPSHOT_WAL, good, 0, &b), VV_EUSAGE);
    assert_int_equal(try_body(SNAPSHOT_WAL, &base, 1, &b),
                     VV_EUSAGE); /* not a segment's beginning */
    assert_int_equal(try_body(SNAPSHOT_FULL, &base, 1, &b), VV_OK);
    snapshot_body_release(&b);
    assert_int_equal(try_body(SNAPSHOT_FULL, good, 2, &b), VV_OK);
    assert_int_equal(b.wal_count, 2);
    snapshot_body_release(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal_lsn__is_read_and_written),
        cmocka_unit_test(wal_name__counts_in_4_gib),
        cmocka_unit_test(wal_file_name__knows_what_a_server_asks_for),
        cmocka_unit_test(wal_first_page__is_checked),
        cmocka_unit_test(wal_history__names_the_ancestors),
        cmocka_unit_test(wal_history__what_does_not_ascend_is_refused),
        cmocka_unit_test(snapshot_body__says_what_wal_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
