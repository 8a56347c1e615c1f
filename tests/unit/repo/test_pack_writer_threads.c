/* SPDX-License-Identifier: BSD-2-Clause */
/* Pack writers with many threads: several builders, uploaders, and packs published behind them. */
#include <stdatomic.h>

#include "repo/helper_pack_writer.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_writer__serves_four_builders_at_once),
        cmocka_unit_test(pack_writer__publishes_in_the_background_where_that_takes_long),
        cmocka_unit_test(pack_writer__may_be_given_up_while_uploading),
        cmocka_unit_test(pack_writer__bounds_the_images_in_memory),
        cmocka_unit_test(pack_writer__ends_all_builders_when_one_fails),
        cmocka_unit_test(pack_writer__tells_the_index_what_was_stored_before_it_failed),
        cmocka_unit_test(pack_writer__foretells_what_it_publishes_behind),
        cmocka_unit_test(pack_writer__indexes_in_order_what_is_published_in_any),
    };

    return cmocka_run_group_tests(tests, get_room, leave_room);
}
