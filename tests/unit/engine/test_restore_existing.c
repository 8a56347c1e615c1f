/* SPDX-License-Identifier: BSD-2-Clause */
/* Restoring over what is there: what is right is not fetched, what differs is treated as asked. */

#include "helper_restore.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"

static void
make_and_restore(struct rig *g)
{
    struct restore_options o;
    char a[512];
    char b[512];

    rig_text(g, "source/a", "first");
    rig_noise(g, "source/b", 3u << 20, 2);
    rig_directory(g, "source/d");
    rig_text(g, "source/d/c", "third");
    rig_path(g, "source/a", a);
    rig_path(g, "source/d/a2", b);
    assert_int_equal(link(a, b), 0);
    rig_path(g, "source/l", b);
    assert_int_equal(symlink("d/c", b), 0);
    rig_backup(g);
    o = rig_options(g);
    assert_int_equal(rig_restore(g, &o), VV_OK);
    assert_false(g->summary.problems);
}

static void
restore__fetches_nothing_the_second_time(void **state)
{
    static const enum sink_overwrite modes[] = {SINK_NEVER, SINK_CHANGED};
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    for (size_t i = 0; i < VV_COUNT(modes); i++) {
        o = rig_options(&g);
        o.overwrite = modes[i];
        assert_int_equal(rig_restore(&g, &o), VV_OK);
        assert_int_equal(g.summary.bytes_read, 0);
        assert_int_equal(g.summary.files, 0);
        assert_int_equal(g.summary.hard_links, 0);
        assert_int_equal(g.summary.already, 6); /* a, a2, b, c, d, l */
        assert_int_equal(g.summary.verified_files, 4);
        assert_false(g.summary.problems);
        rig_assert_same_tree(&g, "source", "target");
    }
    rig_end(&g);
}

static void
restore__fetches_only_what_is_missing(void **state)
{
    struct rig g;
    struct restore_options o;
    char path[512];

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_path(&g, "target/d/c", path);
    assert_int_equal(unlink(path), 0);
    rig_path(&g, "target/d/a2", path);
    assert_int_equal(unlink(path), 0);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.files, 1);
    assert_int_equal(g.summary.hard_links, 1);
    assert_true(g.summary.bytes_read < 1u << 20);
    assert_false(g.summary.problems);
    rig_assert_same_tree(&g, "source", "target");
    rig_end(&g);
}

static void
restore__keeps_what_differs_and_says_so(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_text(&g, "target/d/c", "local");
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/d/c", "local");
    assert_int_equal(g.summary.kept, 1);
    assert_true(g.summary.problems);
    assert_non_null(rig_find(&g, "kept", "source/d/c"));
    assert_int_equal(g.summary.verify_differences, 0);
    rig_end(&g);
}

/** Same size, same time, other bytes: only reading tells. */
static void
restore__compares_content_behind_equal_metadata(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_text(&g, "target/d/c", "THIRD");
    rig_copy_time(&g, "target/d/c", "source/d/c");
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.kept, 1);
    rig_assert_text(&g, "target/d/c", "THIRD");
    o.overwrite = SINK_CHANGED;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.files, 1);
    assert_false(g.summary.problems);
    rig_assert_same_tree(&g, "source", "target");
    rig_end(&g);
}

static void
restore__only_sets_attributes_where_the_bytes_are_right(void **state)
{
    struct rig g;
    struct restore_options o;
    ino_t before;
    char path[512];

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_path(&g, "target/b", path);
    assert_int_equal(chmod(path, 0600), 0);
    before = rig_stat(&g, "target/b").st_ino;
    o = rig_options(&g);
    o.overwrite = SINK_CHANGED;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.bytes_read, 0);
    assert_int_equal(rig_stat(&g, "target/b").st_ino, before);
    assert_false(g.summary.problems);
    rig_assert_same_tree(&g, "source", "target");
    rig_end(&g);
}

static void
restore__replaces_everything_when_told_always(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_text(&g, "target/d/c", "local");
    o = rig_options(&g);
    o.overwrite = SINK_ALWAYS;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.files, 3);
    assert_false(g.summary.problems);
    rig_assert_same_tree(&g, "source", "target");
    assert_int_equal(rig_stat(&g, "target/a").st_ino, rig_stat(&g, "target/d/a2").st_ino);
    rig_end(&g);
}

/** A name that stopped being a hard link becomes one again. */
static void
restore__links_names_that_are_equal_but_separate(void **state)
{
    struct rig g;
    struct restore_options o;
    char path[512];

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_path(&g, "target/d/a2", path);
    assert_int_equal(unlink(path), 0);
    rig_text(&g, "target/d/a2", "first");
    rig_copy_time(&g, "target/d/a2", "source/a");
    o = rig_options(&g);
    o.overwrite = SINK_CHANGED;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(rig_stat(&g, "target/a").st_ino, rig_stat(&g, "target/d/a2").st_ino);
    assert_false(g.summary.problems);
    rig_end(&g);
}

/** The first of two names is kept with other content: the second must not become a link to that. */
static void
restore__does_not_link_to_a_kept_file(void **state)
{
    struct rig g;
    struct restore_options o;
    char path[512];

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    rig_path(&g, "target/d/a2", path);
    assert_int_equal(unlink(path), 0);
    rig_text(&g, "target/a", "local");
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/a", "local");
    rig_assert_text(&g, "target/d/a2", "first");
    assert_int_equal(g.summary.kept, 1);
    assert_int_equal(g.summary.files, 1);
    assert_int_equal(g.summary.verify_differences, 0);
    rig_end(&g);
}

static void
restore__leaves_what_is_below_a_file_in_a_directorys_place(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    rig_directory(&g, "source/d");
    rig_text(&g, "source/d/c", "text");
    rig_text(&g, "source/z", "last");
    rig_backup(&g);
    rig_directory(&g, "target");
    rig_text(&g, "target/d", "not a directory");
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/d", "not a directory");
    rig_assert_text(&g, "target/z", "last");
    assert_int_equal(g.summary.kept, 1);
    assert_int_equal(g.summary.failed, 0);
    assert_int_equal(g.summary.verify_differences, 0);
    o.overwrite = SINK_CHANGED;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/d/c", "text");
    assert_false(g.summary.problems);
    rig_end(&g);
}

/* --- --delete --------------------------------------------------------------------------------- */

static void
add_extras(struct rig *g)
{
    rig_text(g, "target/extra", "x");
    rig_text(g, "target/d/extra.log", "x");
    rig_directory(g, "target/more");
    rig_text(g, "target/more/x.log", "x");
    rig_text(g, "target/more/y", "x");
}

static void
restore__deletes_what_the_snapshot_does_not_have(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    add_extras(&g);
    o = rig_options(&g);
    o.delete_extra = true;
    o.dry_run = true;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.deleted, 3);
    assert_non_null(rig_find(&g, "would-delete", "source/extra"));
    assert_non_null(rig_find(&g, "would-delete", "source/d/extra.log"));
    assert_non_null(rig_find(&g, "would-delete", "source/more"));
    assert_true(rig_exists(&g, "target/more/y"));
    o.dry_run = false;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.deleted, 3);
    assert_false(g.summary.problems);
    rig_assert_same_tree(&g, "source", "target");
    rig_end(&g);
}

static void
restore__never_deletes_what_is_excluded(void **state)
{
    struct rig g;
    struct restore_options o;
    struct pattern_set *excludes;

    (void)state;
    rig_begin(&g);
    make_and_restore(&g);
    add_extras(&g);
    assert_int_equal(pattern_set_new(&excludes, NULL), VV_OK);
    assert_int_equal(pattern_set_add(excludes, "*.log", NULL), VV_OK);
    assert_int_equal(pattern_set_add(excludes, "b", NULL), VV_OK);
    o = rig_options(&g);
    o.delete_extra = true;
    o.excludes = excludes;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_false(rig_exists(&g, "target/extra"));
    assert_false(rig_exists(&g, "target/more/y"));
    assert_true(rig_exists(&g, "target/more/x.log"));
    assert_true(rig_exists(&g, "target/d/extra.log"));
    assert_true(rig_exists(&g, "target/b"));
    pattern_set_free(excludes);
    rig_end(&g);
}

/** Beside the way to what was backed up nothing is deleted: that was never in the snapshot. */
static void
restore__deletes_nothing_beside_the_way_to_the_sources(void **state)
{
    struct rig g;
    struct restore_options o;
    char name[512];

    (void)state;
    rig_begin(&g);
    rig_text(&g, "source/a", "first");
    rig_backup(&g);
    o = rig_options(&g);
    o.path = vv_span(NULL, 0);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_text(&g, "target/beside", "x");
    (void)snprintf(name, sizeof(name), "target%s-beside", g.top);
    rig_text(&g, name, "x");
    (void)snprintf(name, sizeof(name), "target%s/extra", g.source);
    rig_text(&g, name, "x");
    o.delete_extra = true;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.deleted, 1);
    assert_false(rig_exists(&g, name));
    assert_true(rig_exists(&g, "target/beside"));
    rig_end(&g);
}

static void
restore__puts_a_file_in_place_of_a_directory_only_with_delete(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    rig_text(&g, "source/a", "first");
    rig_backup(&g);
    rig_directory(&g, "target");
    rig_directory(&g, "target/a");
    rig_text(&g, "target/a/inside", "x");
    o = rig_options(&g);
    o.overwrite = SINK_CHANGED;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(g.summary.kept, 1);
    assert_true(rig_exists(&g, "target/a/inside"));
    o.delete_extra = true;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/a", "first");
    assert_int_equal(g.summary.deleted, 1);
    assert_false(g.summary.problems);
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
        cmocka_unit_test(restore__fetches_nothing_the_second_time),
        cmocka_unit_test(restore__fetches_only_what_is_missing),
        cmocka_unit_test(restore__keeps_what_differs_and_says_so),
        cmocka_unit_test(restore__compares_content_behind_equal_metadata),
        cmocka_unit_test(restore__only_sets_attributes_where_the_bytes_are_right),
        cmocka_unit_test(restore__replaces_everything_when_told_always),
        cmocka_unit_test(restore__links_names_that_are_equal_but_separate),
        cmocka_unit_test(restore__does_not_link_to_a_kept_file),
        cmocka_unit_test(restore__leaves_what_is_below_a_file_in_a_directorys_place),
        cmocka_unit_test(restore__deletes_what_the_snapshot_does_not_have),
        cmocka_unit_test(restore__never_deletes_what_is_excluded),
        cmocka_unit_test(restore__deletes_nothing_beside_the_way_to_the_sources),
        cmocka_unit_test(restore__puts_a_file_in_place_of_a_directory_only_with_delete),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
