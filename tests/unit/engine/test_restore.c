/* SPDX-License-Identifier: BSD-2-Clause */
/* Restoring into an empty target: everything, parts, links, holes, many files at once. */

#include "helper_restore.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/secret.h"

static void
make_some(struct rig *g)
{
    char path[512];
    char link[512];

    rig_text(g, "source/empty", "");
    rig_text(g, "source/small", "hello");
    rig_noise(g, "source/large", 5u << 20, 1);
    rig_directory(g, "source/d");
    rig_text(g, "source/d/a.c", "int a;");
    rig_text(g, "source/d/b.h", "extern int a;");
    rig_directory(g, "source/d/deep");
    rig_text(g, "source/d/deep/c.c", "int c;");
    rig_directory(g, "source/void");
    rig_path(g, "source/link", path);
    assert_int_equal(symlink("d/a.c", path), 0);
    rig_path(g, "source/fifo", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    rig_path(g, "source/small", path);
    rig_path(g, "source/d/second-name", link);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, link, 0), 0);
}

static void
restore__brings_back_everything_and_proves_it(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_same_tree(&g, "source", "target");
    assert_int_equal(g.summary.files, 6);
    assert_int_equal(g.summary.hard_links, 1);
    assert_int_equal(g.summary.others, 2);
    assert_int_equal(g.summary.directories, 4);
    assert_int_equal(g.summary.verified_files, 7);
    assert_true(g.summary.verified);
    assert_int_equal(g.summary.verify_differences, 0);
    assert_false(g.summary.problems);
    assert_int_equal(rig_stat(&g, "target/small").st_ino,
                     rig_stat(&g, "target/d/second-name").st_ino);
    rig_end(&g);
}

static void
restore__makes_the_whole_path_for_a_whole_snapshot(void **state)
{
    struct rig g;
    struct restore_options o;
    char name[512];

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    o = rig_options(&g);
    o.path_given = false;
    o.path = vv_span(NULL, 0);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    (void)snprintf(name, sizeof(name), "target%s", g.source);
    rig_assert_same_tree(&g, "source", name);
    rig_end(&g);
}

static void
restore__puts_a_single_file_into_the_target(void **state)
{
    struct rig g;
    struct restore_options o;
    char path[512];

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    o = rig_options(&g);
    rig_path(&g, "source/d/deep/c.c", path);
    o.path = vv_span(path, strlen(path));
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/c.c", "int c;");
    assert_int_equal(g.summary.files, 1);
    assert_int_equal(g.summary.directories, 0);
    rig_end(&g);
}

static void
restore__refuses_a_path_that_is_not_there_before_making_anything(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    o = rig_options(&g);
    o.path = vv_span("no/such", 7);
    assert_int_equal(rig_restore(&g, &o), VV_ENOTFOUND);
    assert_false(rig_exists(&g, "target"));
    rig_end(&g);
}

static void
restore__makes_the_directories_above_what_is_included(void **state)
{
    struct rig g;
    struct restore_options o;
    struct pattern_set *includes;

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    assert_int_equal(pattern_set_new(&includes, NULL), VV_OK);
    assert_int_equal(pattern_set_add(includes, "*.c", NULL), VV_OK);
    o = rig_options(&g);
    o.includes = includes;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/d/a.c", "int a;");
    rig_assert_text(&g, "target/d/deep/c.c", "int c;");
    assert_false(rig_exists(&g, "target/d/b.h"));
    assert_false(rig_exists(&g, "target/void"));
    assert_false(rig_exists(&g, "target/small"));
    assert_int_equal(rig_stat(&g, "target/d/deep").st_mtim.tv_nsec,
                     rig_stat(&g, "source/d/deep").st_mtim.tv_nsec);
    assert_int_equal(g.summary.files, 2);
    pattern_set_free(includes);
    rig_end(&g);
}

static void
restore__leaves_out_what_is_excluded_but_not_what_is_included_again(void **state)
{
    struct rig g;
    struct restore_options o;
    struct pattern_set *excludes;

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    assert_int_equal(pattern_set_new(&excludes, NULL), VV_OK);
    assert_int_equal(pattern_set_add(excludes, "d/", NULL), VV_OK);
    assert_int_equal(pattern_set_add(excludes, "!deep/c.c", NULL), VV_OK);
    assert_int_equal(pattern_set_add(excludes, "!**/deep/c.c", NULL), VV_OK);
    o = rig_options(&g);
    o.excludes = excludes;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_false(rig_exists(&g, "target/d/a.c"));
    rig_assert_text(&g, "target/d/deep/c.c", "int c;");
    rig_assert_text(&g, "target/small", "hello");
    assert_false(g.summary.problems);
    pattern_set_free(excludes);
    rig_end(&g);
}

static void
restore__names_an_include_that_matches_nothing_after_restoring_the_rest(void **state)
{
    struct rig g;
    struct restore_options o;
    struct pattern_set *includes;

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    assert_int_equal(pattern_set_new(&includes, NULL), VV_OK);
    assert_int_equal(pattern_set_add(includes, "small", NULL), VV_OK);
    assert_int_equal(pattern_set_add(includes, "*.absent", NULL), VV_OK);
    o = rig_options(&g);
    o.includes = includes;
    assert_int_equal(rig_restore(&g, &o), VV_ENOTFOUND);
    rig_assert_text(&g, "target/small", "hello");
    assert_true(g.summary.verified);
    assert_non_null(rig_find(&g, "include-unmatched", "*.absent"));
    assert_int_equal(rig_count(&g, "include-unmatched"), 1);
    pattern_set_free(includes);
    rig_end(&g);
}

static void
restore__links_to_a_name_that_is_restored_only(void **state)
{
    struct rig g;
    struct restore_options o;
    char path[512];

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    o = rig_options(&g);
    rig_path(&g, "source/d", path); /* the other name is outside */
    o.path = vv_span(path, strlen(path));
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_text(&g, "target/second-name", "hello");
    assert_int_equal(rig_stat(&g, "target/second-name").st_nlink, 1);
    assert_int_equal(g.summary.verify_differences, 0);
    rig_end(&g);
}

static void
restore__keeps_holes(void **state)
{
    struct rig g;
    struct restore_options o;
    char path[512];
    struct stat st;
    int fd;

    (void)state;
    rig_begin(&g);
    rig_path(&g, "source/sparse", path);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "begin", 5, 0), 5);
    assert_int_equal(pwrite(fd, "middle", 6, 40 << 20), 6);
    assert_int_equal(ftruncate(fd, 200 << 20), 0);
    assert_int_equal(close(fd), 0);
    rig_path(&g, "source/all-hole", path);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 300 << 20), 0);
    assert_int_equal(close(fd), 0);
    rig_backup(&g);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    st = rig_stat(&g, "target/sparse");
    assert_int_equal(st.st_size, 200 << 20);
    assert_true(st.st_blocks <= rig_stat(&g, "source/sparse").st_blocks + 64);
    st = rig_stat(&g, "target/all-hole");
    assert_int_equal(st.st_size, 300 << 20);
    assert_true(st.st_blocks < 64);
    assert_int_equal(g.summary.verify_differences, 0);
    rig_end(&g);
}

/** Every file shares a large chunk with all others, so that all are open when it is decoded. */
static void
restore__copes_with_few_descriptors(void **state)
{
    enum { FILES = 60, COMMON = 1 << 20, OWN = 64 << 10 };
    struct rig g;
    struct restore_options o;
    struct rlimit before;
    struct rlimit few;
    uint8_t *common = malloc(COMMON);
    uint8_t *own = malloc(OWN);

    (void)state;
    assert_non_null(common);
    assert_non_null(own);
    rig_begin(&g);
    rig_bytes(common, COMMON, 7);
    for (unsigned i = 0; i < FILES; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "source/%u", i);
        rig_bytes(own, OWN, 100 + i);
        rig_append(&g, name, common, COMMON);
        rig_append(&g, name, own, OWN);
    }
    rig_backup(&g);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    o = rig_options(&g);
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    rig_assert_same_tree(&g, "source", "target");
    assert_int_equal(g.summary.files, FILES);
    assert_int_equal(g.summary.failed, 0);
    free(common);
    free(own);
    rig_end(&g);
}

static void
restore__plans_without_writing_in_a_dry_run(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    make_some(&g);
    rig_backup(&g);
    o = rig_options(&g);
    o.dry_run = true;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    assert_false(rig_exists(&g, "target"));
    assert_int_equal(g.summary.files, 6);
    assert_int_equal(g.summary.hard_links, 1);
    assert_true(g.summary.bytes_planned > 5u << 20);
    assert_true(g.summary.bytes_planned < 6u << 20);
    assert_true(g.summary.measured_rate > 0);
    assert_false(g.summary.verified);
    rig_end(&g);
}

static void
cancel_at_third(struct rig *g, const struct vv_event *event)
{
    if (strcmp(event->name, "entry") == 0 && ++g->hook_calls == 3) {
        atomic_store(&g->cancel.wanted, true);
    }
}

static void
restore__stops_when_asked_and_goes_on_next_time(void **state)
{
    struct rig g;
    struct restore_options o;

    (void)state;
    rig_begin(&g);
    for (unsigned i = 0; i < 300; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "source/%03u", i);
        rig_noise(&g, name, 20000 + i * 1000, i);
    }
    rig_backup(&g);
    o = rig_options(&g);
    o.verbose = true;
    g.on_event = cancel_at_third;
    assert_int_equal(rig_restore(&g, &o), VV_ECANCELLED);
    assert_false(g.summary.verified);
    assert_true(g.summary.files < 300);
    atomic_store(&g.cancel.wanted, false);
    g.on_event = NULL;
    o.verbose = false;
    assert_int_equal(rig_restore(&g, &o), VV_OK);
    rig_assert_same_tree(&g, "source", "target");
    assert_true(g.summary.already > 0);
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
        cmocka_unit_test(restore__brings_back_everything_and_proves_it),
        cmocka_unit_test(restore__makes_the_whole_path_for_a_whole_snapshot),
        cmocka_unit_test(restore__puts_a_single_file_into_the_target),
        cmocka_unit_test(restore__refuses_a_path_that_is_not_there_before_making_anything),
        cmocka_unit_test(restore__makes_the_directories_above_what_is_included),
        cmocka_unit_test(restore__leaves_out_what_is_excluded_but_not_what_is_included_again),
        cmocka_unit_test(restore__names_an_include_that_matches_nothing_after_restoring_the_rest),
        cmocka_unit_test(restore__links_to_a_name_that_is_restored_only),
        cmocka_unit_test(restore__keeps_holes),
        cmocka_unit_test(restore__copes_with_few_descriptors),
        cmocka_unit_test(restore__plans_without_writing_in_a_dry_run),
        cmocka_unit_test(restore__stops_when_asked_and_goes_on_next_time),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
