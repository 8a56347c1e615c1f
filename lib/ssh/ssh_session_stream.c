/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The channel of a libssh2 session as a byte stream.
 *
 * S1  bytes that have been decrypted while sending do not make the socket readable: after a send,
 *     and after a receive that found something, wait_for does not wait.
 * S2  a window adjustment that receive wants to send while a packet of ours is only half sent is
 *     refused by libssh2 (BAD_USE): that is no failure, it is tried again.
 * S3  a keep-alive is sent only when nothing is half sent, and the socket takes it at once.
 */
#include <poll.h>

#include "ssh/ssh_session_internal.h"

enum { KEEPALIVE_MS = 15000 };

static struct ssh_session *
session_of(struct byte_stream *b)
{
    return (struct ssh_session *)b;
}

static uint64_t
now_ms(const struct ssh_session *s)
{
    return s->clock->monotonic(s->clock) / 1000000;
}

static bool
half_sent(const struct ssh_session *s)
{
    return (libssh2_session_block_directions(s->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
}

/* S3 */
static enum vv_rc
keep_alive(struct ssh_session *s, struct vv_error *err)
{
    struct pollfd fd = {.fd = s->fd, .events = POLLOUT};
    int next = 0;

    if (now_ms(s) < s->alive_ms || half_sent(s) || poll(&fd, 1, 0) != 1 ||
        (fd.revents & POLLOUT) == 0) {
        return VV_OK;
    }
    int rc = libssh2_keepalive_send(s->session, &next);
    s->alive_ms = now_ms(s) + (next > 0 ? (uint64_t)next * 1000 : KEEPALIVE_MS);
    if (rc != 0 && rc != LIBSSH2_ERROR_EAGAIN && rc != LIBSSH2_ERROR_BAD_USE) {
        return ssh_session_error(s, rc, "while it was idle", err);
    }
    return VV_OK;
}

static enum vv_rc
session_receive(struct byte_stream *b, uint8_t *buf, size_t len, size_t *ret_len,
                struct vv_error *err)
{
    struct ssh_session *s = session_of(b);
    ssize_t got = libssh2_channel_read(s->channel, (char *)buf, len);

    if (got > 0) {
        s->drained = false;
        *ret_len = (size_t)got;
        return VV_OK;
    }
    if (got == LIBSSH2_ERROR_EAGAIN || got == LIBSSH2_ERROR_BAD_USE) { /* S2 */
        VV_TRY(keep_alive(s, err));
        s->drained = true;
        *ret_len = 0;
        return VV_OK;
    }
    if (got == 0 && libssh2_channel_eof(s->channel) == 0) {
        s->drained = true;
        *ret_len = 0;
        return VV_OK;
    }
    if (got == 0) {
        return vv_error_set(err, VV_ETRANSIENT, "%s: the server closed the connection", s->name);
    }
    return ssh_session_error(s, (int)got, "while receiving", err);
}

static enum vv_rc
session_send(struct byte_stream *b, struct vv_span data, size_t *ret_len, struct vv_error *err)
{
    struct ssh_session *s = session_of(b);
    ssize_t put = libssh2_channel_write(s->channel, (const char *)data.data, data.len);

    s->drained = false; /* S1 */
    if (put >= 0) {
        s->send_failed = (size_t)put < data.len;
        *ret_len = (size_t)put;
        return VV_OK;
    }
    if (put == LIBSSH2_ERROR_EAGAIN || put == LIBSSH2_ERROR_BAD_USE) {
        s->send_failed = true;
        *ret_len = 0;
        return VV_OK;
    }
    return ssh_session_error(s, (int)put, "while sending", err);
}

static size_t
session_wait_for(struct byte_stream *b, bool sending, struct pollfd fds[BYTE_STREAM_FDS],
                 int *ret_timeout_ms)
{
    struct ssh_session *s = session_of(b);
    uint64_t now = now_ms(s);

    /* A send that was not taken waits for room in the socket, or for the server to open its window:
     * only the former makes libssh2 want to write. */
    bool out = half_sent(s) || (sending && !s->send_failed);
    fds[0] = (struct pollfd){.fd = s->fd, .events = (short)(POLLIN | (out ? POLLOUT : 0))};
    *ret_timeout_ms = !s->drained ? 0 : now < s->alive_ms ? (int)(s->alive_ms - now) : 1000;
    return 1;
}

static void
session_close(struct byte_stream *b)
{
    ssh_session_free(session_of(b));
}

void
ssh_session_stream(struct ssh_session *s)
{
    static const struct byte_stream_ops ops = {.receive = session_receive,
                                               .send = session_send,
                                               .wait_for = session_wait_for,
                                               .free = session_close};
    s->base.ops = &ops;
    s->base.name = s->name;
    s->alive_ms = now_ms(s) + KEEPALIVE_MS;
}
