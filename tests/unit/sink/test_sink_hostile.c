/* SPDX-License-Identifier: BSD-2-Clause */

/* Nothing in a repository, and nobody at work in the target, can make a restore write outside. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink/helper_sink.h"

/* "target" and, beside it, "outside" with one file in it. */
static void
make_outside(const struct scratch *dir)
{
    int fd;

    (void)mkdirat(dir->fd, "target", 0700);
    (void)mkdirat(dir->fd, "outside", 0755);
    fd = openat(dir->fd, "outside/secret", O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "secret", 6) == 6);
    close(fd);
}

/* Nothing came, nothing went, nothing changed. */
static void
outside_is_untouched(const struct scratch *dir)
{
    int fd = openat(dir->fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(fd);
    struct dirent *e;
    struct stat st;
    unsigned count = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        count += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    }
    CHECK(count == 1);
    CHECK(fstatat(dir->fd, "outside/secret", &st, 0) == 0 && st.st_nlink == 1 &&
          (st.st_mode & 07777) == 0600 && st.st_size == 6);
    CHECK(fstatat(dir->fd, "outside", &st, 0) == 0 && (st.st_mode & 07777) == 0755);
    if (d != NULL) {
        closedir(d);
    }
}

static void
hostile__planted_symlink_is_never_followed(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0777);
    struct entry f = make_entry(ENTRY_FILE, "d/new", 0777);
    struct entry old = make_entry(ENTRY_FILE, "d/secret", 0777);
    struct entry l = make_entry(ENTRY_SYMLINK, "d/link", 0777);
    struct entry leaf = make_entry(ENTRY_FILE, "leaf", 0777);
    struct vv_arena arena = {0};
    struct entry found;
    struct stat st;
    enum sink_existing existing;
    int fd;

    (void)state;
    scratch_make(&dir);
    make_outside(&dir);
    CHECK(symlinkat("../outside", dir.fd, "target/d") == 0);
    CHECK(symlinkat("../outside/secret", dir.fd, "target/leaf") == 0);
    l.target = text("x");
    for (int mode = SINK_NEVER; mode <= SINK_ALWAYS; mode++) {
        struct sink *s = open_sink(&dir, (enum sink_overwrite)mode, NULL);
        CHECK(put_file(s, &f, "x", 1, err) == VV_EREFUSED);
        CHECK(put_file(s, &old, "x", 1, err) == VV_EREFUSED);
        CHECK(err->origin == VV_ORIGIN_TARGET);
        CHECK(sink_other(s, &l, err) == VV_EREFUSED);
        CHECK(sink_remove(s, old.path, err) == VV_EREFUSED);
        CHECK(sink_attributes(s, &old, err) != VV_OK);
        CHECK(sink_inspect(s, old.path, &arena, &found, &fd, err) == VV_EREFUSED);
        CHECK(sink_existing(s, &leaf, &existing, err) == VV_OK && existing == SINK_DIFFERENT);
        sink_free(s);
        outside_is_untouched(&dir);
    }
    vv_arena_release(&arena);

    struct sink *s = open_sink(&dir, SINK_NEVER, NULL);
    CHECK(sink_directory(s, &d, err) == VV_EEXISTS);
    CHECK(strstr(err->message, "symbolic link") != NULL);
    CHECK(put_file(s, &leaf, "x", 1, err) == VV_EEXISTS);
    CHECK(strstr(err->message, "kept") != NULL);
    CHECK_OK(sink_finish(s, err));
    sink_free(s);
    outside_is_untouched(&dir);
    CHECK(fstatat(dir.fd, "target/d", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
    CHECK(fstatat(dir.fd, "target/leaf", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));

    s = open_sink(&dir, SINK_CHANGED, NULL);
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(put_file(s, &f, "x", 1, err));
    CHECK_OK(put_file(s, &leaf, "x", 1, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &d);
    agrees(s, &leaf);
    sink_free(s);
    outside_is_untouched(&dir);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
hostile__paths_that_are_not_allowed_are_refused(void **state)
{
    static const char *const bad[] = {
        "../outside/x", "a/../../outside/x", "/etc/x", "..", ".", "a/..", "a//b", "./x"};
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct sink *s;

    (void)state;
    scratch_make(&dir);
    make_outside(&dir);
    (void)mkdirat(dir.fd, "target/a", 0700);
    s = open_sink(&dir, SINK_ALWAYS, NULL);
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        struct entry f = make_entry(ENTRY_FILE, bad[i], 0644);
        struct entry d = make_entry(ENTRY_DIRECTORY, bad[i], 0755);
        CHECK(put_file(s, &f, "x", 1, err) == VV_EREFUSED);
        CHECK(sink_directory(s, &d, err) == VV_EREFUSED);
        CHECK(sink_remove(s, text(bad[i]), err) == VV_EREFUSED);
        CHECK(sink_list(s, text(bad[i]), NULL, NULL, err) == VV_EREFUSED);
    }
    struct entry nul = make_entry(ENTRY_FILE, "x", 0644);
    nul.path = vv_span("x\0y", 3);
    CHECK(put_file(s, &nul, "x", 1, err) == VV_EREFUSED);
    sink_free(s);
    outside_is_untouched(&dir);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
hostile__hard_link_to_planted_symlink_is_refused(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "a", 0644);
    struct entry l = make_entry(ENTRY_FILE, "b", 0644);
    struct sink *s;
    struct stat st;

    (void)state;
    scratch_make(&dir);
    make_outside(&dir);
    s = open_sink(&dir, SINK_ALWAYS, NULL);
    CHECK_OK(put_file(s, &f, "x", 1, err));
    CHECK(unlinkat(dir.fd, "target/a", 0) == 0);
    CHECK(symlinkat("../outside/secret", dir.fd, "target/a") == 0);
    CHECK(sink_link(s, &l, f.path, err) == VV_EREFUSED);
    CHECK(fstatat(dir.fd, "target/b", &st, AT_SYMLINK_NOFOLLOW) != 0);
    /* A snapshot whose "file" was a symbolic link all along: linked to, never through. */
    l.type = ENTRY_SYMLINK;
    CHECK_OK(sink_link(s, &l, f.path, err));
    CHECK(fstatat(dir.fd, "target/b", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
    sink_free(s);
    outside_is_untouched(&dir);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

struct swapper {
    int fd;
    atomic_bool stop;
    uint64_t swaps;
};

/* Exchanges the directory "target/d" with a symbolic link to "outside", over and over. */
static void
swap(void *arg)
{
    struct swapper *w = arg;

    while (!atomic_load(&w->stop)) {
        w->swaps +=
            renameat2(w->fd, "target/d", w->fd, "target/trap", RENAME_EXCHANGE) == 0 ? 1u : 0u;
    }
}

static void
hostile__directory_swapped_with_symlink_all_the_while(void **state)
{
    enum { ROUNDS = 300 };
    struct scratch dir;
    struct vv_error local = {0};
    struct vv_error *err = &local;
    struct swapper w = {0};
    struct vv_thread thread = {0};
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0777);
    unsigned written = 0;
    unsigned refused = 0;
    unsigned failed = 0;

    (void)state;
    scratch_make(&dir);
    make_outside(&dir);
    CHECK(mkdirat(dir.fd, "target/d", 0700) == 0);
    CHECK(symlinkat("../outside", dir.fd, "target/trap") == 0);
    w.fd = dir.fd;
    assert_int_equal(vv_thread_start(&thread, "swap", swap, &w, err), VV_OK);
    for (int i = 0; i < ROUNDS; i++) {
        char name[3][32];
        struct vv_arena arena = {0};
        struct entry found;
        int fd = -1;
        /* A new sink each round: nothing is open from the round before. */
        struct sink *s = open_sink(&dir, SINK_NEVER, NULL);
        (void)snprintf(name[0], sizeof(name[0]), "d/f%d", i);
        (void)snprintf(name[1], sizeof(name[1]), "d/l%d", i);
        (void)snprintf(name[2], sizeof(name[2]), "d/h%d", i);
        struct entry f = make_entry(ENTRY_FILE, name[0], 0777);
        struct entry l = make_entry(ENTRY_SYMLINK, name[1], 0777);
        struct entry h = make_entry(ENTRY_FILE, name[2], 0777);
        l.target = text("/etc/passwd");
        failed += sink_directory(s, &d, err) != VV_OK;
        if (put_file(s, &f, "x", 1, err) == VV_OK) {
            written++;
        } else {
            refused++;
        }
        failed += sink_other(s, &l, err) != VV_OK;
        failed += sink_link(s, &h, f.path, err) != VV_OK;
        failed += sink_attributes(s, &f, err) != VV_OK;
        failed += sink_inspect(s, text("d/secret"), &arena, &found, &fd, err) != VV_OK;
        CHECK(fd < 0); /* what is outside cannot be read either */
        failed += sink_remove(s, text("d/secret"), err) != VV_OK;
        failed += sink_finish(s, err) != VV_OK;
        vv_arena_release(&arena);
        sink_free(s);
    }
    atomic_store(&w.stop, true);
    vv_thread_join(&thread);
    print_message("%u written, %u refused, %u other failures, %ju swaps\n", written, refused,
                  failed, (uintmax_t)w.swaps);
    CHECK(written + refused == ROUNDS && w.swaps > 0);
    outside_is_untouched(&dir);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
hostile__target_reached_through_a_symlink_is_fine(void **state)
{
    struct scratch dir;
    char target[96];
    struct sink *s = NULL;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "f", 0644);

    (void)state;
    scratch_make(&dir);
    make_outside(&dir);
    CHECK(symlinkat("target", dir.fd, "way") == 0);
    (void)snprintf(target, sizeof(target), "%s/way/new/and deeper", dir.path);
    if (CHECK_OK(sink_fs_new(&(struct sink_fs_options){.target = target}, &s, err))) {
        CHECK_OK(put_file(s, &f, "x", 1, err));
        CHECK_OK(sink_finish(s, err));
        agrees(s, &f);
    }
    CHECK(faccessat(dir.fd, "target/new/and deeper/f", F_OK, 0) == 0);
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static int
without_openat2(void **state)
{
    (void)state;
    helper_stepwise = true;
    return 0;
}

static int
with_openat2(void **state)
{
    (void)state;
    helper_stepwise = false;
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile__planted_symlink_is_never_followed),
        cmocka_unit_test(hostile__paths_that_are_not_allowed_are_refused),
        cmocka_unit_test(hostile__hard_link_to_planted_symlink_is_refused),
        cmocka_unit_test(hostile__directory_swapped_with_symlink_all_the_while),
        cmocka_unit_test(hostile__target_reached_through_a_symlink_is_fine),
        cmocka_unit_test_setup_teardown(hostile__planted_symlink_is_never_followed, without_openat2,
                                        with_openat2),
        cmocka_unit_test_setup_teardown(hostile__directory_swapped_with_symlink_all_the_while,
                                        without_openat2, with_openat2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
