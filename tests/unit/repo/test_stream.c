/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: inline, lists, lists of lists; what is lost and what is not. */
#include "helper_repository.h"

#include <string.h>

#include "core/alloc.h"
#include "repo/tree.h"

struct scene {
    struct world w;
    struct repo *repo;
    struct run run;
    struct stream_writer *stream;
    struct chunk_index *index;
    struct chunk_reader *reader;
    struct vv_arena arena;
};

static void
scene_begin(struct scene *s, bool fixed_size)
{
    memset(s, 0, sizeof(*s));
    world_begin(&s->w);
    s->repo = world_open(&s->w, "a");
    run_begin(&s->run, s->repo);
    must(stream_writer_new(s->repo, s->run.builder, fixed_size, &s->stream, E));
}

static void
scene_read(struct scene *s)
{
    run_flush(&s->run);
    must(chunk_index_open(s->repo, &s->index, E));
    must(chunk_reader_new(s->repo, s->index, 1u << 20, &s->reader, E));
}

static void
scene_end(struct scene *s)
{
    stream_writer_free(s->stream);
    chunk_reader_free(s->reader);
    chunk_index_free(s->index);
    run_end(&s->run);
    vv_arena_release(&s->arena);
    repo_free(s->repo);
    world_end(&s->w);
}

/** The i-th reference of a made-up stream (its chunks need not exist). */
static struct chunk_ref
reference(uint32_t i)
{
    struct chunk_ref ref = {.size = 1 + i % 7};
    uint32_t mixed = i * 2654435761u;

    vv_store_u32(ref.id.b, mixed ^ mixed >> 15);
    vv_store_u32(ref.id.b + 4, i);
    return ref;
}

static struct stream_root
make(struct scene *s, uint32_t count)
{
    struct stream_root root = {0};

    for (uint32_t i = 0; i < count; i++) {
        struct chunk_ref ref = reference(i);
        must(stream_writer_add(s->stream, &ref, E));
    }
    must(stream_writer_finish(s->stream, &s->arena, &root, E));
    return root;
}

struct check {
    uint32_t at;
    uint64_t offset;
    uint64_t lost;
    unsigned losses;
};

static enum vv_rc
check_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct check *c = ctx;
    struct chunk_ref expected = reference(c->at++);

    (void)err;
    assert_memory_equal(chunk->id.b, expected.id.b, 32);
    assert_int_equal(chunk->size, expected.size);
    assert_int_equal(offset, c->offset);
    c->offset += chunk->size;
    return VV_OK;
}

static enum vv_rc
note_lost(void *ctx, uint64_t offset, uint64_t len, const struct vv_error *why,
          struct vv_error *err)
{
    struct check *c = ctx;
    uint64_t end = offset + len;

    (void)err;
    assert_true(why->rc == VV_ENOTFOUND || why->rc == VV_ECORRUPT);
    assert_int_equal(offset, c->offset);
    c->lost += len;
    c->losses++;
    while (c->offset < end) {
        struct chunk_ref passed = reference(c->at++);
        c->offset += passed.size;
    }
    assert_int_equal(c->offset, end);
    return VV_OK;
}

struct lists {
    struct vv_id ids[64];
    unsigned count;
    enum vv_rc answer;
};

static enum vv_rc
note_list(void *ctx, const struct vv_id *list, struct vv_error *err)
{
    struct lists *l = ctx;

    (void)err;
    assert_true(l->count < 64);
    l->ids[l->count++] = *list;
    return l->answer;
}

static void
check_round(bool fixed_size, uint32_t count, uint32_t height_min)
{
    struct scene s;
    struct stream_root root;
    struct stream_root again;
    struct check c = {0};

    print_message("%u chunks\n", count);
    scene_begin(&s, fixed_size);
    root = make(&s, count);
    again = make(&s, count);
    assert_true(root.height >= height_min);
    assert_int_equal(root.height, again.height);
    assert_int_equal(root.count, again.count);
    for (uint32_t i = 0; i < root.count; i++) {
        assert_memory_equal(root.refs[i].id.b, again.refs[i].id.b, 32);
    }
    scene_read(&s);
    must(stream_each_chunk(s.reader, &root, check_chunk, NULL, &c, E));
    assert_int_equal(c.at, count);
    assert_int_equal(c.offset, root.size);
    scene_end(&s);
}

static void
stream__yields_what_was_added(void **state)
{
    (void)state;
    check_round(false, 0, 0);
    check_round(false, 1, 0);
    check_round(false, STREAM_INLINE_CHUNKS, 0);
    check_round(false, STREAM_INLINE_CHUNKS + 1, 1);
    check_round(false, 64, 1);
    check_round(false, 20000, 2);
    check_round(true, STREAM_INLINE_CHUNKS, 0);
    check_round(true, 1024, 1);
    check_round(true, 1025, 2);
    check_round(true, 5000, 2);
}

static void
stream__says_what_is_lost(void **state)
{
    struct scene s;
    struct stream_root root;
    struct lists lists = {0};
    struct check c = {0};
    struct chunk_ref refs[3];
    struct vv_buf bytes = {0};
    bool is_new;

    (void)state;
    scene_begin(&s, true);
    /* A list of three lists, the middle one missing. */
    for (uint32_t i = 0, at = 0; i < 3; i++) {
        struct chunk_ref items[10];
        refs[i].size = 0;
        for (uint32_t k = 0; k < 10; k++) {
            items[k] = reference(at++);
            refs[i].size += items[k].size;
        }
        vv_buf_reset(&bytes);
        must(list_encode(1, items, 10, &bytes, E));
        chunk_id(repo_keyring(s.repo), CHUNK_LIST, vv_buf_span(&bytes), &refs[i].id);
        if (i != 1) {
            must(block_builder_put(s.run.builder, BLOCK_TREE, CHUNK_LIST, &refs[i].id,
                                   vv_buf_span(&bytes), &is_new, E));
        }
    }
    root = (struct stream_root){
        .height = 2, .count = 1, .size = refs[0].size + refs[1].size + refs[2].size};
    root.refs = vv_arena_alloc(&s.arena, sizeof(*root.refs));
    root.refs[0].size = root.size;
    vv_buf_reset(&bytes);
    must(list_encode(2, refs, 3, &bytes, E));
    chunk_id(repo_keyring(s.repo), CHUNK_LIST, vv_buf_span(&bytes), &root.refs[0].id);
    must(block_builder_put(s.run.builder, BLOCK_TREE, CHUNK_LIST, &root.refs[0].id,
                           vv_buf_span(&bytes), &is_new, E));
    vv_buf_release(&bytes);
    scene_read(&s);
    must(stream_each_chunk(s.reader, &root, check_chunk, note_lost, &c, E));
    assert_int_equal(c.losses, 1);
    assert_int_equal(c.lost, refs[1].size);
    assert_int_equal(c.at, 30);
    c = (struct check){0};
    assert_int_equal(stream_each_chunk(s.reader, &root, check_chunk, NULL, &c, E), VV_ENOTFOUND);
    assert_int_equal(c.at, 10);
    lists.answer = VV_EEXISTS; /* seen before: not read, not followed */
    must(stream_each_list(s.reader, &root, note_list, &lists, E));
    assert_int_equal(lists.count, 1);
    scene_end(&s);
}

static void
stream__refuses_lists_that_do_not_fit(void **state)
{
    struct scene s;
    struct stream_root root;
    struct check c = {0};

    (void)state;
    scene_begin(&s, false);
    root = make(&s, 100);
    scene_read(&s);
    assert_int_equal(root.height, 1);
    root.size++; /* not what the list adds up to */
    assert_int_equal(stream_each_chunk(s.reader, &root, check_chunk, NULL, &c, E), VV_ECORRUPT);
    root.size--;
    root.height = 2;
    assert_int_equal(stream_each_chunk(s.reader, &root, check_chunk, NULL, &c, E), VV_ECORRUPT);
    root.height = LIMIT_STREAM_HEIGHT + 1;
    assert_int_equal(stream_each_chunk(s.reader, &root, check_chunk, NULL, &c, E), VV_ECORRUPT);
    assert_int_equal(c.at, 0);
    scene_end(&s);
}

static void
stream__writes_and_reads_bytes(void **state)
{
    struct scene s;
    struct stream_root root;
    size_t len = 6u << 20;
    uint8_t *bytes = vv_alloc(len);
    struct vv_buf out = {0};
    uint64_t seed = 5;

    (void)state;
    for (size_t i = 0; i < len; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(seed >> 56);
    }
    scene_begin(&s, false);
    must(stream_write(s.repo, s.run.builder, BLOCK_BULK, vv_span(bytes, len), &s.arena, &root, E));
    assert_true(root.height > 0);
    scene_read(&s);
    must(stream_read_all(s.reader, &root, len, &out, E));
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, bytes, len);
    assert_int_equal(stream_read_all(s.reader, &root, len - 1, &out, E), VV_ELIMIT);
    vv_buf_release(&out);
    vv_free(bytes);
    scene_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream__yields_what_was_added),
        cmocka_unit_test(stream__says_what_is_lost),
        cmocka_unit_test(stream__refuses_lists_that_do_not_fit),
        cmocka_unit_test(stream__writes_and_reads_bytes),
    };

    return cmocka_run_group_tests_name("repo/stream", tests, NULL, NULL);
}
