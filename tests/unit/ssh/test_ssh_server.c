/* SPDX-License-Identifier: BSD-2-Clause */
/* Servers that libssh2 cannot talk to, or that do not talk; the user's configuration. */
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

#include "ssh/helper_connect.h"
#include "ssh/sftp_client.h"

/* ---- servers that libssh2 cannot talk to, or that do not talk ---- */

static void
server__with_etm_macs_only(void **state)
{
    (void)state;
    connect_restart("ed25519", "MACs hmac-sha2-256-etm@openssh.com\nCiphers aes128-ctr\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    struct ssh_options o = connect_options(SSH_AUTO, "user_ed25519");
    assert_connects(&o, "the ssh command is used");
    assert_says(connect_chosen(), "cipher or MAC in common");
    o = connect_options(SSH_LIBSSH2, "user_ed25519");
    assert_fails(&o, VV_EUNSUPPORTED, "in common", "ssh command");
}

static void
server__with_an_rsa_host_key_only(void **state)
{
    (void)state;
    connect_restart("rsa", NULL);
    struct ssh_options o = connect_options(SSH_AUTO, "user_ed25519");
    o.accept_new_host_key = true;
    assert_connects(&o, "the ssh command is used");
}

static void
server__without_sftp(void **state)
{
    (void)state;
    connect_restart("ed25519", "Subsystem other internal-sftp\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        assert_fails(&o, VV_EUNSUPPORTED, "has no SFTP server", "Subsystem sftp");
    }
}

static void
server__not_there(void **state)
{
    (void)state;
    sshd_stop(&server);
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = connect_options((enum ssh_transport)i, "user_ed25519");
        assert_fails(&o, VV_ETRANSIENT, "Connection refused", "is sshd running");
    }
}

static void
server__stopped_during_the_handshake(void **state)
{
    (void)state;
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = connect_options((enum ssh_transport)i, "user_ed25519");
        o.timeout_ms = 1000;
        assert_fails(&o, VV_ETRANSIENT, "within 1 seconds", "ssh -v");
    }
}

static void
server__dying_in_the_middle(void **state)
{
    const struct ssh_target target = {.host = "127.0.0.1", .port = server.port};
    (void)state;
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        struct byte_stream *s = NULL;
        struct vv_error err = {0};
        uint8_t buf[64];
        size_t got;
        enum vv_rc rc;
        sshd_write(&server, "sshd.log", "");
        assert_int_equal(ssh_connect(&target, &o, &s, &err), VV_OK);
        assert_speaks_sftp(s);
        /* Whoever serves this connection: the children of the listening one. */
        sshd_run(&server, "kill $(ps -o pid= --ppid %d)", (int)server.pid);
        while ((rc = s->ops->receive(s, buf, sizeof(buf), &got, &err)) == VV_OK) {
            struct pollfd fds[BYTE_STREAM_FDS];
            int ms;
            size_t count = s->ops->wait_for(s, false, fds, &ms);
            assert_true(poll(fds, count, ms < 0 || ms > 20000 ? 20000 : ms) >= 0);
        }
        assert_int_equal(rc, VV_ETRANSIENT);
        assert_says(err.message, "closed");
        byte_stream_free(s);
    }
}

/* ---- many bytes ---- */

enum { TRANSFER = 48 << 20, ROUNDS = 2 };

/* Both directions over one channel, past every window and several key exchanges. */
static void
transfer__many_bytes_arrive_unchanged(void **state)
{
    const struct ssh_target target = {.host = "127.0.0.1", .port = 0};
    uint8_t *sent = malloc(TRANSFER);
    uint8_t *got = malloc(TRANSFER);
    (void)state;
    connect_restart("ed25519", "RekeyLimit 16M\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    assert_non_null(sent);
    assert_non_null(got);
    for (uint32_t i = 0, x = 1; i < TRANSFER; i++) {
        x = x * 1664525u + 1013904223u;
        sent[i] = (uint8_t)(x >> 24);
    }
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        struct ssh_target to = target;
        struct byte_stream *s = NULL;
        struct sftp_client *c = NULL;
        struct vv_error err = {0};
        to.port = server.port;
        assert_int_equal(ssh_connect(&to, &o, &s, &err), VV_OK);
        if (sftp_client_new(s, &(struct sftp_options){0}, &c, &err) != VV_OK) {
            fail_msg("%s", err.message);
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
            char path[SSHD_PATH];
            size_t len = 0;
            (void)snprintf(path, sizeof(path), "%s/file-%zu-%u", server.dir, i, round);
            if (sftp_write_file(c, path, 0600, vv_span(sent, TRANSFER), false, &err) != VV_OK ||
                sftp_read_file(c, path, 0, got, TRANSFER, &len, &err) != VV_OK) {
                fail_msg("%s", err.message);
            }
            assert_int_equal(len, TRANSFER);
            assert_memory_equal(sent, got, TRANSFER);
            assert_int_equal(sftp_remove(c, path, &err), VV_OK);
        }
        sftp_client_free(c);
    }
    free(sent);
    free(got);
}

/* ---- configuration ---- */

static void
configuration__decides(void **state)
{
    char lines[512];
    (void)state;
    (void)snprintf(lines, sizeof(lines),
                   "Host shop\nHostName 127.0.0.1\nPort %u\nIdentityFile %s/user_ed25519\nHost *\n",
                   server.port, server.dir);
    connect_configure(lines);
    const struct ssh_target target = {.host = "shop"};
    struct ssh_options o = connect_options(SSH_AUTO, NULL);
    struct byte_stream *s = NULL;
    struct vv_error err = {0};
    struct ssh_choice choice = {0};
    if (ssh_connect_as(&target, &o, &choice, &s, &err) != VV_OK) {
        fail_msg("%s (%s)", err.message, err.hint);
    }
    assert_true(choice.made);
    assert_int_equal(choice.transport, SSH_LIBSSH2);
    byte_stream_free(s);
    /* The same through itself, under another name (not localhost: a bare system may not know it). */
    (void)snprintf(lines, sizeof(lines),
                   "Host shop\nHostName 127.0.0.1\nPort %u\nProxyJump gate\n"
                   "Host gate\nHostName 127.0.0.1\nPort %u\nHost *\nIdentityFile %s/user_ed25519\n",
                   server.port, server.port, server.dir);
    connect_configure(lines);
    o = connect_options(SSH_AUTO, NULL);
    if (ssh_connect(&target, &o, &s, &err) != VV_OK) {
        fail_msg("%s (%s)", err.message, err.hint);
    }
    assert_speaks_sftp(s);
    byte_stream_free(s);
    assert_says(connect_chosen(), "the ssh command is used");
    assert_says(connect_chosen(), "ProxyJump 'gate");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        USUAL(server__with_etm_macs_only),
        USUAL(server__with_an_rsa_host_key_only),
        USUAL(server__without_sftp),
        USUAL(server__not_there),
        USUAL(server__stopped_during_the_handshake),
        USUAL(server__dying_in_the_middle),
        USUAL(transfer__many_bytes_arrive_unchanged),
        USUAL(configuration__decides),
    };
    return cmocka_run_group_tests(tests, connect_begin, connect_end);
}
