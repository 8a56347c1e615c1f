/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes: every batch kernel this CPU has against libsodium and published vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "crypto/hash_selftest.h"

static const unsigned all_lanes[] = {8, 4, 1};
static uint64_t seed;

static uint64_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint8_t *
random_bytes(size_t len)
{
    uint8_t *bytes = malloc(len + 8);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = next_random();
        memcpy(bytes + i, &word, 8);
    }
    return bytes;
}

/* Hash the jobs with each number of lanes and compare with libsodium. */
static void
check_jobs(const uint8_t key[32], struct hash_job *jobs, size_t count)
{
    uint8_t(*expected)[32] = malloc(count * 32 + 1);
    assert_non_null(expected);
    for (size_t i = 0; i < count; i++) {
        crypto_generichash(expected[i], 32, jobs[i].data, jobs[i].len, key, 32);
    }
    for (size_t l = 0; l < VV_COUNT(all_lanes); l++) {
        if (blake2b_select_lanes(all_lanes[l]) != all_lanes[l]) {
            print_message("no %u-lane kernel on this processor\n", all_lanes[l]);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            memset(jobs[i].out, 0x55, 32);
        }
        blake2b_256_many(key, jobs, count);
        for (size_t i = 0; i < count; i++) {
            if (memcmp(jobs[i].out, expected[i], 32) != 0) {
                fail_msg("%u lanes, job %zu of %zu, %zu bytes", all_lanes[l], i, count,
                         jobs[i].len);
            }
        }
    }
    blake2b_select_lanes(0);
    free(expected);
}

/* Every message in memory of its own, so that a sanitizer sees a read beyond it. */
static void
check_lengths(const size_t *lengths, size_t count)
{
    uint8_t *key = random_bytes(32);
    struct hash_job *jobs = calloc(count + 1, sizeof(*jobs));
    assert_non_null(jobs);
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = malloc(lengths[i] > 0 ? lengths[i] : 1);
        assert_non_null(data);
        randombytes_buf_deterministic(data, lengths[i], key);
        jobs[i].data = data;
        jobs[i].len = lengths[i];
        sodium_increment(key, 32);
    }
    check_jobs(key, jobs, count);
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)jobs[i].data);
    }
    free(jobs);
    free(key);
}

static void
blake2b_many__equals_libsodium_for_every_length(void **state)
{
    (void)state;
    size_t lengths[1101];
    for (size_t i = 0; i < VV_COUNT(lengths); i++) {
        lengths[i] = i;
    }
    check_lengths(lengths, VV_COUNT(lengths)); /* mixed in one batch */
    for (size_t len = 0; len <= 1100; len += (len % 128 < 126 && len > 260) ? 25 : 1) {
        size_t same[11];
        for (size_t i = 0; i < VV_COUNT(same); i++) {
            same[i] = len;
        }
        check_lengths(same, VV_COUNT(same)); /* all lanes end at once */
    }
}

static void
blake2b_many__equals_libsodium_for_every_count(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 40; count++) {
        size_t lengths[40] = {0};
        for (size_t i = 0; i < count; i++) {
            lengths[i] = (size_t)(next_random() % 1500);
        }
        check_lengths(lengths, count);
    }
}

static void
blake2b_many__equals_libsodium_for_random_mixes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        size_t lengths[200] = {0};
        size_t count = 1 + (size_t)(next_random() % VV_COUNT(lengths));
        for (size_t i = 0; i < count; i++) {
            uint64_t r = next_random();
            switch (r & 7u) { /* empty, whole blocks, tiny, medium, now and then long */
            case 0:
                lengths[i] = 0;
                break;
            case 1:
                lengths[i] = (size_t)((r >> 8) % 40) * 128;
                break;
            case 2:
                lengths[i] = (size_t)((r >> 8) % 300000);
                break;
            default:
                lengths[i] = (size_t)((r >> 8) % 5000);
                break;
            }
        }
        check_lengths(lengths, count);
    }
}

static void
blake2b_many__takes_more_messages_than_one_group(void **state)
{
    (void)state;
    size_t lengths[1537]; /* ordered in groups of 512 */
    for (size_t i = 0; i < VV_COUNT(lengths); i++) {
        lengths[i] = (i / 512) % 2 == 0 ? (size_t)(next_random() % 700) : 0;
    }
    check_lengths(lengths, VV_COUNT(lengths));
}

static void
blake2b_many__takes_very_long_messages(void **state)
{
    (void)state;
    const size_t lengths[] = {16u << 20, 1, (3u << 20) + 17, 128, (1u << 20) - 1};
    check_lengths(lengths, VV_COUNT(lengths));
}

static void
blake2b_many__reads_unaligned_messages(void **state)
{
    (void)state;
    uint8_t *data = random_bytes(8192);
    struct hash_job jobs[64] = {0};
    for (size_t i = 0; i < VV_COUNT(jobs); i++) {
        jobs[i].data = data + i;
        jobs[i].len = 4096 + i;
    }
    check_jobs(data, jobs, VV_COUNT(jobs));
    free(data);
}

/* RFC 7693 appendix E: hashes of all digest and message lengths, keyed and not, hashed together.
 * The 32-byte keyed ones come from our kernels. */
static void
rfc_sequence(uint8_t *out, size_t len, uint32_t start)
{
    uint32_t a = 0xDEAD4BADu * start;
    uint32_t b = 1;
    for (size_t i = 0; i < len; i++) {
        uint32_t t = a + b;
        a = b;
        b = t;
        out[i] = (uint8_t)(t >> 24);
    }
}

static void
blake2b__passes_the_rfc_7693_self_test(void **state)
{
    (void)state;
    static const size_t digest_lens[] = {20, 32, 48, 64};
    static const size_t message_lens[] = {0, 3, 128, 129, 255, 1024};
    static const uint8_t grand[32] = {0xC2, 0x3A, 0x78, 0x00, 0xD9, 0x81, 0x23, 0xBD,
                                      0x10, 0xF5, 0x06, 0xC6, 0x1E, 0x29, 0xDA, 0x56,
                                      0x03, 0xD7, 0x63, 0xB8, 0xBB, 0xAD, 0x2E, 0x73,
                                      0x7F, 0x5E, 0x76, 0x5A, 0x7B, 0xCC, 0xD4, 0x75};
    for (size_t l = 0; l < VV_COUNT(all_lanes); l++) {
        blake2b_select_lanes(all_lanes[l]);
        struct vv_span parts[4 * 6 * 2];
        static uint8_t digests[VV_COUNT(parts)][64];
        static uint8_t messages[6][1024];
        size_t n = 0;
        for (size_t d = 0; d < 4; d++) {
            uint8_t key[64];
            size_t out_len = digest_lens[d];
            rfc_sequence(key, out_len, (uint32_t)out_len);
            struct hash_job jobs[6];
            for (size_t m = 0; m < 6; m++) {
                rfc_sequence(messages[m], message_lens[m], (uint32_t)message_lens[m]);
                jobs[m] = (struct hash_job){.data = messages[m], .len = message_lens[m]};
            }
            if (out_len == 32) {
                blake2b_256_many(key, jobs, 6);
            }
            for (size_t m = 0; m < 6; m++) {
                struct vv_span message = vv_span(messages[m], message_lens[m]);
                if (out_len == 32) {
                    blake2b_256(NULL, 0, &message, 1, digests[n]);
                    memcpy(digests[n + 1], jobs[m].out, 32);
                } else {
                    crypto_generichash(digests[n], out_len, message.data, message.len, NULL, 0);
                    crypto_generichash(digests[n + 1], out_len, message.data, message.len, key,
                                       out_len);
                }
                parts[n] = vv_span(digests[n], out_len);
                parts[n + 1] = vv_span(digests[n + 1], out_len);
                n += 2;
            }
        }
        uint8_t out[32];
        blake2b_256(NULL, 0, parts, n, out);
        assert_memory_equal(out, grand, 32);
    }
    blake2b_select_lanes(0);
}

static void
blake2b__hashes_parts_as_one_message(void **state)
{
    (void)state;
    uint8_t *data = random_bytes(700);
    struct vv_span whole = vv_span(data, 700);
    struct vv_span parts[5] = {vv_span(data, 1), vv_span(data + 1, 128), vv_span(NULL, 0),
                               vv_span(data + 129, 300), vv_span(data + 429, 271)};
    uint8_t key[64] = {9};
    for (size_t key_len = 0; key_len <= 64; key_len++) {
        uint8_t one[32];
        uint8_t many[32];
        uint8_t expected[32];
        blake2b_256(key, key_len, &whole, 1, one);
        blake2b_256(key, key_len, parts, 5, many);
        crypto_generichash(expected, 32, data, 700, key_len > 0 ? key : NULL, key_len);
        assert_memory_equal(one, expected, 32);
        assert_memory_equal(many, expected, 32);
    }
    free(data);
}

static void
blake2b_select_lanes__gives_what_the_cpu_has(void **state)
{
    (void)state;
    unsigned best = blake2b_select_lanes(0);
    assert_true(best == 1 || best == 4 || best == 8);
    assert_int_equal(blake2b_select_lanes(1), 1);
    assert_int_equal(blake2b_select_lanes(8), best);
    assert_int_equal(blake2b_select_lanes(4), best < 4 ? best : 4);
    assert_int_equal(blake2b_select_lanes(3), best); /* no such kernel: the best one */
    blake2b_select_lanes(0);
}

static void
check_sha256(const void *data, size_t len, const char *expected)
{
    uint8_t out[32];
    uint8_t raw[32];
    assert_true(vv_unhex(raw, 32, expected, 64));
    sha256(data, len, out);
    assert_memory_equal(out, raw, 32);
}

static void
sha256__gives_the_published_digests(void **state)
{
    (void)state;
    check_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    check_sha256(million, 1000000,
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void
sha256__streams_and_starts_again(void **state)
{
    (void)state;
    struct vv_error err = {0};
    VV_CLEANUP(sha256_freep) struct sha256 *s = NULL;
    assert_int_equal(sha256_new(&s, &err), VV_OK);
    uint8_t *data = random_bytes(5000);
    for (size_t len = 0; len <= 5000; len += 499) {
        uint8_t expected[32];
        uint8_t out[32];
        crypto_hash_sha256(expected, data, len);
        for (size_t done = 0; done < len;) {
            size_t part = 1 + (size_t)(next_random() % 300);
            part = part < len - done ? part : len - done;
            sha256_update(s, data + done, part);
            done += part;
        }
        sha256_finish(s, out);
        assert_memory_equal(out, expected, 32);
    }
    free(data);
    sha256_free(NULL);
}

static void
sha256_new__survives_memory_running_out(void **state)
{
    (void)state;
    struct vv_error err = {0};
    struct sha256 *s = NULL;
    vv_alloc_fail_at(1, 0);
    assert_int_equal(sha256_new(&s, &err), VV_ENOMEM);
    vv_alloc_fail_at(0, 0);
    assert_null(s);
}

/* Several threads at once, with the first look at the processor among what they do. */
struct hasher {
    struct vv_thread thread;
    const uint8_t *data;
    struct hash_job jobs[20];
    uint8_t digest[32];
};

static void
hash_in_thread(void *arg)
{
    static const uint8_t key[32] = {7};
    struct hasher *h = arg;
    for (unsigned round = 0; round < 20; round++) {
        blake2b_256_many(key, h->jobs, VV_COUNT(h->jobs));
        sha256(h->data, 3000, h->digest);
    }
}

static void
hashes__are_thread_safe(void **state)
{
    (void)state;
    static const uint8_t key[32] = {7};
    struct vv_error err = {0};
    static struct hasher hashers[4];
    uint8_t *data = random_bytes(3000);
    for (size_t t = 0; t < VV_COUNT(hashers); t++) {
        hashers[t].data = data;
        for (size_t i = 0; i < VV_COUNT(hashers[t].jobs); i++) {
            hashers[t].jobs[i] = (struct hash_job){.data = data + i, .len = 100 * i};
        }
        assert_int_equal(
            vv_thread_start(&hashers[t].thread, "hasher", hash_in_thread, &hashers[t], &err),
            VV_OK);
    }
    for (size_t t = 0; t < VV_COUNT(hashers); t++) {
        vv_thread_join(&hashers[t].thread);
        uint8_t expected[32];
        crypto_hash_sha256(expected, data, 3000);
        assert_memory_equal(hashers[t].digest, expected, 32);
        for (size_t i = 0; i < VV_COUNT(hashers[t].jobs); i++) {
            crypto_generichash(expected, 32, data + i, 100 * i, key, 32);
            assert_memory_equal(hashers[t].jobs[i].out, expected, 32);
        }
    }
    free(data);
}

static void
siphash__gives_the_published_values(void **state)
{
    (void)state;
    uint8_t bytes[16];
    for (unsigned i = 0; i < 16; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_true(siphash(bytes, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(siphash(bytes, bytes, 1) == UINT64_C(0x74f839c593dc67fd));
    assert_true(siphash(bytes, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
}

static void
hash_selftest__passes_with_every_kernel(void **state)
{
    (void)state;
    for (size_t l = 0; l < VV_COUNT(all_lanes); l++) {
        struct vv_error err = {0};
        blake2b_select_lanes(all_lanes[l]);
        assert_int_equal(hash_selftest(&err), VV_OK);
    }
    blake2b_select_lanes(0);
}

int
main(void)
{
    const char *given = getenv("VARVE_TEST_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : randombytes_random() + UINT64_C(1);
    print_message("VARVE_TEST_SEED=%llu\n", (unsigned long long)seed);
    if (sodium_init() < 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes__are_thread_safe), /* first: nothing is set up yet */
        cmocka_unit_test(blake2b_many__equals_libsodium_for_every_length),
        cmocka_unit_test(blake2b_many__equals_libsodium_for_every_count),
        cmocka_unit_test(blake2b_many__equals_libsodium_for_random_mixes),
        cmocka_unit_test(blake2b_many__takes_more_messages_than_one_group),
        cmocka_unit_test(blake2b_many__takes_very_long_messages),
        cmocka_unit_test(blake2b_many__reads_unaligned_messages),
        cmocka_unit_test(blake2b__passes_the_rfc_7693_self_test),
        cmocka_unit_test(blake2b__hashes_parts_as_one_message),
        cmocka_unit_test(blake2b_select_lanes__gives_what_the_cpu_has),
        cmocka_unit_test(sha256__gives_the_published_digests),
        cmocka_unit_test(sha256__streams_and_starts_again),
        cmocka_unit_test(sha256_new__survives_memory_running_out),
        cmocka_unit_test(siphash__gives_the_published_values),
        cmocka_unit_test(hash_selftest__passes_with_every_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
