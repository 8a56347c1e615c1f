/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking into a repository: list, find, history, difference to the live tree, cat, statistics. */
#include "helper_look.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"

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

/** The path below src/, or the whole of it. */
static void
put_short(struct vv_buf *out, struct vv_span path)
{
    struct vv_buf top = {0};
    struct vv_span src = lw_path(&w, "", &top);

    if (path.len > src.len && memcmp(path.data, src.data, src.len) == 0) {
        vv_buf_put(out, path.data + src.len + 1, path.len - src.len - 1);
    } else if (path.len == src.len && memcmp(path.data, src.data, src.len) == 0) {
        vv_buf_put_text(out, ".");
    } else {
        vv_buf_put_text(out, "^"); /* above */
    }
    vv_buf_release(&top);
}

static enum vv_rc
note_entry(void *ctx, const struct entry *e, struct vv_error *err)
{
    put_short(ctx, e->path);
    vv_buf_put_text(ctx, " ");
    return vv_buf_check(ctx, err);
}

static enum vv_rc
list(const char *path, bool recursive, struct vv_buf *out)
{
    struct vv_buf name = {0};
    struct vv_span span = lw_path(&w, path, &name);
    enum vv_rc rc;

    vv_buf_reset(out);
    rc = look_list(w.repo, &w.list.snapshots[w.list.count - 1], span, recursive, note_entry, out,
                   &w.err);
    vv_buf_release(&name);
    return rc;
}

static void
look_list__shows_children_or_everything_below(void **state)
{
    struct vv_buf out = {0};

    (void)state;
    lw_text(&w, "a/one", "1");
    lw_text(&w, "a/deep/two", "2");
    lw_text(&w, "a-b", "3");
    lw_text(&w, "a!", "4");
    lw_text(&w, "b", "5");
    lw_backup(&w);
    assert_int_equal(list("", false, &out), VV_OK);
    assert_string_equal(vv_buf_text(&out), "a a! a-b b ");
    assert_int_equal(list("", true, &out), VV_OK);
    assert_string_equal(vv_buf_text(&out), ". a a/deep a/deep/two a/one a! a-b b ");
    assert_int_equal(list("a", false, &out), VV_OK);
    assert_string_equal(vv_buf_text(&out), "a/deep a/one ");
    assert_int_equal(list("a/one", false, &out), VV_OK);
    assert_string_equal(vv_buf_text(&out), "a/one ");
    assert_int_equal(list("a/none", false, &out), VV_ENOTFOUND);
    assert_int_equal(list("a/one/x", true, &out), VV_ENOTFOUND);
    vv_buf_release(&out);
}

static enum vv_rc
note_found(void *ctx, const struct found_path *f, struct vv_error *err)
{
    put_short(ctx, f->path);
    vv_buf_printf(ctx, ":%zu-%zu:%u%s size %u\n", (size_t)(f->first - w.list.snapshots),
                  (size_t)(f->last - w.list.snapshots), (unsigned)f->snapshots,
                  f->deleted ? " deleted" : "", (unsigned)f->entry->size);
    return vv_buf_check(ctx, err);
}

static void
look_find__tells_first_last_and_deleted(void **state)
{
    struct vv_buf out = {0};
    struct pattern_set *patterns;

    (void)state;
    lw_text(&w, "x/gone.txt", "1");
    lw_text(&w, "x/stays.txt", "22");
    lw_text(&w, "x/other", "22");
    lw_backup(&w);
    lw_backup(&w);
    lw_remove(&w, "x/gone.txt");
    lw_text(&w, "x/stays.txt", "333");
    lw_text(&w, "new.txt", "4444");
    lw_backup(&w);
    lw_must(&w, pattern_set_new(&patterns, &w.err));
    lw_must(&w, pattern_set_add(patterns, "*.txt", &w.err));
    lw_must(&w, look_find(w.repo, &w.list, patterns, note_found, &out, &w.err));
    assert_string_equal(vv_buf_text(&out), "new.txt:2-2:1 size 4\n"
                                           "x/gone.txt:0-1:2 deleted size 1\n"
                                           "x/stays.txt:0-2:3 size 3\n");
    /* It comes back. */
    lw_text(&w, "x/gone.txt", "55555");
    lw_backup(&w);
    vv_buf_reset(&out);
    lw_must(&w, look_find(w.repo, &w.list, patterns, note_found, &out, &w.err));
    assert_string_equal(vv_buf_text(&out), "new.txt:2-3:2 size 4\n"
                                           "x/gone.txt:0-3:3 size 5\n"
                                           "x/stays.txt:0-3:4 size 3\n");
    pattern_set_free(patterns);
    vv_buf_release(&out);
}

struct versions {
    struct vv_buf text;
    unsigned stop_after;
};

static enum vv_rc
note_version(void *ctx, const struct version *v, bool *ret_stop, struct vv_error *err)
{
    struct versions *s = ctx;

    vv_buf_printf(&s->text, "%u:%zu-%zu:%u ", (unsigned)v->entry->size,
                  (size_t)(v->first - w.list.snapshots), (size_t)(v->last - w.list.snapshots),
                  (unsigned)v->snapshots);
    *ret_stop = s->stop_after > 0 && --s->stop_after == 0;
    return vv_buf_check(&s->text, err);
}

static void
look_history__has_one_line_per_content_newest_first(void **state)
{
    struct versions s = {0};
    struct vv_buf name = {0};
    struct vv_span path;

    (void)state;
    lw_text(&w, "f", "1");
    lw_backup(&w);
    lw_backup(&w); /* nothing changed: the same tree */
    lw_text(&w, "f", "22");
    lw_backup(&w);
    lw_text(&w, "other", "x");
    lw_backup(&w); /* another tree, the same file */
    lw_text(&w, "f", "1");
    lw_backup(&w);
    path = lw_path(&w, "f", &name);
    lw_must(&w, look_history(w.repo, &w.list, path, note_version, &s, &w.err));
    assert_string_equal(vv_buf_text(&s.text), "1:0-4:3 2:2-3:2 ");
    vv_buf_reset(&s.text);
    s.stop_after = 1;
    lw_must(&w, look_history(w.repo, &w.list, path, note_version, &s, &w.err));
    assert_string_equal(vv_buf_text(&s.text), "1:0-4:3 ");
    path = lw_path(&w, "nothing", &name);
    assert_int_equal(look_history(w.repo, &w.list, path, note_version, &s, &w.err), VV_ENOTFOUND);
    vv_buf_release(&s.text);
    vv_buf_release(&name);
}

static enum vv_rc
note_difference(void *ctx, const struct entry *a, const struct entry *b, struct vv_error *err)
{
    vv_buf_put_text(ctx, a == NULL ? "+" : b == NULL ? "-" : "~");
    put_short(ctx, a != NULL ? a->path : b->path);
    vv_buf_put_text(ctx, " ");
    return vv_buf_check(ctx, err);
}

static const char *
diff_live(const char *below, bool content, struct vv_buf *out)
{
    struct vv_buf name = {0};
    struct vv_span span = {0};

    if (below != NULL) {
        span = lw_path(&w, below, &name);
    }
    vv_buf_reset(out);
    lw_must(&w, look_diff_live(w.repo, &w.list.snapshots[w.list.count - 1], span, content,
                               note_difference, out, &w.err));
    vv_buf_release(&name);
    return vv_buf_text(out);
}

/** Set a file's times as they were, so that only its content (and change time) tell. */
static void
set_mtime(const char *path, struct timespec mtime)
{
    char full[512];
    struct timespec times[2] = {mtime, mtime};

    (void)snprintf(full, sizeof(full), "%s/src/%s", w.base, path);
    assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
}

static void
look_diff_live__reports_what_changed_and_reads_if_asked(void **state)
{
    struct vv_buf out = {0};
    struct timespec then = {.tv_sec = 1500000000};
    static uint8_t noise[300000];

    (void)state;
    lw_noise(noise, sizeof(noise), 7);
    lw_text(&w, "a/kept", "1");
    lw_text(&w, "a/removed", "1");
    lw_write(&w, "sneaky", noise, sizeof(noise));
    set_mtime("sneaky", then);
    set_mtime("a", then);
    lw_backup(&w);
    assert_string_equal(diff_live(NULL, false, &out), "");
    assert_string_equal(diff_live(NULL, true, &out), "");
    lw_remove(&w, "a/removed");
    lw_text(&w, "a/added", "1");
    noise[200000] ^= 1;
    lw_write(&w, "sneaky", noise, sizeof(noise));
    set_mtime("sneaky", then);
    set_mtime("a", then);
    assert_string_equal(diff_live(NULL, false, &out), "+a/added -a/removed ");
    assert_string_equal(diff_live(NULL, true, &out), "+a/added -a/removed ~sneaky ");
    assert_string_equal(diff_live("a", true, &out), "+a/added -a/removed ");
    assert_string_equal(diff_live("sneaky", true, &out), "~sneaky ");
    vv_buf_release(&out);
}

static void
look_diff_live__compares_holes_as_zeros(void **state)
{
    struct vv_buf out = {0};
    struct timespec then = {.tv_sec = 1500000000};
    static uint8_t data[1 << 20];
    char full[512];
    int fd;

    (void)state;
    (void)snprintf(full, sizeof(full), "%s/src/sparse", w.base);
    fd = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    lw_noise(data, 100000, 3);
    assert_int_equal(pwrite(fd, data, 100000, 1 << 20), 100000);
    assert_int_equal(ftruncate(fd, 4 << 20), 0);
    set_mtime("sparse", then);
    set_mtime("", then);
    lw_backup(&w);
    assert_string_equal(diff_live(NULL, true, &out), "");
    memset(data, 0, sizeof(data)); /* fill a hole with zeros: the same bytes */
    assert_int_equal(pwrite(fd, data, sizeof(data), 0), sizeof(data));
    set_mtime("sparse", then);
    assert_string_equal(diff_live(NULL, true, &out), "");
    assert_int_equal(pwrite(fd, "x", 1, 3 << 20), 1); /* no zero */
    set_mtime("sparse", then);
    assert_string_equal(diff_live(NULL, true, &out), "~sparse ");
    assert_int_equal(close(fd), 0);
    vv_buf_release(&out);
}

static enum vv_rc
collect(void *ctx, struct vv_span data, struct vv_error *err)
{
    vv_buf_put(ctx, data.data, data.len);
    return vv_buf_check(ctx, err);
}

static void
look_cat__gives_bytes_and_zeros_for_holes(void **state)
{
    struct vv_buf out = {0};
    struct vv_buf name = {0};
    static uint8_t expected[3 << 20];
    char full[512];
    int fd;

    (void)state;
    lw_noise(expected + (1 << 20), 777777, 3);
    (void)snprintf(full, sizeof(full), "%s/src/sparse", w.base);
    fd = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, expected + (1 << 20), 777777, 1 << 20), 777777);
    assert_int_equal(ftruncate(fd, sizeof(expected)), 0);
    assert_int_equal(close(fd), 0);
    lw_text(&w, "empty", "");
    lw_backup(&w);
    lw_must(&w, look_cat(w.repo, &w.list.snapshots[0], lw_path(&w, "sparse", &name), collect, &out,
                         &w.err));
    assert_int_equal(out.len, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
    vv_buf_reset(&out);
    lw_must(&w, look_cat(w.repo, &w.list.snapshots[0], lw_path(&w, "empty", &name), collect, &out,
                         &w.err));
    assert_int_equal(out.len, 0);
    assert_int_equal(
        look_cat(w.repo, &w.list.snapshots[0], lw_path(&w, "", &name), collect, &out, &w.err),
        VV_EUSAGE);
    assert_int_equal(
        look_cat(w.repo, &w.list.snapshots[0], lw_path(&w, "no", &name), collect, &out, &w.err),
        VV_ENOTFOUND);
    vv_buf_release(&out);
    vv_buf_release(&name);
}

static void
look_statistics__count_each_chunk_once(void **state)
{
    struct repo_statistics s;
    static uint8_t noise[500000];
    uint64_t *unique;

    (void)state;
    lw_noise(noise, sizeof(noise), 1);
    lw_write(&w, "a", noise, sizeof(noise));
    lw_write(&w, "b", noise, sizeof(noise));
    lw_backup(&w);
    lw_noise(noise, 100000, 2);
    lw_write(&w, "c", noise, 100000);
    lw_backup(&w);
    lw_must(&w, look_statistics(w.repo, &w.list, &s, &w.err));
    assert_int_equal(s.snapshots, 2);
    assert_int_equal(s.logical_bytes, 1000000 + 1100000);
    assert_true(s.unique_bytes >= 600000 && s.unique_bytes < 700000);
    assert_true(s.stored_bytes >= 600000);
    assert_true(s.metadata_bytes > 0 && s.metadata_bytes < s.stored_bytes);
    assert_true(s.other_bytes > 0 && s.packs >= 3 && s.blocks >= 3 && s.chunks >= 5);
    lw_must(&w, look_unique(w.repo, &w.list, &unique, &w.err));
    assert_true(unique[0] < 50000); /* its data lives on, its root node does not */
    assert_true(unique[1] >= 100000 && unique[1] < 150000);
    vv_free(unique);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(look_list__shows_children_or_everything_below, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(look_find__tells_first_last_and_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(look_history__has_one_line_per_content_newest_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(look_diff_live__reports_what_changed_and_reads_if_asked,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(look_diff_live__compares_holes_as_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(look_cat__gives_bytes_and_zeros_for_holes, setup, teardown),
        cmocka_unit_test_setup_teardown(look_statistics__count_each_chunk_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
