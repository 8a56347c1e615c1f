/* SPDX-License-Identifier: BSD-2-Clause */
/* Running `ssh -G`. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "ssh/ssh_config.h"
#include "ssh/stream_child.h"

enum { WORDS_MAX = 48, OUTPUT_MAX = 1 << 20, POLL_MS = 200 };

/* All that the child prints; its end is the end of the output. */
static enum vv_rc
read_all(struct byte_stream *s, const struct ssh_config_query *q, struct vv_buf *out,
         struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t until = clock->monotonic(clock) + q->timeout_ms * 1000000;
    uint8_t buf[4096];
    size_t got;

    while (out->len < OUTPUT_MAX) {
        struct vv_error end = {0};
        if (s->ops->receive(s, buf, sizeof(buf), &got, &end) != VV_OK) {
            break;
        }
        vv_buf_put(out, buf, got);
        if (got > 0) {
            continue;
        }
        VV_TRY(vv_cancel_check(q->cancel, err));
        if (clock->monotonic(clock) >= until) {
            return vv_error_set(err, VV_EUNSUPPORTED, "'%s -G' does not come to an end",
                                q->command[0]);
        }
        struct pollfd fds[BYTE_STREAM_FDS];
        int wait_ms;
        size_t count = s->ops->wait_for(s, false, fds, &wait_ms);
        (void)poll(fds, count, POLL_MS);
    }
    return vv_buf_check(out, err);
}

static enum vv_rc
ask(const char *const argv[], const struct ssh_config_query *q, struct ssh_config *ret,
    struct vv_error *err)
{
    VV_CLEANUP(byte_stream_freep) struct byte_stream *s = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf out = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf said = {0};

    VV_TRY(stream_child_new(argv, argv[0], &s, err));
    VV_TRY(read_all(s, q, &out, err));
    enum vv_rc rc = ssh_config_parse(vv_buf_span(&out), ret, err);
    if (rc == VV_EUNSUPPORTED) {
        stream_child_said(s, &said);
        while (said.len > 0 && strchr("\r\n", said.data[said.len - 1]) != NULL) {
            said.len--;
        }
        return vv_error_set(err, rc,
                            "'%s -G %s' does not tell the configuration of that host%s%.400s",
                            argv[0], q->host, said.len > 0 ? ": " : "", vv_buf_text(&said));
    }
    return rc;
}

enum vv_rc
ssh_config_ask(const struct ssh_config_query *q, struct ssh_config *ret, struct vv_error *err)
{
    const char *argv[WORDS_MAX];
    char port[16];
    size_t count = 0;

    while (count < WORDS_MAX - 9 && q->command[count] != NULL) {
        argv[count] = q->command[count];
        count++;
    }
    argv[count++] = "-G";
    if (q->port != 0) {
        (void)snprintf(port, sizeof(port), "%u", q->port);
        argv[count++] = "-p";
        argv[count++] = port;
    }
    if (q->user != NULL) {
        argv[count++] = "-l";
        argv[count++] = q->user;
    }
    argv[count++] = "--";
    argv[count++] = q->host;
    argv[count] = NULL;
    return ask(argv, q, ret, err);
}
