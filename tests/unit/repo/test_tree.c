/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees: written, walked, sought, compared, damaged, hostile. */
#include "helper_tree_model.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "repo/tree.h"

static void
check_walk(struct scene *s, const struct tree_root *root, const struct model *m)
{
    struct tree_cursor *t = NULL;
    const struct entry *e;
    uint64_t bytes = 0;

    must(tree_cursor_new(s->reader, root, vv_span(NULL, 0), &t, E));
    for (size_t i = 0; i < m->count; i++) {
        must(tree_cursor_next(t, &e, E));
        assert_non_null(e);
        assert_int_equal(e->path.len, strlen(m->paths[i]));
        assert_memory_equal(e->path.data, m->paths[i], e->path.len);
        assert_int_equal(e->size, m->sizes[i]);
        bytes += e->size;
    }
    must(tree_cursor_next(t, &e, E));
    assert_null(e);
    assert_int_equal(root->entries, m->count);
    assert_int_equal(root->bytes, bytes);
    tree_cursor_free(t);
}

static void
tree__walks_what_was_written(void **state)
{
    static const size_t counts[] = {0, 1, 2, 63, 64, 65, 500, 20000};

    (void)state;
    for (size_t k = 0; k < VV_COUNT(counts); k++) {
        struct scene s;
        struct model m;
        struct tree_root root;
        struct tree_root again;
        print_message("%zu entries\n", counts[k]);
        model_make(&m, counts[k], 7 + k);
        scene_begin(&s);
        root = model_write(&s.run, &m, NULL);
        again = model_write(&s.run, &m, NULL); /* T1 */
        assert_memory_equal(root.node.b, again.node.b, 32);
        assert_int_equal(root.height, again.height);
        scene_read(&s);
        check_walk(&s, &root, &m);
        scene_end(&s);
        model_free(&m);
    }
}

static void
tree__walks_a_subtree(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root root;

    (void)state;
    model_make(&m, 5000, 3);
    scene_begin(&s);
    root = model_write(&s.run, &m, NULL);
    scene_read(&s);
    for (unsigned d = 0; d < 21; d++) {
        char below[8];
        struct tree_cursor *t = NULL;
        const struct entry *e;
        (void)snprintf(below, sizeof(below), "d%02u", d);
        must(tree_cursor_new(s.reader, &root, vv_span(below, 3), &t, E));
        for (size_t i = 0; i < m.count; i++) {
            if (strncmp(m.paths[i], below, 3) == 0 && m.paths[i][3] == '/') {
                must(tree_cursor_next(t, &e, E));
                assert_non_null(e);
                assert_memory_equal(e->path.data, m.paths[i], e->path.len);
            }
        }
        must(tree_cursor_next(t, &e, E));
        assert_null(e);
        must(tree_cursor_next(t, &e, E));
        assert_null(e);
        tree_cursor_free(t);
    }
    scene_end(&s);
    model_free(&m);
}

static void
tree__seeks_forward(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root root;
    struct tree_cursor *t = NULL;
    const struct entry *e;
    struct entry found;
    struct vv_arena arena = {0};
    uint64_t seed = 99;

    (void)state;
    model_make(&m, 5000, 4);
    scene_begin(&s);
    root = model_write(&s.run, &m, NULL);
    scene_read(&s);
    must(tree_cursor_new(s.reader, &root, vv_span(NULL, 0), &t, E));
    for (size_t i = 0; i < m.count; i += 1 + model_random(&seed) % 400) {
        must(tree_cursor_seek(t, vv_span(m.paths[i], strlen(m.paths[i])), E));
        must(tree_cursor_next(t, &e, E));
        assert_non_null(e);
        assert_memory_equal(e->path.data, m.paths[i], strlen(m.paths[i]));
        must(
            tree_find(s.reader, &root, vv_span(m.paths[i], strlen(m.paths[i])), &arena, &found, E));
        assert_int_equal(found.size, m.sizes[i]);
    }
    must(tree_cursor_seek(t, vv_span("z", 1), E));
    must(tree_cursor_next(t, &e, E));
    assert_null(e);
    assert_int_equal(tree_find(s.reader, &root, vv_span("d01/nothing", 11), &arena, &found, E),
                     VV_ENOTFOUND);
    tree_cursor_free(t);
    vv_arena_release(&arena);
    scene_end(&s);
    model_free(&m);
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool
keep_most(size_t i)
{
    return i % 97 != 5;
}

static bool
keep_others(size_t i)
{
    return i % 101 != 7;
}

struct difference {
    const struct model *m;
    size_t at; /* next entry that may differ */
    size_t seen;
    bool (*in_a)(size_t);
    bool (*in_b)(size_t);
};

static enum vv_rc
expect_difference(void *ctx, const struct entry *a, const struct entry *b, struct vv_error *err)
{
    struct difference *d = ctx;
    const struct entry *e = a != NULL ? a : b;

    (void)err;
    while (d->in_a(d->at) == d->in_b(d->at)) {
        d->at++;
    }
    assert_true(d->at < d->m->count);
    assert_int_equal(e->path.len, strlen(d->m->paths[d->at]));
    assert_memory_equal(e->path.data, d->m->paths[d->at], e->path.len);
    assert_int_equal(a != NULL, d->in_a(d->at));
    assert_int_equal(b != NULL, d->in_b(d->at));
    d->at++;
    d->seen++;
    return VV_OK;
}

static void
tree__diff_agrees_with_a_model(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root a;
    struct tree_root b;
    struct difference d = {.in_a = keep_most, .in_b = keep_others};
    size_t expected = 0;

    (void)state;
    model_make(&m, 6000, 5);
    d.m = &m;
    scene_begin(&s);
    a = model_write(&s.run, &m, keep_most);
    b = model_write(&s.run, &m, keep_others);
    scene_read(&s);
    for (size_t i = 0; i < m.count; i++) {
        expected += keep_most(i) != keep_others(i);
    }
    must(tree_diff(s.reader, &a, &b, expect_difference, &d, E));
    assert_int_equal(d.seen, expected);
    scene_end(&s);
    model_free(&m);
}

static bool
keep_all(size_t i)
{
    (void)i;
    return true;
}

static bool
keep_but_one(size_t i)
{
    return i != 3000;
}

static void
tree__diff_of_one_entry_reads_few_nodes(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root a;
    struct tree_root b;
    struct difference d = {.in_a = keep_all, .in_b = keep_but_one};
    size_t count = 0;
    struct pack_name *packs;

    (void)state;
    model_make(&m, 20000, 6);
    d.m = &m;
    scene_begin(&s);
    a = model_write(&s.run, &m, keep_all);
    scene_read(&s);
    packs = world_packs(&s.w, &count);
    vv_free(packs);
    b = model_write(&s.run, &m, keep_but_one); /* shares all but O(height) nodes with a */
    run_flush(&s.run);
    must(tree_diff(s.reader, &a, &b, expect_difference, &d, E));
    assert_int_equal(d.seen, 1);
    scene_end(&s);
    model_free(&m);
}

/* --- damage and malice ------------------------------------------------------------------------ */

struct leaves {
    struct vv_id ids[8];
    unsigned count;
    unsigned wanted;
};

static enum vv_rc
note_leaf(void *ctx, const struct vv_id *node, uint32_t height, struct vv_error *err)
{
    struct leaves *l = ctx;

    (void)err;
    if (height == 0 && l->count++ == l->wanted) {
        l->ids[0] = *node;
    }
    return VV_OK;
}

/* A leaf that is missing: the tree is written by hand, with an id nobody has for one of the
 * leaves. */
static struct tree_root
tree_with_gap(struct run *r, const struct model *m, size_t from, size_t to)
{
    struct inner_builder inner = {0};
    struct tree_root root = {.height = 1, .entries = m->count};
    struct vv_buf bytes = {0};
    bool is_new;

    for (size_t at = 0; at < m->count; at += 50) {
        struct leaf_builder leaf = {0};
        struct node_item item = {.path = vv_span(m->paths[at], strlen(m->paths[at]))};
        for (size_t i = at; i < m->count && i < at + 50; i++) {
            struct chunk_ref ref;
            struct entry e;
            model_entry(m, i, &ref, &e);
            must(leaf_builder_add(&leaf, &e, E));
            item.entries++;
            item.bytes += e.size;
        }
        vv_buf_reset(&bytes);
        must(leaf_builder_finish(&leaf, &bytes, E));
        chunk_id(repo_keyring(r->repo), CHUNK_NODE, vv_buf_span(&bytes), &item.node);
        if (at >= from && at < to) {
            item.node.b[0] ^= 1;
        } else {
            must(block_builder_put(r->builder, BLOCK_TREE, CHUNK_NODE, &item.node,
                                   vv_buf_span(&bytes), &is_new, E));
        }
        inner_builder_add(&inner, &item);
        leaf_builder_release(&leaf);
    }
    vv_buf_reset(&bytes);
    must(inner_builder_finish(&inner, 1, &bytes, E));
    chunk_id(repo_keyring(r->repo), CHUNK_NODE, vv_buf_span(&bytes), &root.node);
    must(block_builder_put(r->builder, BLOCK_TREE, CHUNK_NODE, &root.node, vv_buf_span(&bytes),
                           &is_new, E));
    inner_builder_release(&inner);
    vv_buf_release(&bytes);
    return root;
}

static void
tree__goes_on_behind_a_lost_node(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root root;
    struct tree_cursor *t = NULL;
    const struct entry *e;
    struct vv_span from;
    struct vv_span to;
    size_t seen = 0;
    unsigned errors = 0;

    (void)state;
    model_make(&m, 400, 8);
    scene_begin(&s);
    root = tree_with_gap(&s.run, &m, 100, 150);
    scene_read(&s);
    must(tree_cursor_new(s.reader, &root, vv_span(NULL, 0), &t, E));
    for (;;) {
        enum vv_rc rc = tree_cursor_next(t, &e, E);
        if (rc != VV_OK) {
            assert_int_equal(rc, VV_ENOTFOUND);
            errors++;
            tree_cursor_lost(t, &from, &to);
            assert_int_equal(path_compare(from, vv_span(m.paths[100], strlen(m.paths[100]))), 0);
            assert_int_equal(path_compare(to, vv_span(m.paths[150], strlen(m.paths[150]))), 0);
            seen += 50;
            continue;
        }
        if (e == NULL) {
            break;
        }
        assert_memory_equal(e->path.data, m.paths[seen], e->path.len);
        seen++;
    }
    assert_int_equal(errors, 1);
    assert_int_equal(seen, m.count);
    tree_cursor_free(t);
    scene_end(&s);
    model_free(&m);
}

/** Store bytes as a node; a root that points at them with a height of its own choice. */
static struct tree_root
store_node(struct run *r, struct vv_buf *bytes, uint32_t height)
{
    struct tree_root root = {.height = height, .entries = 1};
    bool is_new;

    chunk_id(repo_keyring(r->repo), CHUNK_NODE, vv_buf_span(bytes), &root.node);
    must(block_builder_put(r->builder, BLOCK_TREE, CHUNK_NODE, &root.node, vv_buf_span(bytes),
                           &is_new, E));
    return root;
}

static enum vv_rc
walk_all(struct scene *s, const struct tree_root *root)
{
    struct tree_cursor *t = NULL;
    const struct entry *e = NULL;
    enum vv_rc rc = tree_cursor_new(s->reader, root, vv_span(NULL, 0), &t, E);
    unsigned steps = 0;

    if (rc != VV_OK) {
        return rc;
    }
    do {
        rc = tree_cursor_next(t, &e, E);
        assert_true(++steps < 1000);
    } while (rc == VV_OK && e != NULL);
    tree_cursor_free(t);
    return rc;
}

static void
tree__refuses_hostile_nodes(void **state)
{
    struct scene s;
    struct model m;
    struct leaf_builder leaf = {0};
    struct inner_builder inner = {0};
    struct vv_buf bytes = {0};
    struct chunk_ref ref;
    struct entry e;
    struct tree_root leaf_root;
    struct tree_root wrong_height;
    struct tree_root wrong_place;
    struct tree_root too_high = {.height = LIMIT_TREE_HEIGHT + 1};
    struct node_item item = {.path = vv_span("a", 1), .entries = UINT64_MAX, .bytes = UINT64_MAX};

    (void)state;
    model_make(&m, 1, 9);
    scene_begin(&s);
    model_entry(&m, 0, &ref, &e);
    must(leaf_builder_add(&leaf, &e, E));
    must(leaf_builder_finish(&leaf, &bytes, E));
    leaf_root = store_node(&s.run, &bytes, 0);
    wrong_height = leaf_root;
    wrong_height.height = 3;
    item.node = leaf_root.node; /* the leaf's first path is not "a" */
    inner_builder_add(&inner, &item);
    vv_buf_reset(&bytes);
    must(inner_builder_finish(&inner, 1, &bytes, E));
    wrong_place = store_node(&s.run, &bytes, 1);
    scene_read(&s);
    must(walk_all(&s, &leaf_root));
    assert_int_equal(walk_all(&s, &wrong_height), VV_ECORRUPT);
    assert_int_equal(walk_all(&s, &wrong_place), VV_ECORRUPT);
    assert_int_equal(walk_all(&s, &too_high), VV_ECORRUPT);
    leaf_builder_release(&leaf);
    inner_builder_release(&inner);
    vv_buf_release(&bytes);
    scene_end(&s);
    model_free(&m);
}

/* Long paths that share nothing: no node may outgrow a block. */
static void
tree__bounds_nodes_of_long_paths(void **state)
{
    struct scene s;
    struct tree_writer *t = NULL;
    struct tree_root root;
    struct tree_cursor *cursor = NULL;
    const struct entry *found;
    size_t len = 60000;
    char *path = vv_alloc(len);
    unsigned count = 0;

    (void)state;
    scene_begin(&s);
    must(tree_writer_new(s.repo, s.run.builder, &t, E));
    for (unsigned i = 0; i < 600; i++) {
        struct entry e = {.type = ENTRY_DIRECTORY, .mode = 0755, .nlink = 1};
        for (size_t k = 0; k < len; k++) {
            path[k] = k % 200 == 199 ? '/' : 'x';
        }
        path[0] = (char)('a' + i / 100);
        path[1] = (char)('a' + i / 10 % 10);
        path[2] = (char)('a' + i % 10);
        e.path = vv_span(path, len - 1);
        must(tree_writer_add(t, &e, E));
    }
    must(tree_writer_finish(t, &root, E));
    tree_writer_free(t);
    scene_read(&s);
    must(tree_cursor_new(s.reader, &root, vv_span(NULL, 0), &cursor, E));
    for (;;) {
        must(tree_cursor_next(cursor, &found, E));
        if (found == NULL) {
            break;
        }
        count++;
    }
    assert_int_equal(count, 600);
    tree_cursor_free(cursor);
    vv_free(path);
    scene_end(&s);
}

static void
tree__tells_every_node_it_visits(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root root;
    struct tree_cursor *t = NULL;
    const struct entry *e;
    struct leaves leaves = {.wanted = 0};

    (void)state;
    model_make(&m, 2000, 10);
    scene_begin(&s);
    root = model_write(&s.run, &m, NULL);
    scene_read(&s);
    must(tree_cursor_new(s.reader, &root, vv_span(NULL, 0), &t, E));
    tree_cursor_on_node(t, note_leaf, &leaves);
    do {
        must(tree_cursor_next(t, &e, E));
    } while (e != NULL);
    assert_in_range(leaves.count, 10, 100); /* about 64 entries a leaf */
    tree_cursor_free(t);
    scene_end(&s);
    model_free(&m);
}

/* --- far away --------------------------------------------------------------------------------- */

static struct storage_ops near_ops;
static struct storage_ops far_ops;
static atomic_uint at_once;
static atomic_uint most_at_once;
static atomic_uint reads;

static unsigned
tell_parallel(struct storage *s)
{
    (void)s;
    return 16;
}

/* Wait until more than two reads are in flight, however slow the machine; but not for ever. */
static void
wait_for_company(void)
{
    const struct vv_clock *clock = vv_clock_system();

    for (unsigned turn = 0; turn < 1000 && atomic_load(&most_at_once) <= 2; turn++) {
        clock->sleep(clock, 1000 * 1000);
    }
}

/* As over a long line: whoever reads has to wait.  When the first block is read no other is known yet. */
static enum vv_rc
read_slowly(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
            size_t *ret_len, struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    unsigned now = atomic_fetch_add(&at_once, 1) + 1;
    unsigned most = atomic_load(&most_at_once);
    enum vv_rc rc;

    while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now)) {
    }
    if (strncmp(name, "packs/", 6) == 0 && offset > 0 && atomic_fetch_add(&reads, 1) >= 1) {
        wait_for_company();
    }
    clock->sleep(clock, 2u * 1000 * 1000);
    rc = near_ops.read(s, name, offset, buf, len, ret_len, err);
    atomic_fetch_sub(&at_once, 1);
    return rc;
}

static void
walk_ahead(struct scene *s, const struct tree_root *root, struct vv_span below, uint64_t *ret_count)
{
    struct tree_cursor *t = NULL;
    const struct entry *e = NULL;

    must(tree_cursor_new(s->reader, root, below, &t, E));
    tree_cursor_ahead(t);
    *ret_count = 0;
    do {
        must(tree_cursor_next(t, &e, E));
        *ret_count += e != NULL;
    } while (e != NULL);
    tree_cursor_free(t);
}

static void
tree__far_away_is_read_ahead(void **state)
{
    struct scene s;
    struct model m;
    struct tree_root root;
    uint64_t count;
    unsigned whole;

    (void)state;
    model_make(&m, 60000, 11);
    scene_begin(&s);
    root = model_write(&s.run, &m, NULL);
    scene_read(&s);
    near_ops = *s.w.storage->ops;
    far_ops = near_ops;
    far_ops.parallel = tell_parallel;
    far_ops.read = read_slowly;
    s.w.storage->ops = &far_ops;
    must(chunk_index_load(s.index, E));
    atomic_store(&most_at_once, 0);
    atomic_store(&reads, 0);
    walk_ahead(&s, &root, vv_span(NULL, 0), &count);
    assert_int_equal(count, m.count);
    whole = atomic_load(&reads);
    assert_true(atomic_load(&most_at_once) > 2); /* in flight */
    atomic_store(&reads, 0);
    walk_ahead(&s, &root, vv_span(NULL, 0), &count); /* all is in the cache: read once */
    assert_int_equal(count, m.count);
    assert_int_equal(atomic_load(&reads), 0);
    chunk_reader_free(s.reader);
    must(chunk_reader_new(s.repo, s.index, 8u << 20, &s.reader, E));
    walk_ahead(&s, &root, vv_span("d03", 3), &count); /* a twentieth of it */
    assert_true(count > 0 && count < m.count / 10);
    assert_true(atomic_load(&reads) < whole / 2);
    /* left with a block on its way */
    chunk_reader_free(s.reader);
    must(chunk_reader_new(s.repo, s.index, 8u << 20, &s.reader, E));
    chunk_read_ahead(s.reader, CHUNK_NODE, &root.node);
    scene_end(&s);
    model_free(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree__walks_what_was_written),
        cmocka_unit_test(tree__walks_a_subtree),
        cmocka_unit_test(tree__seeks_forward),
        cmocka_unit_test(tree__diff_agrees_with_a_model),
        cmocka_unit_test(tree__diff_of_one_entry_reads_few_nodes),
        cmocka_unit_test(tree__goes_on_behind_a_lost_node),
        cmocka_unit_test(tree__refuses_hostile_nodes),
        cmocka_unit_test(tree__bounds_nodes_of_long_paths),
        cmocka_unit_test(tree__tells_every_node_it_visits),
        cmocka_unit_test(tree__far_away_is_read_ahead),
    };

    return cmocka_run_group_tests_name("repo/tree", tests, NULL, NULL);
}
