/* SPDX-License-Identifier: BSD-2-Clause */
/* A watched tree, and what is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alone.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "remove_tree.h"
#include "service/helper_watch.h"

static bool is_alone;

void
watch_tests_alone(void)
{
    is_alone = tests_alone();
}

const char *
at(const struct scene *s, const char *name)
{
    static char out[4][512];
    static unsigned next;
    char *to = out[next++ % 4];

    (void)snprintf(to, sizeof(out[0]), "%s/%s", s->base, name);
    return to;
}

void
make_directory(const struct scene *s, const char *name)
{
    assert_int_equal(mkdir(at(s, name), 0755), 0);
}

void
make_file(const struct scene *s, const char *name, const char *text)
{
    int fd = open(at(s, name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

void
scene_make(struct scene *s, void **state)
{
    const struct variant *v = *state;

    memset(s, 0, sizeof(*s));
    (void)snprintf(s->base, sizeof(s->base), "/var/tmp/varve-watch-XXXXXX");
    assert_non_null(mkdtemp(s->base));
    if (is_alone) {
        assert_int_equal(mount("none", s->base, "tmpfs", 0, NULL), 0);
    }
    (void)snprintf(s->root, sizeof(s->root), "%s/src", s->base);
    (void)snprintf(s->own, sizeof(s->own), "%s/src/own", s->base);
    make_directory(s, "src");
    make_directory(s, "src/own");
    make_directory(s, "src/fence");
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

void
scene_end(struct scene *s)
{
    watch_free(s->watch);
    change_set_free(s->seen);
    if (is_alone) {
        (void)umount2(s->base, MNT_DETACH);
    }
    remove_tree(s->base);
}

void
scene_watch(struct scene *s)
{
    enum vv_rc rc = watch_open(&s->options, &s->watch, &s->err);

    if (rc != VV_OK) {
        fail_msg("%s", s->err.message);
    }
    if (!s->options.inotify && watch_way(s->watch) != WATCH_FANOTIFY) {
        print_message("no fanotify here\n");
        scene_end(s);
        skip();
    }
    assert_int_equal(watch_way(s->watch), s->options.inotify ? WATCH_INOTIFY : WATCH_FANOTIFY);
}

void
scene_begin(struct scene *s, void **state)
{
    scene_make(s, state);
    scene_watch(s);
}

void
wait_a_moment(void)
{
    vv_clock_system()->sleep(vv_clock_system(), EACH_MS * UINT64_C(1000000));
}

enum change
asked(struct scene *s, const char *name)
{
    char path[256];
    int n = snprintf(path, sizeof(path), "%s/%s", s->base + 1, name);

    (void)watch_take(s->watch, s->seen);
    change_set_sort(s->seen);
    return change_set_ask(s->seen, vv_span(path, (size_t)n));
}

void
expect(struct scene *s, const char *name, enum change wanted)
{
    for (unsigned i = 0; i < LIMIT_MS / EACH_MS; i++) {
        enum change is = asked(s, name);
        if (is == wanted || (is == CHANGE_ALL && wanted == CHANGE_HERE)) {
            return;
        }
        wait_a_moment();
    }
    fail_msg("'%s' is not told of as %d", name, (int)wanted);
}

/* A symbolic link is one event, and one note: with it, everything before is told, and it leaves nothing to tell.
 * (Of a directory that comes there are two notes, of a file that is written several events.) */
void
fence(struct scene *s)
{
    static unsigned serial;
    char name[64];

    (void)snprintf(name, sizeof(name), "src/fence/%u", serial++);
    assert_int_equal(symlink("x", at(s, name)), 0);
    expect(s, "src/fence", CHANGE_HERE);
}

void
forget_all(struct scene *s)
{
    if (asked(s, "src/fence") !=
        CHANGE_NONE) { /* the last fence's is not to be taken for this one's */
        change_set_clear(s->seen);
    }
    fence(s);
    change_set_clear(s->seen);
}

void
expect_nothing(struct scene *s, const char *name)
{
    assert_int_equal(asked(s, "src/fence"), CHANGE_NONE); /* forget_all was before */
    fence(s);
    assert_int_equal(asked(s, name), CHANGE_NONE);
}
