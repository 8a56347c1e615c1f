/* SPDX-License-Identifier: BSD-2-Clause */
/* Backups of a source directory: what is read, what is taken over, what is stored, what is said. */
#include "engine/helper_backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "crypto/secret.h"
#include "engine/prune.h"
#include "engine/repair.h"
#include "format/pack.h"
#include "sweep.h"

/** A tree with one of each kind; bytes of its files. */
static uint64_t
make_tree(struct backup_world *w)
{
    bw_file(w, "a", 1000, 1);
    bw_file(w, "big", (3u << 20) + 5, 2);
    assert_int_equal(mkdir(bw_path(w, "dir"), 0750), 0);
    bw_file(w, "dir/b", 70000, 3);
    bw_file(w, "dir/empty", 0, 4);
    assert_int_equal(symlink("dir/b", bw_path(w, "link")), 0);
    assert_int_equal(mkfifo(bw_path(w, "pipe"), 0600), 0);
    return 1000 + (3u << 20) + 5 + 70000;
}

/* --- what is read ----------------------------------------------------------------------------- */

/** Before a chunk in the index counts, its pack is looked for in a listing: none, no look-ups. */
static enum fault_verdict
count_listings(void *ctx, enum storage_op op, const char *name)
{
    if (op == STORAGE_LIST && strncmp(name, "packs/", 6) == 0) {
        atomic_fetch_add((_Atomic unsigned *)ctx, 1);
    }
    return FAULT_PASS;
}

static void
backup__reads_everything_once_and_then_what_changed(void **state)
{
    struct backup_world w;
    struct tree_root first = {0};
    struct tree_root second = {0};
    uint64_t bytes;
    uint64_t outside;
    _Atomic unsigned listed = 0;

    (void)state;
    bw_begin(&w, NULL);
    bytes = make_tree(&w);
    outside = bw_outside();
    bw_backup(&w);
    assert_false(w.summary.problems);
    assert_false(w.summary.parent_used);
    assert_int_equal(w.summary.statistics.files, 4);
    assert_int_equal(w.summary.statistics.files_new, 4);
    assert_int_equal(w.summary.statistics.symlinks, 1);
    assert_int_equal(w.summary.statistics.others, 1);
    assert_int_equal(w.summary.statistics.bytes, bytes);
    assert_int_equal(w.summary.statistics.bytes_read, bytes);
    assert_int_equal(w.summary.statistics.bytes_new >= bytes, 1);
    assert_int_equal(w.summary.packs_data, 1);
    (void)bw_snapshots(&w, &first);
    bw_assert_content(&w, "a");
    bw_assert_content(&w, "big");
    bw_assert_content(&w, "dir/b");
    bw_assert_content(&w, "dir/empty");

    bw_reopen(&w);
    w.hook = count_listings;
    w.hook_ctx = &listed;
    bw_backup(&w);
    w.hook = NULL;
    assert_true(w.summary.parent_used);
    assert_int_equal(w.summary.statistics.files_unchanged, 4);
    assert_int_equal(w.summary.statistics.bytes_read, 0);
    assert_int_equal(w.summary.packs_data, 0);
    assert_int_equal(bw_snapshots(&w, &second), 2);
    if (bw_outside() == outside) {
        assert_true(vv_id_equal(&first.node, &second.node));
        assert_int_equal(listed, 0); /* nothing was looked up */
    }

    bw_reopen(&w);
    bw_file(&w, "a", 1000, 99);
    bw_file(&w, "new", 10, 100);
    assert_int_equal(unlink(bw_path(&w, "dir/b")), 0);
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.files_changed, 1);
    assert_int_equal(w.summary.statistics.files_new, 1);
    assert_int_equal(w.summary.statistics.files_unchanged, 2);
    assert_int_equal(w.summary.statistics.bytes_read, 1010);
    assert_int_equal(w.summary.packs_data, 1);
    bw_assert_content(&w, "a");
    bw_assert_content(&w, "big");
    bw_assert_content(&w, "new");
    {
        struct vv_arena arena = {0};
        struct entry e;
        assert_int_equal(bw_entry(&w, "dir/b", &arena, &e), VV_ENOTFOUND);
        vv_arena_release(&arena);
    }
    bw_end(&w);
}

/** A change within the grain of times would go unseen: what was read too soon is read again. */
static void
backup__reads_racy_files_again(void **state)
{
    struct backup_world w;

    (void)state;
    bw_begin(&w, NULL);
    bw_file(&w, "fresh", 5000, 1);
    bw_coarse_shift = -3600; /* it was changed just now, or later */
    bw_backup(&w);
    bw_coarse_shift = 3600;
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.bytes_read, 5000);
    assert_int_equal(w.summary.statistics.files_unchanged, 1);
    assert_int_equal(w.summary.packs_data, 0);
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.bytes_read, 0);
    bw_end(&w);
}

/** The tree is a function of what is in it, not of who worked on it (B2). */
static void
backup__makes_the_same_tree_with_any_number_of_threads(void **state)
{
    struct backup_world w;
    struct tree_root one = {0};
    struct tree_root four = {0};
    bool compared = false;

    (void)state;
    bw_begin(&w, NULL);
    (void)make_tree(&w);
    for (unsigned i = 0; i < 1500; i++) { /* several windows, several leaves */
        char name[32];
        (void)snprintf(name, sizeof(name), "dir/f%04u", i);
        bw_file(&w, name, i % 50, i);
    }
    bw_file(&w, "larger", 9u << 20, 7);
    w.options.full = true;
    for (int attempt = 0; attempt < 10 && !compared; attempt++) {
        uint64_t before = bw_outside();
        w.options.threads = 1;
        bw_backup(&w);
        (void)bw_snapshots(&w, &one);
        w.options.threads = 4;
        bw_backup(&w);
        (void)bw_snapshots(&w, &four);
        assert_int_equal(w.summary.packs_data, 0);
        compared = bw_outside() == before;
    }
    if (compared) {
        assert_true(vv_id_equal(&one.node, &four.node));
    }
    assert_int_equal(one.entries, four.entries);
    bw_assert_content(&w, "larger");
    bw_end(&w);
}

/** Chunks of any size a config may ask for. */
static void
backup__cuts_as_the_config_says(void **state)
{
    static const struct repo_init_options sizes[] = {
        {.chunk_min = 64, .chunk_max = 4096, .chunk_threshold = UINT64_MAX / 64},
        {.chunk_min = 1u << 20, .chunk_max = 16u << 20, .chunk_threshold = 1},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(sizes); i++) {
        struct backup_world w;
        bw_begin(&w, &sizes[i]);
        bw_file(&w, "page", 1u << 20, 1);
        bw_file(&w, "large", 9u << 20, 2);
        bw_backup(&w);
        assert_false(w.summary.problems);
        bw_assert_content(&w, "page");
        bw_assert_content(&w, "large");
        bw_end(&w);
    }
}

static void
backup__dry_run_writes_nothing(void **state)
{
    struct backup_world w;
    size_t objects;

    (void)state;
    bw_begin(&w, NULL);
    (void)make_tree(&w);
    bw_backup(&w);
    bw_file(&w, "a", 1000, 99);
    objects = bw_objects(&w);
    bw_reopen(&w);
    w.options.dry_run = true;
    bw_backup(&w);
    assert_true(w.summary.dry_run);
    assert_int_equal(w.summary.statistics.files_changed, 1);
    assert_int_equal(w.summary.statistics.files_unchanged, 3);
    assert_int_equal(w.summary.statistics.bytes_read, 1000);
    assert_int_equal(bw_objects(&w), objects);
    assert_int_equal(bw_snapshots(&w, NULL), 1);
    w.paths[0] = "/nowhere/to/be/found";
    assert_int_equal(bw_run(&w), VV_ENOTFOUND);
    bw_end(&w);
}

/** --full reads what looks unchanged, and says so where it is not. */
static void
backup__full_finds_silent_changes(void **state)
{
    struct backup_world w;
    struct stat st;

    (void)state;
    bw_begin(&w, NULL);
    bw_hide_ctime = true;
    bw_file(&w, "rotten", 5000, 1);
    bw_file(&w, "sound", 5000, 2);
    bw_backup(&w);
    assert_int_equal(stat(bw_path(&w, "rotten"), &st), 0);
    bw_file(&w, "rotten", 5000, 3);
    {
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        assert_int_equal(utimensat(AT_FDCWD, bw_path(&w, "rotten"), times, 0), 0);
    }
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.bytes_read, 0); /* nothing to see */
    w.options.full = true;
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.bytes_read, 10000);
    assert_int_equal(w.summary.statistics.silent_changes, 1);
    assert_true(w.summary.problems);
    assert_true(bw_heard(&w, "content-changed-silently|rotten"));
    assert_int_equal(bw_heard_count(&w, "content-changed-silently"), 1);
    bw_assert_content(&w, "rotten");
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.silent_changes, 0);
    assert_false(w.summary.problems);
    bw_end(&w);
}

static void
write_late(struct backup_world *w)
{
    bw_file(w, "late", 6000, 4);
    bw_on_read = NULL;
}

/** What is written to between the walk and the reading has new metadata to show for it. */
static void
backup__full_tells_late_changes_from_silent_ones(void **state)
{
    struct backup_world w;

    (void)state;
    bw_begin(&w, NULL);
    bw_hide_ctime = true;
    w.options.threads = 1;
    bw_file(&w, "early", 5000, 1);
    bw_file(&w, "late", 5000, 2);
    bw_backup(&w);
    w.options.full = true;
    bw_on_read = write_late;
    bw_read_name = "/early";
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.silent_changes, 0);
    assert_int_equal(w.summary.statistics.files_changed, 1);
    assert_false(w.summary.problems);
    bw_assert_content(&w, "late");
    bw_end(&w);
}

/** A file of a megabyte of zeros with 'data' in the middle, with or without holes around it. */
static void
write_zeros(struct backup_world *w, const char *name, bool holes)
{
    static uint8_t zeros[1 << 20];
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    int fd = open(bw_path(w, name), O_WRONLY | O_CREAT, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(ftruncate(fd, sizeof(zeros)), 0);
    if (!holes) {
        assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
    }
    assert_int_equal(pwrite(fd, "data", 4, 1 << 19), 4);
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
}

/** Preallocated space is data today and a hole tomorrow, with the same metadata: no change. */
static void
backup__full_takes_moved_holes_for_no_change(void **state)
{
    struct backup_world w;

    (void)state;
    bw_begin(&w, NULL);
    bw_hide_ctime = true;
    write_zeros(&w, "reserved", true);
    bw_backup(&w);
    w.options.full = true;
    for (int holes = 0; holes <= 1; holes++) {
        write_zeros(&w, "reserved", holes != 0);
        bw_backup(&w);
        assert_int_equal(w.summary.statistics.silent_changes, 0);
        assert_int_equal(w.summary.statistics.files_unchanged, 1);
        assert_false(w.summary.problems);
        if (holes == 0) {
            bw_assert_content(&w, "reserved");
        }
    }
    bw_end(&w);
}

/* --- while it runs ---------------------------------------------------------------------------- */

static void
remove_victim(struct backup_world *w)
{
    (void)unlink(bw_path(w, "victim"));
}

static unsigned rewrites;

static void
rewrite(struct backup_world *w)
{
    char text[64];

    if (rewrites > 0) {
        rewrites--;
        (void)snprintf(text, sizeof(text), "now it has %u rewrites left", rewrites);
        bw_text(w, "moving", text, false);
    }
}

static void
append(struct backup_world *w)
{
    if (rewrites > 0) {
        rewrites--;
        bw_text(w, "growing", "and more", true);
    }
}

static void
backup__counts_what_vanishes(void **state)
{
    struct backup_world w;
    struct vv_arena arena = {0};
    struct entry e;

    (void)state;
    bw_begin(&w, NULL);
    w.options.threads = 1;
    bw_text(&w, "first", "still there", false);
    bw_text(&w, "victim", "not for long", false);
    bw_on_read = remove_victim;
    bw_read_name = "/first";
    bw_backup(&w);
    assert_true(w.summary.problems);
    assert_int_equal(w.summary.statistics.problems, 1);
    assert_true(bw_heard(&w, "file-vanished|victim"));
    assert_int_equal(bw_entry(&w, "victim", &arena, &e), VV_ENOTFOUND);
    bw_assert_content(&w, "first");
    vv_arena_release(&arena);
    bw_end(&w);
}

/** A file that keeps moving is stored as it was read, flagged, and never taken over. */
static void
backup__flags_torn_files(void **state)
{
    struct backup_world w;
    struct vv_arena arena = {0};
    struct entry e;

    (void)state;
    bw_begin(&w, NULL);
    bw_text(&w, "moving", "this is what it was in the beginning", false);
    bw_on_read = rewrite;
    bw_read_name = "/moving";
    rewrites = 1000;
    bw_backup(&w);
    assert_true(w.summary.problems);
    assert_int_equal(bw_heard_count(&w, "file-changed"), 1);
    bw_must(&w, bw_entry(&w, "moving", &arena, &e));
    assert_true(e.flags & ENTRY_TORN);
    rewrites = 0;
    bw_backup(&w);
    assert_false(w.summary.problems);
    assert_true(w.summary.statistics.bytes_read > 0);
    bw_must(&w, bw_entry(&w, "moving", &arena, &e));
    assert_false(e.flags & ENTRY_TORN);
    bw_assert_content(&w, "moving");
    vv_arena_release(&arena);
    bw_end(&w);
}

static void
backup__reads_a_file_that_moved_once_again(void **state)
{
    struct backup_world w;

    (void)state;
    bw_begin(&w, NULL);
    bw_text(&w, "moving", "this is what it was in the beginning", false);
    bw_on_read = rewrite;
    bw_read_name = "/moving";
    rewrites = 1;
    bw_backup(&w);
    assert_false(w.summary.problems);
    bw_assert_content(&w, "moving");
    bw_end(&w);
}

/** A log that only grew is whole up to the size it had. */
static void
backup__keeps_the_beginning_of_what_grows(void **state)
{
    static const size_t sizes[] = {20, 1500000};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(sizes); i++) {
        struct backup_world w;
        struct vv_arena arena = {0};
        struct vv_buf stored = {0};
        struct entry e;
        bw_begin(&w, NULL);
        bw_file(&w, "growing", sizes[i], 1);
        bw_on_read = append;
        bw_read_name = "/growing";
        rewrites = 1;
        bw_backup(&w);
        assert_false(w.summary.problems);
        bw_must(&w, bw_entry(&w, "growing", &arena, &e));
        assert_false(e.flags & ENTRY_TORN);
        assert_int_equal(e.size, sizes[i]);
        bw_content(&w, "growing", &stored);
        assert_int_equal(stored.len, sizes[i]);
        vv_buf_release(&stored);
        bw_backup(&w); /* its size tells: it is read again */
        bw_assert_content(&w, "growing");
        vv_arena_release(&arena);
        bw_end(&w);
    }
}

static void
backup__expects_what_may_change(void **state)
{
    struct backup_world w;
    VV_CLEANUP(pattern_set_freep) struct pattern_set *patterns = NULL;
    struct vv_arena arena = {0};
    struct entry e;

    (void)state;
    bw_begin(&w, NULL);
    bw_must(&w, pattern_set_new(&patterns, &w.err));
    bw_must(&w, pattern_set_add(patterns, "moving", &w.err));
    bw_must(&w, pattern_set_add(patterns, "victim", &w.err));
    w.options.may_change = patterns;
    w.options.threads = 1;
    bw_text(&w, "first", "still there", false);
    bw_text(&w, "moving", "this is what it was in the beginning", false);
    bw_on_read = rewrite;
    bw_read_name = "/moving";
    rewrites = 1000;
    bw_backup(&w);
    assert_false(w.summary.problems);
    assert_int_equal(w.summary.statistics.volatile_changed, 1);
    assert_true(bw_heard(&w, "file-changed|moving"));
    bw_must(&w, bw_entry(&w, "moving", &arena, &e));
    assert_true(e.flags & ENTRY_MAY_CHANGE);
    assert_false(e.flags & ENTRY_TORN);
    rewrites = 0;
    bw_text(&w, "victim", "not for long", false);
    bw_text(&w, "first", "changed", false);
    bw_on_read = remove_victim;
    bw_read_name = "/first";
    bw_backup(&w);
    assert_false(w.summary.problems);
    assert_int_equal(w.summary.statistics.volatile_changed, 1);
    vv_arena_release(&arena);
    bw_end(&w);
}

/* --- what is missing -------------------------------------------------------------------------- */

static void
backup__goes_on_without_a_missing_path(void **state)
{
    struct backup_world w;
    char missing[128];

    (void)state;
    bw_begin(&w, NULL);
    bw_text(&w, "first", "still there", false);
    (void)snprintf(missing, sizeof(missing), "%s/nothing", w.base);
    w.paths[1] = missing;
    w.options.path_count = 2;
    bw_backup(&w);
    assert_true(w.summary.problems);
    bw_assert_content(&w, "first");
    w.paths[0] = missing;
    w.options.path_count = 1;
    assert_int_equal(bw_run(&w), VV_ENOTFOUND);
    assert_int_equal(w.err.origin, VV_ORIGIN_SOURCE);
    assert_false(w.summary.committed);
    assert_int_equal(bw_snapshots(&w, NULL), 1);
    bw_end(&w);
}

/* --- trouble of the repository ---------------------------------------------------------------- */

struct stop {
    unsigned packs;  /* so many (of them or of all objects) are published, then */
    bool everything; /* nothing works any more; else only packs fail */
    _Atomic unsigned seen;
};

static enum fault_verdict
stop_after(void *ctx, enum storage_op op, const char *name)
{
    struct stop *s = ctx;

    if (op == STORAGE_PUBLISH && strncmp(name, "packs/", 6) == 0 &&
        atomic_fetch_add(&s->seen, 1) >= s->packs) {
        return s->everything ? FAULT_STOP : FAULT_NOSPACE;
    }
    return FAULT_PASS;
}

static void
backup__commits_nothing_when_the_repository_fails(void **state)
{
    struct backup_world w;
    struct stop stop = {0};

    (void)state;
    bw_begin(&w, NULL);
    (void)make_tree(&w);
    w.hook = stop_after;
    w.hook_ctx = &stop;
    assert_int_equal(bw_run(&w), VV_ENOSPACE);
    assert_int_equal(w.err.origin, VV_ORIGIN_REPOSITORY);
    assert_false(w.summary.committed);
    w.hook = NULL;
    assert_int_equal(bw_snapshots(&w, NULL), 0);
    bw_backup(&w);
    bw_assert_content(&w, "big");
    bw_end(&w);
}

static void
backup__goes_on_where_a_killed_run_was(void **state)
{
    struct backup_world w;
    struct stop stop = {.packs = 2, .everything = true};
    uint64_t bytes = 0;

    (void)state;
    bw_begin(&w, NULL);
    w.options.threads = 1;
    for (unsigned i = 0; i < 60; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "file%02u", i);
        bw_file(&w, name, 500000, i);
        bytes += 500000;
    }
    w.hook = stop_after;
    w.hook_ctx = &stop;
    assert_int_not_equal(bw_run(&w), VV_OK);
    assert_false(w.summary.committed);
    w.hook = NULL;
    bw_reopen(&w);
    assert_int_equal(bw_snapshots(&w, NULL), 0);
    bw_backup(&w);
    assert_true(w.summary.resumed);
    assert_false(w.summary.problems);
    /* two packs are there, of 4 MiB and what keeps padding small */
    assert_in_range(w.summary.statistics.bytes_read, bytes - 14000000, bytes - 7500000);
    assert_in_range(w.summary.statistics.bytes_new, bytes - 14000000, bytes - 7500000);
    for (unsigned i = 0; i < 60; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "file%02u", i);
        bw_assert_content(&w, name);
    }
    bw_reopen(&w);
    bw_backup(&w);
    assert_false(w.summary.resumed); /* the checkpoint is gone */
    assert_int_equal(w.summary.statistics.bytes_read, 0);
    bw_end(&w);
}

static enum fault_verdict
stop_at_publication(void *ctx, enum storage_op op, const char *name)
{
    struct stop *s = ctx;

    (void)name;
    return op == STORAGE_PUBLISH && atomic_fetch_add(&s->seen, 1) >= s->packs ? FAULT_STOP
                                                                              : FAULT_PASS;
}

/** Wherever it died, the next run ends with everything. */
static void
backup__may_be_killed_before_any_publication(void **state)
{
    unsigned last = 1000;

    (void)state;
    for (unsigned n = 0; n < last; n += sweep_stride(1)) {
        struct backup_world w;
        struct stop stop = {.packs = n};
        bw_begin(&w, NULL);
        w.options.threads = 1 + n % 3;
        (void)make_tree(&w);
        bw_file(&w, "dir/much", 9u << 20, 5);
        bw_backup(&w);
        bw_file(&w, "a", 2000, 6);
        bw_file(&w, "dir/much", 9u << 20, 7);
        w.hook = stop_at_publication;
        w.hook_ctx = &stop;
        if (bw_run(&w) == VV_OK) {
            last = n; /* so many publications are all */
        }
        assert_int_equal(w.summary.committed, last == n);
        w.hook = NULL;
        bw_reopen(&w);
        bw_backup(&w);
        assert_false(w.summary.problems);
        assert_int_equal(bw_snapshots(&w, NULL), last == n ? 3 : 2);
        bw_assert_content(&w, "a");
        bw_assert_content(&w, "big");
        bw_assert_content(&w, "dir/b");
        bw_assert_content(&w, "dir/much");
        bw_end(&w);
    }
    assert_in_range(last, 5, 50);
}

/** W8: while a list is pending nothing is believed without a look-up. */
static void
backup__looks_everything_up_while_a_list_is_pending(void **state)
{
    struct backup_world w;
    struct pack_name other = {{{1}}, {{2}}};
    _Atomic unsigned listed = 0;
    struct vv_uuid prune = {{3}};

    (void)state;
    bw_begin(&w, NULL);
    (void)make_tree(&w);
    bw_backup(&w);
    bw_must(&w, condemned_publish(w.repo, &prune, &other, 1, &w.err));
    bw_reopen(&w);
    w.hook = count_listings;
    w.hook_ctx = &listed;
    bw_backup(&w);
    w.hook = NULL;
    assert_true(listed > 0);
    assert_int_equal(w.summary.statistics.bytes_read, 0);
    assert_int_equal(w.summary.packs_data, 0);
    bw_end(&w);
}

static void
backup__stores_again_what_is_condemned(void **state)
{
    struct backup_world w;
    struct pack_name packs[64];
    struct vv_uuid prune = {{3}};
    uint64_t bytes;
    uint32_t count;

    (void)state;
    bw_begin(&w, NULL);
    bytes = make_tree(&w);
    bw_backup(&w);
    count = bw_packs(&w, packs, VV_COUNT(packs));
    assert_true(count >= 2);
    bw_must(&w, condemned_publish(w.repo, &prune, packs, count, &w.err));
    bw_reopen(&w);
    bw_backup(&w);
    assert_int_equal(w.summary.statistics.bytes_read, bytes);
    assert_true(w.summary.packs_data > 0);
    for (uint32_t i = 0; i < count; i++) { /* as the prune is going to */
        char object[PACK_OBJECT_TEXT];
        pack_object_text(&packs[i], object);
        bw_must(&w, storage_memory_poke(w.memory, object, vv_span(NULL, 0), &w.err));
    }
    bw_reopen(&w);
    bw_assert_content(&w, "a");
    bw_assert_content(&w, "big");
    bw_assert_content(&w, "dir/b");
    bw_end(&w);
}

/* A damaged list may have named any pack: nothing is referred to, and the backup is whole all the
 * same; nothing replicates or is deleted until a repair has taken the list away. */
static void
backup__refers_to_nothing_while_a_list_is_damaged(void **state)
{
    struct backup_world w;
    struct pack_name packs[64];
    struct vv_uuid prune = {{3}};
    struct prune_options po = {.budget = UINT64_MAX, .grace_ns = INT64_MAX};
    struct prune_summary ps;
    struct repair_options ro = {.threads = 1};
    struct repair_summary rs;
    char list[64] = "condemned/";
    char registered[64];
    struct vv_span bytes;
    uint32_t count;
    uint8_t *copy;

    (void)state;
    bw_begin(&w, NULL);
    (void)make_tree(&w);
    bw_backup(&w);
    count = bw_packs(&w, packs, VV_COUNT(packs));
    bw_must(&w, condemned_publish(w.repo, &prune, packs, count, &w.err));
    vv_uuid_text(&prune, list + strlen(list));
    (void)snprintf(registered, sizeof(registered), "sessions/%s", list + strlen("condemned/"));
    bw_must(&w, storage_memory_poke(w.memory, registered, vv_span("x", 1), &w.err));
    assert_true(storage_memory_peek(w.memory, list, &bytes));
    copy = vv_memdup(bytes.data, bytes.len);
    bw_must(&w, storage_memory_poke(w.memory, list, vv_span(copy, bytes.len - 50), &w.err));
    vv_free(copy);
    bw_reopen(&w);
    bw_backup(&w);
    assert_true(bw_heard_count(&w, "condemned-damaged") > 0);
    assert_true(w.summary.packs_data > 0);
    for (uint32_t i = 0; i < count; i++) { /* as the prune is going to, which knows its list */
        char object[PACK_OBJECT_TEXT];
        pack_object_text(&packs[i], object);
        bw_must(&w, storage_memory_poke(w.memory, object, vv_span(NULL, 0), &w.err));
    }
    bw_reopen(&w);
    bw_assert_content(&w, "a");
    bw_assert_content(&w, "big");
    bw_assert_content(&w, "dir/b");
    assert_int_equal(prune_run(w.repo, &po, NULL, &ps, &w.err), VV_ECORRUPT);
    assert_non_null(strstr(w.err.hint, "varve repair"));
    bw_must(&w, repair_run(w.repo, &ro, NULL, &rs, &w.err));
    repair_summary_release(&rs);
    assert_false(storage_memory_peek(w.memory, list, &bytes));
    bw_reopen(&w);
    bw_backup(&w);
    assert_int_equal(bw_heard_count(&w, "condemned-damaged"), 0);
    assert_int_equal(w.summary.packs_data, 0); /* what is here is known again */
    bw_end(&w);
}

/** Drop all packs of one class. */
static void
drop_packs(struct backup_world *w, enum pack_class class)
{
    struct pack_name packs[64];
    uint32_t count = bw_packs(w, packs, VV_COUNT(packs));

    for (uint32_t i = 0; i < count; i++) {
        char object[PACK_OBJECT_TEXT];
        struct vv_span bytes;
        struct pack_header header;
        pack_object_text(&packs[i], object);
        assert_true(storage_memory_peek(w->memory, object, &bytes));
        bw_must(w, pack_header_decode(bytes.data, repo_id(w->repo), &header, &w->err));
        if (header.class == class) {
            bw_must(w, storage_memory_poke(w->memory, object, vv_span(NULL, 0), &w->err));
        }
    }
}

static void
backup__reads_again_what_a_damaged_parent_does_not_tell(void **state)
{
    struct backup_world w;
    uint64_t bytes;

    (void)state;
    bw_begin(&w, NULL);
    bytes = make_tree(&w);
    bw_backup(&w);
    drop_packs(&w, PACK_METADATA);
    bw_reopen(&w);
    bw_backup(&w);
    assert_true(bw_heard_count(&w, "parent-damaged") > 0);
    assert_int_equal(w.summary.statistics.bytes_read, bytes);
    assert_int_equal(w.summary.packs_data, 0); /* the content is still there */
    bw_assert_content(&w, "a");
    bw_assert_content(&w, "big");
    bw_end(&w);
}

/* --- commands --------------------------------------------------------------------------------- */

static void
backup__stores_a_commands_output(void **state)
{
    static const struct backup_command commands[] = {
        {"dump/orders.sql", "printf 'the orders of today'"},
        {"list", "printf 'a\\nb\\n'"},
        {"dump/orders.sql", "printf 'others'"},
    };
    struct backup_world w;
    struct snapshot_list list = {0};
    VV_CLEANUP(chunk_index_freep) struct chunk_index *index = NULL;
    VV_CLEANUP(chunk_reader_freep) struct chunk_reader *reader = NULL;
    struct vv_arena arena = {0};
    struct vv_buf stored = {0};
    struct entry e;

    (void)state;
    bw_begin(&w, NULL);
    w.options.path_count = 0;
    w.options.commands = commands;
    w.options.command_count = 3; /* two of one name: one would be lost */
    assert_int_equal(bw_run(&w), VV_EUSAGE);
    w.options.command_count = 2;
    bw_backup(&w);
    assert_false(w.summary.problems);
    assert_int_equal(w.summary.statistics.files, 2);
    bw_must(&w, snapshot_list_read(w.repo, &list, &w.err));
    bw_must(&w, chunk_index_open(w.repo, &index, &w.err));
    bw_must(&w, chunk_reader_new(w.repo, index, 1u << 20, &reader, &w.err));
    bw_must(&w, tree_find(reader, &list.snapshots[0].body.root, vv_span("dump/orders.sql", 15),
                          &arena, &e, &w.err));
    bw_must(&w, stream_read_all(reader, &e.content, 1000, &stored, &w.err));
    assert_string_equal(vv_buf_text(&stored), "the orders of today");
    assert_int_equal(e.size, 19);
    bw_must(&w, tree_find(reader, &list.snapshots[0].body.root, vv_span("dump", 4), &arena, &e,
                          &w.err));
    assert_int_equal(e.type, ENTRY_DIRECTORY);
    vv_buf_release(&stored);
    vv_arena_release(&arena);
    snapshot_list_release(&list);
    bw_end(&w);
}

static void
backup__commits_nothing_when_a_command_fails(void **state)
{
    static const struct backup_command commands[] = {
        {"good", "echo all is well"},
        {"bad", "echo half of it; exit 3 | cat"},
    };
    struct backup_world w;

    (void)state;
    bw_begin(&w, NULL);
    bw_text(&w, "first", "still there", false);
    w.options.commands = commands;
    w.options.command_count = VV_COUNT(commands);
    assert_int_not_equal(bw_run(&w), VV_OK);
    assert_int_equal(w.err.origin, VV_ORIGIN_SOURCE);
    assert_false(w.summary.committed);
    assert_int_equal(bw_snapshots(&w, NULL), 0);
    bw_end(&w);
}

/** A dump that has become half as large is worth a look. */
static void
backup__notices_output_that_shrank(void **state)
{
    struct backup_command commands[] = {{"dump", "head -c 5000 /dev/zero"}};
    struct backup_world w;

    (void)state;
    bw_begin(&w, NULL);
    w.options.path_count = 0;
    w.options.commands = commands;
    w.options.command_count = 1;
    bw_backup(&w);
    commands[0].command = "head -c 2500 /dev/zero";
    bw_backup(&w);
    assert_false(w.summary.problems);
    commands[0].command = "head -c 1000 /dev/zero";
    bw_backup(&w);
    assert_true(w.summary.problems);
    assert_true(bw_heard_count(&w, "output-shrunk") == 1);
    bw_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backup__reads_everything_once_and_then_what_changed),
        cmocka_unit_test(backup__reads_racy_files_again),
        cmocka_unit_test(backup__makes_the_same_tree_with_any_number_of_threads),
        cmocka_unit_test(backup__cuts_as_the_config_says),
        cmocka_unit_test(backup__dry_run_writes_nothing),
        cmocka_unit_test(backup__full_finds_silent_changes),
        cmocka_unit_test(backup__full_tells_late_changes_from_silent_ones),
        cmocka_unit_test(backup__full_takes_moved_holes_for_no_change),
        cmocka_unit_test(backup__counts_what_vanishes),
        cmocka_unit_test(backup__flags_torn_files),
        cmocka_unit_test(backup__reads_a_file_that_moved_once_again),
        cmocka_unit_test(backup__keeps_the_beginning_of_what_grows),
        cmocka_unit_test(backup__expects_what_may_change),
        cmocka_unit_test(backup__goes_on_without_a_missing_path),
        cmocka_unit_test(backup__commits_nothing_when_the_repository_fails),
        cmocka_unit_test(backup__goes_on_where_a_killed_run_was),
        cmocka_unit_test(backup__may_be_killed_before_any_publication),
        cmocka_unit_test(backup__looks_everything_up_while_a_list_is_pending),
        cmocka_unit_test(backup__stores_again_what_is_condemned),
        cmocka_unit_test(backup__refers_to_nothing_while_a_list_is_damaged),
        cmocka_unit_test(backup__reads_again_what_a_damaged_parent_does_not_tell),
        cmocka_unit_test(backup__stores_a_commands_output),
        cmocka_unit_test(backup__commits_nothing_when_a_command_fails),
        cmocka_unit_test(backup__notices_output_that_shrank),
    };
    struct vv_error err = {0};

    if (crypto_init(&err) != VV_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
