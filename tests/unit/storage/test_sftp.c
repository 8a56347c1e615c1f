/* SPDX-License-Identifier: BSD-2-Clause */
/* The SFTP storage over a pipe to sftp-server: the conformance suite, and what only it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/conformance.h"
#include "storage/sftp_fixture.h"

static struct storage *
new_sftp(void **ret_cookie)
{
    struct sftp_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    sftp_fixture_begin(f);
    *ret_cookie = f;
    return f->s;
}

static void
free_sftp(struct storage *s, void *cookie)
{
    struct sftp_fixture *f = cookie;
    assert_ptr_equal(s, f->s);
    sftp_fixture_end(f);
    free(f);
}

static int
setup(void **state)
{
    void *f = NULL;
    struct vv_error err = {0};
    struct storage *s = new_sftp(&f);
    *state = f;
    if (storage_make_layout(s, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    return 0;
}

static int
teardown(void **state)
{
    struct sftp_fixture *f = *state;
    free_sftp(f->s, f);
    return 0;
}

static void
path_of(const struct sftp_fixture *f, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", f->root, name);
}

static void
sftp_publish__makes_files_nobody_can_change(void **state)
{
    struct sftp_fixture *f = *state;
    struct stat st;
    char path[256];
    must_publish(f->s, "keys/a", "contents");
    path_of(f, "keys/a", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(st.st_nlink, 1);
    path_of(f, "packs", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void
sftp__small_objects_need_four_round_trips(void **state)
{
    struct sftp_fixture *f = *state;
    struct sftp_counts before;
    struct sftp_counts after;
    must_publish(f->s, "keys/first", "opens the directory");
    struct sftp_channel *c = ((struct sftp *)f->s)->pool.channels[0];
    sftp_client_counts(c->client, &before);
    must_publish(f->s, "keys/second", "contents");
    sftp_client_counts(c->client, &after);
    assert_int_equal(after.round_trips - before.round_trips, 4);
    assert_int_equal(count_listed(f->s, "tmp"), 0);
}

static void
sftp_read__of_an_open_pack_needs_one_round_trip(void **state)
{
    struct sftp_fixture *f = *state;
    struct sftp_counts before;
    struct sftp_counts after;
    struct vv_error err = {0};
    size_t got = 0;
    enum { SIZE = 300000 };
    uint8_t *data = malloc(SIZE);
    uint8_t *out = malloc(SIZE);
    assert_non_null(data);
    assert_non_null(out);
    fill_pattern(data, SIZE, 5);
    assert_int_equal(storage_publish(f->s, "packs/ab/x", vv_span(data, SIZE), &err), VV_OK);
    assert_int_equal(storage_read(f->s, "packs/ab/x", 0, out, 10, &got, &err), VV_OK);
    struct sftp_channel *c = ((struct sftp *)f->s)->pool.channels[0];
    sftp_client_counts(c->client, &before);
    assert_int_equal(storage_read(f->s, "packs/ab/x", 70001, out, 90000, &got, &err), VV_OK);
    sftp_client_counts(c->client, &after);
    assert_int_equal(got, 90000);
    assert_memory_equal(out, data + 70001, 90000);
    assert_int_equal(after.round_trips - before.round_trips, 1);
    /* units of 64 KiB around it crossed the line, nothing that tells where the block is */
    assert_in_range(after.bytes_received - before.bytes_received, 2 * 65536, 2 * 65536 + 4096);
    free(data);
    free(out);
}

static enum vv_rc
count_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)size;
    (void)err;
    ++*(unsigned *)ctx;
    return VV_OK;
}

static void
sftp_list_shards__asks_for_all_at_once(void **state)
{
    struct sftp_fixture *f = *state;
    struct sftp_counts before;
    struct sftp_counts after;
    struct vv_error err = {0};
    unsigned n = 0;
    must_publish(f->s, "packs/00/first", "1");
    must_publish(f->s, "packs/7f/second", "2");
    must_publish(f->s, "packs/ff/third", "3");
    struct sftp_channel *c = ((struct sftp *)f->s)->pool.channels[0];
    sftp_client_counts(c->client, &before);
    assert_int_equal(storage_list_shards(f->s, "packs", count_name, &n, &err), VV_OK);
    sftp_client_counts(c->client, &after);
    assert_int_equal(n, 3);
    assert_in_range(after.round_trips - before.round_trips, 2, 12);
    assert_int_equal(storage_list_shards(f->s, "nothing", count_name, &n, &err), VV_ENOTFOUND);
}

static void
sftp__keeps_few_handles_open(void **state)
{
    struct sftp_fixture *f = *state;
    for (unsigned i = 0; i < 256; i++) {
        char name[64];
        uint8_t byte;
        size_t got = 0;
        snprintf(name, sizeof(name), "packs/%02x/pack", i);
        must_publish(f->s, name, name);
        assert_int_equal(storage_read(f->s, name, 0, &byte, 1, &got, NULL), VV_OK);
        assert_int_equal(byte, 'p');
    }
    for (unsigned i = 0; i < 256; i++) {
        char name[64];
        snprintf(name, sizeof(name), "packs/%02x/pack", i);
        must_hold_text(f->s, name, name);
    }
}

static void
sftp_remove__is_seen_by_an_open_pack(void **state)
{
    struct sftp_fixture *f = *state;
    uint8_t text[8];
    size_t got = 0;
    must_publish(f->s, "packs/ab/x", "old");
    assert_int_equal(storage_read(f->s, "packs/ab/x", 0, text, 3, &got, NULL), VV_OK);
    assert_int_equal(storage_remove(f->s, "packs/ab/x", NULL), VV_OK);
    assert_int_equal(storage_read(f->s, "packs/ab/x", 0, text, 3, &got, NULL), VV_ENOTFOUND);
    must_publish(f->s, "packs/ab/x", "new");
    assert_int_equal(storage_read(f->s, "packs/ab/x", 0, text, 3, &got, NULL), VV_OK);
    assert_memory_equal(text, "new", 3);
}

static void
sftp_layout__accepts_an_empty_directory(void **state)
{
    struct sftp_fixture *f = *state;
    char root[256];
    struct vv_error err = {0};
    snprintf(root, sizeof(root), "%s/second", f->directory);
    assert_int_equal(mkdir(root, 0700), 0);
    struct storage *s = sftp_fixture_storage(f, root);
    assert_int_equal(storage_make_layout(s, &err), VV_OK);
    must_publish(s, "packs/ab/x", "x");
    storage_free(s);
}

static void
sftp_layout__is_completed(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    char path[256];
    must_publish(f->s, "config", "stays");
    path_of(f, "packs/5a", path);
    assert_int_equal(rmdir(path), 0);
    path_of(f, "admin", path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(storage_complete_layout(f->s, &err), VV_OK);
    assert_int_equal(storage_complete_layout(f->s, &err), VV_OK); /* nothing is missing */
    must_publish(f->s, "packs/5a/x", "x");
    must_publish(f->s, "admin/x", "x");
    must_hold_text(f->s, "config", "stays");
    path_of(f, "foreign", path);
    assert_int_equal(mkdir(path, 0700), 0);
    must_fail(storage_complete_layout(f->s, &err), VV_EREFUSED, &err);
}

static void
sftp_layout__needs_the_parent(void **state)
{
    struct sftp_fixture *f = *state;
    char root[256];
    struct vv_error err = {0};
    snprintf(root, sizeof(root), "%s/none/repo", f->directory);
    struct storage *s = sftp_fixture_storage(f, root);
    must_fail(storage_make_layout(s, &err), VV_ENOTFOUND, &err);
    assert_true(err.hint[0] != '\0');
    storage_free(s);
}

static void
sftp__read_only_server_refuses_and_is_understood(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    must_publish(f->s, "keys/a", "a");
    atomic_store(&f->read_only, true);
    struct storage *s = sftp_fixture_storage(f, f->root);
    must_hold_text(s, "keys/a", "a");
    must_fail(storage_publish(s, "keys/b", vv_span("b", 1), &err), VV_EREFUSED, &err);
    assert_true(err.hint[0] != '\0');
    must_fail(storage_remove(s, "keys/a", &err), VV_EREFUSED, &err);
    assert_int_equal(storage_abilities(s), STORAGE_COMPLETE_LISTING);
    storage_free(s);
    must_hold_text(f->s, "keys/a", "a");
    must_lack(f->s, "keys/b");
}

/* The account of a site that cannot be made to forget. */
static void
sftp__append_only_server_takes_backups_and_deletes_nothing(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    f->deny = "remove,rmdir,rename,posix-rename,setstat,fsetstat,lsetstat,symlink,copy-data";
    struct storage *s = sftp_fixture_storage(f, f->root);
    must_publish(s, "keys/a", "a");
    must_fail(storage_publish(s, "keys/a", vv_span("b", 1), &err), VV_EEXISTS, &err);
    must_fail(storage_remove(s, "keys/a", &err), VV_EREFUSED, &err);
    must_hold_text(s, "keys/a", "a");
    uint32_t abilities = storage_abilities(s);
    assert_int_equal(abilities & STORAGE_DELETE, 0);
    assert_int_equal(abilities & STORAGE_EXCLUSIVE_CREATE, STORAGE_EXCLUSIVE_CREATE);
    storage_free(s);
}

/* Without hardlink@openssh.com the final name is given by RENAME, which OpenSSH makes exclusive. */
static void
sftp__without_hard_links_renames_without_replacing(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_error err = {0};
    f->deny = "hardlink";
    struct storage *s = sftp_fixture_storage(f, f->root);
    struct sftp *inside = (struct sftp *)s;
    must_publish(s, "keys/a", "a");
    assert_int_equal(sftp_client_extensions(inside->pool.channels[0]->client) & SFTP_HARDLINK, 0);
    must_fail(storage_publish(s, "keys/a", vv_span("b", 1), &err), VV_EEXISTS, &err);
    must_hold_text(s, "keys/a", "a");
    assert_int_equal(count_listed(s, "tmp"), 0);
    storage_free(s);
}

static void
sftp__without_fsync_promises_no_durability(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_buf text = {0};
    f->deny = "fsync";
    struct storage *s = sftp_fixture_storage(f, f->root);
    must_publish(s, "keys/a", "a");
    uint32_t abilities = storage_abilities(s);
    assert_int_equal(abilities & (STORAGE_DURABLE_FILE | STORAGE_DURABLE_NAME), 0);
    assert_int_equal(abilities & STORAGE_EXCLUSIVE_CREATE, STORAGE_EXCLUSIVE_CREATE);
    assert_int_equal(storage_describe(s, &text, NULL), VV_OK);
    assert_non_null(strstr(vv_buf_text(&text), "not promised: that what was written survives"));
    vv_buf_release(&text);
    storage_free(s);
}

static void
sftp_describe__tells_the_line(void **state)
{
    struct sftp_fixture *f = *state;
    struct vv_buf text = {0};
    assert_int_equal(storage_describe(f->s, &text, NULL), VV_OK);
    assert_non_null(strstr(vv_buf_text(&text), "transport: sftp-server\n"));
    assert_non_null(strstr(vv_buf_text(&text), "hardlink@openssh.com 1"));
    assert_non_null(strstr(vv_buf_text(&text), "255.0 KiB for reading"));
    assert_non_null(strstr(vv_buf_text(&text), "channels: 1 open"));
    vv_buf_release(&text);
}

static void
sftp_publish__says_when_the_disk_is_full(void **state)
{
    struct sftp_fixture *f = *state;
    char mount_point[256];
    char root[300];
    struct vv_error err = {0};
    enum { SIZE = 3 << 20 };
    if (geteuid() != 0) {
        skip();
    }
    snprintf(mount_point, sizeof(mount_point), "%s/small", f->directory);
    snprintf(root, sizeof(root), "%s/repo", mount_point);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=4m") != 0) {
        skip();
    }
    struct storage *s = sftp_fixture_storage(f, root);
    uint8_t *data = calloc(1, SIZE);
    assert_non_null(data);
    enum vv_rc made = storage_make_layout(s, &err);
    enum vv_rc first = storage_publish(s, "packs/ab/x", vv_span(data, SIZE), &err);
    enum vv_rc second = storage_publish(s, "packs/ab/y", vv_span(data, SIZE), &err);
    unsigned left_over = count_listed(s, "tmp");
    uint64_t size = 0;
    enum vv_rc there = storage_size(s, "packs/ab/y", &size, NULL);
    storage_free(s);
    assert_int_equal(umount2(mount_point, MNT_DETACH), 0);
    free(data);
    assert_int_equal(made, VV_OK);
    assert_int_equal(first, VV_OK);
    must_fail(second, VV_ENOSPACE, &err);
    assert_int_equal(left_over, 0);
    assert_int_equal(there, VV_ENOTFOUND);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    static const struct conformance_driver driver = {
        .name = "sftp", .open = new_sftp, .close = free_sftp, .sweep_step = 11};
    const struct CMUnitTest tests[] = {
        CASE(sftp_publish__makes_files_nobody_can_change),
        CASE(sftp__small_objects_need_four_round_trips),
        CASE(sftp_read__of_an_open_pack_needs_one_round_trip),
        CASE(sftp_list_shards__asks_for_all_at_once),
        CASE(sftp__keeps_few_handles_open),
        CASE(sftp_remove__is_seen_by_an_open_pack),
        CASE(sftp_layout__accepts_an_empty_directory),
        CASE(sftp_layout__is_completed),
        CASE(sftp_layout__needs_the_parent),
        CASE(sftp__read_only_server_refuses_and_is_understood),
        CASE(sftp__append_only_server_takes_backups_and_deletes_nothing),
        CASE(sftp__without_hard_links_renames_without_replacing),
        CASE(sftp__without_fsync_promises_no_durability),
        CASE(sftp_describe__tells_the_line),
        CASE(sftp_publish__says_when_the_disk_is_full),
    };
    if (sftp_server_path() == NULL) {
        print_message("skipped: no sftp-server is installed\n");
        return 77;
    }
    int failed = conformance_run(&driver);
    return failed + cmocka_run_group_tests_name("sftp only", tests, NULL, NULL);
}
