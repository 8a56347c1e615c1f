/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting to a real sshd, by both transports. */
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
#include "ssh/helper_sshd.h"
#include "ssh/ssh_connect.h"

static struct sshd server;

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

static struct ssh_options
options(enum ssh_transport transport, const char *identity)
{
    heard.transport[0] = '\0';
    return (struct ssh_options){.transport = transport,
                                .identity = identity == NULL ? NULL : sshd_path(&server, identity),
                                .events = &heard.events,
                                .timeout_ms = 20000};
}

/* ---- one attempt ---- */

/* A new stream must speak SFTP. */
static void
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

static void
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

static void
assert_says(const char *text, const char *wanted)
{
    if (strstr(text, wanted) == NULL) {
        fail_msg("'%s' is not in '%s'", wanted, text);
    }
}

/* ${hint}: what must be in the hint; NULL: no matter. */
static void
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

static const enum ssh_transport both[] = {SSH_LIBSSH2, SSH_COMMAND};

static int
begin(void **state)
{
    (void)state;
    if (!sshd_prepare(&server)) {
        (void)fprintf(stderr, "skipped: there is no sshd here\n");
        exit(77);
    }
    return crypto_init(NULL) == VV_OK ? 0 : -1;
}

static int
end(void **state)
{
    (void)state;
    sshd_dispose(&server);
    return 0;
}

static void
configure(const char *lines)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "%sUserKnownHostsFile %s/known_hosts\nGlobalKnownHostsFile /dev/null\n"
                   "IdentityFile %s/none\n",
                   lines, server.dir, server.dir);
    sshd_write(&server, "ssh_config", text);
}

/* The usual server, known by its ed25519 key. */
static int
start_usual(void **state)
{
    (void)state;
    configure("");
    sshd_start(&server, "ed25519 ecdsa rsa", NULL);
    sshd_knows(&server, "", NULL, "host_ed25519");
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    sshd_stop(&server);
    return 0;
}

static void
restart(const char *host_keys, const char *lines)
{
    sshd_stop(&server);
    sshd_start(&server, host_keys, lines);
}

static void
forget_hosts(void)
{
    (void)unlink(sshd_path(&server, "known_hosts"));
}

/* ---- logging in ---- */

static void
login__ed25519_and_ecdsa_by_both(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = options(both[i], "user_ed25519");
        assert_connects(&o, NULL);
        o = options(both[i], "user_ecdsa");
        assert_connects(&o, NULL);
        o = options(both[i], "other_ed25519");
        assert_fails(&o, VV_EAUTH, "refuses to let us in", "authorized_keys");
    }
    struct ssh_options o = options(SSH_AUTO, "user_ed25519");
    assert_connects(&o, "libssh2 is used");
    o = options(SSH_AUTO, "other_ed25519"); /* the other transport would show the same key */
    assert_fails(&o, VV_EAUTH, "other_ed25519", NULL);
    assert_string_equal(heard.transport, "");
}

static void
login__rsa_is_for_the_command(void **state)
{
    struct ssh_options o = options(SSH_AUTO, "user_rsa");
    (void)state;
    assert_connects(&o, "the ssh command is used");
    assert_says(heard.transport, "user_rsa' is of type RSA");
    o = options(SSH_LIBSSH2, "user_rsa");
    assert_fails(&o, VV_EAUTH, "user_rsa", "RSA");
    /* Found out only when nothing else was accepted. */
    char lines[256];
    (void)snprintf(lines, sizeof(lines),
                   "IdentityFile %s/other_ed25519\nIdentityFile %s/user_rsa\n", server.dir,
                   server.dir);
    configure(lines);
    o = options(SSH_AUTO, NULL);
    assert_connects(&o, "user_rsa' is of type RSA");
}

static void
login__key_files_others_may_read_are_refused(void **state)
{
    (void)state;
    sshd_run(&server, "cp user_ed25519 user_open && chmod 644 user_open");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = options(both[i], "user_open");
        assert_fails(&o, VV_EAUTH, "refuses to let us in", "chmod 600 '");
    }
}

static void
login__a_missing_key_file_is_named(void **state)
{
    struct ssh_options o = options(SSH_LIBSSH2, "nowhere");
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
    struct ssh_options o = options(SSH_LIBSSH2, "user_locked");
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
    o = options(SSH_COMMAND, "user_locked");
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
    struct ssh_options o = options(SSH_AUTO, NULL);
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
    struct ssh_options o = options(SSH_AUTO, NULL);
    assert_connects(&o, "which libssh2 can use with SHA-1 only");
    sshd_run(&server, "ssh-add -q user_ed25519");
    o = options(SSH_AUTO, NULL);
    assert_connects(&o, "libssh2 is used");
    o = options(SSH_COMMAND, NULL);
    assert_connects(&o, NULL);
    /* An encrypted file whose key the agent holds needs no passphrase; other keys of the agent are
     * not shown when one is named. */
    o = options(SSH_LIBSSH2, "other_ed25519");
    assert_fails(&o, VV_EAUTH, "other_ed25519", NULL);
    pid_t pid = (pid_t)strtol(sshd_read(&server, "agent.pid"), NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    (void)unsetenv("SSH_AUTH_SOCK");
}

/* ---- host keys ---- */

static void
host_key__unknown_is_refused_with_both_ways_out(void **state)
{
    (void)state;
    forget_hosts();
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = options(both[i], "user_ed25519");
        char command[64];
        (void)snprintf(command, sizeof(command), "ssh-keyscan -p %u 127.0.0.1", server.port);
        assert_fails(&o, VV_EAUTH, sshd_fingerprint(&server, "host_ed25519"), command);
        assert_fails(&o, VV_EAUTH, "is not known", "--accept-new-host-key");
    }
    struct ssh_options o = options(SSH_AUTO, "user_ed25519");
    assert_fails(&o, VV_EAUTH, "is not known", NULL);
    assert_string_equal(heard.transport, "");
    assert_int_equal(access(sshd_path(&server, "known_hosts"), F_OK), -1);
}

static void
host_key__accepted_is_remembered_hashed_if_configured(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        for (unsigned hashed = 0; hashed < 2; hashed++) {
            forget_hosts();
            configure(hashed ? "HashKnownHosts yes\n" : "HashKnownHosts no\n");
            struct ssh_options o = options(both[i], "user_ed25519");
            o.accept_new_host_key = true;
            assert_connects(&o, NULL);
            assert_int_equal(strncmp(sshd_read(&server, "known_hosts"), "|1|", 3) == 0, hashed);
            for (size_t j = 0; j < VV_COUNT(both); j++) { /* either reads the other's */
                o = options(both[j], "user_ed25519");
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
        struct ssh_options o = options(both[i], "user_ed25519");
        bool yes = false;
        forget_hosts();
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
    forget_hosts();
    sshd_write(&server, "known_hosts", "# first line\n");
    sshd_knows(&server, "", NULL, "other_ed25519");
    (void)snprintf(place, sizeof(place),
                   "%s' line 2 says ED25519 SHA256:", sshd_path(&server, "known_hosts"));
    (void)snprintf(mend, sizeof(mend), "ssh-keygen -f '%s' -R '[127.0.0.1]:%u'",
                   sshd_path(&server, "known_hosts"), server.port);
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = options((enum ssh_transport)i, "user_ed25519");
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
        struct ssh_options o = options((enum ssh_transport)i, "user_ed25519");
        o.accept_new_host_key = true;
        assert_fails(&o, VV_EAUTH, "is revoked", NULL);
        assert_fails(&o, VV_EAUTH, "line 2", NULL);
    }
}

static void
host_key__the_type_that_is_known_is_asked_for(void **state)
{
    (void)state;
    forget_hosts();
    sshd_knows(&server, "", NULL, "host_ecdsa");
    sshd_run(&server, "ssh-keygen -q -H -f known_hosts >hashed.log 2>&1");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = options(both[i], "user_ed25519");
        assert_connects(&o, NULL);
    }
    forget_hosts();
    sshd_knows(&server, "", NULL, "host_rsa");
    struct ssh_options o = options(SSH_AUTO, "user_ed25519");
    assert_connects(&o, "known_hosts has only an RSA key");
}

static void
host_key__pinned_fingerprint_decides_alone(void **state)
{
    static const char *const keys[] = {"host_ed25519", "host_ecdsa", "host_rsa"};
    (void)state;
    forget_hosts();
    for (size_t k = 0; k < VV_COUNT(keys); k++) {
        for (size_t i = 0; i < VV_COUNT(both); i++) {
            struct ssh_options o = options(both[i], "user_ed25519");
            o.fingerprint = sshd_fingerprint(&server, keys[k]);
            if (k < 2 || both[i] == SSH_COMMAND) {
                assert_connects(&o, NULL);
            } else {
                assert_fails(&o, VV_EAUTH, "is not the pinned one", "ssh-keyscan");
            }
        }
    }
    struct ssh_options o = options(SSH_AUTO, "user_ed25519");
    o.fingerprint = sshd_fingerprint(&server, "host_rsa");
    assert_connects(&o, "the ssh command is used");
    for (unsigned i = 0; i < 3; i++) {
        o = options((enum ssh_transport)i, "user_ed25519");
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
        struct ssh_options o = options(both[i], "user_ed25519");
        assert_fails(&o, VV_EAUTH, "is not known", NULL);
        o.known_hosts = sshd_path(&server, "given hosts");
        assert_connects(&o, NULL);
    }
}

/* ---- servers that libssh2 cannot talk to, or that do not talk ---- */

static void
server__with_etm_macs_only(void **state)
{
    (void)state;
    restart("ed25519", "MACs hmac-sha2-256-etm@openssh.com\nCiphers aes128-ctr\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    struct ssh_options o = options(SSH_AUTO, "user_ed25519");
    assert_connects(&o, "the ssh command is used");
    assert_says(heard.transport, "cipher or MAC in common");
    o = options(SSH_LIBSSH2, "user_ed25519");
    assert_fails(&o, VV_EUNSUPPORTED, "in common", "ssh command");
}

static void
server__with_an_rsa_host_key_only(void **state)
{
    (void)state;
    restart("rsa", NULL);
    struct ssh_options o = options(SSH_AUTO, "user_ed25519");
    o.accept_new_host_key = true;
    assert_connects(&o, "the ssh command is used");
}

static void
server__without_sftp(void **state)
{
    (void)state;
    restart("ed25519", "Subsystem other internal-sftp\n");
    sshd_knows(&server, "", NULL, "host_ed25519");
    for (size_t i = 0; i < VV_COUNT(both); i++) {
        struct ssh_options o = options(both[i], "user_ed25519");
        assert_fails(&o, VV_EUNSUPPORTED, "has no SFTP server", "Subsystem sftp");
    }
}

static void
server__not_there(void **state)
{
    (void)state;
    sshd_stop(&server);
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = options((enum ssh_transport)i, "user_ed25519");
        assert_fails(&o, VV_ETRANSIENT, "Connection refused", "is sshd running");
    }
}

static void
server__stopped_during_the_handshake(void **state)
{
    (void)state;
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct ssh_options o = options((enum ssh_transport)i, "user_ed25519");
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
        struct ssh_options o = options(both[i], "user_ed25519");
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

/* ---- configuration ---- */

static void
configuration__decides(void **state)
{
    char lines[512];
    (void)state;
    (void)snprintf(lines, sizeof(lines),
                   "Host shop\nHostName 127.0.0.1\nPort %u\nIdentityFile %s/user_ed25519\nHost *\n",
                   server.port, server.dir);
    configure(lines);
    const struct ssh_target target = {.host = "shop"};
    struct ssh_options o = options(SSH_AUTO, NULL);
    struct byte_stream *s = NULL;
    struct vv_error err = {0};
    struct ssh_choice choice = {0};
    if (ssh_connect_as(&target, &o, &choice, &s, &err) != VV_OK) {
        fail_msg("%s (%s)", err.message, err.hint);
    }
    assert_true(choice.made);
    assert_int_equal(choice.transport, SSH_LIBSSH2);
    byte_stream_free(s);
    (void)snprintf(lines, sizeof(lines),
                   "IdentityFile %s/user_ed25519\nProxyCommand socat - TCP:127.0.0.1:%u\n",
                   server.dir, server.port);
    if (access("/usr/bin/nc", X_OK) == 0) {
        (void)snprintf(lines, sizeof(lines),
                       "IdentityFile %s/user_ed25519\nProxyCommand nc 127.0.0.1 %u\n", server.dir,
                       server.port);
        configure(lines);
        o = options(SSH_AUTO, NULL);
        assert_connects(&o, "ProxyCommand");
    }
}

#define USUAL(test) cmocka_unit_test_setup_teardown(test, start_usual, stop)

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
        USUAL(host_key__unknown_is_refused_with_both_ways_out),
        USUAL(host_key__accepted_is_remembered_hashed_if_configured),
        USUAL(host_key__somebody_is_asked),
        USUAL(host_key__changed_is_never_accepted),
        USUAL(host_key__revoked_is_never_accepted),
        USUAL(host_key__the_type_that_is_known_is_asked_for),
        USUAL(host_key__pinned_fingerprint_decides_alone),
        USUAL(host_key__known_hosts_may_be_given),
        USUAL(server__with_etm_macs_only),
        USUAL(server__with_an_rsa_host_key_only),
        USUAL(server__without_sftp),
        USUAL(server__not_there),
        USUAL(server__stopped_during_the_handshake),
        USUAL(server__dying_in_the_middle),
        USUAL(configuration__decides),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
