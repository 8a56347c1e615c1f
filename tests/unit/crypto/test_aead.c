/* SPDX-License-Identifier: BSD-2-Clause */
/* Authenticated encryption: published vectors, tampering, reuse of contexts and memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

/* All in hexadecimal. */
struct vector {
    uint8_t suite;
    const char *key;
    const char *nonce;
    const char *aad;
    const char *plain;
    const char *sealed; /* ciphertext and tag */
};

static const struct vector vectors[] = {
    /* The AES-256-GCM test cases 13 to 16 of McGrew and Viega's submission to NIST. */
    {1, "0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {1, "0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {1, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    {1, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    /* RFC 8439, 2.8.2. */
    {2, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
     "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
     "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
     "637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
    /* Empty message and additional data: Python's cryptography. */
    {2, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "404142434445464748494a4b", "", "", "2feeb456ec810ae069850c4c40c195c9"},
};

static const uint8_t key_a[32] = {1, 2, 3};
static const uint8_t key_b[32] = {3, 2, 1};
static const uint8_t nonce_a[12] = {9};
static const uint8_t nonce_b[12] = {8};

/* The bytes of ${hex} in ${out}; returns how many. */
static size_t
unhex(uint8_t *out, size_t size, const char *hex)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= size);
    assert_true(vv_unhex(out, len, hex, 2 * len));
    return len;
}

static struct aead *
new_aead(uint8_t suite, const uint8_t key[32])
{
    struct aead *a = NULL;
    struct vv_error err = {0};
    assert_int_equal(aead_new(suite, key, &a, &err), VV_OK);
    return a;
}

static void
aead__matches_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        uint8_t key[32];
        uint8_t nonce[12];
        uint8_t aad[64];
        uint8_t plain[128];
        uint8_t sealed[144];
        uint8_t out[144];
        unhex(key, sizeof(key), v->key);
        unhex(nonce, sizeof(nonce), v->nonce);
        struct vv_span aad_span = vv_span(aad, unhex(aad, sizeof(aad), v->aad));
        struct vv_span plain_span = vv_span(plain, unhex(plain, sizeof(plain), v->plain));
        struct vv_span sealed_span = vv_span(sealed, unhex(sealed, sizeof(sealed), v->sealed));
        VV_CLEANUP(aead_freep) struct aead *a = new_aead(v->suite, key);
        for (int again = 0; again < 2; again++) {
            memset(out, 0xee, sizeof(out));
            assert_int_equal(aead_seal(a, nonce, aad_span, plain_span, out, NULL), VV_OK);
            assert_memory_equal(out, sealed, sealed_span.len);
            memset(out, 0xee, sizeof(out));
            assert_int_equal(aead_open(a, nonce, aad_span, sealed_span, out, NULL), VV_OK);
            assert_memory_equal(out, plain, plain_span.len);
            assert_int_equal(out[plain_span.len], 0xee);
        }
    }
}

static void
aead__works_in_place_at_every_length(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 255, 256, 1023, 4096, 70001, 1 << 20};
    uint8_t *plain = vv_alloc((1 << 20) + 64);
    uint8_t *work = vv_alloc((1 << 20) + 64);
    uint8_t *apart = vv_alloc((1 << 20) + 64);
    assert_true(plain != NULL && work != NULL && apart != NULL);
    for (size_t i = 0; i < (1 << 20); i++) {
        plain[i] = (uint8_t)(i * 31 >> 3);
    }
    for (uint8_t suite = 1; suite <= 2; suite++) {
        VV_CLEANUP(aead_freep) struct aead *a = new_aead(suite, key_a);
        for (size_t i = 0; i < VV_COUNT(lengths); i++) {
            size_t len = lengths[i];
            struct vv_span aad = vv_span("head", i % 2 == 0 ? 4 : 0);
            memcpy(work, plain, len);
            assert_int_equal(aead_seal(a, nonce_a, aad, vv_span(plain, len), apart, NULL), VV_OK);
            assert_int_equal(aead_seal(a, nonce_a, aad, vv_span(work, len), work, NULL), VV_OK);
            assert_memory_equal(work, apart, len + AEAD_TAG_LEN);
            assert_int_equal(
                aead_open(a, nonce_a, aad, vv_span(work, len + AEAD_TAG_LEN), work, NULL), VV_OK);
            assert_memory_equal(work, plain, len);
        }
    }
    vv_free(plain);
    vv_free(work);
    vv_free(apart);
}

/* Opening must fail, say corrupt, and leave zeros. */
static void
assert_refused(struct aead *a, const uint8_t nonce[12], struct vv_span aad, const uint8_t *sealed,
               size_t len)
{
    uint8_t out[256];
    struct vv_error err = {0};
    memset(out, 0xee, sizeof(out));
    assert_int_equal(aead_open(a, nonce, aad, vv_span(sealed, len), out, &err), VV_ECORRUPT);
    assert_int_equal(err.rc, VV_ECORRUPT);
    assert_true(err.message[0] != '\0');
    for (size_t i = 0; i + AEAD_TAG_LEN < len; i++) {
        assert_int_equal(out[i], 0);
    }
}

static void
aead__refuses_every_changed_bit(void **state)
{
    (void)state;
    uint8_t sealed[37 + AEAD_TAG_LEN];
    const struct vv_span aad = vv_span("name", 4);
    const struct vv_span text = vv_span("thirty-seven bytes of a secret text!!", 37);
    for (uint8_t suite = 1; suite <= 2; suite++) {
        VV_CLEANUP(aead_freep) struct aead *a = new_aead(suite, key_a);
        assert_int_equal(aead_seal(a, nonce_a, aad, text, sealed, NULL), VV_OK);
        for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
            sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_refused(a, nonce_a, aad, sealed, sizeof(sealed));
            sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t len = 0; len < sizeof(sealed); len++) {
            assert_refused(a, nonce_a, aad, sealed, len);
        }
        assert_refused(a, nonce_b, aad, sealed, sizeof(sealed));
        assert_refused(a, nonce_a, vv_span("nam", 3), sealed, sizeof(sealed));
        assert_refused(a, nonce_a, vv_span(NULL, 0), sealed, sizeof(sealed));
        uint8_t out[37];
        assert_int_equal(aead_open(a, nonce_a, aad, vv_span(sealed, sizeof(sealed)), out, NULL),
                         VV_OK);
        assert_memory_equal(out, text.data, 37);
        assert_int_equal(aead_rekey(a, suite, key_b, NULL), VV_OK);
        assert_refused(a, nonce_a, aad, sealed, sizeof(sealed));
    }
}

static void
aead__failed_opening_in_place_leaves_zeros(void **state)
{
    (void)state;
    uint8_t work[5 + AEAD_TAG_LEN];
    VV_CLEANUP(aead_freep) struct aead *a = new_aead(1, key_a);
    assert_int_equal(aead_seal(a, nonce_a, vv_span(NULL, 0), vv_span("12345", 5), work, NULL),
                     VV_OK);
    work[5] ^= 1;
    assert_int_equal(
        aead_open(a, nonce_a, vv_span(NULL, 0), vv_span(work, sizeof(work)), work, NULL),
        VV_ECORRUPT);
    assert_memory_equal(work, "\0\0\0\0\0", 5);
}

static void
aead__rekeying_changes_key_and_suite(void **state)
{
    (void)state;
    const struct vv_span text = vv_span("text", 4);
    uint8_t fresh[4][4 + AEAD_TAG_LEN];
    uint8_t reused[4 + AEAD_TAG_LEN];
    for (unsigned i = 0; i < 4; i++) {
        VV_CLEANUP(aead_freep)
        struct aead *a = new_aead((uint8_t)(1 + i / 2), i % 2 == 0 ? key_a : key_b);
        assert_int_equal(aead_seal(a, nonce_a, vv_span(NULL, 0), text, fresh[i], NULL), VV_OK);
        for (unsigned j = 0; j < i; j++) {
            assert_memory_not_equal(fresh[i], fresh[j], sizeof(reused));
        }
    }
    VV_CLEANUP(aead_freep) struct aead *a = new_aead(2, key_b);
    for (unsigned i = 0; i < 16; i++) {
        unsigned which = i * 5 % 4;
        assert_int_equal(
            aead_rekey(a, (uint8_t)(1 + which / 2), which % 2 == 0 ? key_a : key_b, NULL), VV_OK);
        assert_int_equal(aead_seal(a, nonce_a, vv_span(NULL, 0), text, reused, NULL), VV_OK);
        assert_memory_equal(reused, fresh[which], sizeof(reused));
    }
}

static void
aead__refuses_unknown_suites(void **state)
{
    (void)state;
    struct aead *untouched = (struct aead *)0x10;
    struct aead *a = untouched;
    struct vv_error err = {0};
    assert_int_equal(aead_new(0, key_a, &a, &err), VV_EUNSUPPORTED);
    assert_int_equal(aead_new(3, key_a, &a, &err), VV_EUNSUPPORTED);
    assert_int_equal(aead_new(255, key_a, &a, &err), VV_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "255"));
    assert_ptr_equal(a, untouched);
}

static void
aead__refuses_more_than_the_library_counts(void **state)
{
    (void)state;
    uint8_t some[64];
    VV_CLEANUP(aead_freep) struct aead *a = new_aead(1, key_a);
    /* Never read: the length is refused first. */
    struct vv_span huge = vv_span(some, (size_t)1 << 31);
    struct vv_span small = vv_span(some, 32);
    assert_int_equal(aead_seal(a, nonce_a, small, huge, some, NULL), VV_ELIMIT);
    assert_int_equal(aead_seal(a, nonce_a, huge, small, some, NULL), VV_ELIMIT);
    assert_int_equal(aead_open(a, nonce_a, huge, small, some, NULL), VV_ELIMIT);
}

static void
aead__best_suite_is_one_of_the_two(void **state)
{
    (void)state;
    uint8_t suite = aead_best_suite();
    assert_in_range(suite, 1, 2);
    assert_int_equal(suite, aead_best_suite());
}

static void
chacha20_keystream__matches_rfc_8439(void **state)
{
    (void)state;
    /* Appendix A.1, test vectors 1 and 2: blocks 0 and 1 of the zero key. */
    static const char expected[] =
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f";
    static const uint8_t zero_key[32];
    uint8_t want[128];
    uint8_t got[129];
    assert_int_equal(unhex(want, sizeof(want), expected), 128);
    for (size_t len = 0; len <= 128; len++) {
        memset(got, 0xee, sizeof(got));
        chacha20_keystream(zero_key, got, len);
        assert_memory_equal(got, want, len);
        assert_int_equal(got[len], 0xee);
    }
}

static void
aead__survives_failing_allocations(void **state)
{
    (void)state;
    struct aead *a = NULL;
    struct vv_error err = {0};
    vv_alloc_fail_at(1, 0);
    assert_int_equal(aead_new(1, key_a, &a, &err), VV_ENOMEM);
    assert_null(a);
    vv_alloc_fail_at(0, 0);
    assert_int_equal(err.rc, VV_ENOMEM);
    /* Nothing on the hot path allocates from us. */
    a = new_aead(1, key_a);
    uint8_t out[4 + AEAD_TAG_LEN];
    vv_alloc_fail_at(1, 1);
    enum vv_rc rc = aead_seal(a, nonce_a, vv_span("a", 1), vv_span("text", 4), out, &err);
    vv_alloc_fail_at(0, 0);
    assert_int_equal(rc, VV_OK);
    aead_free(a);
    aead_free(NULL);
}

/* Many threads meet at the first use of the ciphers, each with a context of its own. */
static atomic_int threads_right;

static void
seal_and_open(void *arg)
{
    uint8_t suite = *(const uint8_t *)arg;
    uint8_t work[1000 + AEAD_TAG_LEN] = {0};
    struct aead *a = NULL;
    bool right = aead_new(suite, key_a, &a, NULL) == VV_OK;
    for (unsigned i = 0; right && i < 50; i++) {
        right = aead_seal(a, nonce_a, vv_span("a", 1), vv_span(work, 1000), work, NULL) == VV_OK &&
                aead_open(a, nonce_a, vv_span("a", 1), vv_span(work, sizeof(work)), work, NULL) ==
                    VV_OK &&
                work[0] == 0 && work[999] == 0;
    }
    aead_free(a);
    atomic_fetch_add(&threads_right, right ? 1 : 0);
}

static void
aead__contexts_of_different_threads_are_independent(void **state)
{
    (void)state;
    uint8_t suites[2] = {1, 2};
    struct vv_thread threads[6];
    memset(threads, 0, sizeof(threads));
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        assert_int_equal(vv_thread_start(&threads[i], "aead", seal_and_open, &suites[i % 2], NULL),
                         VV_OK);
    }
    for (size_t i = 0; i < VV_COUNT(threads); i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&threads_right), (int)VV_COUNT(threads));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aead__contexts_of_different_threads_are_independent),
        cmocka_unit_test(aead__matches_published_vectors),
        cmocka_unit_test(aead__works_in_place_at_every_length),
        cmocka_unit_test(aead__refuses_every_changed_bit),
        cmocka_unit_test(aead__failed_opening_in_place_leaves_zeros),
        cmocka_unit_test(aead__rekeying_changes_key_and_suite),
        cmocka_unit_test(aead__refuses_unknown_suites),
        cmocka_unit_test(aead__refuses_more_than_the_library_counts),
        cmocka_unit_test(aead__best_suite_is_one_of_the_two),
        cmocka_unit_test(chacha20_keystream__matches_rfc_8439),
        cmocka_unit_test(aead__survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("crypto/aead", tests, NULL, NULL);
}
