/* SPDX-License-Identifier: BSD-2-Clause */
/* From a host's name to its addresses, with a deadline. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "ssh/ssh_socket_internal.h"

enum { STEP_MS = 200 };

/* A question to the resolver's own thread, which may outlive us. */
struct question {
    struct gaicb request;
    struct addrinfo hints;
    char port[16];
    char host[];
};

static enum vv_rc
say_unknown_name(const struct ssh_plan *p, int failed, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ETRANSIENT, "cannot find the address of '%s': %s", p->host,
                       failed == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(failed));
    vv_error_hint(err, "is the name right, and does this host resolve names? try: getent hosts %s",
                  p->host);
    return VV_ETRANSIENT;
}

static struct question *
make_question(const struct ssh_plan *p)
{
    const char *family = p->config.address_family == NULL ? "any" : p->config.address_family;
    size_t len = strlen(p->host) + 1;
    struct question *q = vv_alloc(sizeof(*q) + len);

    if (q != NULL) {
        memset(q, 0, sizeof(*q));
        memcpy(q->host, p->host, len);
        (void)snprintf(q->port, sizeof(q->port), "%u", p->port);
        q->hints.ai_socktype = SOCK_STREAM;
        q->hints.ai_flags = AI_NUMERICSERV;
        q->hints.ai_family = strcmp(family, "inet") == 0    ? AF_INET
                             : strcmp(family, "inet6") == 0 ? AF_INET6
                                                            : AF_UNSPEC;
        q->request =
            (struct gaicb){.ar_name = q->host, .ar_service = q->port, .ar_request = &q->hints};
    }
    return q;
}

/* Until it is answered; VV_OK then, whatever the answer. */
static enum vv_rc
await_answer(const struct ssh_plan *p, struct question *q, struct vv_error *err)
{
    const struct gaicb *const list[] = {&q->request};
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    uint64_t end = p->clock->monotonic(p->clock) / 1000000 + p->timeout_ms;

    while (gai_error(&q->request) == EAI_INPROGRESS) {
        VV_TRY(vv_cancel_check(p->options->cancel, err));
        if (p->clock->monotonic(p->clock) / 1000000 >= end) {
            (void)vv_error_set(err, VV_ETRANSIENT,
                               "the address of '%s' was not found within %.3g seconds", p->host,
                               (double)p->timeout_ms / 1000);
            vv_error_hint(err, "do the name servers of this host answer? try: getent hosts %s",
                          p->host);
            return VV_ETRANSIENT;
        }
        (void)gai_suspend(list, 1, &step);
    }
    return VV_OK;
}

enum vv_rc
ssh_resolve(const struct ssh_plan *p, struct addrinfo **ret, struct vv_error *err)
{
    struct question *q = make_question(p);

    if (q == NULL) {
        return vv_error_nomem(err);
    }
    q->hints.ai_flags |= AI_NUMERICHOST; /* an address needs nobody's answer */
    if (getaddrinfo(q->host, q->port, &q->hints, ret) == 0) {
        vv_free(q);
        return VV_OK;
    }
    q->hints.ai_flags &= ~AI_NUMERICHOST;
    struct gaicb *list[] = {&q->request};
    int failed = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (failed != 0) {
        vv_free(q);
        return say_unknown_name(p, failed, err);
    }
    enum vv_rc rc = await_answer(p, q, err);
    if (rc != VV_OK) {
        if (gai_cancel(&q->request) == EAI_CANCELED) {
            vv_free(q);
        } /* else the resolver's thread still writes to it: it is left to that */
        return rc;
    }
    failed = gai_error(&q->request);
    if (failed != 0) {
        rc = say_unknown_name(p, failed, err);
    } else {
        *ret = q->request.ar_result;
    }
    vv_free(q);
    return rc;
}
