/* SPDX-License-Identifier: BSD-2-Clause */
/* What a PostgreSQL server sends: members of its tars, its manifest, pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "format/backup_manifest.h"
#include "format/postgres_page.h"
#include "format/ustar.h"

/* ---- pages ---- */

static void
page_checksum_is_the_servers(void **state)
{
    uint8_t page[8192];

    (void)state;
    for (unsigned i = 0; i < sizeof(page); i++) {
        page[i] = (uint8_t)((i * i * 7 + i / 256 * 13 + 1) % 251);
    }
    /* By page_checksum() of the extension pageinspect, PostgreSQL 15. */
    assert_int_equal(postgres_page_checksum(page, sizeof(page), 0), 63887);
    assert_int_equal(postgres_page_checksum(page, sizeof(page), 1), 63888);
    assert_int_equal(postgres_page_checksum(page, sizeof(page), 131071), 6143);
    assert_int_equal(postgres_page_checksum_portable(page, sizeof(page), 131071), 6143);
    for (size_t size = POSTGRES_PAGE_SIZE_LEAST; size <= sizeof(page); size *= 2) {
        assert_int_equal(postgres_page_checksum_portable(page, size, 77),
                         postgres_page_checksum(page, size, 77));
    }
    page[8] ^= 1; /* the checksum's own place does not count */
    page[9] ^= 0x80;
    assert_int_equal(postgres_page_checksum(page, sizeof(page), 0), 63887);
    page[10] ^= 1;
    assert_int_not_equal(postgres_page_checksum(page, sizeof(page), 0), 63887);
}

static void
bad_pages(void **state)
{
    uint8_t page[8192] = {0};

    (void)state;
    assert_false(postgres_page_is_bad(page, sizeof(page), 7, 100)); /* never used */
    page[4] = 50;                                                   /* LSN 0/32 */
    page[15] = 0x20;
    uint16_t sum = postgres_page_checksum(page, sizeof(page), 7);
    page[8] = (uint8_t)sum;
    page[9] = (uint8_t)(sum >> 8);
    assert_false(postgres_page_is_bad(page, sizeof(page), 7, 100));
    assert_true(postgres_page_is_bad(page, sizeof(page), 8, 100));
    page[5000] = 1;
    assert_true(postgres_page_is_bad(page, sizeof(page), 7, 51));
    assert_false(postgres_page_is_bad(page, sizeof(page), 7, 50)); /* changed since the start */
    page[0] = 1;                                                   /* LSN 1/32 */
    assert_false(postgres_page_is_bad(page, sizeof(page), 7, UINT64_C(1) << 32));
    assert_true(postgres_page_is_bad(page, sizeof(page), 7, (UINT64_C(1) << 32) + 51));
}

static void
relation_files(void **state)
{
    static const struct {
        const char *path;
        bool is;
        uint32_t segment;
    } paths[] = {
        {"base/5/1259", true, 0},
        {"base/5/1259_fsm", true, 0},
        {"base/5/1259_vm.3", true, 3},
        {"base/16384/16385_init", true, 0},
        {"base/16384/t3_16390", true, 0},
        {"base/5/16391.12", true, 12},
        {"global/1262", true, 0},
        {"pg_tblspc/16390/PG_15_202209061/5/16391.2", true, 2},
        {"global/pg_control", false, 0},
        {"global/pg_filenode.map", false, 0},
        {"base/5/PG_VERSION", false, 0},
        {"base/5/1259.", false, 0},
        {"base/5/1259.x", false, 0},
        {"base/5/1259_other", false, 0},
        {"base/1259", false, 0},
        {"pg_tblspc/16390/5/16391", false, 0},
        {"pg_xact/0000", false, 0},
        {"PG_VERSION", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(paths); i++) {
        struct postgres_relation_file r = postgres_relation_file(paths[i].path);
        assert_int_equal(r.is_relation, paths[i].is);
        assert_int_equal(r.segment, paths[i].segment);
    }
}

/* ---- tar ---- */

static void
seal(uint8_t b[USTAR_BLOCK])
{
    unsigned sum = 0;

    memset(b + 148, ' ', 8);
    for (unsigned i = 0; i < USTAR_BLOCK; i++) {
        sum += b[i];
    }
    (void)snprintf((char *)b + 148, 8, "%06o", sum);
    b[155] = ' ';
}

static void
make(uint8_t b[USTAR_BLOCK], const char *name, char type, const char *size)
{
    memset(b, 0, USTAR_BLOCK);
    memcpy(b, name, strlen(name));
    memcpy(b + 100, "0000600", 8);
    memcpy(b + 108, "0000145", 8);
    memcpy(b + 116, "0000150", 8);
    memcpy(b + 124, size, strlen(size));
    memcpy(b + 136, "14722613142", 12);
    b[156] = (uint8_t)type;
    memcpy(b + 257, "ustar\00000", 8);
    memcpy(b + 265, "postgres", 8);
    memcpy(b + 297, "postgres", 8);
    seal(b);
}

static void
expect_refusal(const uint8_t b[USTAR_BLOCK], enum vv_rc rc)
{
    struct ustar_member m;
    bool end = false;

    assert_int_equal(ustar_decode(b, &end, &m, NULL), rc);
}

static void
tar_members(void **state)
{
    uint8_t b[USTAR_BLOCK];
    struct ustar_member m;
    bool end = true;

    (void)state;
    make(b, "base/5/1259", '0', "00000040000");
    assert_int_equal(ustar_decode(b, &end, &m, NULL), VV_OK);
    assert_false(end);
    assert_int_equal(m.type, USTAR_FILE);
    assert_string_equal(m.name, "base/5/1259");
    assert_string_equal(m.user, "postgres");
    assert_int_equal(m.size, 16384);
    assert_int_equal(m.mode, 0600);
    assert_int_equal(m.uid, 0145);
    assert_int_equal(m.gid, 0150);
    assert_int_equal(m.mtime, 014722613142);

    make(b, "./pg_wal/", '5', "00000000777");
    assert_int_equal(ustar_decode(b, &end, &m, NULL), VV_OK);
    assert_int_equal(m.type, USTAR_DIRECTORY);
    assert_string_equal(m.name, "pg_wal");
    assert_int_equal(m.size, 0);

    make(b, "file", '0', "");
    memcpy(b + 345, "some/prefix", 11);
    memcpy(b + 124, "\x80\0\0\0\0\0\0\2\0\0\0\1", 12); /* 8 GiB + 1, in binary */
    seal(b);
    assert_int_equal(ustar_decode(b, &end, &m, NULL), VV_OK);
    assert_string_equal(m.name, "some/prefix/file");
    assert_int_equal(m.size, (UINT64_C(1) << 33) + 1);

    memset(b, 0, sizeof(b));
    assert_int_equal(ustar_decode(b, &end, &m, NULL), VV_OK);
    assert_true(end);
    assert_int_equal(ustar_padding(0), 0);
    assert_int_equal(ustar_padding(1), 511);
    assert_int_equal(ustar_padding(512), 0);
}

static void
tar_members_that_are_none(void **state)
{
    static const char *const names[] = {"/etc/passwd", "../up", "a/../b", "a//b", ".", "./", ""};
    static const char *const sizes[] = {"9", "1x", "-1",
                                        "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    uint8_t b[USTAR_BLOCK];

    (void)state;
    for (size_t i = 0; i < VV_COUNT(names); i++) {
        make(b, names[i], '0', "0");
        expect_refusal(b, VV_ECORRUPT);
    }
    for (size_t i = 0; i < VV_COUNT(sizes); i++) {
        make(b, "file", '0', sizes[i]);
        expect_refusal(b, VV_ECORRUPT);
    }
    make(b, "file", '3', "0");
    expect_refusal(b, VV_EUNSUPPORTED);
    make(b, "file", '0', "0");
    b[300] ^= 1;
    expect_refusal(b, VV_ECORRUPT);
    make(b, "file", '0', "0");
    b[257] = 'x';
    seal(b);
    expect_refusal(b, VV_ECORRUPT);
}

/* ---- manifest ---- */

struct seen {
    char text[2000];
};

static enum vv_rc
see_file(void *ctx, const struct manifest_file *f, struct vv_error *err)
{
    struct seen *s = ctx;
    size_t at = strlen(s->text);

    (void)snprintf(s->text + at, sizeof(s->text) - at, "%.*s %llu %d %08x\n", (int)f->path.len,
                   (const char *)f->path.data, (unsigned long long)f->size, f->algorithm,
                   f->crc32c);
    return f->size == 666 ? vv_error_set(err, VV_EREFUSED, "no") : VV_OK;
}

static enum vv_rc
see_wal(void *ctx, const struct manifest_wal *w, struct vv_error *err)
{
    struct seen *s = ctx;
    size_t at = strlen(s->text);

    (void)err;
    (void)snprintf(s->text + at, sizeof(s->text) - at, "wal %u %llx %llx\n", w->timeline,
                   (unsigned long long)w->start, (unsigned long long)w->end);
    return VV_OK;
}

static enum vv_rc
read_it(const char *body, struct seen *seen)
{
    struct manifest_calls calls = {.ctx = seen, .file = see_file, .wal = see_wal};
    struct vv_buf text = {0};
    uint8_t sum[32];
    char hex[65];
    enum vv_rc rc;

    vv_buf_put_text(&text, body);
    sha256(text.data, text.len, sum);
    vv_hex(hex, sum, sizeof(sum));
    vv_buf_printf(&text, "\"Manifest-Checksum\": \"%s\"}\n", hex);
    seen->text[0] = '\0';
    rc = manifest_read(vv_buf_span(&text), &calls, NULL);
    /* Any change of any byte is found. */
    for (size_t i = 0; rc == VV_OK && i < text.len; i += 7) {
        text.data[i] ^= 1;
        assert_int_equal(manifest_read(vv_buf_span(&text), &(struct manifest_calls){0}, NULL),
                         VV_ECORRUPT);
        text.data[i] ^= 1;
    }
    vv_buf_release(&text);
    return rc;
}

#define WAL                                                                                        \
    "\"WAL-Ranges\": [\n{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": "            \
    "\"0/2000100\" }\n],\n"
#define BEGIN "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n"

static void
manifests(void **state)
{
    struct seen seen;

    (void)state;
    assert_int_equal(
        read_it(BEGIN
                "\"Files\": [\n"
                "{ \"Path\": \"backup_label\", \"Size\": 225, \"Last-Modified\": \"2026-11-26 "
                "14:18:39 GMT\", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": "
                "\"0a0b0c0d\" },\n"
                "{ \"Encoded-Path\": \"ff2f61\", \"Size\": 0, \"Last-Modified\": \"x\" },\n"
                "{ \"Path\": \"a\\\"\\u0001\\u00e9\", \"Size\": 1, \"Checksum-Algorithm\": "
                "\"SHA256\", \"Checksum\": \"00\" }\n"
                "],\n" WAL,
                &seen),
        VV_OK);
    assert_string_equal(seen.text, "backup_label 225 1 0d0c0b0a\n\xff/a 0 0 00000000\n"
                                   "a\"\x01\xc3\xa9 1 2 00000000\nwal 1 2000028 2000100\n");
    assert_int_equal(read_it(BEGIN "\"Files\": [],\n" WAL, &seen), VV_OK);
    assert_int_equal(read_it("{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
                             "\"System-Identifier\": 7712484556135646751,\n\"Files\": [],\n" WAL,
                             &seen),
                     VV_OK);
    assert_int_equal(
        read_it("{ \"PostgreSQL-Backup-Manifest-Version\": 3,\n\"Files\": [],\n" WAL, &seen),
        VV_EUNSUPPORTED);
    assert_int_equal(read_it(BEGIN "\"Files\": [{\"Path\": \"a\", \"Size\": 666}],\n" WAL, &seen),
                     VV_EREFUSED);
}

static void
manifests_that_are_none(void **state)
{
    static const char *const bodies[] = {
        "",
        "\n",
        "{\n",
        BEGIN,
        BEGIN WAL,
        BEGIN "\"Files\": [],\n",
        "{ \"Files\": [],\n" WAL,
        BEGIN "\"Files\": {},\n" WAL,
        BEGIN "\"Files\": [{}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\"}],\n" WAL,
        BEGIN "\"Files\": [{\"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"\", \"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\", \"Encoded-Path\": \"61\", \"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [{\"Encoded-Path\": \"6\", \"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\", \"Size\": -1}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\", \"Size\": 18446744073709551616}],\n" WAL,
        BEGIN
        "\"Files\": [{\"Path\": \"a\", \"Size\": 1, \"Checksum-Algorithm\": \"CRC32C\"}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\", \"Size\": 1, \"Checksum-Algorithm\": \"CRC32C\", "
              "\"Checksum\": \"0a0b0c\"}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\\u0000\", \"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\\ud800\", \"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\", \"Size\": 1},],\n" WAL,
        BEGIN "\"Files\": [{\"Path\": \"a\", \"Size\": 1} {\"Path\": \"b\", \"Size\": 1}],\n" WAL,
        BEGIN "\"Files\": [],\n\"WAL-Ranges\": [{\"Timeline\": 1}],\n",
        BEGIN "\"Files\": [],\n\"WAL-Ranges\": [{\"Timeline\": 0, \"Start-LSN\": \"0/1\", "
              "\"End-LSN\": \"0/2\"}],\n",
        BEGIN "\"Files\": [],\n\"WAL-Ranges\": [{\"Timeline\": 1, \"Start-LSN\": \"0/3\", "
              "\"End-LSN\": \"0/2\"}],\n",
    };
    struct seen seen;

    (void)state;
    for (size_t i = 0; i < VV_COUNT(bodies); i++) {
        assert_int_equal(read_it(bodies[i], &seen), VV_ECORRUPT);
    }
    assert_int_equal(manifest_read(vv_span(NULL, 0), &(struct manifest_calls){0}, NULL),
                     VV_ECORRUPT);
}

/* What is written reads back, and is what a server writes (byte for byte but for times and sums). */
static void
manifests_are_written(void **state)
{
    static const char *const paths[] = {"base/5/1259", "a \"quoted\" name", "l\xc3\xa4nder",
                                        "\x01"};
    struct manifest_wal wal = {.timeline = 3, .start = 0x2000028, .end = 0x100000010};
    struct seen seen = {.text = ""};
    struct manifest_calls calls = {.ctx = &seen, .file = see_file, .wal = see_wal};
    struct vv_buf text = {0};

    (void)state;
    manifest_write_begin(&text);
    for (size_t i = 0; i < VV_COUNT(paths); i++) {
        struct manifest_file f = {.path = vv_span(paths[i], strlen(paths[i])),
                                  .size = i * 8192,
                                  .algorithm = i == 1 ? MANIFEST_NONE : MANIFEST_CRC32C,
                                  .crc32c = 0x0d0c0b0au + (uint32_t)i};
        manifest_write_file(&text, &f, 1795702719);
    }
    manifest_write_end(&text, &wal);
    assert_int_equal(vv_buf_check(&text, NULL), VV_OK);
    assert_int_equal(manifest_read(vv_buf_span(&text), &calls, NULL), VV_OK);
    assert_string_equal(seen.text, "base/5/1259 0 1 0d0c0b0a\na \"quoted\" name 8192 0 00000000\n"
                                   "l\xc3\xa4nder 16384 1 0d0c0b0c\n\x01 24576 1 0d0c0b0d\n"
                                   "wal 3 2000028 100000010\n");
    assert_memory_equal(text.data,
                        "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n"
                        "{ \"Path\": \"base/5/1259\", \"Size\": 0, \"Last-Modified\": "
                        "\"2026-11-26 14:18:39 GMT\", \"Checksum-Algorithm\": \"CRC32C\", "
                        "\"Checksum\": \"0a0b0c0d\" },\n"
                        "{ \"Encoded-Path\": \"61202271756f74656422206e616d65\", ",
                        244);
    vv_buf_release(&text);

    manifest_write_begin(&text);
    manifest_write_end(&text, &wal);
    assert_int_equal(manifest_read(vv_buf_span(&text), &calls, NULL), VV_OK);
    vv_buf_release(&text);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_checksum_is_the_servers),
        cmocka_unit_test(bad_pages),
        cmocka_unit_test(relation_files),
        cmocka_unit_test(tar_members),
        cmocka_unit_test(tar_members_that_are_none),
        cmocka_unit_test(manifests),
        cmocka_unit_test(manifests_that_are_none),
        cmocka_unit_test(manifests_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
