/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_HELPER_WATCH_H
#define VARVE_TESTS_HELPER_WATCH_H

#include "service/watch_internal.h"

/*
 * A watched tree, and what is told of it.  Nobody else's doings matter: where it may, it is a file system of its
 * own in a mount name space of its own (watch_tests_alone), for fanotify tells, and the kernel's queue holds,
 * what anybody does on a file system.  Nothing depends on when the watching thread gets to run.
 */
#define LIMIT_MS 20000 /* nothing is waited for so long unless the test fails */
#define EACH_MS 10     /* while something is waited for */

struct scene {
    char base[64]; /* src/ is watched; src/own/ is ours, src/fence/ the tests'; elsewhere/ is not */
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

/** watch_tests_alone(): before the first test. */
void watch_tests_alone(void);
/** scene_make(s, state): the tree; scene_watch(s): watch it; scene_begin: both.  scene_end(s): away with it. */
void scene_make(struct scene *s, void **state);
void scene_watch(struct scene *s);
void scene_begin(struct scene *s, void **state);
void scene_end(struct scene *s);
/** at(s, name): its path, until the fourth call from now.  make_directory, make_file: there. */
const char *at(const struct scene *s, const char *name);
void make_directory(const struct scene *s, const char *name);
void make_file(const struct scene *s, const char *name, const char *text);
/** wait_a_moment(): a moment, in a loop that ends by LIMIT_MS / EACH_MS. */
void wait_a_moment(void);
/** asked(s, name): what is known of a directory by now. */
enum change asked(struct scene *s, const char *name);
/** expect(s, name, wanted): wait until a directory is told of at least so. */
void expect(struct scene *s, const char *name, enum change wanted);
/** fence(s): wait until all that has happened is told; whatever that was. */
void fence(struct scene *s);
/** forget_all(s): fence, and be as at the beginning.  expect_nothing(s, name): after that: fence, and it is
 *  not told of. */
void forget_all(struct scene *s);
void expect_nothing(struct scene *s, const char *name);

#endif
