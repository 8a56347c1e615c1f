/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: long */
/* Repair that dies, or whose storage fails, at any operation: nothing that was good is lost, and the
 * next run finishes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/helper_prune.h"
#include "engine/parity_site.h"
#include "engine/repair.h"
#include "sweep.h"

#define SNAPSHOTS 3u
#define DAMAGED_MAX 16u

static struct prune_world w;
static struct storage *saved;
static char damaged[DAMAGED_MAX][STORAGE_NAME_MAX + 1]; /* objects that were taken or changed */
static unsigned damaged_count;

static void
poke(const char *name, struct vv_span bytes)
{
    pw_must(&w, storage_memory_poke(w.b.memory, name, bytes, &w.err));
    assert_true(damaged_count < DAMAGED_MAX);
    (void)snprintf(damaged[damaged_count++], sizeof(damaged[0]), "%s", name);
}

/** Flip one bit, or, ${at} being 0, cut the object in half. */
static void
spoil(const char *name, size_t at)
{
    struct vv_span bytes;
    uint8_t *copy;

    assert_true(storage_memory_peek(w.b.memory, name, &bytes));
    copy = vv_memdup(bytes.data, bytes.len);
    assert_non_null(copy);
    copy[at] ^= at > 0;
    poke(name, vv_span(copy, at > 0 ? bytes.len : bytes.len / 2));
    vv_free(copy);
}

struct found {
    const char *directory;
    const char *prefix;
    char name[STORAGE_NAME_MAX + 1];
    uint64_t size;
};

static enum vv_rc
keep_largest(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct found *f = ctx;

    (void)err;
    if (strncmp(name, f->prefix, strlen(f->prefix)) == 0 && size >= f->size) {
        (void)snprintf(f->name, sizeof(f->name), "%s/%s", f->directory, name);
        f->size = size;
    }
    return VV_OK;
}

static const char *
largest(struct found *f)
{
    pw_must(&w, storage_list(w.b.memory, f->directory, keep_largest, f, &w.err));
    assert_true(f->size > 0);
    return f->name;
}

/** Of each kind that a repair mends without another repository. */
static void
damage(void)
{
    struct found slot = {.directory = "snapshots", .prefix = ""};
    struct found segment = {.directory = "index", .prefix = ""};
    struct found certificate = {.directory = "admin", .prefix = "certificate-"};
    struct found key = {.directory = "keys", .prefix = ""};
    struct pack_name packs[64];
    uint32_t count = bw_packs(&w.b, packs, VV_COUNT(packs));

    for (uint32_t i = 0; i < count && i < 4; i++) { /* their parity heals them */
        char object[PACK_OBJECT_TEXT];
        pack_object_text(&packs[i], object);
        spoil(object, 300);
    }
    spoil(largest(&slot), 0);
    poke(largest(&segment), vv_span(NULL, 0));
    poke(largest(&certificate), vv_span(NULL, 0));
    spoil(largest(&key), 100);
    poke("README", vv_span(NULL, 0));
    poke("sessions/0123456789abcdef0123456789abcdef", vv_span("x", 1));
    poke("condemned/0123456789abcdef0123456789abcdef", vv_span("rotten", 6));
}

static int
setup(void **state)
{
    struct parity_summary s;

    (void)state;
    damaged_count = 0;
    pw_begin(&w, SNAPSHOTS);
    pw_must(&w, parity_site_add(w.admin, NULL, &s, &w.err));
    damage();
    pw_save(&w, &saved);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    storage_free(saved);
    pw_end(&w);
    return 0;
}

/* --- what must not be lost --------------------------------------------------------------------- */

static bool
was_damaged(const char *name)
{
    for (unsigned i = 0; i < damaged_count; i++) {
        if (strcmp(damaged[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void
assert_there(const char *name)
{
    struct vv_span before;
    struct vv_span now;

    if (was_damaged(name)) {
        return;
    }
    assert_true(storage_memory_peek(saved, name, &before));
    if (!storage_memory_peek(w.b.memory, name, &now)) {
        fail_msg("'%s' is gone", name);
    }
    assert_int_equal(now.len, before.len);
    assert_memory_equal(now.data, before.data, before.len);
}

static enum vv_rc
look_flat(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    char object[STORAGE_NAME_MAX + 1];

    (void)size;
    (void)err;
    (void)snprintf(object, sizeof(object), "%s/%s", (const char *)ctx, name);
    assert_there(object);
    return VV_OK;
}

static enum vv_rc
look_sharded(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    char object[STORAGE_NAME_MAX + 1];

    (void)size;
    (void)err;
    (void)snprintf(object, sizeof(object), "%s/%.2s/%s", (const char *)ctx, name, name);
    assert_there(object);
    return VV_OK;
}

/** Everything that was good lies where it lay, byte for byte; but for the index, which can be made
 *  again from what does. */
static void
assert_nothing_lost(void)
{
    static char flat[][16] = {"admin", "snapshots", "keys"};

    for (size_t i = 0; i < VV_COUNT(flat); i++) {
        pw_must(&w, storage_list(saved, flat[i], look_flat, flat[i], &w.err));
    }
    pw_must(&w, storage_list_shards(saved, "packs", look_sharded, (char[]){"packs"}, &w.err));
    assert_there("config");
    assert_there("site");
}

/* --- repairs ----------------------------------------------------------------------------------- */

static enum vv_rc
repair(struct repair_summary *ret)
{
    struct repair_options o = {.threads = 1};

    vv_buf_reset(&w.b.ear.lines);
    memset(&w.err, 0, sizeof(w.err));
    memset(ret, 0, sizeof(*ret));
    return repair_run(w.admin, &o, NULL, ret, &w.err);
}

struct plan {
    _Atomic uint64_t calls;
    uint64_t at;
    enum fault_verdict verdict;
};
static struct plan plan;

/** Listings of single shards are all alike: only the first counts. */
static enum fault_verdict
fail_at(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_LIST && strchr(name, '/') != NULL && strcmp(name, "packs/00") != 0) {
        return FAULT_PASS;
    }
    return ++plan.calls == plan.at ? plan.verdict : FAULT_PASS;
}

/** With nothing in its way it mends all there is; how many operations that takes. */
static uint64_t
finish(void)
{
    struct repair_summary s;
    uint64_t calls;

    plan = (struct plan){0};
    w.b.hook = fail_at;
    pw_reopen(&w);
    plan.calls = 0; /* without the opening */
    pw_must(&w, repair(&s));
    calls = plan.calls;
    w.b.hook = NULL;
    assert_int_equal(s.packs_lost + s.objects_lost + s.paths_lost + s.snapshots_unrecovered, 0);
    assert_int_equal(s.snapshots_whole, SNAPSHOTS);
    repair_summary_release(&s);
    assert_nothing_lost();
    assert_int_equal(pw_sound(&w), SNAPSHOTS);
    return calls;
}

static void
sweep(const enum fault_verdict *verdicts, size_t count, unsigned usual)
{
    unsigned step = sweep_stride(usual);
    uint64_t all;

    pw_restore(&w, saved);
    all = finish();
    assert_true(all > 50);
    for (uint64_t at = 1; at <= all; at += step) {
        struct repair_summary s;
        pw_restore(&w, saved);
        plan = (struct plan){.at = at, .verdict = verdicts[at % count]};
        w.b.hook = fail_at;
        if (repair(&s) == VV_OK) {
            repair_summary_release(&s);
        }
        w.b.hook = NULL;
        assert_nothing_lost();
        (void)finish();
    }
}

static void
repair__that_dies_anywhere_is_finished_by_the_next(void **state)
{
    static const enum fault_verdict verdicts[] = {FAULT_STOP};

    (void)state;
    sweep(verdicts, VV_COUNT(verdicts), 7);
}

static void
repair__whose_storage_fails_once_is_finished_by_the_next(void **state)
{
    static const enum fault_verdict verdicts[] = {FAULT_FAIL, FAULT_TRANSIENT, FAULT_LOST_REPLY,
                                                  FAULT_NOSPACE};

    (void)state;
    sweep(verdicts, VV_COUNT(verdicts), 9);
}

/* What comes back wrong once is not taken for what is stored. */
static void
repair__that_reads_wrong_bytes_loses_nothing(void **state)
{
    static const enum fault_verdict verdicts[] = {FAULT_FLIP};

    (void)state;
    sweep(verdicts, VV_COUNT(verdicts), 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(repair__that_dies_anywhere_is_finished_by_the_next),
        CASE(repair__whose_storage_fails_once_is_finished_by_the_next),
        CASE(repair__that_reads_wrong_bytes_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
