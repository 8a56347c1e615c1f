/* SPDX-License-Identifier: BSD-2-Clause */
/* Exporting archives: tar(1) and libarchive's readers must bring back what went in. */
#include "helper_look.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/file.h"

static struct look_world w;

static int
setup(void **state)
{
    (void)state;
    lw_begin(&w);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    lw_end(&w);
    return 0;
}

/** Export src/ to memory. */
static void export(const char *path, const char *format, struct vv_buf *out)
{
    struct vv_buf name = {0};
    struct vv_span top = lw_path(&w, path, &name);
    int fd = memfd_create("export", MFD_CLOEXEC);

    assert_true(fd >= 0);
    lw_must(&w,
            look_export(w.repo, &w.list.snapshots[0], top, format, fd, "an archive", NULL, &w.err));
    vv_buf_reset(out);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (;;) {
        size_t got;
        lw_must(&w, vv_buf_reserve(out, 65536, &w.err));
        lw_must(&w, vv_fd_read_full(fd, out->data + out->len, 65536, "export", &got, &w.err));
        out->len += got;
        if (got < 65536) {
            break;
        }
    }
    assert_int_equal(close(fd), 0);
    vv_buf_release(&name);
}

/** One line a member: name, type or link, mode, size, xattrs, sparse extents. */
static void
describe(struct vv_buf *bytes, struct vv_buf *out)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;

    vv_buf_reset(out);
    assert_int_equal(archive_read_support_format_all(a), ARCHIVE_OK);
    assert_int_equal(archive_read_open_memory(a, bytes->data, bytes->len), ARCHIVE_OK);
    for (int rc; (rc = archive_read_next_header(a, &e)) == ARCHIVE_OK ||
                 rc == ARCHIVE_WARN;) { /* a name that is no UTF-8 warns */
        const char *name;
        const void *value;
        size_t len;
        vv_buf_printf(out, "%s", archive_entry_pathname(e));
        if (archive_entry_hardlink(e) != NULL) {
            vv_buf_printf(out, " link %s", archive_entry_hardlink(e));
        } else if (archive_entry_symlink(e) != NULL) {
            vv_buf_printf(out, " -> %s", archive_entry_symlink(e));
        } else if (archive_entry_filetype(e) == AE_IFIFO) {
            vv_buf_put_text(out, " fifo");
        } else if (archive_entry_filetype(e) == AE_IFREG) {
            vv_buf_printf(out, " %o %u", archive_entry_mode(e) & 07777,
                          (unsigned)archive_entry_size(e));
        }
        (void)archive_entry_xattr_reset(e);
        while (archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK) {
            vv_buf_printf(out, " %s=%.*s", name, (int)len, (const char *)value);
        }
        if (archive_entry_sparse_count(e) > 0) {
            vv_buf_put_text(out, " sparse");
        }
        vv_buf_put_text(out, "\n");
    }
    (void)archive_read_free(a);
}

static void
make_tree(void)
{
    char one[256];
    char two[256];
    struct stat st;
    uint8_t data[5000];
    int fd;

    lw_text(&w, "dir/file", "content");
    (void)snprintf(one, sizeof(one), "%s/src/dir/file", w.base);
    assert_int_equal(chmod(one, 0640), 0);
    (void)snprintf(two, sizeof(two), "%s/src/hard", w.base);
    assert_int_equal(link(one, two), 0);
    (void)snprintf(two, sizeof(two), "%s/src/soft", w.base);
    assert_int_equal(symlink("dir/file", two), 0);
    (void)snprintf(two, sizeof(two), "%s/src/pipe", w.base);
    assert_int_equal(mkfifo(two, 0600), 0);
    lw_text(&w, "n\xc3\xa4me", "utf-8");
    lw_text(&w, "n\xffme", "not utf-8");
    (void)snprintf(one, sizeof(one), "%s/src/sparse", w.base);
    fd = open(one, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    lw_noise(data, sizeof(data), 9);
    assert_int_equal(pwrite(fd, data, sizeof(data), 1 << 20), sizeof(data));
    assert_int_equal(ftruncate(fd, 2 << 20), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(close(fd), 0);
}

static void
look_export__writes_the_same_tar_each_time_with_all_kinds(void **state)
{
    struct vv_buf one = {0};
    struct vv_buf two = {0};
    struct vv_buf text = {0};

    (void)state;
    make_tree();
    lw_backup(&w);
    export("", "tar", &one);
    vv_clock_manual_advance(&w.clock, UINT64_C(86400) * 1000000000);
    export("", "tar", &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    assert_true(one.len < 200000); /* the holes are not in it */
    describe(&one, &text);
    assert_string_equal(vv_buf_text(&text), "./\n"
                                            "dir/\n"
                                            "dir/file 640 7\n"
                                            "hard link dir/file\n"
                                            "n\xc3\xa4me 644 5\n"
                                            "n\xffme 644 9\n"
                                            "pipe fifo\n"
                                            "soft -> dir/file\n"
                                            "sparse 644 2097152 sparse\n");
    export("dir/file", "tar", &one); /* a single file by its name */
    describe(&one, &text);
    assert_string_equal(vv_buf_text(&text), "file 640 7\n");
    vv_buf_release(&one);
    vv_buf_release(&two);
    vv_buf_release(&text);
}

static void
look_export__keeps_attributes_in_a_tar(void **state)
{
    struct vv_buf one = {0};
    struct vv_buf text = {0};
    char path[256];

    (void)state;
    lw_text(&w, "file", "content");
    (void)snprintf(path, sizeof(path), "%s/src/file", w.base);
    if (setxattr(path, "user.order", "4711", 4, 0) != 0) {
        skip();
    }
    lw_backup(&w);
    export("", "tar", &one);
    describe(&one, &text);
    assert_string_equal(vv_buf_text(&text), "./\nfile 644 7 user.order=4711\n");
    vv_buf_release(&one);
    vv_buf_release(&text);
}

static void
look_export__writes_a_zip_of_what_it_can_hold(void **state)
{
    struct vv_buf one = {0};
    struct vv_buf two = {0};
    struct vv_buf text = {0};

    (void)state;
    make_tree();
    lw_backup(&w);
    lw_clear_events(&w);
    export("", "zip", &one);
    export("", "zip", &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    assert_true(lw_heard(&w, "not-in-archive"));
    describe(&one, &text);
    assert_non_null(strstr(vv_buf_text(&text), "dir/\ndir/file "));
    assert_non_null(strstr(vv_buf_text(&text), "\nsoft"));
    assert_null(strstr(vv_buf_text(&text), "pipe"));
    vv_buf_release(&one);
    vv_buf_release(&two);
    vv_buf_release(&text);
}

static void
look_export__ends_at_a_damaged_file(void **state)
{
    struct vv_buf name = {0};
    int fd = memfd_create("export", MFD_CLOEXEC);

    (void)state;
    lw_text(&w, "file", "content");
    lw_backup(&w);
    for (unsigned shard = 0; shard < 256; shard++) {
        struct name_list l;
        char directory[16];
        (void)snprintf(directory, sizeof(directory), "packs/%02x", shard);
        lw_must(&w, repo_list(w.repo, directory, &l, &w.err));
        for (size_t i = 0; i < l.count; i++) {
            struct vv_span bytes;
            static uint8_t copy[1 << 20];
            char full[160];
            (void)snprintf(full, sizeof(full), "%s/%s", directory, l.names[i]);
            assert_true(storage_memory_peek(w.storage, full, &bytes) && bytes.len < sizeof(copy));
            memcpy(copy, bytes.data, bytes.len);
            if (copy[24] == 2) { /* class: data */
                copy[260] ^= 1;  /* in its first block */
            }
            lw_must(&w, storage_memory_poke(w.storage, full, vv_span(copy, bytes.len), &w.err));
        }
        name_list_release(&l);
    }
    assert_int_equal(look_export(w.repo, &w.list.snapshots[0], lw_path(&w, "", &name), "tar", fd,
                                 "an archive", NULL, &w.err),
                     VV_ECORRUPT);
    assert_non_null(strstr(w.err.message, "/src/file'"));
    assert_int_equal(look_export(w.repo, &w.list.snapshots[0], lw_path(&w, "none", &name), "tar",
                                 fd, "an archive", NULL, &w.err),
                     VV_ENOTFOUND);
    assert_int_equal(look_export(w.repo, &w.list.snapshots[0], lw_path(&w, "", &name), "rar", fd,
                                 "an archive", NULL, &w.err),
                     VV_EUSAGE);
    assert_int_equal(close(fd), 0);
    vv_buf_release(&name);
}

static void
look_export__says_why_the_output_failed(void **state)
{
    struct vv_buf name = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    if (fd < 0) {
        skip();
    }
    make_tree();
    lw_backup(&w);
    assert_int_equal(look_export(w.repo, &w.list.snapshots[0], lw_path(&w, "", &name), "tar", fd,
                                 "an archive", NULL, &w.err),
                     VV_ENOSPACE);
    assert_non_null(strstr(w.err.message, "cannot write 'an archive'"));
    assert_int_equal(look_export(w.repo, &w.list.snapshots[0], lw_path(&w, "", &name), "zip", fd,
                                 "an archive", NULL, &w.err),
                     VV_ENOSPACE);
    assert_int_equal(close(fd), 0);
    vv_buf_release(&name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(look_export__writes_the_same_tar_each_time_with_all_kinds,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(look_export__keeps_attributes_in_a_tar, setup, teardown),
        cmocka_unit_test_setup_teardown(look_export__writes_a_zip_of_what_it_can_hold, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(look_export__says_why_the_output_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(look_export__ends_at_a_damaged_file, setup, teardown),
    };
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for libarchive's readers */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
