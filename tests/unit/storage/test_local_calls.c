/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* The local storage with every system call that changes something under the test's control: their
 * order, and each of them failing in each way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/conformance.h"
#include "storage/local_fixture.h"

enum which { OPEN, WRITE, FSYNC, CLOSE, LINK, UNLINK, RENAME, KINDS };
static const char *const kind_names[KINDS] = {"open", "write",  "fsync", "close",
                                              "link", "unlink", "rename"};

/* How the calls behave.  One thread at a time. */
static struct {
    unsigned calls;        /* so far */
    unsigned fail_at;      /* this one fails; 0: none does */
    int sys;               /* with this errno */
    bool done_anyway;      /* but does its work first: the reply is lost */
    bool delete_temporary; /* somebody tidies up just before it is linked */
    size_t write_limit;    /* no write takes more than this; 0: no limit */
    int always[KINDS];     /* errno of a call that never works */
    enum which failed;     /* the call that failed at fail_at */
    bool failed_on_file;   /* and it was about the temporary file, not a directory */
    char log[4096];
} trap;

static void
note(const char *text)
{
    size_t len = strlen(trap.log);
    snprintf(trap.log + len, sizeof(trap.log) - len, "%s%s", len == 0 ? "" : " ", text);
}

/* "keys/" for a directory's descriptor, "file" for another. */
static const char *
describe(int fd, char out[64])
{
    struct stat st;
    char link[64];
    char target[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (fstat(fd, &st) != 0 || n < 0 || !S_ISDIR(st.st_mode)) {
        return "file";
    }
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out, 64, "%.50s/", slash == NULL ? target : slash + 1);
    return out;
}

/* Count and log a call; true if it has to fail, with errno set.  ${*ret_do} says whether to do the
 * work nevertheless. */
static bool
fails(enum which which, const char *what, bool on_file, bool *ret_do)
{
    char text[200];
    snprintf(text, sizeof(text), "%s:%s", kind_names[which], what);
    note(text);
    trap.calls++;
    *ret_do = false;
    if (trap.always[which] != 0) {
        errno = trap.always[which];
        return true;
    }
    if (trap.calls == trap.fail_at) {
        trap.failed = which;
        trap.failed_on_file = on_file;
        *ret_do = trap.done_anyway;
        errno = trap.sys;
        return true;
    }
    return false;
}

static int
trapped_open(int directory, const char *name, int flags, mode_t mode)
{
    bool go_on;
    char text[64];
    bool on_file = (flags & O_CREAT) != 0;
    if (fails(OPEN, on_file ? "file" : describe(directory, text), on_file, &go_on)) {
        return -1;
    }
    return local_system_calls.open(directory, name, flags, mode);
}

static ssize_t
trapped_write(int fd, const void *data, size_t len)
{
    bool go_on;
    if (fails(WRITE, "file", true, &go_on)) {
        return -1;
    }
    return write(fd, data,
                 trap.write_limit != 0 && len > trap.write_limit ? trap.write_limit : len);
}

static int
trapped_fsync(int fd)
{
    bool go_on;
    char text[64];
    const char *what = describe(fd, text);
    return fails(FSYNC, what, strcmp(what, "file") == 0, &go_on) ? -1 : fsync(fd);
}

static int
trapped_close(int fd)
{
    bool go_on;
    bool bad = fails(CLOSE, "file", true, &go_on);
    int sys = errno;
    int rc = close(fd); /* close(2) always closes */
    errno = bad ? sys : errno;
    return bad ? -1 : rc;
}

static int
trapped_link(int from_directory, const char *from, int to_directory, const char *to)
{
    bool go_on;
    if (fails(LINK, to, false, &go_on)) {
        int sys = errno;
        if (go_on) {
            assert_int_equal(linkat(from_directory, from, to_directory, to, 0), 0);
        }
        errno = sys;
        return -1;
    }
    if (trap.delete_temporary) {
        assert_int_equal(unlinkat(from_directory, from, 0), 0);
    }
    return linkat(from_directory, from, to_directory, to, 0);
}

static int
trapped_unlink(int directory, const char *name)
{
    bool go_on;
    char text[64];
    return fails(UNLINK, describe(directory, text), false, &go_on) ? -1
                                                                   : unlinkat(directory, name, 0);
}

static int
trapped_rename(int from_directory, const char *from, int to_directory, const char *to,
               unsigned flags)
{
    bool go_on;
    assert_int_equal(flags, RENAME_NOREPLACE);
    if (fails(RENAME, to, false, &go_on)) {
        int sys = errno;
        if (go_on) {
            assert_int_equal(renameat2(from_directory, from, to_directory, to, flags), 0);
        }
        errno = sys;
        return -1;
    }
    return renameat2(from_directory, from, to_directory, to, flags);
}

static const struct local_calls trapped_calls = {
    .open = trapped_open,
    .write = trapped_write,
    .fsync = trapped_fsync,
    .close = trapped_close,
    .link = trapped_link,
    .unlink = trapped_unlink,
    .renameat2 = trapped_rename,
};

static void
reset(void)
{
    memset(&trap, 0, sizeof(trap));
}

static struct local_fixture fixture;

static int
setup(void **state)
{
    (void)state;
    reset();
    local_fixture_begin(&fixture);
    storage_local_set_calls(fixture.s, &calls_without_fsync);
    assert_int_equal(storage_make_layout(fixture.s, NULL), VV_OK);
    storage_local_set_calls(fixture.s, &trapped_calls);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    local_fixture_end(&fixture);
    return 0;
}

static enum vv_rc
publish(const char *name, const char *text, struct vv_error *err)
{
    return storage_publish(fixture.s, name, vv_span(text, strlen(text)), err);
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

static bool
exists(const char *name)
{
    uint64_t size;
    return storage_size(fixture.s, name, &size, NULL) == VV_OK;
}

/* --- order --- */

static void
local_publish__syncs_file_before_link_before_directory(void **state)
{
    (void)state;
    assert_int_equal(publish("snapshots/s", "contents", NULL), VV_OK);
    assert_string_equal(trap.log,
                        "open:file write:file fsync:file close:file open:snapshots/ link:s "
                        "fsync:snapshots/ unlink:tmp/");
}

static void
local_publish__renames_where_there_are_no_hard_links(void **state)
{
    (void)state;
    static const int reasons[] = {EPERM, EOPNOTSUPP, ENOSYS};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct vv_error err = {0};
        char name[32];
        teardown(state);
        setup(state);
        trap.always[LINK] = reasons[i];
        snprintf(name, sizeof(name), "keys/%zu", i);
        assert_int_equal(publish(name, "one", NULL), VV_OK);
        assert_non_null(strstr(trap.log, " rename:"));
        assert_non_null(strstr(trap.log, " fsync:keys/ open:tmp/ fsync:tmp/"));
        trap.log[0] = '\0';
        must_fail(publish(name, "two", &err), VV_EEXISTS, &err);
        assert_null(strstr(trap.log, "link:0")); /* learnt */
        must_hold_text(fixture.s, name, "one");
        assert_int_equal(count_listed(fixture.s, "tmp"), 0);
        assert_true((storage_abilities(fixture.s) & STORAGE_EXCLUSIVE_CREATE) != 0);
        assert_int_equal(count_listed(fixture.s, "tmp"), 0);
    }
}

static void
local_publish__says_when_nothing_is_exclusive(void **state)
{
    (void)state;
    static const int reasons[] = {EINVAL, ENOSYS, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct vv_error err = {0};
        trap.always[LINK] = EOPNOTSUPP;
        trap.always[RENAME] = reasons[i];
        must_fail(publish("keys/a", "one", &err), VV_EUNSUPPORTED, &err);
        assert_true(err.hint[0] != '\0');
        assert_false(exists("keys/a"));
        assert_int_equal(count_listed(fixture.s, "tmp"), 0);
        assert_int_equal(storage_abilities(fixture.s) & STORAGE_EXCLUSIVE_CREATE, 0);
    }
}

static void
local_remove__syncs_the_directory(void **state)
{
    (void)state;
    struct vv_error err = {0};
    assert_int_equal(publish("keys/a", "one", NULL), VV_OK);
    trap.log[0] = '\0';
    assert_int_equal(storage_remove(fixture.s, "keys/a", NULL), VV_OK);
    assert_string_equal(trap.log, "open:keys/ unlink:keys/ fsync:keys/");
    assert_int_equal(publish("keys/b", "one", NULL), VV_OK);
    trap.always[FSYNC] = EIO;
    must_fail(storage_remove(fixture.s, "keys/b", &err), VV_EIO, &err);
}

static void
local_remove_many__syncs_the_directory_once(void **state)
{
    static const char *const names[] = {"keys/a", "keys/none", "keys/b"};
    struct vv_error err = {0};

    (void)state;
    must_publish(fixture.s, "keys/a", "a");
    must_publish(fixture.s, "keys/b", "b");
    trap.log[0] = '\0';
    assert_int_equal(storage_remove_many(fixture.s, names, 3, &err), VV_OK);
    assert_string_equal(trap.log, "open:keys/ unlink:keys/ unlink:keys/ unlink:keys/ fsync:keys/");
    must_publish(fixture.s, "keys/b", "b");
    trap.always[FSYNC] = EIO;
    must_fail(storage_remove_many(fixture.s, names + 2, 1, &err), VV_EIO, &err);
}

/* --- failures --- */

/* What must hold when call number trap.fail_at of a publication has failed. */
static void
check_failed_publish(enum vv_rc rc, const struct vv_error *err)
{
    bool there = exists("keys/a");
    bool file_lost =
        trap.failed_on_file && trap.failed != OPEN && !(trap.failed == WRITE && trap.sys == EINTR);
    if (there) {
        must_hold_text(fixture.s, "keys/a", "contents");
    }
    if (rc == VV_OK) {
        /* only what does not matter, or was tried again, or was seen to have worked */
        assert_true(there);
        assert_false(file_lost);
        assert_true(trap.failed == UNLINK || trap.sys == EINTR);
    } else {
        assert_int_equal(err->origin, VV_ORIGIN_REPOSITORY);
        assert_int_not_equal(rc, VV_EEXISTS);
        assert_int_not_equal(rc, VV_ENOTFOUND);
        bool full = trap.sys == ENOSPC || trap.sys == EDQUOT;
        bool passing = trap.sys == EINTR || trap.sys == ESTALE;
        assert_int_equal(rc, full ? VV_ENOSPACE : passing ? VV_ETRANSIENT : VV_EIO);
        /* only a name that could not be made durable may be there */
        assert_true(!there || (trap.failed == FSYNC && !trap.failed_on_file));
    }
    if (file_lost) { /* S5: neither tried again nor used */
        assert_null(strstr(trap.log, "link:a"));
        const char *first = strstr(trap.log, "fsync:file");
        assert_true(first == NULL || strstr(first + 1, "fsync:file") == NULL);
        const char *closed = strstr(trap.log, "close:file");
        assert_non_null(closed);
        assert_null(strstr(closed + 1, "close:file"));
    }
    assert_int_equal(count_listed(fixture.s, "tmp"), trap.failed == UNLINK ? 1 : 0);
}

static void
local_publish__survives_each_call_failing(void **state)
{
    static const int reasons[] = {EIO, ENOSPC, EDQUOT, EINTR, ESTALE};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        unsigned total = 8;
        for (unsigned at = 1; at <= total; at++) {
            (void)state;
            struct vv_error err = {0};
            reset();
            trap.fail_at = at;
            trap.sys = reasons[i];
            unsigned before = open_descriptors();
            enum vv_rc rc = publish("keys/a", "contents", &err);
            assert_true(trap.calls >= at);
            check_failed_publish(rc, &err);
            /* apart from directories that are kept open (some of them stale), nothing is left */
            assert_true(open_descriptors() <= before + (reasons[i] == ESTALE ? 6 : 3));
            /* and it goes on: under a new attempt the name is free, or shows what is there */
            bool there = exists("keys/a");
            reset();
            assert_int_equal(publish("keys/a", "contents", NULL), there ? VV_EEXISTS : VV_OK);
            assert_int_equal(storage_remove(fixture.s, "keys/a", NULL), VV_OK);
            if (count_listed(fixture.s, "tmp") > 0) { /* the one whose unlinking failed */
                teardown(state);
                setup(state);
            }
        }
    }
}

static void
local_publish__completes_short_writes(void **state)
{
    (void)state;
    trap.write_limit = 1;
    assert_int_equal(publish("keys/a", "one byte at a time", NULL), VV_OK);
    must_hold_text(fixture.s, "keys/a", "one byte at a time");
    assert_true(trap.calls > 18);
}

static void
local_publish__repeats_interrupted_opens_and_writes(void **state)
{
    (void)state;
    static const enum which calls[] = {OPEN, WRITE};
    for (unsigned i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof(name), "keys/%u", i);
        reset();
        trap.fail_at = i + 1;
        trap.sys = EINTR;
        assert_int_equal(publish(name, "contents", NULL), VV_OK);
        assert_int_equal(trap.failed, calls[i]);
        must_hold_text(fixture.s, name, "contents");
    }
}

static void
local_publish__gives_up_when_writing_makes_no_progress(void **state)
{
    (void)state;
    struct vv_error err = {0};
    trap.always[WRITE] = ENOSPC;
    must_fail(publish("keys/a", "contents", &err), VV_ENOSPACE, &err);
    assert_int_equal(err.sys, ENOSPC);
    assert_non_null(strstr(err.message, "keys/a"));
    assert_false(exists("keys/a"));
    assert_int_equal(count_listed(fixture.s, "tmp"), 0);
}

static void
local_publish__knows_its_own_link_when_the_reply_is_lost(void **state)
{
    (void)state;
    static const int reasons[] = {EIO, EEXIST, EINTR, ETIMEDOUT, ESTALE, ENOENT};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        char name[32];
        snprintf(name, sizeof(name), "keys/%zu", i);
        reset();
        trap.fail_at = 6;
        trap.sys = reasons[i];
        trap.done_anyway = true;
        assert_int_equal(publish(name, "contents", NULL), VV_OK);
        assert_int_equal(trap.failed, LINK);
        /* the name is made durable all the same */
        assert_non_null(strstr(trap.log, " fsync:keys/"));
        must_hold_text(fixture.s, name, "contents");
        assert_int_equal(count_listed(fixture.s, "tmp"), 0);
    }
}

static void
local_publish__knows_its_own_renaming_when_the_reply_is_lost(void **state)
{
    (void)state;
    trap.always[LINK] = EPERM;
    trap.fail_at = 7;
    trap.sys = EIO;
    trap.done_anyway = true;
    assert_int_equal(publish("keys/a", "contents", NULL), VV_OK);
    assert_int_equal(trap.failed, RENAME);
    must_hold_text(fixture.s, "keys/a", "contents");
    /* not done and not there: no success */
    struct vv_error err = {0};
    reset();
    trap.always[LINK] = EPERM;
    trap.always[RENAME] = EIO;
    must_fail(publish("keys/b", "contents", &err), VV_EIO, &err);
    assert_false(exists("keys/b"));
    /* somebody else's, with the same bytes */
    must_fail(publish("keys/a", "contents", &err), VV_EEXISTS, &err);
    assert_int_equal(count_listed(fixture.s, "tmp"), 0);
}

static void
local_publish__does_not_take_equal_bytes_for_its_own(void **state)
{
    (void)state;
    struct vv_error err = {0};
    assert_int_equal(publish("keys/a", "contents", NULL), VV_OK);
    static const int reasons[] = {EIO, EEXIST, ETIMEDOUT};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        reset();
        trap.always[LINK] = reasons[i];
        must_fail(publish("keys/a", "contents", &err), VV_EEXISTS, &err);
        assert_int_equal(count_listed(fixture.s, "tmp"), 0);
    }
}

static void
local_publish__keeps_a_name_that_may_not_be_durable(void **state)
{
    (void)state;
    struct vv_error err = {0};
    trap.fail_at = 7;
    trap.sys = EIO;
    must_fail(publish("keys/a", "contents", &err), VV_EIO, &err);
    assert_int_equal(trap.failed, FSYNC);
    assert_false(trap.failed_on_file);
    /* somebody may have seen it: taking a name away is worse */
    must_hold_text(fixture.s, "keys/a", "contents");
    assert_int_equal(count_listed(fixture.s, "tmp"), 0);
}

static void
local_publish__lives_without_directory_sync_and_says_so(void **state)
{
    (void)state;
    trap.fail_at = 7;
    trap.sys = EINVAL;
    assert_int_equal(publish("keys/a", "contents", NULL), VV_OK);
    assert_int_equal(trap.failed, FSYNC);
    assert_int_equal(storage_abilities(fixture.s) & STORAGE_DURABLE_NAME, 0);
    assert_true((storage_abilities(fixture.s) & STORAGE_EXCLUSIVE_CREATE) != 0);
}

static void
local__opens_directories_anew_after_a_stale_handle(void **state)
{
    (void)state;
    struct vv_error err = {0};
    assert_int_equal(publish("keys/a", "contents", NULL), VV_OK);
    reset();
    trap.fail_at = 1;
    trap.sys = ESTALE;
    must_fail(publish("keys/b", "contents", &err), VV_ETRANSIENT, &err);
    /* the handle was stale because the directory is another one now */
    char old[600];
    char moved[600];
    local_fixture_path(&fixture, "keys", old);
    local_fixture_path(&fixture, "keys-moved", moved);
    assert_int_equal(rename(old, moved), 0);
    assert_int_equal(mkdir(old, 0700), 0);
    assert_int_equal(publish("keys/b", "contents", NULL), VV_OK);
    assert_int_equal(count_listed(fixture.s, "keys"), 1);
    assert_int_equal(count_listed(fixture.s, "keys-moved"), 1);
}

static void
local_publish__says_when_its_temporary_was_deleted(void **state)
{
    (void)state;
    struct vv_error err = {0};
    /* trying again helps, so it must not look like a missing directory */
    trap.delete_temporary = true;
    must_fail(publish("keys/a", "contents", &err), VV_ETRANSIENT, &err);
    assert_false(exists("keys/a"));
    /* nor like success if somebody else has put the same bytes there meanwhile */
    reset();
    assert_int_equal(publish("keys/a", "contents", NULL), VV_OK);
    reset();
    trap.delete_temporary = true;
    must_fail(publish("keys/a", "contents", &err), VV_EEXISTS, &err);
    /* with the temporary there, it is the directory that is missing */
    reset();
    trap.always[LINK] = ENOENT;
    must_fail(publish("keys/b", "contents", &err), VV_ENOTFOUND, &err);
    assert_int_equal(count_listed(fixture.s, "tmp"), 0);
}

static void
local_abilities__of_a_disk_are_complete(void **state)
{
    (void)state;
    const uint32_t least = STORAGE_EXCLUSIVE_CREATE | STORAGE_DELETE;
    assert_int_equal(storage_abilities(fixture.s) & least, least);
    assert_int_equal(count_listed(fixture.s, "tmp"), 0);
    unsigned calls = trap.calls;
    (void)storage_abilities(fixture.s);
    assert_int_equal(trap.calls, calls); /* once is enough */
}

static void
local_abilities__lack_what_failed(void **state)
{
    trap.always[UNLINK] = EPERM;
    assert_int_equal(storage_abilities(fixture.s) & STORAGE_DELETE, 0);
    teardown(state);
    setup(state);
    trap.always[FSYNC] = EIO;
    uint32_t durable = STORAGE_DURABLE_FILE | STORAGE_DURABLE_NAME;
    assert_int_equal(storage_abilities(fixture.s) & durable, 0);
    reset(); /* a failed trial is no verdict for ever */
    assert_true((storage_abilities(fixture.s) & STORAGE_EXCLUSIVE_CREATE) != 0);
}

/* --- layout --- */

static void
local_layout__syncs_every_directory_and_the_parent(void **state)
{
    (void)state;
    struct local_fixture f;
    local_fixture_begin(&f);
    storage_local_set_calls(f.s, &trapped_calls);
    reset();
    assert_int_equal(storage_make_layout(f.s, NULL), VV_OK);
    assert_int_equal(trap.calls, storage_layout_count() + 2);
    unsigned before = trap.calls;
    local_fixture_end(&f);
    /* each of them failing leaves nothing behind, so that init can be repeated */
    for (unsigned at = 1; at <= before; at += at == 1 ? before / 2 : before / 2 - 1) {
        struct vv_error err = {0};
        struct stat st;
        local_fixture_begin(&f);
        storage_local_set_calls(f.s, &trapped_calls);
        reset();
        trap.fail_at = at;
        trap.sys = EIO;
        must_fail(storage_make_layout(f.s, &err), VV_EIO, &err);
        assert_int_equal(stat(f.root, &st), -1);
        reset();
        assert_int_equal(storage_make_layout(f.s, NULL), VV_OK);
        local_fixture_end(&f);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(local_publish__syncs_file_before_link_before_directory),
        CASE(local_publish__renames_where_there_are_no_hard_links),
        CASE(local_publish__says_when_nothing_is_exclusive),
        CASE(local_remove__syncs_the_directory),
        CASE(local_remove_many__syncs_the_directory_once),
        CASE(local_publish__survives_each_call_failing),
        CASE(local_publish__completes_short_writes),
        CASE(local_publish__repeats_interrupted_opens_and_writes),
        CASE(local_publish__gives_up_when_writing_makes_no_progress),
        CASE(local_publish__knows_its_own_link_when_the_reply_is_lost),
        CASE(local_publish__knows_its_own_renaming_when_the_reply_is_lost),
        CASE(local_publish__does_not_take_equal_bytes_for_its_own),
        CASE(local_publish__keeps_a_name_that_may_not_be_durable),
        CASE(local_publish__lives_without_directory_sync_and_says_so),
        CASE(local__opens_directories_anew_after_a_stale_handle),
        CASE(local_publish__says_when_its_temporary_was_deleted),
        CASE(local_abilities__of_a_disk_are_complete),
        CASE(local_abilities__lack_what_failed),
        cmocka_unit_test(local_layout__syncs_every_directory_and_the_parent),
    };
    return cmocka_run_group_tests_name("local calls", tests, NULL, NULL);
}
