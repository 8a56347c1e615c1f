/* SPDX-License-Identifier: BSD-2-Clause */
/* Guarded memory, process hardening, wiping and comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/secret.h"

/* The sanitizers' run-time libraries make mlock do nothing. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LOCKING_DISABLED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKING_DISABLED true
#endif
#ifndef LOCKING_DISABLED
#define LOCKING_DISABLED false
#endif

static atomic_int threads_ready;

static void
initialise(void *arg)
{
    (void)arg;
    atomic_fetch_add(&threads_ready, crypto_init(NULL) == VV_OK ? 1 : 0);
}

static void
crypto_init__works_from_many_threads_at_once(void **state)
{
    (void)state;
    struct vv_thread threads[4];
    memset(threads, 0, sizeof(threads));
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        assert_int_equal(vv_thread_start(&threads[i], "init", initialise, NULL, NULL), VV_OK);
    }
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&threads_ready), (int)VV_COUNT(threads));
}

static void
crypto_init__forbids_dumps_and_can_be_repeated(void **state)
{
    (void)state;
    struct vv_error err = {0};
    assert_int_equal(crypto_init(&err), VV_OK);
    assert_int_equal(crypto_init(&err), VV_OK);
    assert_int_equal(err.rc, VV_OK);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
}

static void
secret__is_zero_writable_and_sized(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 32, 64, 4096, 4097, 100000};
    for (size_t i = 0; i < VV_COUNT(lengths); i++) {
        struct secret *s = NULL;
        assert_int_equal(secret_new(lengths[i], &s, NULL), VV_OK);
        assert_int_equal(secret_len(s), lengths[i]);
        for (size_t at = 0; at < lengths[i]; at++) {
            assert_int_equal(secret_data(s)[at], 0);
        }
        memset(secret_data(s), 0xa5, lengths[i]);
        secret_free(s);
    }
    secret_free(NULL);
}

static void
secret__ends_at_an_inaccessible_page(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        static struct secret *s; /* static: the sanitizer counts it as reachable */
        if (secret_new(32, &s, NULL) != VV_OK) {
            _exit(2);
        }
        volatile uint8_t *data = secret_data(s);
        data[31] = 1; /* fine */
        data[32] = 1; /* not fine */
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* Whether the mapping around ${p} carries ${flag} in /proc/self/smaps. */
static bool
mapping_has(const void *p, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    if (f == NULL) {
        return false;
    }
    char line[512];
    bool inside = false;
    bool found = false;
    while (fgets(line, sizeof(line), f) != NULL) {
        unsigned long from;
        unsigned long to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = from <= (uintptr_t)p && (uintptr_t)p < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line + 8, flag) != NULL;
        }
    }
    (void)fclose(f);
    return found;
}

static void
secret__is_locked_and_excluded_from_dumps(void **state)
{
    (void)state;
    struct secret *s = NULL;
    assert_int_equal(secret_new(32, &s, NULL), VV_OK);
    assert_true(mapping_has(secret_data(s), " dd")); /* MADV_DONTDUMP */
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    bool can_lock = !LOCKING_DISABLED && limit.rlim_cur >= 1 << 20;
    assert_true(mapping_has(secret_data(s), " lo") || !can_lock);
    secret_free(s);
}

/* Beyond the lock limit a secret works, unlocked, and stays out of dumps. */
static void
secret__works_without_any_lockable_memory(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        struct secret *s = NULL;
        int result = 0;
        if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) {
            result = 2;
        } else if (secret_new(1 << 20, &s, NULL) != VV_OK) {
            result = 3;
        } else {
            memset(secret_data(s), 1, 1 << 20);
            result = mapping_has(secret_data(s), " dd") ? 0 : 4;
            secret_free(s);
        }
        _exit(result);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
secret__reports_missing_memory(void **state)
{
    (void)state;
    struct secret *untouched = (struct secret *)0x10;
    struct secret *s = untouched;
    struct vv_error err = {0};
    assert_int_equal(secret_new(SIZE_MAX / 2, &s, &err), VV_ENOMEM);
    assert_int_equal(err.rc, VV_ENOMEM);
    assert_int_equal(secret_new(SIZE_MAX - 8, &s, &err), VV_ENOMEM);
    vv_alloc_fail_at(1, 0);
    assert_int_equal(secret_new(32, &s, &err), VV_ENOMEM);
    vv_alloc_fail_at(0, 0);
    assert_ptr_equal(s, untouched);
}

static void
crypto_wipe__zeroes_exactly_its_bytes(void **state)
{
    (void)state;
    uint8_t bytes[40];
    for (size_t len = 0; len <= 32; len++) {
        memset(bytes, 0xee, sizeof(bytes));
        crypto_wipe(bytes + 4, len);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            assert_int_equal(bytes[i], i >= 4 && i < 4 + len ? 0 : 0xee);
        }
    }
    crypto_wipe(NULL, 0);
}

static void
crypto_equal__notices_every_bit(void **state)
{
    (void)state;
    uint8_t a[33] = {1, 2, 3};
    uint8_t b[33] = {1, 2, 3};
    assert_true(crypto_equal(a, b, sizeof(a)));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(crypto_equal(a, b, sizeof(a)));
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    b[32] = 1;
    assert_true(crypto_equal(a, b, 32));
    assert_true(crypto_equal(NULL, NULL, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crypto_init__works_from_many_threads_at_once),
        cmocka_unit_test(crypto_init__forbids_dumps_and_can_be_repeated),
        cmocka_unit_test(secret__is_zero_writable_and_sized),
        cmocka_unit_test(secret__ends_at_an_inaccessible_page),
        cmocka_unit_test(secret__is_locked_and_excluded_from_dumps),
        cmocka_unit_test(secret__works_without_any_lockable_memory),
        cmocka_unit_test(secret__reports_missing_memory),
        cmocka_unit_test(crypto_wipe__zeroes_exactly_its_bytes),
        cmocka_unit_test(crypto_equal__notices_every_bit),
    };
    return cmocka_run_group_tests_name("crypto/secret", tests, NULL, NULL);
}
