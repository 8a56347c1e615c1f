/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of claimed chunk ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "repo/claim_table_internal.h"

#define MANY 1100000u

static struct vv_id
numbered(uint64_t number)
{
    uint8_t bytes[8] = {0};
    struct vv_span part = vv_span(bytes, sizeof(bytes));
    struct vv_id id;

    vv_store_u64(bytes, number);
    blake2b_256(NULL, 0, &part, 1, id.b);
    return id;
}

static bool
claims(struct claim_table *t, const struct vv_id *id)
{
    struct vv_error err = {0};
    bool is_new;

    assert_int_equal(claim_table_claim(t, id, &is_new, &err), VV_OK);
    return is_new;
}

static bool
contains(struct claim_table *t, const struct vv_id *id)
{
    struct vv_error err = {0};
    bool found;

    assert_int_equal(claim_table_contains(t, id, &found, &err), VV_OK);
    return found;
}

static void
claim_table__knows_exactly_what_was_claimed(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(claim_table_new("/tmp", &t, &err), VV_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        struct vv_id id = numbered(i);
        assert_true(claims(t, &id));
    }
    for (uint32_t i = 0; i < MANY; i++) {
        struct vv_id id = numbered(i);
        struct vv_id other = numbered(i + (UINT64_C(1) << 32));
        assert_true(contains(t, &id));
        assert_false(contains(t, &other));
    }
    for (uint32_t i = 0; i < MANY; i += 7) {
        struct vv_id id = numbered(i);
        assert_false(claims(t, &id));
    }
    assert_int_equal(claim_table_count(t), MANY);
    claim_table_free(t);
}

static void
claim_table__needs_about_eleven_bytes_an_id(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};
    uint64_t fixed;

    (void)state;
    assert_int_equal(claim_table_new("/tmp", &t, &err), VV_OK);
    fixed = claim_table_heap(t);
    for (uint32_t i = 0; i < MANY; i++) {
        struct vv_id id = numbered(i);
        assert_true(claims(t, &id));
        if (i <
            10000) { /* an unchanged backup of a million files claims some 16,000, all over the table */
            assert_true(claim_table_heap(t) - fixed <= 512 << 10);
        } else if (i % 10000 == 0) { /* there is room for a million from the start */
            uint64_t ids = i > (1u << 20) ? i : 1u << 20;
            assert_true(claim_table_heap(t) - fixed <= ids * 125 / 10);
        }
    }
    claim_table_free(t);
}

/** Ids that agree in shard and fingerprint are told apart by their records. */
static void
claim_table__tells_equal_fingerprints_apart(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};
    struct vv_id id = {{0}};

    (void)state;
    assert_int_equal(claim_table_new("/tmp", &t, &err), VV_OK);
    for (unsigned i = 0; i < 2200; i++) { /* so many that some are in the file, some are not */
        vv_store_u32(id.b + 20, i);
        assert_false(contains(t, &id));
        assert_true(claims(t, &id));
        assert_false(claims(t, &id));
        if (i % 1000 == 199) {
            for (unsigned j = 0; j <= i; j += 99) {
                vv_store_u32(id.b + 20, j);
                assert_true(contains(t, &id));
            }
        }
    }
    assert_int_equal(claim_table_count(t), 2200);
    claim_table_free(t);
}

/** Slots at the end of a table run over to its beginning. */
static void
claim_table__wraps_around(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};
    struct vv_id id;

    (void)state;
    assert_int_equal(claim_table_new("/tmp", &t, &err), VV_OK);
    memset(id.b, 0xff, sizeof(id.b));
    for (unsigned i = 0; i < 300; i++) {
        vv_store_u32(id.b + 20, i);
        id.b[1] = (uint8_t)(0xff - i % 3);
        assert_true(claims(t, &id));
    }
    for (unsigned i = 0; i < 300; i++) {
        vv_store_u32(id.b + 20, i);
        id.b[1] = (uint8_t)(0xff - i % 3);
        assert_true(contains(t, &id));
    }
    claim_table_free(t);
}

#define THREADS 4u
#define SHARED_IDS 20000u

struct race {
    struct claim_table *table;
    unsigned number;
    uint32_t won;
    bool failed;
};

static void
race_for_ids(void *arg)
{
    struct race *r = arg;
    struct vv_error err = {0};

    for (uint32_t i = 0; i < SHARED_IDS; i++) {
        /* each thread in an order of its own */
        struct vv_id id = numbered((i * (2 * r->number + 1) + r->number * 977) % SHARED_IDS);
        bool is_new = false;
        bool found = false;
        if (claim_table_claim(r->table, &id, &is_new, &err) != VV_OK ||
            claim_table_contains(r->table, &id, &found, &err) != VV_OK || !found) {
            r->failed = true;
        }
        r->won += is_new;
    }
}

static void
claim_table__gives_each_id_to_one_of_many_threads(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};
    struct vv_thread threads[THREADS] = {0};
    struct race races[THREADS] = {0};
    uint32_t won = 0;

    (void)state;
    assert_int_equal(claim_table_new("/tmp", &t, &err), VV_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        races[i] = (struct race){.table = t, .number = i};
        assert_int_equal(vv_thread_start(&threads[i], "race", race_for_ids, &races[i], &err),
                         VV_OK);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        vv_thread_join(&threads[i]);
        assert_false(races[i].failed);
        won += races[i].won;
    }
    assert_int_equal(won, claim_table_count(t));
    for (uint32_t i = 0; i < SHARED_IDS; i++) {
        struct vv_id id = numbered(i);
        (void)claims(t, &id);
    }
    assert_int_equal(claim_table_count(t), SHARED_IDS);
    claim_table_free(t);
}

/** Claim those of ${count} numbered ids that nobody has claimed, and find all. */
static void
claim_all(struct claim_table *t, uint32_t from, uint32_t count)
{
    struct vv_error err = {0};

    for (uint32_t i = from; i < count; i++) {
        struct vv_id id = numbered(i);
        bool is_new = false;
        assert_int_equal(claim_table_claim(t, &id, &is_new, &err), VV_OK);
        assert_true(is_new);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct vv_id id = numbered(i);
        bool found = false;
        assert_int_equal(claim_table_contains(t, &id, &found, &err), VV_OK);
        assert_true(found);
    }
    assert_int_equal(claim_table_count(t), count);
}

/** Without a place for the file the ids are in memory. */
static void
claim_table__does_without_a_directory(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(claim_table_new("/nonexistent/directory", &t, &err), VV_OK);
    claim_all(t, 0, 10000);
    claim_table_free(t);
}

/** Make every unnamed file of this process one that can only be read: as a full disk. */
static unsigned
refuse_writes(void)
{
    unsigned refused = 0;

    for (int fd = 3; fd < 256; fd++) {
        char link[64];
        char target[256] = "";
        int again;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof(target) - 1) <= 0 ||
            strstr(target, "(deleted)") == NULL || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR) {
            continue;
        }
        again = open(link, O_RDONLY | O_CLOEXEC);
        assert_true(again >= 0);
        assert_int_equal(dup2(again, fd), fd);
        (void)close(again);
        refused++;
    }
    return refused;
}

/** The disk is full after a while: what was written is still known. */
static void
claim_table__goes_on_in_memory_when_the_disk_is_full(void **state)
{
    struct claim_table *t;
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(claim_table_new("/tmp", &t, &err), VV_OK);
    claim_all(t, 0, 3000); /* the first buffer is in the file */
    assert_int_equal(refuse_writes(), 1);
    claim_all(t, 3000, 20000);
    claim_table_free(t);
}

static enum vv_rc
fill(void *arg, struct vv_error *err)
{
    VV_CLEANUP(claim_table_freep) struct claim_table *t = NULL;

    (void)arg;
    VV_TRY(claim_table_new("/tmp", &t, err));
    for (uint32_t i = 0; i < 5000; i++) {
        struct vv_id id = numbered(i);
        bool is_new;
        VV_TRY(claim_table_claim(t, &id, &is_new, err));
    }
    return VV_OK;
}

static void
claim_table__survives_lack_of_memory(void **state)
{
    (void)state;
    assert_true(alloc_sweep(fill, NULL) > 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_table__knows_exactly_what_was_claimed),
        cmocka_unit_test(claim_table__needs_about_eleven_bytes_an_id),
        cmocka_unit_test(claim_table__tells_equal_fingerprints_apart),
        cmocka_unit_test(claim_table__wraps_around),
        cmocka_unit_test(claim_table__gives_each_id_to_one_of_many_threads),
        cmocka_unit_test(claim_table__does_without_a_directory),
        cmocka_unit_test(claim_table__goes_on_in_memory_when_the_disk_is_full),
        cmocka_unit_test(claim_table__survives_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
