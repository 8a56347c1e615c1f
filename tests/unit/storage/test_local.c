/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* The local storage: the conformance suite, and what only a directory has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/conformance.h"
#include "storage/local_fixture.h"

enum { UNPRIVILEGED = 65534, TMPFS = 0x01021994 };

static struct storage *
new_local(void **ret_cookie)
{
    struct local_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    /* In memory if possible: half a thousand directories for each test take long elsewhere.  Set
     * TMPDIR to try another file system.  What fsync is for shows in test_local_calls.c. */
    local_fixture_begin_in(f, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    storage_local_set_calls(f->s, &calls_without_fsync);
    *ret_cookie = f;
    return f->s;
}

static void
free_local(struct storage *s, void *cookie)
{
    struct local_fixture *f = cookie;
    assert_ptr_equal(s, f->s);
    local_fixture_end(f);
    free(f);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static unsigned
open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* --- files and directories --- */

static void
local_publish__makes_files_nobody_can_change(void **state)
{
    (void)state;
    struct local_fixture f;
    struct stat st;
    char path[600];
    local_fixture_layout(&f);
    must_publish(f.s, "packs/ab/x", "contents");
    assert_int_equal(stat(local_fixture_path(&f, "packs/ab/x", path), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0400);
    assert_int_equal(st.st_nlink, 1); /* the temporary name is gone */
    assert_int_equal(count_listed(f.s, "tmp"), 0);
    assert_int_equal(stat(f.root, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(stat(local_fixture_path(&f, "packs/ab", path), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    local_fixture_end(&f);
}

/* This process' own limit: waiting would not help. */
static void
local__says_when_too_many_files_are_open(void **state)
{
    (void)state;
    struct local_fixture f;
    struct vv_error err = {0};
    struct rlimit before;
    uint64_t size;
    local_fixture_layout(&f);
    must_publish(f.s, "packs/ab/x", "contents");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum vv_rc rc = storage_size(f.s, "packs/cd/x", &size, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, VV_EIO);
    assert_non_null(strstr(err.hint, "ulimit -n"));
    must_hold_text(f.s, "packs/ab/x", "contents");
    local_fixture_end(&f);
}

static void
local_publish__steps_over_left_over_temporaries(void **state)
{
    (void)state;
    struct local_fixture f;
    char path[600];
    local_fixture_layout(&f);
    storage_set_session(f.s, "0123");
    write_file(local_fixture_path(&f, "tmp/0123-1", path), "half a pa");
    write_file(local_fixture_path(&f, "tmp/0123-2", path), "");
    must_publish(f.s, "packs/ab/x", "contents");
    must_hold_text(f.s, "packs/ab/x", "contents");
    must_hold_text(f.s, "tmp/0123-1", "half a pa");
    assert_int_equal(count_listed(f.s, "tmp"), 2);
    assert_int_equal(storage_remove(f.s, "tmp/0123-1", NULL), VV_OK);
    assert_int_equal(count_listed(f.s, "tmp"), 1);
    local_fixture_end(&f);
}

static void
local__is_found_again_by_another_process(void **state)
{
    (void)state;
    struct local_fixture f;
    local_fixture_layout(&f);
    must_publish(f.s, "config", "kept");
    storage_free(f.s);
    assert_int_equal(storage_local_new(f.root, &f.s, NULL), VV_OK);
    must_hold_text(f.s, "config", "kept");
    local_fixture_end(&f);
}

static void
local__follows_a_link_to_the_root(void **state)
{
    (void)state;
    struct local_fixture f;
    struct storage *s = NULL;
    char path[600];
    local_fixture_layout(&f);
    snprintf(path, sizeof(path), "%s/link", f.base);
    assert_int_equal(symlink("repo", path), 0);
    assert_int_equal(storage_local_new(path, &s, NULL), VV_OK);
    must_publish(s, "keys/a", "through the link");
    must_hold_text(f.s, "keys/a", "through the link");
    uint64_t device[2];
    uint64_t inode[2];
    struct stat st;
    assert_int_equal(stat(f.root, &st), 0);
    assert_true(storage_local_identity(s, &device[0], &inode[0]));
    assert_true(storage_local_identity(f.s, &device[1], &inode[1]));
    assert_int_equal(device[0], st.st_dev);
    assert_int_equal(inode[0], st.st_ino);
    assert_int_equal(device[1], st.st_dev);
    assert_int_equal(inode[1], st.st_ino);
    storage_free(s);
    /* an empty directory behind a link can become a repository */
    assert_int_equal(unlink(path), 0);
    char other[600];
    snprintf(other, sizeof(other), "%s/other", f.base);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(symlink("other", path), 0);
    assert_int_equal(storage_local_new(path, &s, NULL), VV_OK);
    assert_int_equal(storage_make_layout(s, NULL), VV_OK);
    storage_free(s);
    local_fixture_end(&f);
}

static void
local__does_not_follow_links_inside(void **state)
{
    (void)state;
    struct local_fixture f;
    struct vv_error err = {0};
    char path[600];
    uint64_t size;
    unsigned n = 0;
    local_fixture_layout(&f);
    must_publish(f.s, "config", "secret of another file");
    assert_int_equal(symlink("../config", local_fixture_path(&f, "keys/link", path)), 0);
    must_fail(storage_size(f.s, "keys/link", &size, &err), VV_EIO, &err);
    uint8_t buf[8];
    size_t got;
    must_fail(storage_read(f.s, "keys/link", 0, buf, 8, &got, &err), VV_EIO, &err);
    must_fail(storage_publish(f.s, "keys/link", vv_span("x", 1), &err), VV_EEXISTS, &err);
    assert_int_equal(count_listed(f.s, "keys"), 1); /* but it is not hidden */
    assert_int_equal(rmdir(local_fixture_path(&f, "packs/ab", path)), 0);
    assert_int_equal(symlink("../keys", path), 0);
    must_fail(storage_publish(f.s, "packs/ab/x", vv_span("x", 1), &err), VV_EIO, &err);
    assert_true(err.hint[0] != '\0');
    must_fail(storage_list(f.s, "packs/ab", NULL, &n, &err), VV_EIO, &err);
    local_fixture_end(&f);
}

static void
local__names_what_is_no_object(void **state)
{
    (void)state;
    struct local_fixture f;
    struct vv_error err = {0};
    char path[600];
    uint8_t buf[8];
    size_t got;
    local_fixture_layout(&f);
    assert_int_equal(mkfifo(local_fixture_path(&f, "keys/fifo", path), 0600), 0);
    write_file(local_fixture_path(&f, "keys/not a name", path), "1");
    write_file(local_fixture_path(&f, "keys/\xff\n", path), "2");
    assert_int_equal(mkdir(local_fixture_path(&f, "keys/directory", path), 0700), 0);
    assert_int_equal(count_listed(f.s, "keys"), 3);
    must_fail(storage_read(f.s, "keys/fifo", 0, buf, 8, &got, &err), VV_EIO, &err);
    local_fixture_end(&f);
}

static void
local__relative_path_survives_chdir(void **state)
{
    (void)state;
    struct local_fixture f;
    struct storage *s = NULL;
    char cwd[600];
    local_fixture_layout(&f);
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_int_equal(chdir(f.base), 0);
    assert_int_equal(storage_local_new("repo///", &s, NULL), VV_OK);
    assert_int_equal(chdir("/"), 0);
    must_publish(s, "config", "x");
    assert_string_equal(s->url, f.root);
    storage_free(s);
    must_hold_text(f.s, "config", "x");
    assert_int_equal(chdir(cwd), 0);
    local_fixture_end(&f);
}

static void
local__keeps_few_descriptors_open(void **state)
{
    (void)state;
    struct local_fixture f;
    local_fixture_layout(&f);
    storage_local_set_calls(f.s, &calls_without_fsync);
    unsigned before = open_descriptors();
    static const char *const parents[] = {"packs", "parity", "packs"};
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 256; i++) {
            char name[64];
            snprintf(name, sizeof(name), "%s/%02x/x%u", parents[round], i, round);
            must_publish(f.s, name, name);
            must_hold_text(f.s, name, name);
        }
    }
    /* All the room is used, and no more, though there are 512 directories. */
    assert_int_equal(open_descriptors(), before + LOCAL_CACHED_DIRECTORIES);
    _Static_assert(LOCAL_CACHED_DIRECTORIES <= 64, "a process may have many storages");
    local_fixture_end(&f);
    assert_true(open_descriptors() <= before);
}

static void
local_uncache__drops_the_pages(void **state)
{
    (void)state;
    struct local_fixture f;
    struct statfs fs;
    char path[600];
    enum { SIZE = 1 << 20, PAGES = SIZE / 4096 };
    local_fixture_layout(&f);
    assert_int_equal(statfs(f.root, &fs), 0);
    if (fs.f_type != TMPFS && sysconf(_SC_PAGESIZE) == 4096) {
        uint8_t *data = calloc(1, SIZE);
        assert_non_null(data);
        assert_int_equal(storage_publish(f.s, "packs/00/x", vv_span(data, SIZE), NULL), VV_OK);
        free(data);
        int fd = open(local_fixture_path(&f, "packs/00/x", path), O_RDONLY);
        void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        unsigned char resident[PAGES];
        assert_int_equal(mincore(map, SIZE, resident), 0);
        assert_true(resident[PAGES / 2] & 1);
        storage_uncache(f.s, "packs/00/x");
        assert_int_equal(mincore(map, SIZE, resident), 0);
        assert_false(resident[PAGES / 2] & 1);
        munmap(map, SIZE);
        close(fd);
    }
    local_fixture_end(&f);
}

/* --- layout --- */

static void
local_layout__accepts_an_empty_directory(void **state)
{
    (void)state;
    struct local_fixture f;
    char path[600];
    local_fixture_begin(&f);
    assert_int_equal(mkdir(f.root, 0750), 0);
    assert_int_equal(mkdir(local_fixture_path(&f, "lost+found", path), 0700), 0);
    assert_int_equal(storage_make_layout(f.s, NULL), VV_OK);
    must_publish(f.s, "packs/ff/x", "x");
    assert_int_equal(count_listed(f.s, ""), 0);
    local_fixture_end(&f);
}

static void
local_layout__refuses_what_is_in_use(void **state)
{
    (void)state;
    struct local_fixture f;
    struct vv_error err = {0};
    struct stat st;
    char path[600];
    local_fixture_begin(&f);
    assert_int_equal(mkdir(f.root, 0750), 0);
    write_file(local_fixture_path(&f, ".precious", path), "photo");
    must_fail(storage_make_layout(f.s, &err), VV_EREFUSED, &err);
    assert_true(err.hint[0] != '\0');
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(stat(local_fixture_path(&f, "keys", path), &st), -1);
    local_fixture_end(&f);
}

static void
local_layout__is_completed_where_parts_are(void **state)
{
    (void)state;
    struct local_fixture f;
    struct vv_error err = {0};
    char path[600];
    local_fixture_begin(&f);
    assert_int_equal(mkdir(f.root, 0750), 0);
    assert_int_equal(mkdir(local_fixture_path(&f, "packs", path), 0700), 0);
    assert_int_equal(mkdir(local_fixture_path(&f, "packs/ab", path), 0700), 0);
    write_file(local_fixture_path(&f, "packs/ab/seeded", path), "bytes");
    assert_int_equal(storage_complete_layout(f.s, &err), VV_OK);
    assert_int_equal(storage_complete_layout(f.s, &err), VV_OK); /* again: nothing to do */
    must_publish(f.s, "parity/ff/x", "x");
    assert_int_equal(count_listed(f.s, "packs/ab"), 1);
    assert_int_equal(mkdir(local_fixture_path(&f, "photos", path), 0700), 0);
    must_fail(storage_complete_layout(f.s, &err), VV_EREFUSED, &err);
    local_fixture_end(&f);
}

static void
local_layout__needs_the_parent(void **state)
{
    (void)state;
    struct local_fixture f;
    struct vv_error err = {0};
    struct storage *s = NULL;
    char path[600];
    local_fixture_begin(&f);
    snprintf(path, sizeof(path), "%s/not-mounted/repo", f.base);
    assert_int_equal(storage_local_new(path, &s, NULL), VV_OK);
    must_fail(storage_make_layout(s, &err), VV_ENOTFOUND, &err);
    assert_true(err.hint[0] != '\0');
    storage_free(s);
    write_file(f.root, "a file");
    assert_int_not_equal(storage_make_layout(f.s, &err), VV_OK);
    local_fixture_end(&f);
}

/* --- trouble that needs a process of its own --- */

/* Run ${fn} in a child, so that it can give up rights or change limits; 0 is success. */
static void
in_child(int (*fn)(struct local_fixture *), struct local_fixture *f)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fn(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) {
        print_error("the child failed, see above\n");
    }
    assert_int_equal(status, 0);
}

/* For children: assert_* only works in the test's own process. */
#define CHILD_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int
publish_without_rights(struct local_fixture *f)
{
    struct vv_error err = {0};
    CHILD_CHECK(geteuid() != 0 || setuid(UNPRIVILEGED) == 0);
    CHILD_CHECK(storage_publish(f->s, "keys/b", vv_span("x", 1), &err) == VV_EIO);
    CHILD_CHECK(err.origin == VV_ORIGIN_REPOSITORY && err.sys == EACCES && err.hint[0] != '\0');
    CHILD_CHECK(storage_remove(f->s, "keys/a", &err) == VV_EIO);
    CHILD_CHECK(storage_abilities(f->s) == 0 ||
                storage_abilities(f->s) == STORAGE_COMPLETE_LISTING);
    uint64_t size = 0;
    CHILD_CHECK(storage_size(f->s, "keys/a", &size, &err) == VV_OK && size == 1);
    return 0;
}

static void
local__says_when_it_may_not_write(void **state)
{
    (void)state;
    struct local_fixture f;
    char path[600];
    local_fixture_layout(&f);
    must_publish(f.s, "keys/a", "a");
    mode_t mode = geteuid() == 0 ? 0755 : 0500;
    assert_int_equal(chmod(f.base, 0755), 0);
    assert_int_equal(chmod(f.root, 0755), 0);
    assert_int_equal(chmod(local_fixture_path(&f, "tmp", path), mode), 0);
    assert_int_equal(chmod(local_fixture_path(&f, "keys", path), mode), 0);
    in_child(publish_without_rights, &f);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(chmod(local_fixture_path(&f, "tmp", path), 0700), 0);
    local_fixture_end(&f);
}

static int
publish_over_limit(struct local_fixture *f)
{
    static uint8_t data[200000];
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
    struct vv_error err = {0};
    CHILD_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHILD_CHECK(storage_publish(f->s, "packs/00/big", vv_span(data, sizeof(data)), &err) ==
                VV_ENOSPACE);
    CHILD_CHECK(err.origin == VV_ORIGIN_REPOSITORY);
    CHILD_CHECK(storage_publish(f->s, "packs/00/small", vv_span(data, 5000), &err) == VV_OK);
    return 0;
}

static void
local_publish__reports_a_limit_as_no_space(void **state)
{
    (void)state;
    struct local_fixture f;
    local_fixture_layout(&f);
    in_child(publish_over_limit, &f);
    must_lack(f.s, "packs/00/big");
    assert_int_equal(count_listed(f.s, "packs/00"), 1);
    assert_int_equal(count_listed(f.s, "tmp"), 0);
    local_fixture_end(&f);
}

static enum vv_rc
check_whole(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    unsigned *n = ctx;
    ++*n;
    return size == 50000 ? VV_OK : vv_error_set(err, VV_ECORRUPT, "'%s' is not whole", name);
}

static int
fill_small_disk(struct local_fixture *f)
{
    static uint8_t data[50000];
    struct vv_error err = {0};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(f->root, 0700) != 0 || mount("varve", f->root, "tmpfs", 0, "size=4m") != 0) {
        return 0; /* not root: the test of RLIMIT_FSIZE has to do */
    }
    CHILD_CHECK(storage_make_layout(f->s, &err) == VV_OK);
    /* fsync does nothing there, and it is said */
    CHILD_CHECK((storage_abilities(f->s) & STORAGE_DURABLE_FILE) == 0);
    unsigned n = 0;
    enum vv_rc rc = VV_OK;
    while (rc == VV_OK && n < 1000) {
        char name[32];
        snprintf(name, sizeof(name), "packs/00/%u", n);
        rc = storage_publish(f->s, name, vv_span(data, sizeof(data)), &err);
        n += rc == VV_OK;
    }
    CHILD_CHECK(rc == VV_ENOSPACE && err.rc == VV_ENOSPACE && n > 10);
    unsigned listed = 0;
    CHILD_CHECK(storage_list(f->s, "tmp", check_whole, &listed, &err) == VV_OK && listed == 0);
    CHILD_CHECK(storage_list(f->s, "packs/00", check_whole, &listed, &err) == VV_OK);
    CHILD_CHECK(listed == n);
    uint64_t space = 0;
    uint64_t total = 0;
    CHILD_CHECK(storage_space(f->s, &space, &total, &err) == VV_OK);
    CHILD_CHECK(space < sizeof(data) && total == 4 << 20);
    /* prune has to work now of all times */
    CHILD_CHECK((storage_abilities(f->s) & STORAGE_EXCLUSIVE_CREATE) != 0);
    CHILD_CHECK(storage_remove(f->s, "packs/00/0", &err) == VV_OK);
    CHILD_CHECK(storage_publish(f->s, "packs/00/again", vv_span(data, 50000), &err) == VV_OK);
    return 0;
}

static void
local_publish__survives_a_full_disk(void **state)
{
    (void)state;
    struct local_fixture f;
    local_fixture_begin(&f);
    in_child(fill_small_disk, &f);
    local_fixture_end(&f);
}

int
main(void)
{
    static const struct conformance_driver driver = {
        .name = "local", .open = new_local, .close = free_local};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_publish__makes_files_nobody_can_change),
        cmocka_unit_test(local_publish__steps_over_left_over_temporaries),
        cmocka_unit_test(local__is_found_again_by_another_process),
        cmocka_unit_test(local__follows_a_link_to_the_root),
        cmocka_unit_test(local__does_not_follow_links_inside),
        cmocka_unit_test(local__names_what_is_no_object),
        cmocka_unit_test(local__relative_path_survives_chdir),
        cmocka_unit_test(local__keeps_few_descriptors_open),
        cmocka_unit_test(local_uncache__drops_the_pages),
        cmocka_unit_test(local_layout__accepts_an_empty_directory),
        cmocka_unit_test(local_layout__refuses_what_is_in_use),
        cmocka_unit_test(local_layout__is_completed_where_parts_are),
        cmocka_unit_test(local_layout__needs_the_parent),
        cmocka_unit_test(local__says_when_it_may_not_write),
        cmocka_unit_test(local__says_when_too_many_files_are_open),
        cmocka_unit_test(local_publish__reports_a_limit_as_no_space),
        cmocka_unit_test(local_publish__survives_a_full_disk),
    };
    int failed = conformance_run(&driver);
    return failed + cmocka_run_group_tests_name("local only", tests, NULL, NULL);
}
