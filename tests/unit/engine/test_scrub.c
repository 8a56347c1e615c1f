/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub, as far as it cannot be seen from outside: how it ends when the storage goes away. */
#include "engine/helper_backup.h"

#include <string.h>

#include "engine/scrub.h"
#include "parity/reed_solomon.h"
#include "repo/pack_parity.h"

#define OBJECTS_MAX 200u /* more than the repository of this test has */

/** Let objects be read up to the one that is damaged, and ${after} others; then the storage is gone. */
struct going {
    char damaged[PACK_OBJECT_TEXT];
    bool seen;
    unsigned after;
};

static enum fault_verdict
go_away(void *ctx, enum storage_op op, const char *name)
{
    struct going *g = ctx;

    if (op == STORAGE_READ && strcmp(name, g->damaged) == 0) {
        g->seen = true;
        return FAULT_PASS;
    }
    if (!g->seen) {
        return FAULT_PASS;
    }
    if (g->after == 0) {
        return FAULT_TRANSIENT;
    }
    g->after--;
    return FAULT_PASS;
}

static void
damage(struct backup_world *w, const char *object)
{
    struct vv_buf bytes = {0};

    bw_must(w, storage_read_all(w->memory, object, LIMIT_PACK, &bytes, &w->err));
    bytes.data[bytes.len / 2] ^= 1;
    bw_must(w, storage_remove(w->memory, object, &w->err));
    bw_must(w, storage_publish(w->memory, object, vv_buf_span(&bytes), &w->err));
    vv_buf_release(&bytes);
}

/* However far it came: what it had read is told before it ends. */
static void
scrub__tells_what_it_found_when_the_storage_goes_away(void **state)
{
    const struct scrub_options options = {.threads = 1};
    struct backup_world w;
    struct pack_name packs[8];
    struct going going = {.seen = false};
    unsigned failures = 0;
    enum vv_rc rc = VV_EIO;

    (void)state;
    bw_begin(&w, NULL);
    bw_file(&w, "a", 300000, 1);
    bw_backup(&w);
    assert_true(bw_packs(&w, packs, VV_COUNT(packs)) > 0);
    pack_object_text(&packs[0], going.damaged);
    damage(&w, going.damaged);
    w.hook = go_away;
    w.hook_ctx = &going;
    for (unsigned after = 0; rc != VV_OK && after < OBJECTS_MAX; after++) {
        struct scrub_summary s;
        going.seen = false;
        going.after = after;
        bw_reopen(&w);
        vv_buf_reset(&w.ear.lines);
        going.seen = false;
        rc = scrub_run(w.repo, &options, NULL, &s, &w.err);
        assert_int_equal(bw_heard_count(&w, "pack-damaged"), 1);
        assert_int_equal(s.objects_damaged, 1);
        assert_int_equal(s.objects_unhealed, 1);
        assert_true(s.objects_read > 0);
        failures += rc != VV_OK;
    }
    assert_int_equal(rc, VV_OK);
    assert_true(failures > 0);
    w.hook = NULL;
    bw_end(&w);
}

/* --- instances of one pack --- */

/** Damage so many shards of a pack: two can be computed. */
static void
spoil_shards(struct vv_buf *image, unsigned shards)
{
    for (unsigned i = 0; i < shards; i++) {
        image->data[i * (image->len / PARITY_DATA + 1)] ^= 1;
    }
}

/** The largest pack of a world, its parity published. */
static void
begin_with_parity(struct backup_world *w, struct pack_name *ret, struct vv_buf *image)
{
    struct pack_name packs[8];
    char object[PACK_OBJECT_TEXT];
    uint64_t size = 0;
    size_t count;

    bw_begin(w, NULL);
    bw_file(w, "a", 600000, 1);
    bw_backup(w);
    count = bw_packs(w, packs, VV_COUNT(packs));
    for (size_t i = 0; i < count; i++) {
        struct vv_buf bytes = {0};
        pack_object_text(&packs[i], object);
        bw_must(w, storage_read_all(w->memory, object, LIMIT_PACK, &bytes, &w->err));
        if (bytes.len > image->len) {
            vv_buf_release(image);
            *image = bytes;
            *ret = packs[i];
        } else {
            vv_buf_release(&bytes);
        }
    }
    assert_true(image->len > 500000);
    bw_reopen(w);
    bw_must(w, pack_parity_publish(w->repo, &ret->hash, vv_buf_span(image), &size, &w->err));
}

/** Under the pack's own name, and under one that is looked at after it. */
static void
put_instances(struct backup_world *w, const struct pack_name *name, const struct vv_buf *image,
              unsigned first, unsigned second)
{
    struct pack_name other = *name;
    unsigned shards[] = {first, second};
    char object[PACK_OBJECT_TEXT];

    memset(other.suffix.b, 0xff, sizeof(other.suffix.b));
    pack_object_text(name, object);
    bw_must(w, storage_remove(w->memory, object, &w->err));
    for (unsigned i = 0; i < VV_COUNT(shards); i++) {
        struct vv_buf bytes = {0};
        vv_buf_put(&bytes, image->data, image->len);
        spoil_shards(&bytes, shards[i]);
        pack_object_text(i == 0 ? name : &other, object);
        bw_must(w, storage_publish(w->memory, object, vv_buf_span(&bytes), &w->err));
        vv_buf_release(&bytes);
    }
}

static void
scrub__heals_whichever_instance_can_be_healed(void **state)
{
    const struct scrub_options options = {.threads = 1};
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};
    struct backup_world w;
    struct pack_name name;
    struct scrub_summary s;

    (void)state;
    begin_with_parity(&w, &name, &image);
    put_instances(&w, &name, &image, 3, 2);
    bw_reopen(&w);
    vv_buf_reset(&w.ear.lines);
    bw_must(&w, scrub_run(w.repo, &options, NULL, &s, &w.err));
    assert_int_equal(s.objects_damaged, 2);
    assert_int_equal(s.packs_healed, 1);
    assert_int_equal(s.superseded, 1);
    assert_int_equal(s.objects_unhealed, 0);
    assert_int_equal(bw_heard_count(&w, "pack-healed"), 1);
    assert_int_equal(bw_heard_count(&w, "pack-superseded"), 1);
    assert_int_equal(bw_heard_count(&w, "pack-damaged"), 0);
    bw_end(&w);
}

static void
scrub__names_every_instance_that_cannot_be_healed(void **state)
{
    const struct scrub_options options = {.threads = 1};
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};
    struct backup_world w;
    struct pack_name name;
    struct scrub_summary s;

    (void)state;
    begin_with_parity(&w, &name, &image);
    put_instances(&w, &name, &image, 3, 4);
    bw_reopen(&w);
    vv_buf_reset(&w.ear.lines);
    bw_must(&w, scrub_run(w.repo, &options, NULL, &s, &w.err));
    assert_int_equal(s.packs_healed, 0);
    assert_int_equal(s.objects_unhealed, 2);
    assert_int_equal(bw_heard_count(&w, "pack-damaged"), 2);
    bw_end(&w);
}

/** Once the damaged pack was read: healing looks for its parity. */
static enum fault_verdict
refuse_to_list_parity(void *ctx, enum storage_op op, const char *name)
{
    struct going *g = ctx;

    g->seen = g->seen || (op == STORAGE_READ && strcmp(name, g->damaged) == 0);
    return g->seen && op == STORAGE_LIST && strncmp(name, "parity", 6) == 0 ? FAULT_TRANSIENT
                                                                            : FAULT_PASS;
}

/* A missing pack is damage that stays, and counts once. */
static void
scrub__counts_a_missing_pack_once_when_it_cannot_go_on(void **state)
{
    const struct scrub_options options = {.threads = 1};
    struct backup_world w;
    struct pack_name packs[8];
    struct going going = {.seen = false};
    char object[PACK_OBJECT_TEXT];
    struct scrub_summary s;

    (void)state;
    bw_begin(&w, NULL);
    bw_file(&w, "a", 300000, 1);
    bw_backup(&w);
    assert_true(bw_packs(&w, packs, VV_COUNT(packs)) > 1);
    pack_object_text(&packs[0], object);
    bw_must(&w, storage_remove(w.memory, object, &w.err));
    pack_object_text(&packs[1], going.damaged);
    damage(&w, going.damaged);
    w.hook = refuse_to_list_parity;
    w.hook_ctx = &going;
    bw_reopen(&w);
    assert_int_not_equal(scrub_run(w.repo, &options, NULL, &s, &w.err), VV_OK);
    assert_int_equal(s.packs_missing, 1);
    assert_int_equal(s.objects_damaged, 2);
    assert_int_equal(s.objects_unhealed, 2);
    w.hook = NULL;
    bw_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scrub__tells_what_it_found_when_the_storage_goes_away),
        cmocka_unit_test(scrub__heals_whichever_instance_can_be_healed),
        cmocka_unit_test(scrub__names_every_instance_that_cannot_be_healed),
        cmocka_unit_test(scrub__counts_a_missing_pack_once_when_it_cannot_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
