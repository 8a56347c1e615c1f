/* SPDX-License-Identifier: BSD-2-Clause */
/* A TCP connection to a server, with a deadline. */
#include "ssh/ssh_socket_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/file.h"

enum { POLL_MS = 200, USER_TIMEOUT_MS = 60000 };

enum vv_rc
ssh_say_timeout(const struct ssh_plan *p, const char *what, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ETRANSIENT, "'%s' %s within %.3g seconds", p->name, what,
                       (double)p->timeout_ms / 1000);
    vv_error_hint(err,
                  "is the server overloaded, or a firewall in between? try: ssh -v -p %u %s@%s",
                  p->port, p->user, p->host);
    return VV_ETRANSIENT;
}

static uint64_t
now_ms(const struct ssh_plan *p)
{
    return p->clock->monotonic(p->clock) / 1000000;
}

/* 0, or the errno of a connection that was begun; ECANCELED if asked to stop. */
static int
await(const struct ssh_plan *p, int fd, uint64_t until)
{
    int error = 0;
    socklen_t len = sizeof(error);

    for (;;) {
        uint64_t now = now_ms(p);
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        if (now >= until) {
            return ETIMEDOUT;
        }
        if (vv_cancel_check(p->options->cancel, NULL) != VV_OK) {
            return ECANCELED;
        }
        if (poll(&poll_fd, 1, until - now < POLL_MS ? (int)(until - now) : POLL_MS) > 0) {
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ? errno : error;
        }
    }
}

static int
try_address(const struct ssh_plan *p, const struct addrinfo *a, uint64_t until, int *ret)
{
    static const int on = 1;
    static const unsigned gone_ms = USER_TIMEOUT_MS;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return errno;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof(gone_ms));
    int error = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR) {
        error = await(p, fd, until);
    }
    if (error != 0) {
        vv_fd_close(fd);
        return error;
    }
    *ret = fd;
    return 0;
}

static enum vv_rc
say_unreachable(const struct ssh_plan *p, int error, struct vv_error *err)
{
    if (error == ECANCELED) {
        return vv_cancel_check(p->options->cancel, err);
    }
    if (error == ETIMEDOUT) {
        return ssh_say_timeout(p, "has not answered", err);
    }
    (void)vv_error_sys(err, error, "cannot connect to '%s'", p->name);
    if (err != NULL) {
        err->rc = VV_ETRANSIENT;
    }
    if (error == ECONNREFUSED) {
        vv_error_hint(err, "is sshd running there, and is the port right? on the server: "
                           "systemctl status ssh; ss -ltn");
    } else {
        vv_error_hint(err, "is this host's network up, and the address right? try: ping %s",
                      p->host);
    }
    return VV_ETRANSIENT;
}

enum vv_rc
ssh_socket_connect(const struct ssh_plan *p, int *ret, struct vv_error *err)
{
    struct addrinfo *list = NULL;
    unsigned left = 0;
    int error = EHOSTUNREACH;

    VV_TRY(vv_cancel_check(p->options->cancel, err));
    VV_TRY(ssh_resolve(p, &list, err));
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        left++;
    }
    uint64_t end = now_ms(p) + p->timeout_ms;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next, left--) {
        uint64_t now = now_ms(p);
        uint64_t share = now < end ? (end - now) / left : 0;
        error = try_address(p, a, now + share, ret);
        if (error == 0 || error == ECANCELED) {
            break;
        }
    }
    freeaddrinfo(list);
    return error == 0 ? VV_OK : say_unreachable(p, error, err);
}
