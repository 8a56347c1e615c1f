/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes of SFTP, against packets written down by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ssh/sftp_codec.h"

#define BYTES(text) vv_span(text, sizeof(text) - 1)

static void
expect_bytes(struct vv_buf *b, struct vv_span expected)
{
    assert_false(b->failed);
    assert_int_equal(b->len, expected.len);
    assert_memory_equal(b->data, expected.data, expected.len);
    vv_buf_release(b);
}

static void
put__writes_requests(void **state)
{
    const struct sftp_handle h = {.bytes = "hd", .len = 2};
    struct vv_buf b = {0};

    (void)state;
    sftp_put_init(&b);
    expect_bytes(&b, BYTES("\0\0\0\5\1\0\0\0\3"));
    sftp_put_head(&b, SFTP_PACKET_CLOSE, 0x01020304, 6);
    sftp_put_handle(&b, &h);
    expect_bytes(&b, BYTES("\0\0\0\13\4\1\2\3\4\0\0\0\2hd"));
    sftp_put_open(&b, "a", SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE, 0400);
    expect_bytes(&b, BYTES("\0\0\0\1a\0\0\0\x2a\0\0\0\4\0\0\1\0"));
    sftp_put_open(&b, "a", SFTP_OPEN_READ, 0400);
    expect_bytes(&b, BYTES("\0\0\0\1a\0\0\0\1\0\0\0\0"));
    sftp_put_mkdir(&b, "dir", 0700);
    expect_bytes(&b, BYTES("\0\0\0\3dir\0\0\0\4\0\0\1\xc0"));
    sftp_put_read(&b, &h, UINT64_C(0x0102030405060708), 0x3fc00);
    expect_bytes(&b, BYTES("\0\0\0\2hd\1\2\3\4\5\6\7\x08\0\3\xfc\0"));
    sftp_put_write(&b, &h, 1, 3);
    expect_bytes(&b, BYTES("\0\0\0\2hd\0\0\0\0\0\0\0\1\0\0\0\3"));
    sftp_put_extended(&b, "x@y");
    sftp_put_two_paths(&b, "a", "bc");
    expect_bytes(&b, BYTES("\0\0\0\3x@y\0\0\0\1a\0\0\0\2bc"));
}

static void
answer__takes_every_type(void **state)
{
    struct sftp_answer a;

    (void)state;
    assert_true(sftp_answer_decode(BYTES("\145\0\0\0\7\0\0\0\2\0\0\0\2no\0\0\0\2en"), &a));
    assert_int_equal(a.type, SFTP_PACKET_STATUS);
    assert_int_equal(a.id, 7);
    assert_int_equal(a.status, SFTP_NO_SUCH_FILE);
    assert_int_equal(a.text.len, 2);
    assert_memory_equal(a.text.data, "no", 2);
    assert_true(sftp_answer_decode(BYTES("\145\0\0\0\7\0\0\0\4"), &a)); /* no words */
    assert_int_equal(a.text.len, 0);
    assert_true(sftp_answer_decode(BYTES("\146\0\0\0\7\0\0\0\2hd"), &a));
    assert_int_equal(a.handle.len, 2);
    assert_memory_equal(a.handle.bytes, "hd", 2);
    assert_true(sftp_answer_decode(BYTES("\147\0\0\0\7\0\0\0\3abc"), &a));
    assert_int_equal(a.data.len, 3);
    assert_true(sftp_answer_decode(BYTES("\311\0\0\0\7abcd"), &a));
    assert_int_equal(a.data.len, 4);
    assert_true(sftp_answer_decode(BYTES("\151\0\0\0\7\0\0\0\x0f\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"
                                         "\0\0\x81\xa4\0\0\0\5\0\0\0\6"),
                                   &a));
    assert_true(a.attributes.has_size && a.attributes.has_owner && a.attributes.has_mode &&
                a.attributes.has_times);
    assert_int_equal(a.attributes.size, UINT64_C(0x100000002));
    assert_int_equal(a.attributes.uid, 3);
    assert_int_equal(a.attributes.gid, 4);
    assert_int_equal(a.attributes.mode, 0100644);
    assert_int_equal(a.attributes.atime, 5);
    assert_int_equal(a.attributes.mtime, 6);
}

static void
answer__gives_names_one_by_one(void **state)
{
    struct sftp_answer a;
    struct sftp_attributes attributes;
    struct vv_span name;

    (void)state;
    assert_true(sftp_answer_decode(BYTES("\150\0\0\0\7\0\0\0\2"
                                         "\0\0\0\1a\0\0\0\2-a\0\0\0\0"
                                         "\0\0\0\2bc\0\0\0\0\200\0\0\1\0\0\0\0\0\0\0\x09\0\0\0\1"
                                         "\0\0\0\1t\0\0\0\1d"),
                                   &a));
    assert_int_equal(a.names.left, 2);
    assert_true(sftp_names_next(&a.names, &name, &attributes));
    assert_memory_equal(name.data, "a", 1);
    assert_false(attributes.has_size);
    assert_true(sftp_names_next(&a.names, &name, &attributes));
    assert_int_equal(name.len, 2);
    assert_int_equal(attributes.size, 9);
    assert_false(sftp_names_next(&a.names, &name, &attributes));
}

static void
answer__refuses_what_does_not_parse(void **state)
{
    static const struct vv_span broken[] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"\145\0\0\0", 4},
        {(const uint8_t *)"\145\0\0\0\7\0\0\0", 8},                     /* half a status */
        {(const uint8_t *)"\145\0\0\0\7\0\0\0\2\0\0\0\3no", 15},        /* words cut off */
        {(const uint8_t *)"\145\0\0\0\7\0\0\0\2\0\0\0\0\0\0\0\0x", 18}, /* left over */
        {(const uint8_t *)"\147\0\0\0\7\0\0\0\3abcd", 13},              /* left over */
        {(const uint8_t *)"\147\0\0\0\7\377\377\377\377abc", 12},
        {(const uint8_t *)"\150\0\0\0\7\377\377\377\377", 9},    /* names without end */
        {(const uint8_t *)"\151\0\0\0\7\0\0\0\x10\0\0\0\0", 13}, /* unknown attribute */
        {(const uint8_t *)"\151\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0", 16},
        {(const uint8_t *)"\5\0\0\0\7", 5}, /* a request */
        {(const uint8_t *)"\2\0\0\0\3", 5}, /* VERSION is no answer to a request */
    };
    struct sftp_answer a;
    uint8_t handle[5 + 4 + 257] = {102, 0, 0, 0, 1, 0, 0, 1, 1};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(broken); i++) {
        if (sftp_answer_decode(broken[i], &a)) {
            fail_msg("number %zu", i);
        }
    }
    assert_false(sftp_answer_decode(vv_span(handle, sizeof(handle)), &a));
    handle[8] = 0;
    assert_true(sftp_answer_decode(vv_span(handle, sizeof(handle) - 1), &a));
    assert_int_equal(a.handle.len, 256);
}

static void
version__knows_extensions_by_name_and_version(void **state)
{
    struct vv_buf names = {0};
    uint32_t version = 0;
    uint32_t extensions = 0;

    (void)state;
    assert_true(sftp_version_decode(BYTES("\2\0\0\0\3"
                                          "\0\0\0\x11"
                                          "fsync@openssh.com\0\0\0\1"
                                          "1"
                                          "\0\0\0\x13"
                                          "statvfs@openssh.com\0\0\0\1"
                                          "1"
                                          "\0\0\0\3a\033b\0\0\0\0"),
                                    &version, &extensions, &names));
    assert_int_equal(version, 3);
    assert_int_equal(extensions, SFTP_FSYNC); /* statvfs would be version 2 */
    assert_string_equal(vv_buf_text(&names), "fsync@openssh.com 1\nstatvfs@openssh.com 1\na?b \n");
    vv_buf_release(&names);
    assert_false(sftp_version_decode(BYTES("\2\0\0\0\3\0\0\0\1a"), &version, &extensions, &names));
    assert_false(sftp_version_decode(BYTES("\145\0\0\0\3"), &version, &extensions, &names));
    assert_false(sftp_version_decode(BYTES("\2\0\0"), &version, &extensions, &names));
    vv_buf_release(&names);
}

static void
version__bounds_the_list_of_extensions(void **state)
{
    struct vv_buf packet = {0};
    struct vv_buf names = {0};
    uint32_t version = 0;
    uint32_t extensions = 0;

    (void)state;
    vv_buf_put(&packet, "\2\0\0\0\3", 5);
    for (int i = 0; i < 1000; i++) {
        sftp_put_text(&packet, "something-with-a-name@example.org");
        sftp_put_text(&packet, "1");
    }
    sftp_put_text(&packet, "hardlink@openssh.com");
    sftp_put_text(&packet, "1");
    assert_true(sftp_version_decode(vv_buf_span(&packet), &version, &extensions, &names));
    assert_true(names.len <= SFTP_EXTENSION_TEXT && names.len > SFTP_EXTENSION_TEXT / 2);
    assert_int_equal(extensions, SFTP_HARDLINK);
    vv_buf_release(&packet);
    vv_buf_release(&names);
}

static void
limits__and_space_are_read(void **state)
{
    struct sftp_limits limits;
    struct vv_buf b = {0};
    uint64_t free_bytes = 0;
    uint64_t total = 0;

    (void)state;
    for (uint64_t v = 1; v <= 4; v++) {
        sftp_put_u64(&b, v << 33);
    }
    assert_true(sftp_limits_decode(vv_buf_span(&b), &limits));
    assert_int_equal(limits.packet, UINT64_C(1) << 33);
    assert_int_equal(limits.read, UINT64_C(2) << 33);
    assert_int_equal(limits.write, UINT64_C(3) << 33);
    assert_int_equal(limits.handles, UINT64_C(4) << 33);
    assert_false(sftp_limits_decode(vv_span(b.data, 31), &limits));
    vv_buf_reset(&b);
    for (uint64_t v = 1; v <= 11; v++) {
        sftp_put_u64(&b, v);
    }
    assert_true(sftp_statvfs_decode(vv_buf_span(&b), &free_bytes, &total));
    assert_int_equal(free_bytes, 10); /* f_frsize * f_bavail */
    assert_int_equal(total, 6);
    assert_false(sftp_statvfs_decode(vv_span(b.data, 80), &free_bytes, &total));
    memset(b.data, 0xff, b.len);
    assert_true(sftp_statvfs_decode(vv_buf_span(&b), &free_bytes, &total));
    assert_true(free_bytes == UINT64_MAX && total == UINT64_MAX);
    vv_buf_release(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put__writes_requests),
        cmocka_unit_test(answer__takes_every_type),
        cmocka_unit_test(answer__gives_names_one_by_one),
        cmocka_unit_test(answer__refuses_what_does_not_parse),
        cmocka_unit_test(version__knows_extensions_by_name_and_version),
        cmocka_unit_test(version__bounds_the_list_of_extensions),
        cmocka_unit_test(limits__and_space_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
