/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and reading what the walk found, while it changes, and by several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "core/queue.h"
#include "core/thread.h"
#include "source/helper_tree.h"

/* A tree, and one item of a walk over it. */
struct fixture {
    struct tree t;
    struct source *s;
    struct source_item item;
    struct vv_arena arena;
    struct source_file *f;
    struct source_problem problem;
    struct counting_events events;
};

static int
setup(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    assert_non_null(x);
    tree_make(&x->t);
    counting_events_init(&x->events);
    *state = x;
    return 0;
}

/* Walk up to ${path}, given below the base. */
static void
find_item(struct fixture *x, const char *path)
{
    const char *paths[] = {tree_path(&x->t, path)};
    const struct source_fs_options o = {.paths = paths, .path_count = 1, .events = &x->events.base};
    struct vv_error err = {0};
    bool end = false;
    assert_int_equal(source_fs_new(&o, &x->s, &err), VV_OK);
    for (;;) {
        assert_int_equal(source_next(x->s, &x->item, &end, &err), VV_OK);
        assert_false(end);
        if (x->item.entry.path.len == strlen(paths[0]) - 1 &&
            memcmp(x->item.entry.path.data, paths[0] + 1, x->item.entry.path.len) == 0) {
            return;
        }
        source_item_release(x->s, &x->item);
    }
}

static enum source_status
open_item(struct fixture *x)
{
    return source_open(x->s, &x->item, &x->arena, &x->f, &x->problem);
}

static void
find_and_open(struct fixture *x, const char *path)
{
    find_item(x, path);
    if (open_item(x) != SOURCE_OK) {
        fail_msg("%s", x->problem.text);
    }
}

static enum source_status
close_item(struct fixture *x)
{
    struct source_file *f = x->f;
    x->f = NULL;
    return source_close(f, &x->item.entry, &x->problem);
}

static void
drop(struct fixture *x)
{
    if (x->f != NULL) {
        (void)close_item(x);
    }
    if (x->s != NULL) {
        source_item_release(x->s, &x->item);
        source_free(x->s);
        x->s = NULL;
    }
    vv_arena_release(&x->arena);
}

static int
teardown(void **state)
{
    struct fixture *x = *state;
    drop(x);
    tree_remove(&x->t);
    free(x);
    return 0;
}

static void
expect_content(struct fixture *x, uint64_t offset, const char *want)
{
    uint8_t buf[256];
    size_t got = 99;
    assert_int_equal(source_read(x->f, offset, buf, sizeof(buf), &got, &x->problem), SOURCE_OK);
    assert_int_equal(got, strlen(want));
    assert_memory_equal(buf, want, got);
}

static void
append(const struct tree *t, const char *path, const char *text)
{
    int fd = openat(t->fd, path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void
fs_open__reads_a_file(void **state)
{
    struct fixture *x = *state;
    struct stat st;
    tree_file(&x->t, "f", "0123456789");
    find_and_open(x, "f");
    const struct entry *e = &x->item.entry;
    assert_int_equal(fstatat(x->t.fd, "f", &st, 0), 0);
    assert_int_equal(e->type, ENTRY_FILE);
    assert_int_equal(e->size, 10);
    assert_int_equal(e->mode, 0644);
    assert_int_equal(e->uid, st.st_uid);
    assert_int_equal(e->inode, st.st_ino);
    assert_int_equal(e->mtime.sec, st.st_mtim.tv_sec);
    assert_int_equal(e->mtime.nsec, st.st_mtim.tv_nsec);
    if (st.st_uid == 0) {
        assert_int_equal(e->user.len, 4);
        assert_memory_equal(e->user.data, "root", 4);
        assert_memory_equal(e->group.data, "root", 4);
    }
    expect_content(x, 0, "0123456789");
    expect_content(x, 7, "789");
    expect_content(x, 10, "");
    expect_content(x, 1u << 20, "");
    assert_int_equal(close_item(x), SOURCE_OK);
    assert_true((e->flags & ENTRY_RACY) != 0); /* written just now */
    assert_int_equal(e->flags & ENTRY_HAS_EXTENTS, 0);
}

static void
fs_open__reads_an_empty_file(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "");
    find_and_open(x, "f");
    assert_non_null(x->f);
    expect_content(x, 0, "");
    assert_int_equal(x->item.entry.flags & ENTRY_HAS_EXTENTS, 0);
    assert_int_equal(close_item(x), SOURCE_OK);
}

static void
fs_open__takes_old_files_as_settled(void **state)
{
    struct fixture *x = *state;
    struct stat st;
    const char *paths[] = {"/etc/passwd"};
    struct source_item item;
    bool end = false;
    if (stat(paths[0], &st) != 0 || st.st_ctim.tv_sec + 10 > time(NULL)) {
        skip();
    }
    assert_int_equal(
        source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 1}, &x->s, NULL),
        VV_OK);
    do {
        assert_int_equal(source_next(x->s, &item, &end, NULL), VV_OK);
        if (item.entry.type != ENTRY_FILE) {
            source_item_release(x->s, &item);
        }
    } while (item.entry.type != ENTRY_FILE);
    x->item = item;
    assert_int_equal(open_item(x), SOURCE_OK);
    assert_int_equal(close_item(x), SOURCE_OK);
    assert_int_equal(x->item.entry.flags & ENTRY_RACY, 0);
}

static void
fs_open__takes_files_of_the_future_as_racy(void **state)
{
    struct fixture *x = *state;
    const struct timespec times[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    tree_file(&x->t, "f", "x");
    assert_int_equal(utimensat(x->t.fd, "f", times, 0), 0);
    find_and_open(x, "f");
    assert_int_equal(x->item.entry.mtime.sec, 4000000000);
    assert_int_equal(close_item(x), SOURCE_OK);
    assert_true((x->item.entry.flags & ENTRY_RACY) != 0);
}

static void
fs_open__leaves_access_times_alone(void **state)
{
    struct fixture *x = *state;
    const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 2000000}};
    struct stat st;
    tree_dir(&x->t, "d");
    tree_file(&x->t, "d/f", "x");
    assert_int_equal(utimensat(x->t.fd, "d/f", times, 0), 0);
    assert_int_equal(utimensat(x->t.fd, "d", times, 0), 0);
    find_and_open(x, "d/f");
    expect_content(x, 0, "x");
    assert_int_equal(close_item(x), SOURCE_OK);
    assert_int_equal(fstatat(x->t.fd, "d/f", &st, 0), 0);
    assert_int_equal(st.st_atim.tv_sec, 1000000);
    drop(x);
    find_and_open(x, "d");
    assert_int_equal(fstatat(x->t.fd, "d", &st, 0), 0);
    assert_int_equal(st.st_atim.tv_sec, 1000000);
}

static void
fs_open__maps_holes(void **state)
{
    struct fixture *x = *state;
    const uint64_t mib = 1u << 20;
    int fd = openat(x->t.fd, "f", O_RDWR | O_CREAT, 0644);
    assert_int_equal(pwrite(fd, "first", 5, (off_t)mib), 5);
    assert_int_equal(pwrite(fd, "second", 6, (off_t)(5 * mib)), 6);
    assert_int_equal(ftruncate(fd, (off_t)(8 * mib)), 0);
    bool holes = lseek(fd, 0, SEEK_HOLE) == 0;
    close(fd);
    if (!holes) {
        skip();
    }
    find_and_open(x, "f");
    const struct entry *e = &x->item.entry;
    assert_true((e->flags & ENTRY_HAS_EXTENTS) != 0);
    assert_int_equal(e->extent_count, 2);
    assert_int_equal(e->extents[0].offset, mib);
    assert_int_equal(e->extents[1].offset, 5 * mib);
    uint8_t bytes[32];
    size_t got;
    uint64_t second = e->extents[0].len;
    /* across the border between the two */
    assert_int_equal(source_read(x->f, second - 2, bytes, 8, &got, &x->problem), SOURCE_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "\0\0second", 8);
    assert_int_equal(source_read(x->f, 0, bytes, 5, &got, &x->problem), SOURCE_OK);
    assert_memory_equal(bytes, "first", 5);
    uint64_t total = second + e->extents[1].len;
    assert_int_equal(source_read(x->f, total - 1, bytes, 8, &got, &x->problem), SOURCE_OK);
    assert_int_equal(got, 1);
    assert_int_equal(source_read(x->f, total, bytes, 8, &got, &x->problem), SOURCE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(close_item(x), SOURCE_OK);
    assert_int_equal(e->size, 8 * mib);
}

static void
fs_open__knows_a_file_that_is_one_hole(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "");
    int fd = openat(x->t.fd, "f", O_WRONLY);
    assert_int_equal(ftruncate(fd, 4096), 0);
    bool holes = lseek(fd, 0, SEEK_HOLE) == 0;
    close(fd);
    if (!holes) {
        skip();
    }
    find_and_open(x, "f");
    assert_true((x->item.entry.flags & ENTRY_HAS_EXTENTS) != 0);
    assert_int_equal(x->item.entry.extent_count, 0);
    expect_content(x, 0, "");
    assert_int_equal(close_item(x), SOURCE_OK);
    assert_int_equal(x->item.entry.size, 4096);
}

static void
fs_open__reads_attributes_in_order(void **state)
{
    struct fixture *x = *state;
    char large[3000];
    char path[128];
    memset(large, 'v', sizeof(large));
    tree_file(&x->t, "f", "x");
    (void)snprintf(path, sizeof(path), "%s", tree_path(&x->t, "f"));
    if (setxattr(path, "user.zz", "last", 4, 0) != 0) {
        skip();
    }
    assert_int_equal(setxattr(path, "user.empty", "", 0, 0), 0);
    assert_int_equal(setxattr(path, "user.large", large, sizeof(large), 0), 0);
    find_and_open(x, "f");
    const struct entry *e = &x->item.entry;
    assert_true((e->flags & ENTRY_HAS_XATTRS) != 0);
    assert_true(e->xattr_count >= 3);
    unsigned found = 0;
    for (uint32_t i = 0; i < e->xattr_count; i++) {
        const char *name = (const char *)e->xattrs[i].name.data;
        assert_true(i == 0 || strcmp((const char *)e->xattrs[i - 1].name.data, name) < 0);
        if (strcmp(name, "user.empty") == 0) {
            found += e->xattrs[i].value.len == 0;
        } else if (strcmp(name, "user.large") == 0) {
            found += e->xattrs[i].value.len == sizeof(large) &&
                     memcmp(e->xattrs[i].value.data, large, sizeof(large)) == 0;
        } else if (strcmp(name, "user.zz") == 0) {
            found += e->xattrs[i].value.len == 4;
        }
    }
    assert_int_equal(found, 3);
    assert_int_equal(x->events.count, 0);
}

static void
fs_open__reads_many_attributes(void **state)
{
    struct fixture *x = *state;
    char path[128];
    char name[250];
    tree_dir(&x->t, "d");
    (void)snprintf(path, sizeof(path), "%s", tree_path(&x->t, "d"));
    unsigned made = 0;
    for (; made < 10; made++) { /* names alone are over a kilobyte */
        (void)snprintf(name, sizeof(name), "user.%0240u", made);
        if (setxattr(path, name, "v", 1, 0) != 0) {
            break;
        }
    }
    if (made < 6) {
        skip();
    }
    find_and_open(x, "d");
    assert_null(x->f);
    assert_true(x->item.entry.xattr_count >= made);
}

static void
fs_open__reads_inode_flags(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "x");
    int fd = openat(x->t.fd, "f", O_RDONLY);
    int flags = FS_NOATIME_FL;
    bool supported = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    close(fd);
    if (!supported) {
        skip();
    }
    find_and_open(x, "f");
    assert_int_equal(x->item.entry.inode_flags, FS_NOATIME_FL);
}

static void
fs_open__reads_links(void **state)
{
    struct fixture *x = *state;
    char target[3001];
    memset(target, 't', 3000);
    target[3000] = 0;
    tree_link(&x->t, "l", target);
    if (geteuid() == 0) {
        (void)lsetxattr(tree_path(&x->t, "l"), "trusted.varve", "on the link", 11, 0);
    }
    bool attribute = lgetxattr(tree_path(&x->t, "l"), "trusted.varve", NULL, 0) == 11;
    find_and_open(x, "l");
    const struct entry *e = &x->item.entry;
    assert_null(x->f);
    assert_true((e->flags & ENTRY_HAS_TARGET) != 0);
    assert_int_equal(e->target.len, 3000);
    assert_memory_equal(e->target.data, target, 3000);
    assert_int_equal(e->size, 3000);
    if (attribute) {
        assert_int_equal(e->xattr_count, 1);
        assert_memory_equal(e->xattrs[0].value.data, "on the link", 11);
    }
}

static void
fs_open__does_not_block_on_special_files(void **state)
{
    struct fixture *x = *state;
    assert_int_equal(mkfifoat(x->t.fd, "p", 0600), 0);
    find_and_open(x, "p");
    assert_null(x->f);
    drop(x);
    if (mknodat(x->t.fd, "n", S_IFBLK | 0600, makedev(259, 70000)) == 0) {
        find_and_open(x, "n");
        assert_int_equal(x->item.entry.type, ENTRY_BLOCK_DEVICE);
        assert_int_equal(x->item.entry.major, 259);
        assert_int_equal(x->item.entry.minor, 70000);
        assert_true((x->item.entry.flags & ENTRY_HAS_DEVICE) != 0);
    }
}

static void
fs_open__tells_vanished_and_replaced_apart(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "x");
    find_item(x, "f");
    assert_int_equal(unlinkat(x->t.fd, "f", 0), 0);
    assert_int_equal(open_item(x), SOURCE_VANISHED);
    assert_null(x->f);
    tree_link(&x->t, "f", "/etc/passwd");
    assert_int_equal(open_item(x), SOURCE_REPLACED);
    assert_int_equal(unlinkat(x->t.fd, "f", 0), 0);
    assert_int_equal(mkfifoat(x->t.fd, "f", 0600), 0);
    assert_int_equal(open_item(x), SOURCE_REPLACED);
    assert_int_equal(unlinkat(x->t.fd, "f", 0), 0);
    tree_dir(&x->t, "f");
    assert_int_equal(open_item(x), SOURCE_REPLACED);
    assert_int_equal(unlinkat(x->t.fd, "f", AT_REMOVEDIR), 0);
    tree_file(&x->t, "g", "other");
    tree_file(&x->t, "f", "other inode");
    struct stat st;
    assert_int_equal(fstatat(x->t.fd, "f", &st, 0), 0);
    assert_int_equal(open_item(x), SOURCE_OK); /* a file for a file: renamed into place */
    assert_int_equal(x->item.entry.inode, st.st_ino);
    assert_int_equal(x->item.entry.size, strlen("other inode"));
}

static void
fs_open__is_not_led_astray_by_a_moved_directory(void **state)
{
    struct fixture *x = *state;
    tree_dir(&x->t, "d");
    tree_file(&x->t, "d/f", "right");
    tree_dir(&x->t, "evil");
    tree_file(&x->t, "evil/f", "wrong");
    find_item(x, "d/f");
    assert_int_equal(renameat(x->t.fd, "d", x->t.fd, "moved"), 0);
    tree_link(&x->t, "d", "evil");
    if (open_item(x) == SOURCE_OK) {
        expect_content(x, 0, "right");
    } else {
        assert_null(x->f);
    }
}

static void
fs_open__reports_what_it_may_not_read(void **state)
{
    struct fixture *x = *state;
    bool root = geteuid() == 0;
    tree_file(&x->t, "f", "x");
    assert_int_equal(fchmodat(x->t.fd, "f", 0, 0), 0);
    assert_true(!root || seteuid(65534) == 0);
    find_item(x, "f");
    enum source_status status = open_item(x);
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(status, SOURCE_UNREADABLE);
    assert_int_equal(x->problem.sys, EACCES);
    assert_string_equal(x->problem.text, "cannot open: permission denied");
}

static void
fs_open__reads_files_of_others(void **state)
{
    struct fixture *x = *state;
    if (geteuid() != 0) {
        skip();
    }
    tree_file(&x->t, "f", "x"); /* root's: O_NOATIME is refused to others */
    assert_int_equal(seteuid(65534), 0);
    find_item(x, "f");
    enum source_status status = open_item(x);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, SOURCE_OK);
    expect_content(x, 0, "x");
}

static void
fs_close__tells_a_file_that_grew(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "before");
    find_and_open(x, "f");
    struct entry_time mtime = x->item.entry.mtime;
    append(&x->t, "f", " and after");
    expect_content(x, 0, "before"); /* growth is not followed */
    assert_int_equal(close_item(x), SOURCE_GREW);
    assert_int_equal(x->item.entry.size, 6);
    assert_int_equal(x->item.entry.mtime.sec, mtime.sec);
    assert_int_equal(x->item.entry.mtime.nsec, mtime.nsec);
}

static void
fs_open__takes_growth_before_the_open_along(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "before");
    find_item(x, "f");
    append(&x->t, "f", " and after");
    assert_int_equal(open_item(x), SOURCE_OK);
    assert_int_equal(x->item.entry.size, 16);
    expect_content(x, 0, "before and after");
    assert_int_equal(close_item(x), SOURCE_OK);
}

static void
fs_close__tells_a_file_that_shrank(void **state)
{
    struct fixture *x = *state;
    tree_file(&x->t, "f", "0123456789");
    find_and_open(x, "f");
    int fd = openat(x->t.fd, "f", O_WRONLY);
    assert_int_equal(ftruncate(fd, 4), 0);
    close(fd);
    expect_content(x, 0, "0123");
    assert_int_equal(close_item(x), SOURCE_CHANGED);
    assert_int_equal(x->item.entry.size, 4);
}

static void
fs_close__cuts_extents_of_a_file_that_shrank(void **state)
{
    struct fixture *x = *state;
    uint8_t buf[64];
    size_t got;
    int fd = openat(x->t.fd, "f", O_RDWR | O_CREAT, 0644);
    assert_int_equal(pwrite(fd, "a", 1, 0), 1);
    assert_int_equal(pwrite(fd, "b", 1, 1 << 20), 1);
    assert_int_equal(pwrite(fd, "c", 1, 2 << 20), 1);
    bool holes = lseek(fd, 0, SEEK_HOLE) < 1 << 20;
    find_and_open(x, "f");
    uint64_t first = holes ? x->item.entry.extents[0].len : 0;
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    close(fd);
    if (!holes) {
        skip();
    }
    assert_int_equal(source_read(x->f, first, buf, sizeof(buf), &got, &x->problem), SOURCE_OK);
    assert_int_equal(got, 1);
    assert_int_equal(close_item(x), SOURCE_CHANGED);
    assert_int_equal(x->item.entry.size, (1 << 20) + 1);
    assert_int_equal(x->item.entry.extent_count, 2);
    assert_int_equal(x->item.entry.extents[1].len, 1);
}

static void
fs_close__tells_a_file_that_changed_in_place(void **state)
{
    struct fixture *x = *state;
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    tree_file(&x->t, "f", "0123456789");
    assert_int_equal(utimensat(x->t.fd, "f", old, 0), 0);
    find_and_open(x, "f");
    tree_file(&x->t, "f", "9876543210");
    assert_int_equal(close_item(x), SOURCE_CHANGED);
    assert_int_equal(x->item.entry.mtime.sec, 1000);
    assert_int_equal(x->item.entry.size, 10);
}

/* ---- several threads ---- */

enum { FILES = 600, THREADS = 4 };
struct shared {
    struct source *s;
    struct vv_queue *queue;
    atomic_uint good;
    atomic_uint bad;
};

static void
read_items(void *arg)
{
    struct shared *x = arg;
    struct source_item *item;
    while ((item = vv_queue_pop(x->queue)) != NULL) {
        struct vv_arena arena = {0};
        struct source_file *f = NULL;
        struct source_problem problem;
        uint8_t buf[64];
        size_t got = 0;
        bool good = source_open(x->s, item, &arena, &f, &problem) == SOURCE_OK;
        if (good && f != NULL) {
            good = source_read(f, 0, buf, sizeof(buf), &got, &problem) == SOURCE_OK && got > 0 &&
                   got == item->entry.size &&
                   memcmp(buf, item->entry.path.data + item->entry.path.len - got, got) == 0;
            good = source_close(f, &item->entry, &problem) == SOURCE_OK && good;
        }
        atomic_fetch_add(good ? &x->good : &x->bad, 1);
        source_item_release(x->s, item);
        free(item);
        vv_arena_release(&arena);
    }
}

static void
fs_open__serves_several_threads(void **state)
{
    struct fixture *x = *state;
    struct shared shared = {0};
    struct vv_thread threads[THREADS];
    struct vv_error err = {0};
    for (unsigned i = 0; i < FILES; i++) { /* each holds its own name; every third in a directory */
        char path[64];
        char name[32];
        (void)snprintf(name, sizeof(name), "%u", i);
        (void)snprintf(path, sizeof(path), "d%u", i);
        if (i % 3 == 0) {
            tree_dir(&x->t, path);
            (void)snprintf(path, sizeof(path), "d%u/%u", i, i);
        } else {
            (void)snprintf(path, sizeof(path), "%u", i);
        }
        tree_file(&x->t, path, name);
    }
    const char *paths[] = {x->t.base};
    assert_int_equal(source_fs_new(&(struct source_fs_options){.paths = paths, .path_count = 1},
                                   &shared.s, &err),
                     VV_OK);
    assert_int_equal(vv_queue_new(FILES * 2, &shared.queue, &err), VV_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(vv_thread_start(&threads[i], "reader", read_items, &shared, &err), VV_OK);
    }
    unsigned pushed = 0;
    for (;;) {
        struct source_item *item = malloc(sizeof(*item));
        bool end;
        assert_int_equal(source_next(shared.s, item, &end, &err), VV_OK);
        if (end) {
            free(item);
            break;
        }
        assert_true(vv_queue_push(shared.queue, item));
        pushed++;
    }
    vv_queue_close(shared.queue);
    for (unsigned i = 0; i < THREADS; i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&shared.bad), 0);
    assert_int_equal(atomic_load(&shared.good), pushed);
    assert_int_equal(pushed, FILES + FILES / 3 + 3);
    vv_queue_free(shared.queue);
    source_free(shared.s);
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(fs_open__reads_a_file),
        FIXTURE_TEST(fs_open__reads_an_empty_file),
        FIXTURE_TEST(fs_open__takes_old_files_as_settled),
        FIXTURE_TEST(fs_open__takes_files_of_the_future_as_racy),
        FIXTURE_TEST(fs_open__leaves_access_times_alone),
        FIXTURE_TEST(fs_open__maps_holes),
        FIXTURE_TEST(fs_open__knows_a_file_that_is_one_hole),
        FIXTURE_TEST(fs_open__reads_attributes_in_order),
        FIXTURE_TEST(fs_open__reads_many_attributes),
        FIXTURE_TEST(fs_open__reads_inode_flags),
        FIXTURE_TEST(fs_open__reads_links),
        FIXTURE_TEST(fs_open__does_not_block_on_special_files),
        FIXTURE_TEST(fs_open__tells_vanished_and_replaced_apart),
        FIXTURE_TEST(fs_open__is_not_led_astray_by_a_moved_directory),
        FIXTURE_TEST(fs_open__reports_what_it_may_not_read),
        FIXTURE_TEST(fs_open__reads_files_of_others),
        FIXTURE_TEST(fs_close__tells_a_file_that_grew),
        FIXTURE_TEST(fs_open__takes_growth_before_the_open_along),
        FIXTURE_TEST(fs_close__tells_a_file_that_shrank),
        FIXTURE_TEST(fs_close__cuts_extents_of_a_file_that_shrank),
        FIXTURE_TEST(fs_close__tells_a_file_that_changed_in_place),
        FIXTURE_TEST(fs_open__serves_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
