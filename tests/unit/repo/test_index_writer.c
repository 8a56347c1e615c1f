/* SPDX-License-Identifier: BSD-2-Clause */
/* Index records of a run, and when they are published. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "alloc_sweep.h"
#include "crypto/asymmetric.h"
#include "format/envelope.h"
#include "repo/pack_writer_fixture.h"
#include "repo/sealed_envelope.h"

/** A directory of one block with ${count} chunks; release with pack_directory_release. */
static struct pack_directory
directory_of(uint32_t count, uint8_t first)
{
    struct pack_directory d = {.block_count = 1, .chunk_count = count};

    d.blocks = vv_alloc_array(1, sizeof(*d.blocks));
    d.chunks = vv_alloc_array(count, sizeof(*d.chunks));
    assert_true(d.blocks != NULL && d.chunks != NULL);
    d.blocks[0] = (struct pack_block){.kind = BLOCK_SMALL,
                                      .offset = PACK_HEADER_LEN,
                                      .stored_len = count + PACK_TAG_LEN,
                                      .plain_len = count,
                                      .chunk_count = count};
    for (uint32_t i = 0; i < count; i++) {
        d.chunks[i].len = 1;
        d.chunks[i].type = CHUNK_DATA;
        d.chunks[i].id.b[0] = first;
        vv_store_u32(d.chunks[i].id.b + 1, i);
    }
    return d;
}

static struct pack_name
name_of(uint32_t number)
{
    struct pack_name name = {{{7}}, {{9}}};

    vv_store_u32(name.hash.b + 4, number);
    return name;
}

static enum vv_rc
add(struct index_writer *w, uint32_t number, uint32_t chunks, struct vv_error *err)
{
    struct pack_directory d = directory_of(chunks, (uint8_t)number);
    struct pack_name name = name_of(number);
    enum vv_rc rc = index_writer_add(w, &name, (uint64_t)16384 * (number + 1), PACK_DATA, &d, err);

    pack_directory_release(&d);
    return rc;
}

/** Decrypt a record, check it against what add() put in, and mark it as seen. */
static void
check_record(void *ctx, struct fixture *f, const struct index_record *record)
{
    const struct client_keys *client = writer_session_client(f->session);
    struct vv_span parts[2] = {vv_span("varve index", 11), vv_span(record->name.hash.b, 32)};
    uint32_t number = vv_load_u32(record->name.hash.b + 4);
    struct pack_name name = name_of(number);
    struct vv_buf message = {0};
    struct vv_buf plain = {0};
    struct index_body body;
    struct pack_directory d;
    uint8_t key[32];

    assert_int_equal(pack_name_compare(&record->name, &name), 0);
    assert_true(vv_uuid_equal(&record->client, &client->id));
    index_record_signed(record, repo_id(f->repo), &message);
    assert_true(
        ed25519_verify(client->ed25519_public, vv_buf_span(&message), record->signature.data));
    blake2b_256(keyring_index_key(repo_keyring(f->repo)), 32, parts, 2, key);
    must(envelope_open(key, "index", parts[1], record->body, &plain, E));
    must(index_body_decode(vv_buf_span(&plain), &body, E));
    assert_int_equal(body.file_size, (uint64_t)16384 * (number + 1));
    assert_int_equal(body.pack_class, PACK_DATA);
    must(pack_directory_decode(body.directory, body.file_size, &d, E));
    assert_int_equal(d.block_count, 1);
    assert_true(d.chunk_count > 0);
    assert_int_equal(d.chunks[0].id.b[0], (uint8_t)number);
    pack_directory_release(&d);
    vv_buf_release(&message);
    vv_buf_release(&plain);
    assert_true(number < 1000);
    ((unsigned *)ctx)[number]++;
}

static struct index_writer *
new_writer(struct fixture *f)
{
    struct index_writer *w = NULL;

    must(index_writer_new(f->repo, writer_session_client(f->session), &w, E));
    return w;
}

static void
index_writer__publishes_the_first_record_and_then_shares(void **state)
{
    struct fixture f;
    struct index_writer *w;
    size_t segments;
    size_t published = 0;
    size_t expected = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f);
    for (uint32_t i = 0; i < 300; i++) {
        must(add(w, i, 10, E));
        if (((size_t)i + 1 - published) * 32 > published) {
            published = (size_t)i + 1;
            expected++;
        }
        assert_int_equal(fixture_records(&f, NULL, NULL, &segments), published);
        assert_int_equal(segments, expected);
    }
    assert_in_range(expected, 80, 100); /* far fewer segments than packs */
    assert_true(published < 300);
    must(index_writer_flush(w, E));
    assert_int_equal(fixture_records(&f, NULL, NULL, &segments), 300);
    assert_int_equal(segments, expected + 1);
    must(index_writer_flush(w, E)); /* nothing is waiting */
    assert_int_equal(fixture_records(&f, NULL, NULL, &segments), 300);
    assert_int_equal(segments, expected + 1);
    index_writer_free(w);
    fixture_end(&f);
}

static void
index_writer__seals_and_signs_each_record(void **state)
{
    struct fixture f;
    struct index_writer *w;
    unsigned seen[1000] = {0};

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f);
    for (uint32_t i = 0; i < 30; i++) {
        must(add(w, i, 1 + i * 20, E));
    }
    must(index_writer_flush(w, E));
    (void)fixture_records(&f, check_record, seen, NULL);
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(seen[i], 1);
    }
    index_writer_free(w);
    fixture_end(&f);
}

/** Records that are large are not kept waiting for their share. */
static void
index_writer__stops_a_segment_at_eight_mebibytes(void **state)
{
    struct fixture f;
    struct index_writer *w;
    struct vv_buf names;
    uint64_t largest = 0;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f);
    for (uint32_t i = 0; i < 100; i++) {
        must(add(w, i, 10, E));
    }
    must(index_writer_flush(w, E));
    for (uint32_t i = 100; i < 112; i++) { /* 2.2 MB each, up to 4 might wait */
        struct pack_directory d = directory_of(60000, (uint8_t)i);
        struct pack_name name = name_of(i);
        must(index_writer_add(w, &name, LIMIT_PACK / 4, PACK_METADATA, &d, E));
        pack_directory_release(&d);
    }
    must(index_writer_flush(w, E));
    names = fixture_list(&f, "index");
    for (size_t at = 0; at < names.len; at += strlen((char *)names.data + at) + 1) {
        char object[128];
        uint64_t size = 0;
        (void)snprintf(object, sizeof(object), "index/%s", (char *)names.data + at);
        must(storage_size(f.memory, object, &size, E));
        largest = size > largest ? size : largest;
    }
    vv_buf_release(&names);
    assert_in_range(largest, 4u << 20, INDEX_SEGMENT_TARGET + 200);
    assert_int_equal(fixture_records(&f, NULL, NULL, NULL), 112);
    index_writer_free(w);
    fixture_end(&f);
}

static enum fault_verdict
refuse_index(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    return op == STORAGE_PUBLISH && strncmp(name, "index/", 6) == 0 ? FAULT_NOSPACE : FAULT_PASS;
}

static void
index_writer__fails_for_good(void **state)
{
    struct fixture f;
    struct index_writer *w;

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f);
    must(add(w, 0, 10, E));
    f.hook = refuse_index;
    assert_int_equal(add(w, 1, 10, E), VV_ENOSPACE);
    f.hook = NULL;
    memset(E, 0, sizeof(*E));
    assert_int_equal(add(w, 2, 10, E), VV_ENOSPACE); /* record 1 is lost: never say all is well */
    assert_int_equal(E->rc, VV_ENOSPACE);
    assert_int_equal(index_writer_flush(w, E), VV_ENOSPACE);
    assert_int_equal(fixture_records(&f, NULL, NULL, NULL), 1);
    index_writer_free(w);
    fixture_end(&f);
}

#define THREADS 4u
#define EACH 50u

struct adder {
    struct index_writer *w;
    uint32_t from;
    enum vv_rc rc;
    struct vv_error err;
};

static void
add_many(void *arg)
{
    struct adder *a = arg;

    a->rc = VV_OK;
    for (uint32_t i = 0; i < EACH && a->rc == VV_OK; i++) {
        a->rc = add(a->w, a->from + i, 10, &a->err);
    }
}

static void
index_writer__takes_records_from_many_threads(void **state)
{
    struct fixture f;
    struct index_writer *w;
    struct vv_thread threads[THREADS] = {0};
    struct adder adders[THREADS];
    unsigned seen[1000] = {0};

    (void)state;
    fixture_begin(&f);
    w = new_writer(&f);
    for (unsigned i = 0; i < THREADS; i++) {
        adders[i] = (struct adder){.w = w, .from = i * EACH};
        must(vv_thread_start(&threads[i], "adder", add_many, &adders[i], E));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        vv_thread_join(&threads[i]);
        assert_int_equal(adders[i].rc, VV_OK);
    }
    must(index_writer_flush(w, E));
    assert_int_equal(fixture_records(&f, check_record, seen, NULL), THREADS * EACH);
    for (uint32_t i = 0; i < THREADS * EACH; i++) {
        assert_int_equal(seen[i], 1);
    }
    index_writer_free(w);
    fixture_end(&f);
}

static uint32_t sweep_number;

static enum vv_rc
write_records(void *arg, struct vv_error *err)
{
    struct fixture *f = arg;
    struct index_writer *w = NULL;
    enum vv_rc rc = index_writer_new(f->repo, writer_session_client(f->session), &w, err);

    for (uint32_t i = 0; rc == VV_OK && i < 3; i++) {
        struct pack_chunk chunks[2] = {{.len = 1, .type = CHUNK_DATA},
                                       {.len = 1, .type = CHUNK_DATA}};
        struct pack_block block = {.kind = BLOCK_SMALL,
                                   .offset = PACK_HEADER_LEN,
                                   .stored_len = 2 + PACK_TAG_LEN,
                                   .plain_len = 2,
                                   .chunk_count = 2};
        struct pack_directory d = {
            .blocks = &block, .block_count = 1, .chunks = chunks, .chunk_count = 2};
        struct pack_name name = name_of(++sweep_number);
        rc = index_writer_add(w, &name, 16384, PACK_DATA, &d, err);
    }
    if (rc == VV_OK) {
        rc = index_writer_flush(w, err);
    }
    index_writer_free(w);
    return rc;
}

static void
index_writer__survives_lack_of_memory(void **state)
{
    struct fixture f;

    (void)state;
    fixture_begin(&f);
    assert_true(alloc_sweep(write_records, &f) > 5);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_writer__publishes_the_first_record_and_then_shares),
        cmocka_unit_test(index_writer__seals_and_signs_each_record),
        cmocka_unit_test(index_writer__stops_a_segment_at_eight_mebibytes),
        cmocka_unit_test(index_writer__fails_for_good),
        cmocka_unit_test(index_writer__takes_records_from_many_threads),
        cmocka_unit_test(index_writer__survives_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
