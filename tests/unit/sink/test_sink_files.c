/* SPDX-License-Identifier: BSD-2-Clause */

/* Files as such: holes, long and deep paths, many threads, reading back, and no memory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "sink/helper_sink.h"
#include "sink/sink_internal.h"

#define MIB (1u << 20)

static void
files__holes_are_kept_and_compared(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct extent map[3] = {{0, 4096}, {1u * MIB + 1000, 5000}, {3ull * MIB, 8192}};
    struct entry f = make_entry(ENTRY_FILE, "f", 0644);
    struct entry hole = make_entry(ENTRY_FILE, "hole", 0644);
    struct entry huge = make_entry(ENTRY_FILE, "huge", 0644);
    struct extent end[1] = {{5ull << 30, 10}};
    struct sink_file *file = NULL;
    uint8_t data[8192];
    struct stat st;
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    s = open_sink(&dir, SINK_NEVER, NULL);
    memset(data, 'x', sizeof(data));
    f.flags = hole.flags = huge.flags = ENTRY_HAS_EXTENTS;
    f.extents = map;
    f.extent_count = 3;
    f.size = 4u * MIB + 7;
    hole.size = 100u * MIB;
    huge.extents = end;
    huge.extent_count = 1;
    huge.size = (5ull << 30) + 10;
    CHECK_OK(sink_file_begin(s, &f, &file, err));
    for (int i = 2; i >= 0; i--) { /* in any order */
        CHECK_OK(sink_file_write(file, map[i].offset, vv_span(data, map[i].len), err));
    }
    CHECK_OK(sink_file_finish(file, err));
    CHECK_OK(sink_file_begin(s, &hole, &file, err));
    CHECK_OK(sink_file_finish(file, err));
    CHECK_OK(sink_file_begin(s, &huge, &file, err));
    CHECK_OK(sink_file_write(file, end[0].offset, vv_span(data, 10), err));
    CHECK_OK(sink_file_finish(file, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &f);
    agrees(s, &hole);
    agrees(s, &huge);
    CHECK(fstatat(dir.fd, "target/f", &st, 0) == 0 && st.st_size == 4 * MIB + 7 &&
          st.st_blocks < 100);
    CHECK(fstatat(dir.fd, "target/hole", &st, 0) == 0 && st.st_blocks < 16);

    /* A hole smaller than a block cannot be kept; a larger one must be. */
    map[0].len = 4000;
    agrees(s, &f);
    map[2].len = 4096;
    differs_in(s, &f, "holes");
    map[2].len = 8192;
    map[1].offset -= 4096;
    differs_in(s, &f, "holes");
    f.flags = 0;
    differs_in(s, &f, "holes");
    f.size++;
    differs_in(s, &f, "size 4194311 instead of 4194312");
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
files__final_length_is_the_entrys_whatever_was_written(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "f", 0644);
    struct sink_file *file = NULL;
    struct stat st;
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    s = open_sink(&dir, SINK_NEVER, NULL);
    f.size = 1000;
    CHECK_OK(sink_file_begin(s, &f, &file, err));
    CHECK(fstatat(dir.fd, "target/f", &st, 0) != 0); /* K1 */
    CHECK_OK(sink_file_write(file, 0, text("damaged after this"), err));
    CHECK_OK(sink_file_finish(file, err));
    CHECK(fstatat(dir.fd, "target/f", &st, 0) == 0 && st.st_size == 1000);
    CHECK_OK(sink_file_begin(s, &f, &file, err));
    sink_file_abort(file);
    CHECK_OK(sink_file_begin(s, &f, &file, err));
    CHECK(sink_file_write(file, UINT64_MAX - 3, text("far"), err) == VV_EIO);
    CHECK(sink_file_finish(file, err) == VV_EEXISTS);
    int fd = openat(dir.fd, "target", O_PATH);
    CHECK(count_temporary(fd) == 0);
    close(fd);
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
long_paths(const struct scratch *dir, unsigned depth, unsigned name_len)
{
    struct vv_error *err = helper_error();
    size_t cap = (size_t)depth * (name_len + 1) + 10;
    char *path = calloc(1, cap);
    struct sink *s = open_sink(dir, SINK_NEVER, NULL);
    struct rlimit limit;
    size_t len = 0;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (unsigned i = 0; i < depth; i++) {
        memset(path + len, 'a' + (int)(i % 26), name_len);
        len += name_len;
        path[len] = '\0';
        struct entry d = make_entry(ENTRY_DIRECTORY, path, 0700 | (i & 0055));
        if (!CHECK_OK(sink_directory(s, &d, err))) {
            break;
        }
        path[len++] = '/';
    }
    memcpy(path + len, "f", 2);
    struct entry f = make_entry(ENTRY_FILE, path, 0640);
    CHECK_OK(put_file(s, &f, "deep", 4, err));
    CHECK_OK(sink_finish(s, err));
    sink_free(s);
    s = open_sink(dir, SINK_NEVER, NULL);
    agrees(s, &f);
    path[len - 1] = '\0';
    struct entry d = make_entry(ENTRY_DIRECTORY, path, 0700 | ((depth - 1) & 0055));
    agrees(s, &d);
    path[name_len] = '\0';
    CHECK_OK(sink_remove(s, text(path), err));
    CHECK(faccessat(dir->fd, path, F_OK, 0) != 0);
    sink_free(s);
    free(path);
}

static void
files__paths_longer_than_path_max(void **state)
{
    struct scratch dir;

    (void)state;
    scratch_make(&dir);
    long_paths(&dir, 60, 255);
    long_paths(&dir, 41, 100); /* around PATH_MAX */
    long_paths(&dir, 1200, 1);
    long_paths(&dir, 3000, 2);
    helper_stepwise = true;
    long_paths(&dir, 300, 60);
    helper_stepwise = false;
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

struct worker {
    struct sink *s;
    struct sink_file *shared;
    unsigned number;
};

static void
work(void *arg)
{
    struct worker *w = arg;
    struct vv_error err = {0};
    uint8_t block[512];

    memset(block, (int)w->number, sizeof(block));
    for (unsigned i = 0; i < 150; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "d%u/w%u-%u", i % 50, w->number, i);
        struct entry f = make_entry(ENTRY_FILE, name, 0600 + (i & 077));
        enum sink_existing existing;
        f.user = text("root");
        CHECK(sink_existing(w->s, &f, &existing, &err) == VV_OK && existing == SINK_ABSENT);
        CHECK(put_file(w->s, &f, block, i, &err) == VV_OK);
        (void)snprintf(name, sizeof(name), "d%u/e%u-%u", i % 50, w->number, i);
        struct entry d = make_entry(ENTRY_DIRECTORY, name, 0755);
        CHECK(sink_directory(w->s, &d, &err) == VV_OK);
        CHECK(sink_file_write(w->shared, (i * 4 + w->number) * sizeof(block),
                              vv_span(block, sizeof(block)), &err) == VV_OK);
    }
}

static void
files__many_from_four_threads(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry shared = make_entry(ENTRY_FILE, "shared", 0644);
    struct sink_file *file = NULL;
    struct worker workers[4];
    struct vv_thread threads[4] = {{0}};
    struct sink *s;
    uint8_t byte;

    (void)state;
    scratch_make(&dir);
    s = open_sink(&dir, SINK_NEVER, NULL);
    for (unsigned i = 0; i < 50; i++) { /* more than stay open */
        char name[16];
        (void)snprintf(name, sizeof(name), "d%u", i);
        struct entry d = make_entry(ENTRY_DIRECTORY, name, 0555);
        CHECK_OK(sink_directory(s, &d, err));
    }
    shared.size = 150 * 4 * 512;
    CHECK_OK(sink_file_begin(s, &shared, &file, err));
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){s, file, i};
        CHECK_OK(vv_thread_start(&threads[i], "work", work, &workers[i], err));
    }
    for (unsigned i = 0; i < 4; i++) {
        vv_thread_join(&threads[i]);
    }
    CHECK_OK(sink_file_finish(file, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &shared);
    int fd = openat(dir.fd, "target/shared", O_RDONLY);
    for (unsigned i = 0; i < 600; i++) {
        CHECK(pread(fd, &byte, 1, i * 512) == 1 && byte == i % 4);
    }
    close(fd);
    for (unsigned w = 0; w < 4; w++) {
        for (unsigned i = 0; i < 150; i++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "d%u/w%u-%u", i % 50, w, i);
            struct entry f = make_entry(ENTRY_FILE, name, 0600 + (i & 077));
            f.size = i;
            agrees(s, &f);
            (void)snprintf(name, sizeof(name), "d%u/e%u-%u", i % 50, w, i);
            struct entry d = make_entry(ENTRY_DIRECTORY, name, 0755);
            agrees(s, &d);
        }
    }
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
inspect__reads_content_back(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "f", 0644);
    struct vv_arena arena = {0};
    struct entry found = {0};
    char buffer[16] = {0};
    bool memory = true;
    struct sink *s;
    int fd = -1;

    (void)state;
    scratch_make(&dir);
    s = open_sink(&dir, SINK_NEVER, NULL);
    CHECK_OK(put_file(s, &f, "content", 7, err));
    CHECK_OK(sink_finish(s, err));
    sink_uncache(s, &memory);
    CHECK_OK(sink_inspect(s, f.path, &arena, &found, &fd, err));
    CHECK(read(fd, buffer, sizeof(buffer)) == 7 && strcmp(buffer, "content") == 0);
    close(fd);
    CHECK(sink_inspect(s, text("g"), &arena, &found, &fd, err) == VV_ENOTFOUND);
    CHECK(sink_inspect(s, text("f/g"), &arena, &found, &fd, err) == VV_ENOTFOUND);
    CHECK_OK(sink_inspect(s, text(""), &arena, &found, &fd, err));
    CHECK(found.type == ENTRY_DIRECTORY && fd == -1);
    vv_arena_release(&arena);
    sink_free(s);
    struct sink *m = NULL;
    if (CHECK_OK(sink_fs_new(&(struct sink_fs_options){.target = "/dev/shm", .dry_run = true}, &m,
                             err))) {
        memory = false;
        sink_uncache(m, &memory);
        CHECK(memory);
        sink_free(m);
    }
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
directories__the_target_itself_gets_attributes(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry root = make_entry(ENTRY_DIRECTORY, "", 0711);
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0700);
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    s = open_sink(&dir, SINK_NEVER, NULL);
    CHECK_OK(sink_directory(s, &root, err));
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &root);
    agrees(s, &d);
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

/* A whole small restore; any result but a clean VV_ENOMEM or success is a failure. */
static enum vv_rc
small_restore(const struct scratch *dir, unsigned round, struct vv_error *err)
{
    char target[128];
    VV_CLEANUP(sink_freep) struct sink *s = NULL;
    struct sink_fs_options o = {.target = target, .owner = SINK_OWNER_NAME};
    struct xattr x = {.name = text("user.x"), .value = text("v")};
    struct extent map = {8192, 1};
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0755);
    struct entry e = make_entry(ENTRY_DIRECTORY, "d/e", 0755);
    struct entry f = make_entry(ENTRY_FILE, "d/e/f", 0644);
    struct entry l = make_entry(ENTRY_SYMLINK, "d/l", 0777);
    struct sink_file *file = NULL;
    struct vv_arena arena = {0};
    struct vv_buf out = {0};
    struct entry found;
    int fd = -1;
    enum vv_rc rc;

    (void)snprintf(target, sizeof(target), "%s/target/%u", dir->path, round);
    f.flags = ENTRY_HAS_EXTENTS;
    f.extents = &map;
    f.extent_count = 1;
    f.size = 8193;
    f.user = text("root");
    f.xattrs = d.xattrs = &x;
    f.xattr_count = d.xattr_count = 1;
    l.target = text("x");
    VV_TRY(sink_fs_new(&o, &s, err));
    VV_TRY(sink_directory(s, &d, err));
    VV_TRY(sink_directory(s, &e, err));
    VV_TRY(sink_file_begin(s, &f, &file, err));
    rc = sink_file_write(file, 8192, text("x"), err);
    if (rc != VV_OK) {
        sink_file_abort(file);
        return rc;
    }
    VV_TRY(sink_file_finish(file, err));
    VV_TRY(sink_other(s, &l, err));
    VV_TRY(sink_finish(s, err));
    enum sink_existing existing;
    sink_parents_forget(s); /* so that sink_existing looks */
    VV_TRY(sink_existing(s, &f, &existing, err));
    rc = sink_inspect(s, f.path, &arena, &found, &fd, err);
    if (rc == VV_OK) {
        close(fd);
        sink_compare(s, &f, &found, &out);
        rc = vv_buf_check(&out, err);
        CHECK(rc != VV_OK || out.len == 0);
    }
    vv_buf_release(&out);
    vv_arena_release(&arena);
    return rc;
}

static void
memory__runs_out_at_any_time(void **state)
{
    struct scratch dir;
    struct vv_error err = {0};
    unsigned failed = 0;
    enum vv_rc rc;

    (void)state;
    scratch_make(&dir);
    for (unsigned i = 1;; i++) {
        vv_alloc_fail_at(i, i % 2);
        rc = small_restore(&dir, i, &err);
        bool reached = vv_alloc_count() >= i;
        vv_alloc_fail_at(0, 0);
        CHECK(rc == VV_OK || (rc == VV_ENOMEM && reached));
        failed += rc != VV_OK;
        if (!reached || i > 1000) {
            break;
        }
    }
    CHECK(failed > 10);
    CHECK(rc == VV_OK);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files__holes_are_kept_and_compared),
        cmocka_unit_test(files__final_length_is_the_entrys_whatever_was_written),
        cmocka_unit_test(files__paths_longer_than_path_max),
        cmocka_unit_test(files__many_from_four_threads),
        cmocka_unit_test(inspect__reads_content_back),
        cmocka_unit_test(directories__the_target_itself_gets_attributes),
        cmocka_unit_test(memory__runs_out_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
