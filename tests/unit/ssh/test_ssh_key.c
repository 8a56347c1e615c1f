/* SPDX-License-Identifier: BSD-2-Clause */
/* What private key files tell without their passphrase ("secret"), and base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ssh/ssh_key.h"

static const char plain_ecdsa[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n"
    "1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQRSY+KBovNcMEkkKNfmENf7pMVtSymi\n"
    "R8sMPJmRE/DYMs6DijlUBaaKVPkfczg2nlFnT8T5kXN1/PEWE7tGSrmpAAAAoFvD5tBbw+\n"
    "bQAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFJj4oGi81wwSSQo\n"
    "1+YQ1/ukxW1LKaJHyww8mZET8NgyzoOKOVQFpopU+R9zODaeUWdPxPmRc3X88RYTu0ZKua\n"
    "kAAAAhALg2C8D7PHmbBf0hFM8uyclSW+qmpbpK2qThqhNAATSJAAAAB3Jvb3RAdm0=\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static const char locked_ed25519[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABCx8ZSJb7\n"
    "IioXb7j/naD5JJAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIFRcsp5Uw33O1b3F\n"
    "HEnnteu7mE09wHGmOyEYINvgzJbXAAAAkEwQ0T2vs9i+3YDJEhcVt51irtdRphncFbynjB\n"
    "u/GOqWlRBPOOokG+9/CrFbYfZF2jXwsR34f62uy+3z8/5eYUr4LwvjNWamdimCjLOqt7Hn\n"
    "3XXeAZd6CK7bQnoALZ5ji17RfrdNE2dqt1ljnlm1CNDKUxamFE6PsKK/xsP13CORXVlyTm\n"
    "HzyxL5+PYJoLBL9g==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static const char pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
                          "MHcCAQEEILSyw301m2NNy2SzCqLdvN0IMzQlpajuMAo98vn3avowoAoGCCqGSM49\n"
                          "AwEHoUQDQgAETZA6FRBfyUjNPm0zqM6lPsJbc1pUBbydCTYnUc7rAIHQU/BPj6Ih\n"
                          "1zlwKroXiVZu1bnA0ddGDzDzHZps/jH/UQ==\n"
                          "-----END EC PRIVATE KEY-----\n";

static const char pem_locked[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,2CCBAA62F70E87CE18352688FD1503C6\n"
    "\n"
    "LzCI+26H6dR2mJZS/Bhqy16gROrPkbhhfeKdHLhm9SL+H1PfhycnDgu5wkgGbOeY\n"
    "S3XdwLAcaB3GbGYo1QHxSQvItDVToB02ldxFQuyEJ7YvfeYZudbK/AyJAQO0/NT3\n"
    "ICeNJUe2ZRVTeFfBOxRE63OIZQp22wAbDBAdAXkvvLw=\n"
    "-----END EC PRIVATE KEY-----\n";

static const char pkcs8_locked[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhpYXqjFSqzqgICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEP9id6iyDU/C0iSQGSjBbo8EgZCl\n"
    "2L/eLueu74KYAW3WIrs5SnalEsz1kR626VQsg0vHxvsBzAh0wKEAqvO2Yk9A9dZ1\n"
    "Mmdkei8l3z0BFL0Px2NNSjgc3h9KtY6uTsZlVYBj8vnZ2Wyy4Mo5M9PzMj27KRQO\n"
    "mbySMFpRtlS3lha59pprdBPEX81TkpPQcegSXc75zrkz7dU20uqXwHNn8Lwv+Aw=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static struct ssh_key_file
parse(const char *text)
{
    struct ssh_key_file f = {0};
    struct vv_error err = {0};
    if (ssh_key_file_parse(vv_span(text, strlen(text)), &f, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    return f;
}

static void
assert_tells(const char *text, enum ssh_key_type type, bool encrypted, bool has_public)
{
    struct ssh_key_file f = parse(text);
    assert_int_equal(f.type, type);
    assert_int_equal(f.encrypted, encrypted);
    assert_int_equal(f.public_key.len > 0, has_public);
    ssh_key_file_release(&f);
}

static void
key_file__tells_type_and_encryption(void **state)
{
    (void)state;
    assert_tells(plain_ecdsa, SSH_KEY_ECDSA_256, false, true);
    assert_tells(locked_ed25519, SSH_KEY_ED25519, true, true);
    assert_tells(pem, SSH_KEY_UNKNOWN, false, false);
    assert_tells(pem_locked, SSH_KEY_UNKNOWN, true, false);
    assert_tells(pkcs8_locked, SSH_KEY_UNKNOWN, true, false);
    assert_tells("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                 SSH_KEY_RSA, false, false);
}

static void
key_file__refuses_what_is_none(void **state)
{
    static const char *const texts[] = {
        "", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n****\n-----END OPENSSH PRIVATE KEY-----\n"};
    (void)state;
    for (size_t i = 0; i < VV_COUNT(texts); i++) {
        struct ssh_key_file f = {0};
        assert_int_equal(ssh_key_file_parse(vv_span(texts[i], strlen(texts[i])), &f, NULL),
                         VV_EUNSUPPORTED);
    }
    /* Cut anywhere. */
    for (size_t len = 0; len + 1 < sizeof(plain_ecdsa) - 1; len++) {
        struct ssh_key_file f = {0};
        assert_int_equal(ssh_key_file_parse(vv_span(plain_ecdsa, len), &f, NULL), VV_EUNSUPPORTED);
    }
}

static void
base64__both_ways(void **state)
{
    static const struct {
        const char *plain;
        const char *coded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}}; /* RFC 4648, 10 */
    static const char *const bad[] = {
        "Z", "Zg=", "Z===", "Zg==Zg==", "Zg=a", "=", "Zm9v!", "Zm9vY"};
    struct vv_buf out = {0};
    (void)state;
    for (size_t i = 0; i < VV_COUNT(vectors); i++) {
        ssh_base64_encode(&out, vv_span(vectors[i].plain, strlen(vectors[i].plain)));
        assert_string_equal(vv_buf_text(&out), vectors[i].coded);
        vv_buf_reset(&out);
        assert_true(ssh_base64_decode(&out, vv_span(vectors[i].coded, strlen(vectors[i].coded))));
        assert_string_equal(vv_buf_text(&out), vectors[i].plain);
        vv_buf_reset(&out);
        assert_true(
            ssh_base64_decode(&out, vv_span(vectors[i].coded, strcspn(vectors[i].coded, "="))));
        assert_string_equal(vv_buf_text(&out), vectors[i].plain);
        vv_buf_reset(&out);
    }
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_false(ssh_base64_decode(&out, vv_span(bad[i], strlen(bad[i]))));
    }
    vv_buf_release(&out);
}

static void
key_types__by_name(void **state)
{
    (void)state;
    for (unsigned i = SSH_KEY_ED25519; i < SSH_KEY_CERTIFICATE; i++) {
        const char *name = ssh_key_type_name((enum ssh_key_type)i);
        assert_int_equal(ssh_key_type_from_name(vv_span(name, strlen(name))), i);
    }
    static const char certificate[] = "ssh-ed25519-cert-v01@openssh.com";
    assert_int_equal(ssh_key_type_from_name(vv_span(certificate, strlen(certificate))),
                     SSH_KEY_CERTIFICATE);
    assert_int_equal(ssh_key_type_from_name(vv_span("", 0)), SSH_KEY_UNKNOWN);
    assert_int_equal(ssh_key_type_of(vv_span("\xff\xff\xff\xffssh-rsa", 11)), SSH_KEY_UNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_file__tells_type_and_encryption),
        cmocka_unit_test(key_file__refuses_what_is_none),
        cmocka_unit_test(base64__both_ways),
        cmocka_unit_test(key_types__by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
