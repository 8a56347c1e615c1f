/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* A child as a byte stream. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "helper_server.h"
#include "ssh/stream_child.h"

static struct byte_stream *
child(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct byte_stream *s = NULL;

    expect_ok(stream_child_new(argv, "test child", &s, &err_));
    return s;
}

static void
wait_for(struct byte_stream *s, bool sending)
{
    struct pollfd fds[BYTE_STREAM_FDS];
    int timeout;
    size_t n = s->ops->wait_for(s, sending, fds, &timeout);

    assert_true(n >= 1 && n <= BYTE_STREAM_FDS);
    assert_true(poll(fds, (nfds_t)n, 20000) > 0);
}

/* All it says until it ends. */
static size_t
receive_all(struct byte_stream *s, char *out, size_t size, struct vv_error *err)
{
    size_t len = 0;
    size_t got = 0;

    while (s->ops->receive(s, (uint8_t *)out + len, size - 1 - len, &got, err) == VV_OK) {
        len += got;
        if (got == 0) {
            wait_for(s, false);
        }
    }
    out[len] = '\0';
    return len;
}

static void
child__moves_bytes_both_ways(void **state)
{
    enum { MUCH = 8 << 20 };
    struct byte_stream *s = child("cat");
    uint8_t *data = malloc(MUCH);
    uint8_t *back = malloc(MUCH);
    size_t sent = 0;
    size_t received = 0;
    size_t some = 0;

    (void)state;
    assert_non_null(data);
    assert_non_null(back);
    for (size_t i = 0; i < MUCH; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 9);
    }
    while (received < MUCH) {
        size_t put = 0;
        if (sent < MUCH) {
            expect_ok(s->ops->send(s, vv_span(data + sent, MUCH - sent), &put, &err_));
            sent += put;
        }
        expect_ok(s->ops->receive(s, back + received, MUCH - received, &some, &err_));
        received += some;
        if (put == 0 && some == 0) {
            wait_for(s, sent < MUCH);
        }
    }
    assert_memory_equal(data, back, MUCH);
    byte_stream_free(s);
    free(data);
    free(back);
}

static void
child__is_quoted_when_it_ends(void **state)
{
    struct byte_stream *s = child("echo out; echo first >&2; echo 'cannot do it' >&2; exit 3");
    struct vv_error err = {0};
    struct vv_buf said = {0};
    char out[100];

    (void)state;
    assert_string_equal(s->name, "test child");
    receive_all(s, out, sizeof(out), &err);
    assert_string_equal(out, "out\n");
    assert_int_equal(err.rc, VV_ETRANSIENT);
    assert_string_equal(err.message,
                        "test child: the server closed the connection: first; cannot do it");
    stream_child_said(s, &said);
    assert_string_equal(vv_buf_text(&said), "first\ncannot do it\n");
    vv_buf_release(&said);
    byte_stream_free(s);
}

static void
child__may_write_much_to_standard_error(void **state)
{
    struct byte_stream *s = child("yes 0123456 | head -c 1000000 >&2; echo done");
    struct vv_error err = {0};
    struct vv_buf said = {0};
    char out[100];

    (void)state;
    receive_all(s, out, sizeof(out), &err);
    assert_string_equal(out, "done\n");
    stream_child_said(s, &said);
    assert_int_equal(said.len, 4096);
    assert_memory_equal(said.data + 4096 - 8, "0123456\n", 8);
    vv_buf_release(&said);
    byte_stream_free(s);
}

static void
child__that_does_not_exist_is_an_error(void **state)
{
    const char *const argv[] = {"/nowhere/at/all", NULL};
    struct byte_stream *s = NULL;
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(stream_child_new(argv, "x", &s, &err), VV_ENOTFOUND);
    assert_non_null(strstr(err.message, "'/nowhere/at/all'"));
    assert_null(s);
}

static void
child__has_nothing_of_ours(void **state)
{
    int ours = open("/dev/null", O_RDONLY); /* not close-on-exec */
    struct byte_stream *s =
        child("ls /proc/self/fd | tr '\\n' ' '; ps -o pgid= -p $$ | tr -d ' '; echo $$");
    struct vv_error err = {0};
    char out[200];
    int listing;
    int group;
    int pid;

    (void)state;
    assert_true(ours > 2);
    receive_all(s, out, sizeof(out), &err);
    /* 3 is the directory ls reads. */
    if (sscanf(out, "0 1 2 %d %d %d", &listing, &group, &pid) != 3 || group != pid) {
        fail_msg("%s", out);
    }
    byte_stream_free(s);
    close(ours);
}

/* One that ends by itself when its input does, and one that has to be made to. */
static void
free__ends_the_child(void **state)
{
    static const char *const scripts[] = {
        "echo $$; cat >/dev/null",
        "trap '' TERM; echo $$; while :; do sleep 0.1; done",
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(scripts); i++) {
        struct byte_stream *s = child(scripts[i]);
        uint8_t out[32] = {0};
        size_t got = 0;
        while (got == 0) {
            wait_for(s, false);
            expect_ok(s->ops->receive(s, out, sizeof(out) - 1, &got, &err_));
        }
        pid_t pid = (pid_t)strtol((char *)out, NULL, 10);
        assert_int_equal(kill(pid, 0), 0);
        byte_stream_free(s);
        assert_int_equal(kill(pid, 0), -1);
    }
    byte_stream_free(NULL);
}

/* Half a second behind the end of its input it would leave a trace: one that has answered is given that
 * time, one that never has is not. */
static void
free__does_not_wait_for_one_that_never_answered(void **state)
{
    static const char *const greetings[] = {"", "echo hello; "};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(greetings); i++) {
        char trace[] = "/tmp/varve-child-XXXXXX";
        char script[160];
        uint8_t out[32];
        size_t got = 0;
        int fd = mkstemp(trace);
        assert_true(fd >= 0);
        (void)snprintf(script, sizeof(script), "%scat >/dev/null; sleep 0.5; echo bye >%s",
                       greetings[i], trace);
        struct byte_stream *s = child(script);
        while (i == 1 && got == 0) {
            wait_for(s, false);
            expect_ok(s->ops->receive(s, out, sizeof(out), &got, &err_));
        }
        byte_stream_free(s);
        assert_int_equal(lseek(fd, 0, SEEK_END) > 0, i == 1);
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlink(trace), 0);
    }
}

static void
send__to_one_that_has_ended_is_an_error(void **state)
{
    struct byte_stream *s = child("exec 0<&-; exec 1>&-; echo bye >&2; exit");
    struct vv_error err = {0};
    size_t put = 0;

    (void)state;
    while (s->ops->send(s, vv_span("x", 1), &put, &err) == VV_OK) {
        usleep(1000);
    }
    assert_int_equal(err.rc, VV_ETRANSIENT);
    assert_non_null(strstr(err.message, "bye"));
    byte_stream_free(s);
}

static enum vv_rc
start_one(void *arg, struct vv_error *err)
{
    const char *const argv[] = {"true", NULL};
    struct byte_stream *s = NULL;

    (void)arg;
    enum vv_rc rc = stream_child_new(argv, "x", &s, err);
    byte_stream_free(s);
    return rc;
}

static void
child__needs_memory(void **state)
{
    (void)state;
    assert_int_equal(alloc_sweep(start_one, NULL), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child__moves_bytes_both_ways),
        cmocka_unit_test(child__is_quoted_when_it_ends),
        cmocka_unit_test(child__may_write_much_to_standard_error),
        cmocka_unit_test(child__that_does_not_exist_is_an_error),
        cmocka_unit_test(child__has_nothing_of_ours),
        cmocka_unit_test(free__ends_the_child),
        cmocka_unit_test(free__does_not_wait_for_one_that_never_answered),
        cmocka_unit_test(send__to_one_that_has_ended_is_an_error),
        cmocka_unit_test(child__needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
