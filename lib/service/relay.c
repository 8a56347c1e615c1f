/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard error of a program, passed on and remembered. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "service/relay_internal.h"

#define STEP_MS 50
#define LEFT_MOST                                                                                  \
    (1u << 20) /* read at the end: a pipe holds no more, unless somebody goes on and on */

enum vv_rc
relay_open(struct relay *r, struct output_tail *tail, int *ret_theirs, struct vv_error *err)
{
    int ends[2];

    *r = (struct relay){.from = -1, .tail = tail};
    *ret_theirs = -1;
    if (tail == NULL) {
        return VV_OK;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return vv_error_sys(err, errno, "cannot make a pipe");
    }
    r->from = ends[0];
    *ret_theirs = ends[1];
    return VV_OK;
}

size_t
relay_environment(const struct relay *r, int theirs, char texts[RELAY_ENVIRONMENT][96])
{
    size_t count = 0;
    struct stat st;

    if (theirs < 0 || fstat(theirs, &st) != 0) {
        return 0;
    }
    if (r->tail->journal) {
        (void)snprintf(texts[count++], 96, "JOURNAL_STREAM=%ju:%ju", (uintmax_t)st.st_dev,
                       (uintmax_t)st.st_ino);
    }
    if (r->tail->columns > 0) {
        (void)snprintf(texts[count++], 96, "VARVE_TERMINAL_STREAM=%ju:%ju:%u", (uintmax_t)st.st_dev,
                       (uintmax_t)st.st_ino, r->tail->columns);
    }
    return count;
}

struct pollfd
relay_wants(const struct relay *r)
{
    if (r->len > 0) {
        return (struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT};
    }
    return (struct pollfd){.fd = r->from, .events = POLLIN};
}

static void
pass_on(struct relay *r)
{
    ssize_t n = write(STDERR_FILENO, r->pending + r->at, r->len);

    if (n >= 0) {
        r->at += (size_t)n;
        r->len -= (size_t)n;
    } else if (errno != EINTR && errno != EAGAIN) {
        r->len = 0; /* nobody reads it: it is only remembered */
    }
}

/* How many bytes. */
static size_t
take(struct relay *r)
{
    ssize_t n = read(r->from, r->pending, sizeof(r->pending));

    if (n > 0) {
        output_tail_take(r->tail, vv_span(r->pending, (size_t)n));
        r->at = 0;
        r->len = (size_t)n;
        return (size_t)n;
    }
    if (n == 0 || errno != EINTR) {
        vv_fd_close(r->from);
        r->from = -1;
    }
    return 0;
}

void
relay_go_on(struct relay *r, const struct pollfd *p)
{
    if (p->revents == 0) {
        return;
    }
    if (r->len > 0) {
        pass_on(r);
    } else if (r->from >= 0) {
        (void)take(r);
    }
}

void
relay_finish(struct relay *r, enum relay_end end, struct vv_cancel *cancel)
{
    size_t read_so_far = 0;

    while (r->len > 0 || (r->from >= 0 && read_so_far < LEFT_MOST)) {
        struct pollfd p = relay_wants(r);
        bool wait = r->len > 0 && end == RELAY_PATIENT;
        int ready = poll(&p, 1, wait ? STEP_MS : 0);
        bool again = ready < 0 ? errno == EINTR : wait;
        if (ready <= 0 && again && vv_cancel_check(cancel, NULL) == VV_OK) {
            continue;
        }
        if (ready <= 0) {
            break;
        }
        if (r->len > 0) {
            pass_on(r);
        } else {
            read_so_far += take(r);
        }
    }
    vv_fd_close(r->from);
    r->from = -1;
}
