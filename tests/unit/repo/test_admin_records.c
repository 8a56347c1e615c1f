/* SPDX-License-Identifier: BSD-2-Clause */
/* The administrator's records: which count, on which site, and what vanishes while being read. */
#include "helper_repository.h"

#include <stdio.h>
#include <string.h>

#include "crypto/asymmetric.h"

static const struct vv_uuid session = {{0x51}};
static const struct vv_uuid snapshot = {{0x52}};
static const struct vv_uuid client = {{0x53}};
static const struct pack_name pack = {{{0x54}}, {{0x55}}};
#define GRAVE_A "admin/grave-0000000000000000000000000000000a"

static void
certify(struct repo *repo, const char *name, enum key_role role, uint8_t key)
{
    struct certificate c = {.client = client, .role = (uint8_t)role, .ed25519 = {key}};
    struct vv_buf payload = {0};
    uint8_t secret[32] = {7};

    x25519_public(secret, c.x25519);
    certificate_encode(&c, &payload);
    must(admin_publish(repo, 0, ADMIN_CERTIFICATE, name, vv_buf_span(&payload), E));
    vv_buf_release(&payload);
}

static void
admin_records__are_read(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    const struct vv_uuid other = {{0x60}};
    const struct grave graves[2] = {
        {.session = session, .reason = GRAVE_FENCED},
        {.session = {{1}}, .snapshot = snapshot, .reason = GRAVE_FORGOTTEN}};
    struct revocation revocation = {.client = client, .since = 5};
    struct vv_buf payload = {0};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    publish_graves(repo, "grave-0000000000000000000000000000000a", graves, 2);
    publish_suspect(repo, "suspect-0000000000000000000000000000000a", &pack);
    certify(repo, "certificate-x-1", KEY_ROLE_WRITER, 1);
    vv_clock_manual_advance(&w.clock, 10);
    certify(repo, "certificate-a-2", KEY_ROLE_READER, 1); /* newer, whatever its name says */
    revocation_encode(&revocation, &payload);
    must(admin_publish(repo, 0, ADMIN_REVOCATION, "revocation-x-1", vv_buf_span(&payload), E));
    vv_buf_release(&payload);
    must(admin_records_read(repo, &a, E));
    assert_int_equal(a.forged + a.damaged + a.unreadable, 0);
    assert_true(admin_buried(&a, &session, NULL));
    assert_true(admin_buried(&a, &session, &other));
    assert_true(admin_buried(&a, &other, &snapshot)); /* in whatever slot it lies */
    assert_false(admin_buried(&a, &other, NULL));
    assert_false(admin_buried(&a, &(struct vv_uuid){{1}}, NULL)); /* only one snapshot of it */
    assert_false(admin_buried(&a, &other, &other));
    assert_int_equal(a.suspect_count, 1);
    assert_int_equal(admin_certificate(&a, &client)->role, KEY_ROLE_READER);
    assert_false(certificate_may_write(admin_certificate(&a, &client)));
    assert_null(admin_certificate(&a, &other));
    assert_false(certificate_may_write(NULL));
    assert_false(admin_revoked(&a, &client, 4));
    assert_true(admin_revoked(&a, &client, 5));
    admin_records_release(&a);
    repo_free(repo);
    world_end(&w);
}

static void
admin_records__many_graves_are_found(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    struct grave graves[300];

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    memset(graves, 0, sizeof(graves));
    for (unsigned i = 0; i < 300; i++) {
        vv_store_u32(graves[i].session.b, i * 7919u);
        vv_store_u32(graves[i].snapshot.b, i % 3 == 0 ? 0 : 0x80000000u + i * 104729u);
        graves[i].reason = GRAVE_FORGOTTEN;
    }
    publish_graves(repo, "grave-0000000000000000000000000000000a", graves, 300);
    must(admin_records_read(repo, &a, E));
    for (unsigned i = 0; i < 300; i++) {
        const struct vv_uuid nobody = {{0xff, 0xff, 0xff, 0xff, 1}};
        assert_int_equal(admin_buried(&a, &graves[i].session, NULL), i % 3 == 0);
        assert_int_equal(admin_buried(&a, &nobody, &graves[i].snapshot), i % 3 != 0);
    }
    admin_records_release(&a);
    repo_free(repo);
    world_end(&w);
}

static void
admin_records__forged_ones_do_not_count(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    const struct grave g = {.session = session, .reason = GRAVE_FENCED};
    struct vv_buf bytes;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    publish_graves(repo, "grave-0000000000000000000000000000000a", &g, 1);
    bytes = world_bytes(&w, GRAVE_A);
    bytes.data[bytes.len - FORMAT_TRAILER_LEN - 5] ^= 1; /* the signature, with a right trailer */
    bytes.len -= FORMAT_TRAILER_LEN;
    must(container_finish(&bytes, E));
    world_poke(&w, GRAVE_A, bytes.data, bytes.len);
    vv_buf_release(&bytes);
    must(admin_records_read(repo, &a, E));
    assert_int_equal(a.forged, 1);
    assert_false(admin_buried(&a, &session, NULL));
    must(admin_records_conclusive(&a, E));
    admin_records_release(&a);
    must(admin_records_read(repo, &a, E));
    admin_records_release(&a);
    assert_int_equal(world_told(&w, "forged-record"), 1); /* told once */
    repo_free(repo);
    world_end(&w);
}

static void
admin_records__damaged_and_odd_files_are_passed_over(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    const struct grave g = {.session = session, .reason = GRAVE_FENCED};
    struct vv_buf bytes;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    publish_graves(repo, "grave-0000000000000000000000000000000a", &g, 1);
    bytes = world_bytes(&w, GRAVE_A);
    world_poke(&w, "admin/grave-short", bytes.data, 30);
    world_poke(&w, "admin/empty", "", 0);
    world_poke(&w, "admin/no such name~", bytes.data, bytes.len);
    bytes.data[6] = 9; /* version 9, with a right trailer but signed by nobody */
    bytes.len -= FORMAT_TRAILER_LEN;
    must(container_finish(&bytes, E));
    world_poke(&w, "admin/newer", bytes.data, bytes.len);
    must(admin_records_read(repo, &a, E));
    assert_int_equal(a.damaged, 4);
    assert_int_equal(a.unreadable, 0);
    assert_true(admin_buried(&a, &session, NULL));
    admin_records_release(&a);
    /* The administrator's own, of a newer version: nobody can go on without understanding it. */
    bytes.len -= FORMAT_TRAILER_LEN + FORMAT_SIGNATURE_LEN;
    {
        uint8_t signature[FORMAT_SIGNATURE_LEN];
        keyring_admin_sign(repo_keyring(repo), vv_buf_span(&bytes), signature);
        vv_buf_put(&bytes, signature, sizeof(signature));
        must(container_finish(&bytes, E));
    }
    world_poke(&w, "admin/newer", bytes.data, bytes.len);
    vv_buf_release(&bytes);
    must(admin_records_read(repo, &a, E));
    assert_int_equal(a.unreadable, 1);
    assert_int_equal(admin_records_conclusive(&a, E), VV_EIO);
    admin_records_release(&a);
    repo_free(repo);
    world_end(&w);
}

static void
admin_records__of_another_site_do_not_count(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    const struct grave graves[2] = {
        {.session = session, .reason = GRAVE_FENCED},
        {.session = {{1}}, .snapshot = snapshot, .reason = GRAVE_REVOKED}};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    publish_graves(repo, "grave-0000000000000000000000000000000a", graves, 2);
    publish_suspect(repo, "suspect-0000000000000000000000000000000a", &pack);
    certify(repo, "certificate-x-1", KEY_ROLE_ADMIN, 1);
    repo_free(repo);
    world_second_site(&w);
    repo = world_open(&w, "a");
    must(admin_records_read(repo, &a, E));
    assert_false(admin_buried(&a, &session, NULL));
    assert_true(admin_buried(&a, &session, &snapshot)); /* revoked: everywhere */
    assert_int_equal(a.suspect_count, 0);
    assert_non_null(admin_certificate(&a, &client));
    admin_records_release(&a);
    repo_free(repo);
    world_end(&w);
}

/* Certificates bound to a site are none. */
static void
admin_records__certificates_count_only_when_valid_everywhere(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    struct certificate c = {.client = client, .role = KEY_ROLE_ADMIN};
    struct vv_buf payload = {0};
    uint8_t secret[32] = {7};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    x25519_public(secret, c.x25519);
    certificate_encode(&c, &payload);
    must(admin_publish(repo, 1, ADMIN_CERTIFICATE, "certificate-x-1", vv_buf_span(&payload), E));
    vv_buf_release(&payload);
    must(admin_records_read(repo, &a, E));
    assert_null(admin_certificate(&a, &client));
    admin_records_release(&a);
    repo_free(repo);
    world_end(&w);
}

/* Two graves are merged while they are read. */
struct merge {
    struct world *w;
    struct vv_buf merged;
    bool done;
};

static enum fault_verdict
merge_now(void *ctx, enum storage_op op, const char *name)
{
    struct merge *m = ctx;

    if (!m->done && op == STORAGE_READ && strcmp(name, GRAVE_A) == 0) {
        m->done = true;
        world_poke(m->w, "admin/grave-0000000000000000000000000000000c", m->merged.data,
                   m->merged.len);
        world_drop(m->w, GRAVE_A);
        world_drop(m->w, "admin/grave-0000000000000000000000000000000b");
    }
    return FAULT_PASS;
}

static void
admin_records__that_vanish_are_read_where_they_went(void **state)
{
    struct world w;
    struct repo *repo;
    struct admin_records a;
    struct merge m = {.w = &w};
    const struct grave graves[2] = {{.session = session, .reason = GRAVE_FENCED},
                                    {.session = {{9}}, .reason = GRAVE_FENCED}};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    publish_graves(repo, "grave-0000000000000000000000000000000c", graves, 2);
    m.merged = world_bytes(&w, "admin/grave-0000000000000000000000000000000c");
    world_drop(&w, "admin/grave-0000000000000000000000000000000c");
    publish_graves(repo, "grave-0000000000000000000000000000000a", &graves[0], 1);
    publish_graves(repo, "grave-0000000000000000000000000000000b", &graves[1], 1);
    w.hook_ctx = &m;
    w.hook = merge_now;
    must(admin_records_read(repo, &a, E));
    assert_true(m.done);
    assert_int_equal(a.grave_count, 2);
    assert_true(admin_buried(&a, &graves[0].session, NULL));
    assert_true(admin_buried(&a, &graves[1].session, NULL));
    admin_records_release(&a);
    vv_buf_release(&m.merged);
    repo_free(repo);
    world_end(&w);
}

static void
condemned_lists__are_read_together(void **state)
{
    struct world w;
    struct repo *repo;
    struct condemned_set c;
    const struct vv_uuid prune[2] = {{{1}}, {{2}}};
    const struct pack_name packs[3] = {{{{9}}, {{1}}}, {{{1}}, {{2}}}, {{{5}}, {{3}}}};
    const struct pack_name other = {{{9}}, {{2}}}; /* same hash: another instance */

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    must(condemned_read(repo, &c, E));
    assert_int_equal(c.lists, 0);
    assert_false(condemned_contains(&c, &packs[0]));
    condemned_set_release(&c);
    must(condemned_publish(repo, &prune[0], packs, 2, E));
    must(condemned_publish(repo, &prune[1], packs + 2, 1, E));
    assert_int_equal(condemned_publish(repo, &prune[1], packs, 2, E), VV_EEXISTS);
    must(condemned_read(repo, &c, E));
    assert_int_equal(c.lists, 2);
    assert_int_equal(c.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(condemned_contains(&c, &packs[i]));
    }
    assert_false(condemned_contains(&c, &other));
    condemned_set_release(&c);
    repo_free(repo);
    world_end(&w);
}

static enum fault_verdict
fail_list(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_READ && strncmp(name, "condemned/", 10) == 0 ? FAULT_FAIL : FAULT_PASS;
}

static void
condemned_lists__that_cannot_be_read_may_name_any_pack(void **state)
{
    struct world w;
    struct repo *repo;
    struct condemned_set c;
    const struct vv_uuid prune = {{1}};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    must(condemned_publish(repo, &prune, &pack, 1, E));
    world_poke(&w, "sessions/01000000000000000000000000000000", "x", 1);
    w.hook = fail_list;
    must(condemned_read(repo, &c, E));
    assert_int_equal(c.damaged, 1);
    assert_int_equal(condemned_conclusive(&c, E), VV_ECORRUPT);
    condemned_set_release(&c);
    repo_free(repo);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admin_records__are_read),
        cmocka_unit_test(admin_records__many_graves_are_found),
        cmocka_unit_test(admin_records__forged_ones_do_not_count),
        cmocka_unit_test(admin_records__damaged_and_odd_files_are_passed_over),
        cmocka_unit_test(admin_records__of_another_site_do_not_count),
        cmocka_unit_test(admin_records__certificates_count_only_when_valid_everywhere),
        cmocka_unit_test(admin_records__that_vanish_are_read_where_they_went),
        cmocka_unit_test(condemned_lists__are_read_together),
        cmocka_unit_test(condemned_lists__that_cannot_be_read_may_name_any_pack),
    };

    return cmocka_run_group_tests_name("repo/admin_records", tests, NULL, NULL);
}
