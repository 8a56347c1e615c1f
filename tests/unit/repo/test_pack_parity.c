/* SPDX-License-Identifier: BSD-2-Clause */
/* Parity at a site: who decides, who writes it, and what reading makes of it.
 */
#include "helper_repository.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "repo/pack_names.h"
#include "repo/pack_parity.h"

static bool
wanted(struct repo *r)
{
    bool on = false;

    must(parity_wanted(r, &on, E));
    return on;
}

/** How many packs there are, and how many of them have parity. */
static void
count(struct repo *r, size_t *ret_packs, size_t *ret_with)
{
    struct pack_names packs;
    struct pack_names parity;
    size_t n;

    must(pack_names_list(r, "packs", &packs, E));
    must(pack_names_list(r, "parity", &parity, E));
    *ret_packs = packs.count;
    *ret_with = 0;
    for (size_t i = 0; i < packs.count; i++) {
        *ret_with += pack_names_find(&parity, &packs.names[i].hash, &n) != NULL;
    }
    pack_names_release(&packs);
    pack_names_release(&parity);
}

/** Store one text and commit; the chunk's id. */
static struct vv_id
store(struct repo *r, const char *text)
{
    struct run run;
    struct vv_id id;

    run_begin(&run, r);
    assert_true(run_put(&run, text, &id));
    run_flush(&run);
    must(run_commit(&run, NULL, E));
    run_end(&run);
    return id;
}

static void
parity_decision__is_made_and_changed(void **state)
{
    struct name_list names;
    struct world w;
    struct repo *r;

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    assert_false(wanted(r));
    must(parity_decide(r, false, E));
    must(parity_decide(r, true, E));
    assert_true(wanted(r));
    must(parity_decide(r, true, E)); /* nothing new */
    names = world_names(&w, "parity");
    assert_int_equal(names.count, 2);
    name_list_release(&names);
    world_flip(&w, "parity/decision-2", 40); /* the one before counts */
    assert_false(wanted(r));
    assert_true(world_told(&w, "parity-damaged") > 0);
    must(parity_decide(r, true, E));
    assert_true(wanted(r));
    repo_free(r);
    world_second_site(&w);
    r = world_open(&w, "host");
    assert_false(wanted(r)); /* another site decides for itself */
    repo_free(r);
    world_end(&w);
}

static void
pack_writer__stores_parity_where_it_is_wanted(void **state)
{
    struct world w;
    struct repo *r;
    size_t packs;
    size_t with;

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    (void)store(r, "before");
    count(r, &packs, &with);
    assert_true(packs > 0);
    assert_int_equal(with, 0);
    must(parity_decide(r, true, E));
    (void)store(r, "after");
    {
        size_t before = packs;
        count(r, &packs, &with);
        assert_int_equal(with, packs - before);
        assert_true(with > 0);
    }
    repo_free(r);
    world_end(&w);
}

static enum fault_verdict
no_room_for_parity(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_PUBLISH && strncmp(name, "parity/", 7) == 0 ? FAULT_NOSPACE : FAULT_PASS;
}

static void
pack_writer__goes_on_when_parity_cannot_be_stored(void **state)
{
    struct world w;
    struct repo *r;
    struct vv_id id;
    size_t packs;
    size_t with;

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    must(parity_decide(r, true, E));
    w.hook = no_room_for_parity;
    id = store(r, "text");
    w.hook = NULL;
    assert_int_equal(world_told(&w, "parity-failed"), 1);
    count(r, &packs, &with);
    assert_int_equal(with, 0);
    must(read_text(r, &id, "text"));
    repo_free(r);
    world_end(&w);
}

static void
chunk_read__heals_a_damaged_block_by_itself(void **state)
{
    struct world w;
    struct repo *r;
    struct vv_id id;
    struct pack_name pack;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    must(parity_decide(r, true, E));
    id = store(r, "a text that is to be read again");
    pack = pack_of(r, &id);
    pack_object_text(&pack, object);
    world_flip(&w, object, 260); /* in the first block */
    must(read_text(r, &id, "a text that is to be read again"));
    assert_int_equal(world_told(&w, "block-healed"), 1);
    world_flip(&w, object, 20); /* and in the header */
    must(read_text(r, &id, "a text that is to be read again"));
    world_flip(&w, object, 9000);
    world_flip(&w, object, 12000); /* a third shard is beyond it */
    assert_int_not_equal(read_text(r, &id, "a text that is to be read again"), VV_OK);
    repo_free(r);
    world_end(&w);
}

/* The pack the index names is gone; another instance is damaged, but there is parity. */
static void
chunk_read__heals_another_instance(void **state)
{
    struct world w;
    struct repo *r;
    struct vv_id id;
    struct pack_name pack;
    char object[PACK_OBJECT_TEXT];
    struct vv_buf bytes;

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    must(parity_decide(r, true, E));
    id = store(r, "a text that is to be read again");
    pack = pack_of(r, &id);
    pack_object_text(&pack, object);
    bytes = world_bytes(&w, object);
    world_drop(&w, object);
    pack.suffix.b[0] ^= 1;
    pack_object_text(&pack, object);
    world_poke(&w, object, bytes.data, bytes.len);
    world_flip(&w, object, 260);
    must(read_text(r, &id, "a text that is to be read again"));
    assert_int_equal(world_told(&w, "block-healed"), 1);
    vv_buf_release(&bytes);
    repo_free(r);
    world_end(&w);
}

/** The 16 KiB in which a byte lies cannot be read from the device. */
static enum fault_verdict
bad_sector(void *ctx, enum storage_op op, const char *name)
{
    unsigned *left = ctx;

    if (op != STORAGE_READ || strncmp(name, "packs/", 6) != 0 || *left == 0) {
        return FAULT_PASS;
    }
    --*left;
    return FAULT_FAIL;
}

static void
pack_parity_heal__reads_around_what_cannot_be_read(void **state)
{
    struct world w;
    struct repo *r;
    struct vv_id id;
    struct pack_name pack;
    struct vv_buf image = {0};
    struct parity_outcome outcome;
    unsigned failures = 1; /* reading it all at once; the pieces work */

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    must(parity_decide(r, true, E));
    id = store(r, "text");
    pack = pack_of(r, &id);
    w.hook = bad_sector;
    w.hook_ctx = &failures;
    must(pack_parity_heal(r, &pack, &image, &outcome, E));
    assert_true(outcome.whole);
    assert_int_equal(failures, 0);
    parity_outcome_release(&outcome);
    failures = 1000; /* nothing of it can be read */
    must(pack_parity_heal(r, &pack, &image, &outcome, E));
    assert_false(outcome.whole);
    assert_true(outcome.lost.len > 0);
    parity_outcome_release(&outcome);
    w.hook = NULL;
    vv_buf_release(&image);
    repo_free(r);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parity_decision__is_made_and_changed),
        cmocka_unit_test(pack_writer__stores_parity_where_it_is_wanted),
        cmocka_unit_test(pack_writer__goes_on_when_parity_cannot_be_stored),
        cmocka_unit_test(chunk_read__heals_a_damaged_block_by_itself),
        cmocka_unit_test(chunk_read__heals_another_instance),
        cmocka_unit_test(pack_parity_heal__reads_around_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
