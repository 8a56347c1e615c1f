/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of what programs say, and its way to our own standard error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "service/process.h"

static void
expect(struct output_tail *t, const char *some, const char *want)
{
    struct vv_buf text = {0};

    for (size_t i = 0; i < strlen(some); i++) { /* cuts between pieces do not matter */
        output_tail_take(t, vv_span(some + i, 1));
    }
    output_tail_text(t, &text);
    assert_string_equal(vv_buf_text(&text), want);
    vv_buf_release(&text);
    output_tail_release(t);
}

static void
lines(void **state)
{
    struct output_tail t = {0};
    struct vv_buf text = {0};
    char some[4000];

    (void)state;
    expect(&t, "", "");
    expect(&t, "one\ntwo", "one\ntwo\n");
    expect(&t, "dos\r\n\n", "dos\n\n");
    expect(&t, "\r\033[K 10 %\r\033[K 20 %\r\033[Kvarve: bad\n\r\033[K 30 %\r\033[K",
           "varve: bad\n\n");
    expect(&t, "\033[1;31mred\033[0m \a\tx\n\033[", "red \\x07 x\n\n");
    expect(&t, "<3>as it is\n", "<3>as it is\n");
    t.journal = true;
    expect(&t, "<3>varve: bad\n<9>no\n<3", "varve: bad\n<9>no\n<3\n");
    t.journal = false;
    /* The last fifty, each up to its limit. */
    for (int i = 0; i < 60; i++) {
        (void)snprintf(some, sizeof(some), "%d\n", i);
        output_tail_take(&t, vv_span(some, strlen(some)));
    }
    output_tail_text(&t, &text);
    assert_memory_equal(vv_buf_text(&text), "10\n11\n", 6);
    assert_string_equal(vv_buf_text(&text) + text.len - 3, "59\n");
    assert_int_equal(t.count, OUTPUT_TAIL_LINES);
    output_tail_release(&t);
    vv_buf_reset(&text);
    memset(some, 'x', sizeof(some));
    output_tail_take(&t, vv_span(some, sizeof(some)));
    output_tail_text(&t, &text);
    assert_int_equal(text.len, OUTPUT_TAIL_LINE_MOST + 4);
    assert_string_equal(vv_buf_text(&text) + text.len - 5, "x...\n");
    vv_buf_release(&text);
    output_tail_release(&t);
}

/* ---- through a process ---- */

static int real_stderr;
static int heard; /* what our standard error got */

static void
listen_to_ourselves(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    vv_fd_close(ends[1]);
    heard = ends[0];
}

static void
stop_listening(void)
{
    assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
    vv_fd_close(real_stderr);
    vv_fd_close(heard);
}

static struct process_result
run(const char *script, struct output_tail *tail, const char *input, uint64_t limit_ms)
{
    const char *words[] = {"sh", "-c", script, NULL};
    struct process_spec spec = {.words = words,
                                .tail = tail,
                                .input = vv_span(input, strlen(input)),
                                .capture = true,
                                .limit_ms = limit_ms};
    struct process_result r;

    assert_int_equal(process_run(&spec, NULL, &r, NULL), VV_OK);
    return r;
}

static void
expect_run(const char *script, const char *want_output, const char *want_tail)
{
    struct output_tail tail = {0};
    struct process_result r;
    struct vv_buf text = {0};
    char got[8192];
    ssize_t n;

    listen_to_ourselves();
    r = run(script, &tail, "given", 0);
    assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO); /* the end of it */
    n = read(heard, got, sizeof(got) - 1);
    stop_listening();
    output_tail_text(&tail, &text);
    assert_string_equal(vv_buf_text(&text), want_tail);
    got[n > 0 ? n : 0] = '\0';
    assert_string_equal(got, want_tail);
    assert_string_equal(vv_buf_text(&r.output), want_output);
    vv_buf_release(&text);
    process_result_release(&r);
    output_tail_release(&tail);
}

static uint64_t
now_ms(void)
{
    return vv_clock_system()->monotonic(vv_clock_system()) / 1000000;
}

static void
relayed(void **state)
{
    uint64_t began = now_ms();

    (void)state;
    expect_run("echo out; echo err >&2; cat", "out\ngiven", "err\n");
    expect_run("exit 3", "", "");
    expect_run("echo a >&2; exec 2>&-; echo b", "b\n", "a\n");
    /* Whoever keeps it open keeps nobody waiting. */
    expect_run("echo err >&2; sleep 1009 >/dev/null & echo", "\n", "err\n");
    assert_true(now_ms() - began < 100000);
    /* Only with a tail. */
    expect_run("test -z \"$JOURNAL_STREAM$VARVE_TERMINAL_STREAM\" && echo yes", "yes\n", "");
}

/* What it says where it leads is true for what it is said of. */
static void
leads_somewhere(void **state)
{
    static const char script[] = "stat -L -c %d:%i /proc/self/fd/2; echo $JOURNAL_STREAM; "
                                 "echo $VARVE_TERMINAL_STREAM";
    struct output_tail tail = {.journal = true, .columns = 99};
    struct process_result r = run(script, &tail, "", 0);
    char *rest;
    char *first = strtok_r((char *)(uintptr_t)vv_buf_text(&r.output), "\n", &rest);
    char *second = strtok_r(NULL, "\n", &rest);
    char *third = strtok_r(NULL, "\n", &rest);

    (void)state;
    assert_non_null(third);
    assert_string_equal(first, second);
    assert_memory_equal(third, first, strlen(first));
    assert_string_equal(third + strlen(first), ":99");
    process_result_release(&r);
    output_tail_release(&tail);
}

/* Nobody reads what we say: the program waits, and its limit holds all the same.  Nobody can: it goes on. */
static void
unheard(void **state)
{
    struct output_tail tail = {0};
    struct process_result r;
    uint64_t began = now_ms();

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    listen_to_ourselves();
    r = run("head -c 10000000 /dev/zero >&2; echo done", &tail, "", 300);
    vv_fd_close(heard);
    heard = -1;
    assert_true(r.timed_out);
    assert_true(now_ms() - began < 100000);
    process_result_release(&r);
    r = run("head -c 10000000 /dev/zero >&2; echo last >&2; echo done", &tail, "", 0);
    stop_listening();
    assert_int_equal(r.code, 0);
    assert_string_equal(vv_buf_text(&r.output), "done\n");
    process_result_release(&r);
    output_tail_release(&tail);
}

/* Reads late, and then all there is. */
static void
read_late(void *arg)
{
    struct vv_buf *got = arg;
    uint8_t some[4096];
    ssize_t n;

    (void)usleep(300000);
    while ((n = read(heard, some, sizeof(some))) > 0) {
        vv_buf_put(got, some, (size_t)n);
    }
}

/* Who reads slowly loses nothing. */
static void
heard_late(void **state)
{
    struct output_tail tail = {0};
    struct process_result r;
    struct vv_buf got = {0};
    struct vv_thread reader;
    char filling[4096];
    size_t filled = 0;
    ssize_t n;

    (void)state;
    listen_to_ourselves();
    memset(filling, '.', sizeof(filling));
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    while ((n = write(STDERR_FILENO, filling, sizeof(filling))) > 0) {
        filled += (size_t)n;
    }
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, 0), 0);
    assert_int_equal(vv_thread_start(&reader, "reader", read_late, &got, NULL), VV_OK);
    r = run("echo last >&2", &tail, "", 0);
    assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO); /* the end of it */
    vv_thread_join(&reader);
    stop_listening();
    assert_int_equal(got.len, filled + 5);
    assert_memory_equal(got.data + filled, "last\n", 5);
    vv_buf_release(&got);
    process_result_release(&r);
    output_tail_release(&tail);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines), cmocka_unit_test(relayed), cmocka_unit_test(leads_somewhere),
        cmocka_unit_test(unheard), cmocka_unit_test(heard_late)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
