/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of [notify], and the ids of runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "notify_settings.h"
#include "run_id.h"
#include "settings_keys.h"

static void
times(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"1s", 1000}, {"10s", 10000}, {"3600s", 3600000}, {"2min", 120000}, {"1h", 3600000}};
    static const char *const bad[] = {
        "",     "0",     "0s", "s",     "10",   "1.5s", "-1s", "10S",
        "10 s", "3601s", "2h", "61min", "10ss", "1d",   "+1s", "999999999999999999999s"};
    uint64_t ms = 0;

    (void)state;
    for (size_t i = 0; i < VV_COUNT(good); i++) {
        assert_true(notify_seconds_parse(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_false(notify_seconds_parse(bad[i], &ms));
    }
}

static void
events(void **state)
{
    static const char *const bad[] = {
        "", ",", "fail", "failures", "test", "failure;success", "Failure", "failure, what"};
    unsigned on = 0;

    (void)state;
    assert_true(notify_events_parse("failure", &on));
    assert_int_equal(on, NOTIFY_ON(NOTIFY_FAILURE));
    assert_true(notify_events_parse(" start,success ,failure\trecovery, silence,", &on));
    assert_int_equal(on, 31);
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_false(notify_events_parse(bad[i], &on));
    }
    assert_int_equal(on, 31);
}

static void
addresses(void **state)
{
    static const char *const good[] = {"root", "a.b+c@h-1.example.org"};
    static const char *const bad[] = {"",
                                      "-oQ/tmp",
                                      "caf\xc3\xa9@x",
                                      "a b",
                                      "a,b",
                                      "A <a@b>",
                                      "a;b",
                                      "a\nb",
                                      "\"a\"@b",
                                      "|cat",
                                      ":a",
                                      ("a\x7f"
                                       "b")};
    char longest[300];

    (void)state;
    for (size_t i = 0; i < VV_COUNT(good); i++) {
        assert_true(notify_is_address(good[i]));
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_false(notify_is_address(bad[i]));
    }
    memset(longest, 'a', sizeof(longest));
    longest[255] = '\0';
    assert_false(notify_is_address(longest));
    longest[254] = '\0';
    assert_true(notify_is_address(longest));
}

static struct settings *
read_text(const char *text)
{
    struct settings *c = NULL;

    assert_int_equal(settings_new(settings_specs, settings_spec_count, &c, NULL), VV_OK);
    assert_int_equal(settings_add_text(c, "f", vv_span(text, strlen(text)), NULL), VV_OK);
    assert_int_equal(settings_check(c, NULL), VV_OK);
    assert_int_equal(settings_problem_count(c), 0);
    return c;
}

static void
sections(void **state)
{
    struct settings *c = read_text("[repository r]\nurl=/r\n"
                                   "[notify]\nmail-to=root\nmail-to=other\n"
                                   "[notify full]\nping-url=https://h/u\nping-start=https://h/s\n"
                                   "ping-success=https://h/o\nping-failure=https://h/f\n"
                                   "ping-method=get\nping-timeout=3s\nmail-from=me\n"
                                   "sendmail=/bin/s\ncommand=c\ncommand-timeout=4s\n"
                                   "on=start\nrepeat-after=2h\n"
                                   "[job a]\nrepository=r\n[job b]\nrepository=r\nnotify=full\n");
    const struct settings_section *a = notify_settings_of(c, settings_find(c, "job", "a"));
    const struct settings_section *b = notify_settings_of(c, settings_find(c, "job", "b"));
    struct vv_arena arena = {0};
    struct notify_settings s;

    (void)state;
    assert_ptr_equal(a, settings_find(c, "notify", ""));
    assert_ptr_equal(notify_settings_of(c, NULL), a);
    assert_ptr_equal(b, settings_find(c, "notify", "full"));
    assert_int_equal(notify_settings_make(a, &arena, &s, NULL), VV_OK);
    assert_int_equal(s.mail_count, 2);
    assert_string_equal(s.mail_to[0], "root");
    assert_string_equal(s.mail_to[1], "other");
    assert_string_equal(s.sendmail, "/usr/sbin/sendmail");
    assert_int_equal(s.ping_limit_ms, 10000);
    assert_int_equal(s.program_limit_ms, 60000);
    assert_int_equal(s.repeat_after_ns, INT64_C(86400000000000));
    assert_int_equal(s.on, NOTIFY_ON(NOTIFY_FAILURE) | NOTIFY_ON(NOTIFY_RECOVERY) |
                               NOTIFY_ON(NOTIFY_SILENCE));
    assert_false(s.ping_get);
    assert_null(s.ping_url);
    assert_null(s.mail_from);
    assert_null(s.command);
    assert_int_equal(notify_settings_make(b, &arena, &s, NULL), VV_OK);
    assert_string_equal(s.ping_url, "https://h/u");
    assert_string_equal(s.ping_start, "https://h/s");
    assert_string_equal(s.ping_success, "https://h/o");
    assert_string_equal(s.ping_failure, "https://h/f");
    assert_true(s.ping_get);
    assert_int_equal(s.ping_limit_ms, 3000);
    assert_int_equal(s.mail_count, 0);
    assert_string_equal(s.mail_from, "me");
    assert_string_equal(s.sendmail, "/bin/s");
    assert_string_equal(s.command, "c");
    assert_int_equal(s.program_limit_ms, 4000);
    assert_int_equal(s.on, NOTIFY_ON(NOTIFY_START));
    assert_int_equal(s.repeat_after_ns, INT64_C(7200000000000));
    vv_arena_release(&arena);
    settings_free(c);
    c = read_text("[repository r]\nurl=/r\n[job a]\nrepository=r\n");
    assert_null(notify_settings_of(c, settings_find(c, "job", "a")));
    settings_free(c);
}

static void
run_ids(void **state)
{
    static const char *const wrong[] = {
        "", "0123456789a", "0123456789abc", "0123456789AB", "0123456789a=", "x"};
    char one[RUN_ID_TEXT];
    char two[RUN_ID_TEXT];

    (void)state;
    run_id_make(one);
    run_id_make(two);
    assert_int_equal(strspn(one, "0123456789abcdef"), 12);
    assert_int_equal(strlen(one), 12);
    assert_string_not_equal(one, two);
    assert_int_equal(setenv("VARVE_RUN", one, 1), 0);
    run_id_inherit(two);
    assert_string_equal(one, two);
    for (size_t i = 0; i < VV_COUNT(wrong); i++) {
        assert_int_equal(setenv("VARVE_RUN", wrong[i], 1), 0);
        run_id_inherit(two);
        assert_int_equal(strspn(two, "0123456789abcdef"), 12);
        assert_string_not_equal(one, two);
    }
    assert_int_equal(unsetenv("VARVE_RUN"), 0);
    run_id_inherit(two);
    assert_string_not_equal(one, two);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),    cmocka_unit_test(events),  cmocka_unit_test(addresses),
        cmocka_unit_test(sections), cmocka_unit_test(run_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
