/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* Logging in to a real sshd, by both transports. */
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

/* ---- logging in ---- */

static void
login__ed25519_and_ecdsa_by_both(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_ed25519");
        assert_connects(&o, NULL);
        o = connect_options(both[i], "user_ecdsa");
        assert_connects(&o, NULL);
        o = connect_options(both[i], "other_ed25519");
        assert_fails(&o, VV_EAUTH, "refuses to let us in", "authorized_keys");
    }
    struct ssh_options o = connect_options(SSH_AUTO, "user_ed25519");
    assert_connects(&o, "libssh2 is used");
    o = connect_options(SSH_AUTO,
                        "other_ed25519"); /* the other transport would show the same key */
    assert_fails(&o, VV_EAUTH, "other_ed25519", NULL);
    assert_string_equal(connect_chosen(), "");
}

static void
login__rsa_is_for_the_command(void **state)
{
    struct ssh_options o = connect_options(SSH_AUTO, "user_rsa");
    (void)state;
    assert_connects(&o, "the ssh command is used");
    assert_says(connect_chosen(), "user_rsa' is of type RSA");
    o = connect_options(SSH_LIBSSH2, "user_rsa");
    assert_fails(&o, VV_EAUTH, "user_rsa", "RSA");
    /* Found out only when nothing else was accepted. */
    char lines[256];
    (void)snprintf(lines, sizeof(lines),
                   "IdentityFile %s/other_ed25519\nIdentityFile %s/user_rsa\n", server.dir,
                   server.dir);
    connect_configure(lines);
    o = connect_options(SSH_AUTO, NULL);
    assert_connects(&o, "user_rsa' is of type RSA");
}

static void
login__key_files_others_may_read_are_refused(void **state)
{
    (void)state;
    sshd_run(&server, "cp user_ed25519 user_open && chmod 644 user_open");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = connect_options(both[i], "user_open");
        assert_fails(&o, VV_EAUTH, "refuses to let us in", "chmod 600 '");
    }
}

static void
login__a_missing_key_file_is_named(void **state)
{
    struct ssh_options o = connect_options(SSH_LIBSSH2, "nowhere");
    (void)state;
    assert_fails(&o, VV_EAUTH, "nowhere", NULL);
}

struct asked {
    const char *answer; /* NULL: there is none */
    unsigned count;
    enum ssh_secret_kind kind;
};

static enum vv_rc
tell(void *ctx, enum ssh_secret_kind kind, const char *about, unsigned number, struct vv_buf *out,
     struct vv_error *err)
{
    struct asked *a = ctx;
    (void)about;
    assert_int_equal(number, kind == a->kind ? a->count : 0);
    a->count += kind == a->kind;
    if (a->answer == NULL || kind != a->kind) {
        return vv_error_set(err, VV_ENOTFOUND, "none");
    }
    vv_buf_put_text(out, a->answer);
    return VV_OK;
}

static void
login__encrypted_keys_ask_for_the_passphrase(void **state)
{
    struct ssh_options o = connect_options(SSH_LIBSSH2, "user_locked");
    struct asked right = {.answer = SSHD_PASSPHRASE, .kind = SSH_KEY_PASSPHRASE};
    struct asked wrong = {.answer = "no", .kind = SSH_KEY_PASSPHRASE};
    struct asked none = {.answer = NULL, .kind = SSH_KEY_PASSPHRASE};
    (void)state;
    o.secret = tell;
    o.secret_ctx = &right;
    assert_connects(&o, NULL);
    assert_int_equal(right.count, 1);
    o.secret_ctx = &wrong;
    assert_fails(&o, VV_EAUTH, "user_locked' (wrong passphrase)", "ssh-add");
    assert_int_equal(wrong.count, 3);
    o.secret_ctx = &none;
    assert_fails(&o, VV_EAUTH, "encrypted, and there is no passphrase", "ssh-add");
    assert_int_equal(none.count, 1);
    o.secret = NULL;
    assert_fails(&o, VV_EAUTH, "encrypted, and there is no passphrase", "ssh-add");
    o = connect_options(SSH_COMMAND, "user_locked");
    assert_fails(&o, VV_EAUTH, "refuses to let us in", "needs it in an agent");
}

/* By "password", and by "keyboard-interactive" (which without PAM is the same question). */
static void
login__by_password(void **state)
{
    (void)state;
    if (geteuid() != 0 || system("unshare -m true 2>/dev/null") != 0) { /* NOLINT */
        skip();
    }
    sshd_run(&server,
             "hash=$(openssl passwd -6 'right one') && "
             "sed \"s|^root:[^:]*:|root:$hash:|\" /etc/shadow >shadow && chmod 600 shadow");
    sshd_stop(&server);
    server.own_shadow = true;
    sshd_start(&server, "ed25519", "PasswordAuthentication yes\n");
    server.own_shadow = false;
    sshd_knows(&server, "", NULL, "host_ed25519");
    struct asked right = {.answer = "right one", .kind = SSH_PASSWORD};
    struct asked wrong = {.answer = "wrong one", .kind = SSH_PASSWORD};
    struct ssh_options o = connect_options(SSH_AUTO, NULL);
    o.secret = tell;
    o.secret_ctx = &right;
    assert_connects(&o, "libssh2 is used");
    assert_int_equal(right.count, 1);
    o.secret_ctx = &wrong;
    assert_fails(&o, VV_EAUTH, "a password", NULL);
    assert_int_equal(wrong.count, 3);
}

static void
login__the_agent_is_asked(void **state)
{
    (void)state;
    sshd_run(&server,
             "ssh-agent -a %s/agent >agent.env && SSH_AUTH_SOCK=%s/agent ssh-add -q "
             "user_rsa && sed -n 's/^SSH_AGENT_PID=\\([0-9]*\\);.*/\\1/p' agent.env "
             ">agent.pid",
             server.dir, server.dir);
    (void)setenv("SSH_AUTH_SOCK", sshd_path(&server, "agent"), 1);
    struct ssh_options o = connect_options(SSH_AUTO, NULL);
    assert_connects(&o, "which libssh2 can use with SHA-1 only");
    sshd_run(&server, "ssh-add -q user_ed25519");
    o = connect_options(SSH_AUTO, NULL);
    assert_connects(&o, "libssh2 is used");
    o = connect_options(SSH_COMMAND, NULL);
    assert_connects(&o, NULL);
    /* Keys of the agent are not shown when another one is named. */
    o = connect_options(SSH_LIBSSH2, "other_ed25519");
    assert_fails(&o, VV_EAUTH, "other_ed25519", NULL);
    pid_t pid = (pid_t)strtol(sshd_read(&server, "agent.pid"), NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    (void)unsetenv("SSH_AUTH_SOCK");
}

/* The server's process is killed while it looks for the key: that says nothing about the key. */
static void
login__cut_in_the_middle_is_no_refusal(void **state)
{
    struct ssh_options o;

    (void)state;
    if (geteuid() != 0) { /* AuthorizedKeysCommandUser */
        skip();
    }
    sshd_stop(&server);
    sshd_start(&server, "ed25519",
               "AuthorizedKeysCommand /bin/sh -c \"kill -KILL $PPID\"\n"
               "AuthorizedKeysCommandUser root\nAuthorizedKeysFile none\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    o = connect_options(SSH_LIBSSH2, "user_ed25519");
    assert_fails(&o, VV_ETRANSIENT, "closed the connection", NULL);
}

/* A server that takes one key and no more says so, and that is a refusal. */
static void
login__one_try_is_a_refusal(void **state)
{
    struct ssh_options o;

    (void)state;
    sshd_stop(&server);
    sshd_start(&server, "ed25519", "MaxAuthTries 1\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    o = connect_options(SSH_LIBSSH2, "other_ed25519");
    assert_fails(&o, VV_EAUTH, "refuses to let us in", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        USUAL(login__ed25519_and_ecdsa_by_both),
        USUAL(login__rsa_is_for_the_command),
        USUAL(login__key_files_others_may_read_are_refused),
        USUAL(login__a_missing_key_file_is_named),
        USUAL(login__encrypted_keys_ask_for_the_passphrase),
        USUAL(login__by_password),
        USUAL(login__the_agent_is_asked),
        USUAL(login__cut_in_the_middle_is_no_refusal),
        USUAL(login__one_try_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, connect_begin, connect_end);
}
