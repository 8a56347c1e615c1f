/* SPDX-License-Identifier: BSD-2-Clause */
/* From chunks to published packs. */
#include "compress/compress.h"
#include "repo/helper_pack_writer.h"

static void
pack_writer__stores_blocks_of_every_kind(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    struct vv_id id;
    unsigned seen[6] = {0};
    uint64_t bytes = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    fixture_text(big, BIG, 1);
    fixture_noise(big + (8u << 20), 4u << 20, 1);
    for (unsigned i = 0; i < 100; i++) { /* 12 MB in chunks of all sorts of lengths and kinds */
        enum block_kind kind = (enum block_kind)(BLOCK_TREE + i % 5);
        enum chunk_type type =
            kind == BLOCK_TREE ? (enum chunk_type)(CHUNK_NODE + i % 3) : CHUNK_DATA;
        uint32_t len = i < 5 ? target_of(kind) + 1 + i : 1 + i * i * 25;
        assert_true(put(&f, b, kind, type, big + i * 100000 + i, len));
        bytes += len;
    }
    assert_true(put(&f, b, BLOCK_BULK, CHUNK_DATA, big, LIMIT_BLOCK_PLAIN));
    bytes += LIMIT_BLOCK_PLAIN;
    flush(w, b);
    all = fixture_packs(&f);
    assert_sound(&all);
    assert_int_equal(stored_chunks(&all), 101);
    for (unsigned i = 0; i < 100; i++) {
        enum block_kind kind = (enum block_kind)(BLOCK_TREE + i % 5);
        enum chunk_type type =
            kind == BLOCK_TREE ? (enum chunk_type)(CHUNK_NODE + i % 3) : CHUNK_DATA;
        uint32_t len = i < 5 ? target_of(kind) + 1 + i : 1 + i * i * 25;
        chunk_id(repo_keyring(f.repo), type, vv_span(big + i * 100000 + i, len), &id);
        assert_int_equal(stored(&all, &id), 1);
    }
    for (size_t i = 0; i < all.count; i++) {
        for (uint32_t j = 0; j < all.packs[i].directory.block_count; j++) {
            seen[all.packs[i].directory.blocks[j].kind]++;
        }
    }
    for (unsigned kind = BLOCK_TREE; kind <= BLOCK_LOG; kind++) {
        assert_true(seen[kind] >= 2);
    }
    assert_int_equal(pack_writer_counts(w)->chunks_new, 101);
    assert_int_equal(pack_writer_counts(w)->bytes_new, bytes);
    assert_int_equal(pack_writer_counts(w)->packs_metadata + pack_writer_counts(w)->packs_data,
                     all.count);
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__stores_a_chunk_once_per_session(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct block_builder *other;
    struct stored_packs all;
    struct vv_id id;
    bool known;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 2});
    b = new_builder(w);
    other = new_builder(w);
    fixture_text(big, 5000, 7);
    chunk_id(repo_keyring(f.repo), CHUNK_DATA, vv_span(big, 5000), &id);
    must(pack_writer_knows(w, CHUNK_DATA, &id, &known, E));
    assert_false(known);
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 5000));
    must(pack_writer_knows(w, CHUNK_DATA, &id, &known, E));
    assert_true(known);
    assert_false(put(&f, b, BLOCK_BULK, CHUNK_DATA, big, 5000));
    assert_false(put(&f, other, BLOCK_SMALL, CHUNK_DATA, big, 5000));
    assert_true(put(&f, other, BLOCK_TREE, CHUNK_NODE, big, 5000)); /* another type, another id */
    must(block_builder_flush(other, E));
    flush(w, b);
    assert_false(put(&f, b, BLOCK_BULK, CHUNK_DATA, big, 5000)); /* after publication too */
    chunk_id(repo_keyring(f.repo), CHUNK_LIST, vv_span(big, 10), &id);
    must(pack_writer_trust(w, CHUNK_LIST, &id, E));
    must(pack_writer_knows(w, CHUNK_LIST, &id, &known, E));
    assert_true(known);
    assert_false(put(&f, b, BLOCK_TREE, CHUNK_LIST, big, 10));
    flush(w, b);
    all = fixture_packs(&f);
    assert_int_equal(all.count, 2);
    assert_int_equal(stored_chunks(&all), 2);
    assert_int_equal(pack_writer_counts(w)->chunks_new, 2);
    fixture_packs_release(&all);
    block_builder_free(b);
    block_builder_free(other);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__keeps_what_compresses_apart(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    uint32_t compressed = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    for (unsigned i = 0; i < 40; i++) {
        fixture_noise(big, 10000, i);
        assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 10000));
        fixture_text(big, 10001, i);
        assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 10001));
    }
    flush(w, b);
    all = fixture_packs(&f);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.packs[0].directory.block_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct pack_block *block = &all.packs[0].directory.blocks[i];
        const struct pack_chunk *chunks = all.packs[0].directory.chunks + block->first_chunk;
        assert_int_equal(block->chunk_count, 40);
        compressed += block->flags;
        for (uint32_t j = 0; j < 40; j++) {
            assert_int_equal(chunks[j].len, block->flags == BLOCK_ZSTD ? 10001 : 10000);
        }
    }
    assert_int_equal(compressed, 1);
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__closes_a_block_before_it_would_be_too_large(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    const struct pack_directory *d;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    fixture_text(big, BIG, 3);
    for (unsigned i = 0; i < 5; i++) { /* four fill a block exactly */
        assert_true(put(&f, b, BLOCK_PAGE, CHUNK_DATA, big + i * 65536 + i, 65536));
    }
    assert_true(put(&f, b, BLOCK_PAGE, CHUNK_DATA, big + (1u << 20), 256u << 10)); /* one alone */
    assert_true(put(&f, b, BLOCK_PAGE, CHUNK_DATA, big + (2u << 20), 300u << 10)); /* too large */
    assert_true(put(&f, b, BLOCK_PAGE, CHUNK_DATA, big + (3u << 20), 5));
    flush(w, b);
    all = fixture_packs(&f);
    assert_int_equal(all.count, 1);
    d = &all.packs[0].directory;
    assert_int_equal(d->block_count, 5);
    assert_int_equal(d->blocks[0].plain_len, 256u << 10);
    assert_int_equal(d->blocks[0].chunk_count, 4);
    assert_int_equal(d->blocks[1].plain_len, 65536);
    assert_int_equal(d->blocks[2].plain_len, 256u << 10);
    assert_int_equal(d->blocks[3].plain_len, 300u << 10);
    assert_int_equal(d->blocks[4].plain_len, 5);
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** What a block of ${data} takes in a pack. */
static uint32_t
stored_len(enum compress_content content, const uint8_t *data, size_t len)
{
    VV_CLEANUP(compressor_freep) struct compressor *c = NULL;
    size_t cap = compress_bound(len);
    uint8_t *frame = malloc(cap);
    size_t frame_len = 0;

    assert_non_null(frame);
    must(compressor_new(COMPRESS_LEVEL, content, &c, E));
    must(compress_block(c, vv_span(data, len), frame, cap, &frame_len, E));
    free(frame);
    return (uint32_t)frame_len + 16;
}

static void
pack_writer__compresses_databases_in_a_way_of_their_own(void **state)
{
    enum { LEN = 256 << 10 };
    static const struct {
        enum block_kind kind;
        enum compress_content content;
    } kinds[] = {{BLOCK_PAGE, COMPRESS_DATABASE},
                 {BLOCK_LOG, COMPRESS_DATABASE},
                 {BLOCK_SMALL, COMPRESS_ANYTHING},
                 {BLOCK_BULK, COMPRESS_ANYTHING}};

    (void)state;
    fixture_text(big, BIG, 3);
    for (size_t i = 0; i < VV_COUNT(kinds); i++) {
        struct fixture f;
        struct pack_writer *w;
        struct block_builder *b;
        struct stored_packs all;
        fixture_begin(&f);
        w = new_writer(&f, &(struct pack_writer_options){.level = COMPRESS_LEVEL, .threads = 1});
        b = new_builder(w);
        assert_true(put(&f, b, kinds[i].kind, CHUNK_DATA, big, LEN));
        flush(w, b);
        all = fixture_packs(&f);
        assert_int_equal(all.count, 1);
        assert_int_equal(all.packs[0].directory.blocks[0].stored_len,
                         stored_len(kinds[i].content, big, LEN));
        fixture_packs_release(&all);
        block_builder_free(b);
        pack_writer_free(w);
        fixture_end(&f);
    }
    assert_int_not_equal(stored_len(COMPRESS_DATABASE, big, LEN),
                         stored_len(COMPRESS_ANYTHING, big, LEN));
}

static void
pack_writer__stores_without_compression_at_level_0(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 0, .threads = 1});
    b = new_builder(w);
    fixture_text(big, 100000, 3);
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 100000));
    assert_true(put(&f, b, BLOCK_TREE, CHUNK_NODE, big, 100000));
    flush(w, b);
    all = fixture_packs(&f);
    assert_int_equal(all.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(all.packs[i].directory.blocks[0].flags, 0);
        assert_int_equal(all.packs[i].directory.blocks[0].stored_len, 100016);
    }
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__uses_the_suite_asked_for(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;

    (void)state;
    fixture_begin(&f);
    for (uint8_t suite = 1; suite <= 2; suite++) {
        w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1, .suite = suite});
        b = new_builder(w);
        fixture_text(big, 100000, suite);
        assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 100000));
        flush(w, b);
        block_builder_free(b);
        pack_writer_free(w);
    }
    all = fixture_packs(&f);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.packs[0].header.suite + all.packs[1].header.suite, 3);
    fixture_packs_release(&all);
    assert_int_equal(pack_writer_new(f.repo, f.session, f.index,
                                     &(struct pack_writer_options){.threads = 1, .suite = 3}, &w,
                                     E),
                     VV_EUSAGE);
    w = new_writer(&f, &(struct pack_writer_options){.level = 1000, .threads = 1});
    assert_int_equal(block_builder_new(w, &b, E), VV_EUSAGE);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__refuses_impossible_chunks(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct vv_id id = {{1}};
    bool is_new = false;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    assert_int_equal(
        block_builder_put(b, BLOCK_SMALL, CHUNK_DATA, &id, vv_span(big, 0), &is_new, E), VV_ELIMIT);
    assert_int_equal(block_builder_put(b, BLOCK_SMALL, CHUNK_DATA, &id,
                                       vv_span(big, LIMIT_BLOCK_PLAIN + 1), &is_new, E),
                     VV_ELIMIT);
    fixture_text(big, 10, 1);
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 10)); /* that was no failure of the run */
    flush(w, b);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Nothing that refers to a lost chunk can be committed. */
static void
pack_writer__notices_a_builder_that_was_not_flushed(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct block_builder *other;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 2});
    b = new_builder(w);
    other = new_builder(w);
    fixture_text(big, 100, 1);
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 50));
    assert_true(put(&f, other, BLOCK_SMALL, CHUNK_DATA, big, 51));
    must(block_builder_flush(other, E));
    assert_int_equal(pack_writer_flush(w, E), VV_EUSAGE);
    flush(w, b); /* made good */
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 52));
    block_builder_free(b);
    assert_int_equal(pack_writer_flush(w, E), VV_EUSAGE);
    block_builder_free(other);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__refers_to_what_an_earlier_session_stored(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    fixture_text(big, 2000, 1);
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 1000));
    flush(w, b);
    block_builder_free(b);
    pack_writer_free(w);
    chunk_index_free(f.index);
    writer_session_free(f.session);
    must(writer_session_begin(f.repo, SESSION_BACKUP, &f.session, E));
    must(chunk_index_open(f.repo, &f.index, E));
    w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
    b = new_builder(w);
    assert_false(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 1000));
    assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 1001));
    flush(w, b);
    assert_int_equal(pack_writer_counts(w)->chunks_new, 1);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_writer__stores_blocks_of_every_kind),
        cmocka_unit_test(pack_writer__stores_a_chunk_once_per_session),
        cmocka_unit_test(pack_writer__keeps_what_compresses_apart),
        cmocka_unit_test(pack_writer__closes_a_block_before_it_would_be_too_large),
        cmocka_unit_test(pack_writer__compresses_databases_in_a_way_of_their_own),
        cmocka_unit_test(pack_writer__stores_without_compression_at_level_0),
        cmocka_unit_test(pack_writer__uses_the_suite_asked_for),
        cmocka_unit_test(pack_writer__refuses_impossible_chunks),
        cmocka_unit_test(pack_writer__notices_a_builder_that_was_not_flushed),
        cmocka_unit_test(pack_writer__refers_to_what_an_earlier_session_stored),
    };

    return cmocka_run_group_tests(tests, get_room, leave_room);
}
