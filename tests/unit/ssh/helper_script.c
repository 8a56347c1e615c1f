/* SPDX-License-Identifier: BSD-2-Clause */
#include "helper_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper_server.h"

/* ---- the client's side ---- */

struct socket_stream {
    struct byte_stream base;
    int fd;
};

static enum vv_rc
socket_receive(struct byte_stream *s, uint8_t *buf, size_t len, size_t *ret_len,
               struct vv_error *err)
{
    ssize_t got = recv(((struct socket_stream *)s)->fd, buf, len, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        return vv_error_set(err, VV_ETRANSIENT, "%s: the server closed the connection", s->name);
    }
    *ret_len = got > 0 ? (size_t)got : 0;
    return VV_OK;
}

static enum vv_rc
socket_send(struct byte_stream *s, struct vv_span data, size_t *ret_len, struct vv_error *err)
{
    ssize_t put =
        send(((struct socket_stream *)s)->fd, data.data, data.len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (put < 0 && errno != EAGAIN && errno != EINTR) {
        return vv_error_set(err, VV_ETRANSIENT, "%s: the server closed the connection", s->name);
    }
    *ret_len = put > 0 ? (size_t)put : 0;
    return VV_OK;
}

static size_t
socket_wait_for(struct byte_stream *s, bool sending, struct pollfd fds[BYTE_STREAM_FDS],
                int *ret_timeout_ms)
{
    fds[0] = (struct pollfd){.fd = ((struct socket_stream *)s)->fd,
                             .events = (short)(POLLIN | (sending ? POLLOUT : 0))};
    *ret_timeout_ms = -1;
    return 1;
}

static void
socket_free(struct byte_stream *s)
{
    close(((struct socket_stream *)s)->fd);
    free(s);
}

static const struct byte_stream_ops socket_ops = {.receive = socket_receive,
                                                  .send = socket_send,
                                                  .wait_for = socket_wait_for,
                                                  .free = socket_free};

/* ---- the server's side ---- */

static void *
script_main(void *arg)
{
    struct script *s = arg;

    s->fn(s);
    shutdown(s->fd, SHUT_RDWR);
    return NULL;
}

struct byte_stream *
script_begin(struct script *s, script_fn *fn)
{
    int ends[2];
    const int small = 32 * 1024; /* so that a client meets a line that is full */
    struct socket_stream *stream = calloc(1, sizeof(*stream));

    assert_non_null(stream);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    stream->base.ops = &socket_ops;
    stream->base.name = "scripted server";
    stream->fd = ends[0];
    s->fd = ends[1];
    s->fn = fn;
    assert_int_equal(pthread_create(&s->thread, NULL, script_main, s), 0);
    return &stream->base;
}

struct sftp_client *
script_client(struct script *s, script_fn *fn, const struct sftp_options *options)
{
    struct sftp_client *c = NULL;

    expect_ok(sftp_client_new(script_begin(s, fn), options, &c, &err_));
    return c;
}

void
script_end(struct script *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static bool
take_bytes(struct script *s, void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t got = recv(s->fd, (uint8_t *)data + at, len - at, 0);
        if (got <= 0) {
            return false;
        }
        at += (size_t)got;
    }
    return true;
}

bool
script_take(struct script *s, struct script_request *r)
{
    uint8_t head[4];

    if (!take_bytes(s, head, 4)) {
        return false;
    }
    r->len = sftp_load_u32(head);
    if (r->len < 5 || r->len > sizeof(r->packet) || !take_bytes(s, r->packet, r->len)) {
        return false;
    }
    r->type = r->packet[0];
    r->id = sftp_load_u32(r->packet + 1);
    s->requests++;
    return true;
}

bool
script_bytes(struct script *s, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t put = send(s->fd, (const uint8_t *)data + at, len - at, MSG_NOSIGNAL);
        if (put <= 0) {
            return false;
        }
        at += (size_t)put;
    }
    return true;
}

bool
script_answer(struct script *s, uint8_t type, uint32_t id, struct vv_span body)
{
    uint8_t head[SFTP_PACKET_HEAD];

    sftp_store_u32(head, (uint32_t)body.len + 5);
    head[4] = type;
    sftp_store_u32(head + 5, id);
    return script_bytes(s, head, sizeof(head)) && script_bytes(s, body.data, body.len);
}

bool
script_status(struct script *s, uint32_t id, uint32_t status)
{
    uint8_t body[] = {0, 0, 0, 0, 0, 0, 0, 4, 't', 'e', 'x', 't', 0, 0, 0, 0};

    sftp_store_u32(body, status);
    return script_answer(s, SFTP_PACKET_STATUS, id, vv_span(body, sizeof(body)));
}

/* Bodies are small: no allocation, so that a test of failing ones meets the client's only. */
struct small {
    size_t len;
    uint8_t data[1024];
};

static void
small_u32(struct small *b, uint32_t v)
{
    sftp_store_u32(b->data + b->len, v);
    b->len += 4;
}

static void
small_text(struct small *b, const char *text)
{
    small_u32(b, (uint32_t)strlen(text));
    memcpy(b->data + b->len, text, strlen(text));
    b->len += strlen(text);
}

bool
script_greet(struct script *s)
{
    static _Thread_local struct script_request r;
    struct small b = {0};

    if (!script_take(s, &r) || r.type != SFTP_PACKET_INIT) {
        return false;
    }
    for (size_t i = 0; i < VV_COUNT(s->extensions) && s->extensions[i] != NULL; i++) {
        small_text(&b, s->extensions[i]);
        small_text(&b, "1");
    }
    return script_answer(s, SFTP_PACKET_VERSION, s->version != 0 ? s->version : SFTP_VERSION,
                         vv_span(b.data, b.len));
}

static bool
reply_handle(struct script *s, uint32_t id)
{
    struct small b = {0};

    small_text(&b, "handle");
    return script_answer(s, SFTP_PACKET_HANDLE, id, vv_span(b.data, b.len));
}

uint32_t
script_read_wanted(const struct script_request *r, uint64_t *ret_offset)
{
    const uint8_t *at = r->packet + 5;

    at += 4 + sftp_load_u32(at);
    *ret_offset = (uint64_t)sftp_load_u32(at) << 32 | sftp_load_u32(at + 4);
    return sftp_load_u32(at + 8);
}

static bool
reply_data(struct script *s, const struct script_request *r)
{
    static _Thread_local uint8_t data[4 + 256 * 1024];
    uint64_t offset;
    uint32_t len = script_read_wanted(r, &offset);

    if (offset >= s->size) {
        return script_status(s, r->id, SFTP_EOF);
    }
    len = len < s->size - offset ? len : (uint32_t)(s->size - offset);
    if (s->short_reads > 0 && len > s->short_reads) {
        len = s->short_reads;
    }
    sftp_store_u32(data, len);
    for (uint32_t i = 0; i < len; i++) {
        data[4 + i] = script_byte(offset + i);
    }
    return script_answer(s, SFTP_PACKET_DATA, r->id, vv_span(data, 4 + (size_t)len));
}

static bool
reply_names(struct script *s, uint32_t id)
{
    static const char *const names[] = {".", "..", "one", "two"};
    struct small b = {0};

    if (s->listed++ > 0) {
        return script_status(s, id, SFTP_EOF);
    }
    small_u32(&b, VV_COUNT(names));
    for (size_t i = 0; i < VV_COUNT(names); i++) {
        small_text(&b, names[i]);
        small_text(&b, "-rw");
        small_u32(&b, 0);
    }
    return script_answer(s, SFTP_PACKET_NAME, id, vv_span(b.data, b.len));
}

bool
script_reply(struct script *s, const struct script_request *r)
{
    struct small b = {0};

    switch (r->type) {
    case SFTP_PACKET_OPENDIR:
        s->listed = 0;
        return reply_handle(s, r->id);
    case SFTP_PACKET_OPEN:
        return reply_handle(s, r->id);
    case SFTP_PACKET_READ:
        return reply_data(s, r);
    case SFTP_PACKET_READDIR:
        return reply_names(s, r->id);
    case SFTP_PACKET_STAT:
    case SFTP_PACKET_LSTAT:
    case SFTP_PACKET_FSTAT:
        small_u32(&b, 1); /* a size */
        small_u32(&b, (uint32_t)(s->size >> 32));
        small_u32(&b, (uint32_t)s->size);
        return script_answer(s, SFTP_PACKET_ATTRS, r->id, vv_span(b.data, b.len));
    default:
        return script_status(s, r->id, SFTP_OK);
    }
}

void
script_serve(struct script *s)
{
    static _Thread_local struct script_request r;

    if (s->hang_up_at == 1 || !script_greet(s)) {
        return;
    }
    while (script_take(s, &r) && s->requests != s->hang_up_at && script_reply(s, &r)) {
    }
}

void
script_hold(struct script *s)
{
    static _Thread_local struct script_request r;

    while (script_take(s, &r)) {
    }
}

/* ---- time ---- */

static uint64_t
moved_monotonic(const struct vv_clock *c)
{
    return atomic_load(&((const struct moved_clock *)c)->ns);
}

static int64_t
moved_realtime(const struct vv_clock *c)
{
    return (int64_t)moved_monotonic(c);
}

static void
moved_sleep(const struct vv_clock *c, uint64_t ns)
{
    (void)c;
    (void)ns;
    fail_msg("the client sleeps");
}

void
moved_clock_init(struct moved_clock *c)
{
    c->base = (struct vv_clock){
        .realtime = moved_realtime, .monotonic = moved_monotonic, .sleep = moved_sleep};
    atomic_init(&c->ns, UINT64_C(1000000000000));
}
