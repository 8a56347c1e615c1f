/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees written out of older ones (K1 to K3). */
#include "helper_tree_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "sweep.h"

/** What a tree of ${m} becomes when everything below some directories is other than it was: the entries
 *  that ${keep} says, kept as ranges, ${fresh} ones added. */
struct splice {
    struct scene *s;
    const struct model *old;
    const struct model *now;
    struct tree_keeper keeper;
    size_t passed;
    size_t added;
};

static enum vv_rc
count_splice(void *ctx, const struct entry *e)
{
    (void)e;
    ((struct splice *)ctx)->passed++;
    return VV_OK;
}

static bool
same_at(const struct splice *p, size_t i, size_t j)
{
    return i < p->old->count && j < p->now->count && p->old->sizes[i] == p->now->sizes[j] &&
           strcmp(p->old->paths[i], p->now->paths[j]) == 0;
}

/** Write p->now: runs that are in p->old as they are become ranges, if they are long enough. */
static struct tree_root
write_splice(struct splice *p, const struct tree_root *from, size_t least)
{
    struct tree_root root;
    size_t i = 0;
    size_t j = 0;

    must(tree_writer_new(p->s->repo, p->s->run.builder, &p->keeper.writer, E));
    must(tree_cursor_new(p->s->reader, from, vv_span(NULL, 0), &p->keeper.old, E));
    p->keeper.passed = count_splice;
    p->keeper.ctx = p;
    while (j < p->now->count) {
        struct chunk_ref ref;
        struct entry e;
        size_t run = 0;
        while (i < p->old->count && model_compare(p->old->paths[i], p->now->paths[j]) < 0) {
            i++;
        }
        while (same_at(p, i + run, j + run)) {
            run++;
        }
        if (run > least) { /* from behind the first to before the last, which are added */
            struct path_range range = {
                .from = vv_span(p->now->paths[j], strlen(p->now->paths[j])),
                .to = vv_span(p->now->paths[j + run - 1], strlen(p->now->paths[j + run - 1]))};
            model_entry(p->now, j, &ref, &e);
            must(tree_writer_add(p->keeper.writer, &e, E));
            must(tree_keep(&p->keeper, &range, E));
            p->added++;
            j += run - 1;
            i += run - 1;
        }
        model_entry(p->now, j++, &ref, &e);
        must(tree_writer_add(p->keeper.writer, &e, E));
        p->added++;
    }
    must(tree_keep_nothing(&p->keeper, E));
    must(tree_writer_finish(p->keeper.writer, &root, E));
    tree_writer_free(p->keeper.writer);
    tree_cursor_free(p->keeper.old);
    return root;
}

/** Another model: some entries gone, some new, some other than they were. */
static void
model_change(const struct model *from, struct model *to, uint64_t seed, unsigned changes)
{
    size_t count = 0;

    to->paths = vv_alloc_array(from->count + changes, sizeof(*to->paths));
    to->sizes = vv_alloc_array(from->count + changes, sizeof(*to->sizes));
    for (size_t i = 0; i < from->count; i++) {
        uint64_t dice = model_random(&seed) % from->count;
        if (dice < changes / 3) {
            continue;
        }
        memcpy(to->paths[count], from->paths[i], PATH_SIZE);
        to->sizes[count] = from->sizes[i] + (dice < changes / 2 ? 1 : 0);
        count++;
        if (dice >= changes / 2 && dice < changes && strlen(from->paths[i]) < PATH_SIZE - 2) {
            (void)snprintf(to->paths[count], PATH_SIZE, "%.60s0", from->paths[i]);
            to->sizes[count++] = 7;
            if (i + 1 < from->count && strcmp(to->paths[count - 1], from->paths[i + 1]) == 0) {
                count--;
            }
        }
    }
    to->count = count;
}

/* K1 to K3, T1 */
static void
tree__written_out_of_another_is_the_same(void **state)
{
    static const size_t counts[] = {1, 40, 300, 5000, 40000};
    struct scene s;

    (void)state;
    for (size_t c = 0; c < VV_COUNT(counts); c++) {
        for (uint64_t seed = 1; seed <= 8; seed++) {
            struct model old = {0};
            struct model now = {0};
            struct tree_root from;
            struct tree_root whole;
            struct tree_root root;
            struct splice p = {.s = &s, .old = &old, .now = &now};
            scene_begin(&s);
            model_make(&old, counts[c], seed);
            model_change(&old, &now, seed * 31, seed % 4 == 0 ? 2 : (unsigned)seed * 6);
            from = model_write(&s.run, &old, NULL);
            whole = model_write(&s.run, &now, NULL);
            scene_read(&s);
            root = write_splice(&p, &from, (size_t)(seed * 3));
            assert_int_equal(root.height, whole.height);
            assert_int_equal(root.entries, whole.entries);
            assert_int_equal(root.bytes, whole.bytes);
            assert_true(vv_id_equal(&root.node, &whole.node));
            assert_true(counts[c] < 1000 || p.added < now.count / 4);
            assert_in_range(p.passed, 0, p.added + counts[c] / 4 + 40);
            model_free(&old);
            model_free(&now);
            scene_end(&s);
        }
    }
}

#define LONG_PATH 60000u
#define LONG_COUNT 500u

static void
long_entry(unsigned i, char *path, struct entry *e)
{
    *e = (struct entry){.type = ENTRY_DIRECTORY, .mode = 0755, .nlink = 1};
    for (size_t k = 0; k < LONG_PATH; k++) {
        path[k] = k % 200 == 199 ? '/' : 'x';
    }
    path[0] = (char)('a' + i / 100);
    path[1] = (char)('a' + i / 10 % 10);
    path[2] = (char)('a' + i % 10);
    e->path = vv_span(path, LONG_PATH - 1);
}

/* K1: nodes that ended because they were full begin elsewhere when one entry before is gone. */
static void
tree__written_out_of_full_nodes_is_the_same(void **state)
{
    char *path = vv_alloc(LONG_PATH);
    char *last = vv_alloc(LONG_PATH);

    (void)state;
    for (unsigned round = 0; round < 6; round += sweep_stride(1)) {
        unsigned gone = 40 + round;
        struct scene s;
        struct entry e;
        struct tree_root roots[2];
        struct tree_root root;
        struct splice p = {.s = &s};
        struct path_range range = {.from_below = true, .to_below = true};
        scene_begin(&s);
        for (unsigned k = 0; k < 2; k++) {
            struct tree_writer *t = NULL;
            must(tree_writer_new(s.repo, s.run.builder, &t, E));
            for (unsigned i = 0; i < LONG_COUNT; i++) {
                long_entry(i, path, &e);
                if (k == 0 || i != gone) {
                    must(tree_writer_add(t, &e, E));
                }
            }
            must(tree_writer_finish(t, &roots[k], E));
            tree_writer_free(t);
        }
        scene_read(&s);
        must(tree_writer_new(s.repo, s.run.builder, &p.keeper.writer, E));
        must(tree_cursor_new(s.reader, &roots[0], vv_span(NULL, 0), &p.keeper.old, E));
        p.keeper.passed = count_splice;
        p.keeper.ctx = &p;
        for (unsigned i = 0; i < gone; i++) {
            long_entry(i, path, &e);
            must(tree_writer_add(p.keeper.writer, &e, E));
        }
        long_entry(gone, path, &e);
        range.from = e.path;
        long_entry(LONG_COUNT - 1, last, &e);
        range.to = e.path;
        must(tree_keep(&p.keeper, &range, E));
        must(tree_keep_nothing(&p.keeper, E));
        must(tree_writer_finish(p.keeper.writer, &root, E));
        assert_int_equal(p.passed, gone + 1);
        assert_int_equal(root.entries, LONG_COUNT - 1);
        assert_true(vv_id_equal(&root.node, &roots[1].node));
        tree_writer_free(p.keeper.writer);
        tree_cursor_free(p.keeper.old);
        scene_end(&s);
    }
    vv_free(path);
    vv_free(last);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree__written_out_of_another_is_the_same),
        cmocka_unit_test(tree__written_out_of_full_nodes_is_the_same),
    };

    return cmocka_run_group_tests_name("repo/tree_keep", tests, NULL, NULL);
}
