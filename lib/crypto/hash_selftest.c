/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Known answers for every hash, computed at start-up: a miscompiled kernel or a broken processor
 * must be found before it names a chunk.  Expected values come from Python's hashlib (BLAKE2b's
 * reference code), FIPS 180-4 and the SipHash paper.
 */
#include "crypto/hash_selftest.h"

#include <stdbool.h>
#include <string.h>

#include "core/bytes.h"
#include "crypto/hash.h"

/* Keyed BLAKE2b-256, key 00 01 ... 1f, of the first bytes of the pattern below.  The lengths make
 * a batch that fills eight lanes, refills them and drains through every narrower kernel. */
static const struct {
    size_t len;
    const char *digest;
} keyed_vectors[] = {
    {1000, "3d68dbc6fd2670bfa4027bc584e472064fb5ad75babe8821a0634d953497f4b6"},
    {0, "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d"},
    {1, "90af716661a4c9221e670281d2ced77ba03b15a18282f2a2d57246c264ccaa81"},
    {127, "1c86ac97ac84d833888ad9e34371820ac41fb956fe29efd0e91ac01fcd03a895"},
    {128, "7efdd0993fd003cb8ec2e246fe0e9fb8f456e97ebbaa0a32e504dcc1d945422f"},
    {129, "74c350669ef5f7d0989f9b59dcea8b5ed7e37fce5f5c6685223a30ece7f937b7"},
    {255, "97b7a393bf08d542d26fed84678bb40c02a499b18f4c1b7e8d9fea1557647deb"},
    {256, "030729a8742c0bb8fe3d4e59987f8724bcad2b2f0e68176812e67fb621d566fb"},
    {257, "5543ad7d7002294628d6628170247c264d6e3f81ba0fe3b2b31bf4daa9d20244"},
    {640, "1ed1af32c251544be7c07dd3b1a96e85683f01c55590566be949a0185d9a99a9"},
    {511, "114f222f8896886699bceef2bad799df9418c2c3383b06adb6c33cfa8eaa47f5"},
    {900, "c46bd47d161c890f9cd1a53be0f1111a33f90512317e958be51810c09190cc82"},
    {64, "6f1b43f71ac7439de6c28f6fd9d6e8a20ea011eb87bc36bc8d4e73f696f5d6fe"},
};

#define PATTERN_LEN 1000u

static void
fill_pattern(uint8_t *out)
{
    for (unsigned i = 0; i < PATTERN_LEN; i++) {
        out[i] = (uint8_t)(i * 131 + (i >> 8) * 7 + 5);
    }
}

static bool
digest_is(const uint8_t digest[32], const char *expected)
{
    uint8_t raw[32];
    return vv_unhex(raw, sizeof(raw), expected, strlen(expected)) && memcmp(raw, digest, 32) == 0;
}

/* The first ${count} vectors as one batch. */
static bool
batch_is_right(const uint8_t key[32], const uint8_t *pattern, size_t count)
{
    struct hash_job jobs[VV_COUNT(keyed_vectors)];
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct hash_job){.data = pattern, .len = keyed_vectors[i].len};
    }
    blake2b_256_many(key, jobs, count);
    for (size_t i = 0; i < count; i++) {
        if (!digest_is(jobs[i].out, keyed_vectors[i].digest)) {
            return false;
        }
    }
    return true;
}

static bool
blake2b_is_right(const uint8_t *pattern)
{
    uint8_t key[32];
    uint8_t out[32];
    for (unsigned i = 0; i < 32; i++) {
        key[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < VV_COUNT(keyed_vectors); i++) {
        struct vv_span whole = vv_span(pattern, keyed_vectors[i].len);
        blake2b_256(key, sizeof(key), &whole, 1, out);
        if (!digest_is(out, keyed_vectors[i].digest)) {
            return false;
        }
    }
    struct vv_span abc[2] = {vv_span("a", 1), vv_span("bc", 2)};
    blake2b_256(NULL, 0, abc, 2, out);
    return digest_is(out, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319") &&
           batch_is_right(key, pattern, VV_COUNT(keyed_vectors)) &&
           batch_is_right(key, pattern, 4) && batch_is_right(key, pattern, 1);
}

static bool
sha256_is_right(const uint8_t *pattern)
{
    uint8_t out[32];
    sha256("abc", 3, out);
    if (!digest_is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")) {
        return false;
    }
    sha256(pattern, PATTERN_LEN, out);
    return digest_is(out, "b158a5db7fb784a27e421dde6e94b8d00d5a739592e4d6975c9e3bd551b04922");
}

static bool
siphash_is_right(void)
{
    /* The example of the SipHash paper, appendix A: key 00 ... 0f, message 00 ... 0e. */
    uint8_t bytes[16];
    for (unsigned i = 0; i < 16; i++) {
        bytes[i] = (uint8_t)i;
    }
    return siphash(bytes, bytes, 15) == UINT64_C(0xa129ca6149be45e5);
}

enum vv_rc
hash_selftest(struct vv_error *err)
{
    uint8_t pattern[PATTERN_LEN];
    fill_pattern(pattern);
    const char *failed = NULL;
    if (!blake2b_is_right(pattern)) {
        failed = "BLAKE2b";
    } else if (!sha256_is_right(pattern)) {
        failed = "SHA-256";
    } else if (!siphash_is_right()) {
        failed = "SipHash";
    }
    if (failed != NULL) {
        vv_error_set(err, VV_ECORRUPT, "self-test of %s failed", failed);
        vv_error_hint(err, "this processor, its memory or this build of varve is broken");
        return VV_ECORRUPT;
    }
    return VV_OK;
}
