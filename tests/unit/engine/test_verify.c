/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: damage is counted, and named by object, snapshot, path and bytes. */
#include "helper_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "repo/pack_reader.h"

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

static struct verify_summary
verify(bool data)
{
    struct verify_options o = {.data = data, .threads = 2};
    struct verify_summary s;

    lw_clear_events(&w);
    lw_must(&w, verify_run(w.repo, &w.list, &o, NULL, &s, &w.err));
    return s;
}

/** The largest pack: the one with the files. */
struct largest {
    char directory[16];
    char name[160];
    uint64_t size;
};

static enum vv_rc
take_larger(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct largest *l = ctx;

    (void)err;
    if (size > l->size) {
        (void)snprintf(l->name, sizeof(l->name), "%s/%s", l->directory, name);
        l->size = size;
    }
    return VV_OK;
}

static struct largest
largest_pack(void)
{
    struct largest l = {.size = 0};

    for (unsigned shard = 0; shard < 256; shard++) {
        (void)snprintf(l.directory, sizeof(l.directory), "packs/%02x", shard);
        lw_must(&w, storage_list(w.storage, l.directory, take_larger, &l, &w.err));
    }
    return l;
}

/** Flip one bit of an object. */
static void
flip(const char *name, size_t at)
{
    struct vv_span bytes;
    uint8_t *copy;

    assert_true(storage_memory_peek(w.storage, name, &bytes));
    copy = vv_memdup(bytes.data, bytes.len);
    copy[at] ^= 4;
    lw_must(&w, storage_memory_poke(w.storage, name, vv_span(copy, bytes.len), &w.err));
    vv_free(copy);
}

static void
write_files(void)
{
    static uint8_t noise[3000000];

    lw_noise(noise, sizeof(noise), 1);
    lw_write(&w, "large", noise, sizeof(noise));
    lw_text(&w, "small", "a small file");
}

static void
verify_run__finds_nothing_in_a_whole_repository(void **state)
{
    struct verify_summary s;

    (void)state;
    write_files();
    lw_backup(&w);
    lw_backup(&w);
    s = verify(true);
    assert_int_equal(w.events.problems, 0);
    assert_int_equal(s.objects_damaged + s.paths_damaged + s.chunks_missing, 0);
    assert_false(s.forged);
    assert_int_equal(s.snapshots, 2);
    assert_true(s.entries >= 3 && s.chunks >= 2);
    assert_int_equal(s.packs, s.packs_read);
    assert_true(s.packs >= 3 && s.bytes_read > 3000000);
    s = verify(false);
    assert_int_equal(s.packs_read, 0);
}

static void
verify_run__names_snapshots_path_and_bytes_of_a_damaged_block(void **state)
{
    struct verify_summary s;
    struct largest pack;

    (void)state;
    write_files();
    lw_backup(&w);
    lw_text(&w, "other", "x");
    lw_backup(&w);
    pack = largest_pack();
    flip(pack.name, (size_t)pack.size / 2);
    s = verify(false);
    assert_int_equal(s.objects_damaged, 0); /* only data tells */
    s = verify(true);
    assert_int_equal(s.objects_damaged, 1);
    assert_true(lw_heard(&w, pack.name));
    assert_int_equal(s.paths_damaged, 2); /* the file, in both snapshots */
    assert_true(lw_heard(&w, "src/large|snapshot "));
    assert_true(lw_heard(&w, " of 3000000 cannot be read"));
    assert_false(lw_heard(&w, "src/small|"));
    assert_false(lw_heard(&w, "bytes 0 to 2999999")); /* not the whole file */
}

static void
verify_run__reports_cut_and_missing_packs_without_data(void **state)
{
    struct verify_summary s;
    struct largest pack;
    struct vv_span bytes;
    uint8_t *copy;

    (void)state;
    write_files();
    lw_backup(&w);
    pack = largest_pack();
    assert_true(storage_memory_peek(w.storage, pack.name, &bytes));
    copy = vv_memdup(bytes.data, bytes.len);
    lw_must(&w, storage_memory_poke(w.storage, pack.name, vv_span(copy, (size_t)pack.size - 1),
                                    &w.err));
    s = verify(false);
    assert_int_equal(s.objects_damaged, 1);
    assert_int_equal(s.chunks_missing + s.paths_damaged, 0); /* all blocks are still there */
    lw_must(&w, storage_memory_poke(w.storage, pack.name, vv_span(copy, (size_t)pack.size / 2),
                                    &w.err));
    s = verify(false);
    assert_int_equal(s.objects_damaged, 1);
    assert_true(s.chunks_missing > 0 && s.paths_damaged > 0);
    lw_must(&w, storage_memory_poke(w.storage, pack.name, vv_span(NULL, 0), &w.err));
    s = verify(false);
    assert_true(lw_heard(&w, "pack-missing"));
    assert_true(s.chunks_missing > 0 && s.paths_damaged == 2);
    lw_must(&w,
            storage_memory_poke(w.storage, pack.name, vv_span(copy, (size_t)pack.size), &w.err));
    s = verify(true);
    assert_int_equal(s.objects_damaged + s.paths_damaged, 0);
    vv_free(copy);
}

static enum vv_rc
drop_all(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    char full[160];

    (void)size;
    (void)snprintf(full, sizeof(full), "%s/%s", (const char *)ctx, name);
    return storage_memory_poke(w.storage, full, vv_span(NULL, 0), err);
}

static void
verify_run__reports_an_index_that_lost_its_segments(void **state)
{
    static char directory[] = "index";
    struct verify_summary s;

    (void)state;
    write_files();
    lw_backup(&w);
    lw_must(&w, storage_list(w.storage, directory, drop_all, directory, &w.err));
    s = verify(false);
    assert_true(s.objects_damaged >= 2);
    assert_true(lw_heard(&w, "index-incomplete"));
    assert_int_equal(s.paths_damaged, 0); /* readers find everything in the packs' directories */
}

static void
verify_run__reports_snapshots_that_disappeared(void **state)
{
    static char directory[] = "snapshots";
    struct verify_summary s;

    (void)state;
    write_files();
    lw_backup(&w);
    lw_must(&w, storage_list(w.storage, directory, drop_all, directory, &w.err));
    lw_read_list(&w);
    s = verify(false);
    assert_int_equal(s.snapshots, 0);
    assert_true(s.forged);
}

static void
verify_run__compares_both_copies_of_a_key_slot(void **state)
{
    struct verify_summary s;
    char name[64];

    (void)state;
    lw_text(&w, "small", "a small file");
    lw_backup(&w);
    (void)snprintf(name, sizeof(name), "keys/%s-b", repo_slot(w.repo)->id);
    flip(name, 100);
    s = verify(false);
    assert_int_equal(s.objects_damaged, 1);
    assert_true(lw_heard(&w, "key-slot-damaged"));
    lw_must(&w, storage_memory_poke(w.storage, name, vv_span(NULL, 0), &w.err));
    s = verify(false);
    assert_int_equal(s.objects_damaged, 1);
    assert_true(lw_heard(&w, "second copy"));
}

static void
verify_run__gives_a_notice_for_what_is_harmless(void **state)
{
    struct verify_summary s;
    static const char junk[] = "junk";

    (void)state;
    lw_text(&w, "small", "a small file");
    lw_backup(&w);
    flip("README", 3);
    flip("site", 30);
    lw_must(&w, storage_memory_poke(w.storage, "packs/00/junk", vv_span(junk, 4), &w.err));
    s = verify(true);
    assert_int_equal(s.objects_damaged + s.paths_damaged + s.chunks_missing, 0);
    assert_int_equal(w.events.problems, 0);
    assert_true(lw_heard(&w, "readme-damaged") && lw_heard(&w, "site-damaged") &&
                lw_heard(&w, "object-misnamed"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verify_run__finds_nothing_in_a_whole_repository, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            verify_run__names_snapshots_path_and_bytes_of_a_damaged_block, setup, teardown),
        cmocka_unit_test_setup_teardown(verify_run__reports_cut_and_missing_packs_without_data,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(verify_run__reports_an_index_that_lost_its_segments, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify_run__reports_snapshots_that_disappeared, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify_run__compares_both_copies_of_a_key_slot, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify_run__gives_a_notice_for_what_is_harmless, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
