/* SPDX-License-Identifier: BSD-2-Clause */
/* Backups by a writer's key: incremental although it can read nothing, by the tree in the cache. */
#include "engine/helper_backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_BYTES 3071000

static void
begin_as_writer(struct backup_world *w)
{
    bw_begin(w, NULL);
    bw_add_writer(w);
    w->writer = true;
    bw_reopen(w);
    bw_file(w, "a", 1000, 1);
    bw_file(w, "big", 3000000, 2); /* its chunks are in a list */
    assert_int_equal(mkdir(bw_path(w, "dir"), 0755), 0);
    bw_file(w, "dir/b", 70000, 3);
}

static void
as_administrator(struct backup_world *w, bool admin)
{
    w->writer = !admin;
    bw_reopen(w);
}

/** What the newest snapshot has, as the administrator reads it, is what is in the source. */
static void
assert_stored(struct backup_world *w)
{
    as_administrator(w, true);
    bw_assert_content(w, "a");
    bw_assert_content(w, "big");
    bw_assert_content(w, "dir/b");
    as_administrator(w, false);
}

/** How many cached trees there are, and the path of one. */
static unsigned
cached(struct backup_world *w, char path[512])
{
    char command[256];
    unsigned count = 0;
    FILE *f;

    (void)snprintf(command, sizeof(command), "find %s/home/cache -name 'parent-*'", w->base);
    f = popen(command, "r");
    assert_non_null(f);
    while (fgets(path, 512, f) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        count++;
    }
    (void)pclose(f);
    return count;
}

static enum fault_verdict
count_looks(void *ctx, enum storage_op op, const char *name)
{
    _Atomic unsigned *looked = ctx;

    if ((op == STORAGE_LIST || op == STORAGE_READ) &&
        (strncmp(name, "index", 5) == 0 || strncmp(name, "packs", 5) == 0)) {
        ++*looked;
    }
    return FAULT_PASS;
}

static void
writer__reads_only_what_changed(void **state)
{
    struct backup_world w;
    uint64_t outside = bw_outside();
    _Atomic unsigned looked = 0;
    char path[512];

    (void)state;
    begin_as_writer(&w);
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.files_new, 3);
    assert_false(w.summary.parent_used);
    assert_int_equal(cached(&w, path), 1);
    bw_reopen(&w);
    w.hook = count_looks;
    w.hook_ctx = &looked;
    bw_backup(&w);
    w.hook = NULL;
    assert_true(w.summary.parent_used);
    assert_int_equal(w.summary.statistics.files_unchanged, 3);
    assert_int_equal(w.summary.statistics.bytes_read, 0);
    assert_int_equal(w.summary.packs_data, 0);
    if (bw_outside() == outside) {
        assert_int_equal(looked, 0); /* not even the tree's nodes were looked up */
    }
    bw_file(&w, "dir/b", 70001, 4);
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.files_changed, 1);
    assert_int_equal(w.summary.statistics.bytes_read, 70001);
    assert_int_equal(cached(&w, path), 1);
    assert_stored(&w);
    bw_end(&w);
}

static void
writer__loses_one_reading_with_its_cache(void **state)
{
    struct backup_world w;
    char path[512];

    (void)state;
    begin_as_writer(&w);
    bw_backup(&w);
    assert_int_equal(cached(&w, path), 1);
    assert_int_equal(unlink(path), 0);
    bw_backup(&w);
    assert_false(w.summary.parent_used);
    assert_int_equal(w.summary.statistics.bytes_read, ALL_BYTES);
    assert_int_equal(w.summary.packs_data, 0); /* and nothing is stored twice */
    bw_backup(&w);
    assert_true(w.summary.parent_used);
    assert_int_equal(w.summary.statistics.bytes_read, 0);
    assert_stored(&w);
    bw_end(&w);
}

/* Wherever a byte of the cached tree is wrong, or the rest of it missing: the snapshot is right. */
static void
writer__is_not_misled_by_a_damaged_cache(void **state)
{
    struct backup_world w;
    char path[512];
    struct stat st;

    (void)state;
    begin_as_writer(&w);
    bw_backup(&w);
    assert_int_equal(bw_heard_count(&w, "parent-damaged"), 0);
    assert_int_equal(cached(&w, path), 1);
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at += st.st_size / 23 + 1) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t byte;
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(close(fd), 0);
        bw_backup(&w);
        assert_int_equal(bw_heard_count(&w, "parent-damaged"), 1);
        assert_int_equal(w.summary.packs_data, 0);
        assert_int_equal(w.summary.statistics.files, 3);
        assert_stored(&w);
        assert_int_equal(stat(path, &st), 0);
    }
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    bw_backup(&w);
    assert_stored(&w);
    bw_end(&w);
}

/* A list of a prune is pending (W8): nothing is taken over without a look-up. */
static void
writer__looks_everything_up_while_packs_are_condemned(void **state)
{
    struct backup_world w;
    const struct vv_uuid session = {{1}};
    struct pack_name packs[64];
    uint32_t count;

    (void)state;
    begin_as_writer(&w);
    bw_backup(&w);
    count = bw_packs(&w, packs, 64);
    as_administrator(&w, true);
    bw_must(&w, condemned_publish(w.repo, &session, packs, count, &w.err));
    as_administrator(&w, false);
    bw_backup(&w); /* all of it once more: what is condemned cannot be referred to */
    assert_true(w.summary.statistics.bytes_read >= ALL_BYTES);
    assert_int_not_equal(w.summary.packs_data, 0);
    assert_stored(&w);
    bw_end(&w);
}

/* Its parent was forgotten for good: another one serves, or none. */
static void
writer__takes_nothing_over_from_what_is_gone(void **state)
{
    struct backup_world w;
    struct vv_buf payload = {0};
    struct grave g = {.reason = GRAVE_FORGOTTEN};
    char path[512];

    (void)state;
    begin_as_writer(&w);
    bw_backup(&w);
    g.session = w.summary.snapshot.session;
    g.snapshot = w.summary.snapshot.id;
    g.client = w.summary.snapshot.client;
    g.sequence = w.summary.snapshot.sequence;
    g.hash = w.summary.snapshot.hash;
    as_administrator(&w, true);
    grave_list_encode(&g, 1, NULL, 0, &payload);
    bw_must(&w, admin_publish(w.repo, 1, ADMIN_GRAVE, "grave-00000000000000000000000000000001",
                              vv_buf_span(&payload), &w.err));
    vv_buf_release(&payload);
    as_administrator(&w, false);
    bw_backup(&w);
    assert_false(w.summary.parent_used);
    assert_int_equal(w.summary.statistics.bytes_read, ALL_BYTES);
    assert_int_equal(cached(&w, path), 1);
    bw_backup(&w);
    assert_true(w.summary.parent_used);
    assert_stored(&w);
    bw_end(&w);
}

/* The cached tree can be read with the key only. */
static void
writer__keeps_its_tree_sealed(void **state)
{
    static uint8_t bytes[1 << 20];
    struct backup_world w;
    char path[512];
    ssize_t got;
    int fd;

    (void)state;
    begin_as_writer(&w);
    bw_text(&w, "a-name-that-would-be-seen", "content", false);
    bw_backup(&w);
    assert_int_equal(cached(&w, path), 1);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    got = read(fd, bytes, sizeof(bytes));
    assert_true(got > 100);
    assert_null(memmem(bytes, (size_t)got, "a-name-that-would", 17));
    assert_null(memmem(bytes, (size_t)got, "shop", 4));
    assert_int_equal(close(fd), 0);
    bw_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer__reads_only_what_changed),
        cmocka_unit_test(writer__loses_one_reading_with_its_cache),
        cmocka_unit_test(writer__is_not_misled_by_a_damaged_cache),
        cmocka_unit_test(writer__looks_everything_up_while_packs_are_condemned),
        cmocka_unit_test(writer__takes_nothing_over_from_what_is_gone),
        cmocka_unit_test(writer__keeps_its_tree_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
