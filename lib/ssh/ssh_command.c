/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transport that is a child `ssh -s host sftp`.
 *
 * What ssh has to say about host key and credentials must be known when ssh_connect returns, but it
 * says nothing when all is well.  So the opening of SFTP is sent while connecting, and the first
 * byte of the answer means that we are in.
 *
 * P1  the nine bytes of SSH_FXP_INIT version 3 are sent once, here; the client's own are swallowed.
 *     Anything else as its first bytes is a mistake of the program.
 * P2  what was received while connecting is handed out first.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "ssh/ssh_command_internal.h"
#include "ssh/ssh_socket_internal.h"
#include "ssh/stream_child.h"

static const uint8_t opening[9] = {0, 0, 0, 5, 1, 0, 0, 0, 3};

enum { POLL_MS = 200, FIRST_BYTES = 64 };

struct ssh_command {
    struct byte_stream base;
    struct byte_stream *child;
    char *name;
    size_t swallowed; /* bytes of the client's opening */
    uint8_t first[FIRST_BYTES];
    size_t first_at;
    size_t first_len;
};

static struct ssh_command *
command_of(struct byte_stream *b)
{
    return (struct ssh_command *)b;
}

/* ---- the stream ---- */

static enum vv_rc
command_receive(struct byte_stream *b, uint8_t *buf, size_t len, size_t *ret_len,
                struct vv_error *err)
{
    struct ssh_command *c = command_of(b);
    size_t left = c->first_len - c->first_at;

    if (left > 0 && c->swallowed < sizeof(opening)) {
        *ret_len = 0; /* no answer before the question */
        return VV_OK;
    }
    if (left > 0) { /* P2 */
        size_t part = left < len ? left : len;
        memcpy(buf, c->first + c->first_at, part);
        c->first_at += part;
        *ret_len = part;
        return VV_OK;
    }
    return c->child->ops->receive(c->child, buf, len, ret_len, err);
}

static enum vv_rc
command_send(struct byte_stream *b, struct vv_span data, size_t *ret_len, struct vv_error *err)
{
    struct ssh_command *c = command_of(b);
    size_t left = sizeof(opening) - c->swallowed;

    if (left == 0) {
        return c->child->ops->send(c->child, data, ret_len, err);
    }
    size_t part = left < data.len ? left : data.len;
    if (memcmp(data.data, opening + c->swallowed, part) != 0) { /* P1 */
        return vv_error_set(err, VV_EUSAGE, "%s: the stream is for SFTP version 3", c->name);
    }
    c->swallowed += part;
    *ret_len = part;
    return VV_OK;
}

static size_t
command_wait_for(struct byte_stream *b, bool sending, struct pollfd fds[BYTE_STREAM_FDS],
                 int *ret_timeout_ms)
{
    struct ssh_command *c = command_of(b);
    size_t count = c->child->ops->wait_for(c->child, sending, fds, ret_timeout_ms);

    if (c->first_at < c->first_len && (sending || c->swallowed == sizeof(opening))) {
        *ret_timeout_ms = 0; /* there is something to do without the child */
    }
    return count;
}

static void
command_free(struct byte_stream *b)
{
    struct ssh_command *c = command_of(b);

    byte_stream_free(c->child);
    vv_free(c->name);
    vv_free(c);
}

/* ---- connecting ---- */

static enum vv_rc
start(const struct ssh_plan *p, const char *why, const char *host_key, struct ssh_command *c,
      struct vv_error *err)
{
    struct ssh_words words;

    VV_TRY(ssh_command_words(p, host_key, NULL, &words, err));
    enum vv_rc rc = stream_child_new((const char *const *)words.list, c->name, &c->child, err);
    ssh_words_release(&words);
    if (rc == VV_ENOTFOUND) {
        rc = vv_error_set(err, VV_EUNSUPPORTED,
                          "there is no program '%s' to connect to '%s' with%s%s", p->words[0],
                          p->name, *why == '\0' ? "" : "; it is needed since ", why);
        vv_error_hint(err, "apt install openssh-client; or let libssh2 do it (--ssh-transport "
                           "libssh2)");
    }
    return rc;
}

/* Until the first byte of the answer; *ret_ended: ssh has ended instead. */
static enum vv_rc
await_answer(const struct ssh_plan *p, struct ssh_command *c, bool *ret_ended, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;
    uint64_t until = p->clock->monotonic(p->clock) / 1000000 + 2 * p->timeout_ms;
    size_t sent = 0;

    while (c->first_len == 0) {
        size_t part = 0;
        if (sent < sizeof(opening)) {
            rc = c->child->ops->send(c->child, vv_span(opening + sent, sizeof(opening) - sent),
                                     &part, err);
            sent += part;
        }
        if (rc == VV_OK) {
            rc = c->child->ops->receive(c->child, c->first, sizeof(c->first), &c->first_len, err);
        }
        *ret_ended = rc != VV_OK;
        if (rc != VV_OK || c->first_len > 0) {
            return rc;
        }
        VV_TRY(vv_cancel_check(p->options->cancel, err));
        uint64_t now = p->clock->monotonic(p->clock) / 1000000;
        if (now >= until) {
            return ssh_say_timeout(p, "has not let us in, or not started its SFTP server,", err);
        }
        struct pollfd fds[BYTE_STREAM_FDS];
        int wait_ms = -1;
        size_t count = c->child->ops->wait_for(c->child, sent < sizeof(opening), fds, &wait_ms);
        if (wait_ms < 0 || wait_ms > POLL_MS) {
            wait_ms = until - now < POLL_MS ? (int)(until - now) : POLL_MS;
        }
        (void)poll(fds, count, wait_ms);
    }
    return VV_OK;
}

/* One run of ssh.  *ret_key: the host's key, if it failed since that is not known or not pinned. */
static enum vv_rc
run_once(const struct ssh_plan *p, const char *why, const char *host_key, struct vv_buf *ret_key,
         struct byte_stream **ret, struct vv_error *err)
{
    static const struct byte_stream_ops ops = {.receive = command_receive,
                                               .send = command_send,
                                               .wait_for = command_wait_for,
                                               .free = command_free};
    struct vv_buf name = {0};
    struct vv_buf said = {0};
    struct vv_error lost = {0};
    bool ended = false;
    struct ssh_command *c = vv_alloc_array(1, sizeof(*c));

    vv_buf_reset(ret_key);
    if (c == NULL) {
        return vv_error_nomem(err);
    }
    vv_buf_printf(&name, "ssh to %s", p->login);
    c->name = name.failed ? NULL : vv_strdup(vv_buf_text(&name));
    vv_buf_release(&name);
    c->base.ops = &ops;
    c->base.name = c->name;
    enum vv_rc rc = c->name == NULL ? vv_error_nomem(err) : start(p, why, host_key, c, err);
    if (rc == VV_OK) {
        rc = await_answer(p, c, &ended, &lost);
        if (rc == VV_OK) {
            *ret = &c->base;
            return VV_OK;
        }
        if (ended) {
            stream_child_said(c->child, &said);
            rc = ssh_command_explain(p, vv_buf_span(&said), ret_key, err);
        } else if (err != NULL) {
            *err = lost;
        }
    }
    vv_buf_release(&said);
    command_free(&c->base);
    return rc;
}

/* An unknown host, and somebody to ask: what is accepted is remembered, and then must be shown
 * again. */
static bool
accepted(const struct ssh_plan *p, struct vv_span key)
{
    char shown[SSH_FINGERPRINT_SIZE];
    struct vv_error err = {0};
    const char *type = ssh_key_type_label(ssh_key_type_of(key));

    if (key.len == 0 || p->options->ask_host == NULL || p->known_hosts_count == 0) {
        return false;
    }
    ssh_key_fingerprint(key, shown);
    if (!p->options->ask_host(p->options->ask_host_ctx, p->name, type, shown)) {
        return false;
    }
    if (known_hosts_append(p->known_hosts[0], p->host_name, key, p->hash_known_hosts, &err) !=
        VV_OK) {
        vv_emit(p->options->events, VV_EVENT_WARNING, "host-key-not-remembered",
                vv_span(p->known_hosts[0], strlen(p->known_hosts[0])), "%s", err.message);
        return false;
    }
    return true;
}

/* The pinned fingerprint may be that of any of the host's keys: if the first one shown is not it, the
 * other types are asked for one by one. */
static enum vv_rc
try_other_keys(const struct ssh_plan *p, struct byte_stream **ret, struct vv_error *err)
{
    static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521", "rsa-sha2-512,rsa-sha2-256"};
    VV_CLEANUP(vv_buf_release) struct vv_buf key = {0};

    for (size_t i = 0; i < VV_COUNT(types); i++) {
        struct vv_error e = {0};
        enum vv_rc rc = run_once(p, "", types[i], &key, ret, &e);
        bool other_key = (rc == VV_EAUTH && key.len > 0) || rc == VV_EUNSUPPORTED;
        if (!other_key) {
            if (rc != VV_OK && err != NULL) {
                *err = e;
            }
            return rc;
        }
    }
    return VV_EAUTH; /* what the first one has said stands */
}

enum vv_rc
ssh_command_connect(const struct ssh_plan *p, const char *why, struct byte_stream **ret,
                    struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf key = {0};

    enum vv_rc rc = run_once(p, why, NULL, &key, ret, err);
    if (rc != VV_EAUTH || key.len == 0) {
        return rc;
    }
    if (p->options->fingerprint != NULL) {
        return try_other_keys(p, ret, err);
    }
    return accepted(p, vv_buf_span(&key)) ? run_once(p, why, NULL, &key, ret, err) : rc;
}
