/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON documents: well-formed whatever happens, exact names, nothing that acts on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "report/json.h"

/** A document in memory. */
struct document {
    struct json json;
    FILE *file;
    char *text;
    size_t len;
};

static void
document_begin(struct document *d)
{
    d->text = NULL;
    d->file = open_memstream(&d->text, &d->len);
    assert_non_null(d->file);
    json_begin(&d->json, d->file);
}

static void
document_expect(struct document *d, const char *expected)
{
    json_finish(&d->json);
    assert_int_equal(fclose(d->file), 0);
    assert_false(d->json.failed);
    assert_string_equal(d->text, expected);
    free(d->text);
}

static struct vv_span
span(const char *text)
{
    return vv_span(text, strlen(text));
}

static void
json__writes_a_line(void **state)
{
    struct document d;

    (void)state;
    d.file = open_memstream(&d.text, &d.len);
    assert_non_null(d.file);
    json_begin_line(&d.json, d.file);
    json_put_text(&d.json, "a", "x\ny");
    json_put_array(&d.json, "b");
    json_put_u64(&d.json, NULL, 1);
    json_put_u64(&d.json, NULL, 2);
    json_put_end(&d.json);
    json_put_object(&d.json, "c");
    json_put_null(&d.json, "d");
    document_expect(&d, "{\"a\": \"x\\ny\", \"b\": [1, 2], \"c\": {\"d\": null}}\n");
}

static void
json__writes_scalars(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    json_put_text(&d.json, "a", "x\"\\\n");
    json_put_u64(&d.json, "b", UINT64_MAX);
    json_put_i64(&d.json, "c", INT64_MIN);
    json_put_bool(&d.json, "d", true);
    json_put_null(&d.json, "e");
    json_put_text(&d.json, "f", NULL);
    json_put_real(&d.json, "g", 1.5);
    json_put_hex(&d.json, "h", "\x01\xff", 2);
    document_expect(&d, "{\n \"a\": \"x\\\"\\\\\\n\",\n \"b\": 18446744073709551615,\n"
                        " \"c\": -9223372036854775808,\n \"d\": true,\n \"e\": null,\n"
                        " \"f\": null,\n \"g\": 1.50,\n \"h\": \"01ff\"\n}\n");
}

static void
json__closes_what_is_open(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    json_put_array(&d.json, "list");
    json_put_object(&d.json, NULL);
    json_put_u64(&d.json, "n", 1);
    document_expect(&d, "{\n \"list\": [\n  {\n   \"n\": 1\n  }\n ]\n}\n");
}

static void
json__closes_an_open_string_of_base64(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    json_base64_begin(&d.json, "c");
    json_base64_more(&d.json, span("ab"));
    document_expect(&d, "{\n \"c\": \"YWI=\"\n}\n");
}

static void
json__joins_pieces_of_base64(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    json_base64_begin(&d.json, "c");
    json_base64_more(&d.json, span("a"));
    json_base64_more(&d.json, span("bcd"));
    json_base64_more(&d.json, span(""));
    json_base64_more(&d.json, span("e"));
    json_base64_end(&d.json);
    json_put_bool(&d.json, "after", false);
    document_expect(&d, "{\n \"c\": \"YWJjZGU=\",\n \"after\": false\n}\n");
}

static void
json__gives_names_that_are_no_text_twice(void **state)
{
    const struct vv_span names[] = {span("plain"), span("\xff\x80"), span("a")};
    struct document d;

    (void)state;
    document_begin(&d);
    json_put_bytes(&d.json, "path", span("a\xff\\"));
    json_put_bytes_array(&d.json, "list", names, 3);
    json_put_bytes_array(&d.json, "text", names, 1);
    document_expect(&d, "{\n \"path\": \"a\\\\xff\\\\\\\\\",\n \"path_base64\": \"Yf9c\",\n"
                        " \"list\": [\n  \"plain\",\n  \"\\\\xff\\\\x80\",\n  \"a\"\n ],\n"
                        " \"list_base64\": [\n  \"cGxhaW4=\",\n  \"/4A=\",\n  \"YQ==\"\n ],\n"
                        " \"text\": [\n  \"plain\"\n ]\n}\n");
}

static void
json__never_writes_what_acts_on_a_terminal(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    /* ESC, DEL, CSI (C1), a right-to-left override; and harmless text beyond ASCII. */
    json_put_text(&d.json, "a", "\x1b[31m\x7f\xc2\x9b\xe2\x80\xae");
    json_put_text(&d.json, "b", "gr\xc3\xbc\xc3\x9f");
    document_expect(&d, "{\n \"a\": \"\\u001B[31m\\u007f\\u009B\\u202E\",\n"
                        " \"b\": \"gr\xc3\xbc\xc3\x9f\"\n}\n");
}

static void
json__notices_misuse(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    json_put_u64(&d.json, NULL, 1); /* an object wants keys */
    assert_true(d.json.failed);
    json_finish(&d.json);
    (void)fclose(d.file);
    free(d.text);

    document_begin(&d);
    json_put_array(&d.json, "a");
    json_put_u64(&d.json, "key", 1); /* an array does not */
    assert_true(d.json.failed);
    json_finish(&d.json);
    (void)fclose(d.file);
    free(d.text);
}

static void
json__refuses_to_nest_too_deep(void **state)
{
    struct document d;

    (void)state;
    document_begin(&d);
    json_put_array(&d.json, "a");
    for (int i = 0; i < JSON_DEPTH_MAX - 2; i++) {
        json_put_array(&d.json, NULL);
        assert_false(d.json.failed);
    }
    json_put_array(&d.json, NULL);
    assert_true(d.json.failed);
    json_finish(&d.json);
    (void)fclose(d.file);
    free(d.text);
}

static void
json__tells_when_memory_runs_out(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct document d;
        uint64_t count;
        document_begin(&d);
        vv_alloc_fail_at(k, 0);
        json_put_bytes(&d.json, "path", span("a\xff"));
        json_put_hex(&d.json, "h", "abc", 3);
        count = vv_alloc_count();
        vv_alloc_fail_at(0, 0);
        if (count < k) {
            assert_false(d.json.failed);
            assert_true(k > 3);
            json_finish(&d.json);
            (void)fclose(d.file);
            free(d.text);
            return;
        }
        assert_true(d.json.failed);
        json_finish(&d.json);
        (void)fclose(d.file);
        free(d.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json__writes_a_line),
        cmocka_unit_test(json__writes_scalars),
        cmocka_unit_test(json__closes_what_is_open),
        cmocka_unit_test(json__closes_an_open_string_of_base64),
        cmocka_unit_test(json__joins_pieces_of_base64),
        cmocka_unit_test(json__gives_names_that_are_no_text_twice),
        cmocka_unit_test(json__never_writes_what_acts_on_a_terminal),
        cmocka_unit_test(json__notices_misuse),
        cmocka_unit_test(json__refuses_to_nest_too_deep),
        cmocka_unit_test(json__tells_when_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
