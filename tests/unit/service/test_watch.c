/* SPDX-License-Identifier: BSD-2-Clause */
/* Watching directories, both ways: whatever changes is told, and nothing else (N1 to N5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/helper_watch.h"

static const struct variant by_fanotify = {false};
static const struct variant by_inotify = {true};

/* N1 */
static void
watch__tells_of_every_kind_of_change(void **state)
{
    struct scene s;

    scene_begin(&s, state);
    make_file(&s, "src/a/b/file", "more");
    expect(&s, "src/a/b", CHANGE_HERE);
    assert_int_equal(asked(&s, "src/a"), CHANGE_BELOW);
    forget_all(&s);
    make_file(&s, "src/a/new", "x");
    expect(&s, "src/a", CHANGE_HERE);
    forget_all(&s);
    assert_int_equal(chmod(at(&s, "src/a/new"), 0600), 0);
    expect(&s, "src/a", CHANGE_HERE);
    forget_all(&s);
    assert_int_equal(rename(at(&s, "src/a/new"), at(&s, "src/a/b/other")), 0);
    expect(&s, "src/a", CHANGE_HERE);
    expect(&s, "src/a/b", CHANGE_HERE);
    forget_all(&s);
    assert_int_equal(unlink(at(&s, "src/a/b/other")), 0);
    expect(&s, "src/a/b", CHANGE_HERE);
    forget_all(&s);
    assert_int_equal(symlink("x", at(&s, "src/a/b/c/link")), 0);
    expect(&s, "src/a/b/c", CHANGE_HERE);
    forget_all(&s);
    assert_int_equal(chmod(at(&s, "src/a/b"), 0700), 0); /* a directory's own attributes */
    expect(&s, "src/a", CHANGE_HERE);
    forget_all(&s);
    assert_int_equal(chmod(at(&s, "src"), 0700), 0); /* a path given itself */
    for (unsigned i = 0; i < LIMIT_MS / EACH_MS && change_set_is_empty(s.seen); i++) {
        (void)asked(&s, "src");
        wait_a_moment();
    }
    assert_false(change_set_is_empty(s.seen));
    scene_end(&s);
}

/* N3 */
static void
watch__follows_directories_that_come_and_go(void **state)
{
    struct scene s;

    scene_begin(&s, state);
    make_directory(&s, "src/new");
    make_directory(&s, "src/new/deep");
    make_directory(&s, "src/new/deep/er");
    expect(&s, "src/new", CHANGE_ALL);
    forget_all(&s);
    make_file(&s, "src/new/deep/er/file", "x");
    expect(&s, "src/new/deep/er", CHANGE_HERE);
    forget_all(&s);

    assert_int_equal(rename(at(&s, "src/new"), at(&s, "src/a/moved")), 0);
    expect(&s, "src/a/moved", CHANGE_ALL);
    expect(&s, "src", CHANGE_HERE);
    forget_all(&s);
    make_file(&s, "src/a/moved/deep/er/file", "x"); /* under its new name */
    expect(&s, "src/a/moved/deep/er", CHANGE_HERE);
    assert_int_equal(asked(&s, "src/new/deep/er"), CHANGE_NONE);
    forget_all(&s);

    assert_int_equal(rename(at(&s, "src/a/moved"), at(&s, "elsewhere/gone")), 0);
    expect(&s, "src/a", CHANGE_HERE);
    forget_all(&s);
    make_file(&s, "elsewhere/gone/deep/file", "x");
    expect_nothing(&s, "src/a/moved/deep");
    forget_all(&s);

    assert_int_equal(rename(at(&s, "elsewhere/gone"), at(&s, "src/back")), 0);
    expect(&s, "src/back", CHANGE_ALL);
    forget_all(&s);
    make_file(&s, "src/back/deep/er/file", "x");
    expect(&s, "src/back/deep/er", CHANGE_HERE);
    forget_all(&s);

    assert_int_equal(unlink(at(&s, "src/back/deep/er/file")), 0);
    assert_int_equal(rmdir(at(&s, "src/back/deep/er")), 0);
    make_directory(&s, "src/back/deep/er"); /* the same name, another directory */
    expect(&s, "src/back/deep/er", CHANGE_ALL);
    forget_all(&s);
    make_file(&s, "src/back/deep/er/file", "x");
    expect(&s, "src/back/deep/er", CHANGE_HERE);
    scene_end(&s);
}

/* N4 */
static void
watch__passes_over_what_is_not_of_interest(void **state)
{
    struct scene s;

    scene_begin(&s, state);
    make_file(&s, "src/own/lock", "x");
    make_directory(&s, "src/own/cache");
    make_file(&s, "src/own/cache/x", "x");
    make_file(&s, "elsewhere/file", "x");
    make_file(&s, "elsewhere/d/file", "x");
    expect_nothing(&s, "src/own");
    assert_int_equal(asked(&s, "elsewhere"), CHANGE_NONE);
    assert_int_equal(asked(&s, "elsewhere/d"), CHANGE_NONE);
    assert_false(change_set_is_everything(s.seen));
    scene_end(&s);
}

/* N2 */
static void
watch__a_path_that_vanishes_or_appears_is_everything(void **state)
{
    struct scene s;

    scene_begin(&s, state);
    assert_int_equal(rename(at(&s, "src"), at(&s, "hidden")), 0);
    expect(&s, "src/any/thing", CHANGE_ALL);
    change_set_clear(s.seen);
    make_directory(&s, "src");
    expect(&s, "src/any/thing", CHANGE_ALL);
    change_set_clear(s.seen);
    make_directory(&s, "src/seen");
    expect(&s, "src/seen", CHANGE_ALL);
    change_set_clear(s.seen);
    make_file(&s, "src/seen/file", "x");
    expect(&s, "src/seen", CHANGE_HERE);
    assert_false(change_set_is_everything(s.seen));
    scene_end(&s);
}

/** A file as a path given: its name in a directory that is of no other interest. */
static void
watch__a_path_may_be_a_file(void **state)
{
    struct scene s;
    char file[128];

    scene_make(&s, state);
    (void)snprintf(file, sizeof(file), "%s/elsewhere/config", s.base);
    make_file(&s, "elsewhere/config", "x");
    s.roots[1] = s.roots[0];
    s.roots[0] = vv_span(file, strlen(file));
    s.options.root_count = 2;
    scene_watch(&s);
    make_file(&s, "elsewhere/neighbour", "x");
    expect_nothing(&s, "elsewhere");
    make_file(&s, "elsewhere/neighbour", "x");
    make_file(&s, "elsewhere/config", "more");
    expect(&s, "elsewhere", CHANGE_HERE);
    scene_end(&s);
}

/** Wait until the watch itself holds everything, while nobody takes anything. */
static void
expect_untaken_everything(struct scene *s)
{
    bool everything = false;

    for (unsigned i = 0; i < LIMIT_MS / EACH_MS && !everything; i++) {
        wait_a_moment();
        vv_mutex_lock(&s->watch->lock);
        everything = change_set_is_everything(s->watch->set);
        vv_mutex_unlock(&s->watch->lock);
    }
    assert_true(everything);
}

/* C1: more directories than the set may hold.  (Whoever takes a few at a time never sees it full.) */
static void
watch__too_many_changes_are_everything(void **state)
{
    struct scene s;
    char name[64];

    scene_make(&s, state);
    s.options.set_most = 16u << 10;
    scene_watch(&s);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "src/a/directory-%u", i);
        make_directory(&s, name);
    }
    expect_untaken_everything(&s);
    expect(&s, "src/any/thing", CHANGE_ALL);
    scene_end(&s);
}

static unsigned
queue_length(const char *file)
{
    FILE *f = fopen(file, "r");
    unsigned n = 0;

    if (f == NULL || fscanf(f, "%u", &n) != 1) {
        n = 0;
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return n;
}

/* N2: the kernel's queue overflows; what comes later is seen again. */
static void
watch__an_overflow_is_everything(void **state)
{
    const struct variant *v = *state;
    unsigned most = queue_length(v->inotify ? "/proc/sys/fs/inotify/max_queued_events"
                                            : "/proc/sys/fs/fanotify/max_queued_events");
    struct scene s;
    char name[64];

    if (most == 0 || most > 40000) {
        skip();
    }
    scene_make(&s, state);
    s.options.set_most = 64u << 20; /* so that it is not the set that gives up */
    for (unsigned i = 0; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "src/a/d%u", i);
        make_directory(&s, name);
    }
    scene_watch(&s);
    vv_mutex_lock(&s.watch->lock);            /* whoever reads waits */
    for (unsigned i = 0; i < 2 * most; i++) { /* of one name many events become one */
        (void)snprintf(name, sizeof(name), "src/a/d%u/f%u", i % 64, i);
        make_file(&s, name, "x");
        assert_int_equal(unlink(at(&s, name)), 0);
    }
    vv_mutex_unlock(&s.watch->lock);
    expect(&s, "src/any/thing", CHANGE_ALL);
    do { /* what is left in the queue, and whatever that means */
        change_set_clear(s.seen);
        fence(&s);
    } while (change_set_is_everything(s.seen));
    change_set_clear(s.seen);
    make_file(&s, "src/a/b/file", "more");
    expect(&s, "src/a/b", CHANGE_HERE);
    assert_false(change_set_is_everything(s.seen));
    scene_end(&s);
}

/* N2: a file system comes to a place, and goes. */
static void
watch__a_mount_is_everything(void **state)
{
    struct scene s;

    scene_begin(&s, state);
    if (mount("none", at(&s, "src/a"), "tmpfs", 0, "size=1m") != 0) {
        print_message("no right to mount: %s\n", strerrorname_np(errno));
        scene_end(&s);
        skip();
    }
    expect(&s, "src/any/thing", CHANGE_ALL);
    change_set_clear(s.seen);
    make_directory(&s, "src/a/on-it");
    expect(&s, "src/a/on-it", CHANGE_ALL);
    change_set_clear(s.seen);
    make_file(&s, "src/a/on-it/file", "x");
    expect(&s, "src/a/on-it", CHANGE_HERE);
    assert_false(change_set_is_everything(s.seen));
    change_set_clear(s.seen);
    /* Whoever looks up where a change was holds it for a moment. */
    for (unsigned i = 0; umount(at(&s, "src/a")) != 0; i++) {
        assert_int_equal(errno, EBUSY);
        assert_true(i < LIMIT_MS / EACH_MS);
        wait_a_moment();
    }
    expect(&s, "src/any/thing", CHANGE_ALL);
    scene_end(&s);
}

/** Bind ${from} at ${to}; false: no right to. */
static bool
bind_at(struct scene *s, const char *from, const char *to)
{
    if (mount(at(s, from), at(s, to), NULL, MS_BIND, NULL) != 0) {
        print_message("no right to mount: %s\n", strerrorname_np(errno));
        return false;
    }
    return true;
}

/* A directory that is seen at two places changes at both. */
static void
watch__a_directory_bound_twice_changes_twice(void **state)
{
    struct scene s;

    scene_make(&s, state);
    make_directory(&s, "src/a/second");
    if (!bind_at(&s, "src/a/b", "src/a/second")) {
        scene_end(&s);
        skip();
    }
    scene_watch(&s);
    make_file(&s, "src/a/b/c/file", "x");
    expect(&s, "src/a/b/c", CHANGE_HERE);
    expect(&s, "src/a/second/c", CHANGE_HERE);
    assert_false(change_set_is_everything(s.seen));
    make_directory(&s, "src/a/second/c/new");
    expect(&s, "src/a/b/c/new", CHANGE_ALL);
    expect(&s, "src/a/second/c/new", CHANGE_ALL);
    fence(&s);
    change_set_clear(s.seen);
    make_file(&s, "src/a/second/c/new/file", "x");
    expect(&s, "src/a/b/c/new", CHANGE_HERE);
    expect(&s, "src/a/second/c/new", CHANGE_HERE);
    assert_int_equal(umount2(at(&s, "src/a/second"), MNT_DETACH), 0);
    scene_end(&s);
}

/* A mount goes where the directory goes that it is in. */
static void
watch__a_mount_may_be_moved_with_a_directory(void **state)
{
    struct scene s;

    scene_make(&s, state);
    if (mount("none", at(&s, "src/a/b"), "tmpfs", 0, "size=1m") != 0) {
        print_message("no right to mount: %s\n", strerrorname_np(errno));
        scene_end(&s);
        skip();
    }
    scene_watch(&s);
    assert_int_equal(rename(at(&s, "src/a"), at(&s, "src/moved")), 0);
    expect(&s, "src/moved", CHANGE_ALL);
    fence(&s);
    change_set_clear(s.seen);
    make_file(&s, "src/moved/b/file", "x");
    expect(&s, "src/moved/b", CHANGE_HERE);
    assert_int_equal(umount2(at(&s, "src/moved/b"), MNT_DETACH), 0);
    scene_end(&s);
}

/* Paths without an end: then nobody is told a wrong one, and everything is walked. */
static void
inotify__is_blind_where_a_directory_is_bound_into_itself(void **state)
{
    struct scene s;
    *state = (void *)(uintptr_t)&by_inotify;
    scene_begin(&s, state);
    if (!bind_at(&s, "src", "src/a")) {
        scene_end(&s);
        skip();
    }
    for (unsigned i = 0; watch_way(s.watch) != WATCH_BLIND && i < LIMIT_MS / EACH_MS; i++) {
        wait_a_moment();
    }
    assert_int_equal(watch_way(s.watch), WATCH_BLIND);
    expect(&s, "src/any/thing", CHANGE_ALL);
    assert_int_equal(umount2(at(&s, "src/a"), MNT_DETACH), 0);
    scene_end(&s);
}

int
main(void)
{
#define BOTH(test)                                                                                 \
    {#test " by fanotify", test, NULL, NULL, (void *)(uintptr_t)&by_fanotify},                     \
    {                                                                                              \
#test " by inotify", test, NULL, NULL, (void *)(uintptr_t)&by_inotify                      \
    }
    const struct CMUnitTest tests[] = {
        BOTH(watch__tells_of_every_kind_of_change),
        BOTH(watch__follows_directories_that_come_and_go),
        BOTH(watch__passes_over_what_is_not_of_interest),
        BOTH(watch__a_path_that_vanishes_or_appears_is_everything),
        BOTH(watch__a_path_may_be_a_file),
        BOTH(watch__too_many_changes_are_everything),
        BOTH(watch__an_overflow_is_everything),
        BOTH(watch__a_mount_is_everything),
        BOTH(watch__a_directory_bound_twice_changes_twice),
        BOTH(watch__a_mount_may_be_moved_with_a_directory),
        cmocka_unit_test(inotify__is_blind_where_a_directory_is_bound_into_itself),
    };

    watch_tests_alone();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
