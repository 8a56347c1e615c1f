/* SPDX-License-Identifier: BSD-2-Clause */
/* Documents of another varve, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/json.h"
#include "report/json_read.h"

static struct json_value *
read_text(const char *text)
{
    struct vv_error err = {0};
    struct json_value *v = NULL;

    assert_int_equal(json_read(vv_span(text, strlen(text)), &v, &err), VV_OK);
    return v;
}

static void
reading__finds_members_of_every_kind(void **state)
{
    VV_CLEANUP(json_value_freep)
    struct json_value *v =
        read_text("{\"a\":{\"t\":\"x\",\"n\":-5,\"b\":true},\"l\":[{\"t\":\"y\"},{}]}");

    (void)state;
    assert_string_equal(json_get_text(json_get(v, "a"), "t"), "x");
    assert_int_equal(json_get_i64(json_get(v, "a"), "n"), -5);
    assert_true(json_get_bool(json_get(v, "a"), "b"));
    assert_int_equal(json_count(json_get(v, "l")), 2);
    assert_string_equal(json_get_text(json_item(json_get(v, "l"), 0), "t"), "y");
}

static void
reading__takes_what_is_not_there_for_nothing(void **state)
{
    VV_CLEANUP(json_value_freep)
    struct json_value *v = read_text("{\"a\":\"text\",\"n\":null}");

    (void)state;
    assert_null(json_get(v, "b"));
    assert_null(json_get(json_get(v, "a"), "b"));
    assert_null(json_get(NULL, "b"));
    assert_string_equal(json_get_text(v, "n"), "");
    assert_string_equal(json_get_text(json_get(v, "b"), "c"), "");
    assert_int_equal(json_get_i64(v, "a"), 0);
    assert_false(json_get_bool(v, "a"));
    assert_int_equal(json_count(json_get(v, "a")), 0);
    assert_null(json_item(json_get(v, "a"), 0));
    assert_int_equal(json_get_time(v, "a"), 0);
    assert_int_equal(json_get_time(v, "n"), 0);
}

static void
reading__refuses_what_is_no_document(void **state)
{
    static const char *const texts[] = {"", "varve: error", "{\"a\":1", "{\"a\":1}x",
                                        "{\"a\":1,\"a\":2}"};
    struct json_value *v = NULL;

    (void)state;
    for (size_t i = 0; i < VV_COUNT(texts); i++) {
        struct vv_error err = {0};
        assert_int_equal(json_read(vv_span(texts[i], strlen(texts[i])), &v, &err), VV_ECORRUPT);
        assert_null(v);
    }
}

/* What json_put_time writes, json_get_time reads, whatever the zone. */
static void
times__survive_in_every_zone(void **state)
{
    static const char *const zones[] = {"UTC", "America/St_Johns", "Asia/Kathmandu",
                                        "Europe/Berlin"};
    static const int64_t times[] = {1, 1000000000, 1798386945123456789, 1743296399999999999,
                                    1761440400000000000};

    (void)state;
    for (size_t z = 0; z < VV_COUNT(zones); z++) {
        assert_int_equal(setenv("TZ", zones[z], 1), 0);
        tzset();
        for (size_t i = 0; i < VV_COUNT(times); i++) {
            char *text = NULL;
            size_t len = 0;
            FILE *f = open_memstream(&text, &len);
            struct json j;
            struct json_value *v;
            assert_non_null(f);
            json_begin(&j, f);
            json_put_time(&j, "t", times[i]);
            json_finish(&j);
            assert_int_equal(fclose(f), 0);
            v = read_text(text);
            assert_int_equal(json_get_time(v, "t"), times[i]);
            json_value_free(v);
            free(text);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading__finds_members_of_every_kind),
        cmocka_unit_test(reading__takes_what_is_not_there_for_nothing),
        cmocka_unit_test(reading__refuses_what_is_no_document),
        cmocka_unit_test(times__survive_in_every_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
