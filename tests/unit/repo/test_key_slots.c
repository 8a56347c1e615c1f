/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* Key slots: each kind of secret alone opens; what is damaged, foreign or out of bounds. */
#include "helper_repository.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"

static const struct slot_secret key_file = {
    .type = KEY_SLOT_KEY_FILE, .secret = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32}};
static const struct slot_secret words = {
    .type = KEY_SLOT_RECOVERY, .secret = {(const uint8_t *)"fedcba9876543210fedcba9876543210", 32}};
static const struct slot_secret passphrase = {.type = KEY_SLOT_PASSPHRASE,
                                              .secret = {(const uint8_t *)"correct horse", 13}};
static const struct slot_cost floor_cost = {.passes = 3, .memory_kib = 64u << 10};

static enum vv_rc
try_open(struct storage *st, const struct slot_secret *secret)
{
    struct key_bundle bundle;
    struct config config;
    struct slot_info info;

    return key_slots_open(st, secret, &bundle, &config, &info, E);
}

static enum vv_rc
add(struct world *w, const struct slot_secret *secret, const struct slot_cost *cost,
    struct slot_info *ret)
{
    struct repo *repo = world_open(w, "a");
    struct vv_buf config = world_bytes(w, "config");
    enum vv_rc rc =
        key_slots_add(w->storage, secret, "second", cost, keyring_bundle(repo_keyring(repo)),
                      vv_buf_span(&config), 5, ret, E);

    vv_buf_release(&config);
    repo_free(repo);
    return rc;
}

static void
key_slots__each_kind_opens_alone(void **state)
{
    struct world w;
    struct slot_list l;
    struct slot_info info;
    const struct slot_secret wrong = {.type = KEY_SLOT_PASSPHRASE,
                                      .secret = vv_span("wrong horse", 11)};

    (void)state;
    world_begin(&w);
    assert_int_equal(try_open(w.storage, &passphrase), VV_EKEY);
    must(add(&w, &passphrase, &floor_cost, &info));
    assert_int_equal(info.copies, 2);
    assert_int_equal(info.type, KEY_SLOT_PASSPHRASE);
    must(add(&w, &words, NULL, &info));
    must(try_open(w.storage, &key_file));
    must(try_open(w.storage, &passphrase));
    must(try_open(w.storage, &words));
    assert_int_equal(try_open(w.storage, &wrong), VV_EKEY);
    assert_non_null(strstr(E->hint, "'second'"));
    must(key_slots_list(w.storage, &l, E));
    assert_int_equal(l.count, 3);
    assert_int_equal(l.damaged, 0);
    for (size_t i = 0; i < l.count; i++) {
        assert_int_equal(l.slots[i].copies, 2);
        if (l.slots[i].type != KEY_SLOT_PASSPHRASE) {
            must(key_slots_remove(w.storage, l.slots[i].id, E));
            assert_int_equal(key_slots_remove(w.storage, l.slots[i].id, E), VV_ENOTFOUND);
        }
    }
    slot_list_release(&l);
    assert_int_equal(try_open(w.storage, &key_file), VV_EKEY);
    must(try_open(w.storage, &passphrase)); /* alone */
    must(key_slots_list(w.storage, &l, E));
    assert_int_equal(l.count, 1);
    assert_int_equal(key_slots_remove(w.storage, l.slots[0].id, E), VV_EREFUSED);
    slot_list_release(&l);
    world_end(&w);
}

static void
key_slots__the_twin_serves_when_a_copy_is_damaged(void **state)
{
    struct world w;
    struct name_list names;
    char a[64];
    char b[64];

    (void)state;
    world_begin(&w);
    names = world_names(&w, "keys");
    assert_int_equal(names.count, 2);
    (void)snprintf(a, sizeof(a), "keys/%s", names.names[0]);
    (void)snprintf(b, sizeof(b), "keys/%s", names.names[1]);
    name_list_release(&names);
    world_flip(&w, a, -60);
    must(try_open(w.storage, &key_file));
    world_drop(&w, a);
    must(try_open(w.storage, &key_file));
    world_flip(&w, b, -60);
    assert_int_equal(try_open(w.storage, &key_file), VV_ECORRUPT);
    world_drop(&w, b);
    assert_int_equal(try_open(w.storage, &key_file), VV_ENOREPO);
    world_end(&w);
}

static void
key_slots__config_is_checked(void **state)
{
    struct world w;
    struct world other;
    struct vv_buf foreign;
    struct vv_buf own;
    struct repo *repo;

    (void)state;
    world_begin(&w);
    world_begin(&other);
    foreign = world_bytes(&other, "config");
    own = world_bytes(&w, "config");
    world_poke(&w, "config", foreign.data, foreign.len);
    assert_int_equal(try_open(w.storage, &key_file), VV_EFORGED);
    world_drop(&w, "config");
    repo = world_open(&w, "a"); /* the slot's copy serves, and that is said */
    assert_int_equal(world_told(&w, "config-damaged"), 1);
    repo_free(repo);
    world_poke(&w, "config", own.data, own.len);
    for (long at = 0; at < (long)own.len; at += 7) {
        world_flip(&w, "config", at);
        must(try_open(w.storage, &key_file));
        world_flip(&w, "config", at);
    }
    vv_buf_release(&foreign);
    vv_buf_release(&own);
    world_end(&other);
    world_end(&w);
}

/** Write the Argon2id parameters of a stored slot anew, with a right trailer. */
static void
set_cost(struct world *w, const char *object, uint32_t passes, uint32_t kib)
{
    struct vv_buf bytes = world_bytes(w, object);
    size_t at = FORMAT_HEADER_LEN + 1 + 8 + 1 + strlen("second");

    vv_store_u32(bytes.data + at, passes);
    vv_store_u32(bytes.data + at + 4, kib);
    bytes.len -= FORMAT_TRAILER_LEN;
    must(container_finish(&bytes, E));
    world_poke(w, object, bytes.data, bytes.len);
    vv_buf_release(&bytes);
}

static void
key_slots__argon2_parameters_are_bounded(void **state)
{
    struct world w;
    struct slot_info info;
    static const struct slot_cost bad[] = {
        {2, 64u << 10}, {17, 64u << 10}, {3, (64u << 10) - 1}, {3, (1u << 20) + 1}};
    char a[64];
    char b[64];

    (void)state;
    world_begin(&w);
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        assert_int_equal(add(&w, &passphrase, &bad[i], &info), VV_EUSAGE);
    }
    must(add(&w, &passphrase, &floor_cost, &info));
    (void)snprintf(a, sizeof(a), "keys/%s-a", info.id);
    (void)snprintf(b, sizeof(b), "keys/%s-b", info.id);
    for (size_t i = 0; i < VV_COUNT(bad); i++) { /* neither weak nor a bomb: the twin is asked */
        set_cost(&w, a, bad[i].passes, bad[i].memory_kib);
        must(try_open(w.storage, &passphrase));
    }
    set_cost(&w, b, 1000000, 1u << 30);
    assert_int_equal(try_open(w.storage, &passphrase), VV_EKEY);
    assert_non_null(strstr(E->hint, "damaged"));
    must(try_open(w.storage, &key_file));
    world_end(&w);
}

static enum fault_verdict
fail_second_copy(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_PUBLISH && name[strlen(name) - 1] == 'b' ? FAULT_NOSPACE : FAULT_PASS;
}

static void
key_slots__a_failed_add_leaves_nothing(void **state)
{
    struct world w;
    struct slot_info info;
    struct slot_list l;

    (void)state;
    world_begin(&w);
    w.hook = fail_second_copy;
    assert_int_equal(add(&w, &words, NULL, &info), VV_ENOSPACE);
    w.hook = NULL;
    must(key_slots_list(w.storage, &l, E));
    assert_int_equal(l.count, 1);
    slot_list_release(&l);
    assert_int_equal(try_open(w.storage, &words), VV_EKEY);
    world_end(&w);
}

static void
key_slots__init_refuses_before_it_writes(void **state)
{
    struct storage *st = NULL;
    struct repo *repo = NULL;
    const struct slot_cost weak = {.passes = 1, .memory_kib = 8};
    struct repo_init_options init = {.secret = &passphrase, .label = "x", .cost = weak};
    struct repo_options options = {0};

    (void)state;
    must(storage_memory_new(&st, E));
    assert_int_equal(repo_init(st, &init, &options, &repo, E), VV_EUSAGE);
    init.secret = &key_file;
    init.reserve = (uint64_t)LIMIT_PACK + 1;
    assert_int_equal(repo_init(st, &init, &options, &repo, E), VV_EUSAGE);
    init.reserve = 0;
    must(repo_init(st, &init, &options, &repo, E));
    repo_free(repo);
    assert_int_equal(repo_init(st, &init, &options, &repo, E), VV_EREFUSED);
    storage_free(st);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_slots__each_kind_opens_alone),
        cmocka_unit_test(key_slots__the_twin_serves_when_a_copy_is_damaged),
        cmocka_unit_test(key_slots__config_is_checked),
        cmocka_unit_test(key_slots__argon2_parameters_are_bounded),
        cmocka_unit_test(key_slots__a_failed_add_leaves_nothing),
        cmocka_unit_test(key_slots__init_refuses_before_it_writes),
    };

    return cmocka_run_group_tests_name("repo/key_slots", tests, NULL, NULL);
}
