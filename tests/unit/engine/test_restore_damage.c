/* SPDX-License-Identifier: BSD-2-Clause */
/* Restoring from a damaged repository, and into a target that fails: never wrong bytes, and what is
 * whole comes back. */

#include "helper_restore.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/secret.h"

static void
object_of(const struct chunk_location *loc, char out[PACK_OBJECT_TEXT])
{
    pack_object_text(&loc->pack, out);
}

/* names_range_from(g, path, text): is damage told whose range begins as `text` does?  A block may hold
 * pieces of two windows of a file, in either order. */
static bool
names_range_from(const struct rig *g, const char *path, const char *text)
{
    for (size_t i = 0; i < g->seen_count; i++) {
        const struct rig_event *e = &g->seen[i];
        size_t len = strlen(e->path);
        if (strcmp(e->name, "chunk-damaged") == 0 && len >= strlen(path) &&
            strcmp(e->path + len - strlen(path), path) == 0 &&
            strncmp(e->text, text, strlen(text)) == 0) {
            return true;
        }
    }
    return false;
}

static void
restore__names_path_and_range_of_a_damaged_chunk_and_restores_the_rest(void **state)
{
    struct rig g;
    struct restore_options o;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    rig_begin(&g);
    rig_text(&g, "source/small", "whole");
    rig_noise(&g, "source/large", 9u << 20, 5);
    /* Small files lie in other blocks than large ones: whichever thread comes to which first, the
     * block where "large" begins holds nothing else. */
    rig_directory(&g, "source/z");
    rig_noise(&g, "source/z/other", 900000, 6);
    rig_backup(&g);
    loc = rig_locate(&g, "source/large");
    object_of(&loc, object);
    rig_flip(&g, object, loc.block_offset + 100);
    rig_reopen(&g);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_true(g.summary.problems);
    assert_int_equal(g.summary.damaged, 1);
    assert_int_equal(g.summary.verify_differences, 0);
    assert_false(rig_exists(&g, "target/large"));
    rig_assert_text(&g, "target/small", "whole");
    assert_int_equal(rig_stat(&g, "target/z/other").st_size, 900000);
    assert_non_null(rig_find(&g, "chunk-damaged", "source/large"));
    assert_true(names_range_from(&g, "source/large", "bytes 0 to "));
    rig_end(&g);
}

static void
restore__leaves_every_name_of_a_damaged_file_out(void **state)
{
    struct rig g;
    struct restore_options o;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];
    char a[512];
    char b[512];

    (void)state;
    rig_begin(&g);
    rig_noise(&g, "source/one", 100000, 5);
    rig_path(&g, "source/one", a);
    rig_path(&g, "source/two", b);
    assert_int_equal(link(a, b), 0);
    rig_text(&g, "source/empty", "");
    rig_backup(&g);
    loc = rig_locate(&g, "source/one");
    object_of(&loc, object);
    rig_flip(&g, object, loc.block_offset + 1);
    rig_reopen(&g);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.damaged, 2);
    assert_non_null(rig_find(&g, "chunk-damaged", "source/one"));
    assert_non_null(rig_find(&g, "chunk-damaged", "source/two"));
    assert_false(rig_exists(&g, "target/one"));
    assert_false(rig_exists(&g, "target/two"));
    assert_true(rig_exists(&g, "target/empty"));
    rig_end(&g);
}

static void
restore__reports_a_missing_pack_by_file(void **state)
{
    struct rig g;
    struct restore_options o;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    rig_begin(&g);
    rig_noise(&g, "source/a", 50000, 5);
    rig_noise(&g, "source/b", 50000, 6);
    rig_text(&g, "source/empty", "");
    rig_backup(&g);
    loc = rig_locate(&g, "source/a");
    object_of(&loc, object);
    assert_int_equal(storage_remove(g.storage, object, &g.err), VV_OK);
    rig_reopen(&g);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.damaged, 2);
    assert_int_equal(g.summary.files, 1);
    assert_true(g.summary.problems);
    rig_end(&g);
}

/* --- the tree --------------------------------------------------------------------------------- */

struct leaf {
    struct vv_id node;
    bool found;
    unsigned skip;
};

static enum vv_rc
note_leaf(void *ctx, const struct vv_id *node, uint32_t height, struct vv_error *err)
{
    struct leaf *l = ctx;

    (void)err;
    if (height == 0 && !l->found && l->skip-- == 0) {
        l->node = *node;
        l->found = true;
    }
    return VV_OK;
}

/** Where the third leaf of the tree is. */
static struct chunk_location
locate_leaf(struct rig *g)
{
    struct chunk_index *index = NULL;
    struct chunk_reader *reader = NULL;
    struct tree_cursor *cursor = NULL;
    struct leaf leaf = {.skip = 2};
    const struct entry *e;
    struct chunk_location loc;

    assert_int_equal(chunk_index_open(g->repo, &index, &g->err), VV_OK);
    assert_int_equal(chunk_reader_new(g->repo, index, 1 << 20, &reader, &g->err), VV_OK);
    assert_int_equal(
        tree_cursor_new(reader, &rig_newest(g)->body.root, vv_span(NULL, 0), &cursor, &g->err),
        VV_OK);
    tree_cursor_on_node(cursor, note_leaf, &leaf);
    do {
        assert_int_equal(tree_cursor_next(cursor, &e, &g->err), VV_OK);
    } while (e != NULL && !leaf.found);
    assert_true(leaf.found);
    assert_int_equal(chunk_index_find(index, CHUNK_NODE, &leaf.node, 0, &loc, &g->err), VV_OK);
    tree_cursor_free(cursor);
    chunk_reader_free(reader);
    chunk_index_free(index);
    return loc;
}

static void
restore__goes_on_behind_an_unreadable_tree_node_and_deletes_nothing_for_it(void **state)
{
    struct rig g;
    struct restore_options o;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    rig_begin(&g);
    for (unsigned d = 0; d < 40; d++) { /* about 2.5 MB of tree: several blocks */
        char name[512];
        (void)snprintf(name, sizeof(name), "source/d%02u", d);
        rig_directory(&g, name);
        for (unsigned i = 0; i < 150; i++) {
            (void)snprintf(name, sizeof(name), "source/d%02u/%03u-%0150u", d, i, i * 7919 + d);
            rig_text(&g, name, "");
        }
    }
    rig_backup(&g);
    loc = locate_leaf(&g);
    object_of(&loc, object);
    rig_flip(&g, object, loc.block_offset + 5);
    rig_reopen(&g);
    rig_directory(&g, "target");
    rig_text(&g, "target/extra", "not in the snapshot");
    o = rig_options(&g);
    o.delete_extra = true;
    if (rig_restore(&g, &o) == VV_OK) { /* else the path itself was in the damaged block */
        assert_true(g.summary.problems);
        assert_non_null(rig_find(&g, "tree-damaged", NULL));
        assert_non_null(rig_find(&g, "delete-skipped", NULL));
        assert_true(rig_exists(&g, "target/extra"));
        assert_true(g.summary.files < 6000);
        assert_int_equal(g.summary.deleted, 0);
        assert_int_equal(g.summary.verify_differences, 0);
    }
    o.path = vv_span(NULL, 0);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_non_null(rig_find(&g, "tree-damaged", NULL));
    assert_true(g.summary.files > 0);
    assert_true(g.summary.files < 6000);
    rig_end(&g);
}

/* --- wrong answers of the index --------------------------------------------------------------- */

struct flipper {
    struct storage *inner;
    unsigned reads;
};

static enum fault_verdict
fail_some_reads(void *ctx, enum storage_op op, const char *name)
{
    struct flipper *f = ctx;

    if (op != STORAGE_READ || strncmp(name, "packs/", 6) != 0) {
        return FAULT_PASS;
    }
    return __atomic_add_fetch(&f->reads, 1, __ATOMIC_RELAXED) % 5 == 0 ? FAULT_FLIP : FAULT_PASS;
}

/** A disk that sometimes returns a wrong bit: no file that is there afterwards may be wrong. */
static void
restore__writes_nothing_wrong_when_reads_are_wrong(void **state)
{
    struct rig g;
    struct restore_options o;
    struct storage *good;
    struct storage *bad = NULL;
    struct flipper f = {0};

    (void)state;
    rig_begin(&g);
    for (unsigned i = 0; i < 40; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "source/%02u", i);
        rig_noise(&g, name, 300000 + i, i);
    }
    rig_backup(&g);
    good = g.storage;
    assert_int_equal(storage_fault_new(good, fail_some_reads, &f, &bad, &g.err), VV_OK);
    g.storage = bad;
    rig_reopen(&g);
    o = rig_options(&g);
    if (rig_restore(&g, &o) == VV_OK) {
        assert_true(g.summary.files + g.summary.damaged == 40 || g.summary.problems);
    }
    for (unsigned i = 0; i < 40; i++) {
        uint8_t want[300100];
        char name[512];
        int fd;
        (void)snprintf(name, sizeof(name), "%s/%02u", g.target, i);
        fd = open(name, O_RDONLY);
        if (fd >= 0) {
            uint8_t *have = malloc(sizeof(want));
            assert_non_null(have);
            rig_bytes(want, 300000 + i, i);
            assert_int_equal(read(fd, have, sizeof(want)), 300000 + i);
            assert_memory_equal(have, want, 300000 + i);
            free(have);
            (void)close(fd);
        }
    }
    g.storage = good;
    repo_free(g.repo);
    g.repo = NULL;
    storage_free(bad);
    rig_end(&g);
}

/* --- the target ------------------------------------------------------------------------------- */

static void
restore__names_a_file_the_target_refuses_and_goes_on(void **state)
{
    struct rig g;
    struct restore_options o;
    struct rlimit before;
    struct rlimit small;

    (void)state;
    rig_begin(&g);
    rig_noise(&g, "source/large", 2u << 20, 5);
    rig_text(&g, "source/small", "fits");
    rig_backup(&g);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1 << 20;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(g.summary.failed, 1);
    assert_int_equal(g.summary.verify_differences, 0);
    assert_true(g.summary.problems);
    assert_non_null(rig_find(&g, "restore-failed", "source/large"));
    assert_false(rig_exists(&g, "target/large"));
    rig_assert_text(&g, "target/small", "fits");
    rig_end(&g);
}

static void
spoil(struct rig *g, const struct vv_event *event)
{
    struct vv_span path = event->path;

    if (strcmp(event->name, "entry") == 0 && path.len > 7 &&
        memcmp(path.data + path.len - 7, "/victim", 7) == 0) {
        struct stat st = rig_stat(g, "target/victim");
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        char name[512];
        int fd;
        rig_path(g, "target/victim", name);
        fd = open(name, O_WRONLY);
        if (fd >= 0 && pwrite(fd, "X", 1, 2500000) == 1) {
            g->hook_calls++;
        }
        (void)futimens(fd, times);
        (void)close(fd);
    }
}

static void
verify_pass__finds_a_byte_that_changed_behind_its_back(void **state)
{
    struct rig g;
    struct restore_options o;
    const struct rig_event *event;

    (void)state;
    rig_begin(&g);
    rig_noise(&g, "source/victim", 4u << 20, 5);
    rig_text(&g, "source/fine", "fine");
    rig_backup(&g);
    o = rig_options(&g);
    o.verbose = true;
    g.on_event = spoil;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.hook_calls, 1);
    assert_int_equal(g.summary.verify_differences, 1);
    assert_true(g.summary.problems);
    event = rig_find(&g, "verify-difference", "source/victim");
    assert_non_null(event);
    assert_int_equal(strncmp(event->text, "bytes ", 6), 0);
    {
        unsigned long from = 0;
        unsigned long to = 0;
        assert_int_equal(sscanf(event->text, "bytes %lu to %lu", &from, &to), 2);
        assert_true(from <= 2500000 && to > 2500000);
    }
    rig_end(&g);
}

static void
spoil_mode(struct rig *g, const struct vv_event *event)
{
    struct vv_span path = event->path;

    if (strcmp(event->name, "entry") == 0 && path.len > 7 &&
        memcmp(path.data + path.len - 7, "/victim", 7) == 0) {
        char name[512];
        rig_path(g, "target/victim", name);
        (void)chmod(name, 0611);
        g->hook_calls++;
    }
}

static void
verify_pass__finds_an_attribute_that_changed(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    rig_text(&g, "source/victim", "text");
    rig_backup(&g);
    o = rig_options(&g);
    o.verbose = true;
    g.on_event = spoil_mode;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.hook_calls, 1);
    assert_int_equal(g.summary.verify_differences, 1);
    assert_non_null(strstr(rig_find(&g, "verify-difference", "source/victim")->text, "mode 0611"));
    rig_end(&g);
}

static int
init(void **state)
{
    (void)state;
    return crypto_init(NULL) == VV_OK ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restore__names_path_and_range_of_a_damaged_chunk_and_restores_the_rest),
        cmocka_unit_test(restore__leaves_every_name_of_a_damaged_file_out),
        cmocka_unit_test(restore__reports_a_missing_pack_by_file),
        cmocka_unit_test(
            restore__goes_on_behind_an_unreadable_tree_node_and_deletes_nothing_for_it),
        cmocka_unit_test(restore__writes_nothing_wrong_when_reads_are_wrong),
        cmocka_unit_test(restore__names_a_file_the_target_refuses_and_goes_on),
        cmocka_unit_test(verify_pass__finds_a_byte_that_changed_behind_its_back),
        cmocka_unit_test(verify_pass__finds_an_attribute_that_changed),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
