/* SPDX-License-Identifier: BSD-2-Clause */
/* What an sftp URL means, and which ones mean nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "storage/sftp_url.h"

struct good_url {
    const char *url;
    const char *user;
    const char *host;
    unsigned port;
    const char *path;
};

static void
sftp_url__is_taken_apart(void **state)
{
    static const struct good_url urls[] = {
        {"sftp://host/srv/varve", NULL, "host", 0, "/srv/varve"},
        {"sftp://backup@host/srv/varve", "backup", "host", 0, "/srv/varve"},
        {"sftp://backup@host:2222/srv/varve", "backup", "host", 2222, "/srv/varve"},
        {"SFTP://Host.Example-1.org:65535/x", NULL, "Host.Example-1.org", 65535, "/x"},
        {"sftp://host_alias/x", NULL, "host_alias", 0, "/x"},
        {"sftp://192.0.2.7:22/x", NULL, "192.0.2.7", 22, "/x"},
        {"sftp://[2001:db8::7]/x", NULL, "2001:db8::7", 0, "/x"},
        {"sftp://u@[::1]:2022/x", "u", "::1", 2022, "/x"},
        {"sftp://[fe80::1%25eth0]:22/x", NULL, "fe80::1%eth0", 22, "/x"},
        {"sftp://host/srv/varve///", NULL, "host", 0, "/srv/varve"},
        {"sftp://host/", NULL, "host", 0, "/"},
        {"sftp://host//", NULL, "host", 0, "/"},
        {"sftp://host/~/backups/shop", NULL, "host", 0, "backups/shop"},
        {"sftp://host/~/backups/", NULL, "host", 0, "backups"},
        {"sftp://host/~//backups", NULL, "host", 0, "backups"},
        {"sftp://host/~/", NULL, "host", 0, "."},
        {"sftp://host/~", NULL, "host", 0, "."},
        {"sftp://host/%7E/x", NULL, "host", 0, "/~/x"},
        {"sftp://host/~user/x", NULL, "host", 0, "/~user/x"},
        {"sftp://host/my%20shop/100%25/%c3%A4", NULL, "host", 0, "/my shop/100%/\xc3\xa4"},
        {"sftp://host/a%3Fb%23c", NULL, "host", 0, "/a?b#c"},
        {"sftp://host/a:b@c", NULL, "host", 0, "/a:b@c"},
        {"sftp://u%40example.org@host/x", "u@example.org", "host", 0, "/x"},
        {"sftp://u@example.org@host/x", "u@example.org", "host", 0, "/x"},
        {"sftp://domain%5Cu@host/x", "domain\\u", "host", 0, "/x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct sftp_url u = {0};
        struct vv_error err = {0};
        if (sftp_url_parse(urls[i].url, &u, &err) != VV_OK) {
            fail_msg("%s: %s", urls[i].url, err.message);
        }
        assert_string_equal(u.user != NULL ? u.user : "none",
                            urls[i].user != NULL ? urls[i].user : "none");
        assert_string_equal(u.host, urls[i].host);
        assert_int_equal(u.port, urls[i].port);
        assert_string_equal(u.path, urls[i].path);
        sftp_url_release(&u);
        assert_null(u.host);
    }
}

static void
sftp_url__refuses_what_is_malformed(void **state)
{
    static const char *const urls[] = {
        "sftp://",
        "sftp:///path",
        "sftp://host",
        "sftp://user@host",
        "sftp://user@/path",
        "sftp://@host/path",
        "sftp://host:/path",
        "sftp://host:0/path",
        "sftp://host:65536/path",
        "sftp://host:999999/path",
        "sftp://host:22x/path",
        "sftp://host:-1/path",
        "sftp://ho st/path",
        "sftp://host%41/path",
        "sftp://-oProxyCommand=x/path",
        "sftp://-oProxyCommand@host/path",
        "sftp://%2doProxyCommand@host/path",
        "sftp://us%0aer@host/path",
        "sftp://[::1/path",
        "sftp://[]/path",
        "sftp://[::1]22/path",
        "sftp://[::g]/path",
        "sftp://[host]/path",
        "sftp://[::1%25eth 0]/path",
        "sftp://::1/path",
        "sftp://host/a%",
        "sftp://host/a%2",
        "sftp://host/a%zz",
        "sftp://host/a%00b",
        "sftp://host/a?b",
        "sftp://host/a#b",
        "sftp://host?x/y",
        "sftp:host/path",
        "http://host/path",
        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct sftp_url u = {0};
        struct vv_error err = {0};
        if (sftp_url_parse(urls[i], &u, &err) != VV_EUSAGE) {
            fail_msg("%s was taken, or refused for another reason", urls[i]);
        }
        assert_non_null(strstr(err.hint, "sftp://[USER@]HOST[:PORT]/PATH"));
        assert_null(u.host);
        assert_null(u.user);
        assert_null(u.path);
    }
}

static void
sftp_url__takes_no_password_and_does_not_repeat_it(void **state)
{
    struct sftp_url u = {0};
    struct vv_error err = {0};
    (void)state;
    assert_int_equal(sftp_url_parse("sftp://user:hunter2@host/path", &u, &err), VV_EUSAGE);
    assert_null(strstr(err.message, "hunter2"));
    assert_null(strstr(err.hint, "hunter2"));
    assert_non_null(strstr(err.hint, "VARVE_SSH_PASSWORD_FILE"));
    assert_int_equal(sftp_url_parse("sftp://user:hunter2@ho st/path", &u, &err), VV_EUSAGE);
    assert_null(strstr(err.message, "hunter2"));
    assert_int_equal(sftp_url_parse("sftp://user@host/path", &u, NULL), VV_OK);
    sftp_url_release(&u);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sftp_url__is_taken_apart),
        cmocka_unit_test(sftp_url__refuses_what_is_malformed),
        cmocka_unit_test(sftp_url__takes_no_password_and_does_not_repeat_it),
    };
    return cmocka_run_group_tests_name("sftp_url", tests, NULL, NULL);
}
