/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is told what, in which words, and what is remembered of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/thread.h"
#include "http/http.h"
#include "service/notify.h"

#define SECOND INT64_C(1000000000)
#define HOUR (3600 * SECOND)

static const char *const addresses[] = {"root", "admin@example.org"};
static struct notify_settings settings;
static struct notify_facts facts;
static struct notify_state known;

static int
set_up(void **state)
{
    (void)state;
    settings = (struct notify_settings){
        .ping_url = "https://hc.example/token",
        .mail_to = addresses,
        .mail_count = 2,
        .sendmail = "/nowhere/sendmail",
        .command = "true",
        .ping_limit_ms = 1000,
        .program_limit_ms = 60000,
        .on = NOTIFY_ON(NOTIFY_FAILURE) | NOTIFY_ON(NOTIFY_RECOVERY) | NOTIFY_ON(NOTIFY_SILENCE),
        .repeat_after_ns = 24 * HOUR};
    facts = (struct notify_facts){.job = "web",
                                  .run = "0123456789ab",
                                  .host = "h",
                                  .failed = "",
                                  .summary = "",
                                  .tail = "",
                                  .now = 1000000 * SECOND};
    known = (struct notify_state){0};
    return 0;
}

/* after EVENT: ${c} is to be told of that ("." unwanted, "-" held back), and was. */
static void
expect(enum notify_channel c, enum notify_event event, const char *want)
{
    struct notify_decision d;

    facts.event = event;
    d = notify_decide(&settings, &facts, &known, c);
    assert_string_equal(d.verdict == NOTIFY_DUE         ? notify_event_name(d.event)
                        : d.verdict == NOTIFY_HELD_BACK ? "-"
                                                        : ".",
                        want);
    if (d.verdict == NOTIFY_DUE ||
        (d.verdict == NOTIFY_UNWANTED && (event == NOTIFY_SUCCESS || event == NOTIFY_RECOVERY))) {
        notify_remember(&known, &facts, c);
    }
}

static void
pings(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        expect(NOTIFY_PING, NOTIFY_START, "start");
        expect(NOTIFY_PING, NOTIFY_FAILURE, "failure");
    }
    expect(NOTIFY_PING, NOTIFY_SILENCE, "silence");
    expect(NOTIFY_PING, NOTIFY_SILENCE, "silence");
    expect(NOTIFY_PING, NOTIFY_RECOVERY, "."); /* no run went well */
    expect(NOTIFY_PING, NOTIFY_SUCCESS, "success");
    expect(NOTIFY_PING, NOTIFY_TEST, "test");
    settings.ping_url = NULL;
    expect(NOTIFY_PING, NOTIFY_SUCCESS, ".");
    settings.ping_success = "https://hc.example/ok";
    expect(NOTIFY_PING, NOTIFY_START, ".");
    expect(NOTIFY_PING, NOTIFY_FAILURE, ".");
    expect(NOTIFY_PING, NOTIFY_SUCCESS, "success");
}

static void
mails(void **state)
{
    (void)state;
    expect(NOTIFY_MAIL, NOTIFY_START, ".");
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, ".");
    facts.code = 1;
    facts.failed = "backup";
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    facts.now += HOUR;
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "-");
    facts.failed = "backup replicate"; /* that is another one */
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    facts.code = 13;
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    facts.now += 24 * HOUR - 1;
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "-");
    facts.now += 1;
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "-");
    facts.now -= 48 * HOUR; /* the clock went back */
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    expect(NOTIFY_MAIL, NOTIFY_TEST, "test");
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "-"); /* not anew by turns */
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "-");
    expect(NOTIFY_COMMAND, NOTIFY_SUCCESS, "."); /* that channel was told nothing */
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, "recovery");
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, ".");
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure"); /* after a recovery it is a new one */
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, "recovery");
}

static void
silences(void **state)
{
    (void)state;
    facts.failed = "wal shop";
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
    facts.now += HOUR;
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "-");
    facts.failed = "space site, wal shop"; /* that is another one */
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "-");
    facts.now += 24 * HOUR;
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
    /* A run that goes well ends none, and a failure is not ended with it. */
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, ".");
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "-");
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    expect(NOTIFY_COMMAND, NOTIFY_RECOVERY, "."); /* that channel was told nothing */
    expect(NOTIFY_MAIL, NOTIFY_RECOVERY, "recovery");
    expect(NOTIFY_MAIL, NOTIFY_RECOVERY, ".");
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "-");
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence"); /* after a recovery it is a new one */
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, "recovery");
    expect(NOTIFY_MAIL, NOTIFY_SUCCESS, ".");
    expect(NOTIFY_MAIL, NOTIFY_RECOVERY, "recovery");
    expect(NOTIFY_MAIL, NOTIFY_RECOVERY, ".");
    /* Not wanted, it is over all the same. */
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
    settings.on = NOTIFY_ON(NOTIFY_SILENCE) | NOTIFY_ON(NOTIFY_SUCCESS);
    expect(NOTIFY_MAIL, NOTIFY_RECOVERY, ".");
    expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
}

static void
wanted_events(void **state)
{
    (void)state;
    settings.on = NOTIFY_ON(NOTIFY_FAILURE);
    expect(NOTIFY_COMMAND, NOTIFY_FAILURE, "failure");
    expect(NOTIFY_COMMAND, NOTIFY_SUCCESS, ".");
    expect(NOTIFY_COMMAND, NOTIFY_FAILURE, "failure");
    settings.on = NOTIFY_ON(NOTIFY_SUCCESS) | NOTIFY_ON(NOTIFY_START);
    expect(NOTIFY_COMMAND, NOTIFY_START, "start");
    expect(NOTIFY_COMMAND, NOTIFY_SUCCESS, "recovery");
    expect(NOTIFY_COMMAND, NOTIFY_SUCCESS, "success");
    expect(NOTIFY_COMMAND, NOTIFY_FAILURE, ".");
    expect(NOTIFY_COMMAND, NOTIFY_SILENCE, ".");
    expect(NOTIFY_COMMAND, NOTIFY_SUCCESS, "success");
    settings.command = NULL;
    expect(NOTIFY_COMMAND, NOTIFY_SUCCESS, ".");
    expect(NOTIFY_COMMAND, NOTIFY_TEST, ".");
    settings.mail_count = 0;
    expect(NOTIFY_MAIL, NOTIFY_TEST, ".");
}

static struct notify_state
parse(const char *text)
{
    return notify_state_parse(vv_span(text, strlen(text)));
}

static void
states(void **state)
{
    static const char *const wrong[] = {
        "",
        "varve-notify 2\nmail failure 5 1 backup\n",
        "mail failure 5 1 backup\n",
        "varve-notify 1\nmail failure 5 1 backup",
        "varve-notify 1\nmail failure five 1 backup\n",
        "varve-notify 1\nmail failure\n",
        "varve-notify 1\nmail success 5 1 backup\n",
        "varve-notify 1\nping failure 5 1 backup\n",
        "varve-notify 1\nmail failure 5 1\nmail failure 5 1 backup\n",
        "varve-notify 1\nmail failure 5 1 backup\nrubbish\n",
    };
    struct vv_buf text = {0};
    struct notify_state s;
    char many[1000];

    (void)state;
    facts.code = 13;
    facts.failed = "backup scrub";
    facts.event = NOTIFY_FAILURE;
    notify_remember(&known, &facts, NOTIFY_MAIL);
    facts.event = NOTIFY_SILENCE;
    facts.failed = "copy site";
    notify_remember(&known, &facts, NOTIFY_COMMAND);
    notify_state_print(&known, &text);
    assert_string_equal(vv_buf_text(&text),
                        "varve-notify 1\nmail failure 1000000000000000 13 backup scrub\n"
                        "command silence 1000000000000000 copy site\n");
    s = notify_state_parse(vv_buf_span(&text));
    assert_string_equal(s.troubles[NOTIFY_MAIL][NOTIFY_FAILED_BEFORE].what, "13 backup scrub");
    assert_true(s.troubles[NOTIFY_MAIL][NOTIFY_FAILED_BEFORE].told);
    assert_int_equal(s.troubles[NOTIFY_MAIL][NOTIFY_FAILED_BEFORE].when, facts.now);
    assert_false(s.troubles[NOTIFY_MAIL][NOTIFY_SILENT_BEFORE].told);
    assert_true(s.troubles[NOTIFY_COMMAND][NOTIFY_SILENT_BEFORE].told);
    assert_false(s.troubles[NOTIFY_COMMAND][NOTIFY_FAILED_BEFORE].told);
    for (size_t i = 0; i < VV_COUNT(wrong); i++) {
        s = parse(wrong[i]);
        assert_false(s.troubles[NOTIFY_MAIL][NOTIFY_FAILED_BEFORE].told);
        assert_false(s.troubles[NOTIFY_PING][NOTIFY_FAILED_BEFORE].told);
    }
    /* A NUL in it, or more than there is room for. */
    s = notify_state_parse(vv_span("varve-notify 1\nmail failure 5 1\0x\n", 34));
    assert_false(s.troubles[NOTIFY_MAIL][NOTIFY_FAILED_BEFORE].told);
    vv_buf_reset(&text);
    vv_buf_printf(&text, "varve-notify 1\nmail failure 5 %0400d\n", 1);
    s = notify_state_parse(vv_buf_span(&text));
    assert_false(s.troubles[NOTIFY_MAIL][NOTIFY_FAILED_BEFORE].told);
    /* More parts than there is room for are the same ones the next time, too. */
    memset(many, 'x', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    known = (struct notify_state){0};
    facts.failed = many;
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    vv_buf_reset(&text);
    notify_state_print(&known, &text);
    known = notify_state_parse(vv_buf_span(&text));
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "-");
    many[sizeof(many) - 2] = 'y'; /* and others are others */
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    facts.code = 1;
    expect(NOTIFY_MAIL, NOTIFY_FAILURE, "failure");
    /* Up to where it is cut, and from there on. */
    for (size_t len = NOTIFY_WHAT_SIZE - 20; len < NOTIFY_WHAT_SIZE + 20; len++) {
        memset(many, 'x', len);
        many[len] = '\0';
        expect(NOTIFY_MAIL, NOTIFY_SILENCE, "silence");
        vv_buf_reset(&text);
        notify_state_print(&known, &text);
        known = notify_state_parse(vv_buf_span(&text));
        expect(NOTIFY_MAIL, NOTIFY_SILENCE, "-");
    }
    vv_buf_release(&text);
}

static void
expect_address(enum notify_event event, const char *want)
{
    struct vv_buf url = {0};

    notify_ping_address(&settings, event, &url);
    assert_string_equal(vv_buf_text(&url), want);
    vv_buf_release(&url);
}

static void
ping_addresses(void **state)
{
    (void)state;
    expect_address(NOTIFY_START, "https://hc.example/token/start");
    expect_address(NOTIFY_SUCCESS, "https://hc.example/token");
    expect_address(NOTIFY_RECOVERY, "https://hc.example/token");
    expect_address(NOTIFY_FAILURE, "https://hc.example/token/fail");
    expect_address(NOTIFY_SILENCE, "https://hc.example/token/fail");
    expect_address(NOTIFY_TEST, "https://hc.example/token/fail");
    settings.ping_url = "https://hc.example/token/?create=1#x";
    expect_address(NOTIFY_START, "https://hc.example/token/start?create=1#x");
    expect_address(NOTIFY_SUCCESS, "https://hc.example/token/?create=1#x");
    settings.ping_failure = "https://other/down?msg=no";
    expect_address(NOTIFY_FAILURE, "https://other/down?msg=no");
    settings.ping_url = NULL;
    expect_address(NOTIFY_START, "");
    settings.ping_failure = NULL;
    settings.ping_success = "https://other/up";
    expect_address(NOTIFY_TEST, "https://other/up");
    settings.ping_start = "https://other/run";
    expect_address(NOTIFY_TEST, "https://other/run");
}

static void
words(void **state)
{
    static const struct {
        enum notify_event event;
        int code;
        const char *text;
    } subjects[] = {
        {NOTIFY_START, 0, "begins"},
        {NOTIFY_SUCCESS, 0, "went well"},
        {NOTIFY_FAILURE, 3, "is done, with problems"},
        {NOTIFY_FAILURE, 130, "was stopped"},
        {NOTIFY_FAILURE, 12, "FAILED, exit code 12"},
        {NOTIFY_SILENCE, 0, "is CRITICAL"},
        {NOTIFY_RECOVERY, 0, "is well again"},
        {NOTIFY_TEST, 0, "sends a test: nothing has happened"},
    };
    struct vv_buf text = {0};
    char want[128];
    char line[5000];

    (void)state;
    for (size_t i = 0; i < VV_COUNT(subjects); i++) {
        facts.code = subjects[i].code;
        vv_buf_reset(&text);
        notify_subject(&facts, subjects[i].event, &text);
        (void)snprintf(want, sizeof(want), "varve on h: job 'web' %s", subjects[i].text);
        assert_string_equal(vv_buf_text(&text), want);
    }
    facts.event = NOTIFY_SUCCESS; /* of a run nothing more is known */
    vv_buf_reset(&text);
    notify_subject(&facts, NOTIFY_RECOVERY, &text);
    assert_string_equal(vv_buf_text(&text), "varve on h: job 'web' went well again");
    facts.event = NOTIFY_RECOVERY;
    facts.summary = "  backup failed\n";
    facts.tail = "varve: one\nvarve: two";
    vv_buf_reset(&text);
    notify_message(&facts, NOTIFY_FAILURE, &text);
    assert_non_null(strstr(vv_buf_text(&text), ", run 0123456789ab\n\n  backup failed\n\n"
                                               "The end of what it said:\n\n"
                                               "varve: one\nvarve: two\n"));
    settings.mail_from = "varve@h.example";
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    facts.tail = line;
    facts.now = INT64_C(1795746600) * SECOND; /* date -u -d @1795746600 */
    vv_buf_reset(&text);
    notify_mail(&settings, &facts, NOTIFY_RECOVERY, &text);
    assert_memory_equal(vv_buf_text(&text),
                        "From: varve@h.example\nTo: root,\n admin@example.org\n"
                        "Subject: varve on h: job 'web' is well again\n"
                        "Date: Fri, 27 Nov 2026 02:30:00 +0000\nMIME-Version: 1.0\n",
                        strlen("From: varve@h.example\nTo: root,\n admin@example.org\n"
                               "Subject: varve on h: job 'web' is well again\n"
                               "Date: Fri, 27 Nov 2026 02:30:00 +0000\nMIME-Version: 1.0\n"));
    for (const char *p = vv_buf_text(&text), *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
        assert_true(end - p <= 998);
    }
    /* Nothing in a name ends the head. */
    facts.host = "h\nBcc: x@y";
    vv_buf_reset(&text);
    notify_mail(&settings, &facts, NOTIFY_RECOVERY, &text);
    assert_null(strstr(vv_buf_text(&text), "\nBcc"));
    vv_buf_release(&text);
}

/* ---- sending ---- */

static char directory[] = "/tmp/varve-notify.XXXXXX";
static char path[3][64];

static void
write_program(const char *file, const char *script)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    assert_int_equal(vv_file_replace(AT_FDCWD, file, vv_span(text, strlen(text)), 0700, NULL),
                     VV_OK);
}

static void
sending(void **state)
{
    struct notify_report r;
    struct vv_buf text = {0};
    char command[256];

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path[0], sizeof(path[0]), "%s/state", directory);
    (void)snprintf(path[1], sizeof(path[1]), "%s/sendmail", directory);
    settings.ping_url = NULL;
    settings.sendmail = path[1];
    (void)snprintf(command, sizeof(command),
                   "echo $VARVE_EVENT $VARVE_JOB $VARVE_RUN $VARVE_CODE >%s/out; cat >>%s/out",
                   directory, directory);
    settings.command = command;
    facts.event = NOTIFY_FAILURE;
    facts.code = 1;
    /* Mail cannot be sent: it counts as not told; the command can. */
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_PING].outcome, NOTIFY_NONE);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_FAILED);
    assert_non_null(strstr(r.results[NOTIFY_MAIL].err.message, "is not there"));
    assert_int_equal(r.results[NOTIFY_COMMAND].outcome, NOTIFY_SENT);
    assert_int_equal(r.state.rc, VV_OK); /* there was none yet */
    (void)snprintf(path[2], sizeof(path[2]), "%s/out", directory);
    assert_int_equal(vv_file_read(AT_FDCWD, path[2], 9999, &text, NULL), VV_OK);
    assert_memory_equal(vv_buf_text(&text),
                        "failure web 0123456789ab 1\nvarve on h: job 'web' FAILED", 55);
    settings.command = "true";
    write_program(path[1], "exit 7");
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_FAILED);
    assert_non_null(strstr(r.results[NOTIFY_MAIL].err.message, "exit code 7"));
    assert_int_equal(r.results[NOTIFY_COMMAND].outcome, NOTIFY_SUPPRESSED);
    settings.program_limit_ms = 200;
    write_program(path[1], "sleep 1008");
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_FAILED);
    assert_non_null(strstr(r.results[NOTIFY_MAIL].err.message, "took longer"));
    settings.program_limit_ms = 60000;
    write_program(path[1], "cat >/dev/null");
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SUPPRESSED);
    /* A test is none of the history. */
    facts.event = NOTIFY_TEST;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    facts.event = NOTIFY_FAILURE;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SUPPRESSED);
    /* Without state, or with rubbish for it, nothing is held back. */
    notify_send(&settings, &facts, NULL, &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    write_program(path[0], "rubbish");
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    assert_int_equal(r.state.rc, VV_OK);
    facts.event = NOTIFY_SUCCESS;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].event, NOTIFY_RECOVERY);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_NONE);
    /* Who does not want to know that it is well again is told when it is not any more. */
    settings.on = NOTIFY_ON(NOTIFY_FAILURE);
    facts.event = NOTIFY_FAILURE;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    facts.event = NOTIFY_SUCCESS;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_NONE);
    facts.event = NOTIFY_FAILURE;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    /* Silence is another trouble, of which it is known whether anybody was told. */
    settings.on |= NOTIFY_ON(NOTIFY_SILENCE);
    facts.event = NOTIFY_SUCCESS;
    notify_send(&settings, &facts, path[0], &r);
    assert_false(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    facts.event = NOTIFY_SILENCE;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    facts.event = NOTIFY_SUCCESS;
    notify_send(&settings, &facts, path[0], &r);
    assert_true(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    assert_false(notify_told(path[0], NOTIFY_FAILED_BEFORE));
    assert_false(notify_told("/nowhere/at/all", NOTIFY_SILENT_BEFORE));
    settings.on |= NOTIFY_ON(NOTIFY_RECOVERY); /* what could not be sent was not told */
    settings.sendmail = "/nowhere/sendmail";
    settings.command = NULL;
    facts.event = NOTIFY_RECOVERY;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_FAILED);
    assert_true(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    settings.sendmail = path[1];
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    settings.on = NOTIFY_ON(NOTIFY_FAILURE) | NOTIFY_ON(NOTIFY_SILENCE);
    assert_false(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    facts.event = NOTIFY_SILENCE;
    notify_send(&settings, &facts, path[0], &r);
    assert_true(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    facts.event = NOTIFY_RECOVERY;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_NONE);
    assert_false(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    /* State that cannot be kept is said, and changes nothing else. */
    facts.event = NOTIFY_FAILURE;
    notify_send(&settings, &facts, "/nowhere/at/all", &r);
    assert_int_equal(r.results[NOTIFY_MAIL].outcome, NOTIFY_SENT);
    assert_int_not_equal(r.state.rc, VV_OK);
    (void)unlink(path[0]);
    (void)unlink(path[1]);
    (void)unlink(path[2]);
    (void)snprintf(path[0], sizeof(path[0]), "%s/state.lock", directory);
    (void)unlink(path[0]);
    assert_int_equal(rmdir(directory), 0);
    vv_buf_release(&text);
}

/* What another process has told while this one was sending is not forgotten. */
static void
telling_at_once(void **state)
{
    char here[] = "/tmp/varve-notify.XXXXXX";
    struct notify_state other = {0};
    struct vv_buf text = {0};
    struct notify_report r;
    char command[256];

    (void)state;
    assert_non_null(mkdtemp(here));
    (void)snprintf(path[0], sizeof(path[0]), "%s/state", here);
    (void)snprintf(path[1], sizeof(path[1]), "%s/other", here);
    facts.event = NOTIFY_SILENCE;
    notify_remember(&other, &facts, NOTIFY_COMMAND);
    notify_state_print(&other, &text);
    assert_int_equal(vv_file_replace(AT_FDCWD, path[1], vv_buf_span(&text), 0600, NULL), VV_OK);
    settings.ping_url = NULL;
    settings.mail_count = 0;
    (void)snprintf(command, sizeof(command), "cat >/dev/null; cp '%s' '%s'", path[1], path[0]);
    settings.command = command;
    facts.event = NOTIFY_FAILURE;
    facts.code = 1;
    notify_send(&settings, &facts, path[0], &r);
    assert_int_equal(r.results[NOTIFY_COMMAND].outcome, NOTIFY_SENT);
    assert_true(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    assert_true(notify_told(path[0], NOTIFY_FAILED_BEFORE));
    (void)unlink(path[0]);
    (void)unlink(path[1]);
    (void)snprintf(path[0], sizeof(path[0]), "%s/state.lock", here);
    (void)unlink(path[0]);
    assert_int_equal(rmdir(here), 0);
    vv_buf_release(&text);
}

/* One ends with nothing to tell, and what it told before is over: no program is run. */
static void
end_trouble(void *event)
{
    struct notify_facts mine = facts;
    struct notify_report r;

    mine.event = *(const enum notify_event *)event;
    notify_send(&settings, &mine, path[0], &r);
    assert_int_equal(r.state.rc, VV_OK);
}

/* A run that ends and a look at the status, again and again: the news of neither is lost. */
static void
telling_in_step(void **state)
{
    static enum notify_event events[] = {NOTIFY_SUCCESS, NOTIFY_RECOVERY};
    char here[] = "/tmp/varve-notify.XXXXXX";
    struct notify_state both = {0};
    struct vv_buf text = {0};

    (void)state;
    assert_non_null(mkdtemp(here));
    (void)snprintf(path[0], sizeof(path[0]), "%s/state", here);
    (void)snprintf(path[1], sizeof(path[1]), "%s/state.lock", here);
    settings.on = 0;
    settings.ping_url = NULL;
    facts.event = NOTIFY_FAILURE;
    notify_remember(&both, &facts, NOTIFY_MAIL);
    facts.event = NOTIFY_SILENCE;
    notify_remember(&both, &facts, NOTIFY_MAIL);
    notify_state_print(&both, &text);
    for (unsigned i = 0; i < 50; i++) {
        struct vv_thread threads[2] = {0};
        assert_int_equal(vv_file_replace(AT_FDCWD, path[0], vv_buf_span(&text), 0600, NULL), VV_OK);
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(vv_thread_start(&threads[k], "tell", end_trouble, &events[k], NULL),
                             VV_OK);
        }
        for (unsigned k = 0; k < 2; k++) {
            vv_thread_join(&threads[k]);
        }
        assert_false(notify_told(path[0], NOTIFY_FAILED_BEFORE));
        assert_false(notify_told(path[0], NOTIFY_SILENT_BEFORE));
    }
    (void)unlink(path[0]);
    (void)unlink(path[1]);
    assert_int_equal(rmdir(here), 0);
    vv_buf_release(&text);
}

/* A service that takes the connection and says nothing; the limit is far from that of http.h. */
static void
a_ping__ends_with_its_limit(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct notify_report r;
    uint64_t began;
    char url[64];

    (void)state;
    if (!http_available()) {
        skip();
    }
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", (unsigned)ntohs(address.sin_port));
    settings = (struct notify_settings){.ping_url = url, .ping_limit_ms = 200};
    facts.event = NOTIFY_START;
    began = vv_clock_system()->monotonic(vv_clock_system());
    notify_send(&settings, &facts, NULL, &r);
    assert_int_equal(r.results[NOTIFY_PING].outcome, NOTIFY_FAILED);
    assert_true(vv_clock_system()->monotonic(vv_clock_system()) - began < UINT64_C(9000000000));
    assert_int_equal(close(listener), 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(telling_at_once, set_up),
        cmocka_unit_test_setup(telling_in_step, set_up),
        cmocka_unit_test_setup(a_ping__ends_with_its_limit, set_up),
        cmocka_unit_test_setup(pings, set_up),
        cmocka_unit_test_setup(mails, set_up),
        cmocka_unit_test_setup(states, set_up),
        cmocka_unit_test_setup(ping_addresses, set_up),
        cmocka_unit_test_setup(words, set_up),
        cmocka_unit_test_setup(wanted_events, set_up),
        cmocka_unit_test_setup(sending, set_up),
        cmocka_unit_test_setup(silences, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
