/* SPDX-License-Identifier: BSD-2-Clause */
/* The line of progress, at moments the test chooses; and what messages keep for the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "progress.h"

#define NS UINT64_C(1000000000)

static const char *const phases[] = {"starting", "reading"};

/** The line ${seconds} after the start. */
static const char *
line_at(struct progress *p, uint64_t seconds, size_t columns, struct vv_buf *out)
{
    vv_buf_reset(out);
    progress_text(p, p->started + seconds * NS, columns, out);
    return vv_buf_text(out);
}

static void
begin(struct progress *p)
{
    progress_start(p, NULL, PROGRESS_NONE, phases, 2);
    atomic_store(&p->counters.phase, 1);
}

static void
progress__never_tells_the_time_left_before_five_seconds(void **state)
{
    struct progress p;
    struct vv_buf out = {0};

    (void)state;
    begin(&p);
    atomic_store(&p.counters.bytes_total, 100 << 20);
    atomic_store(&p.counters.bytes_done, 1 << 20);
    assert_null(strstr(line_at(&p, 4, 0, &out), "left"));
    atomic_store(&p.counters.bytes_done, 10 << 20);
    /* 10 of 100 MiB in 10 s: 90 s to go. */
    assert_non_null(strstr(line_at(&p, 10, 0, &out), "1 min 31 s left"));
    vv_buf_release(&out);
}

static void
progress__tells_what_is_a_guess(void **state)
{
    struct progress p;
    struct vv_buf out = {0};

    (void)state;
    begin(&p);
    atomic_store(&p.counters.bytes_total, 2 << 20);
    atomic_store(&p.counters.bytes_done, 1 << 20);
    atomic_store(&p.counters.files_done, 1234);
    atomic_store(&p.counters.files_new, 2);
    atomic_store(&p.counters.problems, 1);
    assert_string_equal(line_at(&p, 0, 0, &out),
                        "reading: 1.0 MiB of ~2.0 MiB, 1,234 files, 2 new, 0 changed, 0 unchanged, "
                        "1 problem");
    atomic_store(&p.counters.total_is_final, 1);
    assert_non_null(strstr(line_at(&p, 1, 0, &out), "1.0 MiB of 2.0 MiB"));
    /* More done than expected: the total says nothing any more. */
    atomic_store(&p.counters.bytes_done, 3 << 20);
    assert_null(strstr(line_at(&p, 1, 0, &out), " of "));
    vv_buf_release(&out);
}

static void
progress__tells_the_recent_rate(void **state)
{
    struct progress p;
    struct vv_buf out = {0};

    (void)state;
    begin(&p);
    (void)line_at(&p, 0, 0, &out);
    for (uint64_t second = 1; second <= 100; second++) {
        atomic_store(&p.counters.bytes_done, second << 20);
        (void)line_at(&p, second, 0, &out);
    }
    assert_non_null(strstr(vv_buf_text(&out), "1.0 MiB/s"));
    vv_buf_release(&out);
}

static void
progress__shows_the_end_of_the_current_path_escaped(void **state)
{
    static const char path[] = "srv/\x1b[2J/a-name-that-is-much-longer-than-what-is-left/end";
    struct progress p;
    struct vv_buf out = {0};
    size_t without;

    (void)state;
    begin(&p);
    without = strlen(line_at(&p, 0, 0, &out));
    vv_progress_current(&p.counters, vv_span(path, sizeof(path) - 1));
    assert_non_null(strstr(line_at(&p, 0, 300, &out), "srv/\\x1b[2J/a-name"));
    assert_int_equal(strlen(line_at(&p, 0, without + 20, &out)), without + 20);
    assert_non_null(strstr(vv_buf_text(&out), "..."));
    assert_string_equal(vv_buf_text(&out) + out.len - 4, "/end");
    assert_int_equal(strlen(line_at(&p, 0, without + 5, &out)), without); /* no room */
    vv_buf_release(&out);
}

static void
message__escapes_but_keeps_lines(void **state)
{
    struct vv_buf out = {0};

    (void)state;
    message_escape(&out, "one\ntwo\x1b[31m\x7f");
    assert_string_equal(vv_buf_text(&out), "one\n    two\\x1b[31m\\x7f");
    vv_buf_release(&out);
}

/** Where messages go that are not looked at. */
static FILE *
null_stream(void)
{
    static FILE *file;

    if (file == NULL) {
        file = fopen("/dev/null", "w");
        assert_non_null(file);
    }
    return file;
}

static void
message__keeps_problems_for_the_document(void **state)
{
    struct messages m;
    struct json j;
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    messages_init(&m);
    m.line.file = null_stream();
    m.keep = true;
    vv_emit(&m.events, VV_EVENT_PROBLEM, "file-unreadable", vv_span("a/b", 3), "no");
    vv_emit(&m.events, VV_EVENT_PROBLEM, "pack-damaged", vv_span("packs/x", 7), "no");
    vv_emit(&m.events, VV_EVENT_NOTICE, "file-noted", vv_span("c", 1), "hm");
    messages_warning(&m, "own", "%d things", 2);
    json_begin(&j, file);
    messages_json(&m, &j);
    json_finish(&j);
    (void)fclose(file);
    assert_int_equal(m.problems, 2);
    assert_int_equal(m.warnings, 1);
    /* A path of an entry gets the slash it is stored without, an object's name does not. */
    assert_string_equal(text, "{\n \"problem_count\": 2,\n \"problems\": [\n  {\n"
                              "   \"name\": \"file-unreadable\",\n   \"path\": \"/a/b\",\n"
                              "   \"text\": \"no\"\n  },\n  {\n"
                              "   \"name\": \"pack-damaged\",\n   \"path\": \"packs/x\",\n"
                              "   \"text\": \"no\"\n  }\n ],\n \"warnings\": [\n  {\n"
                              "   \"name\": \"own\",\n   \"text\": \"2 things\"\n  }\n ]\n}\n");
    free(text);
    messages_release(&m);
}

static void
message__keeps_only_so_many(void **state)
{
    struct messages m;
    struct json j;
    char *text = NULL;
    size_t len = 0;
    size_t found = 0;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    messages_init(&m);
    m.line.file = null_stream();
    m.keep = true;
    for (unsigned i = 0; i < MESSAGES_KEPT + 10; i++) {
        vv_emit(&m.events, VV_EVENT_PROBLEM, "file-gone", vv_span("a", 1), "gone");
    }
    json_begin(&j, file);
    messages_json(&m, &j);
    json_finish(&j);
    (void)fclose(file);
    for (const char *at = text; (at = strstr(at, "file-gone")) != NULL; at++) {
        found++;
    }
    assert_int_equal(found, MESSAGES_KEPT);
    assert_non_null(strstr(text, "\"problem_count\": 1010"));
    free(text);
    messages_release(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress__never_tells_the_time_left_before_five_seconds),
        cmocka_unit_test(progress__tells_what_is_a_guess),
        cmocka_unit_test(progress__tells_the_recent_rate),
        cmocka_unit_test(progress__shows_the_end_of_the_current_path_escaped),
        cmocka_unit_test(message__escapes_but_keeps_lines),
        cmocka_unit_test(message__keeps_problems_for_the_document),
        cmocka_unit_test(message__keeps_only_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
