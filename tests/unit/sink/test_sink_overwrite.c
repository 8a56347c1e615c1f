/* SPDX-License-Identifier: BSD-2-Clause */

/* What is in the way: overwrite modes, left-overs of a killed restore, listing, removing, dry
 * runs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink/helper_sink.h"

static void
plant(const struct scratch *dir, const char *path, const char *content)
{
    int fd = openat(dir->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    close(fd);
}

static bool
content_is(const struct scratch *dir, const char *path, const char *content)
{
    char buffer[64] = {0};
    int fd = openat(dir->fd, path, O_RDONLY | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);

    close(fd);
    return n == (ssize_t)strlen(content) && strcmp(buffer, content) == 0;
}

static void
overwrite__never_keeps_what_differs(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "f", 0644);
    struct entry l = make_entry(ENTRY_SYMLINK, "f", 0777);
    struct entry d = make_entry(ENTRY_DIRECTORY, "f", 0755);
    struct entry h = make_entry(ENTRY_FILE, "f", 0644);
    struct entry other = make_entry(ENTRY_FILE, "other", 0644);
    enum sink_existing existing;
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    (void)mkdirat(dir.fd, "target", 0700);
    plant(&dir, "target/f", "old");
    s = open_sink(&dir, SINK_NEVER, NULL);
    l.target = text("x");
    f.size = 3;
    CHECK_OK(sink_existing(s, &f, &existing, err));
    CHECK(existing == SINK_DIFFERENT);
    CHECK(put_file(s, &f, "new", 3, err) == VV_EEXISTS);
    CHECK(strstr(err->message, "'f' exists and differs: kept") != NULL);
    CHECK(sink_other(s, &l, err) == VV_EEXISTS);
    CHECK(sink_directory(s, &d, err) == VV_EEXISTS);
    CHECK(sink_attributes(s, &f, err) == VV_EEXISTS);
    CHECK_OK(put_file(s, &other, "x", 1, err));
    CHECK(sink_link(s, &h, other.path, err) == VV_EEXISTS);
    CHECK_OK(sink_existing(s, &other, &existing, err));
    CHECK(existing == SINK_EQUAL);
    CHECK_OK(sink_link(s, &other, other.path, err)); /* it is that already */
    CHECK(content_is(&dir, "target/f", "old"));
    f.path = text("nothing/here");
    CHECK_OK(sink_existing(s, &f, &existing, err));
    CHECK(existing == SINK_ABSENT);
    CHECK(put_file(s, &f, "new", 3, err) == VV_ENOTFOUND);
    CHECK_OK(sink_finish(s, err));
    sink_free(s);
    CHECK(count_temporary(openat(dir.fd, "target", O_PATH)) == 0);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
overwrite__changed_replaces_each_type_by_each(void **state)
{
    static const enum entry_type types[] = {ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK, ENTRY_FIFO};
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    s = open_sink(&dir, SINK_CHANGED, NULL);
    for (size_t i = 0; i < VV_COUNT(types) * VV_COUNT(types) * 2; i++) {
        struct entry e = make_entry(types[i / 2 % 4], "x", 0700);
        if (i % 2 == 1) {
            e.type = types[i / 8];
        }
        e.target = text("target");
        if (e.type == ENTRY_FILE) {
            CHECK_OK(put_file(s, &e, "x", 1, err));
        } else if (e.type == ENTRY_DIRECTORY) {
            CHECK_OK(sink_directory(s, &e, err));
            CHECK_OK(sink_finish(s, err));
        } else {
            CHECK_OK(sink_other(s, &e, err));
        }
        agrees(s, &e);
    }
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
overwrite__directory_with_content_is_not_replaced(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "d", 0644);
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    (void)mkdirat(dir.fd, "target", 0700);
    (void)mkdirat(dir.fd, "target/d", 0700);
    plant(&dir, "target/d/precious", "data");
    s = open_sink(&dir, SINK_ALWAYS, NULL);
    CHECK(put_file(s, &f, "x", 1, err) == VV_EEXISTS);
    CHECK(strstr(err->message, "not empty") != NULL);
    CHECK(content_is(&dir, "target/d/precious", "data"));
    CHECK_OK(sink_remove(s, f.path, err));
    CHECK_OK(put_file(s, &f, "x", 1, err));
    agrees(s, &f);
    sink_free(s);
    CHECK(count_temporary(openat(dir.fd, "target", O_PATH)) == 0);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
overwrite__hard_links_replace(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry a = make_entry(ENTRY_FILE, "a", 0644);
    struct entry b = make_entry(ENTRY_FILE, "b", 0644);
    struct stat st[2];
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    (void)mkdirat(dir.fd, "target", 0700);
    plant(&dir, "target/b", "old");
    s = open_sink(&dir, SINK_CHANGED, NULL);
    CHECK_OK(put_file(s, &a, "new", 3, err));
    CHECK_OK(sink_link(s, &b, a.path, err));
    CHECK_OK(sink_link(s, &b, a.path, err));
    sink_free(s);
    CHECK(fstatat(dir.fd, "target/a", &st[0], 0) == 0 &&
          fstatat(dir.fd, "target/b", &st[1], 0) == 0);
    CHECK(st[0].st_ino == st[1].st_ino && st[0].st_nlink == 2);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
leftovers__of_a_killed_restore_are_removed(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0755);
    struct entry f = make_entry(ENTRY_FILE, "d/f", 0644);
    struct entry top = make_entry(ENTRY_FILE, "top", 0644);
    struct sink *s;
    pid_t child;
    int status;
    int fd;

    (void)state;
    scratch_make(&dir);
    child = fork();
    if (child == 0) {
        struct sink_file *file;
        s = open_sink(&dir, SINK_NEVER, NULL);
        if (sink_directory(s, &d, err) != VV_OK || sink_file_begin(s, &f, &file, err) != VV_OK ||
            sink_file_begin(s, &top, &file, err) != VV_OK) {
            _exit(1);
        }
        _exit(0); /* as good as killed */
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    fd = openat(dir.fd, "target", O_PATH);
    CHECK(count_temporary(fd) == 1);
    close(fd);
    fd = openat(dir.fd, "target/d", O_PATH);
    CHECK(count_temporary(fd) == 1);
    plant(&dir, "target/d/.varve-0123456789abcdef.tmp.mine", "stays");
    plant(&dir, "target/d/.varve-0123456789abcdeg.tmp", "stays");
    CHECK(count_temporary(fd) == 3);

    s = open_sink(&dir, SINK_NEVER, NULL);
    CHECK_OK(sink_directory(s, &d, err));
    CHECK(count_temporary(fd) == 2);
    CHECK_OK(put_file(s, &f, "x", 1, err));
    struct sink_file *file;
    CHECK_OK(sink_file_begin(s, &top, &file, err));
    CHECK_OK(sink_directory(s, &d, err)); /* entered again: this run's own names stay */
    sink_file_abort(file);
    CHECK_OK(sink_finish(s, err));
    sink_free(s);
    CHECK(count_temporary(fd) == 2);
    close(fd);
    fd = openat(dir.fd, "target", O_PATH);
    CHECK(count_temporary(fd) == 0);
    close(fd);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

struct names {
    unsigned count;
    unsigned directories;
};

static enum vv_rc
note_name(void *ctx, struct vv_span name, bool is_directory, struct vv_error *err)
{
    struct names *n = ctx;

    (void)err;
    CHECK(name.len > 0 && name.data[0] != '.');
    n->count++;
    n->directories += is_directory;
    return VV_OK;
}

static enum vv_rc
stop_at_once(void *ctx, struct vv_span name, bool is_directory, struct vv_error *err)
{
    (void)name;
    (void)is_directory;
    ++*(unsigned *)ctx;
    return vv_error_set(err, VV_ECANCELLED, "enough");
}

static void
remove__takes_a_tree_and_follows_nothing(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct names n = {0};
    unsigned calls = 0;
    char path[1024] = "d";
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    (void)mkdirat(dir.fd, "outside", 0700);
    plant(&dir, "outside/file", "stays");
    s = open_sink(&dir, SINK_ALWAYS, NULL);
    for (int i = 0; i < 150; i++) { /* deeper than removal keeps directories open */
        struct entry d = make_entry(ENTRY_DIRECTORY, path, 0500);
        struct entry l = make_entry(ENTRY_SYMLINK, path, 0777);
        char name[1040];
        CHECK_OK(sink_directory(s, &d, err));
        (void)snprintf(name, sizeof(name), "%s/link", path);
        l.path = text(name);
        l.target = text("../outside");
        CHECK_OK(sink_other(s, &l, err));
        (void)snprintf(name, sizeof(name), "%s/z", path);
        struct entry f = make_entry(ENTRY_FILE, name, 0000);
        CHECK_OK(put_file(s, &f, "x", 1, err));
        strcat(path, "/d");
    }
    CHECK_OK(sink_finish(s, err)); /* now without write permission all the way down */
    CHECK_OK(sink_list(s, text("d"), note_name, &n, err));
    CHECK(n.count == 3 && n.directories == 1);
    CHECK(sink_list(s, text("d"), stop_at_once, &calls, err) == VV_ECANCELLED && calls == 1);
    CHECK(sink_list(s, text("none"), note_name, &n, err) == VV_ENOTFOUND);
    CHECK_OK(sink_list(s, text(""), note_name, &n, err));
    CHECK(n.count == 4);
    CHECK_OK(sink_remove(s, text("d"), err));
    CHECK(faccessat(dir.fd, "target/d", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
    CHECK(sink_remove(s, text("d"), err) == VV_ENOTFOUND);
    CHECK(content_is(&dir, "outside/file", "stays"));
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0500); /* the open one of old is not used */
    struct entry f = make_entry(ENTRY_FILE, "d/f", 0644);
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(put_file(s, &f, "x", 1, err));
    agrees(s, &f);
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
dry_run__touches_nothing(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    char target[96];
    struct sink *s = NULL;
    struct sink_fs_options o = {.target = target, .overwrite = SINK_ALWAYS, .dry_run = true};
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0755);
    struct entry f = make_entry(ENTRY_FILE, "d/f", 0644);
    struct entry l = make_entry(ENTRY_SYMLINK, "d/l", 0777);
    enum sink_existing existing;
    struct stat before;
    struct stat after;

    (void)state;
    scratch_make(&dir);
    l.target = text("x");
    (void)snprintf(target, sizeof(target), "%s/target", dir.path);
    for (int pass = 0; pass < 2; pass++) {
        if (!CHECK_OK(sink_fs_new(&o, &s, err))) {
            break;
        }
        CHECK_OK(sink_existing(s, &f, &existing, err));
        CHECK(existing == (pass == 0 ? SINK_ABSENT : SINK_DIFFERENT));
        CHECK_OK(sink_directory(s, &d, err));
        CHECK_OK(put_file(s, &f, "x", 1, err));
        CHECK_OK(sink_other(s, &l, err));
        CHECK_OK(sink_link(s, &f, l.path, err));
        CHECK_OK(sink_attributes(s, &f, err));
        CHECK_OK(sink_remove(s, text("d/f"), err));
        CHECK_OK(sink_finish(s, err));
        sink_free(s);
        s = NULL;
        if (pass == 0) {
            CHECK(faccessat(dir.fd, "target", F_OK, 0) != 0);
            (void)mkdirat(dir.fd, "target", 0700);
            (void)mkdirat(dir.fd, "target/d", 0700);
            plant(&dir, "target/d/f", "old");
            CHECK(fstatat(dir.fd, "target/d", &before, 0) == 0);
        }
    }
    CHECK(fstatat(dir.fd, "target/d", &after, 0) == 0);
    CHECK(before.st_ctim.tv_sec == after.st_ctim.tv_sec &&
          before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
    CHECK(content_is(&dir, "target/d/f", "old"));
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
cancel__stops_work(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct vv_cancel cancel = {0};
    char target[96];
    struct sink *s = NULL;
    struct sink_file *file;
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0755);

    (void)state;
    scratch_make(&dir);
    (void)snprintf(target, sizeof(target), "%s/target", dir.path);
    if (CHECK_OK(
            sink_fs_new(&(struct sink_fs_options){.target = target, .cancel = &cancel}, &s, err))) {
        CHECK_OK(sink_directory(s, &d, err));
        atomic_store(&cancel.wanted, true);
        CHECK(sink_directory(s, &d, err) == VV_ECANCELLED);
        d.type = ENTRY_FILE;
        CHECK(sink_file_begin(s, &d, &file, err) == VV_ECANCELLED);
        CHECK(sink_remove(s, d.path, err) == VV_ECANCELLED);
        CHECK(sink_finish(s, err) == VV_ECANCELLED);
    }
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwrite__never_keeps_what_differs),
        cmocka_unit_test(overwrite__changed_replaces_each_type_by_each),
        cmocka_unit_test(overwrite__directory_with_content_is_not_replaced),
        cmocka_unit_test(overwrite__hard_links_replace),
        cmocka_unit_test(leftovers__of_a_killed_restore_are_removed),
        cmocka_unit_test(remove__takes_a_tree_and_follows_nothing),
        cmocka_unit_test(dry_run__touches_nothing),
        cmocka_unit_test(cancel__stops_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
