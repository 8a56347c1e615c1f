/* SPDX-License-Identifier: BSD-2-Clause */
/* Watching directories, both ways: whatever changes is told, and nothing else (N1 to N5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "service/watch_internal.h"

#define LIMIT_MS 20000 /* nothing is waited for so long unless the test fails */

struct scene {
    char base[64]; /* src/ is watched; src/own/ is ours; elsewhere/ is not */
    char root[80];
    char own[96];
    struct vv_span roots[2];
    const char *owns[1];
    struct watch_options options;
    struct watch *watch;
    struct change_set *seen;
    struct vv_error err;
};
/** The two ways; what cannot be tested here (fanotify without the right to) is skipped. */
struct variant {
    bool inotify;
};
static const struct variant by_fanotify = {false};
static const struct variant by_inotify = {true};

static const char *
at(const struct scene *s, const char *name)
{
    static char out[4][512];
    static unsigned next;
    char *to = out[next++ % 4];

    (void)snprintf(to, sizeof(out[0]), "%s/%s", s->base, name);
    return to;
}

static void
make_directory(const struct scene *s, const char *name)
{
    assert_int_equal(mkdir(at(s, name), 0755), 0);
}

static void
make_file(const struct scene *s, const char *name, const char *text)
{
    int fd = open(at(s, name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void
scene_make(struct scene *s, void **state)
{
    const struct variant *v = *state;

    memset(s, 0, sizeof(*s));
    (void)snprintf(s->base, sizeof(s->base), "/var/tmp/varve-watch-XXXXXX");
    assert_non_null(mkdtemp(s->base));
    (void)snprintf(s->root, sizeof(s->root), "%s/src", s->base);
    (void)snprintf(s->own, sizeof(s->own), "%s/src/own", s->base);
    make_directory(s, "src");
    make_directory(s, "src/own");
    make_directory(s, "src/a");
    make_directory(s, "src/a/b");
    make_directory(s, "src/a/b/c");
    make_directory(s, "elsewhere");
    make_directory(s, "elsewhere/d");
    make_file(s, "src/a/b/file", "x");
    s->roots[0] = vv_span(s->root, strlen(s->root));
    s->owns[0] = s->own;
    s->options = (struct watch_options){.roots = s->roots,
                                        .root_count = 1,
                                        .own = s->owns,
                                        .own_count = 1,
                                        .inotify = v->inotify,
                                        .set_most = 1u << 20};
    assert_int_equal(change_set_new(1u << 20, &s->seen, NULL), VV_OK);
}

static void
scene_watch(struct scene *s)
{
    enum vv_rc rc = watch_open(&s->options, &s->watch, &s->err);

    if (rc != VV_OK) {
        fail_msg("%s", s->err.message);
    }
    if (!s->options.inotify && watch_way(s->watch) != WATCH_FANOTIFY) {
        assert_int_not_equal(geteuid() == 0 ? 1 : 2, 0);
        print_message("no fanotify here\n");
        watch_free(TAKE(s->watch));
        skip();
    }
    assert_int_equal(watch_way(s->watch), s->options.inotify ? WATCH_INOTIFY : WATCH_FANOTIFY);
}

static void
scene_begin(struct scene *s, void **state)
{
    scene_make(s, state);
    scene_watch(s);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static void
scene_end(struct scene *s)
{
    watch_free(s->watch);
    change_set_free(s->seen);
    (void)nftw(s->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/** What is known of a directory by now. */
static enum change
asked(struct scene *s, const char *name)
{
    char path[256];
    int n = snprintf(path, sizeof(path), "%s/%s", s->base + 1, name);

    if (name[0] == '\0') {
        n--;
    }
    (void)watch_take(s->watch, s->seen);
    change_set_sort(s->seen);
    return change_set_ask(s->seen, vv_span(path, (size_t)n));
}

/** Wait until a directory is told of at least so. */
static void
expect(struct scene *s, const char *name, enum change wanted)
{
    for (unsigned i = 0; i < LIMIT_MS / 10; i++) {
        enum change is = asked(s, name);
        if (is == wanted || (is == CHANGE_ALL && wanted == CHANGE_HERE)) {
            return;
        }
        vv_clock_system()->sleep(vv_clock_system(), 10000000);
    }
    fail_msg("'%s' is not told of as %d", name, (int)wanted);
}

/** All that has happened is told when this is: events come in order. */
static void
forget_all(struct scene *s)
{
    static unsigned serial;
    char name[64];

    (void)snprintf(name, sizeof(name), "src/fence-%u", serial++);
    make_directory(s, name);
    expect(s, name, CHANGE_ALL);
    assert_int_equal(rmdir(at(s, name)), 0);
    make_file(s, "src/fence", "x");
    make_directory(s, name);
    expect(s, name, CHANGE_ALL);
    change_set_clear(s->seen);
}

/** Nothing of this kind is told: what comes after it is. */
static void
expect_nothing(struct scene *s, const char *name)
{
    static unsigned serial;
    char fence[64];

    (void)snprintf(fence, sizeof(fence), "src/later-%u", serial++);
    make_directory(s, fence);
    expect(s, fence, CHANGE_ALL);
    assert_int_equal(asked(s, name), CHANGE_NONE);
}

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
    for (unsigned i = 0; i < LIMIT_MS / 10 && change_set_is_empty(s.seen); i++) {
        (void)asked(&s, "src");
        vv_clock_system()->sleep(vv_clock_system(), 10000000);
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

/* C1: more directories than the set may hold. */
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
    for (unsigned i = 0; i < LIMIT_MS / 10; i++) { /* it may come more than once */
        change_set_clear(s.seen);
        vv_clock_system()->sleep(vv_clock_system(), 20000000);
        if (!watch_take(s.watch, s.seen)) {
            break;
        }
    }
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
    for (unsigned tries = 0; umount(at(&s, "src/a")) != 0; tries++) {
        assert_int_equal(errno, EBUSY);
        assert_true(tries < 100);
        (void)usleep(50000);
    }
    expect(&s, "src/any/thing", CHANGE_ALL);
    scene_end(&s);
}

/* One watch cannot tell of two places: then nobody is told a wrong one, and everything is walked. */
static void
inotify__is_blind_where_a_directory_is_bound_into_itself(void **state)
{
    struct scene s;
    unsigned tries = 0;

    *state = (void *)(uintptr_t)&by_inotify;
    scene_begin(&s, state);
    if (mount(at(&s, "src"), at(&s, "src/a"), NULL, MS_BIND, NULL) != 0) {
        print_message("no right to mount: %s\n", strerrorname_np(errno));
        scene_end(&s);
        skip();
    }
    while (watch_way(s.watch) != WATCH_BLIND && tries++ < 100) {
        (void)usleep(50000);
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
        cmocka_unit_test(inotify__is_blind_where_a_directory_is_bound_into_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
