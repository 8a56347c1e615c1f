/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures and sealed boxes: published vectors, and boxes other implementations made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/random.h"
#include "crypto/asymmetric.h"
#include "crypto/secret.h"

static size_t
unhex(uint8_t *out, size_t size, const char *hex)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= size);
    assert_true(vv_unhex(out, len, hex, 2 * len));
    return len;
}

/* RFC 8032, 7.1: tests 1, 2 and 3. */
static const struct {
    const char *seed;
    const char *public_key;
    const char *message;
    const char *signature;
} signatures[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

static void
ed25519__matches_rfc_8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(signatures); i++) {
        uint8_t seed[32];
        uint8_t want_public[32];
        uint8_t want_signature[64];
        uint8_t text[8];
        uint8_t public_key[32];
        uint8_t secret_key[64];
        uint8_t signature[64];
        unhex(seed, sizeof(seed), signatures[i].seed);
        unhex(want_public, sizeof(want_public), signatures[i].public_key);
        unhex(want_signature, sizeof(want_signature), signatures[i].signature);
        struct vv_span message = vv_span(text, unhex(text, sizeof(text), signatures[i].message));
        ed25519_from_seed(seed, public_key, secret_key);
        assert_memory_equal(public_key, want_public, 32);
        ed25519_sign(secret_key, message, signature);
        assert_memory_equal(signature, want_signature, 64);
        assert_true(ed25519_verify(public_key, message, signature));
    }
}

static void
ed25519__refuses_any_change(void **state)
{
    (void)state;
    static const uint8_t seed[32] = {42};
    uint8_t public_key[32];
    uint8_t other_key[32];
    uint8_t secret_key[64];
    uint8_t signature[64];
    uint8_t text[20] = "an order of a person";
    struct vv_span message = vv_span(text, sizeof(text));
    ed25519_from_seed((const uint8_t[32]){43}, other_key, secret_key);
    ed25519_from_seed(seed, public_key, secret_key);
    ed25519_sign(secret_key, message, signature);
    assert_true(ed25519_verify(public_key, message, signature));
    assert_false(ed25519_verify(other_key, message, signature));
    assert_false(ed25519_verify(public_key, vv_span(text, sizeof(text) - 1), signature));
    for (unsigned bit = 0; bit < 8 * sizeof(signature); bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ed25519_verify(public_key, message, signature));
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (unsigned bit = 0; bit < 8 * sizeof(text); bit++) {
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ed25519_verify(public_key, message, signature));
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* A key of small order would accept one signature for everything. */
    static const uint8_t small_order[32] = {1};
    memset(signature, 0, sizeof(signature));
    signature[0] = 1;
    assert_false(ed25519_verify(small_order, message, signature));
}

static void
x25519_public__matches_rfc_7748(void **state)
{
    (void)state;
    uint8_t secret[32];
    uint8_t want[32];
    uint8_t got[32];
    unhex(secret, 32, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    unhex(want, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    x25519_public(secret, got);
    assert_memory_equal(got, want, 32);
}

/* The X25519 secret 20 21 .. 3f. */
static void
test_pair(uint8_t secret[32], uint8_t public_key[32])
{
    for (unsigned i = 0; i < 32; i++) {
        secret[i] = (uint8_t)(32 + i);
    }
    x25519_public(secret, public_key);
}

static void
open_box__opens_what_pynacl_sealed(void **state)
{
    (void)state;
    static const char sealed_hex[] =
        "578eeb175a6074c9eedae5b611403a78f377773f7a99fc44f5858505f481ab1f"
        "a1113b0d4405e0227a6d8e7bfb72ab6c9a7f1a04d74886764c7d5b";
    static const char empty_hex[] =
        "63b166fa3b98a6be73565605ae2b02d9da08f8cf042f13839e8b284751b1e84d"
        "4a97be86d492f4fb2891d32153a554ac";
    uint8_t secret[32];
    uint8_t public_key[32];
    uint8_t sealed[64];
    uint8_t out[16];
    test_pair(secret, public_key);
    size_t len = unhex(sealed, sizeof(sealed), sealed_hex);
    assert_true(open_box(public_key, secret, vv_span(sealed, len), out));
    assert_memory_equal(out, "from PyNaCl", len - SEAL_OVERHEAD);
    assert_int_equal(len, 11 + SEAL_OVERHEAD);
    len = unhex(sealed, sizeof(sealed), empty_hex);
    assert_true(open_box(public_key, secret, vv_span(sealed, len), out));
}

static void
seal_box__round_trips_and_never_repeats(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 32, 1000};
    uint8_t secret[32];
    uint8_t public_key[32];
    uint8_t plain[1000];
    uint8_t one[1000 + SEAL_OVERHEAD];
    uint8_t two[1000 + SEAL_OVERHEAD];
    uint8_t out[1001];
    test_pair(secret, public_key);
    memset(plain, 7, sizeof(plain));
    for (size_t i = 0; i < VV_COUNT(lengths); i++) {
        size_t len = lengths[i];
        seal_box(public_key, vv_span(plain, len), one);
        seal_box(public_key, vv_span(plain, len), two);
        assert_memory_not_equal(one, two, 32); /* a fresh ephemeral key each time */
        memset(out, 0xee, sizeof(out));
        assert_true(open_box(public_key, secret, vv_span(one, len + SEAL_OVERHEAD), out));
        assert_memory_equal(out, plain, len);
        assert_int_equal(out[len], 0xee);
    }
}

static void
open_box__refuses_other_keys_and_any_change(void **state)
{
    (void)state;
    uint8_t secret[32];
    uint8_t public_key[32];
    uint8_t other_public[32];
    static const uint8_t other_secret[32] = {99};
    uint8_t sealed[4 + SEAL_OVERHEAD];
    uint8_t out[4];
    test_pair(secret, public_key);
    x25519_public(other_secret, other_public);
    seal_box(public_key, vv_span("text", 4), sealed);
    struct vv_span box = vv_span(sealed, sizeof(sealed));
    assert_false(open_box(other_public, other_secret, box, out));
    assert_false(open_box(public_key, other_secret, box, out));
    for (size_t len = 0; len < sizeof(sealed); len++) {
        assert_false(open_box(public_key, secret, vv_span(sealed, len), out));
    }
    for (unsigned bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(open_box(public_key, secret, box, out));
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(open_box(public_key, secret, box, out));
}

static void
x25519_public_usable__refuses_small_order(void **state)
{
    (void)state;
    static const uint8_t zero[32];
    static const uint8_t one[32] = {1};
    uint8_t order_eight[32];
    uint8_t secret[32];
    uint8_t public_key[32];
    unhex(order_eight, 32, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
    test_pair(secret, public_key);
    assert_true(x25519_public_usable(public_key));
    assert_false(x25519_public_usable(zero));
    assert_false(x25519_public_usable(one));
    assert_false(x25519_public_usable(order_eight));
}

/* With crypto_init, a seeded run draws the same ephemeral keys again. */
static void
seal_box__is_reproducible_with_seeded_randomness(void **state)
{
    (void)state;
    uint8_t secret[32];
    uint8_t public_key[32];
    uint8_t one[4 + SEAL_OVERHEAD];
    uint8_t two[4 + SEAL_OVERHEAD];
    assert_int_equal(crypto_init(NULL), VV_OK);
    test_pair(secret, public_key);
    vv_random_test_seed(5);
    seal_box(public_key, vv_span("text", 4), one);
    vv_random_test_seed(5);
    seal_box(public_key, vv_span("text", 4), two);
    vv_random_test_seed(0);
    assert_memory_equal(one, two, sizeof(one));
    seal_box(public_key, vv_span("text", 4), two);
    assert_memory_not_equal(one, two, sizeof(one));
}

/* Whoever seals with a secret of its own can check what it sealed, and the addressee opens it. */
static void
seal_box_from__opens_on_both_sides(void **state)
{
    static const uint8_t plain[32] = "a pack's secret, thirty-two long";
    uint8_t secret[32];
    uint8_t public_key[32];
    uint8_t ephemeral[32];
    uint8_t sealed[32 + SEAL_OVERHEAD];
    uint8_t out[32];

    (void)state;
    memset(secret, 7, sizeof(secret));
    memset(ephemeral, 9, sizeof(ephemeral));
    x25519_public(secret, public_key);
    seal_box_from(ephemeral, public_key, vv_span(plain, sizeof(plain)), sealed);
    assert_true(open_box(public_key, secret, vv_span(sealed, sizeof(sealed)), out));
    assert_memory_equal(out, plain, sizeof(plain));
    memset(out, 0, sizeof(out));
    assert_true(reopen_box(public_key, ephemeral, vv_span(sealed, sizeof(sealed)), out));
    assert_memory_equal(out, plain, sizeof(plain));
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 1;
        assert_false(reopen_box(public_key, ephemeral, vv_span(sealed, sizeof(sealed)), out));
        sealed[i] ^= 1;
    }
    ephemeral[0] ^= 8; /* one of the bits that clamping leaves */
    assert_false(reopen_box(public_key, ephemeral, vv_span(sealed, sizeof(sealed)), out));
    assert_false(reopen_box(public_key, ephemeral, vv_span(sealed, SEAL_OVERHEAD - 1), out));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_box_from__opens_on_both_sides),
        cmocka_unit_test(ed25519__matches_rfc_8032),
        cmocka_unit_test(ed25519__refuses_any_change),
        cmocka_unit_test(x25519_public__matches_rfc_7748),
        cmocka_unit_test(open_box__opens_what_pynacl_sealed),
        cmocka_unit_test(seal_box__round_trips_and_never_repeats),
        cmocka_unit_test(open_box__refuses_other_keys_and_any_change),
        cmocka_unit_test(x25519_public_usable__refuses_small_order),
        cmocka_unit_test(seal_box__is_reproducible_with_seeded_randomness),
    };
    return cmocka_run_group_tests_name("crypto/asymmetric", tests, NULL, NULL);
}
