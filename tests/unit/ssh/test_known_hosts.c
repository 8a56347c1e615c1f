/* SPDX-License-Identifier: BSD-2-Clause */
/* known_hosts files.  The keys, fingerprints and hashed names were made by ssh-keygen of OpenSSH
 * 9.2: `ssh-keygen -t TYPE`, `ssh-keygen -H -f FILE`, `ssh-keygen -lf FILE`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "core/file.h"
#include "ssh/known_hosts.h"

#define ED25519 "ssh-ed25519 " ED25519_KEY
#define ED25519_KEY "AAAAC3NzaC1lZDI1NTE5AAAAILVP/hwuDkUouVMSfsugtd7kNuW9ekZZMSWjnS0tjcDM"
#define ED25519_FINGERPRINT "SHA256:mVwQcFOQFmaeyvBD5mfNu2CCOwmbPKDXfjnzIyFIuk0"
#define ECDSA "ecdsa-sha2-nistp256 " ECDSA_KEY
#define ECDSA_KEY                                                                                  \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFJj4oGi81wwSSQo1+YQ1/ukxW1L"             \
    "KaJHyww8mZET8NgyzoOKOVQFpopU+R9zODaeUWdPxPmRc3X88RYTu0ZKuak="
#define ECDSA_FINGERPRINT "SHA256:o29L+MyB8WeFsuyTZGZ03gNrPCrRieQuIQw1ZP2rp6A"

/* backup.example, [127.0.0.1]:2222, [::1]:2222, nas */
static const char hashed[] =
    "|1|ZOXnpatZyUyt9C7ou2wb4qb/4fU=|iSMIY0mIjB/bGaq5t2dfkWjOefw= " ED25519 "\n"
    "|1|CWL/DNBibcC6KlwCWT2A9HwBVys=|Udcsw3mXe15GFKDP7aCMOoJo0kg= " ECDSA "\n"
    "|1|MpP576FQ1YAkjn0pBw8SGUulctY=|onh3OZI7QVn+TxN3wVIH/0kwUW8= " ECDSA "\n"
    "|1|NICqOjAVXnOYohbWs4L/AUbs6n0=|Zca7E7STT+Q1KvSlien5VMIqEms= " ED25519 "\n";

static struct vv_buf
key_of(const char *base64)
{
    struct vv_buf key = {0};
    assert_true(ssh_base64_decode(&key, vv_span(base64, strlen(base64))));
    return key;
}

static struct known_hosts_findings
search(const char *text, const char *name, const char *base64)
{
    struct known_hosts_findings f = {0};
    struct vv_error err = {0};
    struct vv_buf key = base64 == NULL ? (struct vv_buf){0} : key_of(base64);
    if (known_hosts_search(vv_span(text, strlen(text)), "file", name, vv_buf_span(&key), &f,
                           &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    vv_buf_release(&key);
    return f;
}

/* What a one-line file says about a host that shows the ed25519 key. */
static const struct {
    const char *line;
    const char *name;
    enum known_hosts_verdict verdict;
} cases[] = {
    {"nas " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"nas " ED25519 " a comment", "nas", KNOWN_HOSTS_MATCH},
    {"  nas\t" ED25519 "\r", "nas", KNOWN_HOSTS_MATCH},
    {"NAS " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"nas " ECDSA, "nas", KNOWN_HOSTS_MISMATCH},
    {"nas2 " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"na " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"a,nas,b " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"[nas]:2222 " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas " ED25519, "[nas]:2222", KNOWN_HOSTS_UNKNOWN},
    {"[nas]:2222 " ED25519, "[nas]:2222", KNOWN_HOSTS_MATCH},
    {"[*]:2222 " ED25519, "[nas]:2222", KNOWN_HOSTS_MATCH},
    {"* " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"*.example " ED25519, "backup.example", KNOWN_HOSTS_MATCH},
    {"*.example " ED25519, "example", KNOWN_HOSTS_UNKNOWN},
    {"n?s " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"n?s " ED25519, "ns", KNOWN_HOSTS_UNKNOWN},
    {"*a*s* " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"*,!nas " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"!nas,* " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"*,!na " ED25519, "nas", KNOWN_HOSTS_MATCH},
    {"!nas " ED25519, "other", KNOWN_HOSTS_UNKNOWN},
    {"@revoked nas " ED25519, "nas", KNOWN_HOSTS_REVOKED},
    {"@revoked * " ED25519, "nas", KNOWN_HOSTS_REVOKED},
    {"@revoked nas " ECDSA, "nas", KNOWN_HOSTS_UNKNOWN},
    {"@cert-authority nas " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"@strange nas " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    /* damaged */
    {"# nas " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas", "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas ssh-ed25519", "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas ecdsa-sha2-nistp256 " ED25519_KEY, "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas ssh-ed25519 AAAA!", "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas ssh-ed25519 AAAA", "nas", KNOWN_HOSTS_UNKNOWN},
    {"nas 1024 65537 1234567", "nas", KNOWN_HOSTS_UNKNOWN},
    {"|1|x " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"|1|| " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
    {"|2|a|b " ED25519, "nas", KNOWN_HOSTS_UNKNOWN},
};

static void
known_hosts__lines_mean_what_ssh_takes_them_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        struct known_hosts_findings f = search(cases[i].line, cases[i].name, ED25519_KEY);
        if (f.verdict != cases[i].verdict) {
            fail_msg("'%.60s' for '%s': %d", cases[i].line, cases[i].name, f.verdict);
        }
    }
}

static void
known_hosts__finds_hashed_names(void **state)
{
    (void)state;
    assert_int_equal(search(hashed, "backup.example", ED25519_KEY).verdict, KNOWN_HOSTS_MATCH);
    assert_int_equal(search(hashed, "nas", ED25519_KEY).line, 4);
    assert_int_equal(search(hashed, "[127.0.0.1]:2222", ECDSA_KEY).line, 2);
    assert_int_equal(search(hashed, "[::1]:2222", ECDSA_KEY).line, 3);
    assert_int_equal(search(hashed, "[::1]:2222", ED25519_KEY).verdict, KNOWN_HOSTS_MISMATCH);
    assert_int_equal(search(hashed, "127.0.0.1", ECDSA_KEY).verdict, KNOWN_HOSTS_UNKNOWN);
}

static void
known_hosts__names_the_line_and_its_fingerprint(void **state)
{
    static const char text[] = "# comment\n\nother " ED25519 "\nnas " ECDSA "\nnas " ECDSA "\n";
    struct known_hosts_findings f = search(text, "nas", ED25519_KEY);
    (void)state;
    assert_int_equal(f.verdict, KNOWN_HOSTS_MISMATCH);
    assert_int_equal(f.line, 4);
    assert_string_equal(f.file, "file");
    assert_string_equal(f.fingerprint, ECDSA_FINGERPRINT);
    assert_int_equal(f.type, SSH_KEY_ECDSA_256);
}

static void
known_hosts__revocation_beats_match_beats_mismatch(void **state)
{
    (void)state;
    assert_int_equal(search("nas " ECDSA "\nnas " ED25519 "\nnas " ECDSA, "nas", ED25519_KEY).line,
                     2);
    assert_int_equal(
        search("nas " ED25519 "\n@revoked * " ED25519 "\n", "nas", ED25519_KEY).verdict,
        KNOWN_HOSTS_REVOKED);
    assert_int_equal(
        search("@revoked * " ED25519 "\nnas " ED25519 "\n", "nas", ED25519_KEY).verdict,
        KNOWN_HOSTS_REVOKED);
}

static void
known_hosts__tells_types_before_a_key_is_seen(void **state)
{
    struct known_hosts_findings f = search(
        "nas " ECDSA "\n@revoked nas " ED25519 "\n@cert-authority *.example " ED25519, "nas", NULL);
    (void)state;
    assert_int_equal(f.verdict, KNOWN_HOSTS_UNKNOWN);
    assert_int_equal(f.types, 1u << SSH_KEY_ECDSA_256);
    assert_false(f.authority);
    f = search("@cert-authority *.example,!x.example " ED25519, "nas.example", NULL);
    assert_true(f.authority);
    assert_int_equal(f.types, 0);
}

static void
known_hosts__several_files_add_up(void **state)
{
    struct known_hosts_findings f = {0};
    struct vv_buf key = key_of(ED25519_KEY);
    (void)state;
    assert_int_equal(known_hosts_search(vv_span("nas " ECDSA, strlen("nas " ECDSA)), "one", "nas",
                                        vv_buf_span(&key), &f, NULL),
                     VV_OK);
    assert_int_equal(known_hosts_search(vv_span("nas " ED25519, strlen("nas " ED25519)), "two",
                                        "nas", vv_buf_span(&key), &f, NULL),
                     VV_OK);
    assert_int_equal(f.verdict, KNOWN_HOSTS_MATCH);
    assert_string_equal(f.file, "two");
    assert_int_equal(f.types, 1u << SSH_KEY_ECDSA_256 | 1u << SSH_KEY_ED25519);
    vv_buf_release(&key);
}

static void
known_hosts__names_hosts_as_ssh_does(void **state)
{
    struct vv_buf name = {0};
    (void)state;
    known_hosts_name("NAS.Example", 22, &name);
    assert_string_equal(vv_buf_text(&name), "nas.example");
    vv_buf_reset(&name);
    known_hosts_name("::1", 2222, &name);
    assert_string_equal(vv_buf_text(&name), "[::1]:2222");
    vv_buf_release(&name);
}

static void
known_hosts__fingerprints_are_those_of_ssh_keygen(void **state)
{
    struct vv_buf key = key_of(ED25519_KEY);
    char text[SSH_FINGERPRINT_SIZE];
    (void)state;
    ssh_key_fingerprint(vv_buf_span(&key), text);
    assert_string_equal(text, ED25519_FINGERPRINT);
    assert_true(ssh_key_fingerprint_same(text, ED25519_FINGERPRINT "="));
    assert_true(ssh_key_fingerprint_same(text, &ED25519_FINGERPRINT[7]));
    assert_false(ssh_key_fingerprint_same(text, ECDSA_FINGERPRINT));
    assert_false(ssh_key_fingerprint_same(text, ""));
    assert_false(ssh_key_fingerprint_valid("SHA256:"));
    assert_false(ssh_key_fingerprint_valid("MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"));
    vv_buf_release(&key);
}

/* ---- adding ---- */

static char directory[] = "/tmp/varve-known-XXXXXX";

static int
make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
remove_directory(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command); /* NOLINT: a test's own temporary directory */
}

static void
append(const char *path, const char *name, bool hash)
{
    struct vv_buf key = key_of(ED25519_KEY);
    struct vv_error err = {0};
    if (known_hosts_append(path, name, vv_buf_span(&key), hash, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    vv_buf_release(&key);
}

static void
known_hosts__a_key_added_is_found(void **state)
{
    char path[160];
    char parent[128];
    char left[4096];
    struct vv_buf text = {0};
    struct stat st;
    FILE *file;
    (void)state;
    (void)snprintf(parent, sizeof(parent), "%s/.ssh", directory);
    (void)snprintf(path, sizeof(path), "%s/known_hosts", parent);
    append(path, "[nas]:2222", false);
    assert_int_equal(stat(parent, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs("# no end of line", file) >= 0);
    assert_int_equal(fclose(file), 0);
    append(path, "backup.example", true);
    assert_int_equal(vv_file_read(AT_FDCWD, path, sizeof(left), &text, NULL), VV_OK);
    assert_null(strstr(vv_buf_text(&text), "backup.example"));
    assert_int_equal(search(vv_buf_text(&text), "[nas]:2222", ED25519_KEY).line, 1);
    assert_int_equal(search(vv_buf_text(&text), "backup.example", ED25519_KEY).line, 3);
    vv_buf_release(&text);
    /* ssh-keygen finds both, hashed or not. */
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(left, sizeof(left), "ssh-keygen -F '%s' -f '%s' >%s/found",
                       i == 0 ? "[nas]:2222" : "backup.example", path, directory);
        assert_int_equal(system(left), 0); /* NOLINT */
    }
}

static enum vv_rc
sweep(void *arg, struct vv_error *err)
{
    struct known_hosts_findings f = {0};
    (void)arg;
    return known_hosts_search(vv_span(hashed, strlen(hashed)), "file", "nas", vv_span("k", 1), &f,
                              err);
}

static void
known_hosts__survives_lack_of_memory(void **state)
{
    (void)state;
    assert_true(alloc_sweep(sweep, NULL) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_hosts__lines_mean_what_ssh_takes_them_for),
        cmocka_unit_test(known_hosts__finds_hashed_names),
        cmocka_unit_test(known_hosts__names_the_line_and_its_fingerprint),
        cmocka_unit_test(known_hosts__revocation_beats_match_beats_mismatch),
        cmocka_unit_test(known_hosts__tells_types_before_a_key_is_seen),
        cmocka_unit_test(known_hosts__several_files_add_up),
        cmocka_unit_test(known_hosts__names_hosts_as_ssh_does),
        cmocka_unit_test(known_hosts__fingerprints_are_those_of_ssh_keygen),
        cmocka_unit_test(known_hosts__a_key_added_is_found),
        cmocka_unit_test(known_hosts__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
