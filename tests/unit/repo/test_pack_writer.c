/* SPDX-License-Identifier: BSD-2-Clause */
/* From chunks to published packs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "alloc_sweep.h"
#include "compress/compress.h"
#include "core/random.h"
#include "repo/pack_writer_fixture.h"
#include "sweep.h"

#define BIG (20u << 20)

static uint8_t *big; /* room for a test's bytes */

static struct pack_writer *
new_writer(struct fixture *f, const struct pack_writer_options *o)
{
    struct pack_writer *w = NULL;

    must(pack_writer_new(f->repo, f->session, f->index, o, &w, E));
    return w;
}

static struct block_builder *
new_builder(struct pack_writer *w)
{
    struct block_builder *b = NULL;

    must(block_builder_new(w, &b, E));
    return b;
}

static enum vv_rc
try_put(struct fixture *f, struct block_builder *b, enum block_kind kind, enum chunk_type type,
        struct vv_span data, bool *ret_new, struct vv_error *err)
{
    struct vv_id id;

    chunk_id(repo_keyring(f->repo), type, data, &id);
    return block_builder_put(b, kind, type, &id, data, ret_new, err);
}

/** Put a chunk; was it new? */
static bool
put(struct fixture *f, struct block_builder *b, enum block_kind kind, enum chunk_type type,
    const uint8_t *data, size_t len)
{
    bool is_new = false;

    must(try_put(f, b, kind, type, vv_span(data, len), &is_new, E));
    return is_new;
}

static void
flush(struct pack_writer *w, struct block_builder *b)
{
    must(block_builder_flush(b, E));
    must(pack_writer_flush(w, E));
}

/** How often a chunk is stored. */
static unsigned
stored(const struct stored_packs *all, const struct vv_id *id)
{
    unsigned count = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct pack_directory *d = &all->packs[i].directory;
        for (uint32_t j = 0; j < d->chunk_count; j++) {
            count += vv_id_equal(&d->chunks[j].id, id);
        }
    }
    return count;
}

static uint64_t
stored_chunks(const struct stored_packs *all)
{
    uint64_t count = 0;

    for (size_t i = 0; i < all->count; i++) {
        count += all->packs[i].directory.chunk_count;
    }
    return count;
}

static uint32_t
target_of(unsigned kind)
{
    return kind == BLOCK_TREE ? 128u << 10 : kind == BLOCK_PAGE ? 256u << 10 : 1u << 20;
}

/** What holds for every pack. */
static void
assert_sound(const struct stored_packs *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct stored_pack *p = &all->packs[i];
        assert_int_equal(p->size, padme(p->size));
        for (uint32_t j = 0; j < p->directory.block_count; j++) {
            const struct pack_block *b = &p->directory.blocks[j];
            assert_true(b->plain_len <= target_of(b->kind) || b->chunk_count == 1);
            assert_int_equal(p->header.class, b->kind == BLOCK_TREE  ? PACK_METADATA
                                              : b->kind == BLOCK_LOG ? PACK_LOG
                                                                     : PACK_DATA);
        }
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(p->key, all->packs[j].key, 32);
        }
    }
}

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

/* --- many threads ----------------------------------------------------------------------------- */

#define THREADS 4u
#define WORK_CHUNKS 600u

struct work {
    struct fixture *f;
    struct pack_writer *w;
    unsigned number;
    uint64_t news;
    enum vv_rc rc;
    struct vv_error err;
};

/** All threads put the same chunks, each beginning elsewhere; half of them do not compress. */
static void
put_all(void *arg)
{
    struct work *work = arg;
    struct block_builder *b = NULL;
    uint8_t *data = vv_alloc(40000);
    enum vv_rc rc = block_builder_new(work->w, &b, &work->err);

    for (unsigned n = 0; rc == VV_OK && n < WORK_CHUNKS; n++) {
        unsigned i = (n + work->number * (WORK_CHUNKS / THREADS)) % WORK_CHUNKS;
        enum block_kind kind = (enum block_kind)(BLOCK_TREE + i % 5);
        bool is_new = false;
        if (i % 2 == 0) {
            fixture_noise(data, 40000, i);
        } else {
            fixture_text(data, 40000, i);
        }
        rc = try_put(work->f, b, kind, CHUNK_DATA, vv_span(data, 40000), &is_new, &work->err);
        work->news += is_new;
    }
    if (rc == VV_OK) {
        rc = block_builder_flush(b, &work->err);
    }
    block_builder_free(b);
    vv_free(data);
    work->rc = rc;
}

static void
run_threads(struct fixture *f, struct pack_writer *w, struct work works[THREADS])
{
    struct vv_thread threads[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++) {
        works[i] = (struct work){.f = f, .w = w, .number = i};
        must(vv_thread_start(&threads[i], "builder", put_all, &works[i], E));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        vv_thread_join(&threads[i]);
    }
}

static void
count_records(void *ctx, struct fixture *f, const struct index_record *record)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_span bytes;

    pack_object_text(&record->name, object);
    assert_true(storage_memory_peek(f->memory, object, &bytes)); /* P5 */
    (*(size_t *)ctx)++;
}

static unsigned
tell_parallel(struct storage *s)
{
    (void)s;
    return 16;
}

/** From here on the repository's storage is one far away: packs are published by uploaders. */
static void
make_far(struct fixture *f)
{
    static struct storage_ops far_ops;

    far_ops = *f->fault->ops;
    far_ops.parallel = tell_parallel;
    f->fault->ops = &far_ops;
}

static void
serve_four_builders(void (*prepare)(struct fixture *f), unsigned images_max)
{
    struct fixture f;
    struct pack_writer *w;
    struct work works[THREADS];
    struct stored_packs all;
    uint64_t news = 0;
    size_t records = 0;

    fixture_begin(&f);
    if (prepare != NULL) {
        prepare(&f);
    }
    w = new_writer(&f, &(struct pack_writer_options){.level = 1, .threads = THREADS});
    run_threads(&f, w, works);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(works[i].rc, VV_OK);
        news += works[i].news;
    }
    must(pack_writer_flush(w, E));
    assert_int_equal(news, WORK_CHUNKS);
    all = fixture_packs(&f);
    assert_sound(&all);
    assert_int_equal(stored_chunks(&all), WORK_CHUNKS);
    for (unsigned i = 0; i < WORK_CHUNKS; i += 7) {
        struct vv_id id;
        if (i % 2 == 0) {
            fixture_noise(big, 40000, i);
        } else {
            fixture_text(big, 40000, i);
        }
        chunk_id(repo_keyring(f.repo), CHUNK_DATA, vv_span(big, 40000), &id);
        assert_int_equal(stored(&all, &id), 1);
    }
    (void)fixture_records(&f, count_records, &records, NULL);
    assert_int_equal(records, all.count);
    assert_true(pack_writer_images_peak(w) <= images_max);
    fixture_packs_release(&all);
    pack_writer_free(w);
    fixture_end(&f);
}

static void
pack_writer__serves_four_builders_at_once(void **state)
{
    (void)state;
    serve_four_builders(NULL, THREADS + 2);
}

static void
pack_writer__publishes_in_the_background_where_that_takes_long(void **state)
{
    (void)state;
    serve_four_builders(make_far, THREADS + 2 + PACK_UPLOADERS);
}

/** Freed without a flush: what was handed over is thrown away or published, and nothing hangs. */
static void
pack_writer__may_be_given_up_while_uploading(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct work works[THREADS];

    (void)state;
    fixture_begin(&f);
    make_far(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 0, .threads = THREADS});
    run_threads(&f, w, works);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Four builders of a writer that counts on one wait for each other, and get through. */
static void
pack_writer__bounds_the_images_in_memory(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct work works[THREADS];

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 0, .threads = 1});
    run_threads(&f, w, works);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(works[i].rc, VV_OK);
    }
    must(pack_writer_flush(w, E));
    assert_int_equal(pack_writer_images_peak(w), 3);
    pack_writer_free(w);
    fixture_end(&f);
}

static enum fault_verdict
fail_later_packs(void *ctx, enum storage_op op, const char *name)
{
    atomic_uint *left = ctx;

    if (op == STORAGE_PUBLISH && strncmp(name, "packs/", 6) == 0) {
        return atomic_fetch_sub(left, 1) > 1 ? FAULT_PASS : FAULT_NOSPACE;
    }
    return FAULT_PASS;
}

static void
pack_writer__ends_all_builders_when_one_fails(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct work works[THREADS];
    atomic_uint left = 2;
    unsigned failed = 0;
    size_t records = 0;
    bool known;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 0, .threads = THREADS});
    f.hook = fail_later_packs;
    f.hook_ctx = &left;
    run_threads(&f, w, works);
    for (unsigned i = 0; i < THREADS; i++) { /* one that was done before knows nothing of it */
        assert_true(works[i].rc == VV_OK || works[i].rc == VV_ENOSPACE);
        failed += works[i].rc == VV_ENOSPACE;
    }
    assert_true(failed > 0);
    f.hook = NULL;
    assert_int_equal(pack_writer_flush(w, E), VV_ENOSPACE); /* for good */
    assert_int_equal(E->rc, VV_ENOSPACE);
    assert_non_null(strstr(E->message, "lack of space"));
    assert_int_equal(pack_writer_knows(w, CHUNK_DATA, &(struct vv_id){{0}}, &known, E),
                     VV_ENOSPACE);
    (void)fixture_records(&f, count_records, &records, NULL);
    assert_true(records <= 1);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Records of packs wait for their segment; when the disk is full nothing is stored in vain. */
static void
pack_writer__tells_the_index_what_was_stored_before_it_failed(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    atomic_uint left = 42; /* so that one of 41 records waits */
    size_t records = 0;
    enum vv_rc rc = VV_OK;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){
                           .own_only = true, .behind = true, .threads = 1, .target = 64u << 10});
    b = new_builder(w);
    f.hook = fail_later_packs;
    f.hook_ctx = &left;
    for (unsigned i = 0; i < 100 && rc == VV_OK; i++) {
        bool is_new;
        fixture_noise(big, 100000, i);
        rc = try_put(&f, b, BLOCK_BULK, CHUNK_DATA, vv_span(big, 100000), &is_new, E);
        if (rc == VV_OK) {
            rc = block_builder_flush(b, E);
        }
    }
    assert_int_equal(rc, VV_ENOSPACE);
    (void)fixture_records(&f, count_records, &records, NULL);
    assert_true(records < 41);
    must(pack_writer_salvage(w, E));
    records = 0;
    (void)fixture_records(&f, count_records, &records, NULL);
    all = fixture_packs(&f);
    assert_int_equal(all.count, 41);
    assert_int_equal(records, 41);
    assert_int_equal(pack_writer_flush(w, E), VV_ENOSPACE); /* for good */
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Sixty packs by a writer that publishes behind, or only counts them. */
static void
write_sixty(bool dry_run, uint64_t *ret_stored, uint64_t *ret_indexed)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    const struct pack_writer_counts *counts;
    size_t segments = 0;

    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){.level = 1,
                                                     .own_only = true,
                                                     .behind = true,
                                                     .read_back = true,
                                                     .dry_run = dry_run,
                                                     .threads = 1,
                                                     .target = 64u << 10});
    b = new_builder(w);
    for (unsigned i = 0; i < 60; i++) { /* of sizes that differ, and more or fewer chunks */
        for (unsigned j = 0; j <= i % 3; j++) {
            size_t len = 70000 + 1000 * (size_t)(i * 7 % 60);
            fixture_noise(big, len, i * 3 + j);
            assert_true(put(&f, b, i % 5 == 0 ? BLOCK_TREE : BLOCK_BULK, CHUNK_DATA, big, len));
        }
        must(block_builder_flush(b, E));
    }
    flush(w, b);
    counts = pack_writer_counts(w);
    *ret_stored = atomic_load(&counts->bytes_stored);
    *ret_indexed = atomic_load(&counts->bytes_indexed);
    if (!dry_run) {
        struct vv_buf names = fixture_list(&f, "index");
        uint64_t bytes = 0;
        for (size_t at = 0; at < names.len; segments++) {
            const char *text = (const char *)names.data + at;
            char object[128];
            struct vv_span object_bytes;
            (void)snprintf(object, sizeof(object), "index/%s", text);
            assert_true(storage_memory_peek(f.memory, object, &object_bytes));
            bytes += object_bytes.len;
            at += strlen(text) + 1;
        }
        vv_buf_release(&names);
        assert_int_equal(bytes, *ret_indexed);
        assert_true(segments >= 60 / PACK_RECORDS);
    }
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
}

/** Who publishes first is chance; how many bytes it takes is not. */
static void
pack_writer__foretells_what_it_publishes_behind(void **state)
{
    uint64_t foretold[2];

    (void)state;
    write_sixty(true, &foretold[0], &foretold[1]);
    for (unsigned trial = 0; trial < 8; trial++) {
        uint64_t found[2];
        write_sixty(false, &found[0], &found[1]);
        assert_int_equal(found[0], foretold[0]);
        assert_int_equal(found[1], foretold[1]);
    }
}

/** Every other pack is stored only when the next one has been begun. */
static struct {
    struct vv_mutex lock;
    struct vv_cond changed;
    unsigned begun;
} pairs;

static enum fault_verdict
store_in_pairs(void *ctx, enum storage_op op, const char *name)
{
    unsigned number;

    (void)ctx;
    if (op != STORAGE_PUBLISH || strncmp(name, "packs/", 6) != 0) {
        return FAULT_PASS;
    }
    vv_mutex_lock(&pairs.lock);
    number = ++pairs.begun;
    vv_cond_broadcast(&pairs.changed);
    while (number % 2 == 1 && pairs.begun == number) {
        vv_cond_wait(&pairs.changed, &pairs.lock);
    }
    vv_mutex_unlock(&pairs.lock);
    return FAULT_PASS;
}

struct order {
    const struct stored_packs *all;
    struct vv_id ids[40]; /* of the first chunk of each pack, as they were made */
    unsigned last;
    unsigned records;
};

static void
check_order(void *ctx, struct fixture *f, const struct index_record *record)
{
    struct order *o = ctx;
    unsigned number = 0;

    (void)f;
    for (size_t i = 0; i < o->all->count; i++) {
        if (pack_name_compare(&o->all->packs[i].name, &record->name) == 0) {
            const struct vv_id *id = &o->all->packs[i].directory.chunks[0].id;
            while (number < 40 && !vv_id_equal(&o->ids[number], id)) {
                number++;
            }
        }
    }
    assert_true(number < 40);
    if (o->records++ % PACK_RECORDS != 0) {
        assert_int_equal(number, o->last + 1);
    }
    o->last = number;
}

static void
pack_writer__indexes_in_order_what_is_published_in_any(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    struct order order = {.all = &all};

    (void)state;
    vv_mutex_init(&pairs.lock);
    vv_cond_init(&pairs.changed);
    pairs.begun = 0;
    fixture_begin(&f);
    w = new_writer(&f, &(struct pack_writer_options){
                           .own_only = true, .behind = true, .threads = 1, .target = 64u << 10});
    b = new_builder(w);
    f.hook = store_in_pairs;
    for (unsigned i = 0; i < 40; i++) {
        fixture_noise(big, 100000, i);
        chunk_id(repo_keyring(f.repo), CHUNK_DATA, vv_span(big, 100000), &order.ids[i]);
        assert_true(put(&f, b, BLOCK_BULK, CHUNK_DATA, big, 100000));
        must(block_builder_flush(b, E));
    }
    flush(w, b);
    f.hook = NULL;
    all = fixture_packs(&f);
    assert_int_equal(all.count, 40);
    assert_int_equal(fixture_records(&f, check_order, &order, NULL), 40);
    fixture_packs_release(&all);
    block_builder_free(b);
    pack_writer_free(w);
    fixture_end(&f);
    vv_cond_release(&pairs.changed);
    vv_mutex_release(&pairs.lock);
}

/* --- failures --------------------------------------------------------------------------------- */

struct failure {
    unsigned nth;
    enum fault_verdict verdict;
    unsigned seen;
};

static enum fault_verdict
fail_nth_publish(void *ctx, enum storage_op op, const char *name)
{
    struct failure *x = ctx;

    (void)name;
    return op == STORAGE_PUBLISH && ++x->seen == x->nth ? x->verdict : FAULT_PASS;
}

/** Whatever publication fails, of a pack or of a segment: the flush fails, and no index record
 *  names a pack that is not there. */
static void
pack_writer__never_indexes_what_was_not_published(void **state)
{
    static const enum fault_verdict verdicts[] = {FAULT_FAIL, FAULT_NOSPACE, FAULT_LOST_REPLY,
                                                  FAULT_STOP};
    unsigned failures = 0;

    (void)state;
    for (unsigned v = 0; v < VV_COUNT(verdicts); v++) {
        struct failure x = {.verdict = verdicts[v]};
        for (x.nth = 1;; x.nth++) {
            struct fixture f;
            struct pack_writer *w;
            struct block_builder *b;
            struct stored_packs all;
            size_t records = 0;
            enum vv_rc rc = VV_OK;

            fixture_begin(&f);
            w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
            b = new_builder(w);
            f.hook = fail_nth_publish;
            f.hook_ctx = &x;
            x.seen = 0;
            for (unsigned i = 0; rc == VV_OK && i < 4; i++) {
                bool is_new;
                fixture_text(big, 1000, i);
                rc = try_put(&f, b, i % 2 == 0 ? BLOCK_TREE : BLOCK_SMALL, CHUNK_DATA,
                             vv_span(big, 1000), &is_new, E);
                if (rc == VV_OK) {
                    rc = block_builder_flush(b, E);
                }
                if (rc == VV_OK) {
                    rc = pack_writer_flush(w, E);
                }
            }
            f.hook = NULL;
            if (rc != VV_OK) {
                assert_int_equal(rc, E->rc);
                assert_int_equal(pack_writer_flush(w, E), rc);
            }
            all = fixture_packs(&f);
            (void)fixture_records(&f, count_records, &records, NULL);
            assert_true(records <= all.count);
            fixture_packs_release(&all);
            block_builder_free(b);
            pack_writer_free(w);
            fixture_end(&f);
            if (x.seen < x.nth) {
                assert_int_equal(rc, VV_OK);
                break;
            }
            assert_int_not_equal(rc, VV_OK);
            failures++;
        }
    }
    assert_int_equal(failures, VV_COUNT(verdicts) * 8); /* four packs, four segments */
}

static size_t flip_at;
static size_t flipped_len;

static void
flip_byte(uint8_t *image, size_t len)
{
    flipped_len = len;
    image[flip_at % len] ^= 0x10;
}

/** P3: one bit wrong anywhere in the image, and it is not published. */
static void
pack_writer__finds_a_flipped_bit_before_publishing(void **state)
{
    size_t step = 1;
    size_t found = 0;

    (void)state;
    flipped_len = SIZE_MAX;
    for (flip_at = 0; flip_at < flipped_len; flip_at += step) {
        struct fixture f;
        struct pack_writer *w;
        struct block_builder *b;
        struct stored_packs all;

        fixture_begin(&f);
        for (unsigned round = 0; round < 60 && flip_at < flipped_len; round++) {
            w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
            b = new_builder(w);
            fixture_text(big, 3000, 1);
            assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 3000));
            assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 2000));
            fixture_noise(big, 3000, 1);
            assert_true(put(&f, b, BLOCK_SMALL, CHUNK_DATA, big, 3000));
            must(block_builder_flush(b, E));
            pack_writer_test_hook = flip_byte;
            assert_int_equal(pack_writer_flush(w, E), VV_ECORRUPT);
            pack_writer_test_hook = NULL;
            assert_true(E->hint[0] != '\0');
            assert_int_equal(pack_writer_flush(w, E), VV_ECORRUPT);
            assert_int_equal(pack_writer_counts(w)->packs_data, 0);
            block_builder_free(b);
            pack_writer_free(w);
            found++;
            /* every byte of header and tail, samples of blocks and padding */
            step = (flip_at < 400 || flip_at + 500 > flipped_len ? 3 : 211) * sweep_stride(1);
            flip_at += round + 1 < 60 ? step : 0;
        }
        all = fixture_packs(&f);
        assert_int_equal(all.count, 0);
        assert_int_equal(fixture_records(&f, NULL, NULL, NULL), 0);
        fixture_packs_release(&all);
        fixture_end(&f);
    }
    assert_true(found > 200 / sweep_stride(1));
}

/** A chunk that is not what its id says (memory went wrong between hashing and storing). */
static void
pack_writer__finds_a_chunk_that_changed_after_hashing(void **state)
{
    struct fixture f;
    struct pack_writer *w;
    struct block_builder *b;
    struct stored_packs all;
    struct vv_id id;
    bool is_new;

    (void)state;
    fixture_begin(&f);
    for (unsigned bad = 0; bad < 300; bad += 37) {
        w = new_writer(&f, &(struct pack_writer_options){.level = 3, .threads = 1});
        b = new_builder(w);
        for (unsigned i = 0; i < 300; i++) {
            enum chunk_type type = (enum chunk_type)(CHUNK_DATA + i % 4);
            fixture_text(big, 200 + i, i);
            chunk_id(repo_keyring(f.repo), type, vv_span(big, 200 + i), &id);
            big[100] ^= (uint8_t)(i == bad);
            must(block_builder_put(b, BLOCK_TREE, type, &id, vv_span(big, 200 + i), &is_new, E));
        }
        must(block_builder_flush(b, E));
        assert_int_equal(pack_writer_flush(w, E), VV_ECORRUPT);
        block_builder_free(b);
        pack_writer_free(w);
    }
    all = fixture_packs(&f);
    assert_int_equal(all.count, 0);
    fixture_packs_release(&all);
    fixture_end(&f);
}

/* --- sizes, keys, numbers --------------------------------------------------------------------- */

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
        enum vv_rc rc =
            pack_writer_complete(w, places[i].image, i == 20 ? VV_EIO : VV_OK, checker, &failure);
        assert_int_equal(rc, i < 20 ? VV_OK : VV_EIO);
    }
    assert_int_equal(pack_writer_flush(w, E), VV_EIO);
    assert_string_equal(E->message, "injected");
    assert_int_equal(largest_pack(&f), 0);
    image_checker_free(checker);
    pack_writer_free(w);
    fixture_end(&f);
}

/* --- lack of memory --------------------------------------------------------------------------- */

static uint64_t sweep_seed;

static enum vv_rc
write_a_little(void *arg, struct vv_error *err)
{
    struct fixture *f = arg;
    VV_CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
    VV_CLEANUP(block_builder_freep) struct block_builder *b = NULL;
    uint8_t data[3000];

    VV_TRY(pack_writer_new(f->repo, f->session, f->index,
                           &(struct pack_writer_options){.level = 3, .threads = 1}, &w, err));
    VV_TRY(block_builder_new(w, &b, err));
    for (unsigned i = 0; i < 20; i++) {
        bool is_new;
        fixture_text(data, sizeof(data), ++sweep_seed);
        VV_TRY(try_put(f, b, i % 2 == 0 ? BLOCK_TREE : BLOCK_SMALL, CHUNK_DATA,
                       vv_span(data, sizeof(data)), &is_new, err));
    }
    VV_TRY(block_builder_flush(b, err));
    return pack_writer_flush(w, err);
}

static void
pack_writer__survives_lack_of_memory(void **state)
{
    struct fixture f;
    struct stored_packs all;
    size_t records = 0;

    (void)state;
    fixture_begin(&f);
    must(write_a_little(&f, E));
    assert_true(alloc_sweep(write_a_little, &f) > 20);
    all = fixture_packs(&f);
    assert_sound(&all);
    (void)fixture_records(&f, count_records, &records, NULL);
    assert_true(records <= all.count);
    fixture_packs_release(&all);
    fixture_end(&f);
}

/* --- other sessions --------------------------------------------------------------------------- */

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

static int
get_room(void **state)
{
    (void)state;
    big = vv_alloc(BIG);
    return big == NULL;
}

static int
leave_room(void **state)
{
    (void)state;
    vv_free(big);
    return 0;
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
        cmocka_unit_test(pack_writer__serves_four_builders_at_once),
        cmocka_unit_test(pack_writer__publishes_in_the_background_where_that_takes_long),
        cmocka_unit_test(pack_writer__may_be_given_up_while_uploading),
        cmocka_unit_test(pack_writer__bounds_the_images_in_memory),
        cmocka_unit_test(pack_writer__ends_all_builders_when_one_fails),
        cmocka_unit_test(pack_writer__tells_the_index_what_was_stored_before_it_failed),
        cmocka_unit_test(pack_writer__foretells_what_it_publishes_behind),
        cmocka_unit_test(pack_writer__indexes_in_order_what_is_published_in_any),
        cmocka_unit_test(pack_writer__never_indexes_what_was_not_published),
        cmocka_unit_test(pack_writer__finds_a_flipped_bit_before_publishing),
        cmocka_unit_test(pack_writer__finds_a_chunk_that_changed_after_hashing),
        cmocka_unit_test(pack_writer__lets_packs_grow_with_the_session),
        cmocka_unit_test(pack_writer__keeps_metadata_packs_small),
        cmocka_unit_test(pack_writer__publishes_lists_soon_after_their_content),
        cmocka_unit_test(pack_writer__takes_a_hundred_thousand_small_chunks),
        cmocka_unit_test(pack_writer__never_repeats_a_pack_key),
        cmocka_unit_test(pack_writer__hands_out_each_number_once),
        cmocka_unit_test(pack_writer__survives_lack_of_memory),
        cmocka_unit_test(pack_writer__refers_to_what_an_earlier_session_stored),
    };

    return cmocka_run_group_tests(tests, get_room, leave_room);
}
