/* SPDX-License-Identifier: BSD-2-Clause */
/* What `ssh -G` prints, and what follows from it: pure functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "alloc_sweep.h"
#include "ssh/ssh_command_internal.h"
#include "ssh/ssh_config.h"

#define CHACHA "chacha20-poly1305@openssh.com"
#define GCM128 "aes128-gcm@openssh.com"
#define GCM256 "aes256-gcm@openssh.com"
#define USUAL_CIPHERS CHACHA ",aes128-ctr,aes192-ctr,aes256-ctr," GCM128 "," GCM256
#define BASE "user me\nhostname backup.example\nport 2222\n"

static struct ssh_config
parse(const char *text)
{
    struct ssh_config c = {0};
    struct vv_error err = {0};
    if (ssh_config_parse(vv_span(text, strlen(text)), &c, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

static void
config__is_read(void **state)
{
    struct ssh_config c =
        parse("host x\n" BASE "identityfile ~/.ssh/id_rsa\r\nidentityfile /k\nidentityfile none\n"
              "userknownhostsfile /a /b\nglobalknownhostsfile  /c \nhashknownhosts yes\n"
              "stricthostkeychecking accept-new\nproxyjump none\nidentityagent none\nunknown\n");
    (void)state;
    assert_string_equal(c.user, "me");
    assert_string_equal(c.host_name, "backup.example");
    assert_int_equal(c.port, 2222);
    assert_int_equal(c.identities.count, 2);
    assert_string_equal(c.identities.items[0], "~/.ssh/id_rsa");
    assert_string_equal(c.identities.items[1], "/k");
    assert_int_equal(c.user_known_hosts.count, 2);
    assert_string_equal(c.user_known_hosts.items[1], "/b");
    assert_int_equal(c.global_known_hosts.count, 1);
    assert_string_equal(c.global_known_hosts.items[0], "/c");
    assert_true(c.hash_known_hosts);
    assert_true(c.accept_new);
    assert_null(c.proxy_jump);
    assert_string_equal(c.identity_agent, "none");
    ssh_config_release(&c);
}

static void
config__something_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "\n\n", "hello", "port 22\n", "user me\n", "usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy]"};
    (void)state;
    for (size_t i = 0; i < VV_COUNT(texts); i++) {
        struct ssh_config c = {0};
        assert_int_equal(ssh_config_parse(vv_span(texts[i], strlen(texts[i])), &c, NULL),
                         VV_EUNSUPPORTED);
    }
}

static enum vv_rc
sweep(void *arg, struct vv_error *err)
{
    struct ssh_config c = {0};
    (void)arg;
    enum vv_rc rc = ssh_config_parse(vv_span(BASE, strlen(BASE)), &c, err);
    ssh_config_release(&c);
    return rc;
}

static void
config__survives_lack_of_memory(void **state)
{
    (void)state;
    assert_true(alloc_sweep(sweep, NULL) > 0);
}

static void
decision__by_configuration(void **state)
{
    static const struct {
        const char *line;
        const char *reason; /* NULL: libssh2 will do */
    } cases[] = {
        {"", NULL},
        {"proxyjump gate\n", "ProxyJump 'gate'"},
        {"proxycommand nc %h %p\n", "ProxyCommand 'nc %h %p'"},
        {"proxycommand none\n", NULL},
        {"controlpath ~/.ssh/c\n", "ControlPath"},
        {"controlpath none\n", NULL},
        {"certificatefile /c\n", "CertificateFile"},
        {"revokedhostkeys /r\n", "RevokedHostKeys"},
        {"knownhostscommand /k\n", "KnownHostsCommand"},
        {"pkcs11provider /p\n", "PKCS11Provider"},
        {"bindaddress 10.0.0.1\n", "BindAddress"},
        {"verifyhostkeydns true\n", "VerifyHostKeyDNS"},
        {"verifyhostkeydns false\n", NULL},
        {"gssapiauthentication yes\n", NULL}, /* only if the server offers it */
    };
    (void)state;
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        char text[256];
        char reason[SSH_REASON_SIZE] = "";
        (void)snprintf(text, sizeof(text), "%s%s", BASE, cases[i].line);
        struct ssh_config c = parse(text);
        assert_int_equal(ssh_config_needs_command(&c, reason), cases[i].reason != NULL);
        if (cases[i].reason != NULL && strstr(reason, cases[i].reason) == NULL) {
            fail_msg("'%s' is not in '%s'", cases[i].reason, reason);
        }
        ssh_config_release(&c);
    }
}

static void
decision__by_known_host_keys(void **state)
{
    char reason[SSH_REASON_SIZE];
    (void)state;
    assert_false(ssh_host_keys_need_command(0, false, reason));
    assert_false(ssh_host_keys_need_command(1u << SSH_KEY_ED25519, false, reason));
    assert_false(
        ssh_host_keys_need_command(1u << SSH_KEY_ED25519 | 1u << SSH_KEY_RSA, false, reason));
    assert_false(ssh_host_keys_need_command(1u << SSH_KEY_ED25519, true, reason));
    assert_true(ssh_host_keys_need_command(1u << SSH_KEY_RSA, false, reason));
    assert_non_null(strstr(reason, "only an RSA key"));
    assert_true(ssh_host_keys_need_command(0, true, reason));
    assert_non_null(strstr(reason, "@cert-authority"));
}

static void
decision__by_user_key(void **state)
{
    char reason[SSH_REASON_SIZE];
    (void)state;
    for (unsigned i = 0; i < SSH_KEY_TYPES; i++) {
        bool usable = i == SSH_KEY_UNKNOWN || (SSH_KEY_TYPES_LIBSSH2 & 1u << i) != 0;
        assert_int_equal(ssh_key_needs_command((enum ssh_key_type)i, "/key", reason), !usable);
    }
}

static void
ciphers__gcm_comes_first_unless_somebody_chose(void **state)
{
    static const struct {
        const char *configured;
        const char *given; /* NULL: none */
    } cases[] = {
        {USUAL_CIPHERS, GCM128 "," CHACHA ",aes128-ctr,aes192-ctr,aes256-ctr," GCM256},
        {CHACHA "," GCM128, NULL},
        {"aes256-ctr", NULL},
        {GCM256 "," USUAL_CIPHERS, NULL},
        {CHACHA "," GCM128 "," GCM256 ",aes128-ctr,aes192-ctr,aes256-ctr", /* OpenSSH 10 */
         GCM128 "," CHACHA "," GCM256 ",aes128-ctr,aes192-ctr,aes256-ctr"},
    };
    struct vv_buf out = {0};
    struct ssh_config c = {0};
    (void)state;
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        c = (struct ssh_config){.known = true, .ciphers = cases[i].configured};
        vv_buf_reset(&out);
        assert_int_equal(ssh_config_ciphers(&c, &out), cases[i].given != NULL);
        if (cases[i].given != NULL) {
            assert_string_equal(vv_buf_text(&out), cases[i].given);
        }
    }
    c = (struct ssh_config){0};
    vv_buf_reset(&out);
    assert_true(ssh_config_ciphers(&c, &out));
    assert_string_equal(vv_buf_text(&out), "^" GCM128);
    vv_buf_release(&out);
}

/* Words of OpenSSH 9.2. */
static void
command__troubles_are_understood(void **state)
{
    static const struct {
        const char *said;
        enum ssh_command_trouble trouble;
    } cases[] = {
        {"", SSH_TROUBLE_LOST},
        {"Connection to 127.0.0.1 closed by remote host.\r\n", SSH_TROUBLE_LOST},
        {"kex_exchange_identification: Connection closed by remote host\r\n", SSH_TROUBLE_LOST},
        {"No ED25519 host key is known for [127.0.0.1]:2222 and you have requested strict "
         "checking.\r\nHost key verification failed.\r\n",
         SSH_TROUBLE_HOST_UNKNOWN},
        {"@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nOffending ED25519 key in "
         "/k:1\r\nHost key verification failed.\r\n",
         SSH_TROUBLE_HOST_CHANGED},
        {"@       WARNING: REVOKED HOST KEY DETECTED!               @\r\nHost key verification "
         "failed.\r\n",
         SSH_TROUBLE_HOST_REVOKED},
        {"Host key verification failed.\r\n", SSH_TROUBLE_HOST_KEY},
        {"me@h: Permission denied (publickey,password).\r\n", SSH_TROUBLE_DENIED},
        {"Received disconnect from 127.0.0.1 port 2222:2: Too many authentication failures\r\n",
         SSH_TROUBLE_DENIED},
        {"ssh: connect to host h port 22: Connection refused\r\n", SSH_TROUBLE_REFUSED},
        {"ssh: connect to host h port 22: Connection timed out\r\n", SSH_TROUBLE_TIMEOUT},
        {"Connection timed out during banner exchange\r\n", SSH_TROUBLE_TIMEOUT},
        {"Timeout, server h not responding.\r\n", SSH_TROUBLE_LOST},
        {"ssh: Could not resolve hostname h: Name or service not known\r\n", SSH_TROUBLE_NAME},
        {"Unable to negotiate with 127.0.0.1 port 2222: no matching MAC found.\r\n",
         SSH_TROUBLE_METHODS},
        {"subsystem request failed on channel 0\r\n", SSH_TROUBLE_SUBSYSTEM},
        {"command-line: line 0: Bad configuration option: x\r\n", SSH_TROUBLE_USAGE},
        {"/root/.ssh/config: terminating, 1 bad configuration options\r\n", SSH_TROUBLE_USAGE},
    };
    (void)state;
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        if (ssh_command_trouble(cases[i].said) != cases[i].trouble) {
            fail_msg("'%s' is taken for %d", cases[i].said, ssh_command_trouble(cases[i].said));
        }
    }
}

static void
command__what_it_told_is_taken_out(void **state)
{
    static const char raw[] = SSH_COMMAND_TELLS
        " ssh-ed25519 SHA256:x AAAAC3NzaC1lZDI1NTE5AAAAILVP/hwuDkUouVMSfsugtd7kNuW9"
        "ekZZMSWjnS0tjcDM\n@@@@\r\nNo key.\r\nFailed.\r\n" SSH_COMMAND_TELLS " bad\n";
    struct ssh_command_said s;
    (void)state;
    ssh_command_said_parse(vv_span(raw, strcspn(raw, "F")), &s);
    assert_string_equal(vv_buf_text(&s.text), "No key.");
    assert_string_equal(s.type, "ED25519");
    /* Computed here, whatever was said. */
    assert_string_equal(s.fingerprint, "SHA256:mVwQcFOQFmaeyvBD5mfNu2CCOwmbPKDXfjnzIyFIuk0");
    assert_int_equal(s.key.len, 51);
    ssh_command_said_release(&s);
    ssh_command_said_parse(vv_span(raw, strlen(raw)), &s);
    assert_int_equal(s.key.len, 0);
    assert_string_equal(vv_buf_text(&s.text), "No key.; Failed.");
    ssh_command_said_release(&s);
}

/* ---- the command line ---- */

static bool
has_word(const struct ssh_words *w, const char *word)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->list[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void
command__line_says_what_was_asked_for(void **state)
{
    const struct ssh_target target = {.user = "me", .host = "nas", .port = 2222};
    struct ssh_options options = {.command = " my-ssh  -F none ", .identity = "/key"};
    struct ssh_words w;
    struct ssh_plan p;
    struct vv_error err = {0};
    (void)state;
    assert_int_equal(ssh_plan_make(&target, &options, &p, &err), VV_OK);
    assert_int_equal(ssh_command_words(&p, NULL, NULL, &w, &err), VV_OK);
    assert_string_equal(w.list[0], "my-ssh");
    assert_string_equal(w.list[1], "-F");
    assert_string_equal(w.list[2], "none");
    static const char *const wanted[] = {"-oBatchMode=yes",
                                         "-oServerAliveInterval=15",
                                         "-oServerAliveCountMax=3",
                                         "-oClearAllForwardings=yes",
                                         "-oStrictHostKeyChecking=yes",
                                         "-i",
                                         "/key",
                                         "-l",
                                         "me",
                                         "-p",
                                         "2222"};
    for (size_t i = 0; i < VV_COUNT(wanted); i++) {
        if (!has_word(&w, wanted[i])) {
            fail_msg("'%s' is missing", wanted[i]);
        }
    }
    assert_string_equal(w.list[w.count - 4], "-s");
    assert_string_equal(w.list[w.count - 3], "--");
    assert_string_equal(w.list[w.count - 2], "nas");
    assert_string_equal(w.list[w.count - 1], "sftp");
    ssh_words_release(&w);
    ssh_plan_release(&p);
}

static void
target__that_is_none_is_refused(void **state)
{
    static const struct ssh_target targets[] = {
        {.host = NULL},
        {.host = ""},
        {.host = "-oProxyCommand=x"},
        {.host = "h", .user = ""},
        {.host = "h", .user = "-x"},
        {.host = "h", .port = 65536},
    };
    const struct ssh_options options = {0};
    (void)state;
    for (size_t i = 0; i < VV_COUNT(targets); i++) {
        struct byte_stream *s = NULL;
        assert_int_equal(ssh_connect(&targets[i], &options, &s, NULL), VV_EUSAGE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config__is_read),
        cmocka_unit_test(config__something_else_is_refused),
        cmocka_unit_test(config__survives_lack_of_memory),
        cmocka_unit_test(decision__by_configuration),
        cmocka_unit_test(decision__by_known_host_keys),
        cmocka_unit_test(decision__by_user_key),
        cmocka_unit_test(ciphers__gcm_comes_first_unless_somebody_chose),
        cmocka_unit_test(command__troubles_are_understood),
        cmocka_unit_test(command__what_it_told_is_taken_out),
        cmocka_unit_test(command__line_says_what_was_asked_for),
        cmocka_unit_test(target__that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
