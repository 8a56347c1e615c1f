/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk over a file system: order, what is left out, what goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "format/snapshot.h"
#include "source/helper_tree.h"
#include "source/pattern.h"

static struct pattern_set *
set_of(const char *const *patterns)
{
    struct pattern_set *p = NULL;
    struct vv_error err = {0};
    assert_int_equal(pattern_set_new(&p, &err), VV_OK);
    for (; *patterns != NULL; patterns++) {
        assert_int_equal(pattern_set_add(p, *patterns, &err), VV_OK);
    }
    return p;
}

static const char *
walk_excluding(const struct tree *t, const char *path, const char *const *patterns)
{
    struct pattern_set *p = set_of(patterns);
    const char *text = walk_text(t, path, &(struct source_fs_options){.excludes = p});
    pattern_set_free(p);
    return text;
}
#define EXCLUDING(t, path, ...) walk_excluding(t, path, (const char *const[]){__VA_ARGS__, NULL})

static void
walk_paths(const struct tree *t, const char *const *paths, size_t count, struct seen_list *l)
{
    walk_all(t, &(struct source_fs_options){.paths = paths, .path_count = count}, l);
}

static void
fs_walk__goes_in_tree_order(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t);
    tree_dir(&t, "a");
    tree_file(&t, "a/x", "1");
    tree_dir(&t, "a/sub");
    tree_file(&t, "a/sub/y", "1");
    tree_file(&t, "a-b", "1");
    tree_file(&t, "a.b", "1");
    tree_file(&t, "a0", "1");
    tree_file(&t, "A", "1");
    tree_file(&t, "\x01", "1");
    tree_file(&t, "\xff", "1");
    tree_file(&t, " ", "1");
    tree_file(&t, "n\nl", "1");
    assert_string_equal(walk_text(&t, "", NULL),
                        "\x01   A a/ a/sub/ a/sub/y a/x a-b a.b a0 n\nl \xff");
    tree_remove(&t);
}

static void
fs_walk__begins_with_implied_directories(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "d");
    tree_dir(&t, "d/e");
    tree_file(&t, "d/e/f", "x");
    tree_file(&t, "d/other", "x");
    const char *paths[] = {tree_path(&t, "d/e")};
    walk_paths(&t, paths, 1, &l);
    assert_string_equal(l.items[0].path, "^");
    assert_int_equal(l.items[0].type, ENTRY_DIRECTORY);
    assert_string_equal(l.items[1].path, "^tmp");
    assert_string_equal(l.items[2].path, "");
    for (size_t i = 0; i < 3; i++) {
        assert_true((l.items[i].flags & ENTRY_IMPLIED) != 0);
        assert_true(l.items[i].inode != 0);
        assert_true(l.items[i].file_system != 0);
    }
    assert_string_equal(seen_text(&l), "d/^ d/e/ d/e/f");
    assert_int_equal(l.counts.roots_found, 1);
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__merges_nested_and_repeated_paths(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    struct source *s = NULL;
    tree_make(&t);
    tree_dir(&t, "d");
    tree_dir(&t, "d/e");
    tree_file(&t, "d/e/f", "x");
    tree_file(&t, "d-x", "x");
    tree_file(&t, "z", "x");
    char dots[256];
    (void)snprintf(dots, sizeof(dots), "%s/./d//e/../../d-x", t.base);
    const char *paths[] = {tree_path(&t, "d/e"), dots, tree_path(&t, "d"), tree_path(&t, "d"),
                           tree_path(&t, "d/e/f")};
    walk_paths(&t, paths, 5, &l);
    assert_string_equal(seen_text(&l), "d/ d/e/ d/e/f d-x");
    assert_int_equal(l.counts.roots_found, 4);
    assert_int_equal(l.counts.roots_missing, 0);
    seen_release(&l);
    assert_int_equal(
        source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 5}, &s, NULL),
        VV_OK);
    size_t count;
    const struct vv_span *roots = source_fs_roots(s, &count);
    assert_int_equal(count, 2);
    assert_int_equal(roots[0].len, strlen(paths[2]));
    assert_memory_equal(roots[0].data, paths[2], roots[0].len);
    assert_memory_equal(roots[1].data, tree_path(&t, "d-x"), roots[1].len);
    source_free(s);
    tree_remove(&t);
}

static void
fs_walk__reports_missing_paths_in_order(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "d");
    tree_file(&t, "d/f", "x");
    tree_file(&t, "z", "x");
    const char *paths[] = {tree_path(&t, "d/gone/deep"), tree_path(&t, "d"),
                           tree_path(&t, "d/f/below"),   tree_path(&t, "m/one"),
                           tree_path(&t, "m/two"),       tree_path(&t, "z")};
    walk_paths(&t, paths, 6, &l);
    assert_string_equal(seen_text(&l), "d/ d/f d/f/below! d/gone/deep! m/one! m/two! z");
    assert_int_equal(seen_find(&l, "m/two")->status, SOURCE_VANISHED);
    assert_int_equal(l.counts.roots_missing, 4);
    assert_int_equal(l.counts.roots_found, 2);
    seen_release(&l);
    const char *none[] = {"/nonexistent-varve/a"};
    walk_paths(&t, none, 1, &l);
    assert_int_equal(l.counts.roots_found, 0);
    assert_int_equal(l.counts.roots_missing, 1);
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__treats_links_given_as_documented(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "real");
    tree_dir(&t, "real/sub");
    tree_file(&t, "real/sub/f", "x");
    tree_link(&t, "link", "real");
    tree_link(&t, "loop", "loop");
    tree_link(&t, "absolute", tree_path(&t, "real/sub"));

    const char *link[] = {tree_path(&t, "link")};
    walk_paths(&t, link, 1, &l);
    assert_string_equal(seen_text(&l), "link");
    assert_int_equal(seen_find(&l, "link")->type, ENTRY_SYMLINK);
    assert_int_equal(l.notices, 1);
    seen_release(&l);

    const char *followed[] = {tree_path(&t, "link/")};
    walk_paths(&t, followed, 1, &l);
    assert_string_equal(seen_text(&l), "real/ real/sub/ real/sub/f");
    seen_release(&l);

    const char *through[] = {tree_path(&t, "link/sub"), tree_path(&t, "absolute/../sub/f")};
    walk_paths(&t, through, 2, &l);
    assert_string_equal(seen_text(&l), "real/^ real/sub/ real/sub/f");
    assert_int_equal(l.notices, 2);
    seen_release(&l);

    const char *loop[] = {tree_path(&t, "loop/x")};
    walk_paths(&t, loop, 1, &l);
    assert_int_equal(l.counts.roots_missing, 1);
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__understands_relative_paths(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    char before[4096];
    tree_make(&t);
    tree_dir(&t, "d");
    tree_file(&t, "d/f", "x");
    tree_file(&t, "g", "x");
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(fchdir(t.fd), 0);
    const char *paths[] = {"d/f", "./d/../g"};
    walk_paths(&t, paths, 2, &l);
    assert_string_equal(seen_text(&l), "d/^ d/f g");
    seen_release(&l);
    const char *dot[] = {"."};
    walk_paths(&t, dot, 1, &l);
    assert_string_equal(seen_text(&l), "d/ d/f g");
    seen_release(&l);
    assert_int_equal(chdir(before), 0);
    struct source *s = NULL;
    const char *empty[] = {""};
    assert_int_equal(
        source_fs_new(&(struct source_fs_options){.paths = empty, .path_count = 1}, &s, NULL),
        VV_EUSAGE);
    assert_int_equal(source_fs_new(&(struct source_fs_options){0}, &s, NULL), VV_EUSAGE);
    tree_remove(&t);
}

static void
fs_walk__applies_patterns(void **state)
{
    (void)state;
    struct tree t;
    char anchored[128];
    char again[128];
    tree_make(&t);
    tree_dir(&t, "p");
    tree_dir(&t, "p/cache");
    tree_file(&t, "p/cache/keep", "x");
    tree_file(&t, "p/cache/drop", "x");
    tree_dir(&t, "p/src");
    tree_file(&t, "p/src/a.c", "x");
    tree_file(&t, "p/src/a.o", "x");
    tree_file(&t, "p/src/cache", "x");
    assert_string_equal(EXCLUDING(&t, "p", "*.o", "cache/"), "p/ p/src/ p/src/a.c p/src/cache");
    (void)snprintf(anchored, sizeof(anchored), "%s/p/src", t.base);
    assert_string_equal(EXCLUDING(&t, "p", anchored), "p/ p/cache/ p/cache/drop p/cache/keep");
    /* what a later "!" wants back comes back, with the directory above it */
    assert_string_equal(EXCLUDING(&t, "p", "cache/", "!keep"),
                        "p/ p/cache/^ p/cache/keep p/src/ p/src/a.c p/src/a.o p/src/cache");
    assert_string_equal(EXCLUDING(&t, "p", "!keep", "cache/"),
                        "p/ p/src/ p/src/a.c p/src/a.o p/src/cache");
    (void)snprintf(again, sizeof(again), "!%s/p/*/a.c", t.base);
    assert_string_equal(EXCLUDING(&t, "p", "*", again), "p/ p/src/^ p/src/a.c");
    /* and nothing appears of a directory in which nothing is wanted */
    assert_string_equal(EXCLUDING(&t, "p", "cache/", "src/", "!nothing"), "p/");
    /* a path given is taken whatever the patterns say */
    assert_string_equal(EXCLUDING(&t, "p/cache", "cache", "drop"), "p/^ p/cache/ p/cache/keep");
    tree_remove(&t);
}

static void
fs_walk__takes_paths_given_inside_excluded_directories(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "p");
    tree_dir(&t, "p/cache");
    tree_dir(&t, "p/cache/mine");
    tree_file(&t, "p/cache/mine/f", "x");
    tree_file(&t, "p/cache/other", "x");
    struct pattern_set *p = set_of((const char *const[]){"cache", NULL});
    const char *paths[] = {tree_path(&t, "p"), tree_path(&t, "p/cache/mine")};
    walk_all(&t, &(struct source_fs_options){.paths = paths, .path_count = 2, .excludes = p}, &l);
    assert_string_equal(seen_text(&l), "p/ p/cache/^ p/cache/mine/ p/cache/mine/f");
    seen_release(&l);
    pattern_set_free(p);
    tree_remove(&t);
}

static void
fs_walk__counts_what_is_excluded(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "d");
    tree_file(&t, "d/1.o", "x");
    tree_file(&t, "2.o", "x");
    tree_dir(&t, "empty");
    struct pattern_set *p = set_of((const char *const[]){"*.o", "empty", "!never", NULL});
    const char *paths[] = {t.base};
    walk_all(&t, &(struct source_fs_options){.paths = paths, .path_count = 1, .excludes = p}, &l);
    assert_string_equal(seen_text(&l), "d/");
    assert_int_equal(l.counts.excluded, 3);
    seen_release(&l);
    pattern_set_free(p);
    tree_remove(&t);
}

static void
fs_walk__marks_what_may_change(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "log");
    tree_file(&t, "log/a", "x");
    tree_file(&t, "b", "x");
    struct pattern_set *p = set_of((const char *const[]){"log/", NULL});
    const char *paths[] = {t.base};
    walk_all(&t, &(struct source_fs_options){.paths = paths, .path_count = 1, .may_change = p}, &l);
    assert_true(seen_find(&l, "log/a")->may_change);
    assert_false(seen_find(&l, "b")->may_change);
    seen_release(&l);
    pattern_set_free(p);
    tree_remove(&t);
}

static void
fs_walk__leaves_out_caches_by_their_tag(void **state)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n# more\n";
    (void)state;
    struct tree t;
    const struct source_fs_options options = {.exclude_caches = true};
    tree_make(&t);
    tree_dir(&t, "c");
    tree_file(&t, "c/CACHEDIR.TAG", tag);
    tree_file(&t, "c/x", "x");
    tree_dir(&t, "c/d");
    tree_dir(&t, "fake");
    tree_file(&t, "fake/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc5");
    tree_file(&t, "fake/x", "x");
    tree_dir(&t, "linked");
    tree_link(&t, "linked/CACHEDIR.TAG", "../c/CACHEDIR.TAG");
    tree_file(&t, "linked/x", "x");
    assert_string_equal(walk_text(&t, "", &options), "c/ c/CACHEDIR.TAG fake/ fake/CACHEDIR.TAG "
                                                     "fake/x linked/ linked/CACHEDIR.TAG linked/x");
    assert_non_null(strstr(walk_text(&t, "", NULL), "c/x"));
    tree_remove(&t);
}

static void
fs_walk__leaves_out_large_files(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t);
    tree_file(&t, "small", "12345");
    tree_file(&t, "large", "123456");
    const struct source_fs_options options = {.exclude_larger_than = 5};
    assert_string_equal(walk_text(&t, "", &options), "small");
    tree_remove(&t);
}

static void
fs_walk__leaves_out_nodump_files(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t);
    tree_file(&t, "a", "x");
    tree_file(&t, "b", "x");
    int fd = openat(t.fd, "a", O_RDONLY);
    int flags = FS_NODUMP_FL;
    int result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    struct statx x;
    bool supported = result == 0 && statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) == 0 &&
                     (x.stx_attributes_mask & STATX_ATTR_NODUMP) != 0;
    close(fd);
    if (supported) {
        assert_string_equal(walk_text(&t, "", NULL), "b");
        assert_string_equal(walk_text(&t, "a", NULL), "a");
    }
    tree_remove(&t);
    if (!supported) {
        skip();
    }
}

static void
fs_walk__never_lists_forbidden_directories(void **state)
{
    (void)state;
    struct tree t;
    struct stat st;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "repository");
    tree_file(&t, "repository/pack", "x");
    tree_file(&t, "x", "x");
    assert_int_equal(fstatat(t.fd, "repository", &st, 0), 0);
    const struct source_identity never = {.device = st.st_dev, .inode = st.st_ino};
    const struct source_fs_options options = {.never = &never, .never_count = 1};
    assert_string_equal(walk_text(&t, "", &options), "x");
    struct source_fs_options given = options;
    const char *paths[] = {tree_path(&t, "repository")};
    given.paths = paths;
    given.path_count = 1;
    walk_all(&t, &given, &l);
    assert_null(seen_find(&l, "repository"));
    assert_int_equal(l.counts.excluded, 1);
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__knows_every_type(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    tree_dir(&t, "d");
    tree_file(&t, "f", "1234");
    assert_int_equal(linkat(t.fd, "f", t.fd, "hard", 0), 0);
    tree_link(&t, "l", "nowhere");
    assert_int_equal(mkfifoat(t.fd, "p", 0600), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", t.base);
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(sock, (const struct sockaddr *)&address, sizeof(address)), 0);
    bool device = mknodat(t.fd, "n", S_IFCHR | 0600, 0x103) == 0;
    const char *paths[] = {t.base};
    walk_paths(&t, paths, 1, &l);
    assert_int_equal(seen_find(&l, "d")->type, ENTRY_DIRECTORY);
    assert_int_equal(seen_find(&l, "f")->type, ENTRY_FILE);
    assert_int_equal(seen_find(&l, "f")->size, 4);
    assert_int_equal(seen_find(&l, "f")->nlink, 2);
    assert_int_equal(seen_find(&l, "f")->inode, seen_find(&l, "hard")->inode);
    assert_int_equal(seen_find(&l, "l")->type, ENTRY_SYMLINK);
    assert_int_equal(seen_find(&l, "p")->type, ENTRY_FIFO);
    assert_null(seen_find(&l, "s"));
    assert_int_equal(l.counts.sockets, 1);
    if (device) {
        assert_int_equal(seen_find(&l, "n")->type, ENTRY_CHARACTER_DEVICE);
        assert_true((seen_find(&l, "n")->flags & ENTRY_HAS_DEVICE) != 0);
    }
    seen_release(&l);
    close(sock);
    tree_remove(&t);
}

static void
fs_walk__does_not_enter_pseudo_file_systems(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    if (access("/proc/self", F_OK) != 0) {
        skip();
    }
    tree_make(&t);
    const char *paths[] = {"/proc", "/proc/1/status"};
    walk_paths(&t, paths, 2, &l);
    assert_int_equal(l.count, 2);
    assert_string_equal(l.items[1].path, "^proc");
    assert_int_equal(l.counts.skipped_file_systems, 1);
    assert_true(l.items[0].file_system != l.items[1].file_system);
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__stays_on_one_file_system(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    struct stat dev;
    struct stat shm;
    if (stat("/dev", &dev) != 0 || stat("/dev/shm", &shm) != 0 || dev.st_dev == shm.st_dev) {
        skip();
    }
    tree_make(&t);
    const char *paths[] = {"/dev"};
    walk_all(&t,
             &(struct source_fs_options){.paths = paths, .path_count = 1, .one_file_system = true},
             &l);
    assert_non_null(seen_find(&l, "^dev/shm"));
    for (size_t i = 0; i < l.count; i++) {
        assert_null(strstr(l.items[i].path, "dev/shm/"));
    }
    assert_true(l.counts.skipped_file_systems > 0);
    seen_release(&l);
    /* Given by name it is taken. */
    char name[] = "/dev/shm/varve-XXXXXX";
    int fd = mkstemp(name);
    const char *both[] = {"/dev", "/dev/shm"};
    walk_all(&t,
             &(struct source_fs_options){.paths = both, .path_count = 2, .one_file_system = true},
             &l);
    name[0] = '^';
    bool found = seen_find(&l, name) != NULL;
    name[0] = '/';
    if (fd >= 0) {
        assert_true(found);
        close(fd);
        unlink(name);
    }
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__sorts_a_large_directory(void **state)
{
    enum { COUNT = 20000 };
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    for (unsigned i = 0; i < COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%u", i * 7919u);
        int fd = openat(t.fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    const char *paths[] = {t.base};
    walk_paths(&t, paths, 1, &l); /* checks the order */
    assert_int_equal(l.count, COUNT + 3);
    for (size_t i = 3; i < l.count; i++) {
        assert_int_equal(l.items[i].status, SOURCE_OK);
    }
    seen_release(&l);
    tree_remove(&t);
}

/* A chain of ${depth} directories named ${name}, a file "leaf" at the end. */
static void
make_chain(const struct tree *t, const char *name, unsigned depth)
{
    int at = dup(t->fd);
    for (unsigned i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(at, name, 0755), 0);
        int below = openat(at, name, O_RDONLY | O_DIRECTORY);
        assert_true(below >= 0);
        close(at);
        at = below;
    }
    int fd = openat(at, "leaf", O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "deep", 4), 4);
    close(fd);
    close(at);
}

static void
fs_walk__goes_beyond_path_max_with_few_descriptors(void **state)
{
    enum { DEPTH = 300 };
    (void)state;
    struct tree t;
    struct rlimit old;
    char name[201];
    tree_make(&t);
    memset(name, 'n', 200);
    name[200] = 0;
    make_chain(&t, name, DEPTH);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit few = {.rlim_cur = 40, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);

    struct source *s = NULL;
    struct vv_error err = {0};
    struct source_item items[DEPTH + 5];
    size_t count = 0;
    bool end = false;
    const char *paths[] = {t.base};
    assert_int_equal(
        source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 1}, &s, &err),
        VV_OK);
    for (;;) {
        assert_true(count < DEPTH + 5);
        struct source_item item;
        assert_int_equal(source_next(s, &item, &end, &err), VV_OK);
        if (end) {
            break;
        }
        assert_int_equal(item.status, SOURCE_OK);
        items[count++] = item;
    }
    assert_int_equal(count, DEPTH + 4);
    /* Opened long after, from the first to the last: most directories are opened again. */
    struct vv_arena arena = {0};
    for (size_t i = 0; i < count; i++) {
        struct source_file *f = NULL;
        struct source_problem problem;
        if (source_open(s, &items[i], &arena, &f, &problem) != SOURCE_OK) {
            fail_msg("item %zu: %s", i, problem.text);
        }
        if (i + 1 == count) {
            uint8_t bytes[8];
            size_t got;
            assert_true(items[i].entry.path.len > 60000);
            assert_int_equal(source_read(f, 0, bytes, 8, &got, &problem), SOURCE_OK);
            assert_int_equal(got, 4);
            assert_memory_equal(bytes, "deep", 4);
            assert_int_equal(source_close(f, &items[i].entry, &problem), SOURCE_OK);
        } else {
            assert_null(f);
        }
        source_item_release(s, &items[i]);
    }
    vv_arena_release(&arena);
    source_free(s);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    tree_remove(&t);
}

static void
fs_walk__stops_at_the_deepest_level_kept(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    tree_make(&t);
    make_chain(&t, "d", 4200);
    const char *paths[] = {t.base};
    walk_paths(&t, paths, 1, &l);
    const struct seen *last = &l.items[l.count - 1];
    assert_int_equal(last->status, SOURCE_UNREADABLE);
    assert_int_equal(last->sys, ENAMETOOLONG);
    assert_int_equal(l.items[l.count - 2].status, SOURCE_OK);
    assert_true(l.count >= LIMIT_DEPTH);
    seen_release(&l);
    tree_remove(&t);
}

/* Ask for items until the one named (below the base); the caller releases it. */
static void
next_named(const struct tree *t, struct source *s, const char *path, struct source_item *ret)
{
    const char *want = tree_path(t, path) + 1;
    for (;;) {
        bool end;
        struct vv_error err = {0};
        assert_int_equal(source_next(s, ret, &end, &err), VV_OK);
        assert_false(end);
        if (ret->entry.path.len == strlen(want) &&
            memcmp(ret->entry.path.data, want, strlen(want)) == 0) {
            return;
        }
        source_item_release(s, ret);
    }
}

static struct source *
new_source(const struct tree *t)
{
    struct source *s = NULL;
    const char *paths[] = {t->base};
    assert_int_equal(
        source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 1}, &s, NULL),
        VV_OK);
    return s;
}

static void
fs_walk__reports_what_vanishes_after_listing(void **state)
{
    (void)state;
    struct tree t;
    struct source_item item;
    tree_make(&t);
    tree_file(&t, "a", "x");
    tree_file(&t, "b", "x");
    struct source *s = new_source(&t);
    next_named(&t, s, "", &item); /* listed by now */
    source_item_release(s, &item);
    assert_int_equal(unlinkat(t.fd, "a", 0), 0);
    next_named(&t, s, "a", &item);
    assert_int_equal(item.status, SOURCE_VANISHED);
    assert_int_equal(item.entry.type, 0);
    source_item_release(s, &item);
    next_named(&t, s, "b", &item);
    assert_int_equal(item.status, SOURCE_OK);
    source_item_release(s, &item);
    source_free(s);
    tree_remove(&t);
}

/* With few descriptors a directory's is closed and opened again by name: that must not lead to
 * another directory. */
static void
fs_walk__notices_a_directory_replaced_while_closed(void **state)
{
    (void)state;
    struct tree t;
    struct rlimit old;
    struct source_item item;
    struct source_file *f = NULL;
    struct source_problem problem;
    struct vv_arena arena = {0};
    tree_make(&t);
    tree_dir(&t, "a");
    tree_dir(&t, "a/b");
    tree_file(&t, "a/b/f", "right");
    for (unsigned i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "d%02u", i);
        tree_dir(&t, name);
        (void)snprintf(name, sizeof(name), "d%02u/f", i);
        tree_file(&t, name, "x");
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit few = {.rlim_cur = 40, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct source *s = new_source(&t);
    struct source_item held[80]; /* every other one keeps its directory in use */
    next_named(&t, s, "a/b/f", &item);
    for (unsigned i = 0; i < 80; i++) {
        bool end;
        assert_int_equal(source_next(s, &held[i], &end, NULL), VV_OK);
        assert_false(end);
    }
    assert_int_equal(renameat(t.fd, "a", t.fd, "moved"), 0);
    tree_dir(&t, "a");
    tree_dir(&t, "a/b");
    assert_int_equal(linkat(t.fd, "moved/b/f", t.fd, "a/b/f", 0), 0); /* the same inode even */
    assert_int_equal(source_open(s, &item, &arena, &f, &problem), SOURCE_REPLACED);
    assert_null(f);
    /* And it is found again once it is back. */
    assert_int_equal(renameat(t.fd, "a", t.fd, "away"), 0);
    assert_int_equal(renameat(t.fd, "moved", t.fd, "a"), 0);
    assert_int_equal(source_open(s, &item, &arena, &f, &problem), SOURCE_OK);
    assert_int_not_equal(source_close(f, &item.entry, &problem), SOURCE_UNREADABLE);
    for (unsigned i = 0; i < 80; i++) {
        source_item_release(s, &held[i]);
    }
    source_item_release(s, &item);
    vv_arena_release(&arena);
    source_free(s);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    tree_remove(&t);
}

static void
fs_walk__does_not_follow_a_directory_turned_link(void **state)
{
    (void)state;
    struct tree t;
    struct source_item item;
    bool end;
    tree_make(&t);
    tree_file(&t, "a", "x");
    tree_dir(&t, "d");
    tree_dir(&t, "e");
    tree_file(&t, "e/secret", "x");
    struct source *s = new_source(&t);
    next_named(&t, s, "a", &item); /* d has been looked at by now */
    source_item_release(s, &item);
    assert_int_equal(unlinkat(t.fd, "d", AT_REMOVEDIR), 0);
    tree_link(&t, "d", "e");
    next_named(&t, s, "d", &item);
    assert_int_equal(item.status, SOURCE_REPLACED);
    source_item_release(s, &item);
    assert_int_equal(source_next(s, &item, &end, NULL), VV_OK);
    assert_int_equal(item.entry.path.len, strlen(tree_path(&t, "e")) - 1);
    source_item_release(s, &item);
    source_free(s);
    tree_remove(&t);
}

static void
fs_walk__reports_directories_it_may_not_read(void **state)
{
    (void)state;
    struct tree t;
    struct seen_list l;
    bool root = geteuid() == 0;
    tree_make(&t);
    tree_dir(&t, "closed");
    tree_file(&t, "closed/f", "x");
    tree_dir(&t, "passage");
    tree_file(&t, "passage/f", "x");
    tree_file(&t, "z", "x");
    assert_int_equal(fchmodat(t.fd, "closed", 0, 0), 0);
    assert_int_equal(fchmodat(t.fd, "passage", 0111, 0), 0);
    const char *paths[] = {t.base, tree_path(&t, "passage/f")};
    assert_true(!root || seteuid(65534) == 0);
    walk_paths(&t, paths, 2, &l);
    assert_true(!root || seteuid(0) == 0);
    assert_string_equal(seen_text(&l), "closed/! passage/! passage/f z");
    assert_int_equal(seen_find(&l, "closed")->status, SOURCE_UNREADABLE);
    assert_int_equal(seen_find(&l, "closed")->sys, EACCES);
    seen_release(&l);
    tree_remove(&t);
}

static void
fs_walk__starts_at_the_root_directory(void **state)
{
    (void)state;
    struct source *s = NULL;
    struct source_item item;
    bool end;
    const char *paths[] = {"/", "/etc"};
    assert_int_equal(
        source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 2}, &s, NULL),
        VV_OK);
    assert_int_equal(source_next(s, &item, &end, NULL), VV_OK);
    assert_int_equal(item.entry.path.len, 0);
    assert_int_equal(item.entry.type, ENTRY_DIRECTORY);
    assert_true((item.entry.flags & ENTRY_IMPLIED) == 0);
    source_item_release(s, &item);
    assert_int_equal(source_next(s, &item, &end, NULL), VV_OK);
    assert_true(item.entry.path.len > 0);
    source_item_release(s, &item);
    size_t count;
    assert_int_equal(source_fs_roots(s, &count)[0].len, 1);
    assert_int_equal(count, 1);
    uint32_t systems;
    assert_non_null(source_fs_file_systems(s, &systems));
    assert_true(systems >= 1);
    source_free(s); /* in the middle */
}

static void
fs_walk__can_be_cancelled(void **state)
{
    (void)state;
    struct vv_cancel cancel = {.wanted = false};
    struct source *s = NULL;
    struct source_item item;
    bool end;
    const char *paths[] = {"/tmp"};
    assert_int_equal(
        source_fs_new(
            &(struct source_fs_options){.paths = paths, .path_count = 1, .cancel = &cancel}, &s,
            NULL),
        VV_OK);
    assert_int_equal(source_next(s, &item, &end, NULL), VV_OK);
    source_item_release(s, &item);
    atomic_store(&cancel.wanted, true);
    assert_int_equal(source_next(s, &item, &end, NULL), VV_ECANCELLED);
    source_free(s);
}

static enum vv_rc
walk_quietly(void *arg, struct vv_error *err)
{
    const struct tree *t = arg;
    const char *paths[] = {tree_path(t, "d"), tree_path(t, "link/e"), tree_path(t, "no")};
    VV_CLEANUP(source_freep) struct source *s = NULL;
    VV_TRY(source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 3}, &s, err));
    for (;;) {
        struct source_item item;
        bool end;
        VV_TRY(source_next(s, &item, &end, err));
        if (end) {
            return VV_OK;
        }
        struct vv_arena arena = {0};
        struct source_file *f = NULL;
        struct source_problem problem;
        if (item.status == SOURCE_OK && source_open(s, &item, &arena, &f, &problem) != SOURCE_OK) {
            assert_int_equal(problem.sys, ENOMEM);
        }
        if (f != NULL) {
            assert_int_equal(source_close(f, &item.entry, &problem), SOURCE_OK);
        }
        vv_arena_release(&arena);
        source_item_release(s, &item);
    }
}

static void
fs_walk__survives_lack_of_memory(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t);
    tree_dir(&t, "d");
    tree_dir(&t, "d/e");
    tree_file(&t, "d/e/f", "x");
    tree_link(&t, "d/l", "target");
    tree_link(&t, "link", "d");
    assert_true(alloc_sweep_coping(walk_quietly, &t) > 20);
    tree_remove(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fs_walk__goes_in_tree_order),
        cmocka_unit_test(fs_walk__begins_with_implied_directories),
        cmocka_unit_test(fs_walk__merges_nested_and_repeated_paths),
        cmocka_unit_test(fs_walk__reports_missing_paths_in_order),
        cmocka_unit_test(fs_walk__treats_links_given_as_documented),
        cmocka_unit_test(fs_walk__understands_relative_paths),
        cmocka_unit_test(fs_walk__applies_patterns),
        cmocka_unit_test(fs_walk__takes_paths_given_inside_excluded_directories),
        cmocka_unit_test(fs_walk__counts_what_is_excluded),
        cmocka_unit_test(fs_walk__marks_what_may_change),
        cmocka_unit_test(fs_walk__leaves_out_caches_by_their_tag),
        cmocka_unit_test(fs_walk__leaves_out_large_files),
        cmocka_unit_test(fs_walk__leaves_out_nodump_files),
        cmocka_unit_test(fs_walk__never_lists_forbidden_directories),
        cmocka_unit_test(fs_walk__knows_every_type),
        cmocka_unit_test(fs_walk__does_not_enter_pseudo_file_systems),
        cmocka_unit_test(fs_walk__stays_on_one_file_system),
        cmocka_unit_test(fs_walk__sorts_a_large_directory),
        cmocka_unit_test(fs_walk__goes_beyond_path_max_with_few_descriptors),
        cmocka_unit_test(fs_walk__stops_at_the_deepest_level_kept),
        cmocka_unit_test(fs_walk__reports_what_vanishes_after_listing),
        cmocka_unit_test(fs_walk__notices_a_directory_replaced_while_closed),
        cmocka_unit_test(fs_walk__does_not_follow_a_directory_turned_link),
        cmocka_unit_test(fs_walk__reports_directories_it_may_not_read),
        cmocka_unit_test(fs_walk__starts_at_the_root_directory),
        cmocka_unit_test(fs_walk__can_be_cancelled),
        cmocka_unit_test(fs_walk__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
