/* SPDX-License-Identifier: BSD-2-Clause */
#include "ssh/helper_connect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"

/* libssh2 1.10 does not free the private number of an ECDSA key of OpenSSH's format, nor the host key
 * when keys are exchanged anew: one of the handshake's or one of a later exchange's, which begins
 * inside a read or a write.  To know its leaks from ours the whole stack is needed. */
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *
__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

const char *
__lsan_default_suppressions(void)
{
    return "leak:libssh2_userauth_publickey_fromfile_ex\n"
           "leak:libssh2_session_handshake\n"
           "leak:libssh2_channel_write_ex\nleak:libssh2_channel_read_ex\n";
}

struct sshd server;

/* ---- what is said ---- */

struct heard {
    struct vv_events events;
    char transport[512];
};

static void
hear(struct vv_events *self, const struct vv_event *e)
{
    struct heard *h = (struct heard *)(void *)self;
    if (strcmp(e->name, "ssh-transport") == 0) {
        (void)snprintf(h->transport, sizeof(h->transport), "%s", e->text);
    }
}

static struct heard heard = {.events = {.emit = hear}};

struct ssh_options
connect_options(enum ssh_transport transport, const char *identity)
{
    heard.transport[0] = '\0';
    return (struct ssh_options){.transport = transport,
                                .identity = identity == NULL ? NULL : sshd_path(&server, identity),
                                .events = &heard.events,
                                .timeout_ms = 20000};
}

const char *
connect_chosen(void)
{
    return heard.transport;
}

/* ---- one attempt ---- */

/* A new stream must speak SFTP. */
void
assert_speaks_sftp(struct byte_stream *s)
{
    static const uint8_t init[9] = {0, 0, 0, 5, 1, 0, 0, 0, 3};
    uint8_t answer[9];
    size_t sent = 0;
    size_t got = 0;
    struct vv_error err = {0};

    while (got < sizeof(answer)) {
        size_t part = 0;
        if (sent < sizeof(init)) {
            assert_int_equal(
                s->ops->send(s, vv_span(init + sent, sizeof(init) - sent), &part, &err), VV_OK);
            sent += part;
        }
        if (s->ops->receive(s, answer + got, sizeof(answer) - got, &part, &err) != VV_OK) {
            fail_msg("%s", err.message);
        }
        got += part;
        if (part == 0) {
            struct pollfd fds[BYTE_STREAM_FDS];
            int ms;
            size_t count = s->ops->wait_for(s, sent < sizeof(init), fds, &ms);
            assert_true(poll(fds, count, ms < 0 || ms > 20000 ? 20000 : ms) >= 0);
        }
    }
    assert_int_equal(answer[4], 2); /* VERSION */
    assert_int_equal(answer[8], 3);
}

static enum vv_rc
attempt(const struct ssh_options *o, struct vv_error *err)
{
    const struct ssh_target target = {.host = "127.0.0.1", .port = server.port};
    struct byte_stream *s = NULL;
    *err = (struct vv_error){0};
    enum vv_rc rc = ssh_connect(&target, o, &s, err);
    if (rc == VV_OK) {
        assert_speaks_sftp(s);
    } else {
        assert_int_equal(err->rc, rc);
    }
    byte_stream_free(s);
    return rc;
}

void
assert_connects(const struct ssh_options *o, const char *transport)
{
    struct vv_error err;
    if (attempt(o, &err) != VV_OK) {
        fail_msg("%s (%s) [%s]\n%s", err.message, err.hint, heard.transport,
                 sshd_read(&server, "sshd.log"));
    }
    if (transport != NULL && strstr(heard.transport, transport) == NULL) {
        fail_msg("chosen: '%s', not '%s'", heard.transport, transport);
    }
}

void
assert_says(const char *text, const char *wanted)
{
    if (strstr(text, wanted) == NULL) {
        fail_msg("'%s' is not in '%s'", wanted, text);
    }
}

/* ${hint}: what must be in the hint; NULL: no matter. */
void
assert_fails(const struct ssh_options *o, enum vv_rc rc, const char *message, const char *hint)
{
    struct vv_error err;
    enum vv_rc got = attempt(o, &err);
    if (got != rc) {
        fail_msg("'%s', not '%s': %s (%s)", vv_rc_name(got), vv_rc_name(rc), err.message, err.hint);
    }
    assert_says(err.message, message);
    assert_says(err.hint, hint == NULL ? "" : hint);
}

/* ---- set-up ---- */

const enum ssh_transport both[2] = {SSH_LIBSSH2, SSH_COMMAND};

int
connect_begin(void **state)
{
    (void)state;
    if (!sshd_prepare(&server)) {
        (void)fprintf(stderr, "skipped: there is no sshd here\n");
        exit(77);
    }
    return crypto_init(NULL) == VV_OK ? 0 : -1;
}

int
connect_end(void **state)
{
    (void)state;
    sshd_dispose(&server);
    return 0;
}

void
connect_configure(const char *lines)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "%sUserKnownHostsFile %s/known_hosts\nGlobalKnownHostsFile /dev/null\n"
                   "IdentityFile %s/none\n",
                   lines, server.dir, server.dir);
    sshd_write(&server, "ssh_config", text);
}

/* The usual server, known by its ed25519 key. */
int
connect_start(void **state)
{
    (void)state;
    connect_configure("");
    sshd_start(&server, "ed25519 ecdsa rsa", NULL);
    sshd_knows(&server, "", NULL, "host_ed25519");
    return 0;
}

int
connect_stop(void **state)
{
    (void)state;
    sshd_stop(&server);
    return 0;
}

void
connect_restart(const char *host_keys, const char *lines)
{
    sshd_stop(&server);
    sshd_start(&server, host_keys, lines);
}

void
connect_forget_hosts(void)
{
    (void)unlink(sshd_path(&server, "known_hosts"));
}
