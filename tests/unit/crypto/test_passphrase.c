/* SPDX-License-Identifier: BSD-2-Clause */
/* Argon2id against values computed by PyNaCl's crypto_pwhash_alg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/passphrase.h"

/* The sanitizers need the address space the test takes away. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ADDRESS_SPACE_NEEDED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ADDRESS_SPACE_NEEDED 1
#endif

static const uint8_t salt_text[] = "0123456789abcdef";

static void
assert_key(const char *hex, struct vv_span passphrase, const uint8_t salt[16], uint32_t passes,
           uint32_t memory_kib)
{
    uint8_t want[32];
    uint8_t got[32] = {0};
    assert_true(vv_unhex(want, 32, hex, strlen(hex)));
    struct vv_error err = {0};
    assert_int_equal(argon2id(passphrase, salt, passes, memory_kib, got, &err), VV_OK);
    assert_memory_equal(got, want, 32);
}

static void
argon2id__matches_pynacl(void **state)
{
    (void)state;
    static const uint8_t zero_salt[16];
    assert_key("92599c67f23f1d9dce9b6f0cfb5a9b18ce110336de00799947472465edd9e49a",
               vv_span("correct horse", 13), salt_text, 3, 65536);
    assert_key("8ffefa1e06e0e64378ef20d581990cd4d58d83c94e8205cc67138cb1e178f690",
               vv_span("\x00\xff", 2), zero_salt, 2, 9000);
}

static void
argon2id__takes_an_empty_passphrase(void **state)
{
    (void)state;
    static const char want[] = "d440eba67886df93d643dcb8a69b02af68c16d284cd6f68659553e245bf9efc0";
    assert_key(want, vv_span(NULL, 0), salt_text, 1, 8);
    assert_key(want, vv_span("", 0), salt_text, 1, 8);
}

static void
argon2id__refuses_impossible_parameters(void **state)
{
    (void)state;
    static const uint8_t before[32] = {0x77};
    uint8_t key[32] = {0x77};
    struct vv_error err = {0};
    struct vv_span passphrase = vv_span("p", 1);
    assert_int_equal(argon2id(passphrase, salt_text, 0, 8, key, &err), VV_EUSAGE);
    assert_int_equal(argon2id(passphrase, salt_text, 1, 7, key, &err), VV_EUSAGE);
    assert_int_equal(argon2id(passphrase, salt_text, 1, 0, key, &err), VV_EUSAGE);
    assert_memory_equal(key, before, 32);
}

#ifndef ADDRESS_SPACE_NEEDED
/* In a child whose address space is too small: an error with a hint, and the key untouched. */
static int
derive_without_memory(void)
{
    uint8_t key[32] = {0x77};
    struct vv_error err = {0};
    const struct rlimit none = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_AS, &none) != 0) {
        return 2;
    }
    if (argon2id(vv_span("p", 1), salt_text, 1, 1 << 18, key, &err) != VV_ENOMEM) {
        return 3;
    }
    if (err.rc != VV_ENOMEM || strstr(err.hint, "256 MiB") == NULL) {
        return 4;
    }
    return key[0] == 0x77 && key[1] == 0 ? 0 : 5;
}

static void
argon2id__says_how_much_memory_is_missing(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(derive_without_memory());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(argon2id__matches_pynacl),
        cmocka_unit_test(argon2id__takes_an_empty_passphrase),
        cmocka_unit_test(argon2id__refuses_impossible_parameters),
#ifndef ADDRESS_SPACE_NEEDED
        cmocka_unit_test(argon2id__says_how_much_memory_is_missing),
#endif
    };
    return cmocka_run_group_tests_name("crypto/passphrase", tests, NULL, NULL);
}
