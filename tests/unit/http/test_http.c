/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* Requests, against a web server of this test's own that can misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "http/http.h"

/* ---- the server: one connection after the other, each closed behind its answer ---- */

static struct {
    int listener;
    unsigned port;
    struct vv_thread thread;
    atomic_bool stop;
    _Atomic unsigned requests;
    char last[8192]; /* the newest request; read when nobody sends one */
} server;

static void
say(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* The head, and as much behind it as Content-Length says. */
static void
read_request(int fd)
{
    size_t len = 0;
    size_t want = sizeof(server.last) - 1;

    while (len < want) {
        ssize_t n = recv(fd, server.last + len, want - len, 0);
        char *end;
        const char *length;
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        server.last[len] = '\0';
        end = strstr(server.last, "\r\n\r\n");
        length = strstr(server.last, "Content-Length: ");
        if (end != NULL) {
            size_t body = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
            want = (size_t)(end + 4 - server.last) + body;
        }
    }
}

static bool
asks_for(const char *path)
{
    const char *blank = strchr(server.last, ' ');

    return blank != NULL && strncmp(blank + 1, path, strlen(path)) == 0 &&
           blank[1 + strlen(path)] == ' ';
}

static void
redirect(int fd, const char *to)
{
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 302 Found\r\nLocation: %s\r\n"
                   "Content-Length: 0\r\nConnection: close\r\n\r\n",
                   to);
    say(fd, text);
}

static void
answer(int fd, unsigned count)
{
    if (asks_for("/ok") || asks_for("/flaky")) {
        bool busy = asks_for("/flaky") && count < 3;
        say(fd, busy ? "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"
                     : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine");
    } else if (asks_for("/denied")) {
        say(fd, "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (asks_for("/wrong")) {
        say(fd, "HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (asks_for("/moved")) {
        redirect(fd, "/ok");
    } else if (asks_for("/loop")) {
        redirect(fd, "/loop");
    } else if (asks_for("/file")) {
        redirect(fd, "file:///etc/passwd");
    } else if (asks_for("/endless")) {
        char block[4096];
        memset(block, 'x', sizeof(block));
        say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while (!atomic_load(&server.stop) && send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0) {
        }
    } else if (asks_for("/hang")) {
        struct pollfd p = {.fd = fd, .events = POLLIN}; /* until the other one has had enough */
        while (!atomic_load(&server.stop) && poll(&p, 1, 20) == 0) {
        }
    } else if (!asks_for("/silent")) { /* that one is closed without a word */
        say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

static void
serve(void *arg)
{
    (void)arg;
    while (!atomic_load(&server.stop)) {
        struct pollfd p = {.fd = server.listener, .events = POLLIN};
        int fd = poll(&p, 1, 20) == 1 ? accept(server.listener, NULL, NULL) : -1;
        if (fd >= 0) {
            read_request(fd);
            answer(fd, atomic_fetch_add(&server.requests, 1) + 1);
            vv_fd_close(fd);
        }
    }
}

static int
start(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    (void)state;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(server.listener, 16) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &len) != 0) {
        return -1;
    }
    server.port = ntohs(address.sin_port);
    return vv_thread_start(&server.thread, "server", serve, NULL, NULL) == VV_OK ? 0 : -1;
}

static int
stop(void **state)
{
    (void)state;
    atomic_store(&server.stop, true);
    vv_thread_join(&server.thread);
    vv_fd_close(server.listener);
    return 0;
}

/* ---- requests ---- */

static struct http_answer got;
static struct vv_error err;

static enum vv_rc
send_to(const char *path, struct http_request r)
{
    static char url[256];

    (void)snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%u%s", server.port, path);
    r.url = url;
    r.pause_ms = r.pause_ms != 0 ? r.pause_ms : 1;
    r.limit_ms = r.limit_ms != 0 ? r.limit_ms : 60000;
    http_answer_release(&got);
    vv_error_clear(&err);
    atomic_store(&server.requests, 0);
    return http_send(&r, &got, &err);
}

static void
urls(void **state)
{
    static const char *const good[] = {"http://h", "https://h.example:8000/a?b=c#d",
                                       "http://u:p@[::1]/", "https://h/%20"};
    static const char *const bad[] = {"",         "h.example/a",   "ftp://h/",     "HTTP://h/",
                                      "http://",  "http:///path",  "http://u@/",   "http://:80/",
                                      "http:/h/", "https://h/a b", "https://h/\n", "http://h\\@x/",
                                      "http://?h"};
    struct vv_buf host = {0};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(good); i++) {
        assert_int_equal(http_url_check(good[i], NULL), VV_OK);
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_int_equal(http_url_check(bad[i], NULL), VV_EUSAGE);
        assert_int_equal(http_send(&(struct http_request){.url = bad[i]}, &got, NULL), VV_EUSAGE);
    }
    http_url_host("https://user:secret@host.example:8000/token?x", &host);
    vv_buf_put_u8(&host, ' ');
    http_url_host("https://host/@token", &host);
    assert_string_equal(vv_buf_text(&host), "host.example:8000 host");
    vv_buf_release(&host);
}

static void
answers(void **state)
{
    (void)state;
    assert_int_equal(send_to("/ok", (struct http_request){.answer_most = 100}), VV_OK);
    assert_int_equal(got.status, 200);
    assert_int_equal(got.tries, 1);
    assert_string_equal(vv_buf_text(&got.body), "fine");
    assert_memory_equal(server.last, "GET /ok HTTP/1.1\r\n", 18);
    assert_non_null(strstr(server.last, "User-Agent: varve/"));
    assert_int_equal(send_to("/ok", (struct http_request){.method = HTTP_POST,
                                                          .body = vv_span("two\nlines", 9)}),
                     VV_OK);
    assert_int_equal(got.body.len, 0); /* none was wanted */
    assert_memory_equal(server.last, "POST /ok ", 9);
    assert_non_null(strstr(server.last, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(server.last, "\r\n\r\ntwo\nlines"));
    assert_null(strstr(server.last, "Expect"));
    assert_int_equal(send_to("/ok", (struct http_request){.method = HTTP_POST}), VV_OK);
    assert_non_null(strstr(server.last, "Content-Length: 0\r\n"));
    assert_int_equal(send_to("/endless", (struct http_request){.answer_most = 1000}), VV_OK);
    assert_int_equal(got.body.len, 1000);
}

static void
redirects(void **state)
{
    (void)state;
    assert_int_equal(
        send_to("/moved", (struct http_request){.method = HTTP_POST, .body = vv_span("body", 4)}),
        VV_OK);
    assert_int_equal(atomic_load(&server.requests), 2);
    assert_memory_equal(server.last, "POST /ok ", 9);
    assert_non_null(strstr(server.last, "\r\n\r\nbody"));
    assert_int_equal(send_to("/loop", (struct http_request){0}), VV_EIO);
    assert_int_equal(atomic_load(&server.requests), 4); /* one and three further ones */
    assert_int_equal(send_to("/file", (struct http_request){.answer_most = 9999}), VV_EIO);
    assert_int_equal(got.body.len, 0);
}

static void
failures(void **state)
{
    (void)state;
    assert_int_equal(send_to("/flaky", (struct http_request){0}), VV_OK);
    assert_int_equal(got.tries, 3);
    assert_int_equal(send_to("/flaky", (struct http_request){.tries = 2}), VV_ETRANSIENT);
    assert_int_equal(atomic_load(&server.requests), 2);
    assert_non_null(strstr(err.message, "status 503"));
    assert_int_equal(send_to("/denied", (struct http_request){0}), VV_EAUTH);
    assert_int_equal(send_to("/nothing", (struct http_request){0}), VV_ENOTFOUND);
    assert_int_equal(atomic_load(&server.requests), 1); /* trying again would not help */
    assert_true(err.hint[0] != '\0');
    assert_int_equal(send_to("/wrong", (struct http_request){0}), VV_EIO);
    assert_int_equal(send_to("/silent", (struct http_request){0}), VV_ETRANSIENT);
    assert_int_equal(atomic_load(&server.requests), 3);
    /* Who it was, and no more of the URL. */
    assert_non_null(strstr(err.message, "'127.0.0.1:"));
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.message, "silent"));
}

static uint64_t
now_ms(void)
{
    return vv_clock_system()->monotonic(vv_clock_system()) / 1000000;
}

static void
limits(void **state)
{
    struct vv_cancel cancel = {0};
    uint64_t began = now_ms();
    int full;

    (void)state;
    assert_int_equal(send_to("/hang", (struct http_request){.limit_ms = 300}), VV_ETRANSIENT);
    assert_true(now_ms() - began >= 290);
    assert_true(now_ms() - began < 20000); /* not the minutes that curl would wait */
    assert_int_equal(got.tries, 1);        /* there was no time for another one */
    assert_non_null(strstr(err.hint, "too long"));
    /* A pause does not go over the limit, either. */
    assert_int_equal(send_to("/silent", (struct http_request){.limit_ms = 5000, .pause_ms = 60000}),
                     VV_ETRANSIENT);
    assert_int_equal(got.tries, 1);
    atomic_store(&cancel.wanted, true);
    assert_int_equal(send_to("/hang", (struct http_request){.cancel = &cancel}), VV_ECANCELLED);
    /* Nobody there. */
    full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char url[64];
    assert_int_equal(bind(full, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
    vv_error_clear(&err);
    http_answer_release(&got);
    assert_int_equal(http_send(&(struct http_request){.url = url, .pause_ms = 1}, &got, &err),
                     VV_ETRANSIENT);
    assert_int_equal(got.tries, 3);
    assert_non_null(strstr(err.hint, "is a server running there"));
    vv_fd_close(full);
    http_answer_release(&got);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),     cmocka_unit_test(answers), cmocka_unit_test(redirects),
        cmocka_unit_test(failures), cmocka_unit_test(limits),
    };
    static const char *const proxies[] = {"http_proxy", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < VV_COUNT(proxies); i++) {
        (void)unsetenv(proxies[i]);
    }
    if (!http_available()) {
        (void)printf("this build has no libcurl\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
