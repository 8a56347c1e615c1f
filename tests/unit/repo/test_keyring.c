/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, against vectors of an independent program: keyring_vectors.py. */
#include "helper_repository.h"

#include <string.h>

#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static const char id_data[] = "66813e69d6be5aaf5361a3ab4cc45583a44dbde4bd695edc6b328d00d84bb2c9";
static const char id_node[] = "fd9702556699d9a92af751f1972fc17e06db46526ef9aaef38f5d7b789ec2006";
static const char id_list[] = "d18e9fb6b173b4b2fc431ea7518797dbc78a75875f05433eef406fbb1a6523e6";
static const char id_record[] = "e9dbc14d1f8e88dd7245bb02ca2a1013b52f626a08fd048f9cd41cfb6d5ee959";
static const char index_key[] = "ce9175d6173e824b2b511550dd5461e8228a7300213decfaacf66fa6a4da53d5";
static const char level_key[] = "cf7ebc00eaba32c387d71410b709f25c";
static const char gear_first[] = "939c4816cb19fea314cb5eafc110a94706afed051f31f1550f252510c1181122";
static const char gear_last[] = "89fe929251bf569d2a09c19f2b1c0909d2755fd9ebbcc4b8ed8cd15958859230";
static const char local_key[] = "d2ab538fa3003ffbd1ee334d78cb2b6c4ffa8ebc75b35b8024052c126d5f0878";
static const char epoch_public_0[] =
    "5659950633eae5601f8c8af1a8307f38dc3ac338195d7e6c38c96a8aa23a0c53";
static const char pack_key_0[] = "2b0b73eb3e4b299b5014f85932ec7a89ced8951ba9e0519ea6b3da8d20c9bb6b";
static const char epoch_public_7[] =
    "307369f4e674b25662630c553c9aa4544cf1257ccd0830e505d9d7d9bb8a796e";
static const char pack_key_7[] = "c05c4bc0ebd82a5e0936e93bb52cf3474ac87bc0c504439c05c3cd9698f9f21c";

static void
make_bundle(struct key_bundle *bundle, struct config *config)
{
    uint8_t secret[64];

    memset(bundle, 0, sizeof(*bundle));
    memset(config, 0, sizeof(*config));
    for (uint8_t i = 0; i < 32; i++) {
        bundle->master[i] = i;
        bundle->admin_seed[i] = (uint8_t)(0x80 + i);
    }
    for (uint8_t i = 0; i < 16; i++) {
        config->repository.b[i] = (uint8_t)(100 + i);
    }
    bundle->role = KEY_ROLE_ADMIN;
    ed25519_from_seed(bundle->admin_seed, bundle->admin_public, secret);
    memcpy(config->admin_public, bundle->admin_public, 32);
    config->chunk_min = 48u << 10;
    config->chunk_max = 512u << 10;
    config->chunk_threshold = UINT64_C(1) << 50;
}

static void
assert_hex(const char *expected, const uint8_t *bytes)
{
    char text[65];
    size_t len = strlen(expected) / 2;

    vv_hex(text, bytes, len);
    assert_string_equal(text, expected);
}

static void
keyring__derives_what_the_format_says(void **state)
{
    struct key_bundle bundle;
    struct config config;
    struct keyring *k = NULL;
    struct vv_id id;
    uint8_t out[32];
    uint8_t secret[32];
    static const struct {
        enum chunk_type type;
        const char *id;
    } ids[] = {{CHUNK_DATA, id_data},
               {CHUNK_NODE, id_node},
               {CHUNK_LIST, id_list},
               {CHUNK_RECORD, id_record}};

    (void)state;
    must(crypto_init(E));
    make_bundle(&bundle, &config);
    must(keyring_new(&bundle, &config, &k, E));
    for (size_t i = 0; i < VV_COUNT(ids); i++) {
        chunk_id(k, ids[i].type, vv_span("order 1", 7), &id);
        assert_hex(ids[i].id, id.b);
    }
    assert_hex(index_key, keyring_index_key(k));
    assert_hex(level_key, keyring_level_key(k));
    keyring_local_key(k, "state", out);
    assert_hex(local_key, out);
    keyring_epoch_public(k, 0, out);
    assert_hex(epoch_public_0, out);
    keyring_epoch_public(k, 7, out);
    assert_hex(epoch_public_7, out);
    for (uint8_t i = 0; i < 32; i++) {
        secret[i] = (uint8_t)(200 + i);
    }
    keyring_pack_key(k, 0, secret, out);
    assert_hex(pack_key_0, out);
    keyring_pack_key(k, 7, secret, out);
    assert_hex(pack_key_7, out);
    keyring_free(k);
}

static void
keyring__gives_the_chunker_its_table(void **state)
{
    struct key_bundle bundle;
    struct config config;
    struct keyring *k = NULL;
    uint8_t bytes[32];

    (void)state;
    make_bundle(&bundle, &config);
    must(keyring_new(&bundle, &config, &k, E));
    for (size_t i = 0; i < 4; i++) {
        vv_store_u64(bytes + 8 * i, keyring_chunker(k)->table[i]);
    }
    assert_hex(gear_first, bytes);
    for (size_t i = 0; i < 4; i++) {
        vv_store_u64(bytes + 8 * i, keyring_chunker(k)->table[252 + i]);
    }
    assert_hex(gear_last, bytes);
    keyring_free(k);
}

static void
keyring__refuses_another_administrator(void **state)
{
    struct key_bundle bundle;
    struct config config;
    struct keyring *k = NULL;

    (void)state;
    make_bundle(&bundle, &config);
    config.admin_public[0] ^= 1;
    assert_int_equal(keyring_new(&bundle, &config, &k, E), VV_EFORGED);
    make_bundle(&bundle, &config);
    bundle.admin_seed[0] ^= 1;
    assert_int_equal(keyring_new(&bundle, &config, &k, E), VV_EFORGED);
    assert_null(k);
}

static void
keyring__opens_what_is_sealed_to_an_epoch(void **state)
{
    struct key_bundle bundle;
    struct config config;
    struct keyring *k = NULL;
    uint8_t public_key[32];
    uint8_t sealed[32 + SEAL_OVERHEAD];
    uint8_t opened[32];
    uint8_t secret[32] = {1, 2, 3};

    (void)state;
    make_bundle(&bundle, &config);
    must(keyring_new(&bundle, &config, &k, E));
    keyring_epoch_public(k, 3, public_key);
    seal_box(public_key, vv_span(secret, 32), sealed);
    must(keyring_unseal(k, 3, vv_span(sealed, sizeof(sealed)), opened, E));
    assert_memory_equal(opened, secret, 32);
    assert_int_equal(keyring_unseal(k, 4, vv_span(sealed, sizeof(sealed)), opened, E), VV_ECORRUPT);
    sealed[50] ^= 1;
    assert_int_equal(keyring_unseal(k, 3, vv_span(sealed, sizeof(sealed)), opened, E), VV_ECORRUPT);
    keyring_free(k);
}

static void
keyring__opens_only_packs_whose_commitment_fits(void **state)
{
    struct key_bundle bundle;
    struct config config;
    struct keyring *k = NULL;
    struct pack_header header = {.class = PACK_DATA, .suite = PACK_AES_GCM, .epoch = 1};
    struct pack_header found;
    uint8_t bytes[PACK_HEADER_LEN];
    uint8_t public_key[32];
    uint8_t secret[32] = {9};
    uint8_t key[32];
    uint8_t opened[32];
    struct vv_span parts[2] = {vv_span("varve commitment", 16), vv_span(bytes, PACK_COMMITTED_LEN)};

    (void)state;
    make_bundle(&bundle, &config);
    must(keyring_new(&bundle, &config, &k, E));
    header.repository = config.repository;
    keyring_epoch_public(k, 1, public_key);
    seal_box(public_key, vv_span(secret, 32), header.sealed);
    pack_header_encode(&header, bytes);
    keyring_pack_key(k, 1, secret, key);
    blake2b_256(key, 32, parts, 2, header.commitment);
    pack_header_encode(&header, bytes);
    must(keyring_open_pack(k, bytes, &found, opened, E));
    assert_memory_equal(opened, key, 32);
    for (size_t at = 24; at < PACK_COMMITTED_LEN + 32; at++) { /* every byte is bound */
        bytes[at] ^= 0x10;
        assert_int_not_equal(keyring_open_pack(k, bytes, &found, opened, E), VV_OK);
        bytes[at] ^= 0x10;
    }
    keyring_free(k);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyring__derives_what_the_format_says),
        cmocka_unit_test(keyring__gives_the_chunker_its_table),
        cmocka_unit_test(keyring__refuses_another_administrator),
        cmocka_unit_test(keyring__opens_what_is_sealed_to_an_epoch),
        cmocka_unit_test(keyring__opens_only_packs_whose_commitment_fits),
    };

    return cmocka_run_group_tests_name("repo/keyring", tests, NULL, NULL);
}
