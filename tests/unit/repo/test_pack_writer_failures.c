/* SPDX-License-Identifier: BSD-2-Clause */
/* Pack writers when a publication fails, memory goes wrong or there is none left. */
#include "alloc_sweep.h"
#include "repo/helper_pack_writer.h"
#include "sweep.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_writer__never_indexes_what_was_not_published),
        cmocka_unit_test(pack_writer__finds_a_flipped_bit_before_publishing),
        cmocka_unit_test(pack_writer__finds_a_chunk_that_changed_after_hashing),
        cmocka_unit_test(pack_writer__survives_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, get_room, leave_room);
}
