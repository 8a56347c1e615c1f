/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs that are told what has changed: the tree is that of a run that looks at everything (B6 to B10). */
#include "engine/helper_backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alone.h"
#include "core/alloc.h"
#include "sweep.h"

#define ROUNDS 40
#define STEPS_MOST 12
#define SETS (1u << 20)

/** A world that keeps a list of its directories, and of what it changes. */
struct watched {
    struct backup_world w;
    struct change_set *changes;
    struct change_set *unsettled;
    struct backup_changes since;
    char (*directories)[256]; /* below src/; "" first */
    size_t directory_count;
    uint64_t seed;
    unsigned serial;
    unsigned links; /* made since the last snapshot */
    unsigned kept;  /* snapshots that kept what had not changed */
};

static uint64_t
next_random(struct watched *t)
{
    t->seed = t->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return t->seed >> 33;
}

static void
mark(struct watched *t, const char *path, enum change change)
{
    char full[1024];

    (void)snprintf(full, sizeof(full), "%s%s%s", t->w.source + 1, path[0] != '\0' ? "/" : "", path);
    change_set_add(t->changes, vv_span(full, strlen(full)), change);
}

static void
mark_parent(struct watched *t, const char *path)
{
    char parent[1024];
    char *slash;

    (void)snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    if (slash == NULL) {
        parent[0] = '\0';
    } else {
        *slash = '\0';
    }
    mark(t, parent, CHANGE_HERE);
}

static const char *
any_directory(struct watched *t)
{
    return t->directories[next_random(t) % t->directory_count];
}

static void
join(char out[256], const char *directory, const char *prefix, unsigned n)
{
    static const char *const odd[4] = {"", "-", " ", "."};

    (void)snprintf(out, 256, "%s%s%s%s%u", directory, directory[0] != '\0' ? "/" : "", prefix,
                   odd[n % 4], n);
}

static void
make_directory(struct watched *t)
{
    char path[256];

    join(path, any_directory(t), "d", t->serial++);
    if (strlen(path) < 200 && t->directory_count < 4096) {
        assert_int_equal(mkdir(bw_path(&t->w, path), 0755), 0);
        mark_parent(t, path);
        mark(t, path, CHANGE_ALL);
        (void)snprintf(t->directories[t->directory_count++], 256, "%s", path);
    }
}

static void
make_file(struct watched *t)
{
    char path[256];

    join(path, any_directory(t), "f", t->serial++);
    bw_file(&t->w, path, next_random(t) % 900, next_random(t));
    mark_parent(t, path);
}

static void
rewrite(struct watched *t, const char *path)
{
    bw_file(&t->w, path, next_random(t) % 2000, next_random(t));
}

static void
erase(struct watched *t, const char *path)
{
    assert_int_equal(unlink(bw_path(&t->w, path)), 0);
}

static void
change_mode(struct watched *t, const char *path)
{
    assert_int_equal(chmod(bw_path(&t->w, path), (mode_t)(0400 | (next_random(t) & 0377))), 0);
}

static void
make_link(struct watched *t, const char *path)
{
    char from[1024];
    char to[256];

    (void)snprintf(from, sizeof(from), "%s", bw_path(&t->w, path));
    join(to, any_directory(t), "l", t->serial++);
    assert_int_equal(link(from, bw_path(&t->w, to)), 0);
    mark_parent(t, to);
    t->links++;
}

/** Some name in a random directory that is a file, changed; false: there was none. */
static bool
with_some_file(struct watched *t, void (*fn)(struct watched *t, const char *path))
{
    for (unsigned tries = 0; tries < 40; tries++) {
        char path[256];
        struct stat st;
        join(path, any_directory(t), "f", (unsigned)(next_random(t) % (t->serial + 1)));
        if (lstat(bw_path(&t->w, path), &st) == 0 && S_ISREG(st.st_mode)) {
            fn(t, path);
            if (fn != make_link) { /* of which the old name's directory hears nothing */
                mark_parent(t, path);
            }
            return true;
        }
    }
    return false;
}

static void
move_file(struct watched *t, const char *path)
{
    char from[1024];
    char to[256];

    (void)snprintf(from, sizeof(from), "%s", bw_path(&t->w, path));
    join(to, any_directory(t), "f", t->serial++);
    assert_int_equal(rename(from, bw_path(&t->w, to)), 0);
    mark_parent(t, to);
}

static bool
is_in(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/** A directory with all that is in it goes elsewhere, or away (${gone}). */
static void
move_directory(struct watched *t, bool gone)
{
    char old[256];
    char from[1024];
    char to[256];
    size_t kept = 0;

    (void)snprintf(old, sizeof(old), "%s", any_directory(t));
    join(to, any_directory(t), "d", t->serial++);
    if (old[0] == '\0' || is_in(to, old) || strlen(to) + 60 > 200) {
        return;
    }
    (void)snprintf(from, sizeof(from), "%s", bw_path(&t->w, old));
    if (gone) {
        char command[2200];
        (void)snprintf(command, sizeof(command), "rm -rf '%s'", from);
        assert_int_equal(system(command), 0);
    } else {
        assert_int_equal(rename(from, bw_path(&t->w, to)), 0);
        mark_parent(t, to);
        mark(t, to, CHANGE_ALL);
    }
    mark_parent(t, old);
    for (size_t i = 0; i < t->directory_count; i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s", t->directories[i]);
        if (is_in(path, old)) {
            if (gone) {
                continue;
            }
            (void)snprintf(path, sizeof(path), "%.120s%.120s", to, t->directories[i] + strlen(old));
        }
        (void)snprintf(t->directories[kept++], 256, "%s", path);
    }
    t->directory_count = kept;
}

static void
step(struct watched *t)
{
    switch (next_random(t) % 10) {
    case 0:
        make_directory(t);
        break;
    case 1:
    case 2:
    case 3:
        make_file(t);
        break;
    case 4:
        (void)with_some_file(t, rewrite);
        break;
    case 5:
        (void)with_some_file(t, erase);
        break;
    case 6:
        (void)with_some_file(t, change_mode);
        break;
    case 7:
        (void)with_some_file(t, next_random(t) % 2 != 0 ? make_link : move_file);
        break;
    case 8:
        move_directory(t, false);
        break;
    default:
        if (next_random(t) % 3 == 0) {
            move_directory(t, true);
        }
        break;
    }
}

static void
watched_begin(struct watched *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    bw_begin(&t->w, NULL);
    t->seed = seed;
    t->directories = vv_alloc_array(4096, sizeof(*t->directories));
    assert_non_null(t->directories);
    t->directory_count = 1;
    bw_must(&t->w, change_set_new(SETS, &t->changes, &t->w.err));
    bw_must(&t->w, change_set_new(SETS, &t->unsettled, &t->w.err));
    t->w.options.unsettled = t->unsettled;
}

static void
watched_end(struct watched *t)
{
    change_set_free(t->changes);
    change_set_free(t->unsettled);
    vv_free(t->directories);
    bw_end(&t->w);
}

static enum vv_rc
count_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)size;
    (void)err;
    *(size_t *)ctx += strchr(name, '.') == NULL; /* but not heartbeats */
    return VV_OK;
}

/** Every session has ended: a prune waits for those that have not. */
static void
assert_no_open_session(struct watched *t)
{
    size_t sessions = 0;
    size_t slots = 0;

    bw_must(&t->w, storage_list(t->w.memory, "sessions", count_name, &sessions, &t->w.err));
    bw_must(&t->w, storage_list(t->w.memory, "snapshots", count_name, &slots, &t->w.err));
    assert_true(sessions <= slots);
}

/** A snapshot of what has changed since the last one of these. */
static void
keep_and_add(struct watched *t)
{
    bool first = t->w.options.changes == NULL && t->since.set == NULL;

    change_set_merge(t->changes, t->unsettled);
    change_set_clear(t->unsettled);
    change_set_sort(t->changes);
    t->since.set = t->changes;
    t->w.options.changes = first ? NULL : &t->since;
    bw_backup(&t->w);
    if (first || t->links == 0) { /* B9: a new name of a file elsewhere calls for a whole walk */
        assert_int_equal(t->w.summary.kept, !first);
    }
    assert_no_open_session(t);
    t->kept += t->w.summary.kept;
    t->links = 0;
    t->since.since = t->w.summary.snapshot.id;
    change_set_clear(t->changes);
}

static bool
same_root(const struct tree_root *a, const struct tree_root *b)
{
    return a->height == b->height && vv_id_equal(&a->node, &b->node) && a->entries == b->entries &&
           a->bytes == b->bytes;
}

/** Compare with a run that looks at everything; false: the world outside has changed between them. */
static bool
check_against_whole(struct watched *t, uint64_t outside)
{
    struct change_set *unsettled = t->w.options.unsettled;
    struct snapshot_statistics kept = t->w.summary.statistics;
    const struct snapshot_statistics *whole = &t->w.summary.statistics;
    struct tree_root a;
    struct tree_root b;

    (void)bw_snapshots(&t->w, &a);
    t->w.options.changes = NULL;
    t->w.options.unsettled = NULL;
    bw_backup(&t->w);
    t->w.options.unsettled = unsettled;
    (void)bw_snapshots(&t->w, &b);
    if (outside != bw_outside()) {
        return false;
    }
    if (!same_root(&a, &b)) {
        fail_msg("another tree");
    }
    assert_int_equal(kept.files, whole->files);
    assert_int_equal(kept.bytes, whole->bytes);
    assert_int_equal(kept.directories, whole->directories);
    assert_int_equal(kept.symlinks, whole->symlinks);
    assert_int_equal(kept.others, whole->others);
    assert_int_equal(kept.files_new + kept.files_changed + kept.files_unchanged, kept.files);
    assert_int_equal(kept.bytes, b.bytes);
    return true;
}

/* B6, B10 */
static void
keep__gives_the_tree_of_a_whole_walk(void **state)
{
    static const uint64_t seeds[] = {1, 20261127};
    unsigned compared = 0;

    (void)state;
    for (size_t s = 0; s < VV_COUNT(seeds); s += sweep_stride(1)) {
        struct watched t;
        watched_begin(&t, seeds[s]);
        print_message("seed %llu\n", (unsigned long long)seeds[s]);
        for (unsigned i = 0; i < 60; i++) {
            make_directory(&t);
        }
        for (unsigned i = 0; i < 1500; i++) {
            make_file(&t);
        }
        keep_and_add(&t);
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint64_t outside;
            unsigned steps = (unsigned)(next_random(&t) % STEPS_MOST);
            for (unsigned i = 0; i < steps; i++) {
                step(&t);
            }
            outside = bw_outside();
            keep_and_add(&t);
            compared += check_against_whole(&t, outside);
        }
        assert_true(t.kept > ROUNDS / 4); /* the others had new links */
        watched_end(&t);
    }
    assert_true(compared > ROUNDS / 2); /* whoever else works in /var/tmp did not spoil all of it */
}

/* B9: nobody is told of the old name, which changes with the new one, and of one when the other is
 *  written to. */
static void
keep__finds_all_names_of_a_file(void **state)
{
    struct watched t;
    struct vv_arena arena = {0};
    struct entry e;
    char from[1024];

    (void)state;
    watched_begin(&t, 4);
    assert_int_equal(mkdir(bw_path(&t.w, "a"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "b"), 0755), 0);
    bw_text(&t.w, "a/old", "one", false);
    bw_text(&t.w, "b/other", "one", false);
    keep_and_add(&t);
    (void)snprintf(from, sizeof(from), "%s", bw_path(&t.w, "a/old"));
    assert_int_equal(link(from, bw_path(&t.w, "b/new")), 0);
    mark(&t, "b", CHANGE_HERE);
    t.links = 1;
    keep_and_add(&t);
    assert_false(t.w.summary.kept);
    bw_must(&t.w, bw_entry(&t.w, "a/old", &arena, &e));
    assert_int_equal(e.nlink, 2);

    bw_text(&t.w, "b/new", "four", true);
    mark(&t, "b", CHANGE_HERE);
    keep_and_add(&t);
    assert_true(t.w.summary.kept);
    bw_assert_content(&t.w, "a/old");

    assert_int_equal(unlink(bw_path(&t.w, "b/new")), 0);
    mark(&t, "b", CHANGE_HERE);
    keep_and_add(&t);
    assert_true(t.w.summary.kept);
    bw_must(&t.w, bw_entry(&t.w, "a/old", &arena, &e));
    assert_int_equal(e.nlink, 1);

    /* A name outside of the paths given is missed once, and then known to be missing. */
    (void)snprintf(from, sizeof(from), "%s", bw_path(&t.w, "a/old"));
    assert_int_equal(link(from, bw_path(&t.w, "../outside")), 0);
    mark(&t, "a", CHANGE_HERE);
    t.links = 1;
    keep_and_add(&t);
    assert_false(t.w.summary.kept);
    mark(&t, "a", CHANGE_HERE);
    keep_and_add(&t);
    assert_true(t.w.summary.kept);
    vv_arena_release(&arena);
    watched_end(&t);
}

static void
assert_racy_only(struct watched *t)
{
    char path[256];
    int n = snprintf(path, sizeof(path), "%s/racy", t->w.source + 1);

    change_set_sort(t->unsettled);
    assert_int_equal(change_set_ask(t->unsettled, vv_span(path, (size_t)n)), CHANGE_HERE);
    n = snprintf(path, sizeof(path), "%s/quiet", t->w.source + 1);
    assert_int_equal(change_set_ask(t->unsettled, vv_span(path, (size_t)n)), CHANGE_NONE);
}

/** Racy entries are named, and settled by the next run. */
static void
keep__looks_again_at_what_was_not_settled(void **state)
{
    struct watched t;
    struct vv_arena arena = {0};
    struct entry e;

    (void)state;
    watched_begin(&t, 5);
    make_file(&t);
    assert_int_equal(mkdir(bw_path(&t.w, "quiet"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "racy"), 0755), 0);
    bw_text(&t.w, "racy/file", "one", false);
    bw_text(&t.w, "quiet/file", "one", false);
    keep_and_add(&t);
    bw_coarse_shift = 0;
    bw_text(&t.w, "racy/file", "two", false);
    mark(&t, "racy", CHANGE_HERE);
    keep_and_add(&t);
    bw_must(&t.w, bw_entry(&t.w, "racy/file", &arena, &e));
    assert_true(e.flags & ENTRY_RACY);
    assert_racy_only(&t);
    bw_coarse_shift = 3600;
    keep_and_add(&t);
    bw_must(&t.w, bw_entry(&t.w, "racy/file", &arena, &e));
    assert_false(e.flags & ENTRY_RACY);
    bw_assert_content(&t.w, "racy/file");
    vv_arena_release(&arena);
    watched_end(&t);
}

/** What is not named is not looked at: a change that nobody tells stays unseen (and is there next time). */
static void
keep__does_not_look_where_nothing_was_told(void **state)
{
    struct watched t;
    struct vv_arena arena = {0};
    struct entry e;

    (void)state;
    watched_begin(&t, 6);
    assert_int_equal(mkdir(bw_path(&t.w, "a"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "b"), 0755), 0);
    bw_text(&t.w, "a/file", "one", false);
    bw_text(&t.w, "b/file", "one", false);
    keep_and_add(&t);
    bw_text(&t.w, "a/file", "three", false);
    bw_text(&t.w, "b/file", "three", false);
    mark(&t, "a", CHANGE_HERE);
    keep_and_add(&t);
    assert_int_equal(t.w.summary.statistics.files_changed, 1);
    assert_int_equal(t.w.summary.statistics.files, 2);
    assert_int_equal(t.w.summary.statistics.bytes, 8);
    bw_must(&t.w, bw_entry(&t.w, "a/file", &arena, &e));
    assert_int_equal(e.size, 5);
    bw_must(&t.w, bw_entry(&t.w, "b/file", &arena, &e));
    assert_int_equal(e.size, 3);
    vv_arena_release(&arena);
    watched_end(&t);
}

/* B7 */
static void
keep__looks_at_everything_when_the_parent_is_of_no_use(void **state)
{
    struct watched t;
    struct vv_uuid right;

    (void)state;
    watched_begin(&t, 7);
    assert_int_equal(mkdir(bw_path(&t.w, "a"), 0755), 0);
    bw_text(&t.w, "a/file", "one", false);
    keep_and_add(&t);
    right = t.since.since;
    bw_text(&t.w, "a/file", "three", false);
    change_set_sort(t.changes); /* empty: whoever believes it sees nothing */
    t.w.options.changes = &t.since;

    memset(&t.since.since, 7, sizeof(t.since.since)); /* no such snapshot */
    bw_backup(&t.w);
    assert_false(t.w.summary.kept);
    bw_assert_content(&t.w, "a/file");

    t.since.since = right; /* other sources */
    t.w.paths[1] = "/etc/hostname";
    t.w.options.path_count = 2;
    bw_text(&t.w, "a/file", "fourth", false);
    bw_backup(&t.w);
    assert_false(t.w.summary.kept);
    bw_assert_content(&t.w, "a/file");
    t.w.options.path_count = 1;

    t.w.options.full = true;
    bw_text(&t.w, "a/file", "the fifth", false);
    bw_backup(&t.w);
    assert_false(t.w.summary.kept);
    bw_assert_content(&t.w, "a/file");
    t.w.options.full = false;

    change_set_add_everything(t.changes);
    bw_text(&t.w, "a/file", "number six", false);
    bw_backup(&t.w);
    assert_false(t.w.summary.kept);
    bw_assert_content(&t.w, "a/file");
    watched_end(&t);
}

/* A directory in the place of another, of which nobody was told more than its name. */
static void
keep__walks_what_is_not_the_directory_it_was(void **state)
{
    struct watched t;
    char from[1024];

    (void)state;
    watched_begin(&t, 8);
    assert_int_equal(mkdir(bw_path(&t.w, "a"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "b"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "a/below"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "b/below"), 0755), 0);
    bw_text(&t.w, "a/below/file", "one", false);
    bw_text(&t.w, "b/below/file", "another", false);
    keep_and_add(&t);
    (void)snprintf(from, sizeof(from), "%s", bw_path(&t.w, "a"));
    assert_int_equal(rename(from, bw_path(&t.w, "c")), 0);
    (void)snprintf(from, sizeof(from), "%s", bw_path(&t.w, "b"));
    assert_int_equal(rename(from, bw_path(&t.w, "a")), 0);
    mark(&t, "", CHANGE_HERE);
    keep_and_add(&t);
    bw_assert_content(&t.w, "a/below/file");
    bw_assert_content(&t.w, "c/below/file");
    assert_int_equal(t.w.summary.statistics.files, 2);
    watched_end(&t);
}

/* Excluded directories with something included again below are walked, whatever was told. */
static void
keep__knows_patterns(void **state)
{
    struct watched t;
    struct pattern_set *excludes = NULL;

    (void)state;
    watched_begin(&t, 9);
    bw_must(&t.w, pattern_set_new(&excludes, &t.w.err));
    bw_must(&t.w, pattern_set_add(excludes, "cache", &t.w.err));
    bw_must(&t.w, pattern_set_add(excludes, "!keep", &t.w.err));
    t.w.options.excludes = excludes;
    assert_int_equal(mkdir(bw_path(&t.w, "cache"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "cache/x"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "cache/x/keep"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "other"), 0755), 0);
    bw_text(&t.w, "cache/x/keep/file", "one", false);
    bw_text(&t.w, "cache/x/no", "one", false);
    bw_text(&t.w, "other/file", "one", false);
    keep_and_add(&t);
    bw_assert_content(&t.w, "cache/x/keep/file");
    for (unsigned i = 0; i < 4; i++) {
        uint64_t outside;
        bw_text(&t.w, "cache/x/keep/file", "more", true);
        bw_text(&t.w, "cache/x/no", "more", true);
        mark(&t, "cache/x/keep", CHANGE_HERE);
        mark(&t, i % 2 == 0 ? "cache/x" : "other", CHANGE_HERE);
        if (i == 3) {
            assert_int_equal(unlink(bw_path(&t.w, "cache/x/keep/file")), 0);
            assert_int_equal(rmdir(bw_path(&t.w, "cache/x/keep")), 0);
        }
        outside = bw_outside();
        keep_and_add(&t);
        if (i < 3) {
            bw_assert_content(&t.w, "cache/x/keep/file");
        }
        (void)check_against_whole(&t, outside);
    }
    pattern_set_free(excludes);
    watched_end(&t);
}

/* One path inside another, and one that comes and goes. */
static void
keep__looks_at_all_paths_given(void **state)
{
    struct watched t;
    char inner[128];
    char missing[128];

    (void)state;
    watched_begin(&t, 10);
    assert_int_equal(mkdir(bw_path(&t.w, "a"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "a/inner"), 0755), 0);
    assert_int_equal(mkdir(bw_path(&t.w, "b"), 0755), 0);
    bw_text(&t.w, "a/inner/file", "one", false);
    bw_text(&t.w, "b/file", "one", false);
    (void)snprintf(inner, sizeof(inner), "%s/a/inner", t.w.source);
    (void)snprintf(missing, sizeof(missing), "%s/b/missing", t.w.source);
    t.w.paths[1] = inner;
    t.w.paths[2] = missing;
    t.w.options.path_count = 3;
    keep_and_add(&t);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t outside;
        bw_text(&t.w, "b/file", "more", true);
        mark(&t, "b", CHANGE_HERE);
        if (i == 1) {
            assert_int_equal(mkdir(missing, 0755), 0);
            bw_text(&t.w, "b/missing/file", "here", false);
        }
        outside = bw_outside();
        keep_and_add(&t);
        (void)check_against_whole(&t, outside);
    }
    bw_assert_content(&t.w, "b/missing/file");
    watched_end(&t);
}

static void
keep__makes_no_snapshot_of_nothing(void **state)
{
    struct watched t;
    size_t before;

    (void)state;
    watched_begin(&t, 11);
    assert_int_equal(mkdir(bw_path(&t.w, "a"), 0755), 0);
    bw_text(&t.w, "a/file", "one", false);
    keep_and_add(&t);
    before = bw_snapshots(&t.w, NULL);
    t.w.options.only_changes = true;
    t.w.options.changes = &t.since;
    for (unsigned tries = 0; tries < 20; tries++) {
        uint64_t outside = bw_outside();
        change_set_clear(t.changes);
        mark(&t, "a", CHANGE_HERE);
        change_set_sort(t.changes);
        bw_must(&t.w, bw_run(&t.w));
        assert_true(t.w.summary.kept);
        assert_no_open_session(&t);
        if (t.w.summary.unchanged) {
            assert_false(t.w.summary.committed);
            assert_memory_equal(&t.w.summary.parent, &t.since.since, sizeof(t.since.since));
            assert_int_equal(bw_snapshots(&t.w, NULL), before);
            break;
        }
        assert_true(outside != bw_outside()); /* entries above src/ are the machine's */
        t.since.since = t.w.summary.snapshot.id;
        before = bw_snapshots(&t.w, NULL);
    }
    assert_true(t.w.summary.unchanged);
    bw_text(&t.w, "a/file", "more", true);
    bw_must(&t.w, bw_run(&t.w));
    assert_true(t.w.summary.committed);
    assert_false(t.w.summary.unchanged);
    t.w.paths[0] = "/var/tmp/varve-no-such-directory";
    assert_int_equal(bw_run(&t.w), VV_ENOTFOUND);
    assert_no_open_session(&t);
    watched_end(&t);
}

/** As root /var/tmp is a directory of our own: the files that come and go in it change the snapshots' trees. */
static char own_directory[] = "/var/tmp/varve-alone-XXXXXX";
static bool is_alone;

static int
begin_alone(void **state)
{
    (void)state;
    if (!tests_alone()) {
        return 0;
    }
    if (mkdtemp(own_directory) == NULL ||
        mount(own_directory, "/var/tmp", NULL, MS_BIND, NULL) != 0) {
        return -1;
    }
    is_alone = true;
    return 0;
}

static int
end_alone(void **state)
{
    (void)state;
    return !is_alone || (umount2("/var/tmp", MNT_DETACH) == 0 && rmdir(own_directory) == 0) ? 0
                                                                                            : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep__gives_the_tree_of_a_whole_walk),
        cmocka_unit_test(keep__finds_all_names_of_a_file),
        cmocka_unit_test(keep__looks_again_at_what_was_not_settled),
        cmocka_unit_test(keep__does_not_look_where_nothing_was_told),
        cmocka_unit_test(keep__looks_at_everything_when_the_parent_is_of_no_use),
        cmocka_unit_test(keep__walks_what_is_not_the_directory_it_was),
        cmocka_unit_test(keep__knows_patterns),
        cmocka_unit_test(keep__looks_at_all_paths_given),
        cmocka_unit_test(keep__makes_no_snapshot_of_nothing),
    };

    return cmocka_run_group_tests(tests, begin_alone, end_alone);
}
