/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/file.h.  The system calls that make a file durable are replaced by versions that
 * write down their order and fail on request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_sweep.h"
#include "core/file.h"

/* F fsync of a file, D fsync of a directory, L link, R rename, N exclusive rename, U unlink. */
static char trace[64];
static char fail_call;
static int fail_errno;

/* Note the call; 0, or -1 with errno set if it is the one to fail. */
static int
traced(char call)
{
    size_t len = strlen(trace);
    assert_true(len + 1 < sizeof(trace));
    trace[len] = call;
    trace[len + 1] = '\0';
    if (call == fail_call) {
        errno = fail_errno;
        return -1;
    }
    return 0;
}

int
fsync(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return traced(S_ISDIR(st.st_mode) ? 'D' : 'F') != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return traced('L') != 0 ? -1 : (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return traced('R') != 0 ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return traced('N') != 0 ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int
unlinkat(int dir, const char *name, int flags)
{
    return traced('U') != 0 ? -1 : (int)syscall(SYS_unlinkat, dir, name, flags);
}

static void
expect_failure_of(char call, int sys)
{
    trace[0] = '\0';
    fail_call = call;
    fail_errno = sys;
}

static char root[64];

static int
enter_directory(void **state)
{
    (void)state;
    strcpy(root, "/tmp/varve-test-core-file-XXXXXX");
    if (mkdtemp(root) == NULL || chdir(root) != 0) {
        return -1;
    }
    expect_failure_of('\0', 0);
    return 0;
}

static int
leave_directory(void **state)
{
    (void)state;
    char command[128];
    expect_failure_of('\0', 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static unsigned
entries_of(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(d);
    return n;
}

static void
assert_content(const char *path, const char *expected)
{
    struct vv_buf b = {0};
    struct vv_error err = {0};
    if (vv_file_read(AT_FDCWD, path, 1 << 20, &b, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(vv_buf_text(&b), expected);
    vv_buf_release(&b);
}

static struct vv_span
text(const char *s)
{
    return vv_span(s, strlen(s));
}

static void
replace__flushes_before_and_after_the_rename(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(vv_file_replace(AT_FDCWD, "f", text("old"), 0600, NULL), VV_OK);
    assert_string_equal(trace, "FRD");
    assert_int_equal(vv_file_replace(AT_FDCWD, "./f", text("new"), 0400, NULL), VV_OK);
    assert_string_equal(trace, "FRDFRD");
    assert_content("f", "new");
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(entries_of("."), 1);
}

static void
create__links_exclusively(void **state)
{
    (void)state;
    struct vv_error err = {0};
    struct stat st;
    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("one"), 0400, &err), VV_OK);
    assert_string_equal(trace, "FLUD");
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("two"), 0400, &err), VV_EEXISTS);
    assert_non_null(strstr(err.message, "'f'"));
    assert_content("f", "one");
    assert_int_equal(entries_of("."), 1);
}

static void
create__does_without_hard_links(void **state)
{
    (void)state;
    expect_failure_of('L', EPERM);
    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("one"), 0600, NULL), VV_OK);
    assert_string_equal(trace, "FLND");
    expect_failure_of('L', EPERM);
    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("two"), 0600, NULL), VV_EEXISTS);
    assert_string_equal(trace, "FLNU");
    assert_content("f", "one");
    assert_int_equal(entries_of("."), 1);
}

static void
put__never_repeats_a_failed_flush(void **state)
{
    (void)state;
    struct vv_error err = {0};
    assert_int_equal(vv_file_replace(AT_FDCWD, "f", text("old"), 0600, NULL), VV_OK);
    expect_failure_of('F', EIO);
    assert_int_equal(vv_file_replace(AT_FDCWD, "f", text("new"), 0600, &err), VV_EIO);
    assert_string_equal(trace, "FU");
    assert_int_equal(err.sys, EIO);
    assert_content("f", "old");
    expect_failure_of('F', ENOSPC);
    assert_int_equal(vv_file_create(AT_FDCWD, "g", text("new"), 0600, &err), VV_ENOSPACE);
    assert_string_equal(trace, "FU");
    assert_int_equal(entries_of("."), 1);

    expect_failure_of('D', EIO);
    assert_int_equal(vv_file_replace(AT_FDCWD, "f", text("new"), 0600, &err), VV_EIO);
    assert_string_equal(trace, "FRD");
    assert_content("f", "new");
    expect_failure_of('D', EIO);
    assert_int_equal(vv_file_create(AT_FDCWD, "g", text("new"), 0600, &err), VV_EIO);
    assert_string_equal(trace, "FLUD");
}

static void
put__leaves_nothing_after_a_failed_rename(void **state)
{
    (void)state;
    struct vv_error err = {0};
    expect_failure_of('R', EIO);
    assert_int_equal(vv_file_replace(AT_FDCWD, "f", text("new"), 0600, &err), VV_EIO);
    assert_string_equal(trace, "FRU");
    expect_failure_of('L', EIO);
    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("new"), 0600, &err), VV_EIO);
    assert_string_equal(trace, "FLU");
    assert_int_equal(entries_of("."), 0);
}

static void
put__leaves_nothing_after_a_failed_write(void **state)
{
    (void)state;
    static uint8_t large[100000];
    struct rlimit before;
    struct vv_error err = {0};

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum vv_rc rc = vv_file_create(AT_FDCWD, "f", vv_span(large, sizeof(large)), 0600, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, VV_EIO);
    assert_int_equal(err.sys, EFBIG);
    assert_string_equal(trace, "U");
    assert_int_equal(entries_of("."), 0);
}

static void
put__long_names_and_odd_paths(void **state)
{
    (void)state;
    char name[256];
    struct vv_error err = {0};
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(vv_file_create(AT_FDCWD, name, text("x"), 0600, &err), VV_OK);
    assert_content(name, "x");
    assert_int_equal(vv_file_create(AT_FDCWD, "", text("x"), 0600, &err), VV_EUSAGE);
    assert_int_equal(vv_file_create(AT_FDCWD, "d/", text("x"), 0600, &err), VV_EUSAGE);
    assert_int_equal(vv_file_create(AT_FDCWD, "d/..", text("x"), 0600, &err), VV_EUSAGE);
    assert_int_equal(vv_file_create(AT_FDCWD, "no/f", text("x"), 0600, &err), VV_ENOTFOUND);
    assert_int_equal(entries_of("."), 1);

    assert_int_equal(mkdir("d", 0700), 0);
    VV_CLEANUP(vv_fd_closep) int dir = open("d", O_RDONLY | O_DIRECTORY);
    assert_int_equal(vv_file_create(dir, "f", vv_span(NULL, 0), 0600, &err), VV_OK);
    assert_content("d/f", "");
}

static enum vv_rc
create_and_read(void *arg, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf b = {0};

    (void)arg;
    VV_TRY(vv_mkdir_all("p/q", 0700, err));
    VV_TRY(vv_file_replace(AT_FDCWD, "p/q/f", text("x"), 0600, err));
    trace[0] = '\0';
    return vv_file_read(AT_FDCWD, "p/q/f", 100, &b, err);
}

static void
file__survives_any_failed_allocation(void **state)
{
    (void)state;
    assert_true(alloc_sweep(create_and_read, NULL) >= 3);
    assert_int_equal(entries_of("p/q"), 1);
}

static void
read__appends_up_to_the_limit(void **state)
{
    (void)state;
    struct vv_buf b = {0};
    struct vv_error err = {0};
    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("12345"), 0600, NULL), VV_OK);
    vv_buf_put_text(&b, "0");
    assert_int_equal(vv_file_read(AT_FDCWD, "f", 5, &b, &err), VV_OK);
    assert_string_equal(vv_buf_text(&b), "012345");
    assert_int_equal(vv_file_read(AT_FDCWD, "f", 4, &b, &err), VV_ELIMIT);
    assert_string_equal(vv_buf_text(&b), "012345");
    assert_int_equal(vv_file_read(AT_FDCWD, "f", 0, &b, &err), VV_ELIMIT);
    assert_int_equal(vv_file_read(AT_FDCWD, "f", SIZE_MAX, &b, &err), VV_OK);
    assert_string_equal(vv_buf_text(&b), "01234512345");
    assert_int_equal(vv_file_read(AT_FDCWD, "none", 5, &b, &err), VV_ENOTFOUND);
    assert_int_equal(vv_file_read(AT_FDCWD, ".", 5, &b, &err), VV_EIO);
    /* A file whose size stat does not tell. */
    assert_int_equal(vv_file_read(AT_FDCWD, "/proc/self/stat", 3, &b, &err), VV_ELIMIT);
    assert_int_equal(b.len, 11);
    assert_int_equal(vv_file_read(AT_FDCWD, "/proc/self/stat", 4096, &b, &err), VV_OK);
    assert_true(b.len > 11);
    vv_buf_release(&b);
}

static void
fd__is_what_a_text_names(void **state)
{
    int ends[2];
    struct stat st;
    const char *rest = NULL;
    char text[96];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fstat(ends[0], &st), 0);
    (void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    assert_true(vv_fd_is(ends[0], text, NULL));
    assert_false(vv_fd_is(STDIN_FILENO, text, NULL));
    (void)snprintf(text, sizeof(text), "%ju:%ju:80", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    assert_true(vv_fd_is(ends[0], text, &rest));
    assert_string_equal(rest, ":80");
    (void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev + 1, (uintmax_t)st.st_ino);
    assert_false(vv_fd_is(ends[0], text, NULL));
    assert_false(vv_fd_is(ends[0], "", NULL));
    (void)snprintf(text, sizeof(text), "%ju", (uintmax_t)st.st_dev);
    assert_false(vv_fd_is(ends[0], text, NULL));
    (void)snprintf(text, sizeof(text), "%ju:", (uintmax_t)st.st_dev);
    assert_false(vv_fd_is(ends[0], text, NULL));
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_false(vv_fd_is(ends[0], "0:0", NULL));
}

static void
fd__completes_reads_and_writes(void **state)
{
    (void)state;
    uint8_t in[10] = {0};
    size_t got = 77;
    int fd = -1;
    struct vv_error err = {0};
    assert_int_equal(vv_temp_file(".", &fd, &err), VV_OK);
    assert_int_equal(entries_of("."), 0);
    assert_int_equal(vv_fd_write_full(fd, "abcdef", 6, "t", &err), VV_OK);
    assert_int_equal(vv_fd_pwrite_full(fd, "XY", 2, 2, "t", &err), VV_OK);
    assert_int_equal(vv_fd_pread_full(fd, in, 10, 1, "t", &got, &err), VV_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(in, "bXYef", 5);
    assert_int_equal(vv_fd_read_full(fd, in, 10, "t", &got, &err), VV_OK);
    assert_int_equal(got, 0);

    got = 77;
    assert_int_equal(vv_fd_pread_full(fd, in, 2, INT64_MAX, "t", &got, &err), VV_EIO);
    assert_int_equal(vv_fd_pread_full(fd, in, 2, UINT64_MAX, "t", &got, &err), VV_EIO);
    assert_int_equal(vv_fd_pwrite_full(fd, in, 2, UINT64_MAX, "t", &err), VV_EIO);
    assert_int_equal(vv_fd_read_full(-1, in, 2, "t", &got, &err), VV_EIO);
    assert_int_equal(got, 77);
    assert_int_equal(err.sys, EBADF);
    vv_fd_close(fd);
    assert_int_equal(vv_temp_file("none", &fd, &err), VV_ENOTFOUND);

    errno = ENOSPC;
    vv_fd_close(-1);
    vv_fd_close(12345);
    assert_int_equal(errno, ENOSPC);
}

static void
fd__reads_a_pipe_to_its_end(void **state)
{
    (void)state;
    int ends[2];
    char in[8];
    size_t got = 0;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(vv_fd_write_full(ends[1], "abc", 3, "pipe", NULL), VV_OK);
    vv_fd_close(ends[1]);
    assert_int_equal(vv_fd_read_full(ends[0], in, sizeof(in), "pipe", &got, NULL), VV_OK);
    assert_int_equal(got, 3);
    assert_memory_equal(in, "abc", 3);
    vv_fd_close(ends[0]);
}

static void
fd__reports_a_full_disk(void **state)
{
    (void)state;
    struct vv_error err = {0};
    VV_CLEANUP(vv_fd_closep) int fd = open("/dev/full", O_WRONLY);
    assert_int_equal(vv_fd_write_full(fd, "x", 1, "full", &err), VV_ENOSPACE);
    assert_string_equal(err.message, "cannot write 'full': No space left on device");
}

static void
mkdir_all__makes_durable_parents(void **state)
{
    (void)state;
    struct vv_error err = {0};
    char absolute[128];
    assert_int_equal(vv_mkdir_all("a/b//c/", 0700, &err), VV_OK);
    assert_string_equal(trace, "DDD");
    assert_int_equal(vv_mkdir_all("a/b/c", 0700, &err), VV_OK);
    assert_string_equal(trace, "DDD");
    snprintf(absolute, sizeof(absolute), "%s/x/y", root);
    assert_int_equal(vv_mkdir_all(absolute, 0700, &err), VV_OK);
    assert_int_equal(access("x/y", F_OK), 0);
    assert_int_equal(vv_mkdir_all("/", 0700, &err), VV_OK);
    assert_int_equal(vv_mkdir_all(".", 0700, &err), VV_OK);

    assert_int_equal(vv_file_create(AT_FDCWD, "f", text("x"), 0600, &err), VV_OK);
    assert_int_equal(vv_mkdir_all("f", 0700, &err), VV_ENOTFOUND);
    assert_int_equal(vv_mkdir_all("f/g", 0700, &err), VV_ENOTFOUND);
    assert_int_equal(vv_mkdir_all("", 0700, &err), VV_ENOTFOUND);
    expect_failure_of('D', EIO);
    assert_int_equal(vv_mkdir_all("z", 0700, &err), VV_EIO);
}

static void
lock__excludes_other_descriptions(void **state)
{
    (void)state;
    bool got = false;
    int a = open("lock", O_RDWR | O_CREAT, 0600);
    int b = open("lock", O_RDWR);
    assert_int_equal(vv_file_lock(a, false, &got, NULL), VV_OK);
    assert_true(got);
    assert_int_equal(vv_file_lock(b, false, &got, NULL), VV_OK);
    assert_false(got);
    vv_fd_close(a);
    assert_int_equal(vv_file_lock(b, true, &got, NULL), VV_OK);
    assert_true(got);
    vv_fd_close(b);
    assert_int_equal(vv_file_lock(-1, false, &got, NULL), VV_EIO);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, enter_directory, leave_directory)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(replace__flushes_before_and_after_the_rename),
        FILE_TEST(create__links_exclusively),
        FILE_TEST(create__does_without_hard_links),
        FILE_TEST(put__never_repeats_a_failed_flush),
        FILE_TEST(put__leaves_nothing_after_a_failed_rename),
        FILE_TEST(put__leaves_nothing_after_a_failed_write),
        FILE_TEST(put__long_names_and_odd_paths),
        FILE_TEST(file__survives_any_failed_allocation),
        FILE_TEST(read__appends_up_to_the_limit),
        FILE_TEST(fd__is_what_a_text_names),
        FILE_TEST(fd__completes_reads_and_writes),
        FILE_TEST(fd__reads_a_pipe_to_its_end),
        FILE_TEST(fd__reports_a_full_disk),
        FILE_TEST(mkdir_all__makes_durable_parents),
        FILE_TEST(lock__excludes_other_descriptions),
    };
    umask(022);
    return cmocka_run_group_tests_name("core/file", tests, NULL, NULL);
}
