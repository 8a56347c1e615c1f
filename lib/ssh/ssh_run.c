/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a command on a host, by the ssh command. */
#include <poll.h>

#include "ssh/ssh_command_internal.h"
#include "ssh/stream_child.h"

enum { POLL_MS = 200, LONGEST_S = 600 };

/* All it prints; its end is the end of the output. */
static enum vv_rc
read_output(const struct ssh_plan *p, struct byte_stream *s, size_t most, struct vv_buf *out,
            struct vv_error *err)
{
    uint64_t until = p->clock->monotonic(p->clock) + UINT64_C(1000000000) * LONGEST_S;
    uint8_t buf[4096];
    size_t total = 0;

    for (;;) {
        struct vv_error end = {0};
        struct pollfd fds[BYTE_STREAM_FDS];
        size_t got = 0;
        int wait_ms;
        enum vv_rc rc = s->ops->receive(s, buf, sizeof(buf), &got, &end);
        if (rc == VV_ETRANSIENT) {
            return vv_buf_check(out, err);
        }
        if (rc != VV_OK) {
            if (err != NULL) {
                *err = end;
            }
            return rc;
        }
        total += got;
        if (total > most) {
            return vv_error_set(err, VV_EUNSUPPORTED, "%s prints more than was asked for", s->name);
        }
        vv_buf_put(out, buf, got);
        if (got > 0) {
            continue;
        }
        VV_TRY(vv_cancel_check(p->options->cancel, err));
        if (p->clock->monotonic(p->clock) >= until) {
            return vv_error_set(err, VV_ETRANSIENT, "%s: the command does not come to an end",
                                s->name);
        }
        size_t count = s->ops->wait_for(s, false, fds, &wait_ms);
        (void)poll(fds, count, POLL_MS);
    }
}

static enum vv_rc
run_planned(const struct ssh_plan *p, const char *command, size_t most, struct vv_buf *out,
            struct vv_error *err)
{
    VV_CLEANUP(byte_stream_freep) struct byte_stream *s = NULL;
    struct ssh_words words;

    VV_TRY(ssh_command_words(p, NULL, command, &words, err));
    enum vv_rc rc = stream_child_new((const char *const *)words.list, p->login, &s, err);
    ssh_words_release(&words);
    if (rc == VV_ENOTFOUND) {
        return vv_error_set(err, VV_EUNSUPPORTED, "there is no program '%s'", p->words[0]);
    }
    VV_TRY(rc);
    return read_output(p, s, most, out, err);
}

enum vv_rc
ssh_run(const struct ssh_target *target, const struct ssh_options *options, const char *command,
        size_t most, struct vv_buf *out, struct vv_error *err)
{
    struct ssh_plan p;

    VV_TRY(ssh_plan_make(target, options, &p, err));
    enum vv_rc rc = run_planned(&p, command, most, out, err);
    ssh_plan_release(&p);
    return rc;
}
