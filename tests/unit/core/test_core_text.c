/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/text.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "core/text.h"

static void
assert_escaped(const char *raw, size_t len, const char *expected)
{
    struct vv_buf b = {0};
    vv_text_escape(&b, vv_span(raw, len));
    assert_string_equal(vv_buf_text(&b), expected);
    vv_buf_release(&b);
}

#define ESCAPED(raw, expected) assert_escaped(raw, sizeof(raw) - 1, expected)

static void
escape__keeps_ordinary_names(void **state)
{
    (void)state;
    ESCAPED("", "");
    ESCAPED("/home/o'brien/a b \"c\".txt", "/home/o'brien/a b \"c\".txt");
    ESCAPED("Z\u00fcrich \u65e5\u672c \U0001f600", "Z\u00fcrich \u65e5\u672c \U0001f600");
    ESCAPED("~", "~");
}

static void
escape__controls(void **state)
{
    (void)state;
    ESCAPED("a\nb\rc\td", "a\\nb\\rc\\td");
    ESCAPED("\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f");
    ESCAPED("a\0b", "a\\x00b");
    ESCAPED("C:\\x1b", "C:\\\\x1b"); /* cannot be mistaken for an escape */
    ESCAPED("\xc2\x80\xc2\x9b\xc2\x9f", "\\u{80}\\u{9b}\\u{9f}");
    ESCAPED("\xc2\xa0", "\xc2\xa0");
}

static void
escape__bidirectional_controls_and_separators(void **state)
{
    (void)state;
    ESCAPED("a\u202egpj.exe", "a\\u{202e}gpj.exe");
    ESCAPED("\u061c\u200e\u200f", "\\u{61c}\\u{200e}\\u{200f}");
    ESCAPED("\u202a\u202b\u202c\u202d", "\\u{202a}\\u{202b}\\u{202c}\\u{202d}");
    ESCAPED("\u2066\u2067\u2068\u2069", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}");
    ESCAPED("\u2028\u2029", "\\u{2028}\\u{2029}");
    ESCAPED("\u2027\u202f\u2065\u206a", "\u2027\u202f\u2065\u206a"); /* the neighbours stay */
}

static void
escape__invalid_utf8_byte_by_byte(void **state)
{
    (void)state;
    ESCAPED("a\xff\xfe", "a\\xff\\xfe");
    ESCAPED("\x80 \xbf", "\\x80 \\xbf");
    ESCAPED("\xc0\x9b", "\\xc0\\x9b");                   /* overlong ESC */
    ESCAPED("\xe0\x80\x9b", "\\xe0\\x80\\x9b");          /* overlong */
    ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
    ESCAPED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
    ESCAPED("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
    ESCAPED("x\xe2\x82", "x\\xe2\\x82");      /* cut short */
    ESCAPED("\xe2\x1b[m", "\\xe2\\x1b[m");    /* hides an ESC */
    ESCAPED("\xc3\xc3\xa9", "\\xc3\xc3\xa9"); /* recovers at once */
}

/* Whatever goes in, what comes out is valid UTF-8 without anything to escape but backslashes. */
static void
escape__all_pairs_of_bytes_are_harmless(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    for (unsigned pair = 0; pair < 65536; pair++) {
        const uint8_t raw[2] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        vv_buf_reset(&b);
        vv_text_escape(&b, vv_span(raw, 2));
        assert_true(vv_utf8_valid(vv_buf_span(&b)));
        for (size_t i = 0; i < b.len; i++) {
            assert_true(b.data[i] >= 0x20 && b.data[i] != 0x7f);
            assert_false(b.data[i] == 0xc2 && b.data[i + 1] < 0xa0);
        }
    }
    vv_buf_release(&b);
}

static bool
valid(const char *s)
{
    return vv_utf8_valid(vv_span(s, strlen(s)));
}

static void
utf8__edges(void **state)
{
    (void)state;
    assert_true(vv_utf8_valid(vv_span(NULL, 0)));
    assert_true(
        valid("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_true(valid("\xed\x9f\xbf\xee\x80\x80"));
    assert_false(valid("\xc1\xbf"));
    assert_false(valid("\xe0\x9f\xbf"));
    assert_false(valid("\xf0\x8f\xbf\xbf"));
    assert_false(valid("\xed\xa0\x80"));
    assert_false(valid("\xed\xbf\xbf"));
    assert_false(valid("\xf4\x90\x80\x80"));
    assert_false(valid("\xc3"));
    assert_false(valid("\xf0\x90\x80"));
    assert_false(valid("ok\x80"));
}

static void
assert_size(uint64_t bytes, const char *expected)
{
    char out[24];
    vv_text_size(bytes, out);
    assert_string_equal(out, expected);
}

static void
size__binary_units(void **state)
{
    (void)state;
    assert_size(0, "0 B");
    assert_size(1023, "1023 B");
    assert_size(1024, "1.0 KiB");
    assert_size(1536, "1.5 KiB");
    assert_size(1258291, "1.2 MiB");
    assert_size(1048575, "1.0 MiB"); /* never "1024.0 KiB" */
    assert_size(1023 * 1024, "1023.0 KiB");
    assert_size(UINT64_C(1) << 40, "1.0 TiB");
    assert_size(UINT64_MAX, "16.0 EiB");
}

static void
count__groups_of_three(void **state)
{
    (void)state;
    char out[32];
    vv_text_count(0, out);
    assert_string_equal(out, "0");
    vv_text_count(999, out);
    assert_string_equal(out, "999");
    vv_text_count(1000, out);
    assert_string_equal(out, "1,000");
    vv_text_count(1234567, out);
    assert_string_equal(out, "1,234,567");
    vv_text_count(UINT64_MAX, out);
    assert_string_equal(out, "18,446,744,073,709,551,615");
}

static void
assert_duration(uint64_t seconds, const char *expected)
{
    char out[32];
    vv_text_duration(seconds, out);
    assert_string_equal(out, expected);
}

static void
duration__two_units(void **state)
{
    (void)state;
    assert_duration(0, "0 s");
    assert_duration(59, "59 s");
    assert_duration(60, "1 min 00 s");
    assert_duration(125, "2 min 05 s");
    assert_duration(3599, "59 min 59 s");
    assert_duration(3720, "1 h 02 min");
    assert_duration(86399, "23 h 59 min");
    assert_duration(86400, "1 d 0 h");
    assert_duration(3 * 86400 + 4 * 3600 + 1800, "3 d 4 h");
    assert_duration(UINT64_MAX, "213503982334601 d 7 h");
}

static void
parse_size__accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"12B", 12},
        {"100k", 102400},
        {"64M", UINT64_C(64) << 20},
        {"64m", UINT64_C(64) << 20},
        {"1.5GiB", UINT64_C(3) << 29},
        {"1.5 GiB", UINT64_C(3) << 29},
        {"1.2 MiB", 1258291},
        {"0.5K", 512},
        {"2T", UINT64_C(2) << 40},
        {"15E", UINT64_C(15) << 60},
        {"15.999999999E", UINT64_C(18446744072556630111)},
        {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        uint64_t v = 7;
        assert_true(vv_text_parse_size(cases[i].text, &v));
        assert_true(v == cases[i].value);
    }
}

static void
parse_size__rejects(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " 1",
                                      "-1",
                                      "+1",
                                      "M",
                                      "1.M",
                                      ".5M",
                                      "1.5",
                                      "1.5B",
                                      "1 ",
                                      "1  M",
                                      "1MB",
                                      "1kB",
                                      "1Mi",
                                      "1MiBs",
                                      "1X",
                                      "0x10",
                                      "1e3",
                                      "16E",
                                      "18446744073709551616",
                                      "99999999999999999999999",
                                      "1.0000000000M",
                                      "1,5M",
                                      "1M ",
                                      "17179869184G"};
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        uint64_t v = 7;
        if (vv_text_parse_size(bad[i], &v)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_int_equal(v, 7);
    }
}

static void
nearest__suggests_only_what_is_near(void **state)
{
    (void)state;
    static const char *const words[] = {"backup", "restore", "replicate", "verify", "list", "ls"};
    static const unsigned count = VV_COUNT(words);
    assert_string_equal(vv_text_nearest("bakcup", words, count), "backup");
    assert_string_equal(vv_text_nearest("backpu", words, count), "backup");
    assert_string_equal(vv_text_nearest("restor", words, count), "restore");
    assert_string_equal(vv_text_nearest("replcate", words, count), "replicate");
    assert_string_equal(vv_text_nearest("verify", words, count), "verify");
    assert_string_equal(vv_text_nearest("sl", words, count), "ls");
    assert_null(vv_text_nearest("frobnicate", words, count));
    assert_null(vv_text_nearest("", words, count));
    assert_null(vv_text_nearest("x", words, count));
    assert_null(vv_text_nearest("backup", words, 0));
    char longest[200];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(vv_text_nearest(longest, words, count));
    const char *const long_words[] = {longest};
    assert_null(vv_text_nearest("aaaa", long_words, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape__keeps_ordinary_names),
        cmocka_unit_test(escape__controls),
        cmocka_unit_test(escape__bidirectional_controls_and_separators),
        cmocka_unit_test(escape__invalid_utf8_byte_by_byte),
        cmocka_unit_test(escape__all_pairs_of_bytes_are_harmless),
        cmocka_unit_test(utf8__edges),
        cmocka_unit_test(size__binary_units),
        cmocka_unit_test(count__groups_of_three),
        cmocka_unit_test(duration__two_units),
        cmocka_unit_test(parse_size__accepts),
        cmocka_unit_test(parse_size__rejects),
        cmocka_unit_test(nearest__suggests_only_what_is_near),
    };
    return cmocka_run_group_tests_name("core/text", tests, NULL, NULL);
}
