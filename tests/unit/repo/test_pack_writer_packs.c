/* SPDX-License-Identifier: BSD-2-Clause */
/* The packs of a writer: how large they are, when they are published, which keys and numbers they
 * have. */
#include "core/random.h"
#include "repo/helper_pack_writer.h"

static uint64_t
largest_pack(struct fixture *f)
{
    struct stored_packs all = fixture_packs(f);
    uint64_t largest = 0;

    for (size_t i = 0; i < all.count; i++) {
        if (all.packs[i].size > largest) {
            largest = all.packs[i].size;
        }
    }
    fixture_packs_release(&all);
    return largest;
}

static void
put_noise(struct fixture *f, struct block_builder *b, size_t len, uint64_t seed)
{
    fixture_noise(big, len, seed);
    for (size_t at = 0; at < len; at += 100000) {
        size_t n = len - at < 100000 ? len - at : 100000;
        assert_true(put(f, b, BLOCK_BULK, CHUNK_DATA, big + at, n));
    }
}

/** P7: packs grow with what the session has stored; padding is kept small. */
static void
pack_writer__lets_packs_grow_with_the_session(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    unsigned full = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    put_noise(&f, b, 19u << 20, 1);
    all = fixture_packs(&f);
    for (size_t i = 0; i < all.count; i++) {
        assert_true(all.packs[i].size >= PACK_TARGET_MIN);
        assert_true(all.packs[i].size <= PACK_TARGET_MIN / 4 * 5 + (3u << 19));
        full++;
    }
    assert_true(full >= 3);
    fixture_packs_release(&all);
    /* As if that much had been stored: packs of 8 MiB now. */
    w->stored[PACK_DATA] = PACK_TARGET_SHARE * (UINT64_C(8) << 20);
    put_noise(&f, b, 19u << 20, 2);
    assert_in_range(largest_pack(&f), 8u << 20, 12u << 20);
    flush(w, b);
    w->stored[PACK_DATA] = UINT64_C(1) << 40;
    for (uint64_t i = 3; i < 7; i++) {
        put_noise(&f, b, 19u << 20, i);
    }
    assert_in_range(largest_pack(&f), PACK_TARGET_MAX, PACK_TARGET_MAX / 4 * 5 + (2u << 20));
    flush(w, b);
    all = fixture_packs(&f);
    assert_sound(&all);
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Metadata packs are smaller. */
static void
pack_writer__keeps_metadata_packs_small(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    unsigned metadata = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    fixture_noise(big, 8u << 20, 1);
    for (size_t at = 0; at < 8u << 20; at += 1u << 16) {
        assert_true(put(&f, b, BLOCK_TREE, CHUNK_NODE, big + at, 1u << 16));
    }
    all = fixture_packs(&f);
    for (size_t i = 0; i < all.count; i++) {
        assert_int_equal(all.packs[i].header.class, PACK_METADATA);
        assert_in_range(all.packs[i].size, PACK_TARGET_METADATA,
                        PACK_TARGET_METADATA / 4 * 5 + (3u << 17));
        metadata++;
    }
    assert_true(metadata >= 3);
    fixture_packs_release(&all);
    w->stored[PACK_METADATA] = UINT64_C(2000) << 20; /* they do not grow */
    fixture_noise(big, 8u << 20, 2);
    for (size_t at = 0; at < 8u << 20; at += 1u << 16) {
        assert_true(put(&f, b, BLOCK_TREE, CHUNK_NODE, big + at, 1u << 16));
    }
    assert_in_range(largest_pack(&f), PACK_TARGET_METADATA, 3u << 20);
    flush(w, b);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Lists of content that is stored already must not wait long: a killed run's successor can refer
 *  to that content only through them. */
static void
pack_writer__publishes_lists_soon_after_their_content(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    size_t lists = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    fixture_noise(big, 1000, 1);
    assert_true(put(&f, b, BLOCK_TREE, CHUNK_LIST, big, 500));
    must(block_builder_flush_kind(b, BLOCK_TREE, E));
    put_noise(&f, b, 10u << 20, 2);
    put_noise(&f, b, 19u << 20, 3); /* at least 16 MiB since */
    assert_true(put(&f, b, BLOCK_TREE, CHUNK_LIST, big + 500, 500));
    must(block_builder_flush_kind(b, BLOCK_TREE, E));
    all = fixture_packs(&f);
    for (size_t i = 0; i < all.count; i++) {
        if (all.packs[i].header.class == PACK_METADATA) {
            lists += all.packs[i].directory.chunk_count;
        }
    }
    assert_int_equal(lists, 2);
    fixture_packs_release(&all);
    flush(w, b);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__takes_a_hundred_thousand_small_chunks(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    uint8_t data[120];

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    for (unsigned i = 0; i < 100000; i++) {
        fixture_text(data, sizeof(data), i);
        vv_store_u32(data, i);
        assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, data, 4 + i % 100));
    }
    flush(w, b);
    all = fixture_packs(&f);
    assert_sound(&all);
    assert_int_equal(stored_chunks(&all), 100000);
    for (size_t i = 0; i < all.count; i++) {
        for (uint32_t j = 0; j < all.packs[i].directory.block_count; j++) {
            assert_true(all.packs[i].directory.blocks[j].chunk_count <= 16384);
        }
    }
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** P2: even if the random source repeats itself (a machine resumed twice from one image). */
static void
pack_writer__never_repeats_a_pack_key(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    for (unsigned i = 0; i < 5; i++) {
        vv_random_test_seed(1);
        fixture_text(big, 1000, i);
        assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 1000));
        flush(w, b);
    }
    vv_random_test_seed(0);
    all = fixture_packs(&f);
    assert_int_equal(all.count, 5);
    assert_sound(&all); /* compares the keys */
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** P1: no number of a pack is given out twice, and places do not overlap. */
static void
pack_writer__hands_out_each_number_once(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct image_checker *checker = NULL;
    struct block_place places[50];
    struct pack_chunk chunk = {.len = 1000, .type = CHUNK_DATA};

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    must(image_checker_new(&checker, E));
    fixture_noise(big, 1000, 1);
    chunk_id(repo_keyring(f.repo), CHUNK_DATA, vv_span(big, 1000), &chunk.id);
    for (uint32_t i = 0; i < 50; i++) {
        struct block_draft draft = {.kind = BLOCK_SMALL,
                                    .plain_len = 1000,
                                    .content = vv_span(big, 1000),
                                    .chunks = &chunk,
                                    .chunk_count = 1};
        must(pack_writer_reserve(w, &draft, checker, &places[i], E));
        assert_ptr_equal(places[i].image, places[0].image);
        assert_int_equal(places[i].number, i);
        assert_int_equal(places[i].offset, PACK_HEADER_LEN + i * 1016);
    }
    /* a block that could not be encrypted spoils the pack: nothing of it is ever published */
    for (uint32_t i = 0; i < 50; i++) {
        struct vv_error failure = {.rc = VV_EIO, .message = "injected"};
        struct pack_image *ready = NULL;
        enum vv_rc sealed = i == 20 ? VV_EIO : VV_OK;
        assert_int_equal(pack_writer_complete(w, places[i].image, sealed, &ready, &failure),
                         sealed);
        assert_null(ready); /* it is still open */
        assert_int_equal(pack_writer_check(w, E), i < 20 ? VV_OK : VV_EIO);
    }
    assert_int_equal(pack_writer_flush(w, E), VV_EIO);
    assert_string_equal(E->message, "injected");
    assert_int_equal(largest_pack(&f), 0);
    image_checker_free(checker);
    pack_writer_free(w);
    fixture_end(&f);
}

static unsigned
count_packs(struct pack_writer *w)
{
    return (unsigned)atomic_load(&pack_writer_counts(w)->packs_data);
}

static void
flip_a_bit(uint8_t *image, size_t len)
{
    image[len / 2] ^= 1;
}

/** Put so many chunks that fill a block each, beginning with number ${first}. */
static void
put_blocks(struct fixture *f, struct block_builder *b, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        fixture_noise(big, 1 << 20, i + 1);
        assert_true(put(f, b, BLOCK_BULK, CHUNK_DATA, big, 1 << 20));
    }
}

/* Who works for somebody that waits publishes a complete pack only behind that; but never holds one while
 * waiting for room. */
static void
pack_writer__publishes_later_for_whom_others_wait(void **state)
{
    static const struct pack_writer_options o = {.level = 0, .threads = 1};
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    unsigned fill = 0; /* so many make a pack */

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &o);
    b = new_builder(w);
    while (count_packs(w) == 0) {
        put_blocks(&f, b, fill++, 1);
    }
    block_builder_defer(b);
    put_blocks(&f, b, fill, fill);
    assert_int_equal(count_packs(w), 1);
    must(block_builder_publish(b, E));
    assert_int_equal(count_packs(w), 2);
    block_builder_defer(b);
    put_blocks(&f, b, 2 * fill, fill);
    assert_int_equal(count_packs(w), 2);
    put_blocks(&f, b, 3 * fill, 1); /* needs room */
    assert_int_equal(count_packs(w), 3);
    put_blocks(&f, b, 3 * fill + 1, fill - 1);
    assert_int_equal(count_packs(w), 3);
    pack_writer_test_hook = flip_a_bit; /* what waits still has to be in order */
    assert_int_equal(block_builder_publish(b, E), VV_ECORRUPT);
    pack_writer_test_hook = NULL;
    assert_int_equal(count_packs(w), 3);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_writer__lets_packs_grow_with_the_session),
        cmocka_unit_test(pack_writer__keeps_metadata_packs_small),
        cmocka_unit_test(pack_writer__publishes_lists_soon_after_their_content),
        cmocka_unit_test(pack_writer__takes_a_hundred_thousand_small_chunks),
        cmocka_unit_test(pack_writer__never_repeats_a_pack_key),
        cmocka_unit_test(pack_writer__hands_out_each_number_once),
        cmocka_unit_test(pack_writer__publishes_later_for_whom_others_wait),
    };

    return cmocka_run_group_tests(tests, get_room, leave_room);
}
