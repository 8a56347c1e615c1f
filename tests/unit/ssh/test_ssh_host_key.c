/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* Host keys of a real sshd, by both transports. */
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

/* ---- host keys ---- */

static void
host_key__unknown_is_refused_with_both_ways_out(void **state)
{
    (void)state;
    connect_forget_hosts();
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        char command[64];
        (void)snprintf(command, sizeof(command), "ssh-keyscan -p %u 127.0.0.1", server.port);
        assert_fails(&o, VV_EAUTH, sshd_fingerprint(&server, "host_ed25519"), command);
        assert_fails(&o, VV_EAUTH, "is not known", "--accept-new-host-key");
    }
    struct ssh_options o = connect_options(SSH_AUTO, "user_ed25519");
    assert_fails(&o, VV_EAUTH, "is not known", NULL);
    assert_string_equal(connect_chosen(), "");
    assert_int_equal(access(sshd_path(&server, "known_hosts"), F_OK), -1);
}

static void
host_key__accepted_is_remembered_hashed_if_configured(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        for (unsigned hashed = 0; hashed < 2; hashed++) {
            connect_forget_hosts();
            connect_configure(hashed ? "HashKnownHosts yes\n" : "HashKnownHosts no\n");
            struct ssh_options o = connect_options(both[i], "user_ed25519");
            o.accept_new_host_key = true;
            assert_connects(&o, NULL);
            assert_int_equal(strncmp(sshd_read(&server, "known_hosts"), "|1|", 3) == 0, hashed);
            for (size_t j = 0; j < VV_COUNT(both); j++) { /* either reads the other's */
                o = connect_options(both[j], "user_ed25519");
                assert_connects(&o, NULL);
            }
        }
    }
}

static bool
answer_host(void *ctx, const char *host, const char *key_type, const char *fingerprint)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", server.port);
    assert_string_equal(host, wanted);
    assert_string_equal(key_type, "ED25519");
    assert_string_equal(fingerprint, sshd_fingerprint(&server, "host_ed25519"));
    return *(bool *)ctx;
}

static void
host_key__somebody_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        bool yes = false;
        connect_forget_hosts();
        o.ask_host = answer_host;
        o.ask_host_ctx = &yes;
        assert_fails(&o, VV_EAUTH, "is not known", NULL);
        yes = true;
        assert_connects(&o, NULL);
        o.ask_host = NULL;
        assert_connects(&o, NULL);
    }
}

static void
host_key__changed_is_never_accepted(void **state)
{
    char mend[256];
    char place[256];
    (void)state;
    connect_forget_hosts();
    sshd_write(&server, "known_hosts", "# first line\n");
    sshd_knows(&server, "", NULL, "other_ed25519");
    (void)snprintf(place, sizeof(place),
                   "%s' line 2 says ED25519 SHA256:", sshd_path(&server, "known_hosts"));
    (void)snprintf(mend, sizeof(mend), "ssh-keygen -f '%s' -R '[127.0.0.1]:%u'",
                   sshd_path(&server, "known_hosts"), server.port);
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = connect_options((enum ssh_transport)i, "user_ed25519");
        bool yes = true;
        o.accept_new_host_key = true;
        o.ask_host = answer_host;
        o.ask_host_ctx = &yes;
        assert_fails(&o, VV_EAUTH, "has changed", mend);
        assert_fails(&o, VV_EAUTH, place, mend);
        assert_fails(&o, VV_EAUTH, sshd_fingerprint(&server, "host_ed25519"), mend);
        assert_fails(&o, VV_EAUTH, sshd_fingerprint(&server, "other_ed25519"), mend);
    }
}

static void
host_key__revoked_is_never_accepted(void **state)
{
    (void)state;
    sshd_knows(&server, "@revoked", "*", "host_ed25519");
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = connect_options((enum ssh_transport)i, "user_ed25519");
        o.accept_new_host_key = true;
        assert_fails(&o, VV_EAUTH, "is revoked", NULL);
        assert_fails(&o, VV_EAUTH, "line 2", NULL);
    }
}

static void
host_key__the_type_that_is_known_is_asked_for(void **state)
{
    (void)state;
    connect_forget_hosts();
    sshd_knows(&server, "", NULL, "host_ecdsa");
    sshd_run(&server, "ssh-keygen -q -H -f known_hosts >hashed.log 2>&1");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        assert_connects(&o, NULL);
    }
    connect_forget_hosts();
    sshd_knows(&server, "", NULL, "host_rsa");
    struct ssh_options o = connect_options(SSH_AUTO, "user_ed25519");
    assert_connects(&o, "known_hosts has only an RSA key");
}

static void
host_key__pinned_fingerprint_decides_alone(void **state)
{
    static const char *const keys[] = {"host_ed25519", "host_ecdsa", "host_rsa"};
    (void)state;
    connect_forget_hosts();
    for (size_t k = 0; k < VV_COUNT(keys); k++) {
        for (size_t i = 0; i < VV_COUNT(both); i++) {
            struct ssh_options o = connect_options(both[i], "user_ed25519");
            o.fingerprint = sshd_fingerprint(&server, keys[k]);
            if (k < 2 || both[i] == SSH_COMMAND) {
                assert_connects(&o, NULL);
            } else {
                assert_fails(&o, VV_EAUTH, "is not the pinned one", "ssh-keyscan");
            }
        }
    }
    struct ssh_options o = connect_options(SSH_AUTO, "user_ed25519");
    o.fingerprint = sshd_fingerprint(&server, "host_rsa");
    assert_connects(&o, "the ssh command is used");
    for (unsigned i = 0; i < 3; i++) {
        o = connect_options((enum ssh_transport)i, "user_ed25519");
        o.fingerprint = sshd_fingerprint(&server, "other_ed25519");
        o.accept_new_host_key = true;
        assert_fails(&o, VV_EAUTH, "is not the pinned one", "ssh-keyscan");
    }
    assert_int_equal(access(sshd_path(&server, "known_hosts"), F_OK), -1);
    o.fingerprint = "SHA256:short";
    assert_fails(&o, VV_EUSAGE, "is no fingerprint", "SHA256:");
}

static void
host_key__known_hosts_may_be_given(void **state)
{
    (void)state;
    sshd_run(&server, "mv known_hosts 'given hosts'");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        assert_fails(&o, VV_EAUTH, "is not known", NULL);
        o.known_hosts = sshd_path(&server, "given hosts");
        assert_connects(&o, NULL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        USUAL(host_key__unknown_is_refused_with_both_ways_out),
        USUAL(host_key__accepted_is_remembered_hashed_if_configured),
        USUAL(host_key__somebody_is_asked),
        USUAL(host_key__changed_is_never_accepted),
        USUAL(host_key__revoked_is_never_accepted),
        USUAL(host_key__the_type_that_is_known_is_asked_for),
        USUAL(host_key__pinned_fingerprint_decides_alone),
        USUAL(host_key__known_hosts_may_be_given),
    };
    return cmocka_run_group_tests(tests, connect_begin, connect_end);
}
